"""Intervals of what was earned while learning: by hand, and as often right as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.evaluation.online import Estimate, Replays, of_units
from recloop.models.registry import model_class
from recloop.simulators.build import build_world
from recloop.training.streams import ReplayStream, WorldStream
from recloop.types import Labels, LoggedDecisions

LEAST, MOST = 0.92, 0.97
"""What intervals of 95 % may cover; of 1,000 trials a right one is outside once in 500 times."""


def test_three_runs_are_judged_by_students_t():
    found = of_units(np.array([1.0, 2.0, 3.0]))
    assert (found.value, found.error, found.freedom) == (2.0, pytest.approx(1 / math.sqrt(3)), 2)
    reach = 4.302653 / math.sqrt(3)  # t with 2 degrees of freedom, 0.975
    assert found.interval() == pytest.approx((2 - reach, 2 + reach), rel=1e-6)
    # of two degrees of freedom P(|T| > t) = 1 - t / sqrt(2 + t²); t = 2 sqrt(3)
    assert found.p_value() == pytest.approx(1 - math.sqrt(12 / 14), rel=1e-9)


def test_what_one_unit_or_a_seed_without_rounds_says_is_not_known():
    for values in (np.array([]), np.array([1.0]), np.array([1.0, np.nan, 0.5])):
        found = of_units(values)
        assert math.isnan(found.error)
        assert math.isnan(found.p_value())
        assert all(math.isnan(end) for end in found.interval())
    with pytest.raises(ValueError, match="confidence must be"):
        Estimate(0.0, 1.0, 3.0).interval(1.0)


def test_no_difference_at_all_has_an_interval_of_0_and_a_p_of_1():
    found = of_units(np.zeros(4))
    assert found.interval() == (0.0, 0.0)
    assert found.p_value() == 1.0
    assert of_units(np.ones(6)).p_value() == 0.0


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_few_runs_that_are_alike_by_chance_are_no_certainty(n):
    """Of 300 visitors two runs show the same number of clicks once in some 20 times."""
    found = of_units(np.full(n, 0.02))
    assert found.value == pytest.approx(0.02)
    assert math.isnan(found.error)
    assert math.isnan(found.p_value())
    assert all(math.isnan(end) for end in found.interval())
    assert math.isnan(of_units(np.array([0.3 - 0.1, 0.2])).error)  # alike but for rounding


def test_pulls_of_two_seeds_by_hand():
    kept = [np.array([0, 1]), np.array([1, 3, 4])]
    earned = [np.array([1.0, 0.0]), np.array([0.0, 0.0, 3.0])]
    found = Replays.of(kept, earned, 5)
    # means 1/2 and 1; row 0: (1 - 1/2) / 2 / 2; row 1: (0 - 1/2) / 2 / 2 + (0 - 1) / 3 / 2; ...
    pulls = [1 / 8, -1 / 8 - 1 / 6, 0, -1 / 6, 2 / 6]
    np.testing.assert_allclose(found.pulls, pulls, atol=1e-15)
    assert found.estimate().value == pytest.approx(0.75)
    squares = sum(pull**2 for pull in pulls)
    assert found.estimate().error == pytest.approx(math.sqrt(squares * 4 / 3))
    assert found.estimate().freedom == 3


def test_a_difference_of_replays_pairs_the_rows_that_both_have_kept():
    one = Replays.of([np.array([0, 1, 2])], [np.array([0.0, 3.0, 0.0])], 4)
    two = Replays.of([np.array([1, 2, 3])], [np.array([3.0, 0.0, 0.0])], 4)
    gap = one.minus(two)
    assert gap.value == 0.0
    # pulls -1/3, 2/3, -1/3 of rows 0, 1, 2 and 2/3, -1/3, -1/3 of 1, 2, 3: rows 1 and 2 cancel
    assert gap.error == pytest.approx(math.sqrt((1 / 9 + 1 / 9) * 4 / 3))
    assert one.minus(one).interval() == (0.0, 0.0)


@given(st.integers(1, 9), st.integers(0, 1000))
def test_replaying_the_same_rows_again_makes_no_interval_narrower(n_seeds, seed):
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(50) < 0.5)
    earned = rng.random(len(kept))
    once, often = (Replays.of([kept] * n, [earned] * n, 50).estimate() for n in (1, n_seeds))
    assert often.error == pytest.approx(once.error)
    assert often.value == pytest.approx(once.value)


def added_variances(mine, theirs):
    """(low, high) of unpaired means, the variance between seeds added to that within: too wide.

    mine, theirs (S, T): rewards of each seed.
    """
    n_seeds, n = mine.shape
    squares = [
        one.var(axis=1, ddof=1).mean() / n / n_seeds + one.mean(axis=1).var(ddof=1) / n_seeds
        for one in (mine, theirs)
    ]
    gap, reach = mine.mean() - theirs.mean(), 1.959964 * math.sqrt(sum(squares))
    return gap - reach, gap + reach


def share_and_width(intervals, truth):
    low, high = np.array(intervals).T
    return float(((low <= truth) & (truth <= high)).mean()), float((high - low).mean())


@pytest.mark.parametrize("luck", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("n_seeds", [5, 10])
def test_runs_cover_the_truth_as_often_as_they_say(rng, luck, n_seeds):
    """luck: how much runs of the same model differ by what they happened to learn."""
    n, truth, ours, before = 200, 0.1, [], []
    for _ in range(1000):
        visitors = rng.random((n_seeds, n))  # the same for both models
        rates = np.array([[0.4], [0.3]]) + luck * rng.standard_normal((2, n_seeds))
        one, other = (visitors < rate[:, None] for rate in rates)
        ours.append(of_units(one.mean(axis=1) - other.mean(axis=1)).interval())
        before.append(added_variances(one.astype(float), other.astype(float)))
    share, width = share_and_width(ours, truth)
    assert LEAST <= share <= MOST
    if luck < 0.1:  # else pairing has nothing to take away
        assert width < 0.85 * share_and_width(before, truth)[1]


@pytest.mark.parametrize(("shows_first", "n_seeds"), [(1.0, 1), (1.0, 5), (0.6, 1), (0.6, 5)])
def test_replays_cover_the_truth_as_often_as_they_say(rng, shows_first, n_seeds):
    n, rates, ours = 2000, np.array([0.5, 0.4, 0.3]), []
    for _ in range(1000):
        shown = rng.integers(3, size=n)
        rewards = (rng.random(n) < rates[shown]).astype(float)
        sides = []
        for share in (shows_first, 0.5):
            chosen = np.where(rng.random((n_seeds, n)) < share, 0, 1)
            kept = [np.flatnonzero(one == shown) for one in chosen]
            sides.append(Replays.of(kept, [rewards[rows] for rows in kept], n))
        ours.append(sides[0].minus(sides[1]).interval())
    assert LEAST <= share_and_width(ours, 0.1 * (shows_first - 0.5))[0] <= MOST


PARAMS = {"epsilon_greedy": {"epsilon": 0.1}, "lin_ucb": {"context_dim": 6, "alpha": 0.3}}


def made(name, n_users, n_items, seed):
    return model_class(name)(n_users, n_items, seed=seed, **PARAMS[name])


@pytest.mark.slow
def test_bandits_that_learn_in_a_world_differ_by_what_the_intervals_say():
    world = build_world("linear", n_items=5, n_available=5, period=0, taste=0.1, click_rate=0.3)
    n_runs, n_seeds, n = 1500, 5, 150
    stream = WorldStream(world, n)
    earned = {
        name: np.array(
            [stream.run(made(name, 1, 5, seed), seed).rewards for seed in range(n_runs)]
        ).reshape(-1, n_seeds, n)
        for name in PARAMS
    }
    one, other = earned["lin_ucb"], earned["epsilon_greedy"]
    truth = one.mean() - other.mean()  # of 1,500 runs: its own error is a sixteenth of an interval
    means = one.mean(axis=2) - other.mean(axis=2)
    share, width = share_and_width([of_units(seeds).interval() for seeds in means], truth)
    before = [added_variances(*both) for both in zip(one, other, strict=True)]
    assert LEAST - 0.02 <= share <= MOST + 0.02  # 300 trials
    assert width < 0.9 * share_and_width(before, truth)[1]


@pytest.mark.slow
def test_what_bandits_chose_on_a_log_is_worth_what_the_intervals_say(rng):
    """The worth of the choices that were made, not of what another log would have taught."""
    n_logs, n = 300, 1000
    rates, right = np.array([0.5, 0.45, 0.4, 0.2]), []
    for number in range(n_logs):
        items = rng.integers(4, size=n)
        log = LoggedDecisions(
            ids=np.array([f"d{row}" for row in range(n)]),
            timestamps=np.arange(n, dtype=float),
            users=np.zeros(n, dtype=np.int64),
            offsets=np.arange(n + 1),
            items=items,
            propensities=np.full(n, 0.25),
            propensity_kinds=Labels.same("conditional", n),
            policies=Labels.same("uniform", n),
            versions=Labels.same("1", n),
            catalogues=Labels.same("1", n),
            activated=np.ones(n, dtype=bool),
            contexts=np.column_stack([np.ones(n), rng.random((n, 5))]),
            context_names=tuple("abcdef"),
            rewards=(rng.random(n) < rates[items]).astype(float),
        )
        stream, sides, worth = ReplayStream(log, 1, 4), [], []
        for name in PARAMS:
            results = [stream.run(made(name, 1, 4, seed), 2 * number + seed) for seed in range(2)]
            places, rewards = [r.places for r in results], [r.rewards for r in results]
            sides.append(Replays.of(places, rewards, n))
            worth.append(np.mean([rates[r.items].mean() for r in results]))
        low, high = sides[1].minus(sides[0]).interval()
        right.append(low <= worth[1] - worth[0] <= high)
    assert LEAST - 0.02 <= np.mean(right) <= MOST + 0.02
