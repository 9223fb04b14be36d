"""What the service remembers of each person: recent likes, and what they were shown when."""

from collections.abc import Iterable

import numpy as np

from recloop.types import IntArray


class People:
    """By the log's codes of users; a fold of the log like everything that is learned.

    history_length: how many liked items are kept. keeps_shown: whether what was shown is.
    """

    def __init__(self, history_length: int, *, keeps_shown: bool) -> None:
        self.history_length = history_length
        self.keeps_shown = keeps_shown
        self.likes: dict[int, list[int]] = {}  # newest first
        self.shown: dict[int, dict[int, float]] = {}  # item -> when last

    def history(self, user: int) -> IntArray:
        """(history_length,) newest first, -1 padded."""
        row = np.full(self.history_length, -1, dtype=np.int64)
        likes = self.likes.get(user)
        if likes:
            row[: len(likes)] = likes
        return row

    def like(self, user: int, item: int) -> None:
        """Put a liked item in front."""
        if self.history_length:
            self.likes[user] = [item, *self.likes.get(user, [])][: self.history_length]

    def show(self, user: int, items: Iterable[int], when: float) -> None:
        """Remember what was shown."""
        if self.keeps_shown:
            self.shown.setdefault(user, {}).update(dict.fromkeys(items, when))

    def seen(self, user: int, since: float) -> list[int]:
        """What the person was shown at `since` or later, in the order of codes."""
        return sorted(item for item, when in self.shown.get(user, {}).items() if when >= since)

    def forget(self, user: int) -> None:
        """Forget a person whole."""
        self.likes.pop(user, None)
        self.shown.pop(user, None)

    # How it is kept

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays, sorted: same memory, same bytes."""
        likes = [(u, i) for u in sorted(self.likes) for i in self.likes[u]]
        shown = [(u, i) for u in sorted(self.shown) for i in sorted(self.shown[u])]
        return {
            "likes": np.array(likes, dtype=np.int64).reshape(-1, 2),
            "shown": np.array(shown, dtype=np.int64).reshape(-1, 2),
            "shown_when": np.array([self.shown[u][i] for u, i in shown], dtype=np.float64),
        }

    def take(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `arrays` gave."""
        self.likes, self.shown = {}, {}
        for user, item in arrays["likes"].tolist():
            self.likes.setdefault(user, []).append(item)
        whens = arrays["shown_when"].tolist()
        for (user, item), when in zip(arrays["shown"].tolist(), whens, strict=True):
            self.shown.setdefault(user, {})[item] = when
