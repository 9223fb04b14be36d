"""What the service remembers of each person: recent likes, and what they were shown when."""

from collections.abc import Iterable

import numpy as np

from recloop.types import IntArray

LAST = 1 << 62


class People:
    """By the log's codes of users; a fold of the log like everything that is learned.

    history_length: how many liked items are kept. keeps_shown: whether what was shown is.
    """

    def __init__(self, history_length: int, *, keeps_shown: bool) -> None:
        self.history_length = history_length
        self.keeps_shown = keeps_shown
        self.likes: dict[int, list[tuple[int, int]]] = {}  # (item, seq), newest first
        self.shown: dict[int, dict[int, float]] = {}  # item -> when last

    def history(self, user: int, before: int = LAST) -> IntArray:
        """(history_length,) what was liked before a record of the log, newest first, -1 padded."""
        row = np.full(self.history_length, -1, dtype=np.int64)
        likes = [item for item, seq in self.likes.get(user, ()) if seq < before]
        row[: len(likes)] = likes
        return row

    def like(self, user: int, item: int, seq: int) -> None:
        """Put an item in front that record `seq` says is liked."""
        if self.history_length:
            self.likes[user] = [(item, seq), *self.likes.get(user, [])][: self.history_length]

    def show(self, user: int, items: Iterable[int], when: float) -> None:
        """Remember what was shown."""
        if self.keeps_shown:
            self.shown[user] = self.shown.get(user, {}) | dict.fromkeys(items, when)

    def seen(self, user: int, since: float) -> list[int]:
        """What the person was shown at `since` or later, in the order of codes."""
        return sorted(item for item, when in self.shown.get(user, {}).items() if when >= since)

    def forget(self, user: int) -> None:
        """Forget a person whole."""
        self.likes.pop(user, None)
        self.shown.pop(user, None)

    # How it is kept

    def frozen(self) -> "People":
        """The same memory, which stays as it is: what a person has is replaced, never changed."""
        twin = People(self.history_length, keeps_shown=self.keeps_shown)
        twin.likes, twin.shown = dict(self.likes), dict(self.shown)
        return twin

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays, sorted: same memory, same bytes."""
        likes = [(u, i, seq) for u in sorted(self.likes) for i, seq in self.likes[u]]
        shown = [(u, i) for u in sorted(self.shown) for i in sorted(self.shown[u])]
        return {
            "likes": np.array(likes, dtype=np.int64).reshape(-1, 3),
            "shown": np.array(shown, dtype=np.int64).reshape(-1, 2),
            "shown_when": np.array([self.shown[u][i] for u, i in shown], dtype=np.float64),
        }

    def take(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `arrays` gave."""
        self.likes, self.shown = {}, {}
        for user, item, seq in arrays["likes"].tolist():
            self.likes.setdefault(user, []).append((item, seq))
        whens = arrays["shown_when"].tolist()
        for (user, item), when in zip(arrays["shown"].tolist(), whens, strict=True):
            self.shown.setdefault(user, {})[item] = when
