"""Intervals around an off-policy estimate.

Ratios are formed anew in every resample. Above `GROUPS` rows the sums of `GROUPS` random groups of
rows are resampled in place of single rows: the same variance and skewness, in time and memory that
do not grow with resamples times rows; the width is then itself uncertain by 1 / sqrt(2 GROUPS).
Sources: Efron and Tibshirani 1993 (percentile; studentised, chapter 12.5); Hoeffding 1963; Maurer
and Pontil 2009, theorem 4; Waudby-Smith and Ramdas 2024, theorem 2 (confidence sequence).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import log
from typing import Literal, NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.evaluation.intervals import Interval
from recloop.evaluation.ope.estimate import Estimate
from recloop.types import FloatArray
from recloop.utils.checks import check_between, check_count

GROUPS = 5_000
DRAWS_AT_ONCE = 1 << 22
Bootstrap = Literal["percentile", "studentised"]


class Steady(NamedTuple):
    """Intervals after each row that hold all at once: low (n,) and high (n,)."""

    low: FloatArray
    high: FloatArray


def normal(estimate: Estimate, confidence: float = 0.95) -> Interval:
    """The value ± z standard errors, those of the linearised ratio where it is one."""
    from scipy.special import ndtri

    reach = float(ndtri((1 + _checked(confidence)) / 2)) * estimate.standard_error
    return Interval(estimate.value - reach, estimate.value + reach)


def bootstrap(
    estimate: Estimate,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    kind: Bootstrap = "percentile",
) -> Interval:
    """Percentiles of the resampled value, or of its t statistic (studentised)."""
    if len(estimate) < 2:
        return Interval(float("nan"), float("nan"))
    tail = (1 - _checked(confidence)) / 2
    values, errors = resampled(estimate, rng, n_resamples, with_errors=kind == "studentised")
    if kind == "percentile":
        low, high = np.quantile(values, [tail, 1 - tail])
        return Interval(float(low), float(high))
    known = errors > 0
    if not known.any():
        return Interval(estimate.value, estimate.value)
    t = (values[known] - estimate.value) / errors[known]
    low, high = np.quantile(t, [tail, 1 - tail])
    error = estimate.standard_error
    return Interval(estimate.value - float(high) * error, estimate.value - float(low) * error)


def bootstrap_all(
    estimates: Sequence[Estimate],
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
) -> list[Interval]:
    """Percentile intervals of estimates of the same rows, from the same resamples."""
    tail = (1 - _checked(confidence)) / 2
    if not estimates or len(estimates[0]) < 2:
        return [Interval(float("nan"), float("nan"))] * len(estimates)
    columns = _grouped(np.concatenate([_columns(one) for one in estimates], axis=1), rng)
    widths = np.cumsum([0, *(_columns(one).shape[1] for one in estimates)])
    values = np.empty((len(estimates), check_count("bootstrap", "n_resamples", n_resamples)))
    for some, counts in _resamples(rng, n_resamples, len(columns)):
        means = counts @ columns / len(columns)
        for row, (start, stop) in enumerate(pairwise(widths.tolist())):
            values[row, some] = _value(means[:, start:stop])
    ends = np.quantile(values, [tail, 1 - tail], axis=1)
    return [Interval(float(low), float(high)) for low, high in ends.T]


def resampled(
    estimate: Estimate,
    rng: np.random.Generator,
    n_resamples: int,
    *,
    with_errors: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """(n_resamples,) values, and their standard errors (empty unless asked for)."""
    check_count("bootstrap", "n_resamples", n_resamples)
    columns = _grouped(_columns(estimate), rng)
    n, width = columns.shape
    m = (width - 1) // 2
    products = np.empty((n, 0))
    if with_errors:
        products = (columns[:, :, None] * columns[:, None, :]).reshape(n, -1)
    values, errors = np.empty(n_resamples), np.empty(n_resamples if with_errors else 0)
    for some, counts in _resamples(rng, n_resamples, n):
        means = counts @ columns / n
        values[some] = _value(means)
        if with_errors:
            ratios = _divided(means[:, 1 : 1 + m], means[:, 1 + m :])
            seconds = (counts @ products / n).reshape(-1, width, width)
            slopes = np.concatenate(
                [
                    np.ones((len(means), 1)),
                    _divided(np.ones_like(ratios), means[:, 1 + m :]),
                    -_divided(ratios, means[:, 1 + m :]),
                ],
                axis=1,
            )
            centre = np.einsum("bi,bi->b", slopes, means)
            spread = np.einsum("bi,bij,bj->b", slopes, seconds, slopes) - np.square(centre)
            errors[some] = np.sqrt(np.maximum(spread, 0) / (n - 1))
    return values, errors


def hoeffding(estimate: Estimate, low: float, high: float, confidence: float = 0.95) -> Interval:
    """Holds for any number of rows if all terms lie within [low, high]."""
    terms = _bounded("hoeffding", estimate, low, high)
    reach = (high - low) * (log(2 / (1 - _checked(confidence))) / (2 * len(terms))) ** 0.5
    return Interval(estimate.value - reach, estimate.value + reach)


def empirical_bernstein(
    estimate: Estimate, low: float, high: float, confidence: float = 0.95
) -> Interval:
    """As `hoeffding`, and narrower where the variance of the terms is small."""
    terms = _bounded("empirical_bernstein", estimate, low, high)
    reach = _bernstein(terms, high - low, (1 - _checked(confidence)) / 2)
    return Interval(estimate.value - reach, estimate.value + reach)


def lower_bound(estimate: Estimate, low: float, high: float, confidence: float = 0.95) -> float:
    """The policy is worth at least this with `confidence`: one-sided, for any number of rows.

    The better of Hoeffding's and the empirical Bernstein bound, each at half of the error.
    """
    terms = _bounded("lower_bound", estimate, low, high)
    error = (1 - _checked(confidence)) / 2
    flat = (high - low) * (log(1 / error) / (2 * len(terms))) ** 0.5
    return estimate.value - min(flat, _bernstein(terms, high - low, error))


def confidence_sequence(
    estimate: Estimate, low: float, high: float, confidence: float = 0.95
) -> Steady:
    """Intervals after each row, right at all of them at once: look as often as you like.

    All terms must lie within [low, high]: for IPS, from 0 to the largest possible weight times the
    largest reward, as known before the rows came.
    """
    x = (_bounded("confidence_sequence", estimate, low, high) - low) / (high - low)
    alpha = 1 - _checked(confidence)
    t = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    spread = (0.25 + np.cumsum(np.square(x - mean))) / (t + 1)
    before = np.concatenate([[0.25], spread[:-1]])
    bet = np.minimum(np.sqrt(2 * log(2 / alpha) / (before * t * np.log1p(t))), 0.5)
    missed = np.square(x - np.concatenate([[0.5], mean[:-1]]))
    total = np.cumsum(bet)
    centre = np.cumsum(bet * x) / total
    reach = (log(2 / alpha) + np.cumsum(missed * (-np.log1p(-bet) - bet))) / total
    ends = np.clip([centre - reach, centre + reach], 0, 1)
    return Steady(
        low + (high - low) * np.maximum.accumulate(ends[0]),
        low + (high - low) * np.minimum.accumulate(ends[1]),
    )


def _columns(estimate: Estimate) -> FloatArray:
    if not estimate.is_ratio:
        return estimate.additive[:, None]
    return np.concatenate(
        [estimate.additive[:, None], estimate.numerators, estimate.denominators], axis=1
    )


def _grouped(columns: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Sums of random groups of rows, scaled to the mean; the rows themselves where they are few.

    Sizes of groups differ by one row at most.
    """
    n = len(columns)
    if n <= GROUPS:
        return columns
    groups = rng.permutation(np.arange(n) % GROUPS)
    sums = [np.bincount(groups, weights=one, minlength=GROUPS) for one in columns.T]
    return np.stack(sums, axis=1).astype(np.float64) * (GROUPS / n)


def _resamples(
    rng: np.random.Generator, n_resamples: int, n: int
) -> Iterator[tuple[slice, FloatArray]]:
    """Some resamples at a time, and how often each of n rows is in each of them."""
    at_once = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, n_resamples, at_once):
        some = slice(start, min(start + at_once, n_resamples))
        yield some, _counts(rng, some.stop - some.start, n)


def _value(means: FloatArray) -> FloatArray:
    """(b,) values of an estimate from the means of its columns."""
    m = (means.shape[1] - 1) // 2
    return means[:, 0] + _divided(means[:, 1 : 1 + m], means[:, 1 + m :]).sum(axis=1)


def _counts(rng: np.random.Generator, n_rows: int, n: int) -> FloatArray:
    """(n_rows, n) how often each of n rows is drawn in n draws with replacement."""
    drawn = rng.integers(n, size=(n_rows, n), dtype=np.int32)
    drawn += np.arange(n_rows, dtype=np.int32)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=n_rows * n).reshape(n_rows, n).astype(np.float64)


def _divided(above: FloatArray, below: FloatArray) -> FloatArray:
    """0 where a resample holds no row with weight."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _bernstein(terms: FloatArray, width: float, error: float) -> float:
    n = len(terms)
    if n < 2:
        return width
    variance = float(terms.var(ddof=1))
    return (2 * variance * log(2 / error) / n) ** 0.5 + 7 * width * log(2 / error) / (3 * (n - 1))


def _bounded(who: str, estimate: Estimate, low: float, high: float) -> FloatArray:
    if estimate.is_ratio:
        raise InvalidParameter(
            f"{who}: holds for plain averages, got the ratio {estimate.name}. Use bootstrap."
        )
    terms = estimate.terms
    if not low < high or terms.min() < low or terms.max() > high:
        raise InvalidParameter(
            f"{who}: all terms must lie within [low, high], got [{low:g}, {high:g}] and terms from "
            f"{terms.min():g} to {terms.max():g}."
        )
    return terms


def _checked(confidence: float) -> float:
    return check_between("interval", "confidence", confidence, 0, 1, low_open=True, high_open=True)
