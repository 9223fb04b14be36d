"""One page of vocabulary: every value that crosses a module border has its name here.

Models speak integer codes 0..n-1; ids belong to the faces. B is the number of rows in a batch,
H the length of a history, D the size of a context. Histories run newest first, padded with -1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

Feedback = Literal["shown", "chosen"]
"""What a reward says of the items that were not taken.

shown: nothing; only the item in the row was tried (a served recommendation, a simulator).
chosen: the person picked it out of the whole catalogue, so every other item earned 0 at that step
(a log of purchases, ratings or visits).
"""

PropensityKind = Literal["conditional", "marginal", "estimated"]


@dataclass(frozen=True)
class Interactions:
    """What people did, in codes; rows are sorted by user, then time, then original order."""

    users: IntArray  # (n,)
    items: IntArray  # (n,)
    weights: FloatArray  # (n,)
    timestamps: FloatArray  # (n,) seconds
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.users)

    def offsets(self) -> IntArray:
        """(n_users + 1,): the rows of user u are offsets[u]:offsets[u + 1]."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1)).astype(np.int64)

    def keep(self, mask: BoolArray) -> "Interactions":
        """The rows where `mask` is true; catalogue and population stay as they are."""
        return replace(
            self,
            users=self.users[mask],
            items=self.items[mask],
            weights=self.weights[mask],
            timestamps=self.timestamps[mask],
        )


@dataclass(frozen=True)
class Transitions:
    """A batch of steps to learn from; `discounts` is 0 where nothing follows, else the discount.

    None for an optional array means "not known": a model then uses its own discount, its own
    history, or no context.
    """

    users: IntArray  # (B,)
    items: IntArray  # (B,) the action
    rewards: FloatArray  # (B,)
    discounts: FloatArray | None = None  # (B,) of the value that follows
    histories: IntArray | None = None  # (B, H) before the step
    next_histories: IntArray | None = None  # (B, H) after it
    next_items: IntArray | None = None  # (B,) the action that followed, -1 where none
    contexts: FloatArray | None = None  # (B, D)
    next_contexts: FloatArray | None = None  # (B, D)
    propensities: FloatArray | None = None  # (B,) in (0, 1] of the item shown, given those above
    weights: FloatArray | None = None  # (B,) not negative: how much each row counts
    feedback: Feedback = "shown"

    def __len__(self) -> int:
        return len(self.users)

    def rows(self, index: IntArray | slice) -> "Transitions":
        """The rows at `index`, in that order."""
        picked = {
            f.name: value[index]
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), np.ndarray)
        }
        return replace(self, **picked)


@dataclass(frozen=True)
class Decision:
    """What was shown to one person, and how likely each slot was given the slots above it."""

    user: int
    items: IntArray  # (k,)
    scores: FloatArray  # (k,)
    propensities: FloatArray  # (k,) in (0, 1]
    propensity_kind: PropensityKind
    sources: list[str] = field(default_factory=list)  # (k,) "greedy" or "explore"


class Slates(NamedTuple):
    """Choices for a batch of people, slot by slot; -1, 0 and False where nothing was left."""

    items: IntArray  # (B, k)
    propensities: FloatArray  # (B, k) given the slots above
    explored: BoolArray  # (B, k) drawn at random rather than ranked


@runtime_checkable
class Recommender(Protocol):
    """What evaluation, training and the faces ask of a model; they never ask for its class."""

    n_users: int
    n_items: int

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray: ...

    def recommend(
        self,
        user_id: int,
        k: int = 10,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
        exclude: Sequence[int] = (),
        explore: bool = True,
    ) -> list[int]: ...

    def recommend_batch(
        self,
        users: IntArray,
        k: int = 10,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
        exclude: Any = None,
        explore: bool = True,
    ) -> IntArray: ...

    def update(self, user_id: int, item_id: int, reward: float) -> None: ...

    def update_batch(self, transitions: Transitions) -> None: ...


class World(Protocol):
    """A batch of people who answer: the training loop's other half.

    `reset` starts a session for each of `users`; `step` shows each one item and returns rewards
    (B,), terminated (B,): the person left, and truncated (B,): the session was cut off.
    """

    n_users: int
    n_items: int

    def reset(self, users: IntArray, rng: np.random.Generator) -> None: ...

    def step(self, items: IntArray) -> tuple[FloatArray, BoolArray, BoolArray]: ...
