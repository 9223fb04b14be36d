"""Intervals hold what they promise; those of ratios form the ratio anew in every resample."""

import numpy as np
import pytest

from recloop.evaluation.ope import Rounds, intervals, single
from recloop.evaluation.ope.estimate import Estimate, average, ratio

N_ITEMS = 5
LOGGING = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
TARGET = np.array([0.1, 0.1, 0.2, 0.3, 0.3])
MEANS = np.array([0.2, 0.3, 0.5, 0.6, 0.4])
TRUTH = float(TARGET @ MEANS)


def drawn(rng, n, rewards=None) -> Rounds:
    actions = rng.choice(N_ITEMS, size=n, p=LOGGING)
    if rewards is None:
        rewards = (rng.random(n) < MEANS[actions]).astype(float)
    return Rounds(actions, rewards, LOGGING[actions], np.broadcast_to(TARGET, (n, N_ITEMS)))


def estimates(log) -> list[Estimate]:
    q = np.broadcast_to(MEANS + 0.1, (len(log), N_ITEMS))
    return [single.ips(log), single.snips(log), single.dr(log, q)]


def test_the_normal_interval_is_value_and_errors_by_hand():
    low, high = intervals.normal(average("x", np.array([1.0, 3.0])))
    assert (low, high) == pytest.approx((2 - 1.959964, 2 + 1.959964), abs=1e-5)


def covered(rng, n_runs, n, interval) -> np.ndarray:
    hits = np.zeros(3)
    for _ in range(n_runs):
        for j, one in enumerate(estimates(drawn(rng, n))):
            low, high = interval(one)
            hits[j] += low <= TRUTH <= high
    return hits / n_runs


def test_normal_intervals_cover_the_truth_as_often_as_they_say(rng):
    """600 logs of 2,000 rows, nominal 95 %: a right one lies outside once in 2,000 runs each."""
    shares = covered(rng, 600, 2000, intervals.normal)
    assert (shares >= 0.92).all()
    assert (shares <= 0.98).all()


@pytest.mark.parametrize("kind", ["percentile", "studentised"])
def test_bootstrap_intervals_cover_the_truth_as_often_as_they_say(rng, kind):
    shares = covered(
        rng, 300, 300, lambda one: intervals.bootstrap(one, rng, n_resamples=200, kind=kind)
    )
    assert (shares >= 0.90).all()


@pytest.mark.slow
def test_a_thousand_logs_of_5000_rows_are_covered_92_to_97_percent_and_bias_is_chance(rng):
    values, hits = np.empty((1000, 3)), np.zeros((1000, 3))
    for run in range(1000):
        for j, one in enumerate(estimates(drawn(rng, 5000))):
            low, high = intervals.bootstrap(one, rng, n_resamples=500)
            hits[run, j] = low <= TRUTH <= high
            values[run, j] = one.value
    assert (hits.mean(axis=0) >= 0.92).all()
    assert (hits.mean(axis=0) <= 0.97).all()
    errors = values.std(axis=0, ddof=1) / 1000**0.5
    assert (np.abs(values.mean(axis=0) - TRUTH) < 3 * errors).all()
    assert values[:, 2].std() < values[:, 0].std()


def width(interval) -> float:
    return interval[1] - interval[0]


@pytest.mark.parametrize("n", [3000, 20_000])
@pytest.mark.parametrize("kind", ["percentile", "studentised", "normal"])
def test_a_self_normalised_interval_does_not_widen_when_all_rewards_rise(rng, kind, n):
    rewards = rng.normal(10, 1, size=n)
    log = drawn(rng, n, rewards)
    higher = Rounds(log.actions, rewards + 10, log.propensities, log.target)

    def of(estimate):
        if kind == "normal":
            return width(intervals.normal(estimate))
        return width(
            intervals.bootstrap(estimate, np.random.default_rng(5), n_resamples=400, kind=kind)
        )

    assert of(single.snips(log)) <= 0.6 * of(single.ips(log))
    assert of(single.snips(higher)) == pytest.approx(of(single.snips(log)), rel=0.05)


def test_the_bootstrap_of_a_ratio_resamples_both_parts():
    """Rewards of one value: the ratio is that value in every resample."""
    one = ratio("x", 7.0 * np.array([1.0, 5.0, 0.5]), np.array([1.0, 5.0, 0.5]))
    assert intervals.bootstrap(one, np.random.default_rng(0)) == pytest.approx((7.0, 7.0))


def test_resampling_groups_gives_the_spread_of_resampling_rows(rng, monkeypatch):
    rewards = rng.normal(2, 1, size=4000)
    log = drawn(rng, 4000, rewards)
    for estimate in (single.ips(log), single.snips(log)):
        whole, _ = intervals.resampled(estimate, rng, 3000)
        monkeypatch.setattr(intervals, "GROUPS", 700)  # 5 or 6 rows each
        grouped, errors = intervals.resampled(estimate, rng, 3000, with_errors=True)
        monkeypatch.undo()
        assert grouped.std() == pytest.approx(whole.std(), rel=0.15)  # 700 groups: ± 3 %
        assert grouped.mean() == pytest.approx(estimate.value, abs=5 * grouped.std() / 3000**0.5)
        assert errors.mean() == pytest.approx(estimate.standard_error, rel=0.15)


def test_standard_errors_of_resamples_are_those_of_the_estimator_itself(rng):
    log = drawn(rng, 40)
    estimate = single.snips(log)
    counts = intervals._counts(np.random.default_rng(3), 1, 40)[0].astype(int)
    again = np.repeat(np.arange(40), counts)
    same = ratio("x", estimate.numerators[again, 0], estimate.denominators[again, 0])
    values, errors = intervals.resampled(estimate, np.random.default_rng(3), 1, with_errors=True)
    assert values[0] == pytest.approx(same.value)
    assert errors[0] == pytest.approx(same.standard_error)


def test_hoeffding_and_bernstein_are_their_formulas():
    one = average("x", np.array([0.0, 1.0, 1.0, 0.0]))
    log40 = np.log(2 / 0.05)
    low, high = intervals.hoeffding(one, 0, 2)
    assert (high - low) / 2 == pytest.approx(2 * (log40 / 8) ** 0.5)
    log80 = np.log(2 / 0.025)
    low, high = intervals.empirical_bernstein(one, 0, 2)
    assert (high - low) / 2 == pytest.approx((2 / 3 * log80 / 4) ** 0.5 + 7 * 2 * log80 / 9)


def test_the_lower_bound_is_below_the_truth_at_least_as_often_as_it_says(rng):
    bounds = [
        intervals.lower_bound(single.ips(drawn(rng, 500)), 0, 6, confidence=0.9) for _ in range(200)
    ]
    assert np.mean(np.array(bounds) <= TRUTH) >= 0.9
    assert max(bounds) > 0  # not vacuous


def test_bounds_refuse_ratios_and_terms_outside():
    with pytest.raises(ValueError, match="hoeffding: holds for plain averages, got the ratio x"):
        intervals.hoeffding(ratio("x", np.ones(3), np.ones(3)), 0, 1)
    with pytest.raises(ValueError, match=r"must lie within \[low, high\], got \[0, 1\]"):
        intervals.confidence_sequence(average("x", np.array([0.0, 2.0])), 0, 1)


def test_a_confidence_sequence_holds_at_all_rows_at_once(rng):
    """400 streams of 1,000 rows, each looked at 1,000 times; a right one fails once in 1,000."""
    missed, missed_by_normal = 0, 0
    for _ in range(400):
        estimate = single.ips(drawn(rng, 1000))
        low, high = intervals.confidence_sequence(estimate, 0, 6)
        missed += bool(((low > TRUTH) | (high < TRUTH)).any())
        x = estimate.terms
        t = np.arange(1, 1001)
        mean = np.cumsum(x) / t
        error = np.sqrt(np.maximum(np.cumsum(x**2) / t - mean**2, 0) / t)
        missed_by_normal += bool((np.abs(mean - TRUTH) > 1.96 * error)[30:].any())
    assert missed / 400 <= 0.05 + 3.1 * (0.05 * 0.95 / 400) ** 0.5
    assert missed_by_normal / 400 > 0.2  # what looking again and again does to the usual interval


def test_a_confidence_sequence_shrinks_and_never_widens(rng):
    low, high = intervals.confidence_sequence(single.ips(drawn(rng, 4000)), 0, 6)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert high[-1] - low[-1] < 0.25


def test_a_million_rows_and_ten_thousand_resamples_take_seconds(rng):
    from time import perf_counter

    log = drawn(rng, 1_000_000)
    estimate = single.snips(log)
    start = perf_counter()
    low, high = intervals.bootstrap(estimate, rng, n_resamples=10_000)
    assert perf_counter() - start < 10
    assert high - low == pytest.approx(width(intervals.normal(estimate)), rel=0.15)
