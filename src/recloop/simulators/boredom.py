"""Boredom: too many clicks on one topic, and the topic has nothing to say for a while.

A person with taste u (unit length, nobody dislikes a topic) is shown a slate:

    P(click | item i in slot j) = examine_j quality_i / (1 + exp(-slope (u . q_i - middle)))
                                  and 0 where the topic of i is boring, or the person is away

Topic t is boring while there were `threshold` clicks or more on it in the last `window` steps
(boredom "topic"); in "away" the person looks at nothing while any topic is boring. Every click
moves the person toward the item: u becomes the unit vector along (1 - influence) u + influence q_i,
which raises u . q_i.

Kind and size of the setting follow SARDINE (Deffayet et al. 2023); equations and code are our own.
A person's taste at the start of a session is theirs for good and can be learned; during a session
only clicks are seen.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recloop.simulators.base import AbstractWorld, Policy, Response, best_slates
from recloop.simulators.choice import examination
from recloop.simulators.draws import Draws, uniform
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_choice, check_count
from recloop.utils.kernels import kernel
from recloop.utils.seeding import stream

KINDS = ("topic", "away")
ROOM = (0.25, 0.5, 1.0)
"""Shares of the clicks that do not bore yet which a planner lets one slate take."""


@dataclass(frozen=True)
class BoredomParams:
    """Sizes, and the constants of the equations.

    focus: how much of an item belongs to its topic, 1 for all. concentration: of people's tastes,
    smaller for people who like few topics (Dirichlet). skew: quality is U^skew, U uniform, so that
    few items are good and an item drawn at random is not.
    """

    n_users: int = 100
    n_items: int = 1000
    n_topics: int = 10
    slate_size: int = 10
    horizon: int = 100
    threshold: int = 5
    window: int = 5
    boredom: str = "topic"
    influence: float = 0.0
    slope: float = 12.0
    middle: float = 0.25
    skew: float = 6.0
    position_bias: float = 0.0
    focus: float = 0.9
    concentration: float = 1.0
    seed: int = 0


class BoredomState(NamedTuple):
    """Taste now, and the clicks of the last steps by topic."""

    tastes: FloatArray  # (B, n_topics), unit length
    clicks: IntArray  # (B, window, n_topics), a ring over steps
    counts: IntArray  # (B, n_topics), their sum
    place: IntArray  # (B,) where in the ring the next step goes


class BoredomWorld(AbstractWorld):
    """Slates of items on topics; reward 1 a click. Nobody leaves by themselves."""

    type_name = "boredom"
    Params = BoredomParams
    params: BoredomParams
    state: BoredomState

    def _set_up(self, params: BoredomParams) -> None:
        owner = "BoredomWorld"
        for name in ("n_users", "n_items", "n_topics", "slate_size", "threshold", "window"):
            check_count(owner, name, getattr(params, name))
        check_choice(owner, "boredom", params.boredom, KINDS)
        check_between(owner, "influence", params.influence, 0.0, 1.0)
        check_between(owner, "focus", params.focus, 0.0, 1.0)
        check_between(owner, "concentration", params.concentration, 0.0, 1e6, low_open=True)
        check_between(owner, "skew", params.skew, 0.0, 100.0)
        check_between(owner, "position_bias", params.position_bias, 0.0, 10.0)
        self.n_users, self.n_items = params.n_users, params.n_items
        self.slate_size, self.horizon = params.slate_size, params.horizon
        self.n_draws = params.slate_size
        topics = range(params.n_topics)
        self.observation_names = (*(f"clicks_{topic}" for topic in topics), "clicked")
        rng = stream(params.seed, "boredom world")
        self.topics = np.arange(params.n_items) % params.n_topics
        rest = rng.dirichlet(np.ones(params.n_topics), size=params.n_items)
        own = np.eye(params.n_topics)[self.topics]
        self.items = _unit(params.focus * own + (1.0 - params.focus) * rest)
        self.quality = rng.random(params.n_items) ** params.skew
        shares = np.full(params.n_topics, params.concentration)
        self.people = _unit(rng.dirichlet(shares, size=params.n_users) + 1e-9)
        self._examined = examination(params.slate_size, params.position_bias)

    def start(self, users: IntArray, draws: Draws) -> BoredomState:
        p, n = self.params, len(users)
        return BoredomState(
            self.people[users],
            np.zeros((n, p.window, p.n_topics), dtype=np.int64),
            np.zeros((n, p.n_topics), dtype=np.int64),
            np.zeros(n, dtype=np.int64),
        )

    def respond(
        self, state: BoredomState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        p = self.params
        rewards = np.zeros(slates.shape)
        _respond(
            *state, slates, self.items, self.topics, self.quality, self._examined, p.threshold,
            p.boredom == "away", p.influence, p.slope, p.middle, draws.keys, draws.first, rewards,
        )  # fmt: skip
        return Response(rewards)

    def observe(self, state: BoredomState, users: IntArray) -> FloatArray:
        seen = np.empty((len(users), self.params.n_topics + 1))
        seen[:, :-1] = np.minimum(state.counts / self.params.threshold, 1.0)
        last = (state.place - 1) % self.params.window
        clicks = state.clicks[np.arange(len(users)), last].sum(axis=1)
        seen[:, -1] = np.minimum(clicks / self.slate_size, 1.0)
        return seen

    def expected_rewards(self, state: BoredomState, users: IntArray) -> FloatArray:
        """(B, n_items) click probabilities in the first slot, 0 where somebody is bored."""
        open_topics = ~self.is_boring(state)
        if self.params.boredom == "away":
            open_topics[:] = open_topics.all(axis=1, keepdims=True)
        return self.likings(state, users) * open_topics[:, self.topics]

    def likings(self, state: BoredomState, users: IntArray) -> FloatArray:
        """(B, n_items) click probabilities in the first slot if nobody ever got bored."""
        p = self.params
        nearness = state.tastes @ self.items.T
        return self.quality / (1.0 + np.exp(-p.slope * (nearness - p.middle)))

    def is_boring(self, state: BoredomState) -> np.ndarray:
        """(B, n_topics) which topics are boring now."""
        return state.counts >= self.params.threshold

    def planners(self) -> dict[str, Policy]:
        """Rules that know everything and keep a topic's clicks below what bores, or do not."""
        rules: dict[str, Policy] = {"liking alone": _by_liking}
        for share in ROOM:
            rules[f"room for {share:g} clicks a topic"] = _with_room(share)
        return rules

    def upper_bound(self) -> tuple[float, str]:
        """Nobody can click more than on the best slate of a person who is never bored."""
        p = self.params
        nearness = self.people @ self.items.T if p.influence == 0.0 else np.ones((1, self.n_items))
        chances = self.quality / (1.0 + np.exp(-p.slope * (nearness - p.middle)))
        top = np.sort(chances, axis=1)[:, ::-1][:, : self.slate_size]
        return float((top * self._examined).sum(axis=1).mean() * self.horizon), "never bored"


def _by_liking(world: AbstractWorld) -> IntArray:
    assert isinstance(world, BoredomWorld)
    return best_slates(world.likings(world.state, world.users), world)


def _with_room(share: float) -> Policy:
    """The best items of each topic, as many as its clicks leave room for within the window."""

    def slates(world: AbstractWorld) -> IntArray:
        assert isinstance(world, BoredomWorld)
        p, n = world.params, len(world.users)
        likings = world.likings(world.state, world.users)
        room = p.threshold - 1 - world.state.counts
        room = np.minimum(room, int(np.ceil(share * (p.threshold - 1))))
        out = np.full((n, world.slate_size), -1, dtype=np.int64)
        _fill(np.argsort(-likings, axis=1, kind="stable"), world.topics, room, out)
        return out

    return slates


@kernel
def _fill(order, topics, room, out):
    for row in range(len(order)):
        slot = 0
        for item in order[row]:
            if room[row, topics[item]] > 0:
                room[row, topics[item]] -= 1
                out[row, slot] = item
                slot += 1
                if slot == out.shape[1]:
                    break


def _unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@kernel
def _respond(
    tastes, clicks, counts, place, slates, items, topics, quality, examined, threshold, away,
    influence, slope, middle, keys, first, rewards,
):  # fmt: skip
    n_topics = counts.shape[1]
    fresh = np.empty(n_topics, dtype=np.int64)
    boring = np.empty(n_topics, dtype=np.bool_)
    for row in range(len(slates)):
        fresh[:] = 0
        n_boring = 0
        for topic in range(n_topics):
            boring[topic] = counts[row, topic] >= threshold
            n_boring += boring[topic]
        # the chance of every slot is fixed before the first click moves anybody
        for slot in range(slates.shape[1]):
            item = slates[row, slot]
            if item < 0 or (n_boring > 0 and (away or boring[topics[item]])):
                continue
            liking = 0.0
            for factor in range(n_topics):
                liking += tastes[row, factor] * items[item, factor]
            chance = examined[slot] * quality[item] / (1.0 + np.exp(-slope * (liking - middle)))
            if uniform(keys[row], first[row] + slot) < chance:
                rewards[row, slot] = 1.0
                fresh[topics[item]] += 1
        if influence > 0.0:
            for slot in range(slates.shape[1]):
                if rewards[row, slot] > 0.0:
                    length = 0.0
                    for factor in range(n_topics):
                        moved = (1.0 - influence) * tastes[row, factor]
                        moved += influence * items[slates[row, slot], factor]
                        tastes[row, factor] = moved
                        length += moved * moved
                    for factor in range(n_topics):
                        tastes[row, factor] /= np.sqrt(length)
        for topic in range(n_topics):
            counts[row, topic] += fresh[topic] - clicks[row, place[row], topic]
            clicks[row, place[row], topic] = fresh[topic]
        place[row] = (place[row] + 1) % clicks.shape[1]
