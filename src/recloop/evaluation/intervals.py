"""How far an average of people could be off: normal, bootstrap and jackknife intervals.

All of them answer the same question: with other people of the same kind, and as many, where would
the number lie? NaN where fewer than two people count.
Sources: Efron and Tibshirani 1993, chapters 11 (jackknife) and 13 (percentile bootstrap);
Hesterberg 2015 (few people).
"""

from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from recloop.types import FloatArray
from recloop.utils.checks import check_between, check_count

DRAWS_AT_ONCE = 1 << 20
NOTHING_KNOWN = (float("nan"), float("nan"))


class Interval(NamedTuple):
    """From `low` to `high`."""

    low: float
    high: float


def normal_interval(values: FloatArray, confidence: float = 0.95) -> Interval:
    """The mean of `values` (n,) ± z standard errors; NaN are left out.

    A little too narrow below about 30 people.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return Interval(*NOTHING_KNOWN)
    return _around(float(known.mean()), float(known.std(ddof=1)) / len(known) ** 0.5, confidence)


def bootstrap_interval(
    values: FloatArray,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    widened: bool = False,
) -> Interval:
    """Percentiles of the mean over resampled people; NaN are left out.

    widened: percentiles farther out, so that the interval is right for few people as well, as a t
    interval is beside a normal one (Hesterberg 2015, section 5.3).
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return Interval(*NOTHING_KNOWN)
    means = np.concatenate(
        [
            known[rng.integers(len(known), size=(n_rows, len(known)))].mean(axis=1)
            for n_rows in portions(n_resamples, len(known))
        ]
    )
    tail = (1 - _checked(confidence)) / 2
    if widened:
        tail = _widened(tail, len(known))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def paired_bootstrap_interval(
    values: FloatArray,
    others: FloatArray,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
) -> Interval:
    """Percentiles of the mean difference when the same people are resampled for both."""
    return bootstrap_interval(values - others, rng, confidence=confidence, n_resamples=n_resamples)


def jackknife_interval(estimate: float, left_out: FloatArray, confidence: float = 0.95) -> Interval:
    """`estimate` ± z standard errors, from its values with each person left out in turn (n,).

    For numbers of the whole group, such as coverage: resampling people with replacement shows fewer
    different people, and its percentiles miss the number altogether.
    """
    n = len(left_out)
    if n < 2:
        return Interval(*NOTHING_KNOWN)
    spread = float(((left_out - left_out.mean()) ** 2).sum()) * (n - 1) / n
    return _around(estimate, spread**0.5, confidence)


def portions(n_rows: int, n_columns: int) -> Iterator[int]:
    """Numbers of rows that add up to `n_rows`, each small enough to be drawn at once."""
    left = check_count("bootstrap", "n_resamples", n_rows)
    at_once = max(1, DRAWS_AT_ONCE // n_columns)
    while left > 0:
        yield min(left, at_once)
        left -= at_once


def _widened(tail: float, n: int) -> float:
    from scipy.special import stdtrit

    return NormalDist().cdf(float(stdtrit(n - 1, tail)) * (n / (n - 1)) ** 0.5)


def _around(centre: float, standard_error: float, confidence: float) -> Interval:
    z = NormalDist().inv_cdf((1 + _checked(confidence)) / 2)
    return Interval(centre - z * standard_error, centre + z * standard_error)


def _checked(confidence: float) -> float:
    return check_between("interval", "confidence", confidence, 0, 1, low_open=True, high_open=True)
