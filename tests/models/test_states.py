"""A state is rows with weights that sum to one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models.states import history_needed, n_state_rows, recent_rows, single_rows


def test_single_rows_have_weight_one():
    state = single_rows(np.array([4, 2]))
    assert state.rows.tolist() == [[4], [2]]
    assert state.weights.tolist() == [[1.0], [1.0]]


def test_recent_items_weigh_by_their_age():
    state = recent_rows(np.array([[7, 3, 5]]), 3, 0.5, 10)
    assert state.rows.tolist() == [[7, 3, 5]]
    assert state.weights[0].tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_missing_items_weigh_nothing_and_nobody_has_a_row_of_their_own():
    state = recent_rows(np.array([[7, -1, -1], [-1, -1, -1]]), 2, 0.5, 10)
    assert state.rows.tolist() == [[7, -1], [10, -1]]
    assert state.weights.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_a_short_history_is_padded_and_a_long_one_cut():
    assert recent_rows(np.array([[1]]), 3, 0.5, 9).rows.tolist() == [[1, -1, -1]]
    assert recent_rows(np.array([[1, 2, 3, 4]]), 2, 0.5, 9).rows.tolist() == [[1, 2]]


@given(st.lists(st.integers(-1, 8), min_size=1, max_size=6), st.floats(0.1, 1.0))
def test_weights_sum_to_one_and_are_positive_only_for_rows(history, decay):
    state = recent_rows(np.array([history]), 4, decay, 9)
    assert state.weights.sum() == pytest.approx(1.0)
    assert ((state.rows >= 0) == (state.weights > 0)).all()


@pytest.mark.parametrize(
    ("state", "n_rows", "length"),
    [("user", 5, 0), ("last_item", 8, 1), ("recent_items", 8, 3), ("segment", 2, 0)],
)
def test_rows_and_history_that_a_state_needs(state, n_rows, length):
    assert n_state_rows(state, 5, 7, 2) == n_rows
    assert history_needed(state, 3) == length
