"""What is left for the next slot of a list where a category may stand in it only so often."""

from collections.abc import Sequence

import numpy as np

from recloop.types import BoolArray, IntArray


class Left:
    """What each of n lists may still hold, slot by slot.

    eligible (n, n_items): at first. categories (n_items,). limits (n,): the most of one category in
    a list, 0 for any number. Where nothing else is left, the limit gives way.
    """

    def __init__(self, eligible: BoolArray, categories: IntArray, limits: Sequence[int]) -> None:
        self._eligible = eligible.copy()  # all that is not in the list yet
        self._open = eligible.copy()
        self._categories = categories
        self._limits = limits
        self._counts = np.zeros((len(eligible), int(categories.max(initial=0)) + 1), dtype=np.int64)

    def now(self) -> BoolArray:
        """(n, n_items) what may stand in the next slot."""
        used_up = ~self._open.any(axis=1)
        self._open[used_up] = self._eligible[used_up]
        return self._open

    def take(self, items: IntArray) -> None:
        """Put items (n,) into the lists; -1 for none."""
        for row in np.flatnonzero(items >= 0).tolist():
            item = items[row]
            self._eligible[row, item] = self._open[row, item] = False
            category = self._categories[item]
            self._counts[row, category] += 1
            if self._limits[row] and self._counts[row, category] >= self._limits[row]:
                self._open[row, self._categories == category] = False
