"""What the bandits of this package share: learning from slates, from warm logs, row by row."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.models import incoming
from recloop.models.bandits.clicks import CLICK_MODELS, slate_rows
from recloop.models.base import AbstractRecommender, learned
from recloop.models.exploration.base import Exploration
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.checks import (
    as_numbers,
    check_between,
    check_choice,
    check_codes,
    check_count,
    check_within,
)
from recloop.utils.seeding import stream

_PAIRS_AT_ONCE = 1 << 18


@dataclass
class AbstractBandit(AbstractRecommender):
    """Learns from what was shown, one row at a time.

    epsilon: the share of every slot that is uniform over the items left.
    click_model: what a slate says of the items that were not clicked: "each", "cascade",
        "dependent" or "position" (`clicks.py`); used by `update_slates`.
    examination: of "position": the probability that each slot is looked at.
    """

    epsilon: float = field(default=0.0, kw_only=True)
    click_model: str = field(default="each", kw_only=True)
    examination: tuple[float, ...] = field(default=(), kw_only=True)

    divides_by_propensity: ClassVar[bool] = False
    """Whether learning itself divides a row by its propensity; `warm_start` then does not."""

    def _check(self) -> None:
        owner = type(self).__name__
        self.epsilon = check_between(owner, "epsilon", self.epsilon, 0, 1)
        self.click_model = check_choice(owner, "click_model", self.click_model, CLICK_MODELS)
        parts = self.examination if isinstance(self.examination, Sequence) else (self.examination,)
        self.examination = tuple(
            check_between(owner, "examination", part, 0, 1, low_open=True) for part in parts
        )
        if (self.click_model == "position") != bool(self.examination):
            raise InvalidParameter(
                f"{owner}: examination must hold a probability for each slot when click_model is "
                f"'position', and nothing otherwise; got {self.examination} with click_model "
                f"{self.click_model!r}."
            )

    def _check_numbers(self, *bounds: tuple[str, float, float, bool]) -> None:
        """Fields that must lie within (name, low, high, low is open)."""
        for name, low, high, low_open in bounds:
            value = check_between(
                type(self).__name__, name, getattr(self, name), low, high, low_open=low_open
            )
            setattr(self, name, value)

    # How it chooses

    def exploration(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> Exploration:
        """How an exploring choice is made; a bandit has no use for a history."""
        return self._explore(users, context)

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """The greedy choice by `scores`, with `epsilon` drawn at random."""
        return super().exploration(users, context=context)

    # How it learns

    def update_batch(self, transitions: Transitions) -> None:
        """Learn from the rows in their order; a batch equals its rows one by one.

        Under feedback "chosen" every other item earned 0 at that step.
        """
        rows = self._checked(transitions)
        if rows.feedback == "shown":
            self._learn(rows)
            return
        size = max(1, _PAIRS_AT_ONCE // self.n_items)
        for start in range(0, len(rows), size):
            self._learn(_all_pairs(rows.rows(slice(start, start + size)), self.n_items))

    @abstractmethod
    def _learn(self, rows: Transitions) -> None:
        """Learn from checked rows of what was shown."""

    def update_slates(
        self,
        users: IntArray,
        slates: IntArray,
        rewards: FloatArray,
        *,
        context: FloatArray | None = None,
        propensities: FloatArray | None = None,
    ) -> None:
        """Learn from whole slates by the click model.

        users (B,), slates (B, k) of items, -1 where a slot was empty, rewards (B, k), NaN where
        nothing is known, context (B, D), propensities (B, k) of the slots.
        """
        owner = type(self).__name__
        users = check_codes(owner, "users", users, self.n_users)
        slates = check_codes(owner, "slates", slates, self.n_items, least=-1)
        rewards = as_numbers(owner, "rewards", rewards)
        known = np.where(np.isnan(rewards), 0.0, rewards)
        incoming.within_bounds(owner, "rewards", known, *incoming.BOUNDS["rewards"])
        if slates.ndim != 2 or rewards.shape != slates.shape or len(slates) != len(users):
            raise InvalidParameter(
                f"{owner}: slates and rewards must have the shape (B, k) with a row for each of "
                f"{len(users)} users, got {slates.shape} and {rewards.shape}."
            )
        moments = None
        if context is not None:
            bounds = incoming.BOUNDS["contexts"]
            moments = incoming.within_bounds(owner, "context", context, *bounds)
        if moments is not None and len(np.atleast_1d(moments)) != len(users):
            raise InvalidParameter(
                f"{owner}: context must have one row for each of {len(users)} users, got shape "
                f"{moments.shape}."
            )
        odds = None if propensities is None else as_numbers(owner, "propensities", propensities)
        if odds is not None and odds.shape != slates.shape:
            raise InvalidParameter(
                f"{owner}: propensities must have the shape {slates.shape} of slates, a number for "
                f"each slot, got {odds.shape}."
            )
        if self.click_model == "position" and slates.shape[1] > len(self.examination):
            raise InvalidParameter(
                f"{owner}: examination must hold a probability for each of {slates.shape[1]} "
                f"slots, got {len(self.examination)}."
            )
        found = slate_rows(self.click_model, slates, rewards, np.array(self.examination))
        self.update_batch(
            Transitions(
                users=users[found.rows],
                items=slates[found.rows, found.slots],
                rewards=found.rewards,
                contexts=None if moments is None else moments[found.rows],
                propensities=None if odds is None else odds[found.rows, found.slots],
                weights=found.weights,
            )
        )

    def warm_start(
        self, transitions: Transitions, *, trust: float = 1.0, largest_weight: float = 10.0
    ) -> None:
        """Learn from a log of another policy before the first own choice.

        A row with propensity p counts as 1 / p, at most `largest_weight` times the mean of them,
        and all of them together as `trust` times their number; without propensities evenly.
        """
        owner = type(self).__name__
        trust = check_between(owner, "trust", trust, 0, np.inf, low_open=True)
        largest_weight = check_between(owner, "largest_weight", largest_weight, 1, np.inf)
        rows = self._checked(transitions)
        if len(rows) == 0:
            return
        weights = np.ones(len(rows)) if rows.weights is None else rows.weights
        if rows.propensities is not None and not self.divides_by_propensity:
            weights = weights / rows.propensities
            weights = np.minimum(weights, largest_weight * weights.mean())
        total = weights.sum()
        scaled = weights * (trust * len(rows) / total) if total > 0 else weights
        self.update_batch(replace(rows, weights=scaled))


def _all_pairs(rows: Transitions, n_items: int) -> Transitions:
    """A row for each item of each step: the chosen one earned its reward, all others 0."""
    n_rows = len(rows)
    of = np.repeat(np.arange(n_rows), n_items)
    items = np.tile(np.arange(n_items), n_rows)
    rewards = np.where(items == rows.items[of], rows.rewards[of], 0.0)
    return replace(rows.rows(of), items=items, rewards=rewards, feedback="shown")


@dataclass
class AbstractContextBandit(AbstractBandit):
    """A bandit that sees a context of the person.

    context_dim: the width of `context`. Without a context a person is known by a code: 1 and a
        fixed random direction.
    """

    context_dim: int = field(default=10, kw_only=True)

    user_codes: FloatArray = learned("n_users", "context_dim")

    def _check(self) -> None:
        super()._check()
        self.context_dim = check_count(type(self).__name__, "context_dim", self.context_dim)

    def _start(self) -> None:
        self.user_codes = drawn_codes(self.seed, self.n_users, self.context_dim)

    def depends_on_user(self, *, with_context: bool) -> bool:
        """Only where no context is passed: a person is then known by a code."""
        return not with_context

    def _contexts(self, users: IntArray, context: ArrayLike | None) -> FloatArray:
        """(B, context_dim): what was passed, checked, else the codes of `users`."""
        if context is None:
            return self.user_codes[users]
        owner = type(self).__name__
        return incoming.checked_contexts(owner, "context", context, len(users), self.context_dim)


def drawn_codes(seed: int, n_users: int, width: int) -> FloatArray:
    """(n_users, width): 1, and a random direction of length about 1."""
    rng = stream(seed, "bandits", "codes")
    directions = rng.standard_normal((n_users, width - 1)) / np.sqrt(max(width - 1, 1))
    return np.concatenate([np.ones((n_users, 1)), directions], axis=1)


def row_weights(rows: Transitions) -> FloatArray:
    """(B,) how much each row counts."""
    return np.ones(len(rows)) if rows.weights is None else rows.weights


def share_bounds(model: AbstractBandit) -> tuple[float, float]:
    """Rewards in [0, 1], or above where a click model divides by kappa."""
    return 0.0, np.inf if model.click_model == "position" else 1.0


def check_rewards(model: AbstractBandit, rows: Transitions) -> None:
    """Raise unless all rewards lie within the model's bounds."""
    check_within(type(model).__name__, "rewards", rows.rewards, *model.reward_bounds)
