"""Thompson sampling where each item's click rate has a Beta posterior of its own.

For every slot each item left draws p_i ~ Beta(a_i, b_i) afresh and the highest is shown:

    q(a | items left) = integral f_a(t) prod_(i left, not a) F_i(t) dt,    t = log(p / (1 - p))

Gauss-Legendre panels go from the right, where all F_i are 1, to the left until their product is
nothing. A panel is at most so wide that the logarithm of each density that counts in it bends and
falls a little; F_i inside a panel is the integral of the polynomial through its density, so that no
incomplete beta function is needed. Products of all but one are those of the items before and after.
The posterior is the same for everybody, so that rows with the same items left share one
distribution.

Thompson (1933); Chapelle and Li (2011), "An empirical evaluation of Thompson sampling".
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from recloop.models.exploration.base import Exploration
from recloop.types import BoolArray, FloatArray
from recloop.utils.kernels import kernel

_NOTHING = -42.0  # the logarithm of what no answer can see
_NEAR = 20.0  # in logits: where differences are taken before the logarithm
_N_NODES = 20
_MOST_BEND, _MOST_FALL, _MOST_LOGITS = 2.5, 12.0, 3.0
_LEAST_CHANCE = float(np.finfo(np.float64).tiny)


def _integration() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes (n,) on [-1, 1], their weights (n,) and the integrals (n, n) from node to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_N_NODES)
    values = np.polynomial.legendre.legvander(nodes, _N_NODES)
    above = np.empty((_N_NODES, _N_NODES))
    above[:, 0] = 0.5 * (1.0 - nodes)
    above[:, 1:] = 0.5 * (values[:, :-2] - values[:, 2:])
    return nodes, weights, above @ (values[:, :-1] * weights[:, None]).T


_NODES, _WEIGHTS, _ABOVE = _integration()


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

    To 1e-11; what is smaller than the least normal number of float64 counts as that.
    """
    a, b = np.ascontiguousarray(successes), np.ascontiguousarray(failures)
    if len(a) == 1:
        return np.ones(1)
    modes = np.log(a / b)
    found = _chances(a, b, modes, _heights(a, b), _NODES, _WEIGHTS, _ABOVE)
    return np.clip(found, _LEAST_CHANCE, 1.0)


def _heights(a: FloatArray, b: FloatArray) -> FloatArray:
    """(n,) the logarithm of each density of t at its mode.

    log B(a, b) has a rounding error that grows with a + b; the height of the mode has none
    (Loader 2000, "Fast and accurate computation of binomial probabilities").
    """
    total = a + b
    height = 0.5 * np.log(a * (b / total) / (2.0 * np.pi))
    return height - (_stirling_error(a) + _stirling_error(b) - _stirling_error(total))


def _stirling_error(x: FloatArray) -> FloatArray:
    """log Gamma(x) less Stirling's (x - 1/2) log x - x + log(2 pi) / 2."""
    large = np.maximum(x, 15.0)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / large**2) / large**2) / large**2) / large
    small = np.minimum(x, 15.0)
    exact = gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2.0 * np.pi)
    return np.where(x >= 15.0, series, exact)


@kernel
def _chances(a, b, modes, heights, nodes, weights, above):
    n, n_nodes = len(a), len(nodes)
    lows, highs = np.empty(n), np.empty(n)
    for i in range(n):
        lows[i] = _end(a[i], b[i], modes[i], heights[i], -1.0)
        highs[i] = _end(a[i], b[i], modes[i], heights[i], 1.0)
    found, survival = np.zeros(n), np.zeros(n)
    active = np.empty(n, dtype=np.int64)
    density, below = np.empty((n, n_nodes)), np.empty((n, n_nodes))
    right, width, stop = highs.max(), np.inf, lows.max()  # left of an end, nothing is above all
    while right > stop:
        width = min(2.0 * width, right - stop)
        n_active = _fit(a, b, lows, highs, right, width, active)
        while n_active < 0:
            width *= 0.5
            n_active = _fit(a, b, lows, highs, right, width, active)
        half = 0.5 * width
        for place in range(n_active):
            i = active[place]
            for j in range(n_nodes):
                t = right - half * (1.0 - nodes[j])
                density[place, j] = np.exp(_log_density(t, a[i], b[i], modes[i], heights[i]))
            for j in range(n_nodes):
                more = 0.0
                for other in range(n_nodes):
                    more += above[j, other] * density[place, other]
                below[place, j] = max(1.0 - survival[i] - half * more, 0.0)
            for j in range(n_nodes):
                survival[i] += half * weights[j] * density[place, j]
        _add_products(found, active[:n_active], density, below, half * weights)
        right -= width
        product = 1.0
        for i in range(n):
            product *= max(1.0 - survival[i], 0.0)
        if product < 1e-18:
            break
    return found


@kernel
def _add_products(found, active, density, below, weights):
    """Add to `found` of each active item its density times what all others are below, summed."""
    after = np.empty(len(active) + 1)
    for j in range(len(weights)):
        after[len(active)] = 1.0
        for place in range(len(active) - 1, -1, -1):
            after[place] = after[place + 1] * below[place, j]
        before = weights[j]
        for place in range(len(active)):
            found[active[place]] += density[place, j] * before * after[place + 1]
            before *= below[place, j]


@kernel
def _end(a, b, mode, height, side):
    """Where to the left (side -1) or right (1) of its mode nothing of an item is left."""
    rate = a if side < 0.0 else b
    least = _NOTHING + min(np.log(rate), 0.0)
    near, step = 0.0, np.sqrt(1.0 / a + 1.0 / b)
    while _log_density(mode + side * step, a, b, mode, height) > least:
        near, step = step, 2.0 * step
    for _ in range(4):
        middle = 0.5 * (near + step)
        if _log_density(mode + side * middle, a, b, mode, height) > least:
            near = middle
        else:
            step = middle
    return mode + side * step


@kernel
def _fit(a, b, lows, highs, right, width, active):
    """How many items count in a panel, which are written to `active`; -1 if it is too wide."""
    left, n_active = right - width, 0
    nearest = min(max(0.0, left), right)  # to t = 0, where densities bend most
    small = np.exp(-abs(nearest))
    most = small / (1.0 + small) ** 2
    p_left, p_right = 1.0 / (1.0 + np.exp(-left)), 1.0 / (1.0 + np.exp(-right))
    for i in range(len(a)):
        if left >= highs[i] or right <= lows[i]:
            continue
        bend = (a[i] + b[i]) * most
        if width * width * bend > _MOST_BEND * _MOST_BEND:
            return -1
        if width > _MOST_LOGITS and bend > 1e-14:
            return -1
        fall = max(a[i] - (a[i] + b[i]) * p_right, (a[i] + b[i]) * p_left - a[i])
        if width * fall > _MOST_FALL:
            return -1
        active[n_active] = i
        n_active += 1
    return n_active


@kernel
def _log_density(t, a, b, mode, height):
    """The logarithm of the density of t = logit p, by its distance from the mode."""
    gap, total = t - mode, a + b
    if abs(gap) > _NEAR:
        log_p, log_q = _log_share(t) - _log_share(mode), _log_share(-t) - _log_share(-mode)
    elif gap >= 0.0:
        more = np.expm1(gap)
        log_p, log_q = -np.log1p(-b / total * (more / (1.0 + more))), -np.log1p(a / total * more)
    else:
        more = np.expm1(-gap)
        log_p, log_q = -np.log1p(b / total * more), -np.log1p(-a / total * (more / (1.0 + more)))
    return height + a * log_p + b * log_q


@kernel
def _log_share(t):
    """log(1 / (1 + e^-t))."""
    return -np.log1p(np.exp(-t)) if t > 0.0 else t - np.log1p(np.exp(t))
