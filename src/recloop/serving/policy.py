"""A served policy: a model, its name and version, and its own codes of people and items.

The service speaks the log's codes; a model keeps those it was trained with. Where both have the
same catalogue in the same order, nothing is translated.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.models.base import AbstractRecommender
from recloop.models.exploration.base import Exploration
from recloop.types import BoolArray, FloatArray, IntArray, Slates, Transitions

WHOLE_SLATES = ("cascade", "dependent")


class Lessons(NamedTuple):
    """Rewards to learn from, row by row in the order of the log; codes are the log's."""

    users: IntArray  # (n,)
    items: IntArray  # (n,)
    rewards: FloatArray  # (n,) what the slot is worth now
    taught: FloatArray  # (n,) what it was worth when it was learned before, NaN where it was not
    propensities: FloatArray  # (n,)
    contexts: FloatArray | None  # (n, D)
    histories: IntArray  # (n, H) before the step
    next_histories: IntArray  # (n, H) after it

    def rows(self, index: IntArray | slice) -> "Lessons":
        """The rows at `index`."""
        parts: list[Any] = [None if part is None else part[index] for part in self]
        return Lessons(*parts)


class Policy:
    """A model as it is served.

    users: the model's code of each person's id; None: it was trained on nobody in particular.
    items: the ids of the model's items in the order of its codes.
    """

    def __init__(
        self,
        model: AbstractRecommender,
        *,
        name: str,
        version: str,
        items: Sequence[str],
        users: Mapping[str, int] | None = None,
        sha256: str = "",
        learns: bool = True,
    ) -> None:
        if len(items) != model.n_items:
            raise InvalidParameter(
                f"policy '{name}': the model has {model.n_items} items, but {len(items)} ids of "
                "items were given. Give one id for each, in the order of the codes."
            )
        if model.learns == "steps" and getattr(model, "click_model", "") in WHOLE_SLATES:
            raise InvalidParameter(
                f"policy '{name}': click_model '{model.click_model}' learns from a whole list at "  # pyright: ignore[reportAttributeAccessIssue]
                "once, but rewards come one by one. Serve it with click_model 'each' or 'position'."
            )
        self.model = model
        self.name = name
        self.version = version
        self.origin = version  # the one that was activated; `version` changes when it publishes
        self.since = 0  # the record of the log that brought it
        self.sha256 = sha256
        self.items = list(items)
        self.users = dict(users or {})
        self.waiting: dict[int, Transitions] = {}  # by the log's code of the person
        self.learns = learns and model.learns == "steps"
        self.in_background = model.learns_slowly
        self.n_published = 0  # steps that the model has learned in the background
        self.unpublished: list[Transitions] = []  # those after them
        self.listener: Callable[[Transitions], None] | None = None  # the trainer's ear
        self.turns: list[int] = []  # of the log: from the first it learned, from the next not, ...
        self.grown: dict[int, int] = {}  # by the log's code of an item: since when it has it
        self._own: IntArray | None = None  # the model's code of each item of the log, -1: none
        self._logs: IntArray | None = None  # the log's code of each item of the model, -1: none
        self.align(self.items)

    @property
    def context_dim(self) -> int:
        """How wide a context the model takes; 0: none."""
        return int(getattr(self.model, "context_dim", 0) or self.model.n_observed)

    def fits(self, width: int) -> bool:
        """Whether a context of `width` numbers is one for this model (0: no context)."""
        return width == self.context_dim or (width == 0 and not self.model.n_observed)

    def is_called(self, version: str) -> bool:
        """Whether that version names it: as it was activated, or as it was last published."""
        return version in (self.version, self.origin)

    def needs_user(self, width: int) -> bool:
        """Whether it can choose for known people alone, given contexts of `width` numbers."""
        return self.model.depends_on_user(with_context=width > 0)

    def user_codes(self, users: Sequence[str]) -> IntArray:
        """(B,) the model's code of each person, -1 where it knows none."""
        return np.array([self.users.get(user, -1) for user in users], dtype=np.int64)

    # Items

    def align(self, log_items: Sequence[str]) -> None:
        """Take note of the log's catalogue: the id at place c has code c there."""
        self.knows = np.ones(len(log_items), dtype=np.bool_)
        if list(log_items) == self.items:
            self._own = self._logs = None
            return
        of_own = {item: code for code, item in enumerate(self.items)}
        of_log = {item: code for code, item in enumerate(log_items)}
        self._own = np.array([of_own.get(item, -1) for item in log_items], dtype=np.int64)
        self._logs = np.array([of_log.get(item, -1) for item in self.items], dtype=np.int64)
        self.knows = self._own >= 0

    def own_items(self, items: IntArray) -> IntArray:
        """The model's codes of the log's codes; -1 where it has none, and for -1."""
        if self._own is None:
            return items
        return np.where(items < 0, -1, self._own[np.maximum(items, 0)])

    def _own_eligible(self, eligible: BoolArray) -> BoolArray:
        if self._logs is None:
            return eligible
        return eligible[:, np.maximum(self._logs, 0)] & (self._logs >= 0)

    # Choosing

    def exploration(
        self,
        users: IntArray,
        contexts: FloatArray | None,
        histories: IntArray,
        floor: float,
    ) -> Exploration:
        """How the model would choose for `users` (its own codes), with at least that floor."""
        model = self.model
        how = model.exploration(
            np.maximum(users, 0),
            context=contexts,
            history=self._own_histories(histories) if model.history_length else None,
        )
        return replace(how, floor=max(how.floor, floor))

    def draw(
        self, how: Exploration, eligible: BoolArray, k: int, rng: np.random.Generator
    ) -> tuple[Slates, FloatArray]:
        """A slate for each row of `eligible` (B, log's items), and its scores (B, k)."""
        slates = how.slates(self._own_eligible(eligible), k, rng)
        places = np.maximum(slates.items, 0)
        scores = np.take_along_axis(how.values, places, axis=1)
        if self._logs is None:
            return slates, scores
        return slates._replace(items=np.where(slates.items < 0, -1, self._logs[places])), scores

    def chances(self, how: Exploration, eligible: BoolArray, slates: IntArray) -> FloatArray:
        """(B, k) probability of each slot of given slates of the log's codes."""
        return how.propensities(self._own_eligible(eligible), self.own_items(slates))

    def _own_histories(self, histories: IntArray) -> IntArray:
        """(B, history_length) of the model's codes; what it does not know falls out."""
        length = self.model.history_length
        if self._own is None:
            return histories[:, :length]
        own = self.own_items(histories)
        order = np.argsort(own < 0, axis=1, kind="stable")
        return np.take_along_axis(own, order, axis=1)[:, :length]

    # Learning

    def note_learning(self, seq: int, learning: bool) -> None:
        """From record `seq` on it learns, or not."""
        if learning != bool(len(self.turns) % 2):
            self.turns.append(seq)

    def value_taught(self, item: int, taught: Sequence[tuple[int, float]]) -> float:
        """What this policy learned last of a slot, given when what was taught; NaN if nothing."""
        since = self.grown.get(item, 0)
        for seq, value in reversed(taught):
            if seq > since and bisect_right(self.turns, seq) % 2:
                return value
        return np.nan

    def learn(self, lessons: Lessons, user_ids: Sequence[str]) -> "Learned":
        """Learn what can be learned of `lessons`; rewards beyond the model's bounds as the bound.

        What a model refuses is left out, row by row: the log holds it, and must stay readable.
        """
        width = 0 if lessons.contexts is None else lessons.contexts.shape[1]
        if not self.learns or not self.fits(width):
            return Learned(0, 0)
        users = self.user_codes(user_ids)
        items = self.own_items(lessons.items)
        usable = items >= 0
        if self.needs_user(width):
            usable &= users >= 0
        again = ~np.isnan(lessons.taught)
        if again.any() and not self.model.corrects:
            usable &= ~again
        if not usable.any():
            return Learned(0, 0)
        rows = np.flatnonzero(usable)
        users = np.maximum(users, 0)
        starts = np.flatnonzero(np.diff(again[rows], prepend=~again[rows[:1]]))
        told = Learned(0, 0)
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            part = rows[start:stop]
            mends = bool(again[part[0]])
            n = self._learn_rows(lessons.rows(part), users[part], items[part], mends)
            told = Learned(told.rows + n * (not mends), told.corrections + n * mends)
        return told

    def _learn_rows(self, part: Lessons, users: IntArray, items: IntArray, again: bool) -> int:
        model = self.model
        remembers = model.history_length > 0
        rewards = np.clip(part.rewards, *model.reward_bounds)
        steps = Transitions(
            users=users,
            items=items,
            rewards=rewards - np.clip(part.taught, *model.reward_bounds) if again else rewards,
            histories=self._own_histories(part.histories) if remembers else None,
            next_histories=self._own_histories(part.next_histories) if remembers else None,
            contexts=part.contexts,
            propensities=part.propensities,
        )
        if again:
            return self._teach(model.correct_batch, steps)
        if model.learns_next_action:
            self._learn_in_turn(steps, part.users.tolist())
            return len(steps)
        return self._teach(model.update_batch, steps)

    def _teach(self, learn: Callable[[Transitions], None], steps: Transitions) -> int:
        """How many of the rows were learned; one that is refused does not keep others out."""
        if self.in_background:
            self.unpublished.append(steps)
            if self.listener is not None:
                self.listener(steps)
            return len(steps)
        if len(steps) == 1 or not self.model.learns_row_by_row:
            try:
                learn(steps)
                return len(steps)
            except InvalidParameter:
                if len(steps) == 1:
                    return 0
        rows = range(len(steps))
        return sum(self._teach(learn, steps.rows(slice(row, row + 1))) for row in rows)

    def teach(self, steps: Transitions) -> int:
        """Learn steps in the model's own codes; how many of them it did not refuse."""
        return self._teach(self.model.update_batch, steps)

    def _learn_in_turn(self, steps: Transitions, people: list[int]) -> None:
        """Each step waits until its person's next action is known."""
        for row, person in enumerate(people):
            step = steps.rows(slice(row, row + 1))
            before = self.waiting.get(person)
            if before is not None:
                self._teach(
                    self.model.update_batch,
                    replace(
                        before,
                        next_items=step.items,
                        next_histories=step.histories,
                        next_contexts=step.contexts,
                    ),
                )
            self.waiting[person] = step

    def add_items(
        self, ids: Sequence[str], features: FloatArray | None, codes: Mapping[str, int], seq: int
    ) -> None:
        """Make room for those of `ids` that are new; features that do not fit are left aside.

        codes: of the log's items. seq: of the record that says so.
        """
        known = set(self.items)
        fresh = [row for row, one in enumerate(ids) if one not in known]
        if not fresh:
            return
        grow: Any = self.model.add_items
        try:
            if features is None or not len(getattr(self.model, "prior_map", ())):
                grow(len(fresh))
            else:
                grow(len(fresh), features=features[fresh])
        except InvalidParameter:
            grow(len(fresh))
        self.items.extend(ids[row] for row in fresh)
        self.grown.update((codes[ids[row]], seq) for row in fresh)


class Learned(NamedTuple):
    """How many rows were learned, and how many mended."""

    rows: int
    corrections: int


def joined_steps(parts: list[Transitions]) -> dict[str, np.ndarray]:
    """Steps one after the other; nothing where there are none."""
    arrays = {}
    for part in fields(Transitions):
        column = [getattr(steps, part.name) for steps in parts]
        if column and isinstance(column[0], np.ndarray):
            arrays[part.name] = np.concatenate(column)
    return arrays
