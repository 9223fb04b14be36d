"""SquareCB: the further an item's value lies below the best one, the less often it is drawn.

m items are left, b is the best of them:

    q(a) = 1 / (m + gamma (value_b - value_a))    for a other than b
    q(b) = 1 / m + sum_a gamma gap_a / (m (m + gamma gap_a))     what the others leave of one

Items that share the best value share what is left evenly. Abe and Long (1999); Foster and Rakhlin
(2020), "Beyond UCB: optimal and efficient contextual bandits with regression oracles", algorithm 1.
"""

from dataclasses import dataclass

import numpy as np

from recloop.models.exploration.base import Exploration, inside_of
from recloop.types import BoolArray, FloatArray

_LARGEST = 1e300  # beyond, products of gaps overflow


@dataclass(frozen=True)
class InverseGap(Exploration):
    """Inverse gap weighting.

    gamma: how much a gap weighs; 0 is uniform, the larger the greedier.
    """

    gamma: float

    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        values = inside_of(self.values[rows], is_open)
        best = values.max(axis=1, keepdims=True, initial=-np.inf)
        with np.errstate(over="ignore"):
            gaps = np.where(is_open, np.where(is_open, best, 0.0) - self.values[rows], 0.0)
            scaled = np.minimum(self.gamma * np.minimum(gaps, _LARGEST), _LARGEST)
        n_left = np.maximum(is_open.sum(axis=1, keepdims=True), 1)
        odds = np.where(is_open, 1.0 / (n_left + scaled), 0.0)
        is_best = is_open & (gaps == 0.0)
        moved = (scaled / (n_left * (n_left + scaled))).sum(axis=1, keepdims=True)
        return odds + is_best * moved / np.maximum(is_best.sum(axis=1, keepdims=True), 1)
