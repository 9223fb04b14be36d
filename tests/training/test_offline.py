"""From a log to steps, worked out by hand."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.training.offline import logged_steps
from recloop.types import Interactions
from recloop.utils.seeding import stream


def _log(rows, n_users=3, n_items=6):
    """Rows of (user, item, weight, timestamp), sorted by user and time as every log is."""
    users, items, weights, timestamps = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Interactions(
        users=np.array(users, dtype=np.int64),
        items=np.array(items, dtype=np.int64),
        weights=np.array(weights, dtype=np.float64),
        timestamps=np.array(timestamps, dtype=np.float64),
        n_users=n_users,
        n_items=n_items,
    )


# User 0 takes 5, 4, 5, 3 at times 10, 20, 40, 50; user 1 nothing; user 2 takes 1, 0 at 20, 30.
LOG = _log(
    [
        (0, 5, 2.0, 10),
        (0, 4, 1.0, 20),
        (0, 5, 3.0, 40),
        (0, 3, 5.0, 50),
        (2, 1, 4.0, 20),
        (2, 0, 0.5, 30),
    ]
)


def test_steps_come_in_the_order_of_time_and_ties_in_the_order_of_the_log():
    steps = logged_steps(LOG, 2)
    assert len(steps) == 6
    assert steps.users.tolist() == [0, 0, 2, 2, 0, 0]
    assert steps.items.tolist() == [5, 4, 1, 0, 5, 3]


def test_histories_are_what_the_person_took_before_newest_first():
    steps = logged_steps(LOG, 2)
    assert steps.histories.tolist() == [[-1, -1], [5, -1], [-1, -1], [1, -1], [4, 5], [5, 4]]
    assert steps.next_histories.tolist() == [[5, -1], [4, 5], [1, -1], [0, 1], [5, 4], [3, 5]]


def test_a_longer_history_reaches_further_back():
    steps = logged_steps(LOG, 4)
    assert steps.histories[-1].tolist() == [5, 4, 5, -1]
    assert steps.next_histories[-1].tolist() == [3, 5, 4, 5]


def test_a_model_without_history_gets_none():
    steps = logged_steps(LOG, 0)
    assert steps.histories.shape == steps.next_histories.shape == (6, 0)


def test_the_next_item_is_what_the_same_person_took_next():
    steps = logged_steps(LOG, 1)
    assert steps.next_items.tolist() == [4, 5, 0, -1, 3, -1]
    assert (steps.next_items == -1).tolist() == [False, False, False, True, False, True]


def test_a_step_earns_one_or_its_weight():
    assert logged_steps(LOG, 1).rewards.tolist() == [1.0] * 6
    assert logged_steps(LOG, 1, "weight").rewards.tolist() == [2.0, 1.0, 4.0, 0.5, 3.0, 5.0]


def test_transitions_are_full_feedback_and_the_end_of_a_log_is_not_the_end_of_a_person():
    steps = logged_steps(LOG, 2, "weight")
    made = steps.transitions(0.9)
    assert made.feedback == "chosen"
    assert made.discounts.tolist() == [0.9] * 6
    assert made.contexts is None
    for name in ("users", "items", "rewards", "histories", "next_histories", "next_items"):
        assert getattr(made, name) is getattr(steps, name)


def test_an_empty_log_has_no_steps():
    steps = logged_steps(_log([]), 3)
    assert len(steps) == 0
    assert steps.histories.shape == steps.next_histories.shape == (0, 3)
    assert len(steps.transitions(0.5)) == 0


def test_one_row_is_first_and_last_at_once():
    steps = logged_steps(_log([(1, 4, 1.0, 0)]), 2)
    assert steps.histories.tolist() == [[-1, -1]]
    assert steps.next_histories.tolist() == [[4, -1]]
    assert steps.next_items.tolist() == [-1]
    assert (steps.next_items == -1).tolist() == [True]


def test_equal_timestamps_keep_each_persons_order():
    items = [(7 * row) % 6 for row in range(60)]
    rows = [(0, item, 1.0, row % 2) for row, item in enumerate(items)]
    rows.sort(key=lambda row: row[3])  # two moments of 30 rows each: a small sort is always stable
    steps = logged_steps(_log(rows), 1)
    assert steps.items.tolist() == [row[1] for row in rows]
    assert steps.next_items.tolist() == [*(row[1] for row in rows[1:]), -1]
    apart = logged_steps(_log([(0, 1, 1.0, 5)] * 30 + [(2, 2, 1.0, 5)] * 30), 1)
    assert apart.users.tolist() == [0] * 30 + [2] * 30


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_each_step_begins_where_the_persons_last_one_ended(seed, history_length):
    rng = stream(seed, "a log")
    n = int(rng.integers(1, 40))
    order = np.sort(rng.integers(4, size=n))
    rows = [(int(u), int(rng.integers(6)), 1.0, t) for t, u in enumerate(order)]
    steps = logged_steps(_log(rows, n_users=4), history_length)
    last = {}
    for row in range(len(steps)):
        user = int(steps.users[row])
        before = last.get(user, [-1] * history_length)
        assert steps.histories[row].tolist() == before
        last[user] = steps.next_histories[row].tolist()
        assert last[user] == [int(steps.items[row]), *before][:history_length]
    assert (steps.next_items == -1).sum() == len(last)


@pytest.mark.parametrize("history_length", [0, 1, 3])
def test_the_log_stays_as_it_was(history_length):
    before = [array.copy() for array in (LOG.users, LOG.items, LOG.weights, LOG.timestamps)]
    logged_steps(LOG, history_length, "weight").transitions(0.5)
    after = [LOG.users, LOG.items, LOG.weights, LOG.timestamps]
    assert all(np.array_equal(left, right) for left, right in zip(before, after, strict=True))


def test_steps_with_ten_items_of_history_cost_little_more_than_their_numbers(rng):
    """88 bytes a row for a window of 11 items, 32 for the rest; what is passing adds 50 at most."""
    n = 50_000
    users = np.sort(rng.integers(0, 500, n))
    log = Interactions(users, rng.integers(0, 900, n), np.ones(n), rng.random(n), 500, 900)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    steps = logged_steps(log, 10)
    kept, peak = (number - before for number in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    assert kept < 125 * n
    assert peak < 170 * n
    assert len(steps) == n
