"""Click models by hand, and learning from whole slates and from logs of other policies."""

import re

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.models import EpsilonGreedyRecommender, LinUCBRecommender
from recloop.models.bandits.clicks import looked_at, slate_rows
from recloop.types import Transitions

NAN = np.nan
SLATES = np.array([[3, 1, 0, 2], [0, 1, 2, 3], [2, 0, -1, -1], [1, 2, 3, 0]])
CLICKS = np.array(
    [[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, NAN, 0.0], [0.0, NAN, 1.0, 0.0]]
)


@pytest.mark.parametrize(
    ("click_model", "seen"),
    [
        ("each", ["1111", "1111", "1100", "1011"]),
        ("cascade", ["1100", "1111", "1000", "1010"]),
        ("dependent", ["1111", "1111", "1000", "1010"]),
        ("position", ["1111", "1111", "1100", "1011"]),
    ],
)
def test_what_a_click_model_takes_to_be_seen(click_model, seen):
    found = looked_at(click_model, SLATES, CLICKS)
    assert ["".join(map(str, row.astype(int))) for row in found] == seen


def test_after_the_last_click_a_dependent_reader_saw_nothing_more():
    found = looked_at("dependent", np.array([[0, 1, 2]]), np.array([[1.0, 0.0, 0.0]]))
    assert found.tolist() == [[True, False, False]]


def test_rows_of_slates_stand_slate_by_slot():
    found = slate_rows("cascade", SLATES[:2], CLICKS[:2], np.empty(0))
    assert found.rows.tolist() == [0, 0, 1, 1, 1, 1]
    assert found.slots.tolist() == [0, 1, 0, 1, 2, 3]
    assert found.rewards.tolist() == [0, 1, 0, 0, 0, 0]
    assert found.weights.tolist() == [1.0] * 6


def test_positions_divide_rewards_and_weigh_by_the_square():
    found = slate_rows("position", SLATES[:1], CLICKS[:1], np.array([1.0, 0.5, 0.25, 0.1]))
    assert found.rewards == pytest.approx([0.0, 2.0, 0.0, 10.0])
    assert found.weights == pytest.approx([1.0, 0.25, 0.0625, 0.01])


def test_a_slate_teaches_what_its_rows_teach(rng):
    contexts = rng.normal(size=(4, 2))
    model = LinUCBRecommender(4, 4, context_dim=2, click_model="dependent")
    model.update_slates(np.arange(4), SLATES, CLICKS, context=contexts)
    straight = LinUCBRecommender(4, 4, context_dim=2)
    for row, slate in enumerate(looked_at("dependent", SLATES, CLICKS)):
        for slot in np.flatnonzero(slate):
            straight.update(row, SLATES[row, slot], CLICKS[row, slot], context=contexts[row])
    for name, value in straight.arrays().items():
        if name != "user_codes":
            np.testing.assert_array_equal(getattr(model, name), value, err_msg=name)


def test_people_without_a_context_are_known_by_their_codes():
    model, straight = (LinUCBRecommender(4, 4, context_dim=2) for _ in range(2))
    model.update_slates(np.array([2]), [[1, 0]], [[1.0, NAN]])  # pyright: ignore[reportArgumentType]
    straight.update(2, 1, 1.0)
    np.testing.assert_array_equal(model.evidence, straight.evidence)


@pytest.mark.parametrize("learner", [EpsilonGreedyRecommender, LinUCBRecommender])
def test_positions_that_are_known_remove_their_bias(learner, rng):
    # item 0 is always on top; both are clicked at a rate of 0.6 once they are looked at
    n, kappa = 6000, np.array([1.0, 0.3])
    params = {"context_dim": 1} if learner is LinUCBRecommender else {}
    model = learner(1, 2, click_model="position", examination=tuple(kappa), **params)
    naive = learner(1, 2, **params)
    clicks = (rng.random((n, 2)) < 0.6 * kappa).astype(float)
    for one in (model, naive):
        one.update_slates(np.zeros(n, int), np.tile([0, 1], (n, 1)), clicks)
    found, blind = (one.scores(np.array([0]))[0] for one in (model, naive))
    # deviation of the second: sqrt(0.18 * 0.82 / 6000) / 0.3 = 0.017; 4 of them
    assert found == pytest.approx([0.6, 0.6], abs=0.07)
    assert blind[1] < 0.25


def test_propensities_of_slots_reach_the_rows(rng):
    model = EpsilonGreedyRecommender(1, 3)
    model.update_slates(
        np.array([0]), np.array([[2, 0]]), np.ones((1, 2)), propensities=np.array([[0.5, 0.25]])
    )
    assert model.trials.tolist() == [1.0, 0.0, 1.0]
    with pytest.raises(InvalidParameter, match="propensities must be above 0 and at most 1, got 0"):
        model.update_slates(
            np.array([0]), np.array([[2, 0]]), np.ones((1, 2)), propensities=np.zeros((1, 2))
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"slates": [[0, 9], [1, 2]]}, "slates must be between -1 and 3, got 9"),
        ({"slates": [0, 1]}, r"slates and rewards must have the shape \(B, k\)"),
        ({"rewards": [[1.0], [1.0]]}, r"slates and rewards must have the shape \(B, k\)"),
        ({"users": [0]}, "a row for each of 1 users"),
        ({"rewards": [[1.0, np.inf], [0.0, 0.0]]}, "rewards must be finite numbers, got inf"),
        ({"context": np.ones((1, 2))}, r"context must have one row for each of 2 users.*\(1, 2\)"),
        ({"context": np.ones((3, 2))}, r"context must have one row for each of 2 users.*\(3, 2\)"),
        ({"context": np.ones((2, 5))}, "context must have shape"),
        ({"propensities": np.ones((2, 1))}, r"propensities must have the shape \(2, 2\) of slates"),
        ({"propensities": np.ones((3, 3))}, r"propensities must have the shape \(2, 2\) of slates"),
    ],
)
def test_slates_that_do_not_fit_are_refused_and_teach_nothing(changed, message):
    model = LinUCBRecommender(2, 4, context_dim=2)
    before = model.evidence.copy()
    given = {"users": [0, 1], "slates": [[0, 1], [2, 3]], "rewards": np.ones((2, 2)), **changed}
    with pytest.raises(InvalidParameter, match=message):
        model.update_slates(**given)
    np.testing.assert_array_equal(model.evidence, before)


def test_more_slots_than_examination_probabilities_are_refused():
    model = EpsilonGreedyRecommender(1, 4, click_model="position", examination=(1.0, 0.5))
    with pytest.raises(InvalidParameter, match="a probability for each of 3 slots, got 2"):
        model.update_slates(np.array([0]), np.array([[0, 1, 2]]), np.ones((1, 3)))


# logs of other policies


def _log(rng, n):
    """Item 0 earns 1 from one half and 0 from the other; the policy showed it to the first half."""
    likes = rng.random(n) < 0.5
    chance = np.where(likes, 0.9, 0.1)
    shown = rng.random(n) < chance
    items = np.where(shown, 0, 1)
    rewards = np.where(items == 0, likes, 0.6).astype(float)
    propensities = np.where(shown, chance, 1 - chance)
    return Transitions(np.zeros(n, int), items, rewards, propensities=propensities)


def test_importance_weights_remove_the_bias_of_the_policy_that_logged(rng):
    rows = _log(rng, 8000)
    model, naive = EpsilonGreedyRecommender(1, 2), EpsilonGreedyRecommender(1, 2)
    model.warm_start(rows)
    naive.update_batch(rows)
    found, biased = model.scores(np.array([0]))[0], naive.scores(np.array([0]))[0]
    assert biased[0] == pytest.approx(0.9, abs=0.03)  # so that item 0 seems the better one
    assert found == pytest.approx([0.5, 0.6], abs=0.04)
    assert model.recommend(0, 1, explore=False) == [1]


def test_a_warm_log_counts_as_much_as_it_is_trusted(rng):
    rows = _log(rng, 500)
    for trust in (0.1, 1.0, 3.0):
        model = EpsilonGreedyRecommender(1, 2)
        model.warm_start(rows, trust=trust)
        assert model.trials.sum() == pytest.approx(trust * 500)


def test_weights_of_a_warm_log_by_hand():
    # 1 / p: 2, 2, 20; mean 8; at most 1.5 * 8 = 12; scaled to sum 3: times 3 / 16
    rows = Transitions(
        np.zeros(3, int), np.arange(3), np.ones(3), propensities=np.array([0.5, 0.5, 0.05])
    )
    model = EpsilonGreedyRecommender(1, 3)
    model.warm_start(rows, largest_weight=1.5)
    assert model.trials == pytest.approx([3 / 8, 3 / 8, 9 / 4])


def test_a_warm_log_without_propensities_counts_evenly_and_an_empty_one_not_at_all():
    model = EpsilonGreedyRecommender(1, 3)
    nothing = np.empty(0, dtype=np.int64)
    model.warm_start(Transitions(nothing, nothing, np.empty(0)))
    assert model.trials.tolist() == [0.0, 0.0, 0.0]
    model.warm_start(Transitions(np.zeros(2, int), np.arange(2), np.ones(2)))
    assert model.trials.tolist() == [1.0, 1.0, 0.0]
    weightless = Transitions(np.zeros(1, int), np.zeros(1, int), np.ones(1), weights=np.zeros(1))
    model.warm_start(weightless)
    assert model.trials.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"trust": 0.0}, "trust must be a number above 0, got 0.0"),
        ({"trust": np.inf}, "trust must be a number above 0, got inf"),
        ({"largest_weight": 0.5}, "largest_weight must be a number of at least 1, got 0.5"),
    ],
)
def test_bad_settings_of_a_warm_start_are_refused(params, message, rng):
    with pytest.raises(InvalidParameter, match=re.escape(message)):
        EpsilonGreedyRecommender(1, 2).warm_start(_log(rng, 10), **params)


# items that were chosen out of all


def test_a_chosen_item_says_that_all_others_earned_nothing():
    model, straight = (LinUCBRecommender(3, 4, context_dim=2) for _ in range(2))
    rows = Transitions(np.array([0, 2]), np.array([1, 3]), np.array([1.0, 0.5]), feedback="chosen")
    model.update_batch(rows)
    for user, chosen, reward in ((0, 1, 1.0), (2, 3, 0.5)):
        for item in range(4):
            straight.update(user, item, reward if item == chosen else 0.0)
    np.testing.assert_array_equal(model.evidence, straight.evidence)
    np.testing.assert_array_equal(model.reward_sums, straight.reward_sums)
