"""What is watched while an agent learns, worked out by hand."""

import math

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.evaluation.reinforcement import (
    convergence,
    cumulative_reward,
    exploration_rate,
    moving_average,
)
from recloop.types import Decision


def test_cumulative_reward_adds_up():
    assert cumulative_reward([1, 0, 2.5]).tolist() == [1.0, 1.0, 3.5]
    assert cumulative_reward([]).tolist() == []


def test_cumulative_reward_discounts_later_steps():
    assert cumulative_reward([1, 1, 2], discount=0.5).tolist() == [1.0, 1.5, 2.0]
    assert cumulative_reward([3, 1], discount=0).tolist() == [3.0, 3.0]


@pytest.mark.parametrize("discount", [-0.1, 1.1])
def test_a_discount_outside_zero_to_one_is_refused(discount):
    with pytest.raises(InvalidParameter, match="cumulative_reward: discount must be between 0 and"):
        cumulative_reward([1], discount=discount)


def test_rewards_must_be_numbers():
    with pytest.raises(InvalidParameter, match="cumulative_reward: rewards must be finite"):
        cumulative_reward([1, float("nan")])


def decision(*sources):
    n = len(sources)
    return Decision(0, np.arange(n), np.zeros(n), np.ones(n), "conditional", list(sources))


def test_exploration_rate_is_the_share_of_choices_drawn_at_random():
    assert exploration_rate(np.array([[True, False], [False, False]])) == 0.25
    assert exploration_rate([True, True, False]) == pytest.approx(2 / 3)


def test_exploration_rate_reads_every_slot_of_decisions():
    decisions = [decision("explore", "greedy", "greedy"), decision("greedy")]
    assert exploration_rate(decisions) == 0.25


def test_exploration_rate_without_choices_is_undefined():
    assert math.isnan(exploration_rate([]))
    assert math.isnan(exploration_rate([decision()]))


def test_convergence_is_the_change_over_the_size_of_what_was_there():
    q = [np.array([[1.0, -1.0]]), np.array([[2.0, -1.0]]), np.array([[2.0, -1.0]])]
    assert convergence(q).tolist() == [0.5, 0.0]
    assert convergence([[1.0, 2.0], [2.0, 0.0]]).tolist() == [1.0]


def test_convergence_from_zeros_is_one_if_anything_moves():
    assert convergence([[0, 0], [0, 0], [0, 0.3], [0, 0]]).tolist() == [0.0, 1.0, 1.0]


def test_convergence_needs_two_snapshots_of_one_shape():
    assert convergence([[1.0]]).tolist() == []
    assert convergence([]).tolist() == []
    with pytest.raises(InvalidParameter, match="convergence: snapshots must be finite numbers"):
        convergence([[1.0], [np.inf]])
    with pytest.raises(
        InvalidParameter, match=r"convergence: snapshots must have one shape, got \(1,\), \(2,\)\."
    ):
        convergence([[1.0], [1.0, 2.0]])


def test_a_moving_average_looks_back_and_never_ahead():
    assert moving_average([1, 3, 5, 7], 2).tolist() == [1.0, 2.0, 4.0, 6.0]
    assert moving_average([1, 3, 5, 7], 1).tolist() == [1.0, 3.0, 5.0, 7.0]
    assert moving_average([1, 3, 5], 3).tolist() == [1.0, 2.0, 3.0]
    assert moving_average([1, 3, 5], 100).tolist() == [1.0, 2.0, 3.0]
    assert moving_average([], 3).tolist() == []


def test_a_moving_average_leaves_gaps_out():
    values = moving_average([np.nan, 2, np.nan, np.nan, 4], 2)
    assert np.isnan(values).tolist() == [True, False, False, True, False]
    assert values[[1, 2, 4]].tolist() == [2.0, 2.0, 4.0]


def test_a_window_is_at_least_one():
    with pytest.raises(InvalidParameter, match="moving_average: window must be a whole number"):
        moving_average([1], 0)
