"""The maximum of a row, kept while its numbers change: a tree whose root stands with the row.

The leaves of a row stand eight in a bucket, `width` numbers apart from the next one:

    values[first + width b:][:8]    leaves 8 b .. 8 b + 7
    values[first + width b + 8]     the largest of them, a node of the lowest level
    values[first + width b + 9]     node b of the levels above, one level after the other

A node above has 16 children; the root, which the caller keeps as `best`, has up to 16. A number
that rises costs one comparison a level, most often one in all. A maximum that falls is found again
among 8 numbers and 16 a level: 2 levels for 128 items, 3 for 2,048, 4 for 32,768.
"""

import numpy as np

from recloop.utils.kernels import bare_kernel, kernel_part

NODE, ABOVE = 8, 9


@kernel_part
def n_groups(count):
    """How many buckets `count` leaves fill."""
    return (count + 7) >> 3


@kernel_part
def larger(one, other):
    """The larger of two numbers."""
    return one if one > other else other


@kernel_part
def largest_leaf(values, bucket, count):
    """The largest of the 8 leaves of a bucket, or of its first `count` if those are fewer."""
    if count >= 8:
        left = larger(
            larger(values[bucket], values[bucket + 1]),
            larger(values[bucket + 2], values[bucket + 3]),
        )
        right = larger(
            larger(values[bucket + 4], values[bucket + 5]),
            larger(values[bucket + 6], values[bucket + 7]),
        )
        return larger(left, right)
    highest = values[bucket]
    for leaf in range(1, count):
        highest = larger(highest, values[bucket + leaf])
    return highest


@kernel_part
def largest_node(values, width, first, count):
    """The largest of 16 nodes from `first` on, or of `count` if those are fewer."""
    highest = values[first]
    for node in range(1, min(16, count)):
        highest = larger(highest, values[first + node * width])
    return highest


@kernel_part
def put(values, width, first, n_leaves, leaf, new, best):
    """Write `new` at a leaf and mend the nodes above it; the maximum of the row, `best` before.

    Stops at the first node that stays as it was.
    """
    bucket = first + (leaf >> 3) * width
    old, before = values[bucket + (leaf & 7)], values[bucket + NODE]
    values[bucket + (leaf & 7)] = new
    if new < before:
        if old < before:
            return best
        new = largest_leaf(values, bucket, n_leaves - ((leaf >> 3) << 3))
    if new == before:
        return best
    values[bucket + NODE] = new
    if n_leaves > 128:
        return _mend(values, width, first, n_groups(n_leaves), leaf >> 3, before, new, best)
    if new < best and before == best:
        return largest_node(values, width, first + NODE, n_groups(n_leaves))
    return larger(new, best)


@bare_kernel
def _mend(values, width, first, count, place, old, new, best):
    """Mend the levels above a node of the lowest level that was `old` and is `new`."""
    level, above = first + NODE, first + ABOVE
    while count > 16:
        group = place >> 4
        before = values[above + group * width]
        if new < before:
            if old < before:
                return best
            children = level + (group << 4) * width
            new = largest_node(values, width, children, count - (group << 4))
        if new == before:
            return best
        values[above + group * width] = new
        old, place, level = before, group, above
        count = (count + 15) >> 4
        above += count * width
    if new < best and old == best:
        return largest_node(values, width, level, count)
    return larger(new, best)


@bare_kernel
def build(values, width, first, n_leaves):
    """Make all nodes over leaves that were written directly; the maximum of the row."""
    count = n_groups(n_leaves)
    for group in range(count):
        bucket = first + group * width
        values[bucket + NODE] = largest_leaf(values, bucket, n_leaves - (group << 3))
    level, above = first + NODE, first + ABOVE
    while count > 16:
        n_above = (count + 15) >> 4
        for group in range(n_above):
            children = level + (group << 4) * width
            values[above + group * width] = largest_node(
                values, width, children, count - (group << 4)
            )
        level, count = above, n_above
        above += count * width
    return largest_node(values, width, level, count)


@bare_kernel
def first_best(values, width, first, n_leaves, keys, first_key, best):
    """The lowest key among the leaves that hold `best`, -1 if none does.

    keys: that of leaf 8 b + k at first_key + 2 width b + k; a leaf's place where it is empty.
    """
    lowest = np.int64(-1)
    count = n_groups(n_leaves)
    for block in range((count + 15) >> 4):
        if count > 16 and values[first + block * width + ABOVE] != best:
            continue
        for group in range(block << 4, min((block << 4) + 16, count)):
            if values[first + group * width + NODE] != best:
                continue
            for k in range(min(8, n_leaves - (group << 3))):
                if values[first + group * width + k] == best:
                    if not len(keys):
                        return np.int64((group << 3) + k)
                    key = np.int64(keys[first_key + 2 * group * width + k])
                    if lowest < 0 or key < lowest:
                        lowest = key
    return lowest
