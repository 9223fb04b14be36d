"""Epsilon-greedy slates: propensities by hand, by enumeration and by counting draws."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models.exploration.epsilon_greedy import (
    epsilon_greedy_probabilities,
    epsilon_greedy_propensities,
    epsilon_greedy_slates,
)
from recloop.testing import chi_square_p_value
from recloop.utils.seeding import stream

ALL = np.ones((1, 4), dtype=np.bool_)
SCORES = np.array([[0.5, 2.0, 2.0, -1.0]])


class Scripted:
    """A generator whose uniform draws were written down: (explore?, which) for each slot."""

    def __init__(self, *draws):
        self.draws = np.array(draws, dtype=np.float64)

    def random(self, shape):
        return self.draws.reshape(shape)


def _slate(*draws, scores=SCORES, eligible=ALL, epsilon=0.2):
    slates = epsilon_greedy_slates(scores, eligible, len(draws), epsilon, Scripted(*draws))
    return slates.items[0].tolist(), slates.propensities[0].tolist(), slates.explored[0].tolist()


def test_a_greedy_slot_takes_one_of_the_best_and_says_how_likely_it_was():
    # 4 left, 2 best: 0.2 / 4 + 0.8 / 2 = 0.45; a draw of 0.49 takes the first of the two best
    assert _slate((0.2, 0.49)) == ([1], [pytest.approx(0.45)], [False])
    assert _slate((0.9, 0.5)) == ([2], [pytest.approx(0.45)], [False])


def test_an_exploring_slot_takes_any_item():
    # draws of 0.19 < 0.2 explore; 0.75 * 4 = 3 takes item 3, not among the best: 0.2 / 4
    assert _slate((0.19, 0.75)) == ([3], [pytest.approx(0.05)], [True])
    assert _slate((0.19, 0.0)) == ([0], [pytest.approx(0.05)], [True])


def test_a_best_item_that_was_drawn_by_exploring_has_both_chances():
    assert _slate((0.0, 0.25)) == ([1], [pytest.approx(0.45)], [True])


def test_later_slots_choose_among_what_is_left():
    # slot 1: item 1 (0.45). slot 2: 3 left, best is 2 alone: 0.2 / 3 + 0.8. slot 3: explores among
    # 0 and 3, takes 3: 0.2 / 2. slot 4: only 0 is left: 0.2 + 0.8
    items, propensities, explored = _slate((0.9, 0.0), (0.9, 0.9), (0.1, 0.5), (0.9, 0.9))
    assert items == [1, 2, 3, 0]
    assert propensities == pytest.approx([0.45, 0.2 / 3 + 0.8, 0.1, 1.0])
    assert explored == [False, False, True, False]


def test_what_is_not_eligible_is_never_drawn():
    eligible = np.array([[True, False, False, True]])
    # the best of what is left is item 0: 0.2 / 2 + 0.8
    assert _slate((0.9, 0.99), eligible=eligible) == ([0], [pytest.approx(0.9)], [False])
    assert _slate((0.1, 0.5), eligible=eligible) == ([3], [pytest.approx(0.1)], [True])


def test_slots_that_nothing_is_left_for_are_minus_one():
    eligible = np.array([[False, False, False, True]])
    found = _slate((0.9, 0.0), (0.9, 0.0), eligible=eligible)
    assert found == ([3, -1], [pytest.approx(1.0), 0.0], [False, False])
    none = np.zeros((1, 4), dtype=np.bool_)
    assert _slate((0.0, 0.0), eligible=none) == ([-1], [0.0], [False])


def test_the_lowest_possible_score_is_still_a_score():
    scores = np.array([[-np.inf, -np.inf, -np.inf, -np.inf]])
    assert _slate((0.9, 0.99), scores=scores) == ([3], [pytest.approx(0.25)], [False])


def test_without_exploration_the_best_is_certain():
    assert _slate((0.0, 0.9), epsilon=0.0, scores=np.array([[1.0, 0.0, 0.0, 0.0]])) == (
        [0],
        [1.0],
        [False],
    )


def test_rows_have_draws_of_their_own():
    scores = np.array([[0.0, 1.0], [1.0, 0.0]])
    eligible = np.ones((2, 2), dtype=np.bool_)
    rng = Scripted((0.0, 0.0), (0.9, 0.0))  # the first row explores, the second does not
    slates = epsilon_greedy_slates(scores, eligible, 1, 0.5, rng)
    assert slates.items.tolist() == [[0], [0]]
    assert slates.propensities.tolist() == [[0.25], [0.75]]
    assert slates.explored.tolist() == [[True], [False]]
    assert slates.explored.dtype == np.bool_


def test_a_batch_sees_the_draws_of_its_rows_one_by_one():
    scores = stream(0, "scores").normal(size=(6, 5))
    eligible = np.ones((6, 5), dtype=np.bool_)
    together = epsilon_greedy_slates(scores, eligible, 3, 0.5, stream(1, "draws"))
    rng = stream(1, "draws")
    for row in range(6):
        one = slice(row, row + 1)
        alone = epsilon_greedy_slates(scores[one], eligible[one], 3, 0.5, rng)
        assert alone.items.tolist() == together.items[one].tolist()


def test_scores_in_any_memory_order_are_read_alike():
    scores = np.asfortranarray(stream(0, "order").normal(size=(5, 4)))
    eligible = np.ones((5, 4), dtype=np.bool_)
    slates = [[0, 1]] * 5
    plain = np.ascontiguousarray(scores)
    for made in (scores, plain):
        found = epsilon_greedy_propensities(made, eligible, np.array(slates), 0.3)
        np.testing.assert_array_equal(
            found, epsilon_greedy_propensities(plain, eligible, np.array(slates), 0.3)
        )
    left = epsilon_greedy_slates(scores, eligible, 2, 0.3, stream(2, "draws"))
    right = epsilon_greedy_slates(plain, eligible, 2, 0.3, stream(2, "draws"))
    np.testing.assert_array_equal(left.items, right.items)


# of given slates


@pytest.mark.parametrize(
    ("slate", "propensities"),
    [
        ([1, 2, 0, 3], [0.45, 0.2 / 3 + 0.8, 0.1 + 0.8, 1.0]),
        ([3, 1, 2, 0], [0.05, 0.2 / 3 + 0.4, 0.1 + 0.8, 1.0]),
        ([0, 3, 1, 2], [0.05, 0.2 / 3, 0.1 + 0.4, 1.0]),
    ],
)
def test_the_propensities_of_a_given_slate_by_hand(slate, propensities):
    found = epsilon_greedy_propensities(SCORES, ALL, np.array([slate]), 0.2)
    assert found[0] == pytest.approx(propensities)


def test_an_item_that_cannot_be_shown_has_no_chance_and_takes_no_place():
    eligible = np.array([[True, True, False, True]])
    # item 2 is closed, -1 is no item, 1 cannot come twice; 0 is drawn from {0, 3} after 1
    slates = np.array([[2, -1, 1, 1, 0]])
    found = epsilon_greedy_propensities(SCORES, eligible, slates, 0.3)
    assert found[0] == pytest.approx([0.0, 0.0, 0.1 + 0.7, 0.0, 0.15 + 0.7])


def test_the_mask_that_was_passed_stays_as_it_was():
    eligible = np.array([[True, True, False, True]])
    epsilon_greedy_slates(SCORES, eligible, 3, 0.5, stream(0, "mask"))
    epsilon_greedy_propensities(SCORES, eligible, np.array([[0, 1, 3]]), 0.5)
    epsilon_greedy_probabilities(SCORES, eligible, 0.5)
    assert eligible.tolist() == [[True, True, False, True]]


# of the first slot


def test_first_slot_probabilities_by_hand():
    assert epsilon_greedy_probabilities(SCORES, ALL, 0.2)[0] == pytest.approx(
        [0.05, 0.45, 0.45, 0.05]
    )
    eligible = np.array([[True, False, False, True]])
    assert epsilon_greedy_probabilities(SCORES, eligible, 0.2)[0] == pytest.approx([0.9, 0, 0, 0.1])


def test_a_row_with_nothing_eligible_has_no_probabilities():
    none = np.zeros((1, 4), dtype=np.bool_)
    assert epsilon_greedy_probabilities(SCORES, none, 0.2).tolist() == [[0.0] * 4]


def test_rows_are_compared_within_themselves():
    scores = np.array([[1.0, 0.0, 0.0], [5.0, 9.0, 9.0]])
    eligible = np.array([[True, True, False], [True, True, True]])
    found = epsilon_greedy_probabilities(scores, eligible, 0.6)
    # 2 left, 1 best: 0.3 + 0.4 and 0.3; 3 left, 2 best: 0.2, and 0.2 + 0.2 twice
    assert found == pytest.approx(np.array([[0.7, 0.3, 0.0], [0.2, 0.4, 0.4]]))


# invariants

TIED_SCORES = st.lists(st.integers(0, 2).map(float), min_size=2, max_size=4)


@given(TIED_SCORES, st.floats(0.0, 1.0), st.integers(1, 3))
def test_the_chances_of_all_slates_sum_to_one(scores, epsilon, k):
    k = min(k, len(scores))
    slates = np.array(list(permutations(range(len(scores)), k)))
    rows = np.tile(scores, (len(slates), 1))
    eligible = np.ones(rows.shape, dtype=np.bool_)
    chances = epsilon_greedy_propensities(rows, eligible, slates, epsilon).prod(axis=1)
    assert chances.sum() == pytest.approx(1.0)
    first = epsilon_greedy_probabilities(rows[:1], eligible[:1], epsilon)[0]
    for item in range(len(scores)):
        assert chances[slates[:, 0] == item].sum() == pytest.approx(first[item])


@given(TIED_SCORES, st.floats(0.0, 1.0), st.integers(1, 5), st.integers(0, 1000))
def test_drawn_slates_carry_the_propensities_of_given_ones(scores, epsilon, k, seed):
    rows = np.array([scores])
    rng = stream(seed, "eligible")
    eligible = rng.random(rows.shape) < 0.8
    slates = epsilon_greedy_slates(rows, eligible, k, epsilon, rng)
    shown = slates.items[0][slates.items[0] >= 0]
    assert len(set(shown)) == len(shown) == min(k, eligible.sum())
    assert eligible[0, shown].all()
    said = epsilon_greedy_propensities(rows, eligible, slates.items, epsilon)
    np.testing.assert_array_equal(slates.propensities, said)
    assert (slates.propensities[0, : len(shown)] > 0).all()


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_slates_are_drawn_as_often_as_they_say(epsilon):
    slates = np.array(list(permutations(range(4), 2)))
    rows, eligible = np.tile(SCORES, (len(slates), 1)), np.ones((len(slates), 4), dtype=np.bool_)
    chances = epsilon_greedy_propensities(rows, eligible, slates, epsilon).prod(axis=1)
    n_draws = 4000
    drawn = epsilon_greedy_slates(
        np.tile(SCORES, (n_draws, 1)),
        np.ones((n_draws, 4), dtype=np.bool_),
        2,
        epsilon,
        stream(0, "slates", int(10 * epsilon)),
    )
    counts = [int((drawn.items == slate).all(axis=1).sum()) for slate in slates]
    assert sum(counts) == n_draws
    assert chi_square_p_value(counts, chances) > 0.001
    if 0 < epsilon < 1:
        in_share = drawn.explored.mean()
        assert abs(in_share - epsilon) < 4 * np.sqrt(epsilon * (1 - epsilon) / (2 * n_draws))
