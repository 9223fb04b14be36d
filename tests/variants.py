"""Every model in the settings that behave differently: what contract and golden traces go over."""

from plug_in import CountingRecommender
from recloop.models.registry import model_class
from recloop.testing import sample_log

SMALL_NETWORK = {"embedding_dim": 8, "hidden": (16,), "n_recent": 3}

BANDITS = {
    "beta_thompson": [{}, {"epsilon": 0.1, "discount": 0.99}],
    "epsilon_greedy": [{"epsilon": 0.2}],
    "exp3": [{"epsilon": 0.2}],
    "gaussian_thompson": [{}, {"epsilon": 0.1, "scale": 0.2}],
    "hybrid_lin_thompson": [{"context_dim": 3}, {"epsilon": 0.1, "n_members": 40}],
    "hybrid_lin_ucb": [{"epsilon": 0.2, "context_dim": 3}],
    "kl_ucb": [{"epsilon": 0.2}],
    "lin_epsilon_greedy": [{"epsilon": 0.2}, {"epsilon": 0.2, "window": 100, "context_dim": 3}],
    "lin_square_cb": [{"context_dim": 3}, {"gamma": 1.0, "epsilon": 0.1, "context_dim": 3}],
    "lin_thompson": [{"context_dim": 3}, {"epsilon": 0.1, "discount": 0.999, "context_dim": 3}],
    "lin_ucb": [
        {"epsilon": 0.2},
        {"epsilon": 0.2, "context_dim": 3, "discount": 0.99},
        {"epsilon": 0.2, "context_dim": 3, "window": 50, "regularization": 10.0},
    ],
    "logistic_thompson": [{"context_dim": 3}],
    "logistic_ucb": [{"epsilon": 0.2, "context_dim": 3}],
    "neural_linear": [
        {"epsilon": 0.1, "context_dim": 3, "hidden": (8,), "train_every": 100, "n_steps": 20}
    ],
    "ucb1": [{"epsilon": 0.2}],
}

VARIANTS = {
    **BANDITS,
    "als": [{"factors": 3, "iterations": 5}],
    "contextual_bandit": [
        {"epsilon": 0.2},
        {"epsilon": 0.2, "learning_rate": 0.01, "context_dim": 3},
        {"epsilon": 0.2, "layout": "shared", "context_dim": 2, "n_recent": 3, "window": 3},
    ],
    "dqn": [
        {"epsilon": 0.2, **SMALL_NETWORK},
        {"epsilon": 0.2, **SMALL_NETWORK, "double": False, "dueling": True, "context_dim": 4},
        {"epsilon": 0.2, **SMALL_NETWORK, "n_recent": 0, "replay_capacity": 100},
        {"epsilon": 0.2, **SMALL_NETWORK, "objective": "cross_entropy"},
        {"epsilon": 0.2, **SMALL_NETWORK, "network": "torch"},
    ],
    "ease": [{"regularization": 1.0}],
    "item_knn": [{"n_neighbours": 4}],
    "markov": [{}, {"n_recent": 5}],
    "popular": [{}],
    "pure_svd": [{"n_factors": 3}],
    "q_learning": [
        {"epsilon": 0.2},
        {"epsilon": 0.2, "state": "last_item", "table": "hashed", "double": True},
        {"epsilon": 0.2, "state": "recent_items", "n_recent": 3},
        {"epsilon": 0.2, "state": "segment", "initial_value": 0.5},
    ],
    "random": [{}],
    "sarsa": [
        {"epsilon": 0.2},
        {"epsilon": 0.2, "state": "recent_items", "table": "hashed"},
        {"epsilon": 0.2, "state": "last_item", "expected": True},
    ],
}
"""Each model of `MODELS`; one that is missing here fails a test."""


def class_of(name):
    """The class behind a name of `VARIANTS`, or the plug-in."""
    return CountingRecommender if name == "plug-in" else model_class(name)


def build(name, params, n_users, n_items, seed, log=None):
    """A fresh model; features, where it has them, are those of `log`."""
    model = class_of(name)(n_users, n_items, seed=seed, **params)
    if getattr(model, "layout", None) == "shared":
        model.fit_features(sample_log(n_users, n_items) if log is None else log)
    return model


def label(name, params):
    """The name of a case in a test report."""
    told = {key: value for key, value in params.items() if SMALL_NETWORK.get(key) != value}
    return f"{name}({','.join(f'{key}={value}' for key, value in told.items())})"
