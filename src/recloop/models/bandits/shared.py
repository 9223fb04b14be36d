"""A regression for each item around what all items share: the equations of the hybrid bandits.

    E[r] = z . beta + x . theta_a = x . w_a,    z = x (x) f_a,    w_a = M f_a + theta_a

f_a (g,)            features of the item, the first is 1
beta (k,), M (d, g) what all items share, beta is M row by row, k = d g
A_a, b_a            lambda I + sum w x x^T and sum w r x of the item's own rows
A_0 (k, k), b_0     evidence for beta, M = A_0^-1 b_0; both priors are N(0, I / lambda)

The paper keeps B_a = sum w x z^T beside them. It is (A_a - lambda I) (x) f_a^T, so that with
v = A_a^-1 x, exactly,

    A_0 = lambda I + lambda sum_a (I - lambda A_a^-1) (x) f_a f_a^T
    b_0 = lambda sum_a A_a^-1 b_a (x) f_a
    x . w_a has the mean  v . (b_a + lambda M f_a)
    and the variance      x . v + lambda^2 (v (x) f_a)^T A_0^-1 (v (x) f_a)

A row of weight w takes c v v^T from A_a^-1, c = w / (1 + w x . v), and so adds one outer product to
A_0: lambda^2 c (v (x) f_a)(v (x) f_a)^T. A_0 only grows, and never beyond
lambda (1 + sum |f_a|^2): its inverse stays accurate however many rows come. All of it is in packed
storage (`packed.py`) and is built anew from the sums A_a and b_a every
`ROWS_BEFORE_REBUILD` rows.

Li, Chu, Langford and Schapire (2010), algorithm 2.
"""

from typing import NamedTuple

import numpy as np

from recloop.models import packed
from recloop.types import FloatArray, IntArray
from recloop.utils.kernels import kernel

ROWS_BEFORE_REBUILD = packed.RANK_UPDATES_BEFORE_REFRESH


class Hybrid(NamedTuple):
    """What is known of n items over contexts of width d; functions here write into these arrays."""

    item_table: FloatArray  # (n, g) f
    evidence: FloatArray  # (n, P) A
    inverse: FloatArray  # (n, P)
    reward_sums: FloatArray  # (n, d) b
    weights: FloatArray  # (n, d) A^-1 b
    shared_evidence: FloatArray  # (1, K) A_0
    shared_inverse: FloatArray  # (1, K)
    shared_sums: FloatArray  # (k,) b_0


def unknown(item_table: FloatArray, width: int, regularization: float) -> Hybrid:
    """Nothing learned of items with features `item_table` (n, g), contexts of `width`."""
    n, k = len(item_table), width * item_table.shape[1]
    return Hybrid(
        item_table,
        packed.identities(n, width, regularization),
        packed.identities(n, width, 1.0 / regularization),
        np.zeros((n, width)),
        np.zeros((n, width)),
        packed.identities(1, k, regularization),
        packed.identities(1, k, 1.0 / regularization),
        np.zeros(k),
    )


def with_more(known: Hybrid, item_table: FloatArray, regularization: float) -> Hybrid:
    """`known` and after its items new ones; what all share stays bit by bit."""
    new = unknown(item_table, known.weights.shape[1], regularization)
    return known._replace(
        item_table=np.concatenate([known.item_table, new.item_table]),
        evidence=packed.joined(known.evidence, new.evidence),
        inverse=packed.joined(known.inverse, new.inverse),
        reward_sums=np.concatenate([known.reward_sums, new.reward_sums]),
        weights=np.concatenate([known.weights, new.weights]),
    )


# What they predict


def shared_weights(known: Hybrid) -> FloatArray:
    """M (d, g)."""
    beta = packed.solutions(known.shared_inverse, known.shared_sums[None])
    return beta.reshape(known.weights.shape[1], -1)


def item_weights(known: Hybrid, regularization: float) -> FloatArray:
    """(n, d) the means of w_a."""
    of_features = packed.all_products(known.item_table, shared_weights(known))
    return packed.solutions(known.inverse, known.reward_sums + regularization * of_features)


def predicted(known: Hybrid, contexts: FloatArray, regularization: float) -> FloatArray:
    """(B, n) the means of x . w_a."""
    return packed.all_products(contexts, item_weights(known, regularization))


def deviations(known: Hybrid, contexts: FloatArray, regularization: float) -> FloatArray:
    """(B, n) sqrt of the variance of x . w_a."""
    found = np.empty((len(contexts), len(known.item_table)))
    through = regularization**2 * _seen_through_features(known)
    _variances(known.inverse, through, np.ascontiguousarray(contexts), found)
    return np.sqrt(np.maximum(found, 0.0, out=found), out=found)


def _seen_through_features(known: Hybrid) -> FloatArray:
    """(n, P) the form v -> (v (x) f_a)^T A_0^-1 (v (x) f_a) of every item, packed."""
    d, g = known.weights.shape[1], known.item_table.shape[1]
    full = packed.unpacked(known.shared_inverse, d * g)[0].reshape(d, g, d, g)
    rows, columns = np.triu_indices(d)
    blocks = full[rows, :, columns, :]  # (P, g, g)
    table = packed.packed(0.5 * (blocks + np.swapaxes(blocks, 1, 2)))
    return packed.all_products(packed.products_with_itself(known.item_table), table)


@kernel
def _variances(inverse, through, contexts, found):
    width = contexts.shape[1]
    v = np.empty(width)
    for row in range(len(contexts)):
        x = contexts[row]
        for item in range(len(inverse)):
            packed.times_vector(inverse[item], x, v)
            total, place = 0.0, 0
            for i in range(width):
                part = 0.5 * through[item, place] * v[i]
                place += 1
                for j in range(i + 1, width):
                    part += through[item, place] * v[j]
                    place += 1
                total += v[i] * (x[i] + 2.0 * part)
            found[row, item] = total


# What they believe


class Draws(NamedTuple):
    """M draws of everything at once from the posterior of (beta, all theta_a), deviations as 1."""

    tilts: FloatArray  # (M, n, d) lambda (M' - M) f_a, what a draw of M' adds to b_a
    noise: FloatArray  # (M, n) the item's own draw, of deviation 1


def drawn(
    known: Hybrid, shared_draws: FloatArray, own_draws: FloatArray, regularization: float
) -> Draws:
    """Draws from standard normal draws: of what is shared (k, M), of each item (n, M).

    A_0 = L L^T, and L^-T times the draws has the covariance A_0^-1.
    """
    d, k = known.weights.shape[1], len(known.shared_sums)
    lower = np.linalg.cholesky(packed.unpacked(known.shared_evidence, k)[0])
    moved = np.linalg.solve(lower.T, shared_draws)  # (k, M)
    n_members = moved.shape[1]
    rows = np.ascontiguousarray(moved.T).reshape(n_members * d, -1)
    tilts = regularization * packed.all_products(rows, known.item_table)  # (M d, n)
    by_member = tilts.reshape(n_members, d, -1)
    return Draws(
        np.ascontiguousarray(np.swapaxes(by_member, 1, 2)), np.ascontiguousarray(own_draws.T)
    )


def believed(
    known: Hybrid, contexts: FloatArray, means: FloatArray, draws: Draws, scale: float
) -> FloatArray:
    """(M, B, n) x . w_a as each member draws it around `means` (B, n), deviations times `scale`.

    Given beta the items are independent and w_a has the covariance A_a^-1, so that one draw of an
    item gives x . w_a its deviation sqrt(x . v).
    """
    found = np.empty((len(draws.noise), *means.shape))
    contexts = np.ascontiguousarray(contexts)
    _believed(known.inverse, contexts, means, draws.tilts, draws.noise, scale, found)
    return found


@kernel
def _believed(inverse, contexts, means, tilts, noise, scale, found):
    width = contexts.shape[1]
    v = np.empty(width)
    for row in range(len(contexts)):
        x = contexts[row]
        for item in range(len(inverse)):
            packed.times_vector(inverse[item], x, v)
            own = 0.0
            for i in range(width):
                own += x[i] * v[i]
            own = np.sqrt(max(own, 0.0))
            for member in range(len(tilts)):
                moved = noise[member, item] * own
                for i in range(width):
                    moved += v[i] * tilts[member, item, i]
                found[member, row, item] = means[row, item] + scale * moved


# How they learn


def learn(
    known: Hybrid,
    items: IntArray,
    contexts: FloatArray,
    rewards: FloatArray,
    weights: FloatArray,
    regularization: float,
) -> None:
    """Add rows: item (B,), x (B, d), r (B,), w (B,)."""
    _learn(*known, items, np.ascontiguousarray(contexts), rewards, weights, regularization)


def correct(
    known: Hybrid,
    items: IntArray,
    contexts: FloatArray,
    missing: FloatArray,
    regularization: float,
) -> None:
    """Mend rewards learned before: b_a += missing x for item (B,), x (B, d), missing (B,)."""
    _correct(
        known.item_table,
        known.inverse,
        known.reward_sums,
        known.weights,
        known.shared_sums,
        items,
        np.ascontiguousarray(contexts),
        missing,
        regularization,
    )


@kernel
def _learn(
    item_table,
    evidence,
    inverse,
    reward_sums,
    own_weights,
    shared_evidence,
    shared_inverse,
    shared_sums,
    items,
    contexts,
    rewards,
    weights,
    regularization,
):
    width, n_features = contexts.shape[1], item_table.shape[1]
    v, crossed = np.empty(width), np.empty(width * n_features)
    shared_work = np.empty(width * n_features)
    for row in range(len(items)):
        item, x, weight = items[row], contexts[row], weights[row]
        f = item_table[item]
        packed.add_row(evidence[item], inverse[item], x, weight, v)
        total = 0.0
        for i in range(width):
            total += x[i] * v[i]
            for h in range(n_features):
                crossed[i * n_features + h] = v[i] * f[h]
        grown = regularization * regularization * weight / (1.0 + weight * total)
        packed.add_row(shared_evidence[0], shared_inverse[0], crossed, grown, shared_work)
        _earn(
            inverse[item],
            reward_sums[item],
            own_weights[item],
            shared_sums,
            x,
            f,
            weight * rewards[row],
            regularization,
        )


@kernel
def _correct(
    item_table,
    inverse,
    reward_sums,
    own_weights,
    shared_sums,
    items,
    contexts,
    missing,
    regularization,
):
    for row in range(len(items)):
        item = items[row]
        _earn(
            inverse[item],
            reward_sums[item],
            own_weights[item],
            shared_sums,
            contexts[row],
            item_table[item],
            missing[row],
            regularization,
        )


@kernel
def _earn(inverse, reward_sums, own_weights, shared_sums, x, f, earned, regularization):
    """b_a += earned x, and what follows from the new A_a^-1 and b_a for A_a^-1 b_a and b_0."""
    before = own_weights.copy()
    for i in range(len(x)):
        reward_sums[i] += earned * x[i]
    packed.times_vector(inverse, reward_sums, own_weights)
    for i in range(len(x)):
        moved = regularization * (own_weights[i] - before[i])
        for h in range(len(f)):
            shared_sums[i * len(f) + h] += moved * f[h]


def rebuild(known: Hybrid, regularization: float) -> None:
    """Make everything but A_a and b_a anew from them."""
    d, g = known.weights.shape[1], known.item_table.shape[1]
    known.inverse[:] = packed.inverses(known.evidence, d)
    known.weights[:] = packed.solutions(known.inverse, known.reward_sums)
    known.shared_sums[:] = regularization * (known.weights.T @ known.item_table).ravel()
    identity = packed.packed(np.eye(d))
    explained = identity - regularization * known.inverse  # (n, P)
    rows, columns = np.triu_indices(g)
    crossed = known.item_table[:, rows] * known.item_table[:, columns]  # (n, G)
    sums = packed.unpacked(packed.unpacked(explained.T @ crossed, g).transpose(1, 2, 0), d)
    full = sums.transpose(2, 0, 3, 1).reshape(d * g, d * g)
    known.shared_evidence[:] = packed.packed(regularization * (np.eye(d * g) + full))
    known.shared_inverse[:] = packed.inverses(known.shared_evidence, d * g)
