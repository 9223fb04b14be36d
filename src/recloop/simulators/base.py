"""What every world shares: sessions, time, who is gone, and whose chance is whose.

A world is a batch of people who answer. It writes what a session begins with (`start`), how people
answer a slate and change by it (`respond`), what can be seen of them (`observe`), and what each
item is expected to earn now (`expected_rewards`, which knows everything). Steps, the horizon,
leaving and the numbering of draws are here, once.

A session is (person, key): all chance in it comes from its key, so a batch plays as its sessions
would play one by one. The horizon cuts a session off (`truncated`); people who leave by themselves
have `terminated` it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.simulators.draws import Draws, Keys, session_keys
from recloop.simulators.finite import FiniteModel
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_codes, check_count, check_real
from recloop.utils.topk import top_k

Policy = Callable[["AbstractWorld"], IntArray]
"""What is shown to everybody of a batch, by a rule that may know everything: slates (B, k)."""


class Response(NamedTuple):
    """How a batch of people answered: what each slot earned, and who left for good."""

    rewards: FloatArray  # (B, k) a slot's own; their sum is the step's reward
    left: BoolArray | None = None  # (B,) None when nobody can leave


class AbstractWorld(ABC):
    """A batch of sessions. Subclasses set the fields below and write five methods.

    State is a NamedTuple of arrays whose first axis is the session; `respond` changes it in place.
    """

    type_name: ClassVar[str]
    """The name in `WORLDS` and in a configuration."""

    n_users: int
    n_items: int
    slate_size: int = 1
    horizon: int
    observation_names: tuple[str, ...] = ()
    """What is seen of a person, one number in [0, 1] each."""

    n_draws: int
    """How many draws a step takes at most; `start` may take as many."""

    sessions_repeat: ClassVar[bool] = False
    """Whether another session of a person says nothing new: chance is then between people only."""

    Params: ClassVar[type]
    """What a world of this kind is made of: a frozen dataclass."""

    params: Any
    state: Any

    def __init__(self, params: Any) -> None:
        self.params = params
        self.users: IntArray = np.empty(0, dtype=np.int64)  # (B,) who is there
        self.n_steps: IntArray = np.empty(0, dtype=np.int64)  # (B,) steps of each session so far
        self.slot_rewards: FloatArray = np.empty((0, 1))  # (B, k) of the last step
        self._keys: Keys = np.empty(0, dtype=np.uint64)
        self._check_numbers()
        self._set_up(params)
        self._check_sizes()

    @classmethod
    def settings(cls) -> list[str]:
        """The names that `from_settings` takes."""
        return [field.name for field in fields(cls.Params)]

    @classmethod
    def from_settings(cls, **settings: Any) -> "AbstractWorld":
        """The world that a configuration describes: the fields of `Params`, by name."""
        return cls(cls.Params(**settings))

    # What a world writes

    @abstractmethod
    def _set_up(self, params: Any) -> None:
        """Check `params`; set sizes and everything that is drawn once for all sessions."""

    @abstractmethod
    def start(self, users: IntArray, draws: Draws) -> Any:
        """The state of new sessions of `users` (B,)."""

    @abstractmethod
    def respond(self, state: Any, users: IntArray, slates: IntArray, draws: Draws) -> Response:
        """How `users` (B,) answer `slates` (B, k); `state` becomes what it is afterwards."""

    @abstractmethod
    def observe(self, state: Any, users: IntArray) -> FloatArray:
        """(B, D) what can be seen of people, each number in [0, 1]."""

    @abstractmethod
    def expected_rewards(self, state: Any, users: IntArray) -> FloatArray:
        """(B, n_items) what each item would earn now in the first slot, all being known."""

    # What a world may offer to be certified

    def finite(self, user: int) -> FiniteModel | None:
        """The world of one person as a table of states, None where it is too large for one."""
        return None

    finite_is: ClassVar[str] = "dynamic programming"
    """In words, how exact `finite` is."""

    def state_numbers(self, state: Any, users: IntArray) -> IntArray:
        """(B,) the row of `finite` where each session is; of a world that has a table."""
        raise InvalidParameter(f"{type(self).__name__}: has no table of states to look it up in.")

    def planners(self) -> dict[str, Policy]:
        """Rules that know everything, by name; where there is no table the best one counts."""
        return {}

    def upper_bound(self) -> tuple[float, str]:
        """What no policy can exceed in a session on average, and why."""
        return np.inf, "no bound is known"

    # How it is used

    def reset(self, users: IntArray, rng: np.random.Generator) -> None:
        """Begin one session for each of `users` (B,), their keys drawn from `rng`."""
        users = check_codes(type(self).__name__, "users", users, self.n_users)
        self.begin(users, session_keys(rng, len(users)))

    def begin(self, users: IntArray, keys: Keys) -> None:
        """Begin one session for each of `users` (B,) with the chance of `keys` (B,)."""
        self.users, self._keys = users, keys
        self.n_steps = np.zeros(len(users), dtype=np.int64)
        self.slot_rewards = np.zeros((len(users), self.slate_size))
        self.state = self.start(users, Draws(keys, np.zeros(len(users), dtype=np.int64)))

    def begin_again(self, rows: BoolArray, users: IntArray, keys: Keys) -> None:
        """Replace the sessions of `rows` (B,) by new ones of as many `users` with their `keys`."""
        self.users, self._keys = self.users.copy(), self._keys.copy()  # they are the caller's
        self.users[rows], self._keys[rows], self.n_steps[rows] = users, keys, 0
        self.slot_rewards[rows] = 0.0
        fresh = self.start(users, Draws(keys, np.zeros(len(users), dtype=np.int64)))
        for mine, new in zip(self.state, fresh, strict=True):
            mine[rows] = new

    def step(self, items: IntArray) -> tuple[FloatArray, BoolArray, BoolArray]:
        """Show each person a slate (B, k), or an item (B,): rewards, terminated, truncated (B,).

        -1 leaves a slot empty. Somebody whose session is over must not be asked again; what such a
        row answers means nothing.
        """
        slates = self._checked(items)
        draws = Draws(self._keys, (self.n_steps + 1) * self.n_draws)  # the first are of `start`
        response = self.respond(self.state, self.users, slates, draws)
        self.n_steps += 1
        self.slot_rewards = response.rewards
        left = response.left
        if left is None:
            left = np.zeros(len(slates), dtype=np.bool_)
        truncated = (self.n_steps >= self.horizon) & ~left
        return response.rewards.sum(axis=1), left, truncated

    @property
    def observations(self) -> FloatArray:
        """(B, D) what can be seen of the people of the batch, each number in [0, 1]."""
        return self.observe(self.state, self.users)

    @property
    def n_observed(self) -> int:
        """How many numbers are seen of a person."""
        return len(self.observation_names)

    def _checked(self, slates: IntArray) -> IntArray:
        owner = type(self).__name__
        slates = np.asarray(slates)
        if slates.ndim == 1 and self.slate_size == 1:
            slates = slates[:, None]
        if slates.shape != (len(self.users), self.slate_size):
            n, k = len(self.users), self.slate_size
            shown = f"{k} item" if k == 1 else f"a slate of {k}"
            raise InvalidParameter(
                f"{owner}: a step shows {shown} to each of the {n} people of the session, shape "
                f"({n}, {k}); got {slates.shape}. Call reset to begin a session of others."
            )
        least = 0 if self.slate_size == 1 else -1
        return check_codes(owner, "items", slates, self.n_items, least=least)

    def _check_numbers(self) -> None:
        """Dials without a range of their own are finite numbers all the same."""
        for each in fields(self.Params) if is_dataclass(self.params) else ():
            if each.type in (float, "float"):
                check_real(type(self).__name__, each.name, getattr(self.params, each.name))

    def _check_sizes(self) -> None:
        owner = type(self).__name__
        for name in ("n_users", "n_items", "slate_size", "horizon"):
            check_count(owner, name, getattr(self, name))
        if self.slate_size > self.n_items:
            raise InvalidParameter(
                f"{owner}: a slate of {self.slate_size} does not fit {self.n_items} items."
            )


def best_slates(scores: FloatArray, world: AbstractWorld) -> IntArray:
    """(B, k) the k items of the highest scores (B, n_items), ties to the lower code."""
    return top_k(scores, world.slate_size)


def random_slates(world: AbstractWorld, rng: np.random.Generator) -> IntArray:
    """(B, k) distinct items for everybody, all equally likely."""
    shape = (len(world.users), world.n_items)
    if world.slate_size == 1:
        return rng.integers(world.n_items, size=(shape[0], 1))
    order = np.argpartition(rng.random(shape), world.slate_size - 1, axis=1)
    return order[:, : world.slate_size]


def myopic_slates(world: AbstractWorld) -> IntArray:
    """(B, k) what is expected to earn most now, everything being known."""
    return best_slates(world.expected_rewards(world.state, world.users), world)
