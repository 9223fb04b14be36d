"""Intervals: by hand, with the right coverage, NaN left out, and the same from the same seed."""

import math

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.evaluation import intervals
from recloop.evaluation.intervals import (
    Interval,
    bootstrap_interval,
    jackknife_interval,
    normal_interval,
    paired_bootstrap_interval,
    portions,
)
from recloop.utils.seeding import stream

NAN = float("nan")


def is_unknown(interval):
    return math.isnan(interval.low) and math.isnan(interval.high)


def test_a_normal_interval_is_the_mean_and_z_standard_errors():
    # mean 3, sd 2, n 4: standard error sqrt(16 / 3) / 2
    values = np.array([1.0, 1.0, 5.0, 5.0, NAN])
    error = math.sqrt(16 / 3) / 2
    assert normal_interval(values) == pytest.approx((3 - 1.959964 * error, 3 + 1.959964 * error))
    assert normal_interval(values, 0.9) == pytest.approx(
        (3 - 1.644854 * error, 3 + 1.644854 * error)
    )


def test_two_people_are_enough_and_one_is_not(rng):
    assert normal_interval(np.array([0.0, 2.0])) == pytest.approx((1 - 1.959964, 1 + 1.959964))
    assert bootstrap_interval(np.array([0.0, 2.0]), rng) == (0.0, 2.0)
    for values in ([1.0], [], [1.0, NAN]):
        assert is_unknown(normal_interval(np.array(values)))
        assert is_unknown(bootstrap_interval(np.array(values), rng))


def test_a_jackknife_interval_is_the_estimate_and_z_standard_errors():
    # n 3: sqrt(2/3 * (0.01 + 0 + 0.01)) = sqrt(0.04 / 3)
    low, high = jackknife_interval(0.5, np.array([0.4, 0.5, 0.6]))
    error = math.sqrt(0.04 / 3)
    assert (low, high) == pytest.approx((0.5 - 1.959964 * error, 0.5 + 1.959964 * error))


def test_the_jackknife_of_a_mean_is_the_normal_interval(rng):
    values = rng.random(20)
    left_out = (values.sum() - values) / 19
    assert jackknife_interval(values.mean(), left_out) == pytest.approx(normal_interval(values))


def test_a_jackknife_needs_two_people():
    assert is_unknown(jackknife_interval(0.5, np.array([0.5])))
    assert jackknife_interval(0.5, np.array([0.5, 0.5])) == (0.5, 0.5)


def test_the_bootstrap_takes_percentiles_of_resampled_means():
    values = np.array([0.0, 1.0, NAN, 5.0])
    known = np.array([0.0, 1.0, 5.0])
    draws = stream(3, "x").integers(3, size=(500, 3))
    means = known[draws].mean(axis=1)
    got = bootstrap_interval(values, stream(3, "x"), n_resamples=500, confidence=0.8)
    assert got == pytest.approx((np.quantile(means, 0.1), np.quantile(means, 0.9)))


def test_the_default_is_a_thousand_resamples_at_95_percent(rng):
    values = stream(0, "values").random(10)
    means = values[stream(1, "x").integers(10, size=(1000, 10))].mean(axis=1)
    assert bootstrap_interval(values, stream(1, "x")) == pytest.approx(
        tuple(np.quantile(means, [0.025, 0.975]))
    )


def test_drawing_in_portions_changes_no_number(monkeypatch):
    values = np.arange(7.0)
    at_once = bootstrap_interval(values, stream(0, "x"), n_resamples=10)
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 21)
    assert bootstrap_interval(values, stream(0, "x"), n_resamples=10) == at_once


def test_portions_add_up_and_stay_small():
    assert list(portions(10, intervals.DRAWS_AT_ONCE // 4)) == [4, 4, 2]
    assert list(portions(8, intervals.DRAWS_AT_ONCE // 4)) == [4, 4]
    assert list(portions(3, intervals.DRAWS_AT_ONCE * 2)) == [1, 1, 1]
    assert list(portions(3, 1)) == [3]
    assert intervals.DRAWS_AT_ONCE == 1 << 20


def test_portions_need_at_least_one_resample():
    with pytest.raises(InvalidParameter, match="bootstrap: n_resamples must be a whole number"):
        list(portions(0, 1))


def test_a_paired_interval_resamples_the_same_people_for_both():
    ours, theirs = stream(0, "ours").random(30), stream(0, "theirs").random(30)
    assert paired_bootstrap_interval(
        ours, theirs, stream(0, "x"), n_resamples=50, confidence=0.5
    ) == bootstrap_interval(ours - theirs, stream(0, "x"), n_resamples=50, confidence=0.5)
    assert paired_bootstrap_interval(ours, theirs, stream(0, "x")) == bootstrap_interval(
        ours - theirs, stream(0, "x"), n_resamples=1000
    )
    # a constant gain is known exactly, however much people differ
    assert paired_bootstrap_interval(theirs + 0.25, theirs, stream(0, "x")) == (0.25, 0.25)


@pytest.mark.parametrize("confidence", [0, 1, 1.5, "0.9", NAN])
def test_confidence_must_lie_between_zero_and_one(rng, confidence):
    values = np.array([0.0, 1.0])
    with pytest.raises(InvalidParameter, match="interval: confidence must be above 0 and below 1"):
        normal_interval(values, confidence)
    with pytest.raises(InvalidParameter, match="interval: confidence must be above 0 and below 1"):
        bootstrap_interval(values, rng, confidence=confidence)


@pytest.mark.parametrize("method", ["normal", "bootstrap"])
def test_intervals_hold_the_truth_at_their_stated_rate(rng, method):
    """300 intervals of 90 % for the mean of 60 draws; fewer than 246 hits: probability < 1e-4."""
    hits = 0
    for _ in range(300):
        values = rng.exponential(size=60)
        low, high = (
            normal_interval(values, 0.9)
            if method == "normal"
            else bootstrap_interval(values, rng, confidence=0.9, n_resamples=200)
        )
        hits += low <= 1 <= high
    assert 246 <= hits <= 294


def test_an_interval_is_low_and_high():
    assert Interval(1.0, 2.0)._asdict() == {"low": 1.0, "high": 2.0}
