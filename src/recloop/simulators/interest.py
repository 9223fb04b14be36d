"""Interest evolution: slates, a time budget, and documents whose quality is felt afterwards.

A document has a topic t, a quality q in [-1, 1] and takes `length` of a person's time budget when
it is watched. From a slate a person picks one or nothing by a multinomial logit over

    v_i = slope u_t,  u in [-1, 1] the interest in the topic

Watching earns `length`. What was good gives time back, as much as it satisfied:

    satisfaction = (1 - weight) u_t + weight q,  budget += refund length satisfaction, if positive

and moves the interest by step (1 - |u_t|), up with probability (1 + satisfaction) / 2, else down.
Picking nothing costs `idle` of the budget. When it is used up the person leaves. Most topics
attract with low quality, so that the greedy slate burns the budget.

The setting in which SlateQ was shown (Ie et al. 2019); equations and constants are our own.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recloop.simulators.base import AbstractWorld, Policy, Response, best_slates
from recloop.simulators.choice import no_click_utility
from recloop.simulators.draws import Draws, uniform
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count
from recloop.utils.kernels import kernel
from recloop.utils.seeding import stream

PLANNED = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Weights of what watching does, in the rules that plan."""


@dataclass(frozen=True)
class InterestParams:
    """Sizes, and the constants of the equations.

    trashy: share of the topics whose quality is low; people are drawn to those. no_click: the
    probability of picking nothing beside a slate of no interest, u = 0.
    """

    n_users: int = 100
    n_items: int = 1000
    n_topics: int = 20
    slate_size: int = 10
    budget: float = 60.0
    length: float = 4.0
    idle: float = 2.0
    refund: float = 0.6
    weight: float = 0.5
    slope: float = 3.0
    step: float = 0.1
    trashy: float = 0.7
    no_click: float = 0.2
    horizon: int = 200
    seed: int = 0


class InterestState(NamedTuple):
    """What people care for, the time that is left, and the last answer."""

    interests: FloatArray  # (B, n_topics) in [-1, 1]
    budget: FloatArray  # (B,)
    watched: IntArray  # (B,) the topic of the last step, -1 for none
    satisfaction: FloatArray  # (B,) of the last step, 0 for none


class InterestWorld(AbstractWorld):
    """Slates of documents; the reward is the time watched. Who has no time left leaves."""

    type_name = "interest"
    Params = InterestParams
    params: InterestParams
    state: InterestState
    n_draws = 2

    def _set_up(self, params: InterestParams) -> None:
        owner = "InterestWorld"
        for name in ("n_users", "n_items", "n_topics", "slate_size"):
            check_count(owner, name, getattr(params, name))
        for name in ("weight", "step", "trashy", "refund"):
            check_between(owner, name, getattr(params, name), 0.0, 1.0)
        for name in ("budget", "length", "idle"):
            check_between(owner, name, getattr(params, name), 0.0, 1e9, low_open=True)
        check_between(owner, "no_click", params.no_click, 0.0, 1.0, low_open=True, high_open=True)
        self.n_users, self.n_items = params.n_users, params.n_items
        self.slate_size, self.horizon = params.slate_size, params.horizon
        topics = range(params.n_topics)
        self.observation_names = (
            *(f"watched_{topic}" for topic in topics), "satisfaction", "budget",
        )  # fmt: skip
        rng = stream(params.seed, "interest world")
        n_trashy = round(params.trashy * params.n_topics)
        is_trashy = np.arange(params.n_topics) < n_trashy
        level = np.where(is_trashy, rng.uniform(-0.9, -0.3, params.n_topics),
                         rng.uniform(0.3, 0.9, params.n_topics))  # fmt: skip
        self.topics = np.arange(params.n_items) % params.n_topics
        spread = 0.1 * rng.standard_normal(params.n_items)
        self.quality = np.clip(level[self.topics] + spread, -1.0, 1.0)
        drawn_to = np.where(is_trashy, 0.3, -0.1)
        drawn = rng.uniform(-0.6, 0.6, (params.n_users, params.n_topics)) + drawn_to
        self.people = np.clip(drawn, -1.0, 1.0)
        self._no_click = no_click_utility(params.no_click, 0.0, params.slate_size)

    def start(self, users: IntArray, draws: Draws) -> InterestState:
        n = len(users)
        return InterestState(
            self.people[users], np.full(n, self.params.budget), np.full(n, -1), np.zeros(n)
        )

    def respond(
        self, state: InterestState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        p, rewards = self.params, np.zeros(slates.shape)
        _respond(
            *state, slates, self.topics, self.quality, self._no_click, p.slope, p.length, p.idle,
            p.refund, p.weight, p.step, draws.keys, draws.first, rewards,
        )  # fmt: skip
        return Response(rewards, state.budget <= 0.0)

    def observe(self, state: InterestState, users: IntArray) -> FloatArray:
        n_topics = self.params.n_topics
        seen = np.zeros((len(users), n_topics + 2))
        known = np.flatnonzero(state.watched >= 0)
        seen[known, state.watched[known]] = 1.0
        seen[:, n_topics] = (1.0 + state.satisfaction) / 2.0
        seen[:, n_topics + 1] = np.clip(state.budget / self.params.budget, 0.0, 1.0)
        return seen

    def expected_rewards(self, state: InterestState, users: IntArray) -> FloatArray:
        """(B, n_items) of a slate of the item alone."""
        weights = np.exp(self.params.slope * state.interests[:, self.topics])
        return self.params.length * weights / (weights + np.exp(self._no_click))

    def satisfactions(self, state: InterestState) -> FloatArray:
        """(B, n_items) what watching each document would do to a person."""
        weight = self.params.weight
        return (1.0 - weight) * state.interests[:, self.topics] + weight * self.quality

    def planners(self) -> dict[str, Policy]:
        """Rules that know everything: interest, plus a weight times what watching would do."""

        def rule(weight: float) -> Policy:
            def slates(world: AbstractWorld) -> IntArray:
                assert isinstance(world, InterestWorld)
                wanted = world.params.slope * world.state.interests[:, world.topics]
                return best_slates(wanted + weight * world.satisfactions(world.state), world)

            return slates

        return {f"interest + {weight:g} satisfaction": rule(weight) for weight in PLANNED}

    def upper_bound(self) -> tuple[float, str]:
        """Nobody can watch more than at full satisfaction by the best document, without a pause."""
        p = self.params
        satisfaction = (1.0 - p.weight) + p.weight * float(self.quality.max())
        net = p.length * (1.0 - p.refund * max(satisfaction, 0.0))
        n_watched = p.horizon if net <= 0 else min(p.horizon, int(np.ceil(p.budget / net)))
        return p.length * n_watched, "always watching the best document at full interest"


@kernel
def _respond(
    interests, budget, watched, satisfaction, slates, topics, quality, no_click, slope, length,
    idle, refund, weight, step, keys, first, rewards,
):  # fmt: skip
    for row in range(len(slates)):
        total = np.exp(no_click)
        for slot in range(slates.shape[1]):
            if slates[row, slot] >= 0:
                total += np.exp(slope * interests[row, topics[slates[row, slot]]])
        left = uniform(keys[row], first[row]) * total
        picked = -1
        for slot in range(slates.shape[1]):
            if slates[row, slot] >= 0:
                left -= np.exp(slope * interests[row, topics[slates[row, slot]]])
                if left < 0.0:
                    picked = slot
                    break
        if picked < 0:
            budget[row] -= idle
            watched[row] = -1
            satisfaction[row] = 0.0
            continue
        item = slates[row, picked]
        topic = topics[item]
        interest = interests[row, topic]
        felt = (1.0 - weight) * interest + weight * quality[item]
        rewards[row, picked] = length
        budget[row] += refund * length * max(felt, 0.0) - length
        up = uniform(keys[row], first[row] + 1) < (1.0 + felt) / 2.0
        moved = interest + (step if up else -step) * (1.0 - abs(interest))
        interests[row, topic] = min(max(moved, -1.0), 1.0)
        watched[row] = topic
        satisfaction[row] = felt
