"""Where the value of a pair (row, item) lives: every item a place, or only the visited ones.

Dense: a row holds all items in their order. Hashed: a row is a small hash table of its own, its
slots in buckets of 8, all rows in one slab. An item hashes to a bucket; a bucket fills from the
front; when it is full the next one takes over. A row that is 7/8 full moves to the end of the slab
with more slots; `table.py` packs the slab when much of it is left behind.

A bucket is what a step needs from the memory, so its parts stand together: 8 values and 2 nodes of
the tree that keeps the maximum (`max_tree.py`), and when hashed the items of the 8 slots as int32,
16 numbers in all, two cache lines side by side. `items` is the same memory read as int32. `heads`
has one record, one cache line, for each row. A dense bucket has 10 numbers and no items.

Stored values of a row that learned from logged choices are sums: its visits divide them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.models.tables.max_tree import build, first_best, put
from recloop.types import FloatArray, IntArray
from recloop.utils.kernels import bare_kernel, kernel_part

EMPTY = -1
NO_ROOM = -1

DENSE_WIDTH, HASHED_WIDTH = 10, 16
"""Numbers of a bucket."""

FIRST_ITEM = 20
"""Where in a bucket of 32 int32 its 8 items stand."""

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

    values: FloatArray  # (width n_buckets,)
    items: NDArray[np.int32]  # (2 width n_buckets,) EMPTY in a free slot; (0,) when dense
    heads: NDArray[np.void]  # (n_rows,) of HEAD
    end: IntArray  # (2,) buckets of the slab that are given out; what `touch` saw last


@kernel_part
def width_of(cells):
    """Numbers of a bucket."""
    return HASHED_WIDTH if len(cells.items) else DENSE_WIDTH


@kernel_part
def at(cells, row, slot):
    """Where in `values` a slot of a row stands."""
    return (cells.heads[row]["bucket"] + (slot >> 3)) * width_of(cells) + (slot & 7)


@kernel_part
def item_at(bucket, slot):
    """Where in `items` a slot of the row that begins at `bucket` stands."""
    return ((bucket + (slot >> 3)) << 5) + FIRST_ITEM + (slot & 7)


@kernel_part
def scaled(cells, row, stored):
    """A stored value of a row as a value of Q."""
    visits = cells.heads[row]["visits"]
    return stored / visits if visits > 0.0 else stored


@kernel_part
def best_of(cells, row):
    """The largest value of a row, stored or blank, before scaling."""
    best = cells.heads[row]["best"]
    if cells.heads[row]["n_left"] > 0 and cells.heads[row]["blank"] > best:
        return cells.heads[row]["blank"]
    return best


@kernel_part
def mean_of(cells, row):
    """The mean over all items of a row, before scaling."""
    n_items = cells.heads[row]["n_used"] + cells.heads[row]["n_left"]
    return cells.heads[row]["blank"] + cells.heads[row]["total"] / n_items


@kernel_part
def first_bucket(item, n_buckets):
    """Where an item's bucket is looked for: multiplicative hashing (Knuth, section 6.4)."""
    return (((item * 2654435761) & 0xFFFFFFFF) * n_buckets) >> 32


@kernel_part
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
        here = ((first + bucket) << 5) + FIRST_ITEM
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


@kernel_part
def stored_at(cells, row, item):
    """The value of a pair, stored or blank, before scaling."""
    slot = find(cells, row, item)
    if slot < 0:
        return cells.heads[row]["blank"]
    return cells.values[at(cells, row, slot)]


@kernel_part
def touch(cells, row, item):
    """Read the bucket where a pair probably lies, so that it is in the cache.

    Reads of different pairs do not wait for each other; steps do. What is returned must be kept
    somewhere, or the compiler leaves the reads out.
    """
    first, n_slots = cells.heads[row]["bucket"], cells.heads[row]["n_slots"]
    if n_slots == 0:
        return 0
    if not len(cells.items):
        return cells.values[at(cells, row, item)] > 0.0
    bucket = (first + first_bucket(item, n_slots >> 3)) * HASHED_WIDTH
    return (cells.values[bucket] > 0.0) + (cells.values[bucket + 8] > 0.0)


@kernel_part
def write(cells, row, slot, new):
    """Put a value into a slot that is in use."""
    cells.heads[row]["total"] += new - cells.values[at(cells, row, slot)]
    _put(cells, row, slot, new)


@kernel_part
def _put(cells, row, slot, new):
    cells.heads[row]["best"] = put(
        cells.values,
        width_of(cells),
        cells.heads[row]["bucket"] * width_of(cells),
        cells.heads[row]["n_slots"],
        slot,
        new,
        cells.heads[row]["best"],
    )


@kernel_part
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
    cells.items[item_at(cells.heads[row]["bucket"], slot)] = item
    cells.heads[row]["n_used"] += 1
    cells.heads[row]["n_left"] -= 1
    _put(cells, row, slot, cells.heads[row]["blank"])
    return slot


@bare_kernel
def _move_to_end(cells, row):
    """Give a row more buckets at the end of the slab, False if that is too short.

    Twice as many and one while they are few, then half as many again: 1, 3, 7, 12, 19, ...
    """
    old, n_old = cells.heads[row]["bucket"], cells.heads[row]["n_slots"]
    n_buckets = n_old >> 3
    n_buckets = n_buckets * 2 + 1 if n_buckets < 7 else (n_buckets * 3 + 3) >> 1
    new = cells.end[0]
    if (new + n_buckets) * HASHED_WIDTH > len(cells.values):
        return False
    cells.end[0] += n_buckets
    cells.heads[row]["bucket"] = new
    cells.heads[row]["n_slots"] = n_buckets * 8
    _clear(cells, new, n_buckets)
    for slot in range(n_old):
        item = np.int64(cells.items[item_at(old, slot)])
        if item != EMPTY:
            free = -1 - find(cells, row, item)
            cells.items[item_at(new, free)] = item
            cells.values[at(cells, row, free)] = cells.values[
                (old + (slot >> 3)) * HASHED_WIDTH + (slot & 7)
            ]
    build(cells.values, HASHED_WIDTH, new * HASHED_WIDTH, n_buckets * 8)
    return True


@bare_kernel
def _clear(cells, first, n_buckets):
    """Leave no item in the buckets from `first` on."""
    for bucket in range(first, first + n_buckets):
        for k in range(10):
            cells.values[bucket * HASHED_WIDTH + k] = -np.inf
        for k in range(8):
            cells.items[(bucket << 5) + FIRST_ITEM + k] = EMPTY


@bare_kernel
def forget(cells, row):
    """Let every value of a row be 0: nothing that was stored in it counts any more."""
    first, n_slots = cells.heads[row]["bucket"], cells.heads[row]["n_slots"]
    cells.heads[row]["total"] = 0.0
    cells.heads[row]["blank"] = 0.0
    if n_slots == 0:
        return
    if len(cells.items):
        _clear(cells, first, n_slots >> 3)
        cells.heads[row]["n_left"] += cells.heads[row]["n_used"]
        cells.heads[row]["n_used"] = 0
        cells.heads[row]["best"] = -np.inf
        return
    for bucket in range(first, first + ((n_slots + 7) >> 3)):
        for k in range(DENSE_WIDTH):
            cells.values[bucket * DENSE_WIDTH + k] = 0.0
    cells.heads[row]["best"] = 0.0


@bare_kernel
def read_row(cells, row, out):
    """Write the value of every item of a row, stored or blank, to out (n_items,)."""
    first = cells.heads[row]["bucket"]
    if not len(cells.items):
        for item in range(len(out)):
            out[item] = cells.values[(first + (item >> 3)) * DENSE_WIDTH + (item & 7)]
        return
    out[:] = cells.heads[row]["blank"]
    for slot in range(cells.heads[row]["n_slots"]):
        item = cells.items[item_at(first, slot)]
        if item != EMPTY:
            out[item] = cells.values[at(cells, row, slot)]


@bare_kernel
def best_item_of(cells, row):
    """The lowest item code among those that share the largest value of a row."""
    first, best = cells.heads[row]["bucket"], best_of(cells, row)
    item = first_best(
        cells.values,
        width_of(cells),
        first * width_of(cells),
        cells.heads[row]["n_slots"],
        cells.items,
        item_at(first, 0),
        best,
    )
    if cells.heads[row]["n_left"] == 0 or cells.heads[row]["blank"] < best:
        return item
    blank = np.int64(0)
    while blank != item and find(cells, row, blank) >= 0:
        blank += 1
    return blank
