"""Certificates: exact lines are what is played, the figures that are promised hold."""

import json

import numpy as np
import pytest

from recloop.simulators.bait_trap import BaitTrapParams, BaitTrapWorld
from recloop.simulators.base import myopic_slates, random_slates
from recloop.simulators.boredom import BoredomParams, BoredomWorld
from recloop.simulators.build import build_world
from recloop.simulators.certify import (
    LINES,
    certify,
    interval_of,
    play,
    spread_users,
    stationary_policy,
)
from recloop.simulators.preference import PreferenceWorld, drawn_preferences
from recloop.utils.seeding import stream

WITH_TABLES = ("bait_trap", "retention", "satisfaction", "preference")


def agrees(returns, wanted):
    spread = returns.std(ddof=1) / np.sqrt(len(returns))
    assert abs(returns.mean() - wanted) <= 4.5 * spread + 0.003 * abs(wanted)


@pytest.mark.parametrize("name", WITH_TABLES)
def test_computed_lines_are_what_playing_earns(name):
    world, n = build_world(name), 4000
    found = certify(world).lines
    users = spread_users(world, n)
    policies = {
        "random": lambda at: random_slates(at, rng),
        "best_stationary": stationary_policy(world, 0.95),
    }
    if world.slate_size == 1:
        policies["myopic"] = myopic_slates
    for line, policy in policies.items():
        rng = stream(1, line)
        agrees(play(world, policy, users, stream(0, line)), found[line].value)


@pytest.mark.parametrize("name", WITH_TABLES)
def test_lines_stand_in_their_order(name):
    lines = certify(build_world(name)).lines
    assert set(lines) == set(LINES)
    best = lines["optimal"].value * (1 + 1e-12)
    assert all(line.value <= best for line in lines.values())
    assert lines["best_constant"].value >= lines["random"].value


@pytest.mark.parametrize(
    ("sensitivity", "ratio"), [(0.01, 1.000), (0.05, 1.009), (0.1, 1.275), (0.2, 2.42), (0.3, 4.37)]
)
def test_long_term_satisfaction_has_the_known_ratios_to_clickbait(sensitivity, ratio):
    certificate = certify(build_world("satisfaction", sensitivity=sensitivity))
    assert certificate.headroom == pytest.approx(ratio, abs=0.01)


def test_at_least_four_worlds_reward_planning_and_the_control_does_not():
    names = ("bait_trap", "retention", "satisfaction", "interest")
    found = {name: certify(build_world(name), n_sessions=200) for name in (*names, "preference")}
    assert all(found[name].headroom >= 1.25 for name in names)
    assert found["preference"].headroom <= 1.01
    for name in ("bait_trap", "retention"):
        lines = found[name].lines
        assert lines["best_constant"].value <= 0.8 * found[name].optimum


def test_greed_bores_and_a_rule_that_knows_boredom_does_not():
    for kind, least in (("topic", 1.5), ("away", 1.8)):
        world = BoredomWorld(BoredomParams(boredom=kind))
        users = spread_users(world, 100)
        earned = {
            name: play(world, policy, users, stream(0, "boredom")).mean()
            for name, policy in world.planners().items()
        }
        greedy = earned.pop("liking alone")
        assert max(earned.values()) >= least * greedy


def test_a_bound_is_above_everything_that_is_played():
    for name in ("boredom", "interest"):
        certificate = certify(build_world(name), n_sessions=100)
        bound = certificate.lines["bound"].value
        assert all(line.high <= bound for line in certificate.lines.values())


def test_slates_of_fixed_tastes_are_bounded_by_what_greed_earns():
    world = PreferenceWorld(drawn_preferences(n_users=20, slate_size=3, position_bias=0.5))
    certificate = certify(world, n_sessions=2000)
    lines = certificate.lines
    assert lines["optimal"].low <= lines["bound"].value <= lines["optimal"].high
    assert certificate.headroom == 1.0


def test_shares_and_gaps_are_measured_from_the_best_constant():
    certificate = certify(BaitTrapWorld(BaitTrapParams()))
    least, best = certificate.lines["best_constant"].value, certificate.optimum
    assert certificate.share(best / 2) == pytest.approx(0.5)
    assert certificate.gap_closed(least) == 0.0
    assert certificate.gap_closed(best) == 1.0
    assert certificate.gap_closed((least + best) / 2) == pytest.approx(0.5)


def test_a_certificate_is_the_same_every_time_and_can_be_written_down():
    one, other = (certify(build_world("interest"), n_sessions=50, seed=3) for _ in range(2))
    assert json.dumps(one.to_json()) == json.dumps(other.to_json())
    text = one.card()
    for name in LINES:
        assert name in text
    assert "optimal / myopic" in text
    assert "1,000 sessions" in certify(build_world("interest", horizon=5)).card()


def test_an_interval_is_that_of_the_mean():
    mean, low, high = interval_of(np.array([1.0, 3.0]))
    assert mean == 2.0
    assert high - mean == pytest.approx(12.7062, abs=1e-4)  # Student's, one degree of freedom
    many = np.tile([1.0, 3.0], 50_000)
    mean, low, high = interval_of(many)
    assert high - mean == pytest.approx(1.95998 / np.sqrt(100_000), rel=1e-4)
    assert interval_of(np.array([2.0])) == (2.0, 2.0, 2.0)
    mean, low, high = interval_of(np.array([1.0, 3.0]))
    assert low == pytest.approx(4.0 - high)
