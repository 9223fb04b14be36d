"""Rows in any order become sessions of steps of slots."""

import re

import numpy as np
import pytest

from recloop.errors import InvalidData, InvalidParameter
from recloop.training.fitting import ImpressionLog, sessions_by_gap


def _log(**given):
    columns = {
        "users": np.array([1, 0, 0, 0, 0]),
        "sessions": np.array([9, 5, 5, 5, 5]),
        "times": np.array([3.0, 20.0, 10.0, 10.0, 20.0]),
        "items": np.array([4, 3, 2, 1, 0]),
        "clicks": np.array([1, 0, 1, 0, 0]),
        "slots": np.array([0, 1, 1, 0, 0]),
        "n_users": 2,
        "n_items": 5,
    }
    return ImpressionLog.impressions(**{**columns, **given})


def test_rows_are_sorted_and_numbered():
    log = _log()
    assert log.sessions.tolist() == [0, 0, 0, 0, 1]
    assert log.steps.tolist() == [0, 0, 1, 1, 0]
    assert log.slots.tolist() == [0, 1, 0, 1, 0]
    assert log.items.tolist() == [1, 2, 0, 3, 4]
    assert log.clicks.tolist() == [0, 1, 0, 0, 1]
    assert log.session_users().tolist() == [0, 1]
    assert log.lengths().tolist() == [2, 1]
    assert log.n_slots == 2


def test_a_slot_that_occurs_again_at_the_same_time_is_a_step_of_its_own():
    log = _log(times=np.array([3.0, 10.0, 10.0, 10.0, 10.0]))
    # of session 5: items 1 and 0 on top, 3 and 2 below, in the order of the rows
    assert log.steps.tolist() == [0, 0, 1, 1, 0]
    assert log.items.tolist() == [1, 3, 0, 2, 4]


def test_a_long_pause_or_another_person_begins_a_session():
    users = np.array([0, 0, 0, 1])
    times = np.array([100.0, 0.0, 111.0, 111.0])
    assert sessions_by_gap(users, times, 100.0).tolist() == [0, 0, 0, 1]
    assert sessions_by_gap(users, times, 99.0).tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clicks": np.array([1, 0, 2, 0, 0])}, "clicks must be 0 or 1, got 2."),
        ({"times": np.array([1, 2, np.nan, 3, 4])}, "times must be finite numbers."),
        ({"slots": np.array([0])}, "slots must have one value for each of the 5 rows"),
        ({"users": np.array([1, 0, 0, 1, 0])}, "a session belongs to one person"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(given, message):
    with pytest.raises(InvalidData, match=re.escape(f"ImpressionLog: {message}")):
        _log(**given)


def test_unknown_codes_and_empty_logs_are_refused():
    with pytest.raises(InvalidParameter, match="items must be between 0 and 3"):
        _log(n_items=4)
    none = np.empty(0, dtype=np.int64)
    with pytest.raises(InvalidData, match="the log is empty"):
        _log(users=none, sessions=none, times=none, items=none, clicks=none, slots=none)
