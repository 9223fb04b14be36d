"""Who finds what relevant: sets of item codes, and which places of ranked lists hit them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_codes, check_count, check_finite

OWNER = "RelevantSets"
TABLE_CELLS = 1 << 20  # of the lookup table: small enough to stay in a processor's cache


@dataclass(frozen=True)
class RelevantSets:
    """The relevant items of U people, each item once; build it with `of_pairs` or `of_rows`.

    keys: (n,) ascending, row * width + item. bounds: (U + 1,): the keys of row u are
    bounds[u]:bounds[u + 1]. width: n_items + 1; the last column is that of the padding -1.
    gains: (n,) or None when weights are not read.
    """

    keys: IntArray
    bounds: IntArray
    width: int
    gains: FloatArray | None = None

    @classmethod
    def of_pairs(
        cls,
        rows: ArrayLike,
        items: ArrayLike,
        n_rows: int,
        n_items: int,
        *,
        gains: ArrayLike | None = None,
    ) -> "RelevantSets":
        """The sets of `n_rows` people from pairs in any order; of a pair twice, the best gain."""
        rows = check_codes(OWNER, "rows", rows, check_count(OWNER, "n_rows", n_rows, least=0))
        items = check_codes(OWNER, "items", items, check_count(OWNER, "n_items", n_items, least=0))
        width = n_items + 1
        keys = rows * width
        keys += items  # in place: memory is what this costs
        if gains is not None:
            keys, gains = _best_of_each(keys, _checked_gains(gains))
        else:
            keys = _distinct(keys)
        bounds = np.searchsorted(keys, np.arange(n_rows + 1) * width)
        return cls(keys, bounds.astype(np.int64, copy=False), width, gains)

    @classmethod
    def of_rows(
        cls,
        indptr: ArrayLike,
        indices: ArrayLike,
        n_items: int,
        *,
        gains: ArrayLike | None = None,
    ) -> "RelevantSets":
        """The sets whose row u is indices[indptr[u]:indptr[u + 1]], as in a CSR matrix."""
        counts = np.diff(np.asarray(indptr, dtype=np.int64))
        rows = np.repeat(np.arange(len(counts)), counts)
        return cls.of_pairs(rows, indices, len(counts), n_items, gains=gains)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def n_items(self) -> int:
        """The size of the catalogue that codes belong to."""
        return self.width - 1

    @property
    def sizes(self) -> IntArray:
        """(U,) the number of relevant items of each person."""
        return np.diff(self.bounds)

    @property
    def items(self) -> IntArray:
        """(n,) the item codes, person after person, ascending within each."""
        return self.keys % self.width

    def hits(self, lists: IntArray) -> BoolArray:
        """(U, K) whether the item at each place of `lists` (U, K) is relevant; -1 never is."""
        return self._found(lists, np.ones(len(self.keys), dtype=np.bool_))

    def gains_of(self, lists: IntArray) -> FloatArray:
        """(U, K) the gain of the item at each place of `lists`, 0 where it is not relevant."""
        return self._found(lists, np.ones(len(self.keys)) if self.gains is None else self.gains)

    def _found(self, lists: IntArray, values: np.ndarray) -> np.ndarray:
        n_rows = max(1, min(len(self), TABLE_CELLS // self.width))
        table = np.zeros(n_rows * self.width, dtype=values.dtype)
        first_cells = np.arange(n_rows)[:, None] * self.width
        found = np.empty(lists.shape, dtype=values.dtype)
        for start in range(0, len(self), n_rows):
            stop = min(start + n_rows, len(self))
            part = slice(self.bounds[start], self.bounds[stop])
            cells = self.keys[part] - start * self.width
            table[cells] = values[part]
            # -1 falls on the last cell of the row before, which no item has
            found[start:stop] = table[lists[start:stop] + first_cells[: stop - start]]
            table[cells] = 0
        return found


def _checked_gains(gains: ArrayLike) -> FloatArray:
    values = check_finite(OWNER, "gains", gains)
    if values.size and values.min() < 0:
        raise InvalidParameter(
            f"{OWNER}: gains must be 0 or more, got {values.min():g}. "
            "Give a threshold, or count every row as relevant with ndcg_gain='binary'."
        )
    return values


def _distinct(keys: IntArray) -> IntArray:
    if not (keys[1:] > keys[:-1]).all():
        keys.sort()
    first = _is_first(keys)
    return keys if first.all() else keys[first]


def _best_of_each(keys: IntArray, gains: FloatArray) -> tuple[IntArray, FloatArray]:
    order = np.lexsort((-gains, keys))
    first = _is_first(keys[order])
    return keys[order][first], gains[order][first]


def _is_first(ordered: IntArray) -> BoolArray:
    return np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
