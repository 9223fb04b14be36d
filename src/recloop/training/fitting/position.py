"""Position bias from the part of a log whose slots were drawn at random.

    P(click | item i, slot j) = a_i (1 / (j + 1))^bias

Given how often item i was clicked, its clicks fall into the slots with chances proportional to
n_ij (1 / (j + 1))^bias, whatever a_i is: one unknown, a concave likelihood. Items that a policy
likes to show at the top therefore do no harm, as long as chance put them there; where a policy
did, its liking for the person does, and the bias cannot be told from it.

Conditional Poisson regression: Hausman, Hall and Griliches (1984), section 2. Randomised slots as
the ground truth of position bias: Joachims, Swaminathan and Schnabel (2017), section 5.3.
"""

from typing import NamedTuple

import numpy as np

from recloop.training.fitting.log import ImpressionLog
from recloop.types import FloatArray

LEAST_RANDOMISED = 0.1
"""Share of the rows with random slots below which the answer is "not identifiable"."""

LEAST_CLICKS = 20
"""Clicks on rows with random slots below which the answer is "not identifiable"."""

MOST_BIAS = 10.0
Z95 = 1.959963984540054


class PositionBias(NamedTuple):
    """The exponent and its 95 % interval; None and a reason where the log cannot tell."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def position_bias(log: ImpressionLog) -> PositionBias:
    """The exponent of the bias, from the rows whose slots were random."""
    if not log.knows_no_click:
        return PositionBias(None, reason="interactions do not say what was shown where")
    if log.n_slots == 1:
        return PositionBias(None, reason="the log has one slot only")
    share = float(log.randomised.mean())
    if share < LEAST_RANDOMISED:
        return PositionBias(
            None, reason=f"slots were random in {share:.1%} of the rows, 10 % are needed"
        )
    shape = (log.n_items, log.n_slots)
    shown, clicked = np.zeros(shape), np.zeros(shape)
    rows = log.randomised
    np.add.at(shown, (log.items[rows], log.slots[rows]), 1.0)
    np.add.at(clicked, (log.items[rows], log.slots[rows]), log.clicks[rows])
    if clicked.sum() < LEAST_CLICKS:
        return PositionBias(
            None, reason=f"{int(clicked.sum())} clicks in random slots, {LEAST_CLICKS} are needed"
        )
    value, error = _most_likely(shown, clicked)
    if not np.isfinite(error):
        return PositionBias(None, reason="no item was shown in two slots")
    low, high = (float(np.clip(value + z * error, 0.0, MOST_BIAS)) for z in (-Z95, Z95))
    return PositionBias(float(np.clip(value, 0.0, MOST_BIAS)), low, high)


def _most_likely(shown: FloatArray, clicked: FloatArray) -> tuple[float, float]:
    """Exponent and standard error for counts (n_items, n_slots), by Newton's steps."""
    depth = np.log(np.arange(1.0, shown.shape[1] + 1.0))
    per_item = clicked.sum(axis=1)
    used = per_item > 0
    shown, per_item, seen = shown[used], per_item[used], float((clicked @ depth).sum())
    value, information = 0.0, 0.0
    for _ in range(50):
        weights = shown * np.exp(-value * depth)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = weights @ depth
        information = float(per_item @ (weights @ depth**2 - mean**2))
        if information < 1e-9:
            return value, np.inf
        step = float(np.clip((per_item @ mean - seen) / information, -1.0, 1.0))
        value = float(np.clip(value + step, -MOST_BIAS, MOST_BIAS))
        if abs(step) < 1e-10:
            break
    return value, float(information**-0.5)
