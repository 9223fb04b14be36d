"""Bad values are refused with row, column and value, and all of them are shown."""

from dataclasses import replace

import numpy as np
import pytest

from decisions.samples import decisions, plain, rewards
from recloop.decisions import check_decisions, check_rewards
from recloop.errors import InvalidData
from recloop.types import Labels, Ragged


def bent(**changes):
    return replace(plain(3), **changes)


BAD = {
    "a propensity of 0": (
        bent(propensities=np.array([0.5, 0.5, 0.5, 0.0, 0.5, 0.5])),
        "decision 1 ('d1'), slot 1, column 'propensities': must be a probability above 0 and at "
        "most 1, got 0.0.",
    ),
    "a propensity above 1": (
        bent(propensities=np.array([1.5, 0.5, 0.5, 0.5, 0.5, 0.5])),
        "decision 0 ('d0'), slot 0, column 'propensities': must be a probability above 0 and at "
        "most 1, got 1.5.",
    ),
    "a propensity that is none": (
        bent(propensities=np.array([0.5, 0.5, 0.5, 0.5, 0.5, np.nan])),
        "decision 2 ('d2'), slot 1, column 'propensities': must be a probability above 0 and at "
        "most 1, got nan.",
    ),
    "an item twice": (
        bent(items=np.array([0, 1, 1, 1, 0, 1])),
        "decision 1 ('d1'), slot 1, column 'items': must be an item that stands once, got 1.",
    ),
    "a negative item": (
        bent(items=np.array([0, 1, 0, -1, 0, 1])),
        "decision 1 ('d1'), slot 1, column 'items': must be a code, 0 to 2147483647, got -1.",
    ),
    "milliseconds": (
        bent(timestamps=np.array([1.0, 1.7e12, 2.0])),
        "decision 1 ('d1'), column 'timestamps': must be seconds since 1970, from 0 to 1e11, got "
        "1700000000000.0.",
    ),
    "an unknown kind": (
        bent(propensity_kinds=Labels.of(["conditional", "guess", "marginal"])),
        "decision 1 ('d1'), column 'propensity_kinds': must be one of conditional, marginal, "
        "estimated, got 'guess'.",
    ),
    "no id": (
        bent(ids=np.array(["d0", "", "d2"])),
        "decision 1 (''), column 'ids': must be text of 1 to 128 characters without a zero "
        "character, got ''.",
    ),
    "a context that is infinite": (
        bent(contexts=np.array([[1.0], [2.0], [np.inf]]), context_names=("age",)),
        "decision 2 ('d2'), column 'age': must be a finite number, got inf.",
    ),
    "an infinite score": (
        bent(scores=np.array([0.0, np.nan, 0.0, -np.inf, 0.0, 0.0])),
        "decision 1 ('d1'), slot 1, column 'scores': must be a finite number, got -inf.",
    ),
    "an empty slate": (
        bent(offsets=np.array([0, 2, 2, 6]), items=np.array([0, 1, 0, 1, 2, 3])),
        "decision 1 ('d1'), column 'items': must be a slate of at least one item, got 0 items.",
    ),
    "a bad candidate": (
        bent(candidates=Ragged.of([[], [3, -4], []])),
        "decision 1 ('d1'), column 'candidates': must be codes, 0 to 2147483647, got -4.",
    ),
    "a person below 0": (
        bent(users=np.array([0, 1, -1])),
        "decision 2 ('d2'), column 'users': must be a code, 0 or more, got -1.",
    ),
    "a place below 0": (
        bent(positions=np.array([0, 1, 0, 1, -2, 1])),
        "decision 2 ('d2'), slot 0, column 'positions': must be a code, 0 to 2147483647, got -2.",
    ),
}


@pytest.mark.parametrize("case", BAD, ids=list(BAD))
def test_a_bad_value_is_named_with_row_slot_and_column(case):
    batch, sentence = BAD[case]
    with pytest.raises(InvalidData) as told:
        check_decisions(batch)
    assert sentence in str(told.value)
    assert str(told.value).startswith("1 bad values in decisions; nothing was written.")


def test_all_errors_are_shown_up_to_a_limit():
    batch = replace(plain(20), propensities=np.full(40, 2.0), users=np.full(20, -1))
    with pytest.raises(InvalidData) as told:
        check_decisions(batch, limit=3)
    lines = str(told.value).splitlines()
    assert lines[0] == "60 bad values in decisions; nothing was written."
    assert len(lines) == 5
    assert lines[-1] == "... and 57 more."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"propensities": np.full(5, 0.5)}, "propensities must be 6 values, one for each slot"),
        ({"users": np.zeros(2, dtype=int)}, "users must be 3 values, one for each row"),
        ({"offsets": np.array([0, 2, 4])}, "offsets must be 4 numbers that rise from 0"),
        ({"offsets": np.array([0, 4, 2, 6])}, "offsets must be 4 numbers that rise from 0"),
        ({"contexts": np.ones((3, 2)), "context_names": ("a",)}, r"of shape \(3, 1\).*\(3, 2\)"),
        ({"sources": Labels.same("greedy", 4)}, "sources must be 6 values"),
        ({"policies": Labels(np.array([0, 1, 2], dtype=np.int32), ("a",))}, "codes of its 1 names"),
        ({"excluded": Ragged.of([[1]])}, "excluded must hold 3 lists"),
    ],
)
def test_unequal_lengths_are_named(changes, sentence):
    with pytest.raises(InvalidData, match=sentence):
        check_decisions(bent(**changes))


def test_what_is_right_passes(rng):
    batch = decisions(rng, 50)
    assert check_decisions(batch) is batch
    assert len(check_decisions(plain(0))) == 0


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("", "d0", 0, 1.0), "reward 1 (''), column 'keys': must be text of 1 to 128 characters"),
        (("b", "", 0, 1.0), "reward 1 ('b'), column 'decisions': must be text"),
        (("b", "d0", -1, 1.0), "column 'items': must be a code, 0 to 2147483647, got -1."),
        (("b", "d0", 0, np.nan), "column 'values': must be a finite number, got nan."),
        (("b", "d0", 0, 1.0, "click", "rumour"), "must be one of observed, default, correction"),
        (("b", "d0", 0, 1.0, "click", "observed", -1.0), "column 'timestamps': must be seconds"),
        (("x" * 129, "d0", 0, 1.0), "column 'keys': must be text of 1 to 128 characters"),
        (("a\0b", "d0", 0, 1.0), "column 'keys': must be text of 1 to 128 characters without a"),
    ],
)
def test_a_bad_reward_is_named_with_row_and_column(row, sentence):
    with pytest.raises(InvalidData) as told:
        check_rewards(rewards(("a", "d0", 0, 1.0), row))
    assert sentence in str(told.value)
