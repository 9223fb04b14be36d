"""Chance that depends on nothing but a session's key and the number of the draw.

    u(key, n) = mix(key + (n + 1) golden) / 2^64        SplitMix64 (Steele, Lea, Flood 2014)

A session therefore sees the same chance alone and in a batch of a million, in whatever order
sessions are played, and in another process. No generator is kept or passed between sessions.
"""

import numpy as np
from numpy.typing import NDArray

from recloop.types import FloatArray
from recloop.utils.kernels import kernel, kernel_part

Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53


@kernel_part
def uniform(key, number):
    """Draw `number` of a session: a float in [0, 1)."""
    z = key + (np.uint64(number) + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) * _UNIT


@kernel_part
def normal(key, number):
    """A standard normal number, from the draws `number` and `number` + 1 (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(key, number)))
    return radius * np.cos(2.0 * np.pi * uniform(key, number + 1))


class Draws:
    """The draws of one step for every session of a batch.

    keys (B,): one for each session. first (B,): how many draws each has used before this step.
    A kernel may take `keys` and `first` and call `uniform(keys[i], first[i] + n)` itself.
    """

    def __init__(self, keys: Keys, first: NDArray[np.int64]) -> None:
        self.keys, self.first = keys, first

    def uniform(self, n: int, at: int = 0) -> FloatArray:
        """(B, n) numbers in [0, 1): the draws at..at + n - 1 of this step."""
        out = np.empty((len(self.keys), n))
        _fill_uniform(self.keys, self.first, at, out)
        return out

    def normal(self, n: int, at: int = 0) -> FloatArray:
        """(B, n) standard normal numbers, from the draws at..at + 2 n - 1 of this step."""
        out = np.empty((len(self.keys), n))
        _fill_normal(self.keys, self.first, at, out)
        return out


def session_keys(rng: np.random.Generator, n: int) -> Keys:
    """(n,) fresh keys."""
    return rng.integers(0, 2**64, size=n, dtype=np.uint64)


@kernel
def _fill_uniform(keys, first, at, out):
    for row in range(len(keys)):
        for n in range(out.shape[1]):
            out[row, n] = uniform(keys[row], first[row] + at + n)


@kernel
def _fill_normal(keys, first, at, out):
    for row in range(len(keys)):
        for n in range(out.shape[1]):
            out[row, n] = normal(keys[row], first[row] + at + 2 * n)
