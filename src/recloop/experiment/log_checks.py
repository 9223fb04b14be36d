"""What a decision log looks like to another policy: its weights, and whether propensities hold.

Calibration needs no more than the propensities of what was shown: where they are right, the sum of
1 / propensity over the slots that show an item is, on average, the number of slots that could have
shown it. So the harmonic mean of an item's propensities should be its share of those slots.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from recloop.evaluation.intervals import normal_interval
from recloop.types import FloatArray, LoggedDecisions

N_BINS = 10

Row = dict[str, Any]


class Mean(NamedTuple):
    """A mean and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Histogram:
    """Bins of weights above 0, equally wide in their logarithm, and what lies in each."""

    edges: FloatArray  # (bins + 1,)
    rows: FloatArray  # (bins,) share of all weights
    weight: FloatArray  # (bins,) share of their sum
    zero: float  # share of weights that are 0


def is_marginal(decisions: LoggedDecisions) -> bool:
    """Whether the propensities of a slate are each of its slot alone."""
    kinds = decisions.propensity_kinds
    return {kinds.names[code] for code in np.unique(kinds.codes)} == {"marginal"}


def histogram(weights: FloatArray, n_bins: int = 30) -> Histogram:
    """Bins from the smallest weight above 0 to the largest."""
    known = weights[weights > 0]
    zero = 1.0 - len(known) / max(1, len(weights))
    if not len(known):
        return Histogram(np.array([1.0, 1.0]), np.zeros(1), np.zeros(1), zero)
    low, high = np.log10(known.min()), np.log10(known.max())
    if high - low < 1e-9:
        low, high, n_bins = low - 0.05, high + 0.05, 1
    edges = np.linspace(low, high, n_bins + 1)
    logs = np.log10(known)
    rows = np.histogram(logs, edges)[0] / len(weights)
    weight = np.histogram(logs, edges, weights=known)[0] / known.sum()
    return Histogram(10**edges, rows, weight, zero)


def calibration_rows(decisions: LoggedDecisions, n_items: int) -> list[Row]:
    """Up to 10 bins of items, each shown about equally often: predicted, low, high, observed.

    predicted: the share of slots that the propensities say, and its interval; observed: the share
    of those slots that showed them. Right propensities have every observed share within its
    interval in 95 of 100 logs (Bonferroni).
    """
    possible = _possible(decisions, n_items)
    shown = np.bincount(decisions.items, minlength=n_items)
    seen = shown > 0
    inverse = np.bincount(decisions.items, 1 / decisions.propensities, n_items)
    squares = np.bincount(decisions.items, 1 / decisions.propensities**2, n_items)
    order = np.argsort(np.where(seen, shown / np.maximum(inverse, 1e-300), np.inf), kind="stable")
    order = order[: int(seen.sum())]
    mass = np.cumsum(shown[order])
    bins = np.minimum(((mass - shown[order] / 2) / mass[-1] * N_BINS).astype(np.int64), N_BINS - 1)
    z = NormalDist().inv_cdf(1 - 0.025 / max(1, len(np.unique(bins))))
    rows = []
    for one in np.unique(bins):
        items = order[bins == one]
        total, slots = inverse[items].sum(), possible[items].sum()
        count = shown[items].sum()
        spread = z * np.sqrt(max(0.0, squares[items].sum() - total**2 / len(decisions.items)))
        rows.append(
            {
                "n_items": len(items),
                "n_shown": int(count),
                "predicted": float(count / total),
                "low": float(count / (total + spread)),
                "high": float(count / max(total - spread, count)),
                "observed": float(count / slots),
            }
        )
    return rows


def _possible(decisions: LoggedDecisions, n_items: int) -> FloatArray:
    """(n_items,) how many slots could have shown each item."""
    sizes = decisions.sizes
    possible = np.full(n_items, float(sizes.sum()))
    if decisions.candidates is not None:
        lists = decisions.candidates.lists()
        given = np.array([len(items) > 0 for items in lists])
        possible = np.full(n_items, float(sizes[~given].sum()))
        for size, items in zip(sizes[given], (one for one in lists if len(one)), strict=True):
            possible[items] += size
    if decisions.excluded is not None:
        for size, items in zip(sizes, decisions.excluded.lists(), strict=True):
            possible[items] -= size
    if not is_marginal(decisions):  # no slot shows again what stands above it
        below = sizes[decisions.owners] - decisions.ranks - 1
        possible -= np.bincount(decisions.items, below, n_items)
    return possible


def logged_mean(decisions: LoggedDecisions, confidence: float = 0.95) -> Mean:
    """The mean reward of a decision under the policy that logged, with its interval."""
    assert decisions.rewards is not None
    sums = np.add.reduceat(decisions.rewards, decisions.offsets[:-1])
    low, high = normal_interval(sums, confidence)
    return Mean(float(sums.mean()), low, high)
