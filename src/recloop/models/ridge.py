"""Ridge regression that grows row by row: the equations of a linear bandit.

A (d, d)   evidence: lambda I + sum_t x_t x_t^T, symmetric and positive definite
b (d,)     sum_t r_t x_t
theta      A^-1 b, the predicted reward of features x is x . theta
rho        share of old evidence that each update forgets; keep = 1 - rho

    A <- keep A + rho lambda I + x x^T,    b <- keep b + r x

so that without new evidence A returns to its prior lambda I. Everything takes a stack: A (n, d, d)
of n arms. Li, Chu, Langford and Schapire (2010), "A contextual-bandit approach to personalized news
article recommendation", algorithm 1; forgetting: Russac, Vernade and Cappe (2019), "Weighted linear
bandits for non-stationary environments", algorithm 1 with the prior kept whole.
"""

import numpy as np
from numpy.typing import NDArray

from recloop.types import FloatArray, IntArray


def prior_evidence(n_arms: int, width: int, regularization: float) -> FloatArray:
    """A (n_arms, width, width) before any evidence: lambda I."""
    return np.tile(regularization * np.eye(width), (n_arms, 1, 1))


def kept_evidence(evidence: FloatArray, kept: FloatArray, regularization: float) -> FloatArray:
    """A after forgetting, `kept` (n,) of it is left: kept A + (1 - kept) lambda I."""
    share = kept[:, None, None]
    return share * evidence + (1.0 - share) * regularization * np.eye(evidence.shape[-1])


def later_rows(arms: IntArray) -> IntArray:
    """(B,) how many later rows are of the same arm: what each row will have been forgotten by."""
    backwards = arms[::-1]
    order = np.argsort(backwards, kind="stable")
    grouped = backwards[order]
    place = np.arange(len(arms)) - np.searchsorted(grouped, grouped)
    later = np.empty(len(arms), dtype=np.int64)
    later[order] = place
    return later[::-1]


def fresh_inverse(evidence: FloatArray) -> FloatArray:
    """A^-1 (n, d, d), from A itself and exactly symmetric."""
    return _symmetric(np.linalg.inv(evidence))


def inverse_with_rows(inverse: FloatArray, rows: FloatArray) -> FloatArray:
    """(A + X^T X)^-1 from A^-1 (n, d, d) and X (m, d), in O(m d^2): Sherman-Morrison-Woodbury.

    A^-1 - U^T (I + U X^T)^-1 U with U = X A^-1; exactly symmetric.
    """
    product = rows @ inverse
    inner = np.eye(len(rows)) + product @ rows.T
    return _symmetric(inverse - _transposed(product) @ np.linalg.solve(inner, product))


def solutions(inverse: FloatArray, reward_sums: FloatArray) -> FloatArray:
    """theta (n, d) of every arm from A^-1 (n, d, d) and b (n, d)."""
    return np.matmul(inverse, reward_sums[:, :, None])[:, :, 0]


def all_products(rows: FloatArray, table: FloatArray) -> FloatArray:
    """(B, n) x . y of every row x (B, d) with every y of `table` (n, d).

    Rounding depends on the pair alone. BLAS rounds by place and size of the batch, and at the
    start, when all arms are equal, rounding would choose.
    """
    return np.einsum("bd,nd->bn", rows, table)


def quadratic_forms(inverse: FloatArray, contexts: FloatArray) -> FloatArray:
    """(B, n) x^T A^-1 x of every context (B, d) under every arm's A^-1 (n, d, d)."""
    n_rows, width = contexts.shape
    outer = (contexts[:, :, None] * contexts[:, None, :]).reshape(n_rows, width * width)
    return all_products(outer, inverse.reshape(len(inverse), width * width))


def confidence_bonus(variances: FloatArray, alpha: float) -> FloatArray:
    """alpha sqrt(x^T A^-1 x), the width of the interval; rounding below zero counts as zero."""
    return alpha * np.sqrt(np.maximum(variances, 0.0))


def _transposed(stack: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.swapaxes(stack, -1, -2)


def _symmetric(stack: NDArray[np.floating]) -> FloatArray:
    return np.asarray(0.5 * (stack + _transposed(stack)), dtype=np.float64)
