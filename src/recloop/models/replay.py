"""Experience replay: the last steps that were seen, and uniform draws from them.

Mnih et al. (2015). A ring: when it is full, the oldest step gives its place to the newest.
"""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.types import Transitions

_COLUMNS = [f.name for f in fields(Transitions) if f.name != "feedback"]


class ReplayBuffer:
    """Keeps the last `capacity` steps. All steps must have the same columns.

    rng: draws the samples; its state is saved with the model. Memory is taken at the first push.
    """

    def __init__(self, capacity: int, rng: np.random.Generator) -> None:
        self.capacity = capacity
        self.rng = rng
        self.n_seen = 0
        self._columns: dict[str, NDArray] = {}

    def __len__(self) -> int:
        return min(self.n_seen, self.capacity)

    def push(self, steps: Transitions) -> None:
        """Put the rows in, in their order, over the oldest where there is no room."""
        if not self._columns:
            self._columns = {
                name: np.zeros((self.capacity, *value.shape[1:]), dtype=value.dtype)
                for name in _COLUMNS
                if (value := getattr(steps, name)) is not None
            }
        n_steps = len(steps)
        n_kept = min(n_steps, self.capacity)
        self.n_seen += n_steps
        start = (self.n_seen - n_kept) % self.capacity
        n_first = min(n_kept, self.capacity - start)  # the rest begins the ring anew
        for name, column in self._columns.items():
            rows = getattr(steps, name)[n_steps - n_kept :]
            column[start : start + n_first] = rows[:n_first]
            if n_first < n_kept:
                column[: n_kept - n_first] = rows[n_first:]

    def sample(self, n_rows: int) -> Transitions:
        """`n_rows` steps drawn evenly, with replacement; there must be one to draw."""
        rows = self.rng.integers(len(self), size=n_rows)
        return self._steps({name: a.take(rows, axis=0) for name, a in self._columns.items()})

    def everything(self) -> Transitions:
        """All rows that are kept, in the places where they lie; there must be one."""
        return self._steps({name: column[: len(self)] for name, column in self._columns.items()})

    @staticmethod
    def _steps(columns: dict[str, Any]) -> Transitions:
        return Transitions(**columns)

    def arrays(self) -> dict[str, NDArray]:
        """What a file keeps: the rows in their places, and n_seen; nothing before the first."""
        if self.n_seen == 0:
            return {}
        kept = {name: column[: len(self)] for name, column in self._columns.items()}
        return {**kept, "n_seen": np.array(self.n_seen)}

    def take(self, arrays: dict[str, NDArray]) -> None:
        """Continue from what `arrays` gave."""
        self.n_seen = int(arrays["n_seen"])
        self._columns = {}
        for name, rows in arrays.items():
            if name != "n_seen":
                self._columns[name] = np.zeros((self.capacity, *rows.shape[1:]), dtype=rows.dtype)
                self._columns[name][: len(rows)] = rows
