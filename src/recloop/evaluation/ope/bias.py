"""Intervals that carry the bias: what a cut of the weights can hide, given the range of rewards.

With m = min(w, w') the lesser of the importance weight and the one that was used, and all rewards
within [low, high],

    E[low + m (r - low)]  <=  V  <=  E[high - m (high - r)]

whatever model of the reward the estimator uses: V = E[w r], E[w] = 1, and both w - m and the
distance of r to an end are never negative. The gap of the two ends is the clipped mass 1 - E[m]
times the range. Source: the inner and outer interval of Bottou et al. 2013, section 4.4 (there for
clipped weights and rewards of at least 0). Mass that the log never shows is inside, for E[w] is
then below 1.
"""

from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.evaluation.intervals import Interval
from recloop.evaluation.ope import intervals
from recloop.evaluation.ope.estimate import Estimate, average
from recloop.evaluation.ope.rounds import Rounds

BOUNDED = "confidence interval (bias within the range of rewards)"


class Ends(NamedTuple):
    """Two averages between whose expectations the policy's value lies."""

    low: Estimate
    high: Estimate

    @property
    def hidden(self) -> float:
        """How far the two are apart: the clipped mass times the range of rewards."""
        return self.high.value - self.low.value


def ends(estimate: Estimate, rounds: Rounds, low: float, high: float) -> Ends:
    """The two ends for an estimator of single items; one without weights hides everything."""
    r = rounds.rewards
    if not low < high or r.min() < low or r.max() > high:
        raise InvalidParameter(
            f"{estimate.name}: all rewards must lie within [low, high], got [{low:g}, {high:g}] "
            f"and rewards from {r.min():g} to {r.max():g}."
        )
    used = np.zeros(len(rounds)) if estimate.weights is None else estimate.weights
    m = np.minimum(rounds.weights, used)
    return Ends(
        average(f"{estimate.name}, low end", low + m * (r - low), m),
        average(f"{estimate.name}, high end", high - m * (high - r), m),
    )


def bounded(
    estimate: Estimate,
    rounds: Rounds,
    low: float,
    high: float,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
) -> Interval:
    """An interval for the policy's value, bias included, within [low, high].

    Each end is the outer one of the bootstrap interval of its average, at half of the error each;
    it need not hold the estimate where the model of the reward points elsewhere.
    """
    found = ends(estimate, rounds, low, high)
    below, above = intervals.bootstrap_all(
        found, rng, confidence=confidence, n_resamples=n_resamples
    )
    return within(below, above, low, high)


def within(below: Interval, above: Interval, low: float, high: float) -> Interval:
    """From the interval of the low end and that of the high end to one of the policy's value."""
    return Interval(max(below.low, low), min(above.high, high))
