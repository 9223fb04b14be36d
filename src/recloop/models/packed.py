"""Symmetric matrices in half the room: the upper triangle, row by row, of one matrix for each arm.

S (n, P)   n symmetric matrices of size d, P = d (d + 1) / 2:  s_11 s_12 .. s_1d s_22 .. s_dd
f (B, P)   the products of a context with itself, the ones beside the diagonal doubled

so that x^T S x = f(x) . s is a product of vectors, exact and half as long. Evidence A and its
inverse are kept side by side; a row (x, weight w) changes both:

    A <- A + w x x^T,    A^-1 <- A^-1 - v v^T / (1 / w + x . v),    v = A^-1 x

Sherman and Morrison (1950). The inverse is made afresh from A after every
`RANK_UPDATES_BEFORE_REFRESH` of them for an arm, so that rounding does not add up. w < 0 takes a
row out again: where 1 + w x . v is next to nothing, A knew of that direction from this row alone,
and A^-1 has no digits left that could say what remains.
"""

import math

import numpy as np

from recloop.types import FloatArray, IntArray
from recloop.utils.kernels import kernel, sum_kernel

RANK_UPDATES_BEFORE_REFRESH = 10_000
LEAST_LEFT = 1e-3
"""Of 1 + w x . v: an inverse loses about the square of it, and is made afresh below."""
_LINE_BYTES = 64
ROWS_AT_ONCE = 64
"""Of contexts, so that their products with themselves stay in the cache."""


def packed_size(width: int) -> int:
    """P, how many numbers a symmetric matrix of `width` rows needs."""
    return width * (width + 1) // 2


def aligned(shape: tuple[int, ...]) -> FloatArray:
    """An array of any values that begins where a line of the cache does: loops read it sooner."""
    size = 8 * math.prod(shape)
    room = np.empty(size + _LINE_BYTES, dtype=np.uint8)
    start = -room.ctypes.data % _LINE_BYTES
    return room[start : start + size].view(np.float64).reshape(shape)


def joined(first: FloatArray, second: FloatArray) -> FloatArray:
    """The rows (n, P) of `first` and after them those of `second`, aligned."""
    rows = aligned((len(first) + len(second), first.shape[1]))
    rows[: len(first)], rows[len(first) :] = first, second
    return rows


def packed(matrices: FloatArray) -> FloatArray:
    """(n, P) from symmetric (n, d, d)."""
    upper = np.triu_indices(matrices.shape[-1])
    return np.ascontiguousarray(matrices[..., upper[0], upper[1]])


def unpacked(rows: FloatArray, width: int) -> FloatArray:
    """(n, d, d) from (n, P)."""
    matrices = np.empty((*rows.shape[:-1], width, width))
    _unpack(
        np.ascontiguousarray(rows).reshape(-1, rows.shape[-1]), matrices.reshape(-1, width, width)
    )
    return matrices


@kernel
def _unpack(rows, matrices):
    width = matrices.shape[1]
    for n in range(len(rows)):
        place = 0
        for i in range(width):
            for j in range(i, width):
                matrices[n, i, j] = matrices[n, j, i] = rows[n, place]
                place += 1


def identities(n: int, width: int, scale: float) -> FloatArray:
    """(n, P): n times `scale` times the identity."""
    rows = aligned((n, packed_size(width)))
    rows[:] = packed(scale * np.eye(width))
    return rows


def inverses(rows: FloatArray, width: int) -> FloatArray:
    """(n, P) the inverses of positive definite (n, P)."""
    if len(rows) == 0:
        return rows.copy()
    fresh = np.linalg.inv(unpacked(rows, width))
    return packed(0.5 * (fresh + np.swapaxes(fresh, -1, -2)))


def smallest_eigenvalues(rows: FloatArray, width: int) -> FloatArray:
    """(n,) the smallest eigenvalue of each of (n, P): above 0 where it is positive definite."""
    return np.linalg.eigvalsh(unpacked(rows, width))[:, 0].astype(np.float64, copy=False)


def products_with_itself(contexts: FloatArray) -> FloatArray:
    """f (B, P) of contexts (B, d), doubled beside the diagonal."""
    products = aligned((len(contexts), packed_size(contexts.shape[1])))
    _products_with_itself(np.ascontiguousarray(contexts), products)
    return products


@kernel
def _products_with_itself(contexts, products):
    for row in range(len(contexts)):
        x, place = contexts[row], 0
        for i in range(len(x)):
            products[row, place] = x[i] * x[i]
            place += 1
            for j in range(i + 1, len(x)):
                products[row, place] = 2.0 * x[i] * x[j]
                place += 1


def quadratic_forms(rows: FloatArray, contexts: FloatArray) -> FloatArray:
    """(B, n) x^T S x of every context (B, d) with every matrix of `rows` (n, P)."""
    found = np.empty((len(contexts), len(rows)))
    for start in range(0, len(contexts), ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        found[block] = all_products(products_with_itself(contexts[block]), rows)
    return found


def all_products(left: FloatArray, right: FloatArray) -> FloatArray:
    """(B, n) the scalar product of every row of `left` (B, P) with every row of `right` (n, P).

    Rounding depends on the two rows alone, wherever they stand and however many there are: equal
    arms tie exactly, and a batch gives what its rows give. BLAS does not promise that.
    """
    found = np.empty((len(left), len(right)))
    if found.size:
        _all_products(np.ascontiguousarray(left), np.ascontiguousarray(right), found)
    return found


@sum_kernel
def _all_products(left, right, found):
    """Four by four rows at a time; the last rows are repeated where fewer are left."""
    last, final, width = len(left) - 1, len(right) - 1, left.shape[1]
    for n in range(0, len(right), 4):
        n1, n2, n3 = min(n + 1, final), min(n + 2, final), min(n + 3, final)
        s0, s1, s2, s3 = right[n], right[n1], right[n2], right[n3]
        for b in range(0, len(left), 4):
            b1, b2, b3 = min(b + 1, last), min(b + 2, last), min(b + 3, last)
            x0, x1, x2, x3 = left[b], left[b1], left[b2], left[b3]
            c00 = c01 = c02 = c03 = c10 = c11 = c12 = c13 = 0.0
            c20 = c21 = c22 = c23 = c30 = c31 = c32 = c33 = 0.0
            for p in range(width):
                f0, f1, f2, f3 = x0[p], x1[p], x2[p], x3[p]
                s = s0[p]
                c00 += s * f0
                c01 += s * f1
                c02 += s * f2
                c03 += s * f3
                s = s1[p]
                c10 += s * f0
                c11 += s * f1
                c12 += s * f2
                c13 += s * f3
                s = s2[p]
                c20 += s * f0
                c21 += s * f1
                c22 += s * f2
                c23 += s * f3
                s = s3[p]
                c30 += s * f0
                c31 += s * f1
                c32 += s * f2
                c33 += s * f3
            found[b, n], found[b1, n], found[b2, n], found[b3, n] = c00, c01, c02, c03
            found[b, n1], found[b1, n1], found[b2, n1], found[b3, n1] = c10, c11, c12, c13
            found[b, n2], found[b1, n2], found[b2, n2], found[b3, n2] = c20, c21, c22, c23
            found[b, n3], found[b1, n3], found[b2, n3], found[b3, n3] = c30, c31, c32, c33


@kernel
def times_vector(row, vector, result):
    """result (d,) <- S vector for one packed matrix `row` (P,)."""
    width = len(vector)
    for i in range(width):
        result[i] = 0.0
    place = 0
    for i in range(width):
        own, total = vector[i], row[place] * vector[i]
        place += 1
        for j in range(i + 1, width):
            total += row[place] * vector[j]
            result[j] += row[place] * own
            place += 1
        result[i] += total


@kernel
def add_outer(row, vector, weight):
    """S <- S + weight v v^T for one packed matrix."""
    place = 0
    for i in range(len(vector)):
        scaled = weight * vector[i]
        for j in range(i, len(vector)):
            row[place] += scaled * vector[j]
            place += 1


@kernel
def add_row(evidence, inverse, context, weight, work):
    """One row of `weight` joins A and A^-1, packed (P,); work (d,) is overwritten by A^-1 x.

    Whether A^-1 is still its inverse: not where a row was taken out that A hung on, see above; A^-1
    is left as it was then.
    """
    add_outer(evidence, context, weight)
    times_vector(inverse, context, work)
    total = 0.0
    for i in range(len(context)):
        total += context[i] * work[i]
    left = 1.0 + weight * total
    if not left >= LEAST_LEFT:
        return False
    add_outer(inverse, work, -weight / left)
    return True


def solutions(inverse: FloatArray, reward_sums: FloatArray) -> FloatArray:
    """theta (n, d) = A^-1 b of every arm."""
    weights = np.empty_like(reward_sums)
    _solutions(inverse, reward_sums, weights)
    return weights


@kernel
def _solutions(inverse, reward_sums, weights):
    for arm in range(len(inverse)):
        times_vector(inverse[arm], reward_sums[arm], weights[arm])


def due(n_updates: IntArray) -> IntArray:
    """The arms whose inverse is to be made afresh."""
    return np.flatnonzero(n_updates >= RANK_UPDATES_BEFORE_REFRESH)
