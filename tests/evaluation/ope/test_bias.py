"""Intervals that carry the bias hold the truth; those that do not, say so."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.evaluation.ope import (
    OffPolicyEvaluator,
    Rounds,
    bias,
    embedded,
    single,
    uniform_target,
)
from recloop.types import Labels, LoggedDecisions

LOGGING = np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
TARGET = np.array([[0.1, 0.6, 0.3], [0.5, 0.4, 0.1]])
Q = np.array([[0.0, 1.0, 1.0], [2.0, 0.0, -1.0]])


def rounds(actions, rewards) -> Rounds:
    actions = np.array(actions)
    return Rounds(actions, np.array(rewards), LOGGING[[0, 1], actions], TARGET, LOGGING)


def test_the_two_ends_by_hand():
    log = rounds((1, 0), (2.0, 6.0))  # weights 2.4 and 2.5
    found = bias.ends(single.clipped_ips(log, at=2.45), log, 0.0, 10.0)
    assert found.low.value == pytest.approx((2.4 * 2 + 2.45 * 6) / 2)
    assert found.high.value == pytest.approx(10 - (2.4 * 8 + 2.45 * 4) / 2)
    assert found.hidden == pytest.approx(10 * (1 - (2.4 + 2.45) / 2))
    shifted = bias.ends(single.clipped_ips(log, at=2.45), log, 1.0, 10.0)
    assert shifted.low.value == pytest.approx(1 + (2.4 * 1 + 2.45 * 5) / 2)


def test_a_model_alone_leaves_the_whole_range_open():
    log = rounds((1, 0), (2.0, 6.0))
    found = bias.ends(single.dm(log, Q), log, 0.0, 10.0)
    assert (found.low.value, found.high.value) == (0, 10)


CUT = {
    "clipped_ips": lambda log: single.clipped_ips(log, at=1.5),
    "clipped_snips": lambda log: single.clipped_snips(log, at=1.5),
    "switch_dr": lambda log: single.switch_dr(log, Q, at=1.0),
    "dros": lambda log: single.dros(log, Q, shrink=1.0),
    "sub_gaussian_ips": lambda log: single.sub_gaussian_ips(log, power=0.4),
    "sub_gaussian_dr": lambda log: single.sub_gaussian_dr(log, Q, power=0.4),
    "mips": lambda log: embedded.mips(log, [0, 1, 0]),
    "offcem": lambda log: embedded.offcem(log, Q, [0, 1, 0]),
    "dm": lambda log: single.dm(log, Q),
}


@pytest.mark.parametrize("name", list(CUT))
@given(means=st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_the_truth_lies_between_the_expectations_of_the_ends(name, means):
    table = np.array(means).reshape(2, 3)
    truth = float((TARGET * table).sum(axis=1).mean())
    low = high = 0.0
    for a, b in product(range(3), repeat=2):
        log = rounds((a, b), (table[0, a], table[1, b]))
        found = bias.ends(CUT[name](log), log, 0.0, 1.0)
        chance = LOGGING[0, a] * LOGGING[1, b]
        low, high = low + chance * found.low.value, high + chance * found.high.value
    assert low - 1e-12 <= truth <= high + 1e-12


def test_without_a_cut_the_two_ends_meet_in_expectation():
    gap = 0.0
    for a, b in product(range(3), repeat=2):
        log = rounds((a, b), (1.0, 0.0))
        chance = LOGGING[0, a] * LOGGING[1, b]
        gap += chance * bias.ends(single.switch_dr(log, Q, at=np.inf), log, 0, 1).hidden
    assert gap == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("low", "high"), [(0.0, 5.0), (3.0, 10.0), (1.0, 1.0), (7.0, 2.0)])
def test_rewards_outside_of_the_range_are_refused(low, high):
    log = rounds((1, 0), (2.0, 6.0))
    with pytest.raises(ValueError, match=r"dm: all rewards must lie within \[low, high\], got"):
        bias.ends(single.dm(log, Q), log, low, high)


B, P = np.array([0.6, 0.3, 0.09, 0.01]), np.array([0.2, 0.3, 0.3, 0.2])
MEANS = np.array([0.2, 0.5, 0.3, 0.9])
TRUTH = float(P @ MEANS)


def drawn(rng, n=1000) -> Rounds:
    actions = rng.choice(4, size=n, p=B)
    rewards = (rng.random(n) < MEANS[actions]).astype(float)
    return Rounds(actions, rewards, B[actions], np.broadcast_to(P, (n, 4)),
                  np.broadcast_to(B, (n, 4)))  # fmt: skip


def test_bounded_intervals_cover_the_truth_that_sampling_intervals_miss(rng):
    """200 logs, a model that is wrong by 0.3: a right interval of 95 % is below 0.90 in one test
    of a thousand."""
    from recloop.evaluation.ope import intervals

    by_bound, by_spread, width = np.zeros(4), np.zeros(4), np.zeros(4)
    for _ in range(200):
        log = drawn(rng)
        q = np.broadcast_to(MEANS - 0.3, (1000, 4))
        found = [
            single.dm(log, q),
            single.switch_dr(log, q, at=5.0),
            single.dros(log, q, shrink=30.0),
            embedded.mips(log, [0, 0, 0, 0]),
        ]
        for j, one in enumerate(found):
            assert one.interval_name == "sampling interval (bias not included)"
            low, high = intervals.bootstrap(one, rng, n_resamples=200)
            by_spread[j] += low <= TRUTH <= high
            low, high = bias.bounded(one, log, 0, 1, rng, n_resamples=200)
            by_bound[j] += low <= TRUTH <= high
            width[j] += (high - low) / 200
    assert (by_bound / 200 >= 0.90).all()
    assert (by_spread / 200 < 0.40).all()
    assert width[0] == pytest.approx(1)
    assert (width[1:3] < 0.6).all()


def test_embeddings_that_tell_all_items_apart_have_no_bias(rng):
    log = drawn(rng, 100)
    assert embedded.mips(log, [3, 1, 0, 2]).bias == "none"
    assert embedded.mips(log, [0, 1, 0, 2]).bias == "unknown"
    assert embedded.offcem(log, np.zeros((100, 4)), [0, 1, 0, 2]).bias == "unknown"


def test_the_evaluator_carries_the_bias_where_the_range_is_known(rng):
    log, n = drawn(rng, 2000), 2000
    same = Labels.same
    decisions = LoggedDecisions(
        ids=np.arange(n).astype(str), timestamps=np.zeros(n), users=np.zeros(n, np.int64),
        offsets=np.arange(n + 1), items=log.actions, propensities=log.propensities,
        propensity_kinds=same("conditional", n), policies=same("p", n), versions=same("1", n),
        catalogues=same("", n), activated=np.ones(n, bool), rewards=log.rewards,
    )  # fmt: skip
    q = np.broadcast_to(MEANS - 0.3, (n, 4))
    for limits, label in ((None, "sampling interval (bias not included)"), ((0, 1), bias.BOUNDED)):
        judge = OffPolicyEvaluator(decisions, 4, reward_range=limits, settings={"switch_dr": 5.0})
        rows = judge.evaluate(uniform_target(decisions, 4), q=q)
        named = {row.estimator: row.interval_name for row in rows}
        assert named["dm"] == named["switch_dr"] == label
        assert named["ips"] == "confidence interval"
        (cut,) = [row for row in rows if row.estimator == "switch_dr"]
        assert (cut.setting, cut.bias) == (5.0, "unknown")
        assert cut.interval is not None
        assert (cut.interval.low < MEANS.mean() < cut.interval.high) == (limits is not None)
