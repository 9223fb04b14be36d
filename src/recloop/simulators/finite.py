"""Worlds as tables, and their exact solution by dynamic programming.

    V_0(s) = 0,  V_t(s) = max_a  R(s, a) + discount sum_s' P(s' | s, a) V_{t-1}(s')

Over a horizon this is backward induction (Bellman 1957); without one it converges to the value of
the best stationary policy.
"""

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import FloatArray, IntArray

GONE = -1
"""The state after somebody left: nothing follows."""

MOST_SLATES = 200_000


class FiniteModel(NamedTuple):
    """S states, A actions, O outcomes of each."""

    slates: IntArray  # (A, k) what action a shows
    probabilities: FloatArray  # (S, A, O)
    following: IntArray  # (S, A, O) the state after an outcome, GONE where nothing follows
    rewards: FloatArray  # (S, A) expected
    start: FloatArray  # (S,) where sessions begin, sums to one


class Solution(NamedTuple):
    """A policy and what it is worth."""

    policy: IntArray  # (T, S), or (S,) when stationary: the number of the action
    values: FloatArray  # (S,) from the beginning


def all_slates(n_items: int, k: int) -> IntArray:
    """(A, k) every set of k of n items, in the order of their codes."""
    n_slates = comb(n_items, k)
    if n_slates > MOST_SLATES:
        raise InvalidParameter(
            f"all_slates: {k} of {n_items} items are {n_slates:,} slates, more than "
            f"{MOST_SLATES:,}. A world of this size has no exact solution."
        )
    return np.array(list(combinations(range(n_items), k)), dtype=np.int64)


def action_values(model: FiniteModel, values: FloatArray, discount: float) -> FloatArray:
    """(S, A) R + discount E[V(s')]."""
    after = np.append(values, 0.0)[model.following]  # GONE is the last one
    return model.rewards + discount * (model.probabilities * after).sum(axis=2)


def backward_induction(model: FiniteModel, horizon: int, discount: float = 1.0) -> Solution:
    """The best policy over `horizon` steps; it may depend on how many are left."""
    values = np.zeros(len(model.start))
    policy = np.zeros((horizon, len(values)), dtype=np.int64)
    for step in reversed(range(horizon)):
        found = action_values(model, values, discount)
        policy[step] = found.argmax(axis=1)
        values = found.max(axis=1)
    return Solution(policy, values)


def best_stationary(model: FiniteModel, discount: float, tolerance: float = 1e-10) -> Solution:
    """The best policy that does not look at the time, for discounted rewards without an end.

    Values are within `tolerance` of the exact ones, relative to the largest reward.
    """
    if not 0.0 <= discount < 1.0:
        raise InvalidParameter(
            f"best_stationary: discount must be at least 0 and below 1, got {discount}."
        )
    values = np.zeros(len(model.start))
    bound = tolerance * max(float(np.abs(model.rewards).max()), 1e-300) * (1.0 - discount)
    while True:
        found = action_values(model, values, discount)
        change = np.abs(found.max(axis=1) - values).max()
        values = found.max(axis=1)
        if change <= bound:
            return Solution(found.argmax(axis=1), values)


def value_of(
    model: FiniteModel, policy: IntArray, horizon: int, discount: float = 1.0
) -> FloatArray:
    """(S,) what a policy earns over `horizon` steps; policy (S,), or (T, S) by time."""
    rows = np.arange(len(model.start))
    values = np.zeros(len(rows))
    for step in reversed(range(horizon)):
        actions = policy if policy.ndim == 1 else policy[step]
        after = np.append(values, 0.0)[model.following[rows, actions]]
        expected = (model.probabilities[rows, actions] * after).sum(axis=1)
        values = model.rewards[rows, actions] + discount * expected
    return values


def value_of_random(model: FiniteModel, horizon: int) -> FloatArray:
    """(S,) what uniform actions earn over `horizon` steps."""
    values = np.zeros(len(model.start))
    for _ in range(horizon):
        values = action_values(model, values, 1.0).mean(axis=1)
    return values
