"""Online learning, one visitor at a time: choose, be answered, learn, and count what was earned.

    WorldStream            a world answers whatever is shown
    ClassificationStream   a labelled set: items are classes, 1 for the right one
    ReplayStream           a log answers where the model would have shown what was shown

Replay (Li, Chu, Langford and Wang 2011) keeps a row when the model's choice is the logged item, and
only such rows earn and teach. Where the log was uniform that is unbiased for what the model would
earn online. Where it was not, a match is kept with probability c / p(shown), c the smallest logged
propensity, so that kept rows are as if the log had been uniform.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from recloop.errors import InvalidData, InvalidParameter
from recloop.simulators.base import AbstractWorld
from recloop.training.fold import contexts_for, takes_context
from recloop.types import BoolArray, FloatArray, IntArray, LoggedDecisions, Transitions
from recloop.utils.checks import check_codes, check_count, check_finite
from recloop.utils.seeding import stream

_MOST_CLASSES = 1 << 20


@dataclass(frozen=True)
class StreamResult:
    """What a model earned while it learned.

    rewards (T,): of the rows that counted. regrets (T,): what the best choice would have earned
    more on average, NaN where nobody knows. items (T,): what was shown. propensities (T,): how
    likely it was. places (T,): which rows of the stream they are, rising. n_offered: rows that the
    stream had.
    """

    rewards: FloatArray
    regrets: FloatArray
    items: IntArray
    propensities: FloatArray
    places: IntArray
    n_offered: int

    @property
    def mean(self) -> float:
        """Reward per row that counted; NaN without any."""
        return float(self.rewards.mean()) if len(self.rewards) else float("nan")

    @property
    def acceptance(self) -> float:
        """The share of rows that counted."""
        return len(self.rewards) / max(self.n_offered, 1)


class AbstractStream(ABC):
    """A source of visitors for models of its sizes."""

    n_users: int
    n_items: int
    context_dim: int
    """The width of the context; 0 for none."""

    @abstractmethod
    def run(self, model: Any, seed: int = 0) -> StreamResult:
        """Let `model` choose, and learn after every answer; its order of visitors is the seed's."""


@dataclass
class WorldStream(AbstractStream):
    """`n_steps` visitors of a world, session after session.

    The n-th session of a seed is of the same person with the same chance, whatever was chosen
    before it.
    """

    world: AbstractWorld
    n_steps: int = 10_000

    def __post_init__(self) -> None:
        self.n_steps = check_count("WorldStream", "n_steps", self.n_steps)
        if self.world.slate_size != 1:
            raise InvalidParameter(
                f"WorldStream: the world shows slates of {self.world.slate_size}; a stream shows "
                "one item at a time. Use a world with slates of one."
            )
        self.n_users, self.n_items = self.world.n_users, self.world.n_items
        self.context_dim = self.world.n_observed

    def run(self, model: Any, seed: int = 0) -> StreamResult:
        world, rng = self.world, stream(seed, "world stream")
        everyone = rng.integers(world.n_users, size=self.n_steps)
        found = _Collected(self.n_steps)
        over, n_sessions = True, 0
        for step in range(self.n_steps):
            if over:
                world.reset(everyone[n_sessions : n_sessions + 1], rng)
                n_sessions += 1
            expected = world.expected_rewards(world.state, world.users)[0]
            hidden = np.flatnonzero(~_available(world))
            context = world.observations if takes_context(model, self.context_dim) else None
            users = world.users
            drawn = model.choose_batch(users, 1, context=context, exclude=[hidden])
            item = drawn.items[:, 0]
            reward, left, truncated = world.step(item)
            lost = expected.max() - expected[item[0]]
            found.add(step, reward[0], lost, item[0], drawn.propensities[0, 0])
            model.update_batch(_one(users, item, reward, context, drawn.propensities[:, 0]))
            over = bool(left[0] or truncated[0])
        return found.result(self.n_steps)


@dataclass
class ClassificationStream(AbstractStream):
    """A labelled set as a bandit problem, in an order drawn from the seed.

    contexts (n, D): numbers; labels (n,): classes 0..K-1. n_rows: how many rows at most.
    """

    contexts: FloatArray
    labels: IntArray
    n_rows: int | None = None

    def __post_init__(self) -> None:
        self.contexts = check_finite("ClassificationStream", "contexts", self.contexts)
        labels = np.asarray(self.labels)
        if self.n_rows is not None:
            self.n_rows = check_count("ClassificationStream", "n_rows", self.n_rows)
        if self.contexts.ndim != 2 or labels.shape != (len(self.contexts),) or len(labels) == 0:
            raise InvalidData(
                "ClassificationStream: needs contexts (n, D) and a label for each of them, got "
                f"{self.contexts.shape} and {labels.shape}."
            )
        self.labels = check_codes("ClassificationStream", "labels", labels, _MOST_CLASSES)
        self.n_items = int(self.labels.max()) + 1
        self.n_users, self.context_dim = 1, self.contexts.shape[1]

    def run(self, model: Any, seed: int = 0) -> StreamResult:
        order = stream(seed, "classification stream").permutation(len(self.labels))
        order = order[: self.n_rows]
        found, nobody = _Collected(len(order)), np.zeros(1, dtype=np.int64)
        takes = takes_context(model, self.context_dim)
        for place, row in enumerate(order):
            context = self.contexts[row : row + 1] if takes else None
            drawn = model.choose_batch(nobody, 1, context=context)
            item = drawn.items[:, 0]
            reward = (item == self.labels[row]).astype(np.float64)
            found.add(place, reward[0], 1.0 - reward[0], item[0], drawn.propensities[0, 0])
            model.update_batch(_one(nobody, item, reward, context, drawn.propensities[:, 0]))
        return found.result(len(order))


@dataclass
class ReplayStream(AbstractStream):
    """A log of single items; the seed decides draws of the model and which matches are kept.

    decisions: each of one slot with a known reward; others are left out and counted in `n_skipped`.
    """

    decisions: LoggedDecisions
    n_users: int
    n_items: int

    def __post_init__(self) -> None:
        log = self.decisions
        rewards = np.full(len(log.items), np.nan) if log.rewards is None else log.rewards
        single = (log.sizes == 1) & log.activated
        usable = np.flatnonzero(single)
        usable = usable[np.isfinite(rewards[log.offsets[usable]])]
        self.n_skipped = len(log) - len(usable)
        if len(usable) == 0:
            raise InvalidData(
                "ReplayStream: none of the decisions has one slot and a known reward. Join the "
                "rewards when reading the log; replay cannot use slates of several items."
            )
        self.decisions = log.rows(usable)
        check_codes("ReplayStream", "users of the log", self.decisions.users, self.n_users)
        check_codes("ReplayStream", "items of the log", self.decisions.items, self.n_items)
        for name in ("candidates", "excluded"):
            lists = getattr(self.decisions, name)
            if lists is not None:
                check_codes("ReplayStream", f"{name} of the log", lists.values, self.n_items)
        self.context_dim = 0 if log.contexts is None else log.contexts.shape[1]

    def run(self, model: Any, seed: int = 0) -> StreamResult:
        log = self.decisions
        assert log.rewards is not None  # what is usable has rewards
        keep = stream(seed, "replay stream").random(len(log))
        kept_share = log.propensities.min() / log.propensities
        contexts, found = contexts_for(model, log), _Collected(len(log))
        for row in range(len(log)):
            context = None if contexts is None else contexts[row : row + 1]
            users = log.users[row : row + 1]
            closed = _not_offered(log, row, self.n_items)
            drawn = model.choose_batch(users, 1, context=context, exclude=[closed])
            item = log.items[row : row + 1]
            if drawn.items[0, 0] != item[0] or keep[row] >= kept_share[row]:
                continue
            reward = log.rewards[row : row + 1]
            found.add(row, reward[0], np.nan, item[0], drawn.propensities[0, 0])
            model.update_batch(_one(users, item, reward, context, log.propensities[row : row + 1]))
        return found.result(len(log))


def _not_offered(log: LoggedDecisions, row: int, n_items: int) -> IntArray:
    """The items that could not be shown in decision `row`."""
    closed = np.zeros(n_items, dtype=np.bool_)
    if log.candidates is not None:
        lists = log.candidates
        offered = lists.values[lists.offsets[row] : lists.offsets[row + 1]]
        if len(offered):
            closed[:] = True
            closed[offered] = False
    if log.excluded is not None:
        lists = log.excluded
        closed[lists.values[lists.offsets[row] : lists.offsets[row + 1]]] = True
    return np.flatnonzero(closed)


def _available(world: AbstractWorld) -> BoolArray:
    """(n_items,) what the world can show now."""
    found = getattr(world, "availability", None)
    return np.ones(world.n_items, dtype=np.bool_) if found is None else found(world.state)[0]


def _one(
    users: IntArray,
    items: IntArray,
    rewards: FloatArray,
    context: FloatArray | None,
    propensities: FloatArray,
) -> Transitions:
    """One row to learn from; nothing follows it."""
    return Transitions(
        users=users,
        items=items,
        rewards=rewards,
        discounts=np.zeros(1),
        contexts=context,
        propensities=propensities,
    )


class _Collected:
    """Rows that counted, one after another."""

    def __init__(self, most: int) -> None:
        self._numbers = np.empty((most, 3))
        self._codes = np.empty((most, 2), dtype=np.int64)
        self._n = 0

    def add(self, place: int, reward: float, regret: float, item: int, propensity: float) -> None:
        self._numbers[self._n] = reward, regret, propensity
        self._codes[self._n] = item, place
        self._n += 1

    def result(self, n_offered: int) -> StreamResult:
        numbers, codes = self._numbers[: self._n], self._codes[: self._n]
        return StreamResult(
            rewards=numbers[:, 0].copy(),
            regrets=numbers[:, 1].copy(),
            items=codes[:, 0].copy(),
            propensities=numbers[:, 2].copy(),
            places=codes[:, 1].copy(),
            n_offered=n_offered,
        )
