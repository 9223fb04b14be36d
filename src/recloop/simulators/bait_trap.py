"""A bait and a trap: what earns most now costs the trust that makes people click at all.

A person has a level of trust m in 0..n_levels-1. Bait earns `bait_reward` a click and costs
`bait_cost` levels; an honest item earns `honest_reward` and wins a level. A person picks from the
slate, or nothing, by a multinomial logit:

    P(click slot j) = e^(v_i + m worth) / (e^(v_i's and no click together)),  v_i the item's appeal

No click leaves the trust as it is. At low trust hardly anybody clicks: the trap. The best policy
wins trust and then spends it; always the same slate is far from it, and so is the greedy one.
Small enough to be solved exactly.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recloop.simulators.base import AbstractWorld, Response
from recloop.simulators.choice import draw_slot, multinomial_logit, no_click_utility
from recloop.simulators.draws import Draws
from recloop.simulators.finite import FiniteModel, all_slates
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count
from recloop.utils.seeding import stream


@dataclass(frozen=True)
class BaitTrapParams:
    """Half of the items, the first ones, are bait.

    appeal: standard deviation of the items' v. no_click: probability of no click at full trust
    beside a slate of items of v = 0. worth: what a level of trust adds to the utility of an item.
    """

    n_items: int = 6
    n_users: int = 1
    slate_size: int = 2
    n_levels: int = 5
    bait_reward: float = 1.0
    bait_cost: int = 2
    honest_reward: float = 0.25
    appeal: float = 0.3
    no_click: float = 0.1
    worth: float = 1.2
    horizon: int = 50
    seed: int = 0


class BaitTrapState(NamedTuple):
    """How much people trust."""

    trust: IntArray  # (B,)


class BaitTrapWorld(AbstractWorld):
    """Slates of bait and honest items; the reward is the clicked item's. Nobody leaves."""

    type_name = "bait_trap"
    Params = BaitTrapParams
    params: BaitTrapParams
    state: BaitTrapState
    n_draws = 1
    observation_names = ("trust",)

    def _set_up(self, params: BaitTrapParams) -> None:
        owner = "BaitTrapWorld"
        check_count(owner, "n_items", params.n_items, least=2)
        check_count(owner, "n_levels", params.n_levels, least=2)
        check_count(owner, "bait_cost", params.bait_cost)
        check_count(owner, "slate_size", params.slate_size)
        check_between(owner, "appeal", params.appeal, 0.0, 100.0)
        check_between(owner, "no_click", params.no_click, 0.0, 1.0, low_open=True, high_open=True)
        self.n_users, self.n_items = params.n_users, params.n_items
        self.slate_size, self.horizon = params.slate_size, params.horizon
        is_bait = np.arange(params.n_items) < params.n_items // 2
        self.rewards = np.where(is_bait, params.bait_reward, params.honest_reward)
        self.changes = np.where(is_bait, -params.bait_cost, 1)
        rng = stream(params.seed, "bait trap world")
        self.appeal = params.appeal * rng.standard_normal(params.n_items)
        top = (params.n_levels - 1) * params.worth
        self._no_click = no_click_utility(params.no_click, top, params.slate_size)

    def start(self, users: IntArray, draws: Draws) -> BaitTrapState:
        return BaitTrapState(np.full(len(users), self.params.n_levels // 2))

    def respond(
        self, state: BaitTrapState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        slot = draw_slot(self._choices(state.trust, slates), draws.uniform(1)[:, 0])
        clicked = np.flatnonzero(slot >= 0)
        items = slates[clicked, slot[clicked]]
        rewards = np.zeros(slates.shape)
        rewards[clicked, slot[clicked]] = self.rewards[items]
        state.trust[clicked] = self._moved(state.trust[clicked], items)
        return Response(rewards)

    def observe(self, state: BaitTrapState, users: IntArray) -> FloatArray:
        return (state.trust / (self.params.n_levels - 1))[:, None]

    def expected_rewards(self, state: BaitTrapState, users: IntArray) -> FloatArray:
        """(B, n_items) for a slate of the item alone."""
        items = np.broadcast_to(np.arange(self.n_items), (len(users), self.n_items))
        weights = np.exp(self.appeal[items] + self.params.worth * state.trust[:, None])
        return self.rewards * weights / (weights + np.exp(self._no_click))

    def finite(self, user: int) -> FiniteModel:
        """The world as a table: states are levels of trust, actions all slates."""
        n_levels, slates = self.params.n_levels, all_slates(self.n_items, self.slate_size)
        shape = (n_levels, len(slates))
        probabilities = np.zeros((*shape, self.slate_size + 1))
        following = np.zeros((*shape, self.slate_size + 1), dtype=np.int64)
        for level in range(n_levels):
            trust = np.full(len(slates), level)
            probabilities[level] = self._choices(trust, slates)
            following[level, :, :-1] = self._moved(level, slates)
            following[level, :, -1] = level
        rewards = (probabilities[:, :, :-1] * self.rewards[slates]).sum(axis=2)
        start = np.zeros(n_levels)
        start[n_levels // 2] = 1.0
        return FiniteModel(slates, probabilities, following, rewards, start)

    def state_numbers(self, state: BaitTrapState, users: IntArray) -> IntArray:
        """(B,) the row of `finite` where each session is."""
        return state.trust

    def _choices(self, trust: IntArray, slates: IntArray) -> FloatArray:
        utilities = self.appeal[slates] + self.params.worth * trust[:, None]
        utilities = np.where(slates < 0, -np.inf, utilities)
        return multinomial_logit(utilities, self._no_click)

    def _moved(self, trust, items: IntArray) -> IntArray:
        return np.clip(trust + self.changes[items], 0, self.params.n_levels - 1)
