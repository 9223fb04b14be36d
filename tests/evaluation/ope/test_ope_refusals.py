"""One table of bad input: refused with field, row and value, whichever way it comes in."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluation.ope.logs import log_of
from recloop.errors import RecloopError
from recloop.evaluation.ope import OffPolicyEvaluator, Rounds, SlateRounds, Trajectories, single
from recloop.types import Labels

N = 6
GOOD: dict[str, Any] = {
    "actions": np.array([0, 1, 2, 0, 1, 2]),
    "rewards": np.arange(6.0),
    "propensities": np.full(N, 0.5),
    "target": np.tile([0.2, 0.3, 0.5], (N, 1)),
    "ids": np.array([f"d{row}" for row in range(N)]),
    "positions": np.zeros(N, np.int64),
    "q": np.ones((N, 3)),
    "logging": None,
}


def at(field: str, place: Any, value: Any):
    """The good input with one value changed."""

    def changed() -> dict[str, Any]:
        array = np.array(GOOD[field], dtype=np.result_type(GOOD[field], type(value)))
        array[place] = value
        return {field: array}

    return changed


def whole(field: str, values: Any):
    return lambda: {field: values}


BAD = [
    (
        "a reward that is NaN",
        at("rewards", 2, np.nan),
        r"rewards must be finite numbers, got nan at row 2",
    ),
    (
        "an infinite reward",
        at("rewards", 5, -np.inf),
        r"rewards must be finite .* got -inf at row 5",
    ),
    (
        "rewards of words",
        whole("rewards", np.array(["a"] * N)),
        r"rewards must be numbers, got an array of <U1",
    ),
    ("too few rewards", whole("rewards", np.ones(4)), r"shape \(.*\(6,\)|shape \(6\), got \(4,\)"),
    (
        "rewards in a table",
        whole("rewards", np.ones((N, 1))),
        r"rewards must have shape \((any|6)\), got \(6, 1\)",
    ),
    (
        "a propensity that is NaN",
        at("propensities", 1, np.nan),
        r"propensities must be finite .* got nan at row 1",
    ),
    (
        "a propensity of 0",
        at("propensities", 3, 0.0),
        r"propensities .* above 0 and at most 1, got 0\.0 at row 3",
    ),
    (
        "a propensity of 1.7",
        at("propensities", 0, 1.7),
        r"propensities .* at most 1, got 1\.7 at row 0",
    ),
    ("a negative propensity", at("propensities", 4, -0.1), r"propensities .* got -0\.1 at row 4"),
    ("an infinite propensity", at("propensities", 4, np.inf), r"propensities .* got inf at row 4"),
    (
        "too many propensities",
        whole("propensities", np.ones(7)),
        r"propensities must have shape \(6\), got \(7,\)",
    ),
    (
        "propensities of words",
        whole("propensities", np.array(["x"] * N)),
        r"propensities must be numbers",
    ),
    (
        "an action that is too large",
        at("actions", 1, 3),
        r"(actions|items) must be a code between 0 and 2, got 3 at row 1",
    ),
    ("a negative action", at("actions", 2, -1), r"(actions|items) must be .* got -1 at row 2"),
    (
        "actions that are no whole numbers",
        whole("actions", np.zeros(N)),
        r"(actions|items) must be whole numbers",
    ),
    (
        "actions of words",
        whole("actions", np.array(["x"] * N)),
        r"(actions|items) must be whole numbers",
    ),
    (
        "too few actions",
        whole("actions", np.zeros(5, int)),
        r"(actions|items) must have shape \(6\), got \(5,\)",
    ),
    (
        "a row that sums to 1.1",
        at("target", (2, 0), 0.3),
        r"the sums of target must be 1 in each row, got 1\.1\d* at row 2",
    ),
    (
        "a negative probability",
        at("target", (1, slice(None)), -0.2),
        r"target must be probabilities .* got -0\.2 at row 1, column 0",
    ),
    (
        "a probability above 1",
        at("target", (0, 2), 1.5),
        r"target must be probabilities .* got 1\.5 at row 0, column 2",
    ),
    (
        "a probability that is NaN",
        at("target", (5, 1), np.nan),
        r"target must be finite .* got nan at row 5, column 1",
    ),
    (
        "a target of too few rows",
        whole("target", np.tile([0.2, 0.3, 0.5], (2, 1))),
        r"target must have shape \(6, any\), got \(2, 3\)",
    ),
    (
        "a target of four dimensions",
        whole("target", np.ones((N, 3, 1, 1)) / 3),
        r"target must have shape",
    ),
    ("a target of words", whole("target", np.full((N, 3), "x")), r"target must be numbers"),
    (
        "a target by position that sums to 2",
        whole("target", np.full((N, 3, 1), 2 / 3)),
        r"the sums of target must be 1",
    ),
    (
        "a position outside of the target",
        lambda: {"target": np.full((N, 3, 2), 1 / 3), "positions": np.full(N, 2)},
        r"positions must be a code between 0 and 1, got 2 at row 0",
    ),
    (
        "a negative position",
        at("positions", 3, -1),
        r"positions must be a code of at least 0, got -1 at row 3",
    ),
    (
        "positions that are no whole numbers",
        whole("positions", np.zeros(N)),
        r"positions must be whole numbers",
    ),
    (
        "a decision that stands twice",
        at("ids", 4, "d1"),
        r"ids must be different in every row, got d1 at row 4",
    ),
    (
        "too few ids",
        whole("ids", np.array(["a", "b"])),
        r"ids must have shape \(6\), got \(2,\)|\(2\), got \(6,\)|shape",
    ),
    (
        "a log without rows",
        lambda: {
            "actions": np.empty(0, int),
            "rewards": np.empty(0),
            "propensities": np.empty(0),
            "target": np.empty((0, 3)),
            "ids": np.empty(0, str),
            "positions": None,
        },
        r"at least one row, got 0|must have a decision that was shown",
    ),
    (
        "a model of NaN",
        at("q", (3, 1), np.nan),
        r"q must be finite numbers, got nan at row 3, column 1",
    ),
    (
        "a model of too few items",
        whole("q", np.ones((N, 2))),
        r"q must have shape \(6, 3\), got \(6, 2\)",
    ),
    ("a model of words", whole("q", np.full((N, 3), "x")), r"q must be numbers"),
    (
        "a logging policy that contradicts the log",
        whole("logging", np.full((N, 3), 1 / 3)),
        r"propensities must be what logging says of the item shown, got 0\.5 at row 0",
    ),
    (
        "a logging policy that does not sum to one",
        whole("logging", np.full((N, 3), 0.5)),
        r"the sums of logging must be 1",
    ),
    (
        "a logging policy of another shape",
        whole("logging", np.full((N, 2), 0.5)),
        r"logging must have shape \(6, 3\)",
    ),
]


def by_function(given: dict[str, Any]) -> None:
    q = given.pop("q")
    single.dr(Rounds(**given), q)


def by_class(given: dict[str, Any]) -> None:
    log = log_of([0] * N, np.ones(N), np.ones(N))
    n = len(given["ids"])
    if n != N:
        log = log.rows(slice(0, n))
    changes = {
        "items": given["actions"],
        **{k: given[k] for k in ("rewards", "propensities", "ids", "positions")},
    }
    judge = OffPolicyEvaluator(replace(log, **changes), 3, n_resamples=10)
    judge.evaluate(given["target"], ["ips", "dr"], q=given["q"], logging=given["logging"])


def test_the_table_has_more_than_25_kinds():
    assert len({name for name, _, _ in BAD}) >= 25


@pytest.mark.parametrize("entrance", [by_function, by_class])
def test_good_input_is_taken(entrance):
    entrance(copy.deepcopy(GOOD))


@pytest.mark.parametrize("entrance", [by_function, by_class])
@pytest.mark.parametrize(("name", "change", "said"), BAD, ids=[row[0] for row in BAD])
def test_bad_input_is_refused_and_left_as_it_was(entrance, name, change, said):
    given = {**GOOD, **change()}
    before = copy.deepcopy(given)
    with pytest.raises(ValueError, match=said) as refused:
        entrance(dict(given))
    assert isinstance(refused.value, RecloopError)
    for field, value in given.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, before[field])


TABLE = np.full((4, 2), 0.5)


def put(array: np.ndarray, place: Any, value: Any) -> np.ndarray:
    new = array.copy()
    new[place] = value
    return new


BAD_TABLES = [
    (
        {"rewards": put(TABLE, (1, 1), np.nan)},
        r"rewards must be finite .* got nan at row 1, column 1",
    ),
    ({"rewards": np.full((4, 2), "x")}, r"rewards must be numbers"),
    ({"rewards": np.empty((0, 2))}, r"at least one of each, got \(0, 2\)"),
    ({"rewards": np.ones(4)}, r"at least one of each, got \(4,\)"),
    ({"propensities": put(TABLE, (2, 0), 0.0)}, r"propensities .* got 0\.0 at row 2, column 0"),
    ({"propensities": put(TABLE, (2, 0), 1.7)}, r"propensities .* got 1\.7 at row 2, column 0"),
    (
        {"propensities": put(TABLE, (3, 1), np.nan)},
        r"propensities must be finite .* row 3, column 1",
    ),
    ({"propensities": np.ones((4, 3))}, r"propensities must have shape \(4, 2\), got \(4, 3\)"),
    ({"propensities": np.ones((1, 2))}, r"propensities must have shape \(4, 2\), got \(1, 2\)"),
    ({"propensities": None}, r"propensities must have shape \(4, 2\), got \(\)"),
    ({"target_taken": put(TABLE, (0, 0), -0.1)}, r"target_taken .* got -0\.1 at row 0, column 0"),
    ({"target_taken": put(TABLE, (0, 1), 1.5)}, r"target_taken .* got 1\.5 at row 0, column 1"),
    ({"target_taken": np.full((4, 2), "x")}, r"target_taken must be numbers"),
]


@pytest.mark.parametrize(("change", "said"), BAD_TABLES)
@pytest.mark.parametrize("kind", [SlateRounds, Trajectories])
def test_bad_slates_and_sequences_are_refused(kind, change, said):
    given: Any = {"rewards": TABLE, "propensities": TABLE, "target_taken": TABLE} | change
    with pytest.raises(ValueError, match=said) as refused:
        kind(**given)
    assert isinstance(refused.value, RecloopError)


@pytest.mark.parametrize(("kind", "field"), [(SlateRounds, "filled"), (Trajectories, "active")])
@pytest.mark.parametrize("value", [np.ones((4, 2)), np.full((4, 2), "no"), np.ones((4, 1), bool)])
def test_masks_are_true_or_false_and_of_the_log_s_shape(kind, field, value):
    with pytest.raises(ValueError, match=rf"{field} must be True or False, shape \(4, 2\), got"):
        kind(TABLE, TABLE, TABLE, **{field: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_items": 0}, r"n_items must be a whole number of at least 1, got 0"),
        ({"n_items": 2}, r"items must be a code between 0 and 1, got 2 at row 2"),
        ({"confidence": 1.0}, r"confidence must be .* got 1\.0"),
        ({"n_resamples": 0}, r"n_resamples must be a whole number of at least 1, got 0"),
        ({"reward_range": (1.0, 0.0)}, r"reward_range must be LOW below HIGH, got \(1\.0, 0\.0\)"),
        ({"reward_range": (0.0, np.nan)}, r"reward_range must be a finite number, got nan"),
        ({"settings": {"switch": 1.0}}, r"Did you mean 'switch_dr'\?"),
    ],
)
def test_bad_settings_of_the_evaluator_are_refused(change, said):
    log = log_of(GOOD["actions"], GOOD["propensities"], GOOD["rewards"])
    with pytest.raises(ValueError, match=said):
        OffPolicyEvaluator(**({"decisions": log, "n_items": 3} | change))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"reward_model": "rigde"}, r"No model of the reward named 'rigde'\. Did you mean 'ridge'"),
        ({"reward_model": 7}, r"reward_model must be a name or have fit and predict, got 7"),
        ({"reward_model": "logistic"}, r"logistic .* needs rewards of 0 and 1, got 2"),
        (
            {"reward_model": "ridge", "item_features": np.ones((2, 1))},
            r"item_features must have a row for each of 3 items, got \(2, 1\)",
        ),
        (
            {"reward_model": "ridge", "item_features": np.full((3, 1), np.nan)},
            r"item_features must be finite numbers, got nan",
        ),
        ({"estimators": ["dr"]}, r"dr: needs q, a model of the reward"),
        ({"estimators": ["mips"]}, r"mips: needs clusters"),
        ({"estimators": ["offcem"], "q": GOOD["q"]}, r"offcem: needs clusters"),
        ({"estimators": ["mips"], "clusters": [0, 1, 1]}, r"mips: needs logging"),
        (
            {
                "estimators": ["mips"],
                "clusters": [0, 1],
                "logging": np.eye(3)[GOOD["actions"]] * 0.5 + 1 / 6,
            },
            r"propensities must be what logging says|clusters must have shape \(3\), got \(2,\)",
        ),
    ],
)
def test_bad_help_is_refused(more, said):
    log = log_of(GOOD["actions"], GOOD["propensities"], GOOD["rewards"])
    with pytest.raises(ValueError, match=said):
        OffPolicyEvaluator(log, 3).evaluate(GOOD["target"], **more)


@pytest.mark.parametrize(
    ("clusters", "said"),
    [
        ([0, 1], r"clusters must have shape \(3\), got \(2,\)"),
        ([0, -1, 1], r"clusters must be a code of at least 0, got -1 at row 1"),
        ([0.0, 1.0, 1.0], r"clusters must be whole numbers"),
    ],
)
def test_bad_groups_are_refused(clusters, said):
    log = log_of(GOOD["actions"], np.full(N, 1 / 3), GOOD["rewards"])
    judge = OffPolicyEvaluator(log, 3)
    with pytest.raises(ValueError, match=said):
        judge.evaluate(GOOD["target"], ["mips"], clusters=clusters, logging=np.full((N, 3), 1 / 3))


def test_slots_of_several_kinds_of_propensities_are_refused():
    log = log_of([0, 1, 1, 0], [0.5, 1, 0.5, 1], np.ones(4), [2, 2])
    mixed = replace(log, propensity_kinds=Labels.of(["conditional", "marginal"]))
    with pytest.raises(ValueError, match=r"standard_ips: .*propensity_kind .* got 'marginal'"):
        OffPolicyEvaluator(mixed, 2).evaluate(np.ones((2, 2)), ["standard_ips"])


def test_a_model_of_slates_that_is_no_pair_is_refused():
    log = log_of([0, 1, 1, 0], [0.5, 1, 0.5, 1], np.ones(4), [2, 2])
    with pytest.raises(ValueError, match=r"cascade_dr: q must be a pair \(q_taken, v\)"):
        OffPolicyEvaluator(log, 2).evaluate(np.ones((2, 2)), ["cascade_dr"], q=np.ones((2, 2)))
