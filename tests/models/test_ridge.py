"""The equations of a linear bandit, by hand in two dimensions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models import ridge

# A = I + (1, 2)(1, 2)^T = [[2, 2], [2, 5]], its determinant is 6
EVIDENCE = np.array([[[2.0, 2.0], [2.0, 5.0]]])
INVERSE = np.array([[[5.0, -2.0], [-2.0, 2.0]]]) / 6


def test_the_prior_is_lambda_on_the_diagonal_of_every_arm():
    assert ridge.prior_evidence(2, 2, 3.0).tolist() == [[[3, 0], [0, 3]]] * 2


def test_forgetting_restores_the_prior_in_the_same_share():
    evidence = np.array([[[4.0, 1.0], [1.0, 4.0]], [[4.0, 1.0], [1.0, 4.0]]])
    # 3/4 of A and 1/4 of 2 I; nothing is forgotten of the second arm
    kept = ridge.kept_evidence(evidence, np.array([0.75, 1.0]), 2.0)
    assert kept.tolist() == [[[3.5, 0.75], [0.75, 3.5]], [[4, 1], [1, 4]]]


def test_the_prior_is_the_fixed_point_of_forgetting():
    prior = ridge.prior_evidence(1, 3, 2.0)
    assert ridge.kept_evidence(prior, np.array([0.3]), 2.0) == pytest.approx(prior)


def test_later_rows_counts_those_of_the_same_arm():
    assert ridge.later_rows(np.array([5, 1, 5, 5, 1])).tolist() == [2, 1, 1, 0, 0]
    assert ridge.later_rows(np.array([], dtype=np.int64)).tolist() == []


def test_the_inverse_of_two_by_two():
    assert ridge.fresh_inverse(EVIDENCE) == pytest.approx(INVERSE)


def test_one_row_is_added_to_the_inverse_without_inverting():
    prior = ridge.prior_evidence(1, 2, 1.0)
    assert ridge.inverse_with_rows(prior, np.array([[1.0, 2.0]])) == pytest.approx(INVERSE)


def test_several_rows_at_once_are_added_to_every_arm_of_a_stack():
    rows = np.array([[1.0, 2.0], [0.0, 1.0]])
    stack = np.array([[[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.5], [0.5, 3.0]]])
    updated = ridge.inverse_with_rows(np.linalg.inv(stack), rows)
    assert updated == pytest.approx(np.linalg.inv(stack + rows.T @ rows))


def test_theta_by_hand():
    # b = 3 (1, 2): theta = ((5 * 3 - 2 * 6) / 6, (-2 * 3 + 2 * 6) / 6)
    theta = ridge.solutions(np.concatenate([INVERSE, INVERSE]), np.array([[3.0, 6.0], [0.0, 6.0]]))
    assert theta == pytest.approx(np.array([[0.5, 1.0], [-2.0, 2.0]]))


def test_variances_by_hand():
    # (1, 0): 5/6. (1, 1): (5 - 2 - 2 + 2) / 6. Under the prior the squared lengths.
    stack = np.concatenate([INVERSE, ridge.prior_evidence(1, 2, 1.0)])
    variances = ridge.quadratic_forms(stack, np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert variances == pytest.approx(np.array([[5 / 6, 1], [1 / 2, 2]]))


def test_equal_arms_tie_exactly_wherever_they_stand_and_however_many_are_asked_for(rng):
    table = np.tile(rng.standard_normal(7), (13, 1))
    rows = rng.standard_normal((5, 7))
    together = ridge.all_products(rows, table)
    assert together == pytest.approx(rows @ table.T)
    assert (together == together[:, :1]).all()
    assert (ridge.all_products(rows[3:4], table) == together[3]).all()


def test_the_bonus_is_alpha_deviations_and_rounding_below_zero_is_zero():
    bonus = ridge.confidence_bonus(np.array([0.25, 4.0, -1e-18]), 3.0)
    assert bonus.tolist() == [1.5, 6, 0]


@given(
    st.lists(st.lists(st.integers(-4, 4), min_size=3, max_size=3), min_size=1, max_size=30),
    st.floats(0.1, 10),
)
def test_the_inverse_stays_the_inverse_after_every_row(rows, regularization):
    evidence = ridge.prior_evidence(1, 3, regularization)
    inverse = ridge.prior_evidence(1, 3, 1 / regularization)
    for row in np.array(rows, dtype=np.float64):
        evidence = evidence + np.outer(row, row)
        inverse = ridge.inverse_with_rows(inverse, row[None])
        assert evidence[0] @ inverse[0] == pytest.approx(np.eye(3), abs=1e-9)
        assert (inverse == np.swapaxes(inverse, 1, 2)).all()
