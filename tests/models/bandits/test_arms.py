"""The equations of the disjoint linear bandits, by hand in two dimensions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models.bandits import arms as equations
from recloop.models.packed import packed, unpacked

# A = I + (1, 2)(1, 2)^T = [[2, 2], [2, 5]], its determinant is 6; b = 3 (1, 2)
EVIDENCE, INVERSE = [2.0, 2.0, 5.0], np.array([5.0, -2.0, 2.0]) / 6


def _fresh(n=2, regularization=1.0, width=2):
    return equations.fresh_arms(np.zeros((n, width)), regularization)


def _taught():
    arms, one = _fresh(), np.ones(1)
    equations.learn(arms, np.array([0]), np.array([[1.0, 2.0]]), 3.0 * one, one)
    return arms


def test_one_row_by_hand():
    arms = _taught()
    assert arms.evidence.tolist() == [EVIDENCE, [1.0, 0.0, 1.0]]
    assert arms.inverse[0] == pytest.approx(INVERSE)
    # theta = ((5 * 3 - 2 * 6) / 6, (-2 * 3 + 2 * 6) / 6)
    assert arms.weights[0] == pytest.approx([0.5, 1.0])
    assert arms.n_updates.tolist() == [1, 0]


def test_sums_of_rows_are_the_rows():
    arms = _fresh()
    equations.learn_sums(
        arms,
        np.array([0]),
        np.array([1]),
        np.array([1.0, 2.0, 4.0]),
        np.array([[3.0, 6.0]]),
        1.0,
        1.0,
    )
    for found, expected in zip(arms, _taught(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-15)


def test_variances_by_hand():
    # (1, 0): 5/6. (1, 1): (5 - 2 - 2 + 2) / 6. Under the prior the squared lengths.
    found = equations.deviations(_taught(), np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert found**2 == pytest.approx(np.array([[5 / 6, 1], [1 / 2, 2]]))
    upper = equations.upper_ends(_taught(), np.array([[1.0, 0.0]]), 3.0)
    assert upper == pytest.approx(np.array([[0.5 + 3 * (5 / 6) ** 0.5, 3.0]]))


def test_forgetting_restores_the_prior_in_the_same_share():
    arms = _fresh(3, regularization=2.0)
    arms.evidence[:] = [4.0, 1.0, 4.0]
    arms.reward_sums[:] = [8.0, 4.0]
    nothing = np.zeros((2, 2))
    equations.learn_sums(arms, np.array([0, 2]), np.array([2, 0]), np.zeros(3), nothing, 0.5, 2.0)
    # after two rows 1/4 of A and 3/4 of 2 I; no row was of the third arm
    assert arms.evidence.tolist() == [[2.5, 0.25, 2.5], [4, 1, 4], [4, 1, 4]]
    assert arms.reward_sums.tolist() == [[2, 1], [8, 4], [8, 4]]
    assert arms.n_updates.tolist() == [2, 0, 0]
    product = unpacked(arms.evidence, 2) @ unpacked(arms.inverse, 2)
    assert product[[0, 2]] == pytest.approx(np.tile(np.eye(2), (2, 1, 1)))
    assert arms.weights[1].tolist() == [0, 0]  # of an arm that nothing was said of


def test_the_prior_is_the_fixed_point_of_forgetting():
    arms, fresh = (_fresh(1, regularization=2.0, width=3) for _ in range(2))
    nothing = np.zeros((1, 3))
    equations.learn_sums(arms, np.array([0]), np.array([1]), np.zeros(6), nothing, 0.3, 2.0)
    for found, expected in zip(arms[:4], fresh[:4], strict=True):
        assert found == pytest.approx(expected)


@given(
    st.lists(st.lists(st.integers(-4, 4), min_size=3, max_size=3), min_size=1, max_size=30),
    st.floats(0.1, 10),
)
def test_the_inverse_stays_the_inverse_after_every_row(rows, regularization):
    arms, other = (_fresh(1, regularization, 3) for _ in range(2))
    here, one = np.array([0]), np.ones(1)
    for row in np.array(rows, dtype=np.float64):
        equations.learn(arms, here, row[None], one, one)
        added = packed(np.outer(row, row))
        equations.learn_sums(other, here, here + 1, added, row[None], 1.0, regularization)
        for each in (arms, other):
            product = unpacked(each.evidence, 3)[0] @ unpacked(each.inverse, 3)[0]
            assert product == pytest.approx(np.eye(3), abs=1e-9)
    assert arms.weights == pytest.approx(other.weights, abs=1e-9)
