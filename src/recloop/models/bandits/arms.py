"""A ridge regression for each arm, in packed storage: the equations of the disjoint linear bandits.

    A = lambda I + sum w x x^T,    b = lambda m + sum w r x,    theta = A^-1 b

A (n, P), A^-1 (n, P) packed (`packed.py`), b and theta (n, d); m is the mean of the prior, 0 unless
item features give another one. Rows change the arms that were shown, one after another, so that a
batch is its rows bit by bit. Forgetting returns evidence to the prior:

    A <- g A + (1 - g) lambda I,    b <- g b + (1 - g) lambda m

Li, Chu, Langford and Schapire (2010), algorithm 1; Russac, Vernade and Cappe (2019), algorithm 1,
with the prior kept whole.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recloop.models import packed
from recloop.types import FloatArray, IntArray
from recloop.utils.kernels import kernel


class Arms(NamedTuple):
    """What is known of n arms over contexts of width d; functions here write into these arrays."""

    evidence: FloatArray  # (n, P)
    inverse: FloatArray  # (n, P)
    reward_sums: FloatArray  # (n, d)
    weights: FloatArray  # (n, d) theta
    n_updates: IntArray  # (n,) rank updates since the inverse was made afresh


def fresh_arms(prior_means: FloatArray, regularization: float) -> Arms:
    """Arms without evidence around `prior_means` (n, d)."""
    n, width = prior_means.shape
    return Arms(
        packed.identities(n, width, regularization),
        packed.identities(n, width, 1.0 / regularization),
        regularization * prior_means,
        prior_means.copy(),
        np.zeros(n, dtype=np.int64),
    )


def with_more(arms: Arms, others: Arms) -> Arms:
    """`arms` and after them `others`; what was there stays bit by bit."""
    return Arms(
        packed.joined(arms.evidence, others.evidence),
        packed.joined(arms.inverse, others.inverse),
        np.concatenate([arms.reward_sums, others.reward_sums]),
        np.concatenate([arms.weights, others.weights]),
        np.concatenate([arms.n_updates, others.n_updates]),
    )


def predicted(arms: Arms, contexts: FloatArray) -> FloatArray:
    """(B, n) x . theta."""
    return packed.all_products(contexts, arms.weights)


def deviations(arms: Arms, contexts: FloatArray) -> FloatArray:
    """(B, n) sqrt(x^T A^-1 x)."""
    found = packed.quadratic_forms(arms.inverse, contexts)
    np.maximum(found, 0.0, out=found)
    return np.sqrt(found, out=found)


def upper_ends(arms: Arms, contexts: FloatArray, alpha: float) -> FloatArray:
    """(B, n) x . theta + alpha sqrt(x^T A^-1 x)."""
    found = np.empty((len(contexts), len(arms.weights)))
    for start in range(0, len(contexts), packed.ROWS_AT_ONCE):  # while they are in the cache
        rows = contexts[start : start + packed.ROWS_AT_ONCE]
        squares = packed.quadratic_forms(arms.inverse, rows)
        _add_widths(predicted(arms, rows), squares, alpha, found[start : start + len(rows)])
    return found


@kernel
def _add_widths(predictions, squares, alpha, found):
    for row in range(len(found)):
        for arm in range(found.shape[1]):
            width = np.sqrt(max(squares[row, arm], 0.0))
            found[row, arm] = predictions[row, arm] + alpha * width


def learn(
    arms: Arms,
    items: IntArray,
    contexts: FloatArray,
    rewards: FloatArray,
    weights: FloatArray,
    *,
    mend: Callable[[IntArray, int], None] | None = None,
) -> None:
    """Add rows: arm (B,), x (B, d), r (B,), w (B,); a negative w takes a row out again.

    mend: is told which arms are to be made afresh after how many of the rows, and puts into A and b
    what belongs there: what was added and taken out again left its rounding.
    """
    contexts = np.ascontiguousarray(contexts)
    start = 0
    while start < len(items):
        start = _learn(*arms, items, contexts, rewards, weights, start)
        late = packed.due(arms.n_updates)
        if mend is not None and len(late):
            mend(late, start)
        refresh(arms, late)


def learn_sums(
    arms: Arms,
    which: IntArray,
    n_rows: IntArray,
    added: FloatArray,
    earned: FloatArray,
    keep: float,
    regularization: float,
) -> None:
    """Add rows that were summed before, the prior's mean being 0; A^-1 and theta are made afresh.

    which (m,) arms, n_rows (m,) of each; added (m, P) or (P,) for all alike: sum w x x^T; earned
    (m, d): sum w r x; keep: what each row leaves of older evidence, the rest is the prior again.
    """
    share = np.power(keep, n_rows)[:, None]
    prior = packed.identities(1, arms.weights.shape[1], regularization)
    arms.evidence[which] = share * arms.evidence[which] + (1.0 - share) * prior + added
    arms.reward_sums[which] = share * arms.reward_sums[which] + earned
    counted = arms.n_updates[which] + n_rows  # as if they had come one by one
    refresh(arms, which)
    arms.n_updates[which] = counted % packed.RANK_UPDATES_BEFORE_REFRESH


def correct(arms: Arms, items: IntArray, contexts: FloatArray, missing: FloatArray) -> None:
    """Mend rewards learned before: b += missing x for arm (B,), x (B, d), missing (B,) reward."""
    _correct(
        arms.inverse, arms.reward_sums, arms.weights, items, np.ascontiguousarray(contexts), missing
    )


def fade(arms: Arms, which: IntArray, kept: float, prior: Arms) -> None:
    """Keep the share `kept` of what is known of the arms `which`; the rest is the `prior` again."""
    arms.evidence[which] = kept * arms.evidence[which] + (1.0 - kept) * prior.evidence[which]
    sums = kept * arms.reward_sums[which] + (1.0 - kept) * prior.reward_sums[which]
    arms.reward_sums[which] = sums
    refresh(arms, which)


def refresh(arms: Arms, which: IntArray) -> None:
    """Make A^-1 and theta of the arms `which` afresh from A and b."""
    if len(which) == 0:
        return
    arms.inverse[which] = packed.inverses(arms.evidence[which], arms.weights.shape[1])
    arms.weights[which] = packed.solutions(arms.inverse[which], arms.reward_sums[which])
    arms.n_updates[which] = 0


@kernel
def _learn(
    evidence,
    inverse,
    reward_sums,
    theta,
    n_updates,
    items,
    contexts,
    rewards,
    weights,
    start,
):
    """Rows from `start` on until an inverse is due to be made afresh; where to go on."""
    work = np.empty(contexts.shape[1])
    for row in range(start, len(items)):
        arm, x, weight = items[row], contexts[row], weights[row]
        is_inverse = packed.add_row(evidence[arm], inverse[arm], x, weight, work)
        for i in range(len(x)):
            reward_sums[arm, i] += weight * rewards[row] * x[i]
        packed.times_vector(inverse[arm], reward_sums[arm], theta[arm])
        n_updates[arm] += 1 if is_inverse else packed.RANK_UPDATES_BEFORE_REFRESH
        if n_updates[arm] >= packed.RANK_UPDATES_BEFORE_REFRESH:
            return row + 1
    return len(items)


@kernel
def _correct(inverse, reward_sums, theta, items, contexts, missing):
    for row in range(len(items)):
        arm = items[row]
        for i in range(contexts.shape[1]):
            reward_sums[arm, i] += missing[row] * contexts[row, i]
        packed.times_vector(inverse[arm], reward_sums[arm], theta[arm])
