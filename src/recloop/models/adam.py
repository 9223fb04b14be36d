"""Adam row by row: a row whose gradient is all zero keeps its weights and its moments.

    m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g^2
    w <- (1 - rate decay) w - rate m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)

Kingma and Ba (2015), algorithm 1, with the decoupled decay of Loshchilov and Hutter (2019),
algorithm 2. Leaving rows alone is what keeps a step from sweeping whole embedding tables for the
few rows that it saw; t counts all steps, whatever a row took part in.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recloop.types import IntArray
from recloop.utils.kernels import kernel

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8  # b1, b2, epsilon


class StepSize(NamedTuple):
    """The factors of one step."""

    rate: float  # rate / (1 - b1^t)
    second_correction: float  # 1 / (1 - b2^t)
    kept: float  # 1 - rate decay


def step_size(learning_rate: float, weight_decay: float, n_steps: int) -> StepSize:
    """The factors of step number `n_steps`, counted from 1."""
    return StepSize(
        rate=learning_rate / (1.0 - FIRST_DECAY**n_steps),
        second_correction=1.0 / (1.0 - SECOND_DECAY**n_steps),
        kept=1.0 - learning_rate * weight_decay,
    )


class Moments(NamedTuple):
    """What Adam remembers of one array: running means of the gradient and of its square."""

    first: NDArray
    second: NDArray


Factors = tuple[Any, ...]
"""A step's factors in the precision of the weights, in the order of `_descend`."""


def factors(by: StepSize, dtype: DTypeLike) -> Factors:
    """What `descend` multiplies weights of `dtype` with."""
    exact: Any = np.dtype(dtype).type
    numbers = (*by, FIRST_DECAY, 1.0 - FIRST_DECAY, SECOND_DECAY, 1.0 - SECOND_DECAY, EPSILON)
    return tuple(exact(number) for number in numbers)


def descend(
    weights: NDArray, moments: Moments, gradient: NDArray, rows: IntArray, by: Factors
) -> None:
    """Move the given rows of `weights` (n, d) and of its moments in place."""
    _descend(weights, moments.first, moments.second, gradient, rows, *by)


@kernel
def _descend(
    weights, first, second, gradient, rows, rate, correction, kept, b1, c1, b2, c2, epsilon
):
    n_columns = weights.shape[1]
    for row in rows:
        column = 0
        while column < n_columns and gradient[row, column] == 0:
            column += 1
        if column == n_columns:
            continue
        for column in range(n_columns):
            g = gradient[row, column]
            m = b1 * first[row, column] + c1 * g
            v = b2 * second[row, column] + c2 * g * g
            first[row, column] = m
            second[row, column] = v
            # np.divide, because a plain division is checked for zero and then not vectorised
            step = np.divide(rate * m, np.sqrt(v * correction) + epsilon)
            weights[row, column] = kept * weights[row, column] - step
