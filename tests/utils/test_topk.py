"""The k best of each row, with ties to the lower item code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recloop.utils.topk import top_k


def test_the_best_come_first_and_equals_go_to_the_lower_code():
    scores = np.array([[1.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    assert top_k(scores, 3).tolist() == [[1, 3, 2], [0, 1, 2]]


def test_only_eligible_items_are_taken_and_the_rest_is_minus_one():
    scores = np.array([[5.0, 4.0, 3.0], [5.0, 4.0, 3.0], [5.0, 4.0, 3.0]])
    eligible = np.array([[False, True, True], [True, False, False], [False, False, False]])
    assert top_k(scores, 2, eligible).tolist() == [[1, 2], [0, -1], [-1, -1]]


def test_k_may_exceed_the_catalogue():
    assert top_k(np.array([[1.0, 2.0]]), 4).tolist() == [[1, 0, -1, -1]]


def test_scores_below_zero_and_minus_infinity_are_ranked_too():
    scores = np.array([[-np.inf, -2.0, -1.0]])
    assert top_k(scores, 3).tolist() == [[2, 1, 0]]


def test_no_rows_give_no_rows():
    best = top_k(np.empty((0, 3)), 2)
    assert best.shape == (0, 2)
    assert best.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_scores_of_another_type_are_compared_as_they_are(dtype):
    scores = np.array([[1, 3, 2]], dtype=dtype)
    assert top_k(scores, 2).tolist() == [[1, 2]]


def test_float64_scores_are_not_rounded():
    scores = np.array([[1.0, 1.0 + 2**-50]])
    assert top_k(scores, 1).tolist() == [[1]]


def test_whole_numbers_too_large_for_a_float_are_told_apart():
    scores = np.array([[2**53, 2**53 + 1]])
    assert top_k(scores, 2).tolist() == [[1, 0]]


def test_arrays_that_are_not_contiguous_are_read_rightly():
    scores = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, 6.0]]).T
    eligible = np.array([[True, True], [True, True], [False, True]]).T
    assert top_k(scores, 2, eligible).tolist() == [[1, 0], [2, 0]]


few_values = st.sampled_from([-1.0, 0.0, 0.5, 2.0])


@given(st.data(), st.integers(0, 4), st.integers(1, 7), st.integers(1, 9))
def test_it_is_the_stable_sort_of_the_eligible(data, n_rows, n_items, k):
    scores = data.draw(arrays(np.float64, (n_rows, n_items), elements=few_values))
    eligible = data.draw(arrays(np.bool_, (n_rows, n_items)))
    expected = []
    for row in range(n_rows):
        order = [i for i in np.argsort(-scores[row], kind="stable").tolist() if eligible[row, i]]
        expected.append((order + [-1] * k)[:k])
    assert top_k(scores, k, eligible).tolist() == expected
