"""A world of fixed tastes: who is shown what clicks with a probability of their own.

    P(click | person u, item i, slot j) = examine_j clip(p_u . q_i + b_i, floor, ceiling)

Nothing that is shown changes anybody, so the best policy is the greedy one for the click
probabilities themselves: a control in which no amount of planning helps. Tastes may drift by
themselves, which changes nothing about that: p_u takes a step of a random walk after every slate.
With `again` below 1 people keep only that share of their liking for what they clicked before in the
session; what is shown then does change what follows, and the world is no control any more.
Sessions may end by themselves too, after a number of steps that is drawn when they begin.
"""

from dataclasses import dataclass
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.simulators.base import AbstractWorld, Response
from recloop.simulators.choice import draw_position_based, examination
from recloop.simulators.draws import Draws
from recloop.simulators.finite import FiniteModel
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count
from recloop.utils.seeding import stream


@dataclass(frozen=True)
class PreferenceParams:
    """What the people like; fixed for the life of a world.

    popularity: (n_items,) b_i, added to every person's liking; None for 0.
    position_bias: exponent of the probability that a slot is looked at, 0 for no bias.
    drift: standard deviation of a step of every number of p_u.
    lengths: (n,) probability that a person leaves after 1, 2, ... n steps; None: nobody leaves.
    again: in [0, 1], what is left of the probability of clicking an item that was clicked before in
    the session; 0 for people who take nothing twice.
    """

    user_factors: FloatArray  # (n_users, n_factors)
    item_factors: FloatArray  # (n_items, n_factors)
    popularity: FloatArray | None = None
    floor: float = 0.001
    ceiling: float = 0.95
    slate_size: int = 1
    position_bias: float = 0.0
    drift: float = 0.0
    horizon: int = 20  # steps after which a session is cut off
    lengths: FloatArray | None = None
    again: float = 1.0


class PreferenceState(NamedTuple):
    """Tastes as they are now, what was clicked last and before, and who leaves when."""

    tastes: FloatArray  # (B, n_factors), (B, 0) without drift
    clicked: FloatArray  # (B,) share of the last slate
    steps_left: IntArray  # (B,) until the person leaves, (B, 0) where nobody does
    liking_left: FloatArray  # (B, n_items) 1, or `again` of what was clicked; (B, 0) if it is 1


class PreferenceWorld(AbstractWorld):
    """People of fixed tastes; reward 1 a click."""

    type_name = "preference"
    Params = PreferenceParams
    params: PreferenceParams
    state: PreferenceState

    @classmethod
    def settings(cls) -> list[str]:
        """The names that `drawn_preferences` takes."""
        drawn = [name for name in signature(drawn_preferences).parameters if name != "others"]
        given = ("user_factors", "item_factors", "popularity")
        return [*drawn, *(name for name in super().settings() if name not in given)]

    @classmethod
    def from_settings(cls, **settings: Any) -> "PreferenceWorld":
        """The world of `drawn_preferences`, whose arguments the settings are."""
        return cls(drawn_preferences(**settings))

    def _set_up(self, params: PreferenceParams) -> None:
        check_count("PreferenceWorld", "slate_size", params.slate_size)
        check_between("PreferenceWorld", "floor", params.floor, 0.0, 1.0)
        check_between("PreferenceWorld", "ceiling", params.ceiling, params.floor, 1.0)
        check_between("PreferenceWorld", "position_bias", params.position_bias, 0.0, 10.0)
        check_between("PreferenceWorld", "drift", params.drift, 0.0, 10.0)
        check_between("PreferenceWorld", "again", params.again, 0.0, 1.0)
        self.n_users, n_factors = params.user_factors.shape
        self.n_items = len(params.item_factors)
        if params.item_factors.shape[1] != n_factors:
            raise InvalidParameter(
                f"PreferenceWorld: user_factors have {n_factors} columns, item_factors "
                f"{params.item_factors.shape[1]}; they must have the same number."
            )
        self.slate_size, self.horizon = params.slate_size, params.horizon
        self.n_draws = self.slate_size + (2 * n_factors if params.drift > 0 else 0)
        self.observation_names = (
            "clicked", *(f"taste_{number}" for number in range(n_factors)),
        )  # fmt: skip
        self._examined = examination(self.slate_size, params.position_bias)
        self._popularity = (
            np.zeros(self.n_items) if params.popularity is None else params.popularity
        )
        self._leaves = None if params.lengths is None else np.cumsum(_checked(params.lengths))

    def start(self, users: IntArray, draws: Draws) -> PreferenceState:
        tastes = np.empty((len(users), 0))
        if self.params.drift > 0:
            tastes = self.params.user_factors[users].copy()
        steps_left = np.empty((len(users), 0), dtype=np.int64)
        if self._leaves is not None:
            length = np.searchsorted(self._leaves, draws.uniform(1)[:, 0], side="right") + 1
            steps_left = np.minimum(length, len(self._leaves))  # the sum may round below 1
        liking_left = np.ones((len(users), self.n_items if self.params.again < 1.0 else 0))
        return PreferenceState(tastes, np.zeros(len(users)), steps_left, liking_left)

    def respond(
        self, state: PreferenceState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        chances = self._clipped(
            np.einsum("bf,bkf->bk", self._tastes(state, users), self.params.item_factors[slates])
            + self._popularity[slates]
        )
        chances[slates < 0] = 0.0
        if self.params.again < 1.0:
            chances *= np.take_along_axis(state.liking_left, np.maximum(slates, 0), axis=1)
        clicks = draw_position_based(chances, self._examined, draws.uniform(self.slate_size))
        if self.params.drift > 0:
            n_factors = self.params.user_factors.shape[1]
            state.tastes[:] += self.params.drift * draws.normal(n_factors, at=self.slate_size)
        state.clicked[:] = clicks.mean(axis=1)
        if self.params.again < 1.0:
            rows, slots = np.nonzero(clicks)
            state.liking_left[rows, slates[rows, slots]] = self.params.again
        rewards = clicks.astype(np.float64)
        if self._leaves is None:
            return Response(rewards)
        state.steps_left[:] -= 1
        return Response(rewards, state.steps_left <= 0)

    def observe(self, state: PreferenceState, users: IntArray) -> FloatArray:
        tastes = 1.0 / (1.0 + np.exp(-4.0 * self._tastes(state, users)))
        return np.concatenate([state.clicked[:, None], tastes], axis=1)

    def expected_rewards(self, state: PreferenceState, users: IntArray) -> FloatArray:
        chances = self._examined[0] * self._clipped(
            self._tastes(state, users) @ self.params.item_factors.T + self._popularity
        )
        return chances * state.liking_left if self.params.again < 1.0 else chances

    def finite(self, user: int) -> FiniteModel | None:
        """One state, an action for each item; None with slates, drift, memory or leaving."""
        p = self.params
        if self.slate_size > 1 or p.drift > 0 or p.again < 1.0 or self._leaves is not None:
            return None
        chances = self.click_probabilities(np.array([user]))
        shape = (1, self.n_items, 1)
        return FiniteModel(
            np.arange(self.n_items)[:, None],
            np.ones(shape),
            np.zeros(shape, dtype=np.int64),
            chances,
            np.ones(1),
        )

    def state_numbers(self, state: PreferenceState, users: IntArray) -> IntArray:
        """(B,) 0: there is one state."""
        return np.zeros(len(users), dtype=np.int64)

    def upper_bound(self) -> tuple[float, str]:
        """The greedy policy's value where tastes stand still; nothing but chance changes them."""
        n_steps = self._mean_length()
        if self.params.drift > 0:
            return float(self._examined.sum() * self.params.ceiling * n_steps), "the ceiling"
        chances = self.click_probabilities(np.arange(self.n_users))
        top = np.sort(chances, axis=1)[:, ::-1][:, : self.slate_size]
        value = float((top * self._examined).sum(axis=1).mean() * n_steps)
        if self.params.again < 1.0:
            return value, "as if everything was liked as at first"
        return value, "nothing that is shown changes anybody"

    def click_probabilities(self, users: IntArray) -> FloatArray:
        """(B, n_items) the probability that each of `users` clicks each item at first."""
        return self._clipped(
            self.params.user_factors[users] @ self.params.item_factors.T + self._popularity
        )

    def _mean_length(self) -> float:
        if self.params.lengths is None:
            return float(self.horizon)
        steps = np.minimum(np.arange(1, len(self.params.lengths) + 1), self.horizon)
        return float(steps @ self.params.lengths)

    def _tastes(self, state: PreferenceState, users: IntArray) -> FloatArray:
        return state.tastes if self.params.drift > 0 else self.params.user_factors[users]

    def _clipped(self, affinities: FloatArray) -> FloatArray:
        return np.clip(affinities, self.params.floor, self.params.ceiling)


def _checked(lengths: FloatArray) -> FloatArray:
    try:
        lengths = np.asarray(lengths, dtype=np.float64)
    except (TypeError, ValueError):
        lengths = np.empty((0, 0))
    is_distribution = (
        lengths.ndim == 1 and bool((lengths >= 0).all()) and abs(lengths.sum() - 1.0) < 1e-6
    )
    if not is_distribution:
        raise InvalidParameter(
            "PreferenceWorld: lengths must be probabilities of 1, 2, ... steps that sum to 1, got "
            f"shape {lengths.shape} with sum {lengths.sum():g}. Divide counts by their sum."
        )
    return lengths


def drawn_preferences(
    *,
    n_users: int = 100,
    n_items: int = 50,
    n_factors: int = 8,
    click_rate: float = 0.2,
    taste: float = 0.15,
    skew: float = 0.1,
    seed: int = 0,
    **others: Any,
) -> PreferenceParams:
    """Tastes at random: likings are normal around click_rate, with standard deviation `taste`.

    skew: how far the click rates of items lie apart, highest to lowest over the ranks
    (popularity falls with the logarithm of the rank). others: further fields of
    `PreferenceParams`.
    """
    for name, value in (("n_users", n_users), ("n_items", n_items), ("n_factors", n_factors)):
        check_count("drawn_preferences", name, value)
    check_between("drawn_preferences", "click_rate", click_rate, 0.0, 1.0)
    check_between("drawn_preferences", "taste", taste, 0.0, 100.0)
    check_between("drawn_preferences", "skew", skew, -1.0, 1.0)
    rng = stream(seed, "preference world")
    people = rng.standard_normal((n_users, n_factors))
    items = rng.standard_normal((n_items, n_factors)) * (taste / np.sqrt(n_factors))
    ranks = np.log(np.arange(1.0, n_items + 1.0))
    spread = np.ptp(ranks) if n_items > 1 else 1.0
    popularity = click_rate + skew * (ranks.mean() - ranks) / spread
    return PreferenceParams(people, items, popularity[rng.permutation(n_items)], **others)
