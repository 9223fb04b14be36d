"""The loss of a Q network and its gradient in the values.

For a batch of B rows with taken item a, target y and a catalogue of N items:

    L = 1/B sum_b [  td            l(Q(a) - y)
                   + negative      1/(N - 1) sum_{j != a} l(Q(j))
                   + conservative  (log sum_j exp Q(j) - Q(a)) ]

with l(e) = e^2 / 2, or Huber's: e^2 / 2 within [-1, 1], |e| - 1/2 outside. The second term says
that every other item earned 0 at that step. The third is the conservative term of Kumar et al.
(2020), eq. 4; alone it is the cross-entropy of a softmax over the catalogue. Where k items drawn
evenly stand for all others, both sums over j != a run over the drawn ones, times N / k.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.models.q_network.contract import LossTerms

LOSSES = ("squared", "huber")


class ValueGradient(NamedTuple):
    """dL/dQ of a batch."""

    taken: NDArray  # (B,) at the taken items
    others: NDArray | None  # (B, k) at the others, 0 where one of them is the taken item

    def row_sums(self) -> NDArray:
        """(B,) over all items."""
        return self.taken if self.others is None else self.taken + self.others.sum(axis=1)


def slope(errors: NDArray, kind: str) -> NDArray:
    """dl/de: the error itself; Huber's is cut off at -1 and 1."""
    return np.clip(errors, -1.0, 1.0) if kind == "huber" else errors


def gradient_of_taken(errors: NDArray, terms: LossTerms) -> ValueGradient:
    """dL/dQ of the first term; errors (B,) are Q(a) - y."""
    return ValueGradient((terms.td_weight / len(errors)) * slope(errors, terms.kind), None)


def gradient_of_all(
    errors: NDArray,
    q_taken: NDArray,
    q_others: NDArray,
    is_taken: Any,
    n_items: int,
    terms: LossTerms,
) -> ValueGradient:
    """dL/dQ of all terms; `q_others` (B, k) is overwritten.

    is_taken: an index of the places of `q_others` where the row's taken item stands.
    """
    taken = gradient_of_taken(errors, terms).taken
    per_drawn = n_items / q_others.shape[1]
    others = np.zeros((), dtype=q_others.dtype)
    if terms.conservative_weight > 0:
        q_others[is_taken] = -np.inf
        scale = terms.conservative_weight / len(errors)
        of_taken, others = _softmax(q_taken, q_others, per_drawn)
        taken += scale * (of_taken - 1.0)
        others *= scale
    if terms.negative_weight > 0:
        q_others[is_taken] = 0.0
        scale = terms.negative_weight * per_drawn / (max(n_items - 1, 1) * len(errors))
        others = others + scale * slope(q_others, terms.kind)
    return ValueGradient(taken, others)


def _softmax(q_taken: NDArray, q_others: NDArray, per_drawn: float) -> tuple[NDArray, NDArray]:
    """Shares of exp Q: of the taken item (B,), of the others (B, k), each counted per_drawn times.

    The taken item's own place among the others holds -inf.
    """
    highest = np.maximum(q_others.max(axis=1), q_taken)
    of_taken = np.exp(q_taken - highest)
    others = np.exp(q_others - highest[:, None])
    total = of_taken + per_drawn * others.sum(axis=1)
    others *= (per_drawn / total)[:, None]
    return of_taken / total, others
