"""What follows what: counts, mixtures of rows, and rows without their own step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models.cooccurrence import counts_after, mixed_rows, mixed_rows_without
from recloop.training.offline import logged_steps
from recloop.types import Interactions
from recloop.utils.sparse import counted_pairs


def log_of(*sequences: list[int], n_items: int) -> Interactions:
    """One person for each sequence of items, a second apart."""
    users = np.repeat(np.arange(len(sequences)), [len(items) for items in sequences])
    items = np.array([item for sequence in sequences for item in sequence], dtype=np.int64)
    times = np.arange(len(items), dtype=np.float64)
    return Interactions(users, items, np.ones(len(items)), times, len(sequences), n_items)


LOG = log_of([0, 1, 2], [0, 1], [1, 3], n_items=4)


def test_a_step_is_counted_within_one_person_only():
    assert counts_after(LOG).toarray().tolist() == [
        [0, 2, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_a_window_of_two_also_counts_the_item_after_the_next():
    assert counts_after(LOG, window=2).toarray()[0].tolist() == [0, 2, 1, 0]
    assert counts_after(LOG, window=9).sum() == 5


def test_an_empty_log_has_no_counts():
    assert counts_after(log_of(n_items=3), window=2).toarray().tolist() == [[0, 0, 0]] * 3


def test_rows_are_mixed_with_decaying_weight_as_probabilities():
    mixed = mixed_rows(counts_after(LOG), np.array([[1, 0, -1], [3, 1, 0], [-1, -1, -1]]), 0.5)
    # item 1: 2 and 3 with 1/2 each; item 0: always 1; item 3: nothing ever followed
    assert mixed.toarray().tolist() == [
        [0, 0.5, 0.5, 0.5],
        [0, 0.25, 0.25, 0.25],
        [0, 0, 0, 0],
    ]


def test_a_row_without_its_own_step_sees_only_what_others_did():
    counts = counts_after(LOG)
    # the step 0 -> 1 was taken twice: one of two is left, so 1 still follows 0 always
    # the step 1 -> 3 was taken once: only 2 follows 1 in what is left
    mixed = mixed_rows_without(counts, np.array([[0], [1]]), 0.5, np.array([1, 3]), window=1)
    assert mixed.toarray().tolist() == [[0, 1, 0, 0], [0, 0, 1, 0]]


def test_a_step_that_was_never_counted_does_not_fall_below_zero():
    mixed = mixed_rows_without(
        counts_after(LOG), np.array([[1, 0]]), 0.5, np.array([0]), window=1
    ).toarray()
    assert mixed.min() == 0


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=9), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(4, 6),
)
def test_leaving_out_equals_counting_again_without_that_step(sequences, window, n_recent):
    log = log_of(*sequences, n_items=6)
    steps = logged_steps(log, n_recent)
    for row in range(len(steps)):
        history, item = steps.histories[row], steps.items[row]
        counts = counts_after(log, window)
        own = history[:window][history[:window] >= 0]
        less = counts - counted_pairs(own, np.full(len(own), item), (6, 6))
        mixed = mixed_rows_without(counts, history[None], 0.7, np.array([item]), window)
        expected = mixed_rows(less, history[None], 0.7).toarray()
        assert mixed.toarray() == pytest.approx(expected)
