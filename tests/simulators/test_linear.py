"""A linear world: what the equations say, by counting, and that the context is worth having."""

import re

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.simulators.certify import certify, interval_of, play, spread_users
from recloop.simulators.linear import LinearParams, LinearWorld, context_free_slates
from recloop.utils.seeding import stream


def begun(n, **given):
    world = LinearWorld(LinearParams(**given))
    world.reset(np.zeros(n, dtype=int), stream(0, "linear"))
    return world


def within(found, wanted, n):
    assert abs(found - wanted) <= 5 * np.sqrt(max(wanted * (1 - wanted), 1e-12) / n)


def test_clicks_are_linear_in_what_is_observed():
    n = 400_000
    world = begun(n, n_contexts=8)
    item = int(np.flatnonzero(world.available[0])[0])
    seen = world.observations
    rewards, _, _ = world.step(np.full(n, item))
    assert (seen[:, 0] == 1.0).all()
    for x in np.unique(seen, axis=0):
        rows = (seen == x).all(axis=1)
        wanted = float(np.clip(x @ world.thetas[0, item], 0.001, 0.95))
        within(rewards[rows].mean(), wanted, rows.sum())


def test_clicks_stay_between_floor_and_ceiling():
    world = LinearWorld(LinearParams(taste=0.5, floor=0.05, ceiling=0.2))
    rates = world.rates[0][:, world.available[0]]
    assert rates.min() == 0.05
    assert rates.max() == 0.2


def test_contexts_are_fresh_at_every_step_and_equally_likely_whatever_is_shown():
    n = 200_000
    world, other = begun(n, n_contexts=10), begun(n, n_contexts=10)
    before = world.state.contexts.copy()
    world.step(np.zeros(n, dtype=int))
    other.step(np.full(n, 3))
    assert (world.state.contexts == other.state.contexts).all()
    for count in np.bincount(before * 10 + world.state.contexts, minlength=100):
        within(count / n, 0.01, n)


def test_articles_have_the_spread_and_the_taste_that_were_asked_for():
    # 2,000 articles: standard deviations to within 5 / sqrt(2 n); 4,000 profiles stand for [0, 1]^d
    params = LinearParams(
        n_items=2000, n_available=2000, n_contexts=4000, click_rate=0.5, period=0, floor=0.0,
        ceiling=1.0,
    )  # fmt: skip
    world = LinearWorld(params)
    centre = np.append(1.0, np.full(5, 0.5))
    own = world.thetas[0] @ centre
    assert own.mean() == pytest.approx(0.5, abs=5 * 0.02 / np.sqrt(2000))
    assert own.std() == pytest.approx(0.02, rel=5 / np.sqrt(4000))
    added = world.rates[0].std(axis=0)
    assert np.sqrt((added**2).mean()) == pytest.approx(0.04, rel=0.06)


def test_articles_come_and_go_and_others_stay_as_they_are():
    world = begun(1, period=100, replaced=0.25)
    assert (world.available.sum(axis=1) == 20).all()
    n_new = 0
    for period in range(1, len(world.rates)):
        before, after = world.available[period - 1], world.available[period]
        assert (after & ~before).sum() == (before & ~after).sum() == 5
        same = (world.thetas[period] == world.thetas[period - 1]).all(axis=1)
        assert same.tolist() == (~after | before).tolist()
        n_new += int((~same).sum())
    assert n_new == 5 * 19
    assert (world.rates[:, :, :].max(axis=1) > 0).tolist() == world.available.tolist()


def test_availability_is_observed_where_that_is_asked_for():
    world = begun(3, period=2, horizon=6, shows_available=True)
    assert world.n_observed == 6 + 30
    for period in range(3):
        for _ in range(2):
            assert (world.observations[:, 6:] == world.available[period]).all()
            world.step(np.zeros(3, dtype=int))
    assert begun(1).n_observed == 6


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_context_is_worth_fifteen_percent_by_an_exact_certificate(seed):
    lines = certify(LinearWorld(LinearParams(period=0, horizon=50, seed=seed))).lines
    assert lines["myopic"].value == pytest.approx(lines["optimal"].value, rel=1e-12)
    assert lines["myopic"].value >= 1.15 * lines["best_constant"].value
    world = LinearWorld(LinearParams(period=0, horizon=50, seed=seed))
    assert lines["best_constant"].value == pytest.approx(world.context_free_value())
    assert lines["optimal"].value == pytest.approx(world.upper_bound()[0])


def test_with_articles_that_come_and_go_what_is_played_is_what_is_computed():
    world = LinearWorld(LinearParams())
    lines = certify(world, n_sessions=100).lines
    spread = lines["myopic"].high - lines["myopic"].low
    assert abs(lines["myopic"].value - lines["bound"].value) <= 1.3 * spread
    earned = play(world, context_free_slates, spread_users(world, 100), stream(0, "free"))
    mean, low, high = interval_of(earned)
    assert abs(mean - world.context_free_value()) <= 1.3 * (high - low)
    assert lines["myopic"].low >= 1.15 * high


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"period": -1}, "period must be a whole number of at least 0, got -1."),
        ({"shows_available": "no"}, "shows_available must be True or False, got 'no'."),
        ({"ceiling": 0.0}, "ceiling must be between 0.001 and 1, got 0.0."),
        ({"n_items": 22}, "n_available + replaced items must be at most n_items, 22, got 20 + 4."),
    ],
)
def test_parameters_out_of_range_are_named(given, message):
    with pytest.raises(InvalidParameter, match=re.escape(f"LinearWorld: {message}")):
        LinearWorld(LinearParams(**given))
