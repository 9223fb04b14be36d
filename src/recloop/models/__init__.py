"""Recommenders: everything here keeps the contract of `recloop.types.Recommender`."""

from recloop.utils.lazy import lazy_names

MODELS = {
    "als": "recloop.models.baselines.als:ALSRecommender",
    "beta_thompson": "recloop.models.bandits.context_free:BetaThompsonRecommender",
    "contextual_bandit": "recloop.models.contextual_bandit:ContextualBanditRecommender",
    "dqn": "recloop.models.dqn:DQNRecommender",
    "ease": "recloop.models.baselines.ease:EASERecommender",
    "epsilon_greedy": "recloop.models.bandits.context_free:EpsilonGreedyRecommender",
    "exp3": "recloop.models.bandits.context_free:Exp3Recommender",
    "gaussian_thompson": "recloop.models.bandits.context_free:GaussianThompsonRecommender",
    "hybrid_lin_thompson": "recloop.models.bandits.hybrid:HybridLinThompsonRecommender",
    "hybrid_lin_ucb": "recloop.models.bandits.hybrid:HybridLinUCBRecommender",
    "item_knn": "recloop.models.baselines.item_knn:ItemKNNRecommender",
    "kl_ucb": "recloop.models.bandits.context_free:KLUCBRecommender",
    "lin_epsilon_greedy": "recloop.models.bandits.linear:LinEpsilonGreedyRecommender",
    "lin_square_cb": "recloop.models.bandits.linear:LinSquareCBRecommender",
    "lin_thompson": "recloop.models.bandits.linear:LinThompsonRecommender",
    "lin_ucb": "recloop.models.bandits.linear:LinUCBRecommender",
    "logistic_thompson": "recloop.models.bandits.logistic:LogisticThompsonRecommender",
    "logistic_ucb": "recloop.models.bandits.logistic:LogisticUCBRecommender",
    "markov": "recloop.models.baselines.markov:MarkovRecommender",
    "neural_linear": "recloop.models.bandits.neural_linear:NeuralLinearRecommender",
    "popular": "recloop.models.baselines.popular:PopularRecommender",
    "pure_svd": "recloop.models.baselines.pure_svd:PureSVDRecommender",
    "q_learning": "recloop.models.q_learning:QLearningRecommender",
    "random": "recloop.models.baselines.random:RandomRecommender",
    "sarsa": "recloop.models.sarsa:SARSARecommender",
    "ucb1": "recloop.models.bandits.context_free:UCB1Recommender",
}
"""Every model by its name in a configuration; text, so that each loads when it is asked for."""

__getattr__, __dir__, _classes = lazy_names(
    __name__, {place.split(":")[1]: place.split(":")[0] for place in MODELS.values()}
)
__all__ = ["MODELS", *_classes]  # noqa: PLE0604 # pyright: ignore[reportUnsupportedDunderAll]
