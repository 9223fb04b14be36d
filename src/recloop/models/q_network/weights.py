"""The weights of the default architecture: how they start, how they lie in memory."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recloop.models.q_network.contract import NetworkShape, Weights

TABLES = ("users", "items")
"""The weights of which a step may touch a few rows only."""

_EMBEDDING_SCALE = 0.1


def initial_weights(
    shape: NetworkShape, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Weights:
    """Every array at its start: small normal embeddings, layers uniform after He, biases zero.

    A row of `items` holds an item's embedding and, last, its bias.
    """
    size = shape.embedding_dim
    weights: Weights = {
        "users": rng.normal(0.0, _EMBEDDING_SCALE, (shape.n_users, size)),
        "items": rng.normal(0.0, _EMBEDDING_SCALE, (shape.n_items, size + 1)),
    }
    weights["items"][:, size] = 0.0
    for number, (n_inputs, n_outputs) in enumerate(shape.layers):
        bound = np.sqrt(6.0 / n_inputs)
        weights[f"layer_{number}"] = rng.uniform(-bound, bound, (n_inputs, n_outputs))
        weights[f"layer_{number}_bias"] = np.zeros(n_outputs)
    if shape.dueling:
        n_last = shape.layers[-1][0]
        bound = np.sqrt(1.0 / n_last)
        weights["value"] = rng.uniform(-bound, bound, n_last)
        weights["value_bias"] = np.zeros(1)
    return {name: array.astype(dtype) for name, array in weights.items()}


def dropout_masks(shape: NetworkShape, n_rows: int, rng: np.random.Generator) -> list[NDArray]:
    """(B, width) factors of the inputs of every layer: 0 where dropped, else 1 / (1 - dropout).

    Empty without dropout, which then draws nothing.
    """
    if shape.dropout == 0.0:
        return []
    keep = np.float32(1.0 - shape.dropout)
    return [
        (rng.random((n_rows, n_inputs), dtype=np.float32) < keep) * (np.float32(1.0) / keep)
        for n_inputs, _ in shape.layers
    ]


class WeightStore:
    """Arrays by name; all but the tables lie in one row, so that one pass can go through them."""

    def __init__(self, arrays: Weights) -> None:
        """A copy of `arrays`, which must hold the two tables."""
        layers = {name: array for name, array in arrays.items() if name not in TABLES}
        self.layers = np.concatenate([array.ravel() for array in layers.values()])[None]  # (1, n)
        self.by_name = {name: arrays[name].copy() for name in TABLES}
        start = 0
        for name, array in layers.items():
            part = self.layers[0, start : start + array.size]
            self.by_name[name] = part.reshape(array.shape)
            start += array.size

    def zeros(self) -> "WeightStore":
        """One of the same names and shapes that holds nothing but zeros."""
        return WeightStore({name: np.zeros_like(array) for name, array in self.by_name.items()})

    def take(self, arrays: Weights) -> None:
        """Take over the values of `arrays`, in place."""
        for name, array in self.by_name.items():
            np.copyto(array, arrays[name])
