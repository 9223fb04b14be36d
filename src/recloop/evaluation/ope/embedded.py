"""Estimators for many items: weights of what items have in common rather than of each item.

MIPS weighs by an embedding e of the item: sum_a pi(a) p(e | a) / sum_a b(a) p(e | a). Unbiased
where the reward depends on the item through e alone (Saito and Joachims 2022). OffCEM adds a model
of what is left within a cluster (Saito et al. 2023).
"""

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidData
from recloop.evaluation.ope import checking
from recloop.evaluation.ope.estimate import Bias, Estimate
from recloop.evaluation.ope.rounds import Rounds
from recloop.evaluation.ope.single import Modelled, modelled
from recloop.types import FloatArray, IntArray

ASSUMES = "the item changes the reward through its embedding alone"


def joint_codes(features: ArrayLike) -> IntArray:
    """(A,) one code for each different row of categorical features (A, D).

    The joint of all dimensions: a product of one ratio a dimension is another estimator, and wrong
    where the dimensions go together.
    """
    table = np.asarray(features)
    return np.unique(table, axis=0, return_inverse=True)[1].reshape(len(table)).astype(np.int64)


def embedding_weights(
    rounds: Rounds,
    chances: FloatArray,
    embeddings: IntArray | None = None,
) -> FloatArray:
    """(n,) weights by embedding; `chances` (A, E) is p(e | a), `embeddings` (n,) what was drawn."""
    target, logging = rounds.full_target("mips"), rounds.full_logging("mips")
    chances = checking.distributions("chances", chances, (rounds.n_items, None))
    drawn = (
        chances.argmax(axis=1)[rounds.actions]
        if embeddings is None
        else checking.codes("embeddings", embeddings, (len(rounds),), chances.shape[1])
    )
    shown = chances[rounds.actions, drawn]
    checking.refuse("p(e | a) of what was shown", shown <= 0, shown, "above 0")
    of_items = np.ascontiguousarray(chances.T)[drawn]  # (n, A) p(e | a) of the e that was drawn
    above, below = (np.einsum("na,na->n", policy, of_items) for policy in (target, logging))
    return above / below


def mips(
    rounds: Rounds,
    clusters: ArrayLike | None = None,
    *,
    chances: FloatArray | None = None,
    embeddings: IntArray | None = None,
) -> Estimate:
    """Marginalised IPS.

    Each item has a cluster (A,), or draws an embedding with the probabilities `chances` (A, E).
    """
    w = embedding_weights(rounds, _chances(rounds, clusters, chances), embeddings)
    return Estimate("mips", w * rounds.rewards, weights=w, bias=_bias(rounds, w), assumes=ASSUMES)


def offcem(rounds: Rounds, q: FloatArray | Modelled, clusters: ArrayLike) -> Estimate:
    """E_pi q + w(cluster) (r - q): unbiased where q is right about differences within a cluster."""
    w = embedding_weights(rounds, _chances(rounds, clusters, None))
    model = modelled(rounds, q, "offcem")
    return Estimate(
        "offcem",
        model.expected + w * (rounds.rewards - model.taken),
        weights=w,
        bias=_bias(rounds, w),
        assumes="q is right about the differences between items of a cluster",
    )


def _bias(rounds: Rounds, w: FloatArray) -> Bias:
    """Unknown where items share an embedding: what it leaves out of them may matter."""
    return "none" if np.allclose(w, rounds.weights, rtol=1e-9, atol=0) else "unknown"


def _chances(rounds: Rounds, clusters: ArrayLike | None, chances: FloatArray | None) -> FloatArray:
    if chances is not None:
        return chances
    if clusters is None:
        raise InvalidData("mips: needs clusters, a group of every item, or chances, got neither.")
    codes = checking.codes("clusters", clusters, (rounds.n_items,), None)
    table = np.zeros((len(codes), int(codes.max()) + 1))
    table[np.arange(len(codes)), codes] = 1.0
    return table
