"""Where the value of a pair (row, item) lives: every item a place, or only the visited ones.

Dense: a row holds all items in their order. Hashed: a row is a small hash table of its own, its
slots in buckets of 8, all rows in one slab. An item hashes to a bucket; a bucket fills from the
front; when it is full the next one takes over. A row that is 7/8 full moves to the end of the slab
with half as many slots again; `table.py` packs the slab when much of it is left behind.

Bucket b of the slab: items[8 b:8 b + 8], and 10 numbers of `values` (8 values, 2 for the nodes of
the tree that keeps the maximum; they stand behind all values of the row). `heads` has one record,
one cache line, for each row. A dense table has no `items`.

Stored values of a row that learned from logged choices are sums: its visits divide them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.models.tables.max_tree import build, first_best, put
from recloop.types import FloatArray, IntArray
from recloop.utils.kernels import bare_kernel

EMPTY = -1
NO_ROOM = -1

HEAD = np.dtype(
    [
        ("bucket", np.int64),  # where the row begins
        ("n_slots", np.int64),  # its slots; n_items when dense
        ("n_used", np.int64),  # items that have a slot
        ("n_left", np.int64),  # items that have none
        ("best", np.float64),  # the largest stored value, -inf if there is none
        ("blank", np.float64),  # what every item without a slot is worth
        ("total", np.float64),  # sum over all items of stored value minus blank
        ("visits", np.float64),  # logged choices made in this row
    ]
)


class Cells(NamedTuple):
    """The arrays of a table, as the kernels see them."""

    values: FloatArray  # (10 n_buckets,)
    items: NDArray[np.int32]  # (8 n_buckets,) EMPTY in a free slot; (0,) when dense
    heads: NDArray[np.void]  # (n_rows,) of HEAD
    end: IntArray  # (2,) buckets of the slab that are given out; what `touch` saw last


@bare_kernel
def scaled(cells, row, stored):
    """A stored value of a row as a value of Q."""
    visits = cells.heads[row]["visits"]
    return stored / visits if visits > 0.0 else stored


@bare_kernel
def best_of(cells, row):
    """The largest value of a row, stored or blank, before scaling."""
    best = cells.heads[row]["best"]
    if cells.heads[row]["n_left"] > 0 and cells.heads[row]["blank"] > best:
        return cells.heads[row]["blank"]
    return best


@bare_kernel
def mean_of(cells, row):
    """The mean over all items of a row, before scaling."""
    n_items = cells.heads[row]["n_used"] + cells.heads[row]["n_left"]
    return cells.heads[row]["blank"] + cells.heads[row]["total"] / n_items


@bare_kernel
def first_bucket(item, n_buckets):
    """Where an item's bucket is looked for: multiplicative hashing (Knuth, section 6.4)."""
    return (((item * 2654435761) & 0xFFFFFFFF) * n_buckets) >> 32


@bare_kernel
def find(cells, row, item):
    """The slot of an item, counted from its row's start; -1 - the free slot if it has none yet."""
    if not len(cells.items):
        return item
    n_buckets = cells.heads[row]["n_slots"] >> 3
    if n_buckets == 0:
        return np.int64(-1)
    first = cells.heads[row]["bucket"]
    bucket = first_bucket(item, n_buckets)
    while True:
        here = (first + bucket) << 3
        found, n_full = np.int64(-1), np.int64(0)
        for k in range(8):
            key = cells.items[here + k]
            if key == item:
                found = np.int64(k)
            if key != EMPTY:
                n_full += 1
        if found >= 0:
            return (bucket << 3) + found
        if n_full < 8:
            return -1 - ((bucket << 3) + n_full)
        bucket += 1
        if bucket == n_buckets:
            bucket = np.int64(0)


@bare_kernel
def stored_at(cells, row, item):
    """The value of a pair, stored or blank, before scaling."""
    slot = find(cells, row, item)
    if slot < 0:
        return cells.heads[row]["blank"]
    return cells.values[cells.heads[row]["bucket"] * 10 + slot]


@bare_kernel
def touch(cells, row, item):
    """Read where a pair's item, value and node probably lie, so that they are in the cache.

    Reads of different pairs do not wait for each other; steps do. What is returned must be kept
    somewhere, or the compiler leaves the reads out.
    """
    first, n_slots = cells.heads[row]["bucket"], cells.heads[row]["n_slots"]
    if n_slots == 0:
        return 0
    if not len(cells.items):
        return cells.values[first * 10 + item] > 0.0
    bucket = first_bucket(item, n_slots >> 3)
    seen = cells.items[(first + bucket) * 8] + cells.items[(first + bucket) * 8 + 7]
    value = first * 10 + bucket * 8
    seen += (cells.values[value] > 0.0) + (cells.values[value + 7] > 0.0)
    return seen + (cells.values[first * 10 + n_slots + bucket] > 0.0)


@bare_kernel
def write(cells, row, slot, new):
    """Put a value into a slot that is in use."""
    first = cells.heads[row]["bucket"] * 10
    cells.heads[row]["total"] += new - cells.values[first + slot]
    cells.heads[row]["best"] = put(
        cells.values, first, cells.heads[row]["n_slots"], slot, new, cells.heads[row]["best"]
    )


@bare_kernel
def place(cells, row, item):
    """The slot of a pair; one that has none gets one with the blank value.

    NO_ROOM when the slab is too short for that.
    """
    slot = find(cells, row, item)
    if slot < 0:
        slot = insert(cells, row, item, -1 - slot)
    return slot


@bare_kernel
def insert(cells, row, item, slot):
    """Give the free `slot` to an item, or one in the row's new place when it must move."""
    if (cells.heads[row]["n_used"] + 1) * 8 > cells.heads[row]["n_slots"] * 7:
        if not _move_to_end(cells, row):
            return np.int64(NO_ROOM)
        slot = -1 - find(cells, row, item)
    bucket = cells.heads[row]["bucket"]
    cells.items[bucket * 8 + slot] = item
    cells.heads[row]["n_used"] += 1
    cells.heads[row]["n_left"] -= 1
    cells.heads[row]["best"] = put(
        cells.values,
        bucket * 10,
        cells.heads[row]["n_slots"],
        slot,
        cells.heads[row]["blank"],
        cells.heads[row]["best"],
    )
    return slot


@bare_kernel
def _move_to_end(cells, row):
    """Give a row half as many buckets again, at the end of the slab; False if that is too short."""
    old, n_old = cells.heads[row]["bucket"], cells.heads[row]["n_slots"]
    n_buckets = max(1, ((n_old >> 3) * 3 + 1) >> 1)
    new = cells.end[0]
    if (new + n_buckets) * 8 > len(cells.items):
        return False
    cells.end[0] += n_buckets
    cells.heads[row]["bucket"] = new
    cells.heads[row]["n_slots"] = n_buckets * 8
    cells.items[new * 8 : (new + n_buckets) * 8] = EMPTY
    cells.values[new * 10 : (new + n_buckets) * 10] = -np.inf
    for slot in range(n_old):
        item = np.int64(cells.items[old * 8 + slot])
        if item != EMPTY:
            free = -1 - find(cells, row, item)
            cells.items[new * 8 + free] = item
            cells.values[new * 10 + free] = cells.values[old * 10 + slot]
    build(cells.values, new * 10, n_buckets * 8)
    return True


@bare_kernel
def forget(cells, row):
    """Let every value of a row be 0: nothing that was stored in it counts any more."""
    first, n_slots = cells.heads[row]["bucket"], cells.heads[row]["n_slots"]
    cells.heads[row]["total"] = 0.0
    cells.heads[row]["blank"] = 0.0
    if n_slots == 0:
        return
    if len(cells.items):
        cells.items[first * 8 : first * 8 + n_slots] = EMPTY
        cells.heads[row]["n_left"] += cells.heads[row]["n_used"]
        cells.heads[row]["n_used"] = 0
    cells.values[first * 10 : first * 10 + n_slots] = -np.inf if len(cells.items) else 0.0
    cells.heads[row]["best"] = build(cells.values, first * 10, n_slots)


@bare_kernel
def read_row(cells, row, out):
    """Write the value of every item of a row, stored or blank, to out (n_items,)."""
    first = cells.heads[row]["bucket"]
    if not len(cells.items):
        for item in range(len(out)):
            out[item] = cells.values[first * 10 + item]
        return
    out[:] = cells.heads[row]["blank"]
    for slot in range(cells.heads[row]["n_slots"]):
        if cells.items[first * 8 + slot] != EMPTY:
            out[cells.items[first * 8 + slot]] = cells.values[first * 10 + slot]


@bare_kernel
def best_item_of(cells, row):
    """The lowest item code among those that share the largest value of a row."""
    first, best = cells.heads[row]["bucket"], best_of(cells, row)
    item = first_best(
        cells.values, first * 10, cells.heads[row]["n_slots"], cells.items, first * 8, best
    )
    if cells.heads[row]["n_left"] == 0 or cells.heads[row]["blank"] < best:
        return item
    blank = np.int64(0)
    while blank != item and find(cells, row, blank) >= 0:
        blank += 1
    return blank
