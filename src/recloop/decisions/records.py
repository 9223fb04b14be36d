"""What the log answers, and the words its records may use."""

from typing import NamedTuple, get_args

import numpy as np

from recloop.types import FloatArray, IntArray, Labels, PropensityKind, RewardKind

PROPENSITY_KINDS: tuple[str, ...] = get_args(PropensityKind)
REWARD_KINDS: tuple[str, ...] = get_args(RewardKind)
CONTROL_KINDS = ("swap", "rollback", "freeze", "config", "publish")

RESULTS = ("stored", "late", "duplicate", "conflict", "unknown", "not_shown")
"""What became of a record.

stored: it is in the log. late: so is this reward, which came after the reward wait.
duplicate: it was there with the same content; nothing was written.
conflict: its id or key is taken by another content; refused.
unknown: a reward of a decision that the log does not hold; refused. Send it again later.
not_shown: a reward of an item that its decision did not show; refused.
"""
STORED, LATE, DUPLICATE, CONFLICT, UNKNOWN, NOT_SHOWN = range(len(RESULTS))


class Opinions(NamedTuple):
    """How likely a policy that did not decide would have shown what was shown."""

    decisions: IntArray  # (n,) seqs, rising
    propensities: list[FloatArray]  # n arrays, a number for each slot given the slots above it


class Control(NamedTuple):
    """Something that changed the policy, in the order of decisions and rewards."""

    id: str  # once in a log
    timestamp: float  # seconds
    kind: str  # one of CONTROL_KINDS
    file: str = ""
    sha256: str = ""
    details: str = ""  # JSON, such as a reward wait and a default reward
    seq: int = 0  # its place in the log, 0 before it has one


class Appended(NamedTuple):
    """What became of each record of a batch."""

    seqs: IntArray  # (n,) the record's place in the log, also of a duplicate; 0 where refused
    results: Labels  # (n,) of RESULTS

    def counts(self) -> dict[str, int]:
        """How many records had each result; results that did not occur are left out."""
        numbers = np.bincount(self.results.codes, minlength=len(RESULTS)).tolist()
        return {name: n for name, n in zip(RESULTS, numbers, strict=True) if n}
