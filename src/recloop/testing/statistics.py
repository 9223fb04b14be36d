"""Truth by statistics: what a test may demand of random numbers, at a stated false-alarm rate.

A p-value below a threshold t cries wolf in a share t of all runs of correct code. Seeded tests draw
once and for all, so that the rate says how often a change of seed would need a second look.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recloop.utils.checks import check_between

_LEAST_EXPECTED = 5.0  # below, the chi-square distribution is a poor picture of the statistic


class Interval(NamedTuple):
    """Two ends; both belong to it."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high


def chi_square_p_value(counts: ArrayLike, probabilities: ArrayLike) -> float:
    """Chance that draws from `probabilities` (n,) lie at least as far from them as `counts` (n,).

    Cells that expect fewer than 5 draws are joined; a draw that cannot happen gives 0. Pearson
    (1900).
    """
    from scipy.stats import chi2

    observed = np.asarray(counts, dtype=np.float64)
    expected = observed.sum() * np.asarray(probabilities, dtype=np.float64)
    if (observed[expected == 0] > 0).any():
        return 0.0
    observed, expected = _joined(observed, expected)
    if len(expected) < 2:
        return 1.0
    statistic = float((np.square(observed - expected) / expected).sum())
    return float(chi2.sf(statistic, len(expected) - 1))


def _joined(observed: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells with the smallest expectations added up until each expects enough."""
    order = np.argsort(expected, kind="stable")
    observed, expected = observed[order], expected[order]
    n_small = int((expected < _LEAST_EXPECTED).sum())
    if n_small == 0:
        return observed, expected
    if expected[:n_small].sum() < _LEAST_EXPECTED:
        n_small = min(n_small + 1, len(expected))
    join = [0, *range(n_small, len(expected))]
    return np.add.reduceat(observed, join), np.add.reduceat(expected, join)


def mean_interval(values: ArrayLike, false_alarm_rate: float = 0.001) -> Interval:
    """Where the mean of what `values` (n,) were drawn from lies; misses it at that rate.

    Student (1908); at least two values, roughly normal or many.
    """
    from scipy.stats import t

    rate = check_between(
        "mean_interval", "false_alarm_rate", false_alarm_rate, 0, 1, low_open=True, high_open=True
    )
    sample = np.asarray(values, dtype=np.float64)
    error = sample.std(ddof=1) / np.sqrt(len(sample))
    reach = float(t.isf(rate / 2, len(sample) - 1)) * error
    return Interval(float(sample.mean() - reach), float(sample.mean() + reach))


def sign_test_p_value(differences: ArrayLike) -> float:
    """Chance of so uneven a number of gains and losses if both were equally likely; ties drop out.

    Two-sided and exact; 1 when there are only ties. Arbuthnott (1710).
    """
    from scipy.stats import binomtest

    signs = np.sign(np.asarray(differences, dtype=np.float64))
    n_gains, n_losses = int((signs > 0).sum()), int((signs < 0).sum())
    if n_gains + n_losses == 0:
        return 1.0
    return float(binomtest(n_gains, n_gains + n_losses).pvalue)
