"""What passes between the HTTP side, the ledger and the state; no record knows of HTTP."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from recloop.types import FloatArray, IntArray


@dataclass(slots=True)
class Shown:
    """A decision: what one person was shown. Codes of items are those of the log."""

    id: str
    user: str
    timestamp: float
    items: IntArray  # (k,)
    propensities: FloatArray  # (k,)
    scores: FloatArray  # (k,)
    explored: np.ndarray  # (k,) bool
    policy: str
    version: str
    catalogue: str = ""
    n_eligible: int = 0
    context: FloatArray | None = None  # (D,)
    candidates: IntArray | None = None
    excluded: IntArray | None = None
    activated: bool = True
    fallback: bool = False
    limit: int = 0  # most of one category in the list; the log does not have it
    user_code: int = -1  # of the log, once it is stored
    seq: int = 0
    earned: "dict[int, Earned] | None" = field(default=None, repr=False)  # by item
    past: "list[Reward]" = field(default_factory=list, repr=False)  # of the log, not counted yet
    pins: int = 0  # how many units under way hold it


@dataclass(slots=True)
class Earned:
    """What one slot earned so far, event by event; `join_rewards` says the same of a whole log."""

    default: float | None = None
    observed: dict[str, float] = field(default_factory=dict)
    corrected: dict[str, float] = field(default_factory=dict)
    taught: list[tuple[int, float]] = field(default_factory=list)  # at which seq which value was

    @property
    def value(self) -> float | None:
        """The slot's reward now; None where nothing is known."""
        events = self.observed.keys() | self.corrected.keys()
        if not events:
            return self.default
        return sum(
            self.corrected.get(event, self.observed.get(event, 0.0)) for event in sorted(events)
        )

    def teaches(self, reward: "Reward", in_time: bool) -> float | None:
        """Count one more reward; the slot's value if that is to be learned now, else None."""
        self.add(reward.event, reward.kind, reward.value)
        value = self.value
        if not in_time or value is None or (self.taught and value == self.taught[-1][1]):
            return None
        self.taught.append((reward.seq, value))
        return value

    def add(self, event: str, kind: str, value: float) -> None:
        """Count one more reward, in the order of the log."""
        if kind == "default":
            self.default = value
        elif kind == "correction":
            self.corrected[event] = value
        else:
            self.observed[event] = self.observed.get(event, 0.0) + value


class Reward(NamedTuple):
    """One reward as it is to be stored, or was."""

    decision: str
    item: int
    value: float
    timestamp: float
    key: str
    event: str
    kind: str = "observed"
    late: bool = False
    seq: int = 0


class Opinion(NamedTuple):
    """How likely a policy that did not decide would have shown what was shown."""

    shown: Shown
    version: str
    propensities: FloatArray  # (k,) given the slots above


class Answer(NamedTuple):
    """What became of a record; see `recloop.decisions.records.RESULTS`."""

    result: str
    seq: int


def activation_id(decision: str) -> str:
    """The id of the control that says that a prepared decision was shown."""
    return f"activated/{decision}"
