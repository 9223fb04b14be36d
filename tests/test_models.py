"""The category `models`: every promise of the contract, for every model and for a plug-in.

The equations of each model are tested in tests/models.
"""

import pytest

from plug_in import CountingRecommender
from recloop.models import MODELS
from recloop.models.registry import model_class
from recloop.testing import CHECKS, PROBE_WORLDS, sample_log
from recloop.training import SimulatedEpisodes

N_USERS, N_ITEMS = 12, 10

VARIANTS = {
    "als": [{"factors": 3, "iterations": 5}],
    "contextual_bandit": [
        {"epsilon": 0.2},
        {"epsilon": 0.2, "learning_rate": 0.01, "context_dim": 3},
        {"epsilon": 0.2, "layout": "shared", "context_dim": 2, "n_recent": 3},
    ],
    "dqn": [{"epsilon": 0.2}],
    "ease": [{"regularization": 1.0}],
    "item_knn": [{"n_neighbours": 4}],
    "markov": [{}, {"n_recent": 5}],
    "popular": [{}],
    "pure_svd": [{"n_factors": 3}],
    "q_learning": [{"epsilon": 0.2}],
    "random": [{}],
    "sarsa": [{"epsilon": 0.2}],
}
"""Each model in the settings that behave differently. One that is missing here fails below."""

CANNOT = {"random": {"learns which item is liked"}}
"""What a model cannot promise by its nature."""


def _factory(name, params):
    def make_model(seed):
        made = CountingRecommender if name == "plug-in" else model_class(name)
        model = made(N_USERS, N_ITEMS, seed=seed, **params)
        if getattr(model, "layout", None) == "shared":  # its features are those of a log
            model.fit_features(sample_log(N_USERS, N_ITEMS))
        return model

    return make_model


def _cases():
    for name in [*sorted(MODELS), "plug-in"]:
        for params in VARIANTS.get(name, [{}]):
            label = ",".join(f"{key}={value}" for key, value in params.items())
            yield pytest.param(name, params, id=f"{name}({label})")


def test_every_model_is_checked():
    assert VARIANTS.keys() == MODELS.keys()


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
@pytest.mark.parametrize(("name", "params"), list(_cases()))
def test_the_model_keeps_the_contract(name, params, check):
    sentence = check.__name__.replace("_", " ")
    if sentence in CANNOT.get(name, ()):
        with pytest.raises(AssertionError):  # so that the table of excuses stays true
            check(_factory(name, params))
        return
    check(_factory(name, params))


Q_HISTORY = {"epsilon": 0.3, "state": "last_item"}
PROBED = {
    ("contextual_bandit", "disjoint"): {"epsilon": 0.1, "context_dim": 2},
    ("contextual_bandit", "forgetting"): {"epsilon": 0.1, "context_dim": 2, "learning_rate": 0.05},
    ("plug-in", "counting"): {"epsilon": 0.1},
}
MUST_PASS = {
    "OneItemWorld": ["disjoint", "forgetting", "counting"],
    "TwoUsersWorld": ["disjoint", "forgetting", "counting"],
    "TwoItemsWorld": ["disjoint", "forgetting", "counting"],
    "TwoByTwoWorld": ["disjoint", "forgetting", "counting"],
    "DelayedPurchaseWorld": [],
    "DriftingTasteWorld": ["forgetting"],
}


def _probes():
    for world in PROBE_WORLDS:
        for (name, label), params in PROBED.items():
            if label in MUST_PASS[world.__name__]:
                yield pytest.param(world, name, params, id=f"{world.__name__}-{name}-{label}")


@pytest.mark.parametrize(("make_world", "name", "params"), list(_probes()))
def test_the_model_finds_its_way_in_the_probe_world(make_world, name, params):
    world = make_world()
    made = CountingRecommender if name == "plug-in" else model_class(name)
    model = made(world.n_users, world.n_items, **params)
    lesson = SimulatedEpisodes(world, world.histories(model.history_length), seed=0)
    for episode in range(world.n_episodes):
        lesson.teach(model, episode)
    problem = world.problem(model)
    assert problem is None, f"{problem}. {world.meaning}"
