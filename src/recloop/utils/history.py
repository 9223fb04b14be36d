"""Each person's recent items, owned by whoever drives a model: loop, evaluator or service."""

import numpy as np

from recloop.types import IntArray, Interactions


class RecentItems:
    """The last `length` items of every user, newest first, -1 where there are fewer."""

    def __init__(self, n_users: int, length: int) -> None:
        self.items = np.full((n_users, length), -1, dtype=np.int64)

    def of(self, users: IntArray) -> IntArray:
        """The histories of `users`, a copy: (B, length), newest first, padded with -1."""
        return self.items[users]

    def push(self, users: IntArray, items: IntArray) -> None:
        """Put one item in front of each user's history; a user may occur once in a call."""
        if self.items.shape[1]:
            self.items[users, 1:] = self.items[users, :-1]
            self.items[users, 0] = items


def pushed(histories: IntArray, items: IntArray) -> IntArray:
    """`histories` (B, H) after `items` (B,) were put in front: a new array."""
    return (
        np.concatenate([items[:, None], histories[:, :-1]], axis=1)
        if histories.shape[1]
        else (histories.copy())
    )


def last_items(log: Interactions, history_length: int) -> IntArray:
    """(n_users, H) the most recent items of everyone at the end of `log`, newest first."""
    ends = log.offsets()[1:]
    starts = log.offsets()[:-1]
    source = ends[:, None] - np.arange(1, history_length + 1)
    known = source >= starts[:, None]
    if not len(log):
        return np.full((log.n_users, history_length), -1, dtype=np.int64)
    return np.where(known, log.items[np.where(known, source, 0)], -1)
