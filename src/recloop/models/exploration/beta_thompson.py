"""Thompson sampling where each item's click rate has a Beta posterior of its own.

For every slot each item left draws p_i ~ Beta(a_i, b_i) afresh and the highest is shown:

    q(a | items left) = integral f_a(p) prod_(i left, not a) F_i(p) dp

by Gauss-Legendre quadrature of t = log(p / (1 - p)), whose panels are halved until both answers
agree. The posterior is the same for everybody, so that rows with the same items left share one
distribution.

Thompson (1933); Chapelle and Li (2011), "An empirical evaluation of Thompson sampling".
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import betainc, betaincc, expit, gammaln, log_expit

from recloop.models.exploration.base import Exploration
from recloop.types import BoolArray, FloatArray

_NEGLIGIBLE = -48.0
_LOG_NOTHING = -1e6
_NEGLIGIBLE_CHANCE = 1e-17
_MOST_PEAKS, _TOLERANCE = 16, 1e-13
_NEAR = 20.0  # in logits: where differences are taken before the logarithm
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True)
class BetaThompson(Exploration):
    """Thompson sampling of independent click rates.

    `values` are the means, (B, n_items) with equal rows. successes, failures (n_items,): the
    parameters a and b of every posterior, above 0.
    """

    successes: FloatArray
    failures: FloatArray

    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        kinds, which = np.unique(is_open, axis=0, return_inverse=True)
        found = np.zeros(kinds.shape)
        for number, kind in enumerate(kinds):
            items = np.flatnonzero(kind)
            if len(items):
                found[number, items] = _remembered(
                    self.successes[items].tobytes(), self.failures[items].tobytes()
                )
        return found[which.reshape(-1)]


@lru_cache(maxsize=256)
def _remembered(successes: bytes, failures: bytes) -> FloatArray:
    """`chances_of_best` of these numbers; they stay the same from one row learned to the next."""
    return chances_of_best(np.frombuffer(successes), np.frombuffer(failures))


def chances_of_best(successes: FloatArray, failures: FloatArray) -> FloatArray:
    """(n,) the probability that each Beta variable is the highest of n independent ones.

    To 1e-11; below about 1e-20 they count as 0.
    """
    low, high = _range(successes, failures)
    above = betaincc(successes, failures, expit(low)) > _NEGLIGIBLE_CHANCE
    if not above.all():
        found = np.zeros(len(successes))
        found[above] = chances_of_best(successes[above], failures[above])
        return found
    ends = _first_ends(low, high, successes, failures)
    low, high = ends[:-1], ends[1:]
    whole = _panels(low, high, successes, failures)
    chances, tolerance = np.zeros(len(successes)), _TOLERANCE * len(successes)
    while len(low):
        middle = 0.5 * (low + high)
        left = _panels(low, middle, successes, failures)
        right = _panels(middle, high, successes, failures)
        rough = np.abs(left + right - whole).max(axis=0) > tolerance
        chances += (left + right)[:, ~rough].sum(axis=1)
        whole = np.concatenate([left[:, rough], right[:, rough]], axis=1)
        low, high = (
            np.concatenate([low[rough], middle[rough]]),
            np.concatenate([middle[rough], high[rough]]),
        )
    return chances / chances.sum()


def _first_ends(low: float, high: float, successes: FloatArray, failures: FloatArray) -> FloatArray:
    """Ends of panels small enough to see the peaks of the items that may be the highest."""
    mode = np.log(successes / failures)
    deviation = np.sqrt(1.0 / successes + 1.0 / failures)
    likely = np.argsort(mode + 3.0 * deviation)[-_MOST_PEAKS:]
    around = mode[likely, None] + np.array([-8.5, -1.5, 1.5, 8.5]) * deviation[likely, None]
    ends = np.concatenate([np.linspace(low, high, 9), around.ravel()])
    return np.unique(np.clip(ends, low, high))


def _panels(
    low: FloatArray, high: FloatArray, successes: FloatArray, failures: FloatArray
) -> FloatArray:
    """(n, panels) the integrals from `low` to `high` of every panel."""
    half = 0.5 * (high - low)
    t = (0.5 * (low + high))[:, None] + half[:, None] * _NODES
    values = _integrand(t.ravel(), successes, failures)
    return values.reshape(len(successes), len(low), len(_NODES)) @ _WEIGHTS * half


def _range(successes: FloatArray, failures: FloatArray) -> tuple[float, float]:
    """Where the highest of all is: from all but surely above to all but surely below."""
    mode = np.log(successes / failures)
    low, high = float(mode.min()), float(mode.max())
    while _log_all_below(low, successes, failures) > _NEGLIGIBLE:
        low -= 1.0
    below, above = low, high
    for _ in range(12):
        middle = 0.5 * (below + above)
        if _log_all_below(middle, successes, failures) > _NEGLIGIBLE:
            above = middle
        else:
            below = middle
    step = 1e-3
    while _log_any_density(high + step, successes, failures) > _NEGLIGIBLE:
        step *= 1.5
    return below, high + step


def _log_all_below(t: float, successes: FloatArray, failures: FloatArray) -> float:
    return float(_log_below(np.array(t), successes, failures).sum())


def _log_below(t: FloatArray, successes: FloatArray, failures: FloatArray) -> FloatArray:
    """The logarithm of the distribution function at logit t; also where p is 1 up to rounding."""
    t, successes, failures = np.broadcast_arrays(t, successes, failures)
    found = np.empty(t.shape)
    upper = t > 0.0
    found[upper] = betaincc(failures[upper], successes[upper], expit(-t[upper]))
    found[~upper] = betainc(successes[~upper], failures[~upper], expit(t[~upper]))
    with np.errstate(divide="ignore"):
        return np.log(found)


def _log_any_density(t: float, successes: FloatArray, failures: FloatArray) -> float:
    return float(_log_density(np.array(t), successes, failures).max())


def _log_density(t: FloatArray, successes: FloatArray, failures: FloatArray) -> FloatArray:
    """The logarithm of the density of t = logit p, by its distance from the mode.

    log B(a, b) has a rounding error that grows with a + b; the height of the mode has none
    (Loader 2000, "Fast and accurate computation of binomial probabilities").
    """
    a, b = successes, failures
    mode, total = np.log(a / b), a + b
    height = 0.5 * np.log(a * (b / total) / (2.0 * np.pi))
    height -= _stirling_error(a) + _stirling_error(b) - _stirling_error(total)
    gap = t - mode
    near = np.clip(gap, -_NEAR, _NEAR)
    log_p = -np.log1p(b / total * np.expm1(-near))
    log_q = -np.log1p(a / total * np.expm1(near))
    far = near != gap
    if far.any():
        log_p = np.where(far, log_expit(t) - log_expit(mode), log_p)
        log_q = np.where(far, log_expit(-t) - log_expit(-mode), log_q)
    return height + a * log_p + b * log_q


def _stirling_error(x: FloatArray) -> FloatArray:
    """log Gamma(x) less Stirling's (x - 1/2) log x - x + log(2 pi) / 2."""
    large = np.maximum(x, 15.0)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / large**2) / large**2) / large**2) / large
    small = np.minimum(x, 15.0)
    exact = gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2.0 * np.pi)
    return np.where(x >= 15.0, series, exact)


def _integrand(t: FloatArray, successes: FloatArray, failures: FloatArray) -> FloatArray:
    """(n, nodes): density of one times the distribution functions of all others."""
    a, b = successes[:, None], failures[:, None]
    log_below = np.maximum(_log_below(t, a, b), _LOG_NOTHING)
    return np.exp(_log_density(t, a, b) + log_below.sum(axis=0) - log_below)
