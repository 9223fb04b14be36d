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
TextArray = NDArray[np.str_]

Feedback = Literal["shown", "chosen"]
"""What a reward says of the items that were not taken.

shown: nothing; only the item in the row was tried (a served recommendation, a simulator).
chosen: the person picked it out of the whole catalogue, so every other item earned 0 at that step
(a log of purchases, ratings or visits).
"""

PropensityKind = Literal["conditional", "marginal", "estimated"]

RewardKind = Literal["observed", "default", "correction"]
"""Where a reward comes from: somebody acted, nobody did in time, or the value before was wrong."""


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


class Labels(NamedTuple):
    """A column of few words: row i says names[codes[i]]."""

    codes: NDArray[np.int32]  # (n,)
    names: tuple[str, ...]

    @classmethod
    def same(cls, name: str, n: int) -> "Labels":
        """`name` in each of n rows."""
        return cls(np.zeros(n, dtype=np.int32), (name,))

    @classmethod
    def of(cls, texts: Sequence[str] | TextArray) -> "Labels":
        """The words of each row as they are."""
        names, codes = np.unique(np.asarray(texts, dtype=np.str_), return_inverse=True)
        return cls(codes.astype(np.int32), tuple(names.tolist()))

    def texts(self) -> list[str]:
        """The word of each row."""
        return [self.names[code] for code in self.codes.tolist()]

    def rows(self, index: IntArray | slice) -> "Labels":
        """The rows at `index`, in that order."""
        return Labels(self.codes[index], self.names)


class Ragged(NamedTuple):
    """Lists of codes of unequal length: list i is values[offsets[i]:offsets[i + 1]]."""

    offsets: IntArray  # (n + 1,)
    values: IntArray  # (offsets[n],)

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> "Ragged":
        """The lists one after the other."""
        sizes = np.array([len(one) for one in lists], dtype=np.int64)
        values = np.array([code for one in lists for code in one], dtype=np.int64)
        return cls(np.concatenate([[0], np.cumsum(sizes)]), values)

    def lists(self) -> list[IntArray]:
        """Each list by itself."""
        return np.split(self.values, self.offsets[1:-1])

    def rows(self, index: IntArray | slice) -> "Ragged":
        """The lists at `index`, in that order."""
        offsets, places = places_of(self.offsets, index)
        return Ragged(offsets, self.values[places])


def places_of(offsets: IntArray, index: IntArray | slice) -> tuple[IntArray, IntArray]:
    """New offsets for the lists at `index`, and where each of their values stands now."""
    starts, sizes = offsets[:-1][index], np.diff(offsets)[index]
    new = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return new, np.repeat(starts - new[:-1], sizes) + np.arange(new[-1])


@dataclass(frozen=True)
class LoggedDecisions:
    """n decisions and their m slots; those of decision i are offsets[i]:offsets[i + 1], best first.

    None means "not known", or nothing of the kind. What could be shown in decision i is its
    candidates, or the whole catalogue where that list is empty, without its excluded ones.
    """

    ids: TextArray  # (n,) each once
    timestamps: FloatArray  # (n,) seconds
    users: IntArray  # (n,)
    offsets: IntArray  # (n + 1,)
    items: IntArray  # (m,)
    propensities: FloatArray  # (m,) in (0, 1]
    propensity_kinds: Labels  # (n,) of PropensityKind
    policies: Labels  # (n,)
    versions: Labels  # (n,) of the policy
    catalogues: Labels  # (n,) the catalogue's version
    activated: BoolArray  # (n,) False: prepared, and not known to have been shown
    sources: Labels | None = None  # (m,) "greedy" or "explore"
    scores: FloatArray | None = None  # (m,) NaN where not known
    positions: IntArray | None = None  # (m,) place on the page from 0; None: 0, 1, ... k - 1
    contexts: FloatArray | None = None  # (n, D)
    context_names: tuple[str, ...] = ()  # (D,)
    candidates: Ragged | None = None  # (n,) lists of items
    excluded: Ragged | None = None  # (n,) lists of items
    rewards: FloatArray | None = None  # (m,) joined; NaN where none is known
    reward_kinds: Labels | None = None  # (m,) of RewardKind, "" where none is known
    seqs: IntArray | None = None  # (n,) rising; the place in the log, None before it has one

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sizes(self) -> IntArray:
        """(n,): how many slots each decision has."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> IntArray:
        """(m,): to which decision each slot belongs."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @property
    def ranks(self) -> IntArray:
        """(m,): the slot's number within its decision, from 0."""
        return np.arange(len(self.items)) - np.repeat(self.offsets[:-1], self.sizes)

    def padded(self, values: NDArray[Any], fill: Any) -> NDArray[Any]:
        """Values of the slots (m,) as (n, k), k the longest slate, `fill` where it is shorter."""
        k = int(self.sizes.max(initial=0))
        if len(values) == len(self) * k:
            return values.reshape(len(self), k)
        table = np.full((len(self), k), fill, dtype=values.dtype)
        table[self.owners, self.ranks] = values
        return table

    def rows(self, index: IntArray | slice) -> "LoggedDecisions":
        """The decisions at `index`, in that order."""
        offsets, places = places_of(self.offsets, index)
        picked: dict[str, Any] = {"offsets": offsets}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None or f.name in ("offsets", "context_names"):
                continue
            where = places if f.name in SLOT_FIELDS else index
            picked[f.name] = value[where] if isinstance(value, np.ndarray) else value.rows(where)
        return replace(self, **picked)


SLOT_FIELDS = frozenset(
    ("items", "propensities", "sources", "scores", "positions", "rewards", "reward_kinds")
)
"""The fields of `LoggedDecisions` that have a value a slot; the others have one a decision."""


@dataclass(frozen=True)
class LoggedRewards:
    """n rewards. A key stands once in a log: sent again with the same content it is a duplicate.

    A click and a purchase of the same item are two events, hence two rewards with two keys.
    """

    decisions: TextArray  # (n,) the decision's id
    items: IntArray  # (n,)
    values: FloatArray  # (n,)
    timestamps: FloatArray  # (n,) seconds
    keys: TextArray  # (n,)
    events: Labels  # (n,) "click", "purchase", ...
    kinds: Labels  # (n,) of RewardKind
    late: BoolArray | None = None  # (n,) came after the reward wait
    decision_seqs: IntArray | None = None  # (n,) the decision's place in the log
    seqs: IntArray | None = None  # (n,) the reward's own place

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, index: IntArray | slice) -> "LoggedRewards":
        """The rewards at `index`, in that order."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        picked = {
            name: value[index] if isinstance(value, np.ndarray) else value.rows(index)
            for name, value in values.items()
            if value is not None
        }
        return replace(self, **picked)


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
