"""A linear world: each step brings a visitor with a context, each article answers linearly to it.

    P(click on a | x) = clip(theta_a . x, floor, ceiling),  x = (1, x_1 .. x_d), x_j in [0, 1]
    theta_a . x = click_rate + spread z_a + w_a . (x_1..d - 1/2),  w_aj ~ N(0, 12 taste^2 / d)

so that `spread` is the standard deviation of the articles' own click rates and `taste` that of what
the context adds. x is one of `n_contexts` profiles, all equally likely at every step, and is
observed; theta is not. Every `period` steps a share `replaced` of the available articles vanishes
and as many new ones appear, with a new theta where a number is used again; what is not available
earns nothing.

Nothing that is shown changes who comes next: greedy is optimal, and what there is to win is the
context. Without changes (`period` 0) the world is a table and `certify` is exact: its best constant
action is then the best context-free article. With changes no article lasts, and the rule to compare
with is `context_free_slates`.

The setting of news articles in which LinUCB was shown (Li et al. 2010); constants are our own.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from recloop.simulators.base import AbstractWorld, Response, best_slates
from recloop.simulators.changing import drawn_availability
from recloop.simulators.draws import Draws
from recloop.simulators.finite import FiniteModel
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between, check_count, check_flag
from recloop.utils.seeding import stream


@dataclass(frozen=True)
class LinearParams:
    """Sizes, and the constants of the equations.

    n_features: d, without the intercept. period: steps between two changes of the articles, 0 for
    none. shows_available: whether the observation also says which articles are available; it is
    `availability` in any case.
    """

    n_users: int = 1
    n_items: int = 30
    n_available: int = 20
    n_features: int = 5
    n_contexts: int = 64
    click_rate: float = 0.1
    spread: float = 0.02
    taste: float = 0.04
    floor: float = 0.001
    ceiling: float = 0.95
    period: int = 500
    replaced: float = 0.2
    shows_available: bool = False
    horizon: int = 2000
    seed: int = 0


class LinearState(NamedTuple):
    """The time of the world, and who is visiting."""

    time: IntArray  # (B,) steps since the beginning of the session
    contexts: IntArray  # (B,) the number of the profile


class LinearWorld(AbstractWorld):
    """One article a step; reward 1 a click. Nobody leaves."""

    type_name = "linear"
    Params = LinearParams
    params: LinearParams
    state: LinearState
    n_draws = 2

    def _set_up(self, params: LinearParams) -> None:
        owner = "LinearWorld"
        for name in ("n_users", "n_items", "n_available", "n_features", "n_contexts", "horizon"):
            check_count(owner, name, getattr(params, name))
        check_count(owner, "period", params.period, least=0)
        check_flag(owner, "shows_available", params.shows_available)
        for name in ("click_rate", "spread", "taste", "floor", "replaced"):
            check_between(owner, name, getattr(params, name), 0.0, 1.0)
        check_between(owner, "ceiling", params.ceiling, params.floor, 1.0)
        self.n_users, self.n_items, self.horizon = params.n_users, params.n_items, params.horizon
        names = ["intercept", *(f"x_{number}" for number in range(1, params.n_features + 1))]
        if params.shows_available:
            names += [f"available_{item}" for item in range(params.n_items)]
        self.observation_names = tuple(names)
        rng = stream(params.seed, "linear world")
        profiles = rng.random((params.n_contexts, params.n_features))
        self.profiles = np.column_stack([np.ones(params.n_contexts), profiles])
        """(n_contexts, 1 + d)"""
        n_periods = -(-params.horizon // params.period) if params.period else 1
        replaced = params.replaced if params.period else 0.0
        self.available = drawn_availability(
            owner, rng, n_periods, params.n_items, params.n_available, replaced
        )
        """(n_periods, n_items) what can be shown in each period."""
        self.thetas = self._drawn_thetas(rng)
        """(n_periods, n_items, 1 + d)"""
        affinities = np.einsum("cf,paf->pca", self.profiles, self.thetas)
        rates = np.clip(affinities, params.floor, params.ceiling)
        self.rates = np.where(self.available[:, None, :], rates, 0.0)
        """(n_periods, n_contexts, n_items) click probabilities, 0 for what is not available."""

    def _drawn_thetas(self, rng: np.random.Generator) -> FloatArray:
        thetas = [self._fresh_thetas(rng)]
        for before, after in pairwise(self.available):
            appears = (after & ~before)[:, None]
            thetas.append(np.where(appears, self._fresh_thetas(rng), thetas[-1]))
        return np.array(thetas)

    def _fresh_thetas(self, rng: np.random.Generator) -> FloatArray:
        p = self.params
        weights = rng.standard_normal((p.n_items, p.n_features))
        weights *= p.taste * np.sqrt(12.0 / p.n_features)
        own = p.click_rate + p.spread * rng.standard_normal(p.n_items)
        return np.column_stack([own - 0.5 * weights.sum(axis=1), weights])

    def start(self, users: IntArray, draws: Draws) -> LinearState:
        times = np.zeros(len(users), dtype=np.int64)
        return LinearState(times, self._context_of(draws.uniform(1)[:, 0]))

    def respond(
        self, state: LinearState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        chance = draws.uniform(2)
        clicks = chance[:, 0] < self.rates[self.periods(state), state.contexts, slates[:, 0]]
        state.contexts[:] = self._context_of(chance[:, 1])
        state.time[:] += 1
        return Response(clicks[:, None].astype(np.float64))

    def observe(self, state: LinearState, users: IntArray) -> FloatArray:
        seen = self.profiles[state.contexts]
        if not self.params.shows_available:
            return seen
        return np.concatenate([seen, self.availability(state).astype(np.float64)], axis=1)

    def expected_rewards(self, state: LinearState, users: IntArray) -> FloatArray:
        return self.rates[self.periods(state), state.contexts]

    def availability(self, state: LinearState) -> BoolArray:
        """(B, n_items) what can be shown now."""
        return self.available[self.periods(state)]

    def periods(self, state: LinearState) -> IntArray:
        """(B,) how many changes there were."""
        if self.params.period == 0:
            return np.zeros(len(state.time), dtype=np.int64)
        return np.minimum(state.time // self.params.period, len(self.rates) - 1)

    def finite(self, user: int) -> FiniteModel | None:
        """The world as a table: states are profiles. None where articles come and go."""
        if self.params.period > 0:
            return None
        n_contexts = self.params.n_contexts
        shape = (n_contexts, self.n_items, n_contexts)
        return FiniteModel(
            np.arange(self.n_items)[:, None],
            np.full(shape, 1.0 / n_contexts),
            np.broadcast_to(np.arange(n_contexts), shape),
            self.rates[0],
            np.full(n_contexts, 1.0 / n_contexts),
        )

    def state_numbers(self, state: LinearState, users: IntArray) -> IntArray:
        """(B,) the row of `finite` where each session is."""
        return state.contexts

    def upper_bound(self) -> tuple[float, str]:
        """The greedy policy's value."""
        best = self.rates.max(axis=2).mean(axis=1)
        return float((best * self._period_lengths()).sum()), "nothing that is shown changes anybody"

    def context_free_value(self) -> float:
        """What `context_free_slates` earns in a session on average."""
        return float((self.rates.mean(axis=1).max(axis=1) * self._period_lengths()).sum())

    def _period_lengths(self) -> FloatArray:
        if self.params.period == 0:
            return np.array([float(self.horizon)])
        steps = np.arange(self.horizon) // self.params.period
        return np.bincount(steps).astype(np.float64)

    def _context_of(self, chance: FloatArray) -> IntArray:
        return (chance * self.params.n_contexts).astype(np.int64)


def context_free_slates(world: AbstractWorld) -> IntArray:
    """(B, 1) the available article that is best on average over all contexts."""
    assert isinstance(world, LinearWorld)
    return best_slates(world.rates.mean(axis=1)[world.periods(world.state)], world)
