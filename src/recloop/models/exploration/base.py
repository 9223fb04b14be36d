"""What every way to explore answers: draws, and the exact probability of anything it may draw.

A slate is filled slot by slot. Each slot has a distribution over the items that are left, made anew
from them, and `floor` of it is uniform:

    p(a | slots above) = floor / m + (1 - floor) q(a | items left),    m items are left

q belongs to the strategy. It is a sum of positive terms over the items that are left, never "total
minus what was picked": where one item holds nearly all the mass, that difference is rounding.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from recloop.types import BoolArray, FloatArray, IntArray, Slates

_NUMBERS_AT_ONCE = 1 << 22
"""Distributions are made for as many rows at once as fit into so many numbers."""


@dataclass(frozen=True)
class Exploration(ABC):
    """The choices that a batch of people may get.

    values (B, n_items): what a greedy choice ranks by, and what a decision reports as scores.
    floor: the share of every slot that is uniform over the items left.
    """

    values: FloatArray
    floor: float = field(default=0.0, kw_only=True)

    @abstractmethod
    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        """(b, n_items) q of the next slot of `rows`, 0 where `is_open` (b, n_items) is false.

        Rows with nothing open are zeros.
        """

    def probabilities(self, eligible: BoolArray) -> FloatArray:
        """(B, n_items) probability of each item to stand in the first slot."""
        found = np.empty(eligible.shape)
        for rows in self._blocks(eligible):
            found[rows] = self._mixed(rows, eligible[rows])
        return found

    def slates(self, eligible: BoolArray, k: int, rng: np.random.Generator) -> Slates:
        """One slate of k distinct items for each row; a batch draws what its rows would draw.

        `explored` is true where another item that was left has a higher value.
        """
        chance = rng.random((len(eligible), k))
        items = np.full((len(eligible), k), -1, dtype=np.int64)
        propensities = np.zeros((len(eligible), k))
        explored = np.zeros((len(eligible), k), dtype=np.bool_)
        for rows in self._blocks(eligible):
            is_open, here = eligible[rows].copy(), np.arange(len(eligible[rows]))
            for slot in range(k):
                some = is_open.any(axis=1)
                if not some.any():
                    break
                odds = self._mixed(rows, is_open)
                drawn = _drawn(odds, chance[rows, slot])
                best = np.where(is_open, self.values[rows], -np.inf).max(axis=1)
                items[rows, slot] = np.where(some, drawn, -1)
                propensities[rows, slot] = np.where(some, odds[here, drawn], 0.0)
                explored[rows, slot] = some & (self.values[rows][here, drawn] < best)
                is_open[here, drawn] = False
        return Slates(items, propensities, explored)

    def propensities(self, eligible: BoolArray, slates: IntArray) -> FloatArray:
        """(B, k) probability of each slot of given slates; 0 for -1 and for what is not left."""
        found = np.zeros(slates.shape)
        for rows in self._blocks(eligible):
            is_open, here = eligible[rows].copy(), np.arange(len(eligible[rows]))
            for slot in range(slates.shape[1]):
                item = np.maximum(slates[rows, slot], 0)
                shown = (slates[rows, slot] >= 0) & is_open[here, item]
                if shown.any():
                    odds = self._mixed(rows, is_open)[here, item]
                    found[rows, slot] = np.where(shown, odds, 0.0)
                    is_open[here[shown], item[shown]] = False
        return found

    def _mixed(self, rows: slice, is_open: BoolArray) -> FloatArray:
        own = self.first(rows, is_open)
        if self.floor == 0.0:
            return own
        n_left = np.maximum(is_open.sum(axis=1, keepdims=True), 1)
        return self.floor * is_open / n_left + (1.0 - self.floor) * own

    def _blocks(self, eligible: BoolArray) -> list[slice]:
        size = max(1, _NUMBERS_AT_ONCE // max(eligible.shape[1], 1))
        return [slice(start, start + size) for start in range(0, len(eligible), size)]


def _drawn(odds: FloatArray, chance: FloatArray) -> IntArray:
    """(b,) one item for each row of `odds` by its `chance` in [0, 1), never one without odds."""
    rising = odds.cumsum(axis=1)
    wanted = chance * rising[:, -1]  # what rounding left of one
    return (rising > wanted[:, None]).argmax(axis=1)


def inside_of(values: FloatArray, is_open: BoolArray) -> FloatArray:
    """`values` where open, minus infinity elsewhere."""
    return np.where(is_open, values, -np.inf)
