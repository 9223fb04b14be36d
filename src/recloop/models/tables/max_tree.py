"""The maximum of a row, kept while its numbers change: a tree in which every node has 8 children.

Eight float64 are one cache line. A number that rises costs one comparison a level; a maximum that
falls is found again among 8 numbers a level: 3 levels for 500 items, 5 for 10,000.

The leaves of a row lie at values[first:first + n_leaves]; n_leaves is rounded up to eights, then
its nodes follow, lowest level first. All of it fits into 10 numbers for every 8 leaves.
"""

import numpy as np

from recloop.utils.kernels import bare_kernel


@bare_kernel
def n_groups(count):
    """How many parents `count` numbers have."""
    return (count + 7) >> 3


@bare_kernel
def larger(one, other):
    """The larger of two numbers."""
    return one if one > other else other


@bare_kernel
def largest(values, first, count):
    """The largest of the next 8 numbers from `first`, or of the next `count` if those are fewer."""
    if count >= 8:
        left = larger(
            larger(values[first], values[first + 1]), larger(values[first + 2], values[first + 3])
        )
        right = larger(
            larger(values[first + 4], values[first + 5]),
            larger(values[first + 6], values[first + 7]),
        )
        return larger(left, right)
    highest = values[first]
    for place in range(first + 1, first + count):
        highest = larger(highest, values[place])
    return highest


@bare_kernel
def put(values, first, n_leaves, leaf, new, best):
    """Write `new` at a leaf and mend the nodes above it; the maximum of the row, `best` before.

    Stops at the first node that stays as it was: most writes touch one.
    """
    level, count, place = first, n_leaves, leaf
    above = first + (n_groups(n_leaves) << 3)
    old = values[level + place]
    values[level + place] = new
    while True:
        group = place >> 3
        before = values[above + group]
        if new < before:
            if old < before:
                return best
            new = largest(values, level + (group << 3), count - (group << 3))
        if new == before:
            return best
        values[above + group] = new
        old = before
        level, place = above, group
        count = n_groups(count)
        above += count
        if count == 1:
            return new


@bare_kernel
def build(values, first, n_leaves):
    """Make all nodes over leaves that were written directly; the maximum of the row."""
    level, count = first, n_leaves
    above = first + (n_groups(n_leaves) << 3)
    while True:
        for group in range(n_groups(count)):
            values[above + group] = largest(values, level + (group << 3), count - (group << 3))
        level, count = above, n_groups(count)
        above += count
        if count == 1:
            return values[level]


@bare_kernel
def first_best(values, first, n_leaves, keys, first_key, best):
    """The lowest key among the leaves that hold `best`, -1 if none does.

    keys: those of the leaves from first_key on; when it is empty a leaf's place is its key.
    """
    lowest = np.int64(-1)
    above = first + (n_groups(n_leaves) << 3)
    for group in range(n_groups(n_leaves)):
        if values[above + group] != best:
            continue
        for leaf in range(group << 3, min((group << 3) + 8, n_leaves)):
            if values[first + leaf] == best:
                if not len(keys):
                    return np.int64(leaf)
                key = np.int64(keys[first_key + leaf])
                if lowest < 0 or key < lowest:
                    lowest = key
    return lowest
