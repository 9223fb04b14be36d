"""Recommenders: everything here keeps the contract of `recloop.types.Recommender`."""

from recloop.utils.lazy import lazy_names

MODELS = {
    "als": "recloop.models.baselines.als:ALSRecommender",
    "contextual_bandit": "recloop.models.contextual_bandit:ContextualBanditRecommender",
    "dqn": "recloop.models.dqn:DQNRecommender",
    "ease": "recloop.models.baselines.ease:EASERecommender",
    "item_knn": "recloop.models.baselines.item_knn:ItemKNNRecommender",
    "markov": "recloop.models.baselines.markov:MarkovRecommender",
    "popular": "recloop.models.baselines.popular:PopularRecommender",
    "pure_svd": "recloop.models.baselines.pure_svd:PureSVDRecommender",
    "q_learning": "recloop.models.q_learning:QLearningRecommender",
    "random": "recloop.models.baselines.random:RandomRecommender",
    "sarsa": "recloop.models.sarsa:SARSARecommender",
}
"""Every model by its name in a configuration; text, so that each loads when it is asked for."""

__getattr__, __dir__, _classes = lazy_names(
    __name__, {place.split(":")[1]: place.split(":")[0] for place in MODELS.values()}
)
__all__ = ["MODELS", *_classes]  # noqa: PLE0604 # pyright: ignore[reportUnsupportedDunderAll]
