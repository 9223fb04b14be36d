"""Accuracy of ranked lists, a value for every person and cut-off; NaN where nothing is relevant.

hits: (U, K) whether the item at each rank is relevant, K at least 1. found: (U, n_ks) hits within
each cut-off. n_relevant: (U,) the size |R| of each person's set. ks: the cut-offs; a list shorter
than k is filled up with misses. Every metric is (U, n_ks). The formulas stand in `definitions`;
sources: Manning, Raghavan and Schütze 2008, chapter 8; Järvelin and Kekäläinen 2002; Burges et al.
2005.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.evaluation.definitions import ACCURACY, Definitions
from recloop.evaluation.lists import checked_ks, checked_lists
from recloop.evaluation.relevant import RelevantSets
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.names import unknown_name

_LARGEST_EXPONENT = 1000


def hits_within(hits: BoolArray, ks: Sequence[int]) -> IntArray:
    """(U, n_ks) the number of hits in the top k."""
    return _at(np.cumsum(hits, axis=1), ks)


def precision(
    found: IntArray,
    n_relevant: IntArray,
    ks: Sequence[int],
    *,
    n_listed: IntArray | None = None,
) -> FloatArray:
    """Share of the top k that is relevant; with `n_listed` (U,), of min(k, n_listed)."""
    shown = np.asarray(ks) if n_listed is None else np.minimum.outer(n_listed, ks)
    return _defined(found / np.maximum(shown, 1), n_relevant)


def recall(
    found: IntArray, n_relevant: IntArray, ks: Sequence[int], *, capped: bool = False
) -> FloatArray:
    """Share of the relevant items that is in the top k; capped: of min(k, |R|)."""
    wanted = np.minimum.outer(n_relevant, ks) if capped else n_relevant[:, None]
    return _defined(found / np.maximum(wanted, 1), n_relevant)


def hit_rate(found: IntArray, n_relevant: IntArray) -> FloatArray:
    """1 if anything in the top k is relevant, else 0."""
    return _defined((found > 0).astype(np.float64), n_relevant)


def reciprocal_rank(hits: BoolArray, n_relevant: IntArray, ks: Sequence[int]) -> FloatArray:
    """1 / rank of the first relevant item if that is within k, else 0."""
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1.0, np.inf)[:, None]
    return _defined(np.where(first <= ks, 1 / first, 0.0), n_relevant)


def average_precision(
    hits: BoolArray,
    n_relevant: IntArray,
    ks: Sequence[int],
    *,
    norm: str = "min",
    n_listed: IntArray | None = None,
) -> FloatArray:
    """Precision at every hit, summed and divided by what `norm` names (see `definitions.MAP`).

    n_listed: (U,) for norm "list"; K when not given.
    """
    found = np.cumsum(hits, axis=1)
    summed = _at(np.cumsum(hits * found / np.arange(1, hits.shape[1] + 1), axis=1), ks)
    least = np.minimum.outer(n_relevant, ks)
    if norm == "min":
        divisor = least
    elif norm == "rel":
        divisor = n_relevant[:, None]
    elif norm == "k":
        divisor = np.asarray(ks)
    elif norm == "list":
        divisor = np.minimum(least, hits.shape[1] if n_listed is None else n_listed[:, None])
    else:
        divisor = _at(found, ks)
    return _defined(summed / np.maximum(divisor, 1), n_relevant)


def ndcg(
    hits: BoolArray, n_relevant: IntArray, ks: Sequence[int], *, ideal: str = "min"
) -> FloatArray:
    """Discounted hits over those of the best list (binary gain); `ideal`: how long that list is."""
    if ideal == "k":
        n_ideal = np.broadcast_to(np.asarray(ks), (len(hits), len(ks)))
    elif ideal == "rel":
        n_ideal = np.broadcast_to(n_relevant[:, None], (len(hits), len(ks)))
    else:
        n_ideal = np.minimum.outer(n_relevant, ks)
    best = np.cumsum(_discounts(int(n_ideal.max(initial=1))))
    gained = _at(np.cumsum(hits * _discounts(hits.shape[1]), axis=1), ks)
    return _defined(gained / best[np.maximum(n_ideal, 1) - 1], n_relevant)


def graded_ndcg(
    lists: IntArray,
    relevant: RelevantSets,
    ks: Sequence[int],
    *,
    gain: str = "linear",
    ideal: str = "min",
) -> FloatArray:
    """Discounted gains over those of the best order; NaN also where every gain is 0."""
    gains = relevant.gains_of(lists)
    shown = _gain(gains, gain) * _discounts(lists.shape[1])
    gained = _at(np.cumsum(shown, axis=1), ks)
    best = _best_gains(relevant, ks, gain, ideal)
    return np.divide(gained, best, out=np.full(best.shape, np.nan), where=best > 0)


def _best_gains(relevant: RelevantSets, ks: Sequence[int], gain: str, ideal: str) -> FloatArray:
    """(U, n_ks) the discounted gain of everyone's relevant items, best first."""
    gains = np.ones(len(relevant.keys)) if relevant.gains is None else relevant.gains
    rows = np.repeat(np.arange(len(relevant)), relevant.sizes)
    order = np.lexsort((-gains, rows))
    place = np.arange(len(order)) - np.repeat(relevant.bounds[:-1], relevant.sizes)
    worth = _gain(gains[order], gain) * _discounts(int(relevant.sizes.max(initial=0)))[place]
    best = [
        np.bincount(rows, np.where((place < k) | (ideal == "rel"), worth, 0.0), len(relevant))
        for k in ks
    ]
    return np.stack(best, axis=1).astype(np.float64, copy=False)


def _gain(gains: FloatArray, gain: str) -> FloatArray:
    if gain == "exp" and gains.size and gains.max() > _LARGEST_EXPONENT:
        raise InvalidParameter(
            f"ndcg: gains must be at most {_LARGEST_EXPONENT} where 2^gain - 1 counts "
            f"(ndcg_gain='exp'), got {gains.max():g}. Use ndcg_gain='linear', or grades."
        )
    return np.exp2(gains) - 1 if gain == "exp" else gains


def _discounts(n: int) -> FloatArray:
    return 1 / np.log2(np.arange(n) + 2)


def _at(running: np.ndarray, ks: Sequence[int]) -> np.ndarray:
    """The columns of running sums (U, K) at each k; beyond the list they stay what they were."""
    return running[:, np.minimum(ks, running.shape[1]) - 1]


def _defined(values: FloatArray, n_relevant: IntArray) -> FloatArray:
    values[n_relevant == 0] = np.nan
    return values


def accuracy(
    recommended: ArrayLike,
    relevant: RelevantSets,
    ks: Sequence[int],
    definitions: Definitions | None = None,
    metrics: Sequence[str] = ACCURACY,
) -> dict[str, FloatArray]:
    """(U, n_ks) values of each of `metrics` for lists of item codes (U, K), best first, -1 padded.

    `definitions` decides the formulas and the edges: nothing relevant, an item twice in a list.
    """
    chosen = definitions or Definitions()
    ks = checked_ks("accuracy", ks)
    lists = checked_lists("accuracy", recommended, relevant, chosen.on_duplicates)[:, : max(ks)]
    hits, sizes, n_listed = relevant.hits(lists), relevant.sizes, (lists >= 0).sum(axis=1)
    found = hits_within(hits, ks)
    by_list = chosen.precision_norm == "list"
    formulas = {
        "precision": lambda: precision(found, sizes, ks, n_listed=n_listed if by_list else None),
        "recall": lambda: recall(found, sizes, ks, capped=chosen.recall_capped),
        "ndcg": lambda: (
            graded_ndcg(lists, relevant, ks, gain=chosen.ndcg_gain, ideal=chosen.ndcg_ideal)
            if chosen.is_graded
            else ndcg(hits, sizes, ks, ideal=chosen.ndcg_ideal)
        ),
        "map": lambda: average_precision(hits, sizes, ks, norm=chosen.map_norm, n_listed=n_listed),
        "hit_rate": lambda: hit_rate(found, sizes),
        "mrr": lambda: reciprocal_rank(hits, sizes, ks),
    }
    for metric in metrics:
        if metric not in formulas:
            raise unknown_name("metric", metric, formulas)
    return {metric: _settled(metric, formulas[metric](), chosen) for metric in metrics}


def _settled(metric: str, values: FloatArray, definitions: Definitions) -> FloatArray:
    undefined = np.isnan(values[:, 0])  # at every k or at none
    if definitions.undefined == "zero":
        values[undefined] = 0.0
    elif definitions.undefined == "raise" and undefined.any():
        raise InvalidParameter(
            f"accuracy: {metric} is undefined for {undefined.sum()} of {len(values)} people (the "
            f"first is row {np.argmax(undefined)}): nothing is relevant to them. Leave them out, "
            "or use undefined='skip' or 'zero'."
        )
    return values
