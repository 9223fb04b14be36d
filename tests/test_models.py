"""The category `models`: every promise of the contract, for every model and for a plug-in.

The equations of each model are tested in tests/models.
"""

import pytest

from recloop.models import MODELS
from recloop.testing import CHECKS, PROBE_WORLDS, ContractBroken
from recloop.training import SimulatedEpisodes
from variants import SMALL_NETWORK, VARIANTS, build, label

N_USERS, N_ITEMS = 12, 10

CANNOT = {"random": {"learns which item is liked"}}
"""What a model cannot promise by its nature."""


def _cases():
    for name, variants in {**VARIANTS, "plug-in": [{}]}.items():
        for params in variants:
            yield pytest.param(name, params, id=label(name, params))


def test_every_model_is_checked():
    assert VARIANTS.keys() == MODELS.keys()


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
@pytest.mark.parametrize(("name", "params"), list(_cases()))
def test_the_model_keeps_the_contract(name, params, check):
    def make_model(seed):
        return build(name, params, N_USERS, N_ITEMS, seed)

    if check.__name__.replace("_", " ") in CANNOT.get(name, ()):
        with pytest.raises(ContractBroken):  # so that the table of excuses stays true
            check(make_model)
        return
    check(make_model)


PROBED_BANDITS = {
    "beta thompson": ("beta_thompson", {}),
    "exp3": ("exp3", {"epsilon": 0.2}),
    "forgetting beta thompson": ("beta_thompson", {"discount": 0.95}),
    "forgetting gaussian thompson": ("gaussian_thompson", {"discount": 0.95}),
    "forgetting lin thompson": ("lin_thompson", {"discount": 0.95, "context_dim": 2}),
    "forgetting lin ucb": ("lin_ucb", {"discount": 0.95, "context_dim": 2}),
    "forgetting mean of items": ("epsilon_greedy", {"discount": 0.95}),
    "forgetting ucb1": ("ucb1", {"discount": 0.95}),
    "forgetting window": ("lin_epsilon_greedy", {"window": 60, "context_dim": 2}),
    "gaussian thompson": ("gaussian_thompson", {}),
    "hybrid thompson": ("hybrid_lin_thompson", {"context_dim": 2}),
    "hybrid ucb": ("hybrid_lin_ucb", {"context_dim": 2}),
    "kl ucb": ("kl_ucb", {}),
    "lin epsilon greedy": ("lin_epsilon_greedy", {"context_dim": 2}),
    "lin square cb": ("lin_square_cb", {"context_dim": 2}),
    "lin thompson": ("lin_thompson", {"context_dim": 2}),
    "lin ucb": ("lin_ucb", {"context_dim": 2}),
    "logistic thompson": ("logistic_thompson", {"context_dim": 2}),
    "logistic ucb": ("logistic_ucb", {"context_dim": 2}),
    "mean of items": ("epsilon_greedy", {}),
    "neural linear": (
        "neural_linear",
        {"context_dim": 2, "hidden": (8,), "train_every": 100, "n_steps": 50},
    ),
    "ucb1": ("ucb1", {}),
}
"""Contexts of two numbers tell two people apart by their codes."""

PROBED = {
    **PROBED_BANDITS,
    "bandit": ("contextual_bandit", {"epsilon": 0.1, "context_dim": 2}),
    "dqn": ("dqn", {"epsilon": 0.3, "dropout": 0.0, "target_every": 50, **SMALL_NETWORK}),
    "forgetting bandit": (
        "contextual_bandit",
        {"epsilon": 0.1, "context_dim": 2, "learning_rate": 0.05},
    ),
    "mean of pairs": ("plug-in", {"epsilon": 0.1}),
    "q of user": ("q_learning", {"epsilon": 0.3}),
    "q of last item": ("q_learning", {"epsilon": 0.3, "state": "last_item"}),
    "short-sighted q of last item": (
        "q_learning",
        {"epsilon": 0.3, "state": "last_item", "discount_factor": 0.0},
    ),
    "double q of last item": ("q_learning", {"epsilon": 0.3, "state": "last_item", "double": True}),
    "q of recent items": ("q_learning", {"epsilon": 0.3, "state": "recent_items", "n_recent": 2}),
    "sarsa of user": ("sarsa", {"epsilon": 0.3}),
    "sarsa of last item": ("sarsa", {"epsilon": 0.3, "state": "last_item"}),
    "expected sarsa of last item": (
        "sarsa",
        {"epsilon": 0.3, "state": "last_item", "expected": True},
    ),
}
"""Models that learn step by step, in the settings that decide what they can find."""

OF_CONTEXTS = {name for name, (_, params) in PROBED.items() if "context_dim" in params}
OF_PAIRS = {"dqn", "mean of pairs", "q of user", "sarsa of user"} | OF_CONTEXTS
FORGETFUL = {name for name in PROBED_BANDITS if name.startswith("forgetting")}
# these weigh old evidence like new
OF_STEPS = set(PROBED) - {"bandit", "dqn", "mean of pairs"} - (set(PROBED_BANDITS) - FORGETFUL)
WITH_VALUES = set(PROBED) - {"exp3"}  # its scores are logarithms of weights
OF_HISTORIES = {
    name for name, (_, params) in PROBED.items() if params.keys() & {"state", "n_recent"}
}
MUST_PASS = {
    "OneItemWorld": WITH_VALUES,
    "TwoUsersWorld": OF_PAIRS,
    "TwoItemsWorld": set(PROBED),
    "TwoByTwoWorld": OF_PAIRS,
    "DelayedPurchaseWorld": OF_HISTORIES,
    "DriftingTasteWorld": OF_STEPS,
}
"""Who has no excuse where."""


def _probes():
    for world in PROBE_WORLDS:
        for case in sorted(MUST_PASS[world.__name__]):
            yield pytest.param(world, *PROBED[case], id=f"{world.__name__}-{case}")


@pytest.mark.parametrize(("make_world", "name", "params"), list(_probes()))
def test_the_model_finds_its_way_in_the_probe_world(make_world, name, params):
    world = make_world()
    model = build(name, params, world.n_users, world.n_items, seed=0)
    lesson = SimulatedEpisodes(world, world.histories(model.history_length), seed=0)
    for episode in range(world.n_episodes):
        lesson.teach(model, episode)
    problem = world.problem(model)
    assert problem is None, f"{problem}. {world.meaning}"
