"""Epsilon-greedy slates with the exact propensity of every slot given the slots above it.

Slot by slot: with probability epsilon a uniform draw from the items that are left, otherwise one of
those with the highest score. m items are left, t of them share the highest score:

    p(a | slots above) = epsilon / m + (1 - epsilon) / t * [a is one of the t]

or, where ties go to the first, t is 1 and the lowest code among them is the one.

Sutton and Barto (2018), section 2.2, extended to slates without repetition.
"""

from dataclasses import dataclass

import numpy as np

from recloop.models.exploration.base import Exploration
from recloop.types import BoolArray, FloatArray, IntArray, Slates
from recloop.utils.kernels import kernel

_AT_ONCE = 64


@dataclass(frozen=True)
class EpsilonGreedy(Exploration):
    """The best of `values`, which may hold a bonus; `floor` is epsilon.

    `explored` says which slots were drawn from all items left.
    ties: "even" shares a slot evenly among those with the highest value, "first" gives it to the
        lowest item code.
    """

    ties: str = "even"

    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        if self.ties == "even":
            return epsilon_greedy_probabilities(self.values[rows], is_open, 0.0)
        best = np.where(is_open, self.values[rows], -np.inf).argmax(axis=1)
        is_first = np.arange(is_open.shape[1]) == best[:, None]
        return (is_first & is_open).astype(np.float64)

    def slates(self, eligible: BoolArray, k: int, rng: np.random.Generator) -> Slates:
        return epsilon_greedy_slates(self.values, eligible, k, self.floor, rng, self.ties)

    def propensities(self, eligible: BoolArray, slates: IntArray) -> FloatArray:
        return epsilon_greedy_propensities(self.values, eligible, slates, self.floor, self.ties)


def epsilon_greedy_slates(
    scores: FloatArray,
    eligible: BoolArray,
    k: int,
    epsilon: float,
    rng: np.random.Generator,
    ties: str = "even",
) -> Slates:
    """One slate of k distinct items for each row, with its propensities.

    Every row takes 2 k draws, so that one batch of rows and the same rows one by one see the same.
    """
    draws = rng.random((len(scores), k, 2))
    even = ties == "even"
    return Slates(*_draw_slates(np.ascontiguousarray(scores), eligible, epsilon, draws, even))


def epsilon_greedy_propensities(
    scores: FloatArray,
    eligible: BoolArray,
    slates: IntArray,
    epsilon: float,
    ties: str = "even",
) -> FloatArray:
    """(B, k) probability of each slot of given slates; 0 for -1 and for what is not eligible."""
    even = ties == "even"
    return _slate_propensities(np.ascontiguousarray(scores), eligible, epsilon, slates, even)


def epsilon_greedy_probabilities(
    scores: FloatArray, eligible: BoolArray, epsilon: float
) -> FloatArray:
    """(B, n_items) probability that each item stands in the first slot; rows sum to one."""
    open_scores = np.where(eligible, scores, -np.inf)
    best = (open_scores == open_scores.max(axis=1, keepdims=True)) & eligible
    n_left = np.maximum(eligible.sum(axis=1, keepdims=True), 1)
    n_best = np.maximum(best.sum(axis=1, keepdims=True), 1)
    return epsilon * eligible / n_left + (1.0 - epsilon) * best / n_best


@kernel
def _count_best(scores, is_open, even):
    """Items left, those among them that may count as the best, the best score, its first item."""
    n_left, n_best, highest, first = 0, 0, -np.inf, -1
    for start in range(0, len(scores), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(scores))
        n_open, n_higher, n_equal = 0, 0, 0
        for item in range(start, stop):  # without a branch, several at once
            n_open += is_open[item]
            n_higher += is_open[item] & (scores[item] > highest)
            n_equal += is_open[item] & (scores[item] == highest)
        if n_higher or (n_open and n_best == 0):
            for item in range(start, stop):
                if is_open[item]:
                    if n_best == 0 or scores[item] > highest:
                        highest, n_best, first = scores[item], 1, item
                    elif even and scores[item] == highest:
                        n_best += 1
        elif even:
            n_best += n_equal
        n_left += n_open
    return n_left, n_best, highest, first


@kernel
def _draw_slates(scores, eligible, epsilon, draws, even):
    n_rows, k, _ = draws.shape
    items = np.full((n_rows, k), -1, dtype=np.int64)
    propensities = np.zeros((n_rows, k))
    explored = np.zeros((n_rows, k), dtype=np.bool_)
    for row in range(n_rows):
        is_open = eligible[row].copy()
        for slot in range(k):
            n_left, n_best, highest, first = _count_best(scores[row], is_open, even)
            if n_left == 0:
                break
            explores = draws[row, slot, 0] < epsilon
            wanted = int(draws[row, slot, 1] * (n_left if explores else n_best))
            for item in range(0 if explores else first, len(is_open)):
                is_best = is_open[item] and scores[row, item] == highest
                is_best = is_best and (even or item == first)
                if is_open[item] if explores else is_best:
                    if wanted == 0:
                        items[row, slot] = item
                        explored[row, slot] = explores
                        propensities[row, slot] = epsilon / n_left
                        if is_best:
                            propensities[row, slot] += (1.0 - epsilon) / n_best
                        is_open[item] = False
                        break
                    wanted -= 1
    return items, propensities, explored


@kernel
def _slate_propensities(scores, eligible, epsilon, slates, even):
    n_rows, k = slates.shape
    propensities = np.zeros((n_rows, k))
    for row in range(n_rows):
        is_open = eligible[row].copy()
        for slot in range(k):
            item = slates[row, slot]
            if item < 0 or not is_open[item]:
                continue
            n_left, n_best, highest, first = _count_best(scores[row], is_open, even)
            propensities[row, slot] = epsilon / n_left
            if scores[row, item] == highest and (even or item == first):
                propensities[row, slot] += (1.0 - epsilon) / n_best
            is_open[item] = False
    return propensities
