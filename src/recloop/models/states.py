"""What a value depends on: the rows of a table that a person's situation stands for.

    user          the person                                              one row
    last_item     the last item                                           one row
    recent_items  the last n items, newest first, weights decay^0, decay^1, ... that sum to one
    segment       the group that the person was put in                    one row
    observation   what is seen of the person now, number by number binned one row

Items that are not there have weight 0; somebody without any history has the row after the last
item's.
"""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from recloop.types import FloatArray, IntArray

STATES = ("user", "last_item", "recent_items", "segment", "observation")

MOST_OBSERVATIONS = 1 << 24
"""Rows of a table that observations may stand for."""


class StateRows(NamedTuple):
    """For a batch of people: rows of the table and their weights, which sum to one."""

    rows: IntArray  # (B, N)
    weights: FloatArray  # (B, N)


def n_state_rows(
    state: str, n_users: int, n_items: int, n_segments: int, bins: Sequence[int] = ()
) -> int:
    """How many rows a table needs for a kind of state."""
    rows = {"user": n_users, "segment": n_segments, "observation": prod(bins)}
    return rows.get(state, n_items + 1)


def history_needed(state: str, n_recent: int) -> int:
    """How many recent items a kind of state looks at."""
    return {"last_item": 1, "recent_items": n_recent}.get(state, 0)


def binned_rows(observations: FloatArray, bins: Sequence[int]) -> IntArray:
    """(B,) the row of each observation (B, D): numbers in [0, 1], cut into bins[d] equal parts.

    1 belongs to the last part. Numbers outside [0, 1] fall into the nearest one.
    """
    parts = np.asarray(bins)
    places = np.clip((observations * parts).astype(np.int64), 0, parts - 1)
    return places @ np.append(np.cumprod(parts[:0:-1])[::-1], 1)


def single_rows(rows: IntArray) -> StateRows:
    """States that are one row each."""
    return StateRows(rows[:, None], np.ones((len(rows), 1)))


def recent_rows(histories: IntArray, n_recent: int, decay: float, n_items: int) -> StateRows:
    """States of the last `n_recent` items of `histories` (B, H), newest first, -1 padded."""
    rows = np.full((len(histories), n_recent), -1, dtype=np.int64)
    n_known = min(n_recent, histories.shape[1])
    rows[:, :n_known] = histories[:, :n_known]
    weights = np.where(rows >= 0, decay ** np.arange(n_recent), 0.0)
    nobody = rows.max(axis=1) < 0
    rows[nobody, 0] = n_items
    weights[nobody, 0] = 1.0
    return StateRows(rows, weights / weights.sum(axis=1, keepdims=True))
