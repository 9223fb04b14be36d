"""Thompson sampling where the posterior of each item's value is a Gaussian of its own.

For every slot each item left draws s_i ~ N(mu_i, sigma_i^2) afresh, the highest is shown, so that

    q(a | items left) = integral phi((z - mu_a) / sigma_a) / sigma_a
                                 prod_(i left, not a) Phi((z - mu_i) / sigma_i) dz

exactly: one dimension, by quadrature. The integrand is log-concave, but its left side may be a wall
where a well-known item stands. In

    z(t) = z_0 + w_l t + (w_r - w_l) log(1 + e^t),    the left edge at t = log(w_l / w_r)

steps of t are as wide as the wall on the left, w_l, and as the integrand on the right, w_r; the
trapezoidal rule then converges exponentially. Its step is halved until two answers agree; where all
deviations exceed the width of the integrand, half the step squares the relative error, and a looser
agreement is close enough. log Phi is a Taylor polynomial at the nearest of many knots; items that
are surely below wherever the integrand counts are left out.

Thompson (1933); the score is drawn and not theta, which has the same law for one context (Agrawal
and Goyal 2013); trapezoidal rule: Trefethen and Weideman (2014).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from recloop.errors import InvalidParameter
from recloop.models.exploration.base import Exploration
from recloop.types import BoolArray, FloatArray, IntArray, Slates
from recloop.utils.kernels import kernel, sum_kernel

_LOWEST, _HIGHEST, _KNOTS_PER_UNIT = -40.0, 8.5, 64
_FIRST_SPACING = 0.75
_NEGLIGIBLE = -36.0
_TOLERANCE, _SMOOTH_TOLERANCE = 1e-11, 1e-6
_EDGE = (26.0, 34.0)
_ROOT_2_PI = float(np.sqrt(2.0 * np.pi))
_NORMALS_AT_ONCE = 1 << 21
_LEAST_DEVIATION = 1e-12
_HOPELESS = -1000.0  # a logarithm: beyond, rounding would be larger than what is left
_LEAST_CHANCE = float(np.finfo(np.float64).tiny)


def _taylor_table() -> FloatArray:
    """(knots, 5) coefficients of log Phi around every knot; its derivatives by Mills' ratio."""
    n_knots = int((_HIGHEST - _LOWEST) * _KNOTS_PER_UNIT) + 2
    t = _LOWEST + np.arange(n_knots) / _KNOTS_PER_UNIT
    first = np.sqrt(2.0 / np.pi) / erfcx(-t / np.sqrt(2.0))  # phi / Phi
    second = -first * (t + first)
    third = -second * (t + first) - first * (1.0 + second)
    fourth = -third * (t + first) - 2.0 * second * (1.0 + second) - first * third
    return np.column_stack([log_ndtr(t), first, second / 2.0, third / 6.0, fourth / 24.0])


_TABLE = _taylor_table()


@dataclass(frozen=True)
class GaussianThompson(Exploration):
    """Thompson sampling of independent Gaussian scores.

    `values` are the means. deviations (B, n_items): not negative. Where all are 0 the best mean is
    shown, and equal ones share the slot: a deviation counts as at least 1e-12 of the range of
    means and deviations.
    """

    deviations: FloatArray

    def __post_init__(self) -> None:
        if not (np.isfinite(self.values).all() and np.isfinite(self.deviations).all()):
            raise InvalidParameter(
                "GaussianThompson: means and deviations must be finite numbers, got others. The "
                "context or the rewards are too large: scale them to about 1."
            )

    @cached_property
    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        """Means below the highest one and deviations, (B, n_items), in units of both their range.

        Any numbers that float64 holds come near 1, where no square overflows or vanishes.
        """
        largest = np.maximum(
            np.abs(self.values).max(axis=1, initial=0.0), self.deviations.max(axis=1, initial=0.0)
        )[:, None]
        power = -np.frexp(largest)[1]  # of two: rounds no difference of close means
        means, sigmas = np.ldexp(self.values, power), np.ldexp(self.deviations, power)
        means = means - means.max(axis=1, keepdims=True, initial=-np.inf)
        spread = np.ptp(means, axis=1) + sigmas.max(axis=1, initial=0.0)
        spread = np.where(spread > 0.0, spread, 1.0)[:, None]
        return means / spread, np.maximum(sigmas / spread, _LEAST_DEVIATION)

    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        means, sigmas = self._scaled[0][rows], self._scaled[1][rows]
        found = np.zeros(is_open.shape)
        for row in range(len(is_open)):
            items = np.flatnonzero(is_open[row])
            if len(items) == 0:
                continue
            found[row, items] = _all_best(means[row, items], sigmas[row, items], _TABLE)
        return found

    def slates(self, eligible: BoolArray, k: int, rng: np.random.Generator) -> Slates:
        n_rows, n_items = eligible.shape
        means, sigmas = self._scaled
        items = np.full((n_rows, k), -1, dtype=np.int64)
        explored = np.zeros((n_rows, k), dtype=np.bool_)
        size = max(1, _NORMALS_AT_ONCE // (k * n_items))
        for start in range(0, n_rows, size):
            rows = slice(start, start + size)
            is_open, here = eligible[rows].copy(), np.arange(len(eligible[rows]))
            for slot, (normal, chance) in enumerate(_draws(rng, len(here), k, n_items)):
                scores = means[rows] + sigmas[rows] * normal
                drawn = np.where(is_open, scores, -np.inf).argmax(axis=1)
                if self.floor:
                    uniform = chance[:, 0] < self.floor
                    drawn = np.where(uniform, _nth_open(is_open, chance[:, 1]), drawn)
                shown = is_open[here, drawn]
                best = np.where(is_open, self.values[rows], -np.inf).max(axis=1)
                items[rows, slot] = np.where(shown, drawn, -1)
                explored[rows, slot] = shown & (self.values[rows][here, drawn] < best)
                is_open[here, drawn] = False
        return Slates(items, self.propensities(eligible, items), explored)

    def propensities(self, eligible: BoolArray, slates: IntArray) -> FloatArray:
        means, sigmas = self._scaled
        return _slate_propensities(means, sigmas, eligible, slates, self.floor, _TABLE)


def _draws(
    rng: np.random.Generator, n_rows: int, k: int, n_items: int
) -> list[tuple[FloatArray, FloatArray]]:
    """For each slot normals (n_rows, n_items) and two uniforms (n_rows, 2), row by row from rng."""
    normals = rng.standard_normal((n_rows, k, n_items + 2))
    uniforms = np.minimum(ndtr(normals[..., n_items:]), np.nextafter(1.0, 0.0))
    return [(normals[:, slot, :n_items], uniforms[:, slot]) for slot in range(k)]


def _nth_open(is_open: BoolArray, chance: FloatArray) -> IntArray:
    """(b,) for each row one of its open items, evenly by `chance` in [0, 1)."""
    rising = is_open.cumsum(axis=1)
    wanted = np.floor(chance * rising[:, -1])
    return (rising > wanted[:, None]).argmax(axis=1)


@kernel
def _slate_propensities(means, sigmas, eligible, slates, floor, table):
    n_rows, k = slates.shape
    n_items = means.shape[1]
    propensities = np.zeros((n_rows, k))
    mu, inverse = np.empty(n_items), np.empty(n_items)
    for row in range(n_rows):
        is_open = eligible[row].copy()
        for slot in range(k):
            item = slates[row, slot]
            if item < 0 or not is_open[item]:
                continue
            is_open[item] = False
            n_others = 0
            for other in range(n_items):
                if is_open[other]:
                    mu[n_others] = means[row, other]
                    inverse[n_others] = 1.0 / sigmas[row, other]
                    n_others += 1
            q = _chance_of_best(
                means[row, item], sigmas[row, item], mu[:n_others], inverse[:n_others], table
            )
            propensities[row, slot] = floor / (n_others + 1) + (1.0 - floor) * q
    return propensities


@kernel
def _all_best(means, sigmas, table):
    n_items = len(means)
    found = np.empty(n_items)
    mu, inverse = np.empty(n_items - 1), np.empty(n_items - 1)
    for item in range(n_items):
        n_others = 0
        for other in range(n_items):
            if other != item:
                mu[n_others] = means[other]
                inverse[n_others] = 1.0 / sigmas[other]
                n_others += 1
        found[item] = _chance_of_best(means[item], sigmas[item], mu, inverse, table)
    return found


@kernel
def _chance_of_best(mean, sigma, mu, inverse, table):
    """The probability that N(mean, sigma^2) exceeds all of the independent N(mu, 1 / inverse^2).

    mu and inverse are overwritten. z counts from the mean, or a narrow item far from 0 would see
    its own density through the rounding of z.
    """
    if len(mu) == 0:
        return 1.0
    mu -= mean
    mean = 0.0
    mode, width = _mode(mean, sigma, mu, inverse, table)
    top = _log_integrand(mode, mean, sigma, mu, inverse, table)
    if top < _HOPELESS:
        return _LEAST_CHANCE
    edge = _left_edge(mode, width, top, mean, sigma, mu, inverse, table)
    n_near, steepest = 0, 1.0 / sigma
    counts_from = edge + (1.0 + _NEGLIGIBLE / _EDGE[0]) * (mode - edge)  # a concave log falls on
    for other in range(len(mu)):  # the others are surely below, wherever the integrand counts
        if (counts_from - mu[other]) * inverse[other] < _HIGHEST:
            mu[n_near], inverse[n_near] = mu[other], inverse[other]
            steepest = max(steepest, inverse[n_near])
            n_near += 1
    mu, inverse = mu[:n_near], inverse[:n_near]
    left = 1.0 / _slope_and_bend(edge, mean, sigma, mu, inverse, table)[0]
    right = _right_width(mode, width, top, mean, sigma, mu, inverse, table)
    at_edge = np.log(left / right)
    tolerance = _TOLERANCE
    if left > 0.03 * width:  # no wall: equal steps
        if steepest * width < 1.0:  # half the step then squares the relative error
            tolerance = _SMOOTH_TOLERANCE
        edge, left, right, at_edge = mode, width, width, 0.0
    start = edge - left * at_edge - (right - left) * np.log1p(np.exp(at_edge))
    total, spacing, offset = 0.0, _FIRST_SPACING, 0.0
    for level in range(12):
        added = 0.0
        for side in (-1.0, 1.0):
            t = at_edge + (offset if side > 0.0 else offset - spacing)
            while True:
                z = start + left * t + (right - left) * (np.log1p(np.exp(-abs(t))) + max(t, 0.0))
                slope = left + (right - left) / (1.0 + np.exp(-t))
                drop = _log_integrand(z, mean, sigma, mu, inverse, table) - top
                added += slope * np.exp(drop)
                if drop < _NEGLIGIBLE:
                    break
                t += side * spacing
        if level == 0:
            total, offset = _FIRST_SPACING * added, 0.5 * _FIRST_SPACING
            continue
        before, total = total, 0.5 * total + 0.5 * spacing * added
        if abs(total - before) <= tolerance * total:
            break
        spacing *= 0.5
        offset *= 0.5
    return max(_LEAST_CHANCE, min(1.0, np.exp(top) * total / (sigma * _ROOT_2_PI)))


@kernel
def _mode(mean, sigma, mu, inverse, table):
    """Where the integrand is highest, and its width there; Newton's steps come from the left.

    Right of the walls it falls by the density of the item alone: a slope is small beside that one,
    not beside the bend, which may be that of a wall passed already.
    """
    z = mean
    while True:
        slope, bend = _slope_and_bend(z, mean, sigma, mu, inverse, table)
        z += slope / bend
        if abs(slope) * sigma < 1e-2 * max(1.0, (z - mean) / sigma):
            return z, 1.0 / np.sqrt(bend)


@kernel
def _left_edge(mode, width, top, mean, sigma, mu, inverse, table):
    """Left of the mode, where the logarithm has fallen by `_EDGE`: nothing further left counts."""
    near, far = 0.0, width
    while top - _log_integrand(mode - far, mean, sigma, mu, inverse, table) < _EDGE[0]:
        near, far = far, 2.0 * far
    for _ in range(200):
        drop = top - _log_integrand(mode - far, mean, sigma, mu, inverse, table)
        if drop <= _EDGE[1]:
            break
        middle = 0.5 * (near + far)
        if top - _log_integrand(mode - middle, mean, sigma, mu, inverse, table) < _EDGE[0]:
            near = middle
        else:
            far = middle
    return mode - far


@kernel
def _right_width(mode, width, top, mean, sigma, mu, inverse, table):
    """How far right of the mode the logarithm has fallen by at least a half."""
    while top - _log_integrand(mode + width, mean, sigma, mu, inverse, table) < 0.5:
        width *= 2.0
    return width


@sum_kernel
def _slope_and_bend(z, mean, sigma, mu, inverse, table):
    """The first derivative of the logarithm of the integrand, and minus the second."""
    slope, bend = -(z - mean) / sigma**2, 1.0 / sigma**2
    for other in range(len(mu)):
        t = (z - mu[other]) * inverse[other]
        place = min(max(t, _LOWEST), _HIGHEST)
        knot = int((place - _LOWEST) * _KNOTS_PER_UNIT + 0.5)
        d = place - (_LOWEST + knot / _KNOTS_PER_UNIT)
        ratio = table[knot, 1] + d * (
            2.0 * table[knot, 2] + d * (3.0 * table[knot, 3] + d * 4.0 * table[knot, 4])
        )
        ratio -= min(t, _LOWEST) - _LOWEST
        slope += inverse[other] * ratio
        bent = min(max(ratio * (place + ratio), 0.0), 1.0)
        if t != place:  # beyond the table it is 1 or nothing, and t + ratio is rounding
            bent = 1.0 if t < 0.0 else 0.0
        bend += inverse[other] ** 2 * bent
    return slope, bend


@sum_kernel
def _log_integrand(z, mean, sigma, mu, inverse, table):
    total = -0.5 * ((z - mean) / sigma) ** 2
    for other in range(len(mu)):
        t = (z - mu[other]) * inverse[other]
        place = min(max(t, _LOWEST), _HIGHEST)
        knot = int((place - _LOWEST) * _KNOTS_PER_UNIT + 0.5)
        d = place - (_LOWEST + knot / _KNOTS_PER_UNIT)
        below = min(t, _LOWEST)
        value = table[knot, 0] + d * (
            table[knot, 1] + d * (table[knot, 2] + d * (table[knot, 3] + d * table[knot, 4]))
        )
        total += value - 0.5 * (below * below - _LOWEST * _LOWEST)
    return total
