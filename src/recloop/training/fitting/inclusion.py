"""How much items must be liked for people who take nothing twice to take them as often as they did.

Who takes n items one after the other, each drawn by weight from those not taken yet, has item i
among them with probability near

    pi_i = 1 - exp(-l w_i),  sum_i pi_i = n        (successive sampling; Rosen 1972)

so that a few heavy takers carry much of what is rarely liked. An item's weights are its likings,
times a factor that is moved until the items' shares of what everybody takes are those of the log.
"""

import numpy as np

from recloop.types import FloatArray

MOST_PEOPLE = 1000
"""People by whom the factors are found; of more, evenly spread ones."""

N_ROUNDS, N_FIRST, N_LATER = 12, 30, 4
"""Moves of the factors, and Newton steps for l before the first and before each later one."""

LARGEST_SHARE = 0.95
"""Of the catalogue that somebody is taken to have at most: l would be infinite at 1."""


def item_factors_for(
    likings: FloatArray, n_taken: FloatArray, takers: FloatArray, floor: float, ceiling: float
) -> FloatArray:
    """(n_items,) what to multiply the likings (B, n_items) of each item by.

    n_taken (B,): items each person takes. takers (n_items,): how often each item was taken.
    floor, ceiling: between which weights lie.
    """
    n_items = likings.shape[1]
    wanted = takers / takers.sum() * n_taken.sum()
    n_taken = np.minimum(n_taken, LARGEST_SHARE * n_items)
    factors, log_l = np.ones(n_items), np.zeros(len(likings))
    total = np.clip(likings, 0.0, None).sum()
    for number in range(N_ROUNDS):
        weights = np.clip(likings * factors, floor, ceiling)
        for _ in range(N_LATER if number else N_FIRST):
            log_l += _newton_step(log_l, weights, n_taken)
        included = (1.0 - np.exp(-np.exp(log_l)[:, None] * weights)).sum(axis=0)
        factors *= np.clip(wanted / included, 0.5, 2.0)
        factors *= total / np.clip(likings * factors, 0.0, None).sum()
    return factors


def _newton_step(log_l: FloatArray, weights: FloatArray, n_taken: FloatArray) -> FloatArray:
    """Toward the l at which as many items are included as somebody takes."""
    rates = np.exp(log_l)[:, None] * weights
    missing = np.exp(-rates)
    slope = (rates * missing).sum(axis=1)
    return np.clip((n_taken - (1.0 - missing).sum(axis=1)) / np.maximum(slope, 1e-12), -1.0, 1.0)
