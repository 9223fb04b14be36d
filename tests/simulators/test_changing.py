"""A world that changes abruptly: every mechanic by counting, and that forgetting pays."""

import re
from itertools import pairwise

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.simulators.certify import certify
from recloop.simulators.changing import FAMILIAR_AFTER, ChangingParams, ChangingWorld
from recloop.utils.seeding import stream


def begun(n, user=0, **given):
    world = ChangingWorld(ChangingParams(**given))
    world.reset(np.full(n, user), stream(0, "changing"))
    return world


def within(found, wanted, n):
    assert abs(found - wanted) <= 5 * np.sqrt(max(wanted * (1 - wanted), 1e-12) / n)


def logits(rates):
    return np.log(rates / (1 - rates))


# Clicks


def test_people_click_as_often_as_their_group_does():
    n = 200_000
    world = begun(n, period=1, horizon=2, turnover=0.0, n_items=4, n_available=4, replaced=0.0)
    for period in range(2):
        rates = world.rates[period, world.groups[0]]
        rewards, _, _ = world.step(np.full(n, 3))
        within(rewards.mean(), rates[3], n)
    assert world.rates[0, world.groups[0], 3] != world.rates[1, world.groups[0], 3]


def test_what_is_not_available_earns_nothing_and_is_observed_as_such():
    world = begun(2000)
    gone = np.flatnonzero(~world.available[0])
    assert len(gone) == 20
    for item in gone:
        assert world.step(np.full(2000, item))[0].sum() == 0.0
    names = list(world.observation_names)
    first = names.index("available_0")
    assert (world.observations[0, first:] == world.available[0]).all()
    assert (world.expected_rewards(world.state, world.users)[:, gone] == 0.0).all()


def test_observed_are_the_last_answer_and_how_long_somebody_has_been_there():
    world = begun(1000, turnover=0.0)
    assert (world.observations[:, :2] == 0.0).all()
    best = world.expected_rewards(world.state, world.users)[0].argmax()
    rewards, _, _ = world.step(np.full(1000, best))
    assert world.observations[:, 0].tolist() == rewards.tolist()
    assert (world.observations[:, 1] == 1 / (1 + FAMILIAR_AFTER)).all()


# Changes


def test_the_world_changes_at_every_period_and_at_no_other_step():
    world = begun(1, period=10, horizon=35, turnover=0.0)
    changed = []
    for step in range(1, 35):
        before = world.expected_rewards(world.state, world.users)
        world.step(np.zeros(1, dtype=int))
        if (world.expected_rewards(world.state, world.users) != before).any():
            changed.append(step)
    assert changed == [10, 20, 30]


@pytest.mark.parametrize("change", [0.0, 0.3, 1.0])
def test_click_rates_keep_their_distribution_and_change_by_the_dial(change):
    # 100 x 200 logits a period: correlations and moments to within 5 of their standard errors
    given = {"n_groups": 100, "n_items": 200, "n_available": 200, "replaced": 0.0}
    rates = ChangingWorld(ChangingParams(change=change, period=1, horizon=5, **given)).rates
    found = [logits(period).ravel() for period in rates]
    for level in found:
        assert level.mean() == pytest.approx(logits(0.1), abs=5 / np.sqrt(20_000))
        assert level.std() == pytest.approx(1.0, abs=5 / np.sqrt(40_000))
    for before, after in pairwise(found):
        correlation = np.corrcoef(before, after)[0, 1]
        assert correlation == pytest.approx(1 - change, abs=5 / np.sqrt(20_000))
    assert (rates[0] == rates[-1]).all() == (change == 0.0)


def test_the_share_of_the_items_that_was_asked_for_is_replaced():
    world = ChangingWorld(ChangingParams(period=100, replaced=0.25))
    assert (world.available.sum(axis=1) == 20).all()
    for before, after in pairwise(world.available):
        assert (before & ~after).sum() == (after & ~before).sum() == 5


def test_an_item_that_comes_back_is_a_new_one():
    world = ChangingWorld(ChangingParams(n_groups=50, change=0.0, period=100, replaced=0.5))
    before, after = [], []
    for item in range(world.n_items):
        shown = np.flatnonzero(world.available[:, item])
        for one, next_one in pairwise(shown):
            was, now = world.rates[one, :, item], world.rates[next_one, :, item]
            assert (was == now).all() == (next_one == one + 1)
            if next_one > one + 1:
                before.append(logits(was))
                after.append(logits(now))
    n = np.size(before)
    assert n > 5000
    assert abs(np.corrcoef(np.ravel(before), np.ravel(after))[0, 1]) < 5 / np.sqrt(n)


# People


def test_familiar_people_keep_their_group_and_newcomers_do_not():
    n = 40_000
    world = begun(n, user=0)
    assert (world.state.groups == world.groups[0]).all()
    newcomer = world.n_users - 1
    assert world.n_familiar == 40
    world.reset(np.full(n, newcomer), stream(1, "changing"))
    for count in np.bincount(world.state.groups, minlength=4):
        within(count / n, 0.25, n)


def test_somebody_new_comes_as_often_as_asked_for_whatever_is_shown():
    n = 100_000
    world = begun(n, turnover=0.1)
    other = begun(n, turnover=0.1)
    world.step(np.zeros(n, dtype=int))
    other.step(np.full(n, 5))
    is_new = world.state.n_visits == 0
    within(is_new.mean(), 0.1, n)
    assert (other.state.groups == world.state.groups).all()
    n_new = int(is_new.sum())
    within((world.state.groups[is_new] == world.groups[0]).mean(), 0.25, n_new)
    assert (world.state.groups[~is_new] == world.groups[0]).all()
    assert (world.observations[is_new, :2] == 0.0).all()


# Certificates


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_greedy_earns_its_bound_and_no_constant_comes_near(seed):
    world = ChangingWorld(ChangingParams(seed=seed))
    lines = certify(world, n_sessions=100).lines
    myopic, spread = lines["myopic"], lines["myopic"].high - lines["myopic"].low
    assert abs(myopic.value - lines["bound"].value) <= 1.3 * spread  # 5 standard errors
    assert lines["optimal"] == lines["best_stationary"]
    assert lines["best_constant"].high <= 0.5 * myopic.low


def test_without_changes_the_first_greedy_item_stays_the_best():
    params = ChangingParams(horizon=2000, change=0.0, replaced=0.0, turnover=0.0)
    lines = certify(ChangingWorld(params), n_sessions=20).lines
    assert lines["best_constant"].value == lines["myopic"].value


def earned_by_averages(kept, seed):
    """An epsilon-greedy rule by averages over all people, old rewards counting `kept` a step."""
    world = begun(50, n_groups=1, period=500, seed=seed)
    rng = stream(seed, "averages")
    tries, clicks, earned = np.full(40, 1e-9), np.zeros(40), 0.0
    for _ in range(world.horizon):
        likings = np.where(world.availability(world.state)[0], clicks / tries, -1.0)
        explored = rng.integers(40, size=50)
        items = np.where(rng.random(50) < 0.05, explored, likings.argmax())
        rewards, _, _ = world.step(items)
        tries = kept * tries + np.bincount(items, minlength=40)
        clicks = kept * clicks + np.bincount(items, rewards, minlength=40)
        earned += rewards.sum()
    return earned


def test_a_learner_that_forgets_earns_at_least_a_tenth_more():
    ratios = [earned_by_averages(0.99, seed) / earned_by_averages(1.0, seed) for seed in range(3)]
    assert min(ratios) >= 1.1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"change": 1.5}, "change must be between 0 and 1, got 1.5."),
        ({"click_rate": 0.0}, "click_rate must be above 0 and below 1, got 0.0."),
        ({"period": 0}, "period must be a whole number of at least 1, got 0."),
        ({"n_items": 22}, "n_available + replaced items must be at most n_items, 22, got 20 + 4."),
    ],
)
def test_parameters_out_of_range_are_named(given, message):
    with pytest.raises(InvalidParameter, match=re.escape(f"ChangingWorld: {message}")):
        ChangingWorld(ChangingParams(**given))
