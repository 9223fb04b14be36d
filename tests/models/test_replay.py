"""The replay keeps the last steps, draws evenly from them, and continues from a file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models.replay import ReplayBuffer
from recloop.types import Transitions
from recloop.utils.seeding import stream


def steps(*numbers: int) -> Transitions:
    """Steps that carry their number in every column."""
    codes = np.array(numbers, dtype=np.int64)
    return Transitions(
        codes, codes + 1, codes + 0.5, histories=np.stack([codes, codes - 1], axis=1)
    )


def buffer(capacity: int) -> ReplayBuffer:
    return ReplayBuffer(capacity, stream(0, "replay"))


def test_rows_lie_in_a_ring():
    kept = buffer(3)
    kept.push(steps(1, 2))
    assert kept.everything().users.tolist() == [1, 2]
    kept.push(steps(3, 4))  # 4 takes the place of 1
    assert kept.everything().users.tolist() == [4, 2, 3]
    assert kept.everything().histories.tolist() == [[4, 3], [2, 1], [3, 2]]
    assert (len(kept), kept.n_seen) == (3, 4)


def test_of_more_rows_than_there_is_room_the_last_ones_stay():
    kept = buffer(3)
    kept.push(steps(1, 2, 3, 4, 5, 6, 7, 8))
    # the eighth step lies in place (8 - 1) % 3 = 1
    assert kept.everything().users.tolist() == [7, 8, 6]


def test_no_rows_change_nothing():
    kept = buffer(3)
    kept.push(steps(1, 2))
    kept.push(steps())
    assert kept.everything().users.tolist() == [1, 2]


def test_what_is_pushed_is_copied():
    kept, pushed = buffer(2), steps(1, 2)
    kept.push(pushed)
    pushed.users[:] = 9
    assert kept.everything().users.tolist() == [1, 2]


@given(st.integers(1, 7), st.lists(st.integers(0, 10), max_size=8))
def test_exactly_the_last_steps_are_kept(capacity, batch_sizes):
    kept, seen = buffer(capacity), []
    for size in batch_sizes:
        numbers = range(len(seen), len(seen) + size)
        kept.push(steps(*numbers))
        seen.extend(numbers)
    assert len(kept) == min(len(seen), capacity)
    if seen:
        rows = kept.everything()
        assert sorted(rows.users.tolist()) == seen[-capacity:]
        assert np.array_equal(rows.items, rows.users + 1)
        assert np.array_equal(rows.rewards, rows.users + 0.5)


@given(st.integers(1, 7), st.integers(1, 20))
def test_samples_are_whole_rows_that_are_kept(capacity, n_pushed):
    kept = buffer(capacity)
    kept.push(steps(*range(n_pushed)))
    drawn = kept.sample(30)
    assert len(drawn) == 30
    assert set(drawn.users.tolist()) <= set(range(max(0, n_pushed - capacity), n_pushed))
    assert np.array_equal(drawn.items, drawn.users + 1)
    assert np.array_equal(drawn.histories[:, 1], drawn.users - 1)


def test_every_row_is_drawn_equally_often():
    kept = buffer(4)
    kept.push(steps(0, 1, 2, 3))
    counts = np.bincount(kept.sample(4000).users, minlength=4)
    # 1000 expected, standard deviation 27: five of them, a false alarm in a million
    assert np.abs(counts - 1000).max() < 137


def test_columns_that_are_not_known_stay_unknown():
    kept = buffer(4)
    kept.push(steps(1))
    assert kept.sample(2).contexts is None
    assert kept.sample(2).feedback == "shown"


@pytest.mark.parametrize("n_before", [0, 2, 5])
def test_a_buffer_continues_from_its_arrays(n_before):
    kept, again = buffer(3), buffer(3)
    kept.push(steps(*range(n_before)))
    if n_before:
        again.take({name: array.copy() for name, array in kept.arrays().items()})
    else:
        assert kept.arrays() == {}
    for one in (kept, again):
        one.push(steps(20, 21))
    assert kept.n_seen == again.n_seen == n_before + 2
    assert kept.everything().users.tolist() == again.everything().users.tolist()
    assert kept.sample(9).users.tolist() == again.sample(9).users.tolist()
