"""What follows what: counts of items within a window after an item, and mixtures of their rows.

n_ab     = how often b came at most `window` steps after a in a person's sequence
P(b | a) = n_ab / sum_c n_ac
mix(b)   = sum_j decay^j P(b | h_j),   h_0 the newest item of a history
"""

import numpy as np
import scipy.sparse as sp

from recloop.types import FloatArray, IntArray, Interactions
from recloop.utils.sparse import SparseMatrix, counted_pairs


def counts_after(log: Interactions, window: int = 1) -> SparseMatrix:
    """(n_items, n_items) how often the column came within `window` steps after the row."""
    pairs = [_pairs_at(log, lag) for lag in range(1, window + 1)]
    before = np.concatenate([first for first, _ in pairs])
    after = np.concatenate([second for _, second in pairs])
    return counted_pairs(before, after, (log.n_items, log.n_items))


def _pairs_at(log: Interactions, lag: int) -> tuple[IntArray, IntArray]:
    same_person = log.users[lag:] == log.users[:-lag]
    return log.items[:-lag][same_person], log.items[lag:][same_person]


def mixed_rows(counts: SparseMatrix, histories: IntArray, decay: float) -> SparseMatrix:
    """(B, n_items) decayed sum of P(. | h_j) over each row of `histories` (B, H), -1 padded."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    return _selection(histories, _weights(histories, totals[histories], decay), counts) @ counts


def mixed_rows_without(
    counts: SparseMatrix, histories: IntArray, decay: float, own_items: IntArray, window: int
) -> SparseMatrix:
    """`mixed_rows` from counts that lack each row's own step: history -> own item.

    A row of the log that was counted would otherwise see its own answer in its features. Its step
    was counted once for each of the newest `window` items, also where one of them occurs twice; a
    count never falls below zero.
    """
    totals = np.asarray(counts.sum(axis=1)).ravel()
    same_item = histories[:, :, None] == histories[:, None, :window]
    own = np.where(histories >= 0, same_item.sum(axis=2), 0).astype(np.float64)
    weights = _weights(histories, totals[histories] - own, decay)
    mixed = _selection(histories, weights, counts) @ counts
    rows = np.arange(len(histories))
    removed = sp.csr_matrix(((weights * own).sum(axis=1), (rows, own_items)), shape=mixed.shape)
    return (mixed - removed).maximum(0.0)


def _weights(histories: IntArray, totals: FloatArray, decay: float) -> FloatArray:
    known = (histories >= 0) & (totals > 0)
    lags = np.arange(histories.shape[1])
    return np.where(known, decay**lags / np.where(known, totals, 1.0), 0.0)


def _selection(histories: IntArray, weights: FloatArray, counts: SparseMatrix) -> SparseMatrix:
    rows, lags = np.nonzero(weights)
    picked = (weights[rows, lags], (rows, histories[rows, lags]))
    return sp.csr_matrix(picked, shape=(len(histories), counts.shape[0]))
