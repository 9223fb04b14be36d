"""How often chance alone does as well, and how many people it takes to tell.

Sign flips: Fisher 1935; (b + 1) / (m + 1): Phipson and Smyth 2010; mid-p: Lancaster 1961, for
paired yes and no Fagerland, Lydersen and Laake 2013; Holm 1979. Numbers of people and
the effect that could be seen: the normal approximation of a paired test with Guenther's term for
an estimated spread (Guenther 1981),

    n = ((z_level/2 + z_power) spread / effect)^2 + z_level/2^2 / 2
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from recloop.evaluation.intervals import portions
from recloop.types import FloatArray
from recloop.utils.checks import check_between

POWER = 0.8
_ROUNDING = 1e-12


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm's step-down correction: the smallest times m, the next times m - 1, never falling."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    corrected_p = np.empty(len(p))
    corrected_p[order] = np.maximum.accumulate(raised)
    return corrected_p


def sign_flip_p_value(
    differences: FloatArray, rng: np.random.Generator, n_resamples: int = 2000
) -> float:
    """Two-sided p value of the mean when each person's sign is as likely to be the other one.

    (b + 1) / (m + 1), where b counts the sums farther from 0 than the one seen, and half of those
    as far (mid-p): with many equal differences, as of hit rates, whole ones would make alarms rarer
    than stated. Never 0: what was seen is one of the ways in which the signs can fall. 1 without
    differences.
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    seen = abs(moved.sum())
    n_as_far = 0.0
    for n_rows in portions(n_resamples, len(moved)):
        positive = rng.integers(0, 2, size=(n_rows, len(moved)), dtype=np.int8)
        sums = 2 * (positive.astype(np.float64) @ moved) - moved.sum()
        farther = np.abs(sums) - seen
        equal = np.abs(farther) <= _ROUNDING * np.abs(moved).sum()
        n_as_far += float(((farther > 0) & ~equal).sum() + equal.sum() / 2)
    return (n_as_far + 1) / (n_resamples + 1)


def fewest(level: float) -> int:
    """Of fewer people no p value can fall to `level`: 2 of 2^n signs are as far as can be."""
    return 1 + math.ceil(round(math.log2(1 / level), 9))


def n_needed(spread: float, effect: float, level: float = 0.05, power: float = POWER) -> float:
    """People needed to show `effect` at `level` (two-sided) with probability `power`.

    spread: the standard deviation of their differences. Infinite for no effect, NaN where the
    spread is not known; never fewer than `fewest`.
    """
    z, reach = _quantiles(level, power)
    if math.isnan(spread) or math.isnan(effect):
        return math.nan
    if effect == 0:
        return math.inf
    ratio = reach * spread / effect
    n = ratio * ratio + z**2 / 2
    return max(math.ceil(n), fewest(level)) if math.isfinite(n) else math.inf


def detectable(spread: float, n: float, level: float = 0.05, power: float = POWER) -> float:
    """The smallest effect that n people show at `level` with probability `power`; NaN for few."""
    z, reach = _quantiles(level, power)
    worth = n - z**2 / 2
    if n < fewest(level) or worth <= 0:
        return math.nan
    return reach * spread / math.sqrt(worth)


def _quantiles(level: float, power: float) -> tuple[float, float]:
    for name, value in (("level", level), ("power", power)):
        check_between("n_needed", name, value, 0, 1, low_open=True, high_open=True)
    z = NormalDist().inv_cdf(1 - level / 2)
    return z, z + NormalDist().inv_cdf(power)
