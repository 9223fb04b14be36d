"""Rows of embedding tables: gathered into a network's inputs, and their gradients scattered back.

The mean of recent items gives the one at place p, newest first, the weight decay^p; the weights of
those that are known sum to one, and somebody without any has the mean zero.
"""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recloop.models.q_network.contract import States
from recloop.types import IntArray
from recloop.utils.kernels import kernel


def place_weights(n_recent: int, decay: float, dtype: DTypeLike) -> NDArray:
    """(H,) decay^p, before they are made to sum to one."""
    return (decay ** np.arange(n_recent)).astype(dtype)


def recent_weights(histories: IntArray, places: NDArray) -> NDArray:
    """(B, H) the weight of each recent item; 0 for -1. places: of `place_weights`."""
    weights = np.zeros(histories.shape, dtype=places.dtype)
    _recent_weights(weights, histories, places)
    return weights


def gather(
    states: States, recent: NDArray, user_rows: NDArray, item_rows: NDArray, size: int
) -> NDArray:
    """(B, 2 size + D) inputs: user row, mean of the recent items' rows, context.

    recent: `recent_weights` of the histories. The first `size` columns of `item_rows` count.
    """
    contexts = states.contexts
    n_context = 0 if contexts is None else contexts.shape[1]
    inputs = np.zeros((len(states.users), 2 * size + n_context), dtype=user_rows.dtype)
    _gather(inputs, states.users, states.histories, recent, user_rows, item_rows)
    if contexts is not None:
        inputs[:, 2 * size :] = contexts
    return inputs


class RowGradient:
    """The gradient of a table (n, d) of which a step touches few rows; the others stay zero."""

    def __init__(self, values: NDArray) -> None:
        """Over the memory of `values` (n, d), which must be zero."""
        self.values = values
        self._rows = np.zeros(len(values), dtype=np.int64)
        self._is_touched = np.zeros(len(values), dtype=np.bool_)
        self._n_touched = 0

    def touched(self) -> IntArray:
        """The rows that something was added to since the last clearing."""
        return self._rows[: self._n_touched]

    def add(self, rows: IntArray, values: NDArray, weights: NDArray) -> None:
        """Add weights[b, p] * values[b] to row rows[b, p] for every b, p.

        rows, weights (B, P), values (B, at most d): rows may repeat; those of -1 are left out.
        """
        self._n_touched = _add(
            self.values, self._rows, self._is_touched, self._n_touched, rows, values, weights
        )

    def add_everywhere(self, values: NDArray) -> None:
        """Add values (n, d), or one row (d,) of them, to all rows."""
        self.values += values
        self._rows[:] = np.arange(len(self._rows))
        self._is_touched[:] = True
        self._n_touched = len(self._rows)

    def cleared(self) -> "RowGradient":
        """This one, after what was touched is zero again."""
        rows = slice(None) if self._n_touched == len(self._rows) else self.touched()
        self.values[rows] = 0.0
        self._is_touched[rows] = False
        self._n_touched = 0
        return self


@kernel
def _recent_weights(weights, histories, places):
    for b in range(len(histories)):
        total = 0.0
        for place in range(len(places)):
            if histories[b, place] >= 0:
                total += places[place]
        if total == 0.0:  # nothing is known, or a decay of 0 leaves nothing of what is
            continue
        for place in range(len(places)):
            if histories[b, place] >= 0:
                weights[b, place] = places[place] / total


@kernel
def _gather(inputs, users, histories, weights, user_rows, item_rows):
    size = user_rows.shape[1]
    for b in range(len(users)):
        for column in range(size):
            inputs[b, column] = user_rows[users[b], column]
        for place in range(histories.shape[1]):
            item = histories[b, place]
            if item >= 0:
                for column in range(size):
                    inputs[b, size + column] += weights[b, place] * item_rows[item, column]


@kernel
def _add(table, touched, is_touched, n_touched, rows, values, weights):
    for b in range(len(rows)):
        for place in range(rows.shape[1]):
            row = rows[b, place]
            if row < 0:
                continue
            if not is_touched[row]:
                is_touched[row] = True
                touched[n_touched] = row
                n_touched += 1
            for column in range(values.shape[1]):
                table[row, column] += weights[b, place] * values[b, column]
    return n_touched
