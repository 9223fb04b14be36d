"""A part of many, drawn blindly, and what it says of the whole."""

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def sample(things: Sequence[T], n: int | None, seed: str) -> list[T]:
    """`n` of the things in their order, each set of `n` equally likely; all of them without `n`."""
    if n is None or n >= len(things):
        return list(things)
    places = random.Random(seed).sample(range(len(things)), n)
    return [things[place] for place in sorted(places)]


def wilson(n_killed: int, n_tried: int, z: float = 1.96) -> tuple[float, float]:
    """A 95 % interval for the share killed (Wilson, 1927); (0, 1) when nothing was tried."""
    if n_tried == 0:
        return 0.0, 1.0
    share, spread = n_killed / n_tried, z * z / n_tried
    middle = share + spread / 2
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4)
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)
