"""Probe worlds: so small that the world in which a model fails says what is broken in it.

    world = TwoUsersWorld()
    for episode in range(world.n_episodes):
        SimulatedEpisodes(world, world.histories(model.history_length), seed).teach(model, episode)
    assert world.problem(model) is None

Rewards are drawn around their means; `problem` leaves room for a step size of 0.1. They are meant
for models that learn step by step and explore; each says who must pass it.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_codes


class AbstractProbeWorld(ABC):
    """Sessions of a fixed length that end for good; a world writes `respond` and `problem`."""

    n_users: int = 1
    n_items: int = 1
    horizon: int = 1  # steps of a session, after which the person is gone: terminated
    n_episodes: int = 300  # enough for a step size of 0.1 and a tenth of exploration

    meaning: ClassVar[str]
    """What is broken in a model that fails here though it passes the worlds before."""

    must_pass: ClassVar[str]
    """Which models have no excuse."""

    def __init__(self) -> None:
        self._users = np.empty(0, dtype=np.int64)
        self._rng = np.random.Generator(np.random.PCG64(0))
        self._step = 0

    def reset(self, users: IntArray, rng: np.random.Generator) -> None:
        """Begin one session for each of `users`."""
        self._users = check_codes(type(self).__name__, "users", users, self.n_users)
        self._rng = rng
        self._step = 0

    def step(self, items: IntArray) -> tuple[FloatArray, BoolArray, BoolArray]:
        """Show one item to each: rewards (B,), terminated (B,), truncated (B,)."""
        items = check_codes(type(self).__name__, "items", items, self.n_items)
        if len(items) != len(self._users):
            raise InvalidParameter(
                f"{type(self).__name__}: a step shows one item to each of the {len(self._users)} "
                f"people of the session, got {len(items)}. Call reset to begin a session of others."
            )
        rewards = self.respond(items)
        self._step += 1
        ended = np.full(len(items), self._step >= self.horizon)
        return rewards, ended, np.zeros(len(items), dtype=np.bool_)

    @abstractmethod
    def respond(self, items: IntArray) -> FloatArray:
        """(B,) rewards of showing `items` (B,) to the people of the session."""

    @abstractmethod
    def problem(self, model: Any) -> str | None:
        """What is wrong with what the model has learned here; None when nothing is."""

    def histories(self, history_length: int) -> IntArray:
        """(n_users, H): nobody took anything before."""
        return np.full((self.n_users, history_length), -1, dtype=np.int64)

    def _scores(self, model: Any, recent: tuple[int, ...] = ()) -> FloatArray:
        """(n_users, n_items) of people who took `recent` last, newest first."""
        history = self.histories(max(model.history_length, len(recent)))
        history[:, : len(recent)] = recent
        users = np.arange(self.n_users)
        return np.asarray(model.scores(users, history=history[:, : model.history_length]))

    def _clicks(self, chances: FloatArray) -> FloatArray:
        return (self._rng.random(len(chances)) < chances).astype(np.float64)


def _in_words(scores: FloatArray) -> str:
    return str(np.round(scores, 3).tolist())


class OneItemWorld(AbstractProbeWorld):
    """One person, one item that earns 0.6 or 0.8: its value is 0.7."""

    meaning = "Rewards do not reach the value, or something is thought to follow the end."
    must_pass = "models whose scores are values: Q-learning, SARSA, DQN, regression bandits"

    def respond(self, items: IntArray) -> FloatArray:
        return self._rng.choice([0.6, 0.8], size=len(items))

    def problem(self, model: Any) -> str | None:
        value = float(self._scores(model)[0, 0])
        if abs(value - 0.7) <= 0.1:
            return None
        return f"the item earns 0.7 on average and nothing follows; its value is {value:.3f}"


class TwoUsersWorld(AbstractProbeWorld):
    """One item that the first person likes and the second does not."""

    n_users = 2
    meaning = "The user does not enter the value."
    must_pass = "models with a value for each person; a history says nothing here"

    def respond(self, items: IntArray) -> FloatArray:
        return (self._users == 0).astype(np.float64)

    def problem(self, model: Any) -> str | None:
        first, second = self._scores(model)[:, 0]
        if first - second >= 0.5:
            return None
        return f"user 0 gives 1 and user 1 gives 0; their values are {first:.3f} and {second:.3f}"


class TwoItemsWorld(AbstractProbeWorld):
    """One person who likes the second item better."""

    n_items = 2
    meaning = "Choice or exploration is broken: what is better is not found or not ranked first."
    must_pass = "every model that learns from what it shows"

    def respond(self, items: IntArray) -> FloatArray:
        return self._clicks(np.where(items == 1, 0.8, 0.2))

    def problem(self, model: Any) -> str | None:
        scores = self._scores(model)[0]
        if scores[1] > scores[0]:
            return None
        return f"item 1 earns four times as much as item 0; the scores are {_in_words(scores)}"


class TwoByTwoWorld(AbstractProbeWorld):
    """Two people with opposite tastes."""

    n_users = 2
    n_items = 2
    meaning = "User and item do not meet: the model knows each by itself, but not the pair."
    must_pass = "models with a value for each pair of person and item"

    def respond(self, items: IntArray) -> FloatArray:
        return self._clicks(np.where(items == self._users, 0.8, 0.2))

    def problem(self, model: Any) -> str | None:
        scores = self._scores(model)
        if scores.argmax(axis=1).tolist() == [0, 1] and scores[0, 0] != scores[0, 1]:
            return None
        return f"user 0 likes item 0, user 1 item 1; the scores are {_in_words(scores)}"


class DelayedPurchaseWorld(AbstractProbeWorld):
    """Two steps; a purchase at the second earns 2 after a teaser, which itself earns only 0.1.

    The snack earns 0.5 at any step. Teaser and purchase earn 2.1, two snacks 1: from a discount of
    0.3 on the teaser comes first, below 0.2 the snack. That the teaser was shown stands in the
    history.
    """

    n_items = 3
    horizon = 2
    n_episodes = 600
    meaning = "The value of what follows does not come back: discount, next state or next value."
    must_pass = "models with a discount and a history"

    TEASER, SNACK, PURCHASE = 0, 1, 2

    def reset(self, users: IntArray, rng: np.random.Generator) -> None:
        super().reset(users, rng)
        self._is_teased = np.zeros(len(users), dtype=np.bool_)

    def respond(self, items: IntArray) -> FloatArray:
        bought = (items == self.PURCHASE) & self._is_teased
        self._is_teased = items == self.TEASER
        earns = np.array([0.1, 0.5, 0.0])
        return earns[items] + 2.0 * bought

    def problem(self, model: Any) -> str | None:
        first = self._scores(model)[0]
        then = self._scores(model, (self.TEASER,))[0]
        if then.argmax() != self.PURCHASE:
            return f"after the teaser the purchase earns most; the scores are {_in_words(then)}"
        wanted = self.TEASER if model.discount_factor >= 0.3 else self.SNACK
        if first.argmax() == wanted:
            return None
        name = "teaser" if wanted == self.TEASER else "snack"
        return (
            f"at discount {model.discount_factor:g} the {name} comes first; the scores of teaser, "
            f"snack and purchase are {_in_words(first)}"
        )


class DriftingTasteWorld(AbstractProbeWorld):
    """One person who likes the first item for 200 sessions and the second from then on."""

    n_items = 2
    n_episodes = 500
    meaning = "The model does not forget: old evidence weighs as much as new."
    must_pass = "models with a fixed step size or another way to forget"

    def __init__(self) -> None:
        super().__init__()
        self._n_sessions = 0

    def reset(self, users: IntArray, rng: np.random.Generator) -> None:
        super().reset(users, rng)
        self._n_sessions += 1

    def respond(self, items: IntArray) -> FloatArray:
        liked = 0 if self._n_sessions <= 200 else 1
        return self._clicks(np.where(items == liked, 0.9, 0.1))

    def problem(self, model: Any) -> str | None:
        scores = self._scores(model)[0]
        if scores[1] > scores[0]:
            return None
        return f"item 1 has been liked for long; the scores are {_in_words(scores)}"


PROBE_WORLDS: tuple[type[AbstractProbeWorld], ...] = (
    OneItemWorld,
    TwoUsersWorld,
    TwoItemsWorld,
    TwoByTwoWorld,
    DelayedPurchaseWorld,
    DriftingTasteWorld,
)
"""In the order in which they should be read: the first that fails says most."""
