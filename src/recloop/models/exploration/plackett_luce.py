"""Plackett-Luce slates: each slot draws among the items left in proportion to exp(value / T).

    q(a | items left) = exp(v_a / T) / sum_left exp(v_i / T)

Adding Gumbel noise to v / T and ranking draws a whole slate at once (Yellott 1977), with a floor
too: what a uniform draw takes out says nothing about the noise of the others. The mass left for a
slot is what no slot took plus the slots below, added from the bottom in log space, so that it is a
sum of positive terms however the values are scaled. Plackett (1975); Luce (1959).
"""

from dataclasses import dataclass

import numpy as np

from recloop.models.exploration.base import Exploration, inside_of
from recloop.types import BoolArray, FloatArray, IntArray, Slates
from recloop.utils.kernels import kernel

_LARGEST = 1e307


@dataclass(frozen=True)
class PlackettLuce(Exploration):
    """Softmax without repetition.

    temperature: T above 0; small ones are nearly greedy. value / T beyond 1e307 counts as that.
    """

    temperature: float

    def _logits(self, rows: slice) -> FloatArray:
        """value / T, such that no difference of two overflows."""
        with np.errstate(over="ignore"):
            logits = self.values[rows] / self.temperature
        return np.ascontiguousarray(np.clip(logits, -_LARGEST, _LARGEST))

    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        logits = inside_of(self._logits(rows), is_open)
        highest = logits.max(axis=1, keepdims=True, initial=-np.inf)
        weights = np.exp(logits - np.where(np.isfinite(highest), highest, 0.0))
        total = weights.sum(axis=1, keepdims=True)
        return weights / np.where(total > 0.0, total, 1.0)

    def slates(self, eligible: BoolArray, k: int, rng: np.random.Generator) -> Slates:
        n_rows, n_items = eligible.shape
        chance = rng.random((n_rows, n_items + 2 * k))
        with np.errstate(divide="ignore"):
            noise = -np.log(-np.log(chance[:, :n_items]))  # Gumbel
        logits = self._logits(slice(None))
        drawn = _draw(logits, noise, eligible, self.floor, chance[:, n_items:].reshape(-1, k, 2))
        return Slates(drawn[0], self.propensities(eligible, drawn[0]), drawn[1])

    def propensities(self, eligible: BoolArray, slates: IntArray) -> FloatArray:
        logits = self._logits(slice(None))
        return _slate_propensities(logits, eligible, self.floor, slates)


@kernel
def _draw(logits, noise, eligible, floor, chance):
    n_rows, k, _ = chance.shape
    items = np.full((n_rows, k), -1, dtype=np.int64)
    explored = np.zeros((n_rows, k), dtype=np.bool_)
    for row in range(n_rows):
        is_open = eligible[row].copy()
        n_left = is_open.sum()
        for slot in range(min(k, n_left)):
            wanted = -1
            if chance[row, slot, 0] < floor:
                wanted = int(chance[row, slot, 1] * n_left)
            best, highest, picked, top = -1, -np.inf, -1, -np.inf
            for item in range(len(is_open)):
                if not is_open[item]:
                    continue
                if wanted == 0:
                    picked = item
                wanted -= 1
                if best < 0 or logits[row, item] + noise[row, item] > highest:
                    best, highest = item, logits[row, item] + noise[row, item]
                top = max(top, logits[row, item])
            if picked < 0:
                picked = best
            items[row, slot] = picked
            explored[row, slot] = logits[row, picked] < top
            is_open[picked] = False
            n_left -= 1
    return items, explored


@kernel
def _slate_propensities(logits, eligible, floor, slates):
    n_rows, k = slates.shape
    propensities = np.zeros((n_rows, k))
    for row in range(n_rows):
        is_open = eligible[row].copy()
        n_left = is_open.sum()
        slots = np.empty(k, dtype=np.int64)
        n_slots = 0
        for slot in range(k):
            item = slates[row, slot]
            if item >= 0 and is_open[item]:
                is_open[item] = False
                slots[n_slots] = slot
                n_slots += 1
        log_mass = _log_sum_exp(logits[row], is_open)
        for number in range(n_slots - 1, -1, -1):
            slot = slots[number]
            own = logits[row, slates[row, slot]]
            above, below = max(log_mass, own), min(log_mass, own)
            log_mass = above + np.log1p(np.exp(below - above))
            share = np.exp(own - log_mass)
            propensities[row, slot] = floor / (n_left - number) + (1.0 - floor) * share
    return propensities


@kernel
def _log_sum_exp(values, is_open):
    highest = -np.inf
    for item in range(len(values)):
        if is_open[item]:
            highest = max(highest, values[item])
    if highest == -np.inf:
        return highest
    total = 0.0
    for item in range(len(values)):
        if is_open[item]:
            total += np.exp(values[item] - highest)
    return highest + np.log(total)
