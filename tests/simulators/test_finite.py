"""Dynamic programming against a process that can be solved on paper, and against enumeration."""

from itertools import product

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.simulators.finite import (
    GONE,
    FiniteModel,
    action_values,
    all_slates,
    backward_induction,
    best_stationary,
    value_of,
    value_of_random,
)

# State 0: action 0 earns 1 and stays, action 1 earns 0 and leads to state 1.
# State 1: action 0 earns 3 and leads back to 0 or ends, evenly; action 1 earns 2 and ends.
MODEL = FiniteModel(
    slates=np.array([[0], [1]]),
    probabilities=np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [1.0, 0.0]]]),
    following=np.array([[[0, 0], [1, 1]], [[0, GONE], [GONE, GONE]]]),
    rewards=np.array([[1.0, 0.0], [3.0, 2.0]]),
    start=np.array([1.0, 0.0]),
)


def test_backward_induction_by_hand():
    # V1 = (1, 3), V2 = (max(1 + 1, 3), 3 + 1/2) = (3, 3.5), V3 = (max(1 + 3, 3.5), 3 + 3/2)
    assert backward_induction(MODEL, 1).values.tolist() == [1.0, 3.0]
    assert backward_induction(MODEL, 2).values.tolist() == [3.0, 3.5]
    solved = backward_induction(MODEL, 3)
    assert solved.values.tolist() == [4.0, 4.5]
    assert solved.policy[:, 0].tolist() == [0, 1, 0]
    assert value_of(MODEL, solved.policy, 3).tolist() == [4.0, 4.5]


def test_backward_induction_beats_every_plan():
    best = backward_induction(MODEL, 3).values
    for plan in product(product((0, 1), repeat=2), repeat=3):
        assert (value_of(MODEL, np.array(plan), 3) <= best + 1e-12).all()


def test_the_best_stationary_policy_by_hand():
    # discount 1/2: staying is worth 2; going, V0 = V1 / 2, V1 = 3 + V0 / 4 = 24 / 7, V0 = 12 / 7
    solved = best_stationary(MODEL, 0.5)
    assert solved.policy.tolist() == [0, 0]
    assert solved.values == pytest.approx([2.0, 3.5])
    # discount 0.8: staying is worth 5; going V0 = 0.8 V1, V1 = 3 + 0.4 V0 = 3 / 0.68
    assert best_stationary(MODEL, 0.8).values == pytest.approx([5.0, 5.0])


def test_random_actions_by_hand():
    # one step (0.5, 2.5); two: 0: (1 + 0.5 + 0 + 2.5) / 2, 1: (3 + 0.25 + 2) / 2
    assert value_of_random(MODEL, 1).tolist() == [0.5, 2.5]
    assert value_of_random(MODEL, 2).tolist() == [2.0, 2.625]


def test_nothing_follows_who_is_gone():
    assert action_values(MODEL, np.array([10.0, 100.0]), 1.0).tolist() == [[11, 100], [8, 2]]


def test_all_slates_and_no_more_than_can_be_solved():
    assert all_slates(4, 2).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    with pytest.raises(InvalidParameter, match="no exact solution"):
        all_slates(100, 5)


def test_a_discount_of_one_has_no_stationary_value():
    with pytest.raises(InvalidParameter, match="discount must be at least 0 and below 1"):
        best_stationary(MODEL, 1.0)
