"""Random streams: a seed is configuration, a generator is per purpose.

`stream(seed, "explore")` and `stream(seed, "replay")` are independent and keyed by their names, so
adding a stream moves no other, and the same seed gives the same bytes in another process.
No global generator is read or set anywhere in recloop.
"""

import hashlib
from typing import Any

import numpy as np

from recloop.utils.checks import check_count


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """The generator for one purpose: independent of every other name under the same seed."""
    seed = check_count("stream", "seed", seed, least=0)
    key = hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()
    words = np.frombuffer(key, dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """The state of a generator as plain JSON values."""
    return dict(rng.bit_generator.state)


def restored_generator(state: dict[str, Any]) -> np.random.Generator:
    """A generator that continues where `generator_state` was taken."""
    bit_generator = np.random.PCG64()
    bit_generator.state = state  # pyright: ignore[reportAttributeAccessIssue]
    return np.random.Generator(bit_generator)
