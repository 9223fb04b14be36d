"""A table of values for rows and items: dense, or a hash table of the visited pairs."""

import numpy as np
from numpy.typing import NDArray

from recloop.models.tables.cells import (
    DENSE_WIDTH,
    FIRST_ITEM,
    HASHED_WIDTH,
    HEAD,
    Cells,
    best_item_of,
    best_of,
    read_row,
    scaled,
)
from recloop.models.tables.learning import Method, Steps, learn_mixed, learn_rows, score
from recloop.types import FloatArray, IntArray
from recloop.utils.kernels import bare_kernel

KINDS = ("auto", "dense", "hashed")
DENSE_LIMIT = 1 << 24
"""Pairs up to which "auto" takes the dense table: 160 MiB."""

_GROWTH = 1.25
_FEWEST_BUCKETS = 64
_RESERVE = 4


class QTable:
    """(n_rows, n_items) values, `initial` before a pair is visited, the maximum of each row kept.

    kind: "dense", "hashed", or "auto": dense up to `DENSE_LIMIT` pairs. Both hold the same numbers.
    """

    def __init__(
        self,
        n_rows: int,
        n_items: int,
        *,
        n_tables: int = 1,
        kind: str = "auto",
        initial: float = 0.0,
    ) -> None:
        self.n_tables, self.n_rows, self.n_items = n_tables, n_rows, n_items
        n_rows = n_rows * n_tables
        is_dense = kind == "dense" or (kind == "auto" and n_rows * n_items <= DENSE_LIMIT)
        self.kind = "dense" if is_dense else "hashed"
        width = -(-n_items // 8) if is_dense else 0
        self.heads = np.zeros(n_rows, dtype=HEAD)
        self.heads["blank"] = initial
        self.heads["n_left"] = n_items
        self.heads["best"] = -np.inf
        if is_dense:
            self.heads["bucket"] = np.arange(n_rows) * width
            self.heads["n_slots"] = self.heads["n_used"] = n_items
            self.heads["n_left"] = 0
            self.heads["best"] = initial
        self._end = np.array([n_rows * width, 0])
        self._start, self._n_buckets = 0, n_rows * width
        if is_dense:
            # zeros take memory when they are touched, not before
            n = n_rows * width * DENSE_WIDTH
            self._memory = np.zeros(n) if initial == 0.0 else np.full(n, float(initial))
        else:
            self._memory = np.zeros(0)
            self._resize(_FEWEST_BUCKETS)

    @property
    def cells(self) -> Cells:
        """The arrays, as the kernels take them."""
        if self.kind == "dense":
            return Cells(self._memory, np.empty(0, dtype=np.int32), self.heads, self._end)
        values = self._memory[self._start : self._start + self._n_buckets * HASHED_WIDTH]
        return Cells(values, values.view(np.int32), self.heads, self._end)

    @property
    def values(self) -> FloatArray:
        """(n_buckets, 10) values and nodes: a view, good until the next step is learned."""
        width = HASHED_WIDTH if self.kind == "hashed" else DENSE_WIDTH
        return self.cells.values.reshape(-1, width)[:, :DENSE_WIDTH]

    @property
    def items(self) -> NDArray[np.int32]:
        """(n_buckets, 8) items of a hashed table, -1 where there is none; (0, 8) of a dense one."""
        if self.kind == "dense":
            return np.empty((0, 8), dtype=np.int32)
        return self.cells.items.reshape(-1, 2 * HASHED_WIDTH)[:, FIRST_ITEM : FIRST_ITEM + 8]

    @property
    def end(self) -> IntArray:
        """(2,) how many buckets are given out, and nothing of interest."""
        return self._end

    def learn(self, steps: Steps, method: Method) -> float:
        """Learn the steps in their order; the sum of the absolute changes of Q."""
        n_done, change = 0, 0.0
        scratch = np.empty((2, self.n_items))
        while True:
            if steps.rows.shape[1] == 1:
                n_done, more = learn_rows(self.cells, steps, method, n_done)
            else:
                n_done, more = learn_mixed(self.cells, steps, method, n_done, scratch)
            change += more
            if n_done == len(steps.items):
                return change
            self._make_room()

    def scores(self, rows: IntArray, weights: FloatArray, prior: FloatArray) -> FloatArray:
        """(B, n_items) what items are ranked by in states of N rows: rows and weights (B, N)."""
        out = np.empty((len(rows), self.n_items))
        sizes = (self.n_tables, self.n_rows)
        score(self.cells, rows, weights, prior, *sizes, out, np.empty(self.n_items))
        return out

    def best(self, rows: IntArray) -> FloatArray:
        """(B,) the largest value of each row."""
        out = np.empty(len(rows))
        _best_of_rows(self.cells, rows, out)
        return out

    def best_items(self, rows: IntArray) -> IntArray:
        """(B,) the item of the largest value of each row, ties to the lower code."""
        out = np.empty(len(rows), dtype=np.int64)
        _best_items_of_rows(self.cells, rows, out)
        return out

    def row(self, row: int) -> FloatArray:
        """(n_items,) the values of one row."""
        out = np.empty(self.n_items)
        read_row(self.cells, row, out)
        visits = self.heads[row]["visits"]
        return out / visits if visits > 0 else out

    @property
    def n_pairs(self) -> int:
        """How many pairs have a slot."""
        return int(self.heads["n_used"].sum())

    @property
    def n_bytes(self) -> int:
        """Memory of all arrays, used or not."""
        return self.cells.values.nbytes + self.heads.nbytes

    def take(
        self, values: FloatArray, items: NDArray[np.int32], heads: NDArray[np.void], end: IntArray
    ) -> None:
        """Go on with saved arrays; ValueError if they are not those of a table of this size."""
        wrong = _what_is_wrong(self, values, items, heads, end)
        if wrong:
            raise ValueError(f"the table is not consistent: {wrong}. It was not loaded.")
        if self.kind == "hashed":
            self._resize(len(values))
            self.items[:] = items
        self.values[:] = values
        self.heads, self._end = heads.copy(), end.copy()

    def _make_room(self) -> None:
        n_buckets = self._n_buckets
        n_live = int(self.heads["n_slots"].sum()) >> 3
        if n_buckets - n_live > n_buckets // 4:
            order = np.argsort(self.heads["bucket"])
            _pack(self.cells, order)
        else:
            self._resize(int(n_buckets * _GROWTH) + _FEWEST_BUCKETS)

    def _resize(self, n_buckets: int) -> None:
        needed, held = (n_buckets + 1) * HASHED_WIDTH, self.cells.values
        if needed > len(self._memory):
            self._memory = _reserved(needed)
            # a bucket begins with a cache line, so that it lies in two and not across three
            self._start = -(self._memory.ctypes.data >> 3) % HASHED_WIDTH
            self._memory[self._start : self._start + len(held)] = held
        self._n_buckets = n_buckets


def _reserved(n: int) -> FloatArray:
    """Zeros, at least n, with room to grow: pages that are never touched take no memory."""
    try:
        return np.zeros(n * _RESERVE)
    except MemoryError:
        return np.zeros(n)


def _what_is_wrong(
    table: QTable,
    values: FloatArray,
    items: NDArray[np.int32],
    heads: NDArray[np.void],
    end: IntArray,
) -> str:
    """What keeps saved arrays from being a table, in words; empty if nothing does."""
    if heads.dtype != HEAD or heads.shape != table.heads.shape:
        return f"heads are {heads.shape} of {heads.dtype}, needed {table.heads.shape} of {HEAD}"
    if values.dtype != np.float64 or items.dtype != np.int32 or end.dtype != np.int64:
        return "an array has another type"
    n_buckets = len(values)
    n_with_items = n_buckets if table.kind == "hashed" else 0
    if values.shape != (n_buckets, DENSE_WIDTH) or items.shape != (n_with_items, 8):
        return f"values {values.shape} and items {items.shape} do not fill whole buckets"
    if table.kind == "dense":
        same = len(values) == len(table.values)
        fixed = all((heads[n] == table.heads[n]).all() for n in ("bucket", "n_slots", "n_used"))
        return "" if same and fixed else "a dense table of another size"
    last = heads["bucket"] + -(-heads["n_slots"] // 8)
    inside = (heads["bucket"] >= 0) & (last <= end[0]) & (heads["n_used"] <= heads["n_slots"])
    used = heads["n_slots"] > 0
    if not 0 <= end[0] <= n_buckets or not inside[used].all() or (heads["n_slots"] < 0).any():
        return "a row lies outside the slab"
    if len(items) and (items.min() < -1 or items.max() >= table.n_items):
        return f"an item is outside -1..{table.n_items - 1}"
    return ""


@bare_kernel
def _best_of_rows(cells, rows, out):
    for i in range(len(rows)):
        out[i] = scaled(cells, rows[i], best_of(cells, rows[i]))


@bare_kernel
def _best_items_of_rows(cells, rows, out):
    for i in range(len(rows)):
        out[i] = best_item_of(cells, rows[i])


@bare_kernel
def _pack(cells, order):
    """Close the gaps that moved rows left behind; rows come in the order of their buckets."""
    end = 0
    for row in order:
        bucket, n_buckets = cells.heads[row]["bucket"], cells.heads[row]["n_slots"] >> 3
        if n_buckets > 0 and bucket != end:
            for k in range(n_buckets * HASHED_WIDTH):
                cells.values[end * HASHED_WIDTH + k] = cells.values[bucket * HASHED_WIDTH + k]
            cells.heads[row]["bucket"] = end
        end += n_buckets
    cells.end[0] = end
