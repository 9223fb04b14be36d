"""Return and churn: what is shown decides whether somebody comes back.

A person has a level of satisfaction L in 0..n_levels-1. Item i earns `revenue_i` when it is looked
at, which happens with probability `attention`, and then moves the satisfaction by `effect_i`
levels, up or down. After each step the visit ends with probability `visit_end`; then the person

    comes back  with probability  lowest + (highest - lowest) L / (n_levels - 1)

and is gone for good otherwise: the session is terminated. Revenues rise and effects fall from the
first item to the last, so the greedy policy sells out its audience.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recloop.simulators.base import AbstractWorld, Response
from recloop.simulators.draws import Draws
from recloop.simulators.finite import GONE, FiniteModel
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count


@dataclass(frozen=True)
class RetentionParams:
    """Items are evenly spread between the two ends of revenue and of effect.

    curve: exponent of the revenue over the items; above 1 most of them earn little.
    """

    n_items: int = 6
    n_users: int = 1
    n_levels: int = 10
    least_revenue: float = 0.05
    most_revenue: float = 1.0
    curve: float = 3.0
    best_effect: int = 3
    worst_effect: int = -3
    attention: float = 0.9
    visit_end: float = 0.3
    lowest_return: float = 0.2
    highest_return: float = 0.98
    horizon: int = 100


class RetentionState(NamedTuple):
    """How satisfied people are, and how often they came back."""

    satisfaction: IntArray  # (B,)
    returns: IntArray  # (B,)


class RetentionWorld(AbstractWorld):
    """One item a step; the reward is its revenue. People who do not come back have left."""

    type_name = "retention"
    Params = RetentionParams
    params: RetentionParams
    state: RetentionState
    n_draws = 3
    observation_names = ("satisfaction",)

    def _set_up(self, params: RetentionParams) -> None:
        owner = "RetentionWorld"
        check_count(owner, "n_items", params.n_items, least=2)
        check_count(owner, "n_levels", params.n_levels, least=2)
        for name in ("best_effect", "worst_effect"):
            check_count(owner, name, getattr(params, name), least=-1_000_000)
        for name in ("attention", "visit_end", "lowest_return", "highest_return"):
            check_between(owner, name, getattr(params, name), 0.0, 1.0)
        check_between(owner, "curve", params.curve, 0.0, 100.0, low_open=True)
        self.n_users, self.n_items, self.horizon = params.n_users, params.n_items, params.horizon
        grade = np.linspace(0.0, 1.0, params.n_items)
        spread = params.most_revenue - params.least_revenue
        self.revenues = params.least_revenue + spread * grade**params.curve
        effects = np.linspace(params.best_effect, params.worst_effect, params.n_items)
        self.effects = np.rint(effects).astype(np.int64)

    def start(self, users: IntArray, draws: Draws) -> RetentionState:
        middle = np.full(len(users), self.params.n_levels // 2)
        return RetentionState(middle, np.zeros(len(users), dtype=np.int64))

    def respond(
        self, state: RetentionState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        items, chance = slates[:, 0], draws.uniform(3)
        looked = chance[:, 0] < self.params.attention
        rewards = np.where(looked, self.revenues[items], 0.0)
        moved = np.where(looked, self._moved(state.satisfaction, items), state.satisfaction)
        ended = chance[:, 1] < self.params.visit_end
        returned = chance[:, 2] < self.return_probability(moved)
        state.satisfaction[:] = moved
        state.returns[:] += ended & returned
        return Response(rewards[:, None], ended & ~returned)

    def observe(self, state: RetentionState, users: IntArray) -> FloatArray:
        return (state.satisfaction / (self.params.n_levels - 1))[:, None]

    def expected_rewards(self, state: RetentionState, users: IntArray) -> FloatArray:
        return np.tile(self.params.attention * self.revenues, (len(users), 1))

    def return_probability(self, satisfaction: IntArray) -> FloatArray:
        """(B,) of somebody whose visit has ended."""
        p = self.params
        share = satisfaction / (p.n_levels - 1)
        return p.lowest_return + (p.highest_return - p.lowest_return) * share

    def finite(self, user: int) -> FiniteModel:
        """The world as a table: states are levels of satisfaction, actions items."""
        p = self.params
        levels, items = np.arange(p.n_levels)[:, None], np.arange(self.n_items)[None, :]
        shape = (p.n_levels, self.n_items)
        probabilities, following = np.zeros((*shape, 3)), np.zeros((*shape, 3), dtype=np.int64)
        moved = self._moved(levels, items)
        stays = np.broadcast_to(levels, shape)
        for outcome, after, chance in ((0, moved, p.attention), (1, stays, 1.0 - p.attention)):
            leaves = p.visit_end * (1.0 - self.return_probability(after))
            probabilities[:, :, outcome] = chance * (1.0 - leaves)
            following[:, :, outcome] = after
            probabilities[:, :, 2] += chance * leaves
        following[:, :, 2] = GONE
        rewards = np.broadcast_to(p.attention * self.revenues, shape)
        start = np.zeros(p.n_levels)
        start[p.n_levels // 2] = 1.0
        return FiniteModel(items.T.copy(), probabilities, following, rewards, start)

    def state_numbers(self, state: RetentionState, users: IntArray) -> IntArray:
        """(B,) the row of `finite` where each session is."""
        return state.satisfaction

    def _moved(self, satisfaction, items: IntArray) -> IntArray:
        return np.clip(satisfaction + self.effects[items], 0, self.params.n_levels - 1)
