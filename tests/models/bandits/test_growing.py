"""What every bandit promises: a batch is its rows, items come and go, late rewards count alike."""

import re

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.models.registry import model_class
from recloop.types import Transitions
from recloop.utils.seeding import stream

WIDTH = 3
CASES = {
    "beta_thompson": {},
    "beta_thompson discounted": {"discount": 0.95},
    "epsilon_greedy": {},
    "exp3": {"epsilon": 0.2},
    "gaussian_thompson": {},
    "hybrid_lin_thompson": {"context_dim": WIDTH},
    "hybrid_lin_ucb": {"context_dim": WIDTH},
    "kl_ucb": {},
    "lin_epsilon_greedy": {"context_dim": WIDTH},
    "lin_square_cb": {"context_dim": WIDTH, "window": 25},
    "lin_thompson": {"context_dim": WIDTH, "discount": 0.98},
    "lin_ucb": {"context_dim": WIDTH},
    "lin_ucb slowly discounted": {"context_dim": WIDTH, "discount": 0.999},
    "logistic_thompson": {"context_dim": WIDTH},
    "logistic_ucb": {"context_dim": WIDTH, "regularization": 10.0},
    "neural_linear": {
        "context_dim": WIDTH,
        "hidden": (6, 4),
        "train_every": 30,
        "n_steps": 10,
        "memory": 70,
    },
    "ucb1": {},
    "ucb1 discounted": {"discount": 0.95},
}
every_bandit = pytest.mark.parametrize("case", CASES)
FORGETFUL = {"exp3", "lin_square_cb", "neural_linear"}
"""Order matters to these, to whoever discounts, and to logistic bandits (`test_logistic`)."""
TIMELESS = [
    case
    for case, params in CASES.items()
    if case not in FORGETFUL and "discount" not in params and not case.startswith("logistic")
]


def _model(case, n_items=5, seed=0):
    return model_class(case.split()[0])(4, n_items, seed=seed, **CASES[case])


def _rows(n_rows, n_items=5, seed=0):
    rng = stream(seed, "rows")
    return Transitions(
        users=rng.integers(4, size=n_rows),
        items=rng.integers(n_items, size=n_rows),
        rewards=rng.integers(2, size=n_rows).astype(np.float64),
        contexts=rng.normal(size=(n_rows, WIDTH)),
        propensities=rng.uniform(0.1, 1.0, n_rows),
        weights=rng.uniform(0.2, 2.0, n_rows),
    )


def _moment(model, n_rows=6):
    width = getattr(model, "context_dim", 0)
    rng = stream(1, "moment")
    return np.zeros(n_rows, dtype=np.int64), rng.normal(size=(n_rows, width)) if width else None


def _same(model, other, tolerance):
    left, right = model.arrays(), other.arrays()
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=0, atol=tolerance, err_msg=name)


def _own(model, items):
    """The learned arrays of `items` and all that belongs to no item."""
    found = {}
    for f in model._learned_fields():
        value = getattr(model, f.name)
        shape = f.metadata["shape"]
        if shape and shape[0] == "n_items":
            found[f.name] = value[items].copy()
        elif f.name not in ("network", "moments"):
            found[f.name] = value.copy()
    return found


@every_bandit
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_batch_is_its_rows_one_by_one(case, size):
    rows, together, alone = _rows(100), _model(case), _model(case)
    for start in range(0, 100, size):
        together.update_batch(rows.rows(slice(start, start + size)))
    for row in range(100):
        alone.update_batch(rows.rows(slice(row, row + 1)))
    _same(together, alone, 1e-10)
    assert together.counters() == alone.counters()
    users, context = _moment(together)
    left, right = (model.scores(users, context=context) for model in (together, alone))
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-10)


@every_bandit
def test_scores_of_a_batch_are_those_of_its_rows_bit_by_bit(case):
    model = _model(case)
    model.update_batch(_rows(80))
    users, context = _moment(model)
    together = model.acting_scores(users, context, None)
    for row in range(len(users)):
        one = slice(row, row + 1)
        alone = model.acting_scores(users[one], None if context is None else context[one], None)
        np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize("case", TIMELESS)
def test_a_reward_that_comes_late_gives_the_same_as_at_once(case):
    rows, at_once, late = _rows(60), _model(case), _model(case)
    at_once.update_batch(rows)
    order = np.concatenate([np.arange(0, 60, 2), np.arange(59, 0, -2)])
    for row in order:
        late.update_batch(rows.rows(slice(row, row + 1)))
    _same(at_once, late, 1e-10)


@every_bandit
def test_new_items_leave_all_others_as_they_were_bit_by_bit(case):
    model = _model(case)
    model.update_batch(_rows(55))
    before = _own(model, np.arange(5))
    users, context = _moment(model)
    scores = model.scores(users, context=context)
    assert model.add_items(3).tolist() == [5, 6, 7]
    assert model.n_items == 8
    for name, value in _own(model, np.arange(5)).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    grown = model.scores(users, context=context)
    assert grown.shape == (6, 8)
    np.testing.assert_array_equal(grown[:, :5], scores)
    model.update_batch(_rows(40, n_items=8, seed=1))  # learns and chooses without a wrong size
    assert len(set(model.recommend(0, 8))) == 8


@pytest.mark.parametrize("case", sorted(CASES.keys() - {"exp3"}))
def test_new_items_know_nothing(case):
    model, untaught = _model(case), _model(case, n_items=1)
    model.update_batch(_rows(55))
    new = model.add_items(2)
    if case == "neural_linear":  # regressions on features that were learned since
        for name in ("evidence", "inverse", "reward_sums", "weights", "n_updates"):
            expected = np.repeat(getattr(untaught, name), 2, axis=0)
            np.testing.assert_array_equal(getattr(model, name)[new], expected)
        return
    for f in untaught._learned_fields():
        if f.metadata["shape"][0] == "n_items" and f.name != "item_table":
            value = getattr(untaught, f.name)
            np.testing.assert_array_equal(getattr(model, f.name)[new], np.repeat(value, 2, axis=0))


def test_a_new_item_of_exp3_has_the_mean_weight():
    model = _model("exp3", n_items=2)
    model.log_weights = np.log([1.0, 0.25])
    model.add_items()
    np.testing.assert_allclose(np.exp(model.log_weights), [1.0, 0.25, 0.625])


@every_bandit
def test_withdrawn_items_are_never_shown_and_lose_nothing(case, tmp_path):
    model, path = _model(case), tmp_path / "model.npz"
    model.update_batch(_rows(55))
    before = _own(model, np.arange(5))
    model.withdraw_items([1, 3])
    for name, value in _own(model, np.arange(5)).items():
        np.testing.assert_array_equal(value, before[name])
    model.save(path)
    loaded = type(model).load(path)
    users, context = _moment(model)
    for one in (model, loaded):
        assert one.available.tolist() == [True, False, True, False, True]
        slates = one.choose_batch(users, 5, context=context)
        assert set(slates.items.ravel()) == {0, 2, 4, -1}
        assert (one.probabilities(users, context=context)[:, [1, 3]] == 0).all()
        assert set(one.recommend(0, 5, explore=False)) == {0, 2, 4}
        moment = None if context is None else context[0]
        decision = one.decide(0, 5, context=moment, candidates=[0, 1, 2], exclude=[2])
        assert decision.items.tolist() == [0]
        assert decision.propensities == pytest.approx([1.0])
        refused = one.slate_propensities(users[:1], [[1]], context=None)
        assert refused.tolist() == [[0.0]]
    _same(model, loaded, 0)
    loaded.restore_items([3])
    assert 3 in loaded.recommend(0, 5)
    loaded.add_items(1)
    assert loaded.available.tolist() == [True, False, True, True, True, True]


@every_bandit
def test_withdrawing_everything_shows_nothing(case):
    model = _model(case)
    model.withdraw_items(range(5))
    assert model.recommend(0, 3) == []
    assert model.decide(0, 3).items.tolist() == []
    assert model.probabilities(np.array([0])).tolist() == [[0.0] * 5]
    model.restore_items(range(5))
    assert model.available.all()


@every_bandit
def test_a_grown_model_is_saved_and_loaded(case, tmp_path):
    model, path = _model(case), tmp_path / "model.npz"
    model.update_batch(_rows(47))
    model.add_items(2)
    model.save(path)
    loaded = type(model).load(path)
    for one in (model, loaded):
        one.update_batch(_rows(47, n_items=7, seed=2))
    _same(model, loaded, 0)
    assert model.counters() == loaded.counters()


@every_bandit
def test_bad_counts_and_codes_of_items_are_refused(case):
    model = _model(case)
    for bad in (0, -1, 1.5, True):
        with pytest.raises(InvalidParameter, match="count must be a whole number of at least 1"):
            model.add_items(bad)
    for name in ("withdraw_items", "restore_items"):
        with pytest.raises(InvalidParameter, match=f"{name} must be between 0 and 4, got 5"):
            getattr(model, name)([5])
    assert model.n_items == 5
    assert model.available.all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"epsilon": 1.5}, "epsilon must be between 0 and 1, got 1.5"),
        ({"epsilon": np.nan}, "epsilon must be between 0 and 1, got nan"),
        ({"click_model": "guess"}, "click_model must be one of 'each', 'cascade'"),
        ({"click_model": "position"}, "examination must hold a probability for each slot"),
        ({"examination": (1.0,)}, "examination must hold a probability for each slot"),
        (
            {"click_model": "position", "examination": (1.0, 0.0)},
            "examination must be above 0 and at most 1, got 0.0",
        ),
    ],
)
@pytest.mark.parametrize("name", sorted({case.split()[0] for case in CASES}))
def test_bad_hyperparameters_of_all_bandits_are_refused(name, params, message):
    made = model_class(name)
    with pytest.raises(InvalidParameter, match=f"{made.__name__}: " + re.escape(message)):
        made(2, 3, **params)


@pytest.mark.parametrize(
    ("column", "bad", "message"),
    [
        ("rewards", [np.nan], "rewards must be finite numbers, got nan"),
        ("items", [5], "items must be between 0 and 4, got 5"),
        ("users", [-1], "users must be between 0 and 3, got -1"),
        ("propensities", [0.0], "propensities must be above 0 and at most 1, got 0"),
        ("propensities", [1.7], "propensities must be above 0 and at most 1, got 1.7"),
        ("propensities", [np.nan], "propensities must be finite numbers, got nan"),
        ("weights", [-1.0], r"weights must be between 0 and 1e\+06, got -1 at row 0"),
        ("weights", [1.0, 1.0], r"weights must have one row for each of 1 steps"),
    ],
)
@every_bandit
def test_bad_rows_are_refused_before_anything_is_learned(case, column, bad, message):
    model = _model(case)
    before = {name: value.copy() for name, value in model.arrays().items()}
    row = {"users": [0], "items": [0], "rewards": [1.0], column: bad}
    rows = Transitions(**{name: np.array(value) for name, value in row.items()})
    for learn in (model.update_batch, model.warm_start):
        with pytest.raises(InvalidParameter, match=message):
            learn(rows)
    for name, value in model.arrays().items():
        np.testing.assert_array_equal(value, before[name])


CLICKS_ONLY = ["beta_thompson", "exp3", "kl_ucb", "logistic_thompson", "logistic_ucb", "ucb1"]


@pytest.mark.parametrize("case", CLICKS_ONLY)
@pytest.mark.parametrize("reward", [-0.5, 1.5])
def test_rewards_outside_of_zero_to_one_are_refused_where_rates_are_learned(case, reward):
    model = _model(case)
    with pytest.raises(InvalidParameter, match=f"rewards must be between 0 and 1, got {reward}"):
        model.update(0, 0, reward)
