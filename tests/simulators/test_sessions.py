"""Organic and bandit sessions: every mechanic by counting, and the inversion of the two judges."""

import re

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.simulators.certify import certify
from recloop.simulators.sessions import (
    SessionsParams,
    SessionsWorld,
    inversion,
    view_counts,
)
from recloop.utils.seeding import stream


def begun(n, user=0, **given):
    world = SessionsWorld(SessionsParams(**given))
    world.reset(np.full(n, user), stream(0, "sessions"))
    return world


def within(found, wanted, n):
    assert abs(found - wanted) <= 5 * np.sqrt(max(wanted * (1 - wanted), 1e-12) / n)


# Views


def test_views_follow_the_softmax_of_taste_and_popularity():
    n = 20_000
    world = begun(n, n_items=12, flips=2)
    wanted = world.view_probabilities(world.people[:1])[0]
    assert wanted.sum() == pytest.approx(1.0)
    by_hand = np.exp(world.gamma @ world.people[0] + world.mu)
    assert wanted == pytest.approx(by_hand / by_hand.sum())
    found = view_counts(world.state.viewed, 12).sum(axis=0)
    for count, chance in zip(found, wanted, strict=True):
        within(count / (8 * n), chance, 8 * n)


def test_a_session_begins_with_views_and_others_follow_as_often_as_asked_for():
    n = 50_000
    world = begun(n, n_items=12, flips=2, organic=0.3)
    before = world.state.viewed.copy()
    assert (before[:, :8] >= 0).all()
    assert (before[:, 8:] == -1).all()
    world.step(np.zeros(n, dtype=int))
    more = world.state.viewed[:, 8] >= 0
    more &= (world.state.viewed[:, 8:16] == before[:, :8]).all(axis=1)
    within(more.mean(), 0.3, n)
    assert (world.state.viewed[~more] == before[~more]).all()


def test_observed_is_the_share_of_each_item_in_the_last_views():
    world = begun(1, n_items=4, flips=0, n_recent=5)
    world.state.viewed[:] = [[2, 2, 0, 3, -1]]
    assert world.observations.tolist() == [[0.25, 0.0, 0.5, 0.25]]
    world.state.viewed[:] = -1
    assert world.observations.tolist() == [[0.0] * 4]


# Ads


def test_ads_are_clicked_by_the_other_embedding_and_without_popularity():
    n = 100_000
    world = begun(n, drift=0.0, organic=0.0, stop=0.0)
    affinity = world.beta @ world.people[0]
    wanted = 0.005 + 0.095 / (1 + np.exp(2 - affinity))
    found = world.expected_rewards(world.state, world.users)
    assert found[0] == pytest.approx(wanted)
    for item in (int(wanted.argmax()), int(wanted.argmin()), int(world.mu.argmax())):
        within(world.step(np.full(n, item))[0].mean(), wanted[item], n)


@pytest.mark.parametrize("flips", [0, 10, 50])
def test_flips_exchange_as_many_pairs_and_leave_the_rest(flips):
    world = SessionsWorld(SessionsParams(flips=flips))
    moved = (world.beta != world.gamma).any(axis=1)
    assert moved.sum() == 2 * flips
    assert sorted(world.beta.tolist()) == sorted(world.gamma.tolist())
    for item in np.flatnonzero(moved):
        partner = int(np.flatnonzero((world.gamma == world.beta[item]).all(axis=1))[0])
        assert (world.beta[partner] == world.gamma[item]).all()


# People


def test_tastes_are_a_random_walk_that_no_ad_moves():
    n = 5000
    world, other = begun(n, stop=0.0), begun(n, stop=0.0)
    for _ in range(10):
        world.step(np.zeros(n, dtype=int))
        other.step(np.full(n, 7))
    assert (world.state.tastes == other.state.tastes).all()
    assert (world.state.viewed == other.state.viewed).all()
    moved = world.state.tastes - world.people[0]
    # 25,000 numbers: mean and standard deviation to within 5 of their errors
    scale = 0.05 * np.sqrt(10)
    assert moved.mean() == pytest.approx(0.0, abs=5 * scale / np.sqrt(25_000))
    assert moved.std() == pytest.approx(scale, rel=5 / np.sqrt(50_000))


def test_people_leave_as_often_as_asked_for():
    n = 100_000
    world = begun(n, n_items=5, flips=0, stop=0.05)
    _, left, truncated = world.step(np.zeros(n, dtype=int))
    within(left.mean(), 0.05, n)
    assert not truncated.any()


# Judges


@pytest.mark.parametrize("seed", range(4))
def test_the_next_view_prefers_popularity_and_the_click_prefers_the_taste(seed):
    found = inversion(SessionsWorld(SessionsParams(seed=seed)), 2000, seed)
    hits, clicks = found.hit_rate, found.click_rate
    assert found.is_inverted
    assert hits["popularity"].low > hits["taste"].high
    assert clicks["taste"].low > clicks["popularity"].high
    assert clicks["taste"].value >= 1.05 * clicks["popularity"].value
    assert found.n_sessions == 2000


def test_without_popularity_both_judges_agree():
    found = inversion(SessionsWorld(SessionsParams(popularity=0.0)), 2000)
    assert not found.is_inverted
    assert found.hit_rate["taste"].low > found.hit_rate["popularity"].high
    assert found.click_rate["taste"].low > found.click_rate["popularity"].high


def test_exchanged_embeddings_cost_the_taste_clicks_and_no_hits():
    found = inversion(SessionsWorld(SessionsParams(flips=50)), 2000)
    kept = inversion(SessionsWorld(SessionsParams(flips=0)), 2000)
    assert found.click_rate["taste"].high < kept.click_rate["taste"].low
    assert found.hit_rate == kept.hit_rate


def test_the_click_rates_of_an_inversion_are_those_of_playing():
    world = SessionsWorld(SessionsParams(n_users=1, stop=0.0))
    found = inversion(world, 200)
    world.reset(np.zeros(50_000, dtype=int), stream(0, "played"))
    item = int(view_counts(world.state.viewed, world.n_items).sum(axis=0).argmax())
    clicked = world.step(np.full(50_000, item))[0].mean()
    within(clicked, found.click_rate["popularity"].value, 50_000)


def test_the_same_seed_judges_alike_and_another_one_otherwise():
    world = SessionsWorld(SessionsParams())
    assert inversion(world, 200, 1) == inversion(world, 200, 1)
    assert inversion(world, 200, 1) != inversion(world, 200, 2)


def test_an_inversion_needs_a_view_to_recommend_from():
    with pytest.raises(InvalidParameter, match=r"^inversion: the world must have n_views of at"):
        inversion(SessionsWorld(SessionsParams(n_views=1)))


# Certificates


def test_greedy_earns_its_bound_where_tastes_stand_still():
    world = SessionsWorld(SessionsParams(drift=0.0, n_users=500))
    lines = certify(world, n_sessions=500).lines
    spread = lines["myopic"].high - lines["myopic"].low
    assert abs(lines["myopic"].value - lines["bound"].value) <= 1.3 * spread
    assert lines["random"].high < lines["myopic"].low
    drifting = certify(SessionsWorld(SessionsParams(n_users=500)), n_sessions=500).lines
    assert drifting["myopic"].low <= drifting["bound"].value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"flips": 51}, "flips must be at most half of n_items, 50, got 51."),
        ({"highest": 0.001}, "highest must be between 0.005 and 1, got 0.001."),
        ({"stop": 1.5}, "stop must be between 0 and 1, got 1.5."),
        ({"n_views": 0}, "n_views must be a whole number of at least 1, got 0."),
    ],
)
def test_parameters_out_of_range_are_named(given, message):
    with pytest.raises(InvalidParameter, match=re.escape(f"SessionsWorld: {message}")):
        SessionsWorld(SessionsParams(**given))
