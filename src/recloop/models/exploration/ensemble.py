"""Thompson sampling from a finite ensemble: each slot asks one member, drawn afresh and evenly.

M members are draws from the posterior; a member's vote for a slot is the best of the items left,
ties to the lower item code:

    q(a | items left) = #{members who rank a highest among them} / M

exact for the ensemble. One member for the whole slate would make all slots but the first certain.
Chapelle and Li (2011), "An empirical evaluation of Thompson sampling"; Lu and Van Roy (2017),
"Ensemble sampling".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recloop.models.exploration.base import Exploration
from recloop.types import BoolArray, FloatArray

_NUMBERS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class EnsembleVotes(Exploration):
    """The votes of posterior draws.

    members: what each of the M members believes of some rows, (M, b, n_items), the same whenever
        the same rows are asked for. Asked row by row, so that a long batch needs no more memory.
    n_members: M.
    """

    members: Callable[[slice], FloatArray]
    n_members: int

    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        n_rows, n_items = is_open.shape
        size = max(1, _NUMBERS_AT_ONCE // (self.n_members * n_items))
        found = np.empty((n_rows, n_items))
        for start in range(0, n_rows, size):
            part = slice(start, min(start + size, n_rows))
            believed = self.members(slice(rows.start + part.start, rows.start + part.stop))
            found[part] = _votes(believed, is_open[part]) / self.n_members
        return found


def _votes(believed: FloatArray, is_open: BoolArray) -> FloatArray:
    """(b, n_items) how many of `believed` (M, b, n_items) rank each open item highest."""
    n_rows, n_items = is_open.shape
    best = np.where(is_open, believed, -np.inf).argmax(axis=2)  # (M, b)
    places = best + n_items * np.arange(n_rows)
    counts = np.bincount(places.ravel(), minlength=n_rows * n_items).reshape(n_rows, n_items)
    return np.where(is_open.any(axis=1, keepdims=True), counts, 0).astype(np.float64)
