"""How much of their liking people keep for what they took before, from what they took.

    P(row t takes something again) = a m_t / (a m_t + 1 - m_t)

m_t is the share of a person's liking that lies on what they took before row t, and a what is left
of it: 0 in a log of ratings or purchases of things one has once, 1 where nobody remembers. One
unknown, a concave likelihood in log a: the a at which as many rows take something again as did.
"""

from collections.abc import Callable

import numpy as np

from recloop.training.fitting.log import ImpressionLog
from recloop.types import BoolArray, FloatArray, IntArray

LEAST_REPEATS = 20.0
"""Repeats that people without a memory would make below which nothing can be told."""

N_DEVIATIONS = 3.0
"""How far the repeats must lie below those, in standard deviations, for a memory to be assumed."""


def liking_left(log: ImpressionLog, chances_of: Callable[[int], FloatArray]) -> float:
    """a, in [0, 1]; 1 where the log cannot tell.

    chances_of: (n_items,) how much a person likes each item.
    """
    order = np.argsort(log.users, kind="stable")
    users, items = log.users[order], log.items[order]
    is_again = taken_before(users, items, log.n_items)
    mass = np.empty(len(users))
    starts = np.searchsorted(users, np.arange(log.n_users + 1))
    for user in np.flatnonzero(np.diff(starts)).tolist():
        rows = slice(starts[user], starts[user + 1])
        chances = chances_of(user)
        taken = np.where(is_again[rows], 0.0, chances[items[rows]] / chances.sum())
        mass[rows] = np.cumsum(taken) - taken
    expected, spread = mass.sum(), np.sqrt((mass * (1.0 - mass)).sum())
    if expected < LEAST_REPEATS or is_again.sum() > expected - N_DEVIATIONS * spread:
        return 1.0
    return _most_likely(mass, float(is_again.sum()))


def taken_before(users: IntArray, items: IntArray, n_items: int) -> BoolArray:
    """(n,) whether the row's person has an earlier row with the same item."""
    again = np.ones(len(users), dtype=np.bool_)
    again[np.unique(users * n_items + items, return_index=True)[1]] = False
    return again


def _most_likely(mass: FloatArray, n_repeats: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        expected = (middle * mass / (middle * mass + 1.0 - mass)).sum()
        low, high = (low, middle) if expected > n_repeats else (middle, high)
    return 0.0 if n_repeats == 0.0 else (low + high) / 2.0
