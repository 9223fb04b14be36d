"""Organic and bandit sessions of one person: what people look up, and what they take when offered.

A person has a taste w, a random walk. On their own they view items, and now and then they are
offered one, an ad:

    organic view     P(view i) = softmax(Gamma w + mu)_i,  mu the items' popularity
    ad               P(click i) = lowest + (highest - lowest) sigmoid(slope beta_i . w - margin)
    beta             Gamma with the rows of `flips` pairs of items exchanged

Every step offers an ad; then the taste takes a step of `drift`, and with probability `organic` the
person views `n_views` items. After each step the person leaves with probability `stop`. Popularity
makes views predictable and does nothing for ads, and the exchanged items are viewed and clicked for
different reasons: a recommender that predicts the next view best need not be clicked most.
`inversion` measures both.

The setting of RecoGym (Rohde et al. 2018); equations and constants are our own. What is offered
changes nobody: the greedy policy of the click probabilities themselves is optimal.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.simulators.base import AbstractWorld, Response
from recloop.simulators.certify import interval_of, spread_users
from recloop.simulators.draws import Draws, normal, session_keys, uniform
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between, check_count
from recloop.utils.kernels import kernel
from recloop.utils.seeding import stream
from recloop.utils.topk import top_k

HIT_AT = 5


@dataclass(frozen=True)
class SessionsParams:
    """Sizes, and the constants of the equations.

    popularity: standard deviation of mu. appeal: standard deviation of Gamma w over the items.
    n_recent: how many of the last views are observed. stop: probability of leaving after a step.
    """

    n_users: int = 2000
    n_items: int = 100
    n_factors: int = 5
    popularity: float = 2.0
    appeal: float = 1.5
    flips: int = 10
    lowest: float = 0.005
    highest: float = 0.1
    slope: float = 1.0
    margin: float = 2.0
    drift: float = 0.05
    organic: float = 0.25
    n_views: int = 8
    n_recent: int = 24
    stop: float = 0.01
    horizon: int = 100
    seed: int = 0


class SessionsState(NamedTuple):
    """Tastes as they are now, and what was viewed."""

    tastes: FloatArray  # (B, n_factors)
    viewed: IntArray  # (B, n_recent) newest first, -1 where there is none


class SessionsWorld(AbstractWorld):
    """One ad a step; reward 1 a click. Views are observed and earn nothing."""

    type_name = "sessions"
    Params = SessionsParams
    params: SessionsParams
    state: SessionsState

    def _set_up(self, params: SessionsParams) -> None:
        owner = "SessionsWorld"
        for name in ("n_users", "n_items", "n_factors", "n_views", "n_recent", "horizon"):
            check_count(owner, name, getattr(params, name))
        check_count(owner, "flips", params.flips, least=0)
        for name in ("popularity", "appeal", "slope", "drift"):
            check_between(owner, name, getattr(params, name), 0.0, 100.0)
        check_between(owner, "margin", params.margin, -100.0, 100.0)
        for name in ("lowest", "organic", "stop"):
            check_between(owner, name, getattr(params, name), 0.0, 1.0)
        check_between(owner, "highest", params.highest, params.lowest, 1.0)
        if 2 * params.flips > params.n_items:
            raise InvalidParameter(
                f"{owner}: flips must be at most half of n_items, {params.n_items // 2}, got "
                f"{params.flips}. An item is exchanged with one other."
            )
        self.n_users, self.n_items, self.horizon = params.n_users, params.n_items, params.horizon
        self.n_draws = 3 + 2 * params.n_factors + params.n_views
        self.observation_names = tuple(f"viewed_{item}" for item in range(params.n_items))
        rng = stream(params.seed, "sessions world")
        self.people = rng.standard_normal((params.n_users, params.n_factors))
        shape = (params.n_items, params.n_factors)
        self.gamma = rng.standard_normal(shape) * (params.appeal / np.sqrt(params.n_factors))
        self.mu = params.popularity * rng.standard_normal(params.n_items)
        pairs = rng.permutation(params.n_items)[: 2 * params.flips].reshape(-1, 2)
        self.beta = self.gamma.copy()
        self.beta[pairs] = self.gamma[pairs[:, ::-1]]

    def start(self, users: IntArray, draws: Draws) -> SessionsState:
        viewed = np.full((len(users), self.params.n_recent), -1)
        state = SessionsState(self.people[users].copy(), viewed)
        self._browse(state, np.ones(len(users), dtype=np.bool_), draws)
        return state

    def respond(
        self, state: SessionsState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        p, chance = self.params, draws.uniform(3)
        affinities = np.einsum("bf,bf->b", state.tastes, self.beta[slates[:, 0]])
        clicks = chance[:, 0] < self._click_probabilities(affinities)
        _drift(state.tastes, p.drift, draws.keys, draws.first)
        self._browse(state, chance[:, 2] < p.organic, draws)
        return Response(clicks[:, None].astype(np.float64), chance[:, 1] < p.stop)

    def observe(self, state: SessionsState, users: IntArray) -> FloatArray:
        """(B, n_items) the share of each item in the last views."""
        counts = view_counts(state.viewed, self.n_items)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)

    def expected_rewards(self, state: SessionsState, users: IntArray) -> FloatArray:
        return self._click_probabilities(state.tastes @ self.beta.T)

    def view_probabilities(self, tastes: FloatArray) -> FloatArray:
        """(B, n_items) of the next organic view."""
        utilities = tastes @ self.gamma.T + self.mu
        weights = np.exp(utilities - utilities.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def upper_bound(self) -> tuple[float, str]:
        """The greedy policy's value where tastes stand still, else the highest probability."""
        p = self.params
        n_steps = float(((1.0 - p.stop) ** np.arange(p.horizon)).sum())
        if p.drift > 0:
            return p.highest * n_steps, "the highest click probability"
        best = self._click_probabilities(self.people @ self.beta.T).max(axis=1).mean()
        return float(best * n_steps), "nothing that is offered changes anybody"

    def _click_probabilities(self, affinities: FloatArray) -> FloatArray:
        p = self.params
        share = 1.0 / (1.0 + np.exp(p.margin - p.slope * affinities))
        return p.lowest + (p.highest - p.lowest) * share

    def _browse(self, state: SessionsState, who: BoolArray, draws: Draws) -> None:
        _browse(
            state.tastes, state.viewed, who, self.gamma, self.mu, self.params.n_views,
            draws.keys, draws.first + 3 + 2 * self.params.n_factors,
        )  # fmt: skip


@kernel
def _drift(tastes, drift, keys, first):
    for row in range(len(tastes)):
        for factor in range(tastes.shape[1]):
            tastes[row, factor] += drift * normal(keys[row], first[row] + 3 + 2 * factor)


@kernel
def _browse(tastes, viewed, who, gamma, mu, n_views, keys, first):
    n_items, n_recent = len(mu), viewed.shape[1]
    upto = np.empty(n_items)
    for row in range(len(tastes)):
        if not who[row]:
            continue
        total = 0.0
        for item in range(n_items):
            utility = mu[item]
            for factor in range(tastes.shape[1]):
                utility += tastes[row, factor] * gamma[item, factor]
            total += np.exp(utility)
            upto[item] = total
        for view in range(n_views):
            drawn = uniform(keys[row], first[row] + view) * total
            item = min(np.searchsorted(upto, drawn, side="right"), n_items - 1)
            for place in range(n_recent - 1, 0, -1):
                viewed[row, place] = viewed[row, place - 1]
            viewed[row, 0] = item


def view_counts(viewed: IntArray, n_items: int) -> FloatArray:
    """(B, n_items) how often each item stands in viewed (B, n), where -1 is nothing."""
    counts = np.zeros((len(viewed), n_items))
    rows, places = np.nonzero(viewed >= 0)
    np.add.at(counts, (rows, viewed[rows, places]), 1.0)
    return counts


# The inversion of offline and online


class Judged(NamedTuple):
    """A rate and its 95 % interval over sessions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Inversion:
    """Two recommenders judged offline, by the next view, and online, by the click they get.

    hit_rate: how often the next organic view is among the five recommended items. click_rate: the
    true probability that the first of them is clicked as an ad.
    """

    hit_rate: dict[str, Judged]
    click_rate: dict[str, Judged]
    n_sessions: int

    @property
    def is_inverted(self) -> bool:
        """Whether each of the two wins one judgement, with intervals apart."""
        hits, clicks = self.hit_rate, self.click_rate
        return (
            hits["popularity"].low > hits["taste"].high
            and clicks["taste"].low > clicks["popularity"].high
        )


def inversion(world: SessionsWorld, n_sessions: int = 2000, seed: int = 0) -> Inversion:
    """Popularity against a taste model, learned from the organic views of other sessions.

    The taste model is a correspondence analysis: factors of what is viewed together more often than
    popularity explains. Both learn from `n_sessions` sessions, and recommend to as many others from
    all but the last view, which is the one to hit. Intervals are over sessions; of more sessions
    than people, they say how it is for these people.
    """
    check_count("inversion", "n_sessions", n_sessions, least=2)
    if world.params.n_views < 2:
        raise InvalidParameter(
            "inversion: the world must have n_views of at least 2, one to recommend from and one "
            f"to hit, got {world.params.n_views}."
        )
    learned = view_counts(_begun(world, n_sessions, seed, "learn"), world.n_items)
    factors = _taste_factors(learned, world.params.n_factors)
    viewed = _begun(world, n_sessions, seed, "judge")
    following, before = viewed[:, 0], view_counts(viewed[:, 1:], world.n_items)
    truth = world.expected_rewards(world.state, world.users)
    scores = {
        "popularity": np.broadcast_to(learned.sum(axis=0), before.shape),
        "taste": (before @ factors) @ factors.T,
    }
    hit_rate, click_rate, rows = {}, {}, np.arange(n_sessions)
    for name, given in scores.items():
        best = top_k(np.ascontiguousarray(given), min(HIT_AT, world.n_items))
        hits = (best == following[:, None]).any(axis=1).astype(np.float64)
        hit_rate[name] = Judged(*interval_of(hits))
        click_rate[name] = Judged(*interval_of(truth[rows, best[:, 0]]))
    return Inversion(hit_rate, click_rate, n_sessions)


def _begun(world: SessionsWorld, n_sessions: int, seed: int, purpose: str) -> IntArray:
    """(n_sessions, n_recent) the views with which new sessions begin."""
    rng = stream(seed, "inversion", purpose)
    world.begin(spread_users(world, n_sessions), session_keys(rng, n_sessions))
    return world.state.viewed


def _taste_factors(counts: FloatArray, n_factors: int) -> FloatArray:
    """(n_items, n_factors) of the residuals (counts - expected) / sqrt(expected)."""
    items = counts.sum(axis=0)
    seen = items > 0
    expected = counts.sum(axis=1)[:, None] * items[seen] / counts.sum()
    residuals = (counts[:, seen] - expected) / np.sqrt(expected)
    _, vectors = np.linalg.eigh(residuals.T @ residuals)
    top = vectors[:, ::-1][:, :n_factors]
    factors = np.zeros((len(items), top.shape[1]))
    # a view counts by what it says beyond popularity; an item's own standard deviation is 1
    factors[seen] = top / np.sqrt(items[seen] / items.sum())[:, None]
    return factors
