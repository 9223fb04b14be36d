"""Who gets which policy: by a hash of the person, so that everyone keeps theirs."""

import hashlib
from typing import Protocol


class _Shared(Protocol):
    share: float

    @property
    def policy(self) -> "_Named": ...


class _Named(Protocol):
    origin: str


def place_of(user: str, salt: str) -> float:
    """A number in [0, 1) for a person under a salt: even over people, independent over salts."""
    digest = hashlib.sha256(f"{salt}\x1f{user}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def in_canary(user: str, canary: _Shared) -> bool:
    """Whether a person gets the canary; a larger share keeps those who had it."""
    return place_of(user, canary.policy.origin) < canary.share
