"""Bandits without a context: equations of counts and sums, one number for each arm.

n (n,)   weighted trials,  s (n,) weighted rewards,  t = sum n,  mean = s / n

    UCB1      mean + sqrt(c ln t / n)
    KL-UCB    max { q : n kl(mean, q) <= ln t + c ln ln t }
    Exp3      ln w_a <- ln w_a + eta r / p_a   for the arm shown; p_a its probability then
              q(a) = w_a / sum w, with a share gamma uniform

UCB1: Auer, Cesa-Bianchi and Fischer (2002), c = 2. KL-UCB: Garivier and Cappe (2011), c = 0. Exp3:
Auer, Cesa-Bianchi, Freund and Schapire (2002), eta = gamma / number of arms. An arm that was never
tried stands above all others, `NEVER_TRIED`.
"""

import numpy as np

from recloop.types import FloatArray, IntArray
from recloop.utils.kernels import kernel

NEVER_TRIED = 1e9
"""The index of an arm without trials: finite, so that it can be written into a log."""

_BISECTIONS = 60


def means(trials: FloatArray, sums: FloatArray) -> FloatArray:
    """(n,) mean reward, 0 for an arm that was never tried."""
    return np.divide(sums, trials, out=np.zeros(len(trials)), where=trials > 0)


def ucb1(trials: FloatArray, sums: FloatArray, c: float) -> FloatArray:
    """(n,) the upper confidence bounds of Hoeffding's inequality."""
    log_t = np.log(np.maximum(trials.sum(), 1.0))
    tried = trials > 0
    bonus = np.sqrt(c * log_t / np.where(tried, trials, 1.0))
    return np.where(tried, means(trials, sums) + bonus, NEVER_TRIED)


def kl_ucb(trials: FloatArray, sums: FloatArray, c: float) -> FloatArray:
    """(n,) the upper confidence bounds of Chernoff's inequality for rewards in [0, 1]."""
    log_t = np.log(np.maximum(trials.sum(), 1.0))
    budget = log_t + c * np.log(np.maximum(log_t, 1.0))
    tried = trials > 0
    mean = np.clip(means(trials, sums), 0.0, 1.0)
    allowed = budget / np.where(tried, trials, 1.0)
    low, high = mean.copy(), np.ones(len(mean))
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        inside = tried & (bernoulli_divergence(mean, middle) <= allowed)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(tried, low, NEVER_TRIED)


def bernoulli_divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """kl(p, q) = p ln(p / q) + (1 - p) ln((1 - p) / (1 - q)), with 0 ln 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(p > 0.0, p * np.log(p / q), 0.0)
        second = np.where(p < 1.0, (1.0 - p) * np.log((1.0 - p) / (1.0 - q)), 0.0)
    return first + second


@kernel
def count_rows(trials, sums, items, rewards, weights, discount):
    """Add rows to n and s in their order; every row leaves the share `discount` of what was."""
    for row in range(len(items)):
        if discount < 1.0:
            for arm in range(len(trials)):
                trials[arm] *= discount
                sums[arm] *= discount
        trials[items[row]] += weights[row]
        sums[items[row]] += weights[row] * rewards[row]


@kernel
def exp3_rows(log_weights, items, rewards, weights, propensities, available, eta, gamma):
    """Add rows to ln w in their order; a propensity of 0 stands for the present probability.

    available (n,): the arms that it is shared among, and the one that was shown. After every row
    the highest ln w is 0, so that a batch is its rows bit by bit.
    """
    for row in range(len(items)):
        arm, p = items[row], propensities[row]
        if p <= 0.0:
            is_open = available.copy()
            is_open[arm] = True
            n_open, total, highest = is_open.sum(), 0.0, log_weights[is_open].max()
            for other in range(len(log_weights)):
                if is_open[other]:
                    total += np.exp(log_weights[other] - highest)
            p = gamma / n_open + (1.0 - gamma) * np.exp(log_weights[arm] - highest) / total
        log_weights[arm] += eta * weights[row] * rewards[row] / p
        if log_weights[arm] > 0.0:
            log_weights -= log_weights[arm]


def given_or_zero(propensities: FloatArray | None, items: IntArray) -> FloatArray:
    """(B,) what was logged; 0 where nothing was."""
    return np.zeros(len(items)) if propensities is None else propensities
