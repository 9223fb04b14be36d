"""A log as a world: its rows are replayed, and answer only where the choice is what was shown.

A session of a person goes through that person's rows in the order of the log. Row t showed item a_t
with propensity p_t and earned r_t; somebody chooses b_t, and the row

    replay    earns r_t             if b_t = a_t, and is skipped otherwise     (Li et al. 2011)
    weighted  earns r_t / p_t       if b_t = a_t, and 0 otherwise    (Horvitz and Thompson 1952)

    value     replay: sum of the rewards over the number of matches; weighted: over that of rows

What it cannot do. Nothing that is chosen changes anybody, and the next row comes whatever was
chosen: there are no long-term effects. `replay` is unbiased only where every row was shown
uniformly at random; `weighted` for any log of true, conditional propensities that leave nothing out
that is chosen. A skipped row teaches nothing: of a uniform log of n_items items one row in n_items
counts, and a learner that takes skipped rows for failures learns rates n_items times too low, in
the right order. Read `n_matched` before the value. Sessions of a person repeat one another exactly:
a certificate plays everybody once, and its intervals take people for independent of one another, as
those of `result` take rows. The best constant action is the best one in hindsight, and so a little
better than it will be.
"""

from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal, NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.simulators.base import AbstractWorld, Policy, Response
from recloop.simulators.draws import Draws, session_keys
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between, check_choice, check_codes, check_count, check_finite
from recloop.utils.seeding import stream

ReplayMode = Literal["replay", "weighted"]

Z95 = 1.959963984540054
UNIFORM_WITHIN = 1e-6
"""How far apart, relatively, the propensities of a uniform log may lie."""


@dataclass(frozen=True)
class ReplayParams:
    """A log of n rows, in the order in which they happened. Every person has at least one.

    contexts: what was known before each row, None for nothing; every column is scaled into [0, 1]
    to be observed.
    """

    users: IntArray  # (n,)
    items: IntArray  # (n,) what was shown
    rewards: FloatArray  # (n,)
    propensities: FloatArray  # (n,) in (0, 1], of what was shown
    n_items: int
    contexts: FloatArray | None = None  # (n, D)
    mode: ReplayMode = "replay"


class ReplayState(NamedTuple):
    """How far sessions are, and sums over their rows so far, of which `replay` counts matches."""

    n_rows: IntArray  # (B,)
    matched: BoolArray  # (B,) whether the last row matched
    n_matched: IntArray  # (B,)
    weight: FloatArray  # (B,) 1 a match, or 1 / propensity
    squared_weight: FloatArray  # (B,)
    earned: FloatArray  # (B,)
    squared_earned: FloatArray  # (B,)


@dataclass(frozen=True)
class ReplayResult:
    """What a log says about a policy.

    value: expected reward of a step. low, high: normal 95 % interval; NaN, as is the value, where
    too few rows matched. effective_n: matches that would say as much with equal weights.
    is_unbiased: False for `replay` of a log that was not uniform. limits: in words.
    """

    value: float
    low: float
    high: float
    mode: ReplayMode
    n_rows: int
    n_matched: int
    effective_n: float
    is_unbiased: bool
    limits: str


class ReplayWorld(AbstractWorld):
    """One item a row; a session is cut off where the rows of its person end."""

    type_name = "replay"
    Params = ReplayParams
    params: ReplayParams
    state: ReplayState
    sessions_repeat = True
    n_draws = 0  # the log has answered already

    @classmethod
    def settings(cls) -> list[str]:
        """The names that `drawn_log` takes."""
        return list(signature(drawn_log).parameters)

    @classmethod
    def from_settings(cls, **settings: Any) -> "ReplayWorld":
        """The world of `drawn_log`, whose arguments the settings are."""
        return cls(drawn_log(**settings))

    def _set_up(self, params: ReplayParams) -> None:
        owner = "ReplayWorld"
        check_choice(owner, "mode", params.mode, ("replay", "weighted"))
        self.n_items = check_count(owner, "n_items", params.n_items)
        n = len(params.users)
        self._check_lengths(n)
        check_codes(owner, "items", params.items, params.n_items)
        check_finite(owner, "rewards", params.rewards)
        propensities = check_finite(owner, "propensities", params.propensities)
        outside = (propensities <= 0.0) | (propensities > 1.0)
        if outside.any():
            raise InvalidParameter(
                f"{owner}: propensities must be above 0 and at most 1, got "
                f"{propensities[outside][0]:g}. Leave out rows whose propensity is not known."
            )
        counts = np.bincount(check_codes(owner, "users", params.users, n))
        if (counts == 0).any():
            raise InvalidParameter(
                f"{owner}: every user from 0 to the highest must have a row, user "
                f"{int(np.flatnonzero(counts == 0)[0])} has none. Number users from 0 without gaps."
            )
        self.n_users, self.horizon = len(counts), int(counts.max())
        self.n_rows_of = counts
        self._order = np.argsort(params.users, kind="stable")
        self._first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._contexts = _scaled(owner, params.contexts, n)
        names = (f"context_{column}" for column in range(self._contexts.shape[1]))
        self.observation_names = ("matched", "progress", *names)
        self._expected = self._earned_throughout()
        self.is_uniform = bool(np.ptp(propensities) <= UNIFORM_WITHIN * propensities.max())

    def _check_lengths(self, n: int) -> None:
        names = ("items", "rewards", "propensities")
        lengths = {name: len(getattr(self.params, name)) for name in names}
        if n == 0 or any(length != n for length in lengths.values()):
            raise InvalidParameter(
                f"ReplayWorld: users, items, rewards and propensities must have the same number of "
                f"rows, at least 1; got {n} users and {lengths}. One number for each row shown."
            )

    def _earned_throughout(self) -> FloatArray:
        p = self.params
        gains = p.rewards / p.propensities if p.mode == "weighted" else p.rewards
        return np.bincount(p.items, gains, minlength=p.n_items) / len(p.items)

    def start(self, users: IntArray, draws: Draws) -> ReplayState:
        n = len(users)
        counts = (np.zeros(n, dtype=np.int64) for _ in range(2))
        sums = (np.zeros(n) for _ in range(4))
        return ReplayState(next(counts), np.zeros(n, dtype=np.bool_), next(counts), *sums)

    def respond(
        self, state: ReplayState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        p, rows = self.params, self.rows(state, users)
        goes_on = state.n_rows < self.n_rows_of[users]
        matched = (slates[:, 0] == p.items[rows]) & goes_on
        weights = 1.0 / p.propensities[rows] if p.mode == "weighted" else np.ones(len(rows))
        weights = np.where(matched, weights, 0.0)
        gains = weights * p.rewards[rows]
        state.n_rows[:] += goes_on
        state.matched[:] = matched
        state.n_matched[:] += matched
        state.weight[:] += weights
        state.squared_weight[:] += weights**2
        state.earned[:] += gains
        state.squared_earned[:] += gains**2
        return Response(gains[:, None], state.n_rows >= self.n_rows_of[users])

    def step(self, items: IntArray) -> tuple[FloatArray, BoolArray, BoolArray]:
        """Replay a row of each session; where rows end the session is cut off, nobody leaves."""
        rewards, ended, truncated = super().step(items)
        return rewards, np.zeros_like(ended), truncated | ended

    def observe(self, state: ReplayState, users: IntArray) -> FloatArray:
        progress = state.n_rows / self.n_rows_of[users]
        seen = np.column_stack([state.matched.astype(np.float64), progress])
        return np.concatenate([seen, self._contexts[self.rows(state, users)]], axis=1)

    def expected_rewards(self, state: ReplayState, users: IntArray) -> FloatArray:
        """(B, n_items) what showing each item throughout earns a row of this log on average.

        A log does not know more: `myopic` of a certificate is the best item without context, as it
        looks in hindsight.
        """
        return np.tile(self._expected, (len(users), 1))

    def upper_bound(self) -> tuple[float, str]:
        """Every row that earned something matched, of all people on average."""
        p = self.params
        gains = p.rewards / p.propensities if p.mode == "weighted" else p.rewards
        return float(np.maximum(gains, 0.0).sum() / self.n_users), "every row in hindsight"

    def rows(self, state: ReplayState, users: IntArray) -> IntArray:
        """(B,) the row of the log that each session is at, its last one at the end."""
        return self._order[self._first[users] + np.minimum(state.n_rows, self.n_rows_of[users] - 1)]

    def result(self) -> ReplayResult:
        """What the sessions of the batch, as far as they are, say about who chose."""
        p, state = self.params, self.state
        n_rows, n_matched = int(state.n_rows.sum()), int(state.n_matched.sum())
        n = n_matched if p.mode == "replay" else n_rows
        value = width = np.nan
        if n_matched >= 2:
            value = float(state.earned.sum()) / n
            variance = max(float(state.squared_earned.sum()) / n - value**2, 0.0) * n / (n - 1)
            width = Z95 * float(np.sqrt(variance / n))
        effective = 0.0
        if n_matched > 0:
            effective = float(state.weight.sum() ** 2 / state.squared_weight.sum())
        return ReplayResult(
            value, value - width, value + width, p.mode, n_rows, n_matched, effective,
            p.mode == "weighted" or self.is_uniform, self._limits(n_rows, n_matched),
        )  # fmt: skip

    def _limits(self, n_rows: int, n_matched: int) -> str:
        said = f"{n_matched:,} of {n_rows:,} rows matched; no effect on later rows is seen"
        if self.params.mode == "weighted":
            return f"{said}; unbiased if the propensities are true and leave no choice out."
        if self.is_uniform:
            return f"{said}; unbiased, the log being uniform."
        return f"{said}; biased, the log not being uniform. Use mode='weighted'."


def replayed(world: ReplayWorld, policy: Policy) -> ReplayResult:
    """The whole log replayed to a policy, every person once."""
    # no draw is made: the keys are there for the form
    keys = session_keys(stream(0, "replay"), world.n_users)
    world.begin(np.arange(world.n_users), keys)
    for _ in range(world.horizon):
        world.step(policy(world))
    return world.result()


def _scaled(owner: str, contexts: FloatArray | None, n: int) -> FloatArray:
    if contexts is None:
        return np.empty((n, 0))
    contexts = check_finite(owner, "contexts", contexts)
    if contexts.ndim != 2 or len(contexts) != n:
        raise InvalidParameter(
            f"{owner}: contexts must have a row for each of the {n} rows of the log, shape "
            f"({n}, D); got {contexts.shape}."
        )
    low, spread = contexts.min(axis=0), np.ptp(contexts, axis=0)
    return np.where(spread > 0, (contexts - low) / np.where(spread > 0, spread, 1.0), 1.0)


def drawn_log(
    *,
    n_rows: int = 2000,
    n_users: int = 20,
    n_items: int = 10,
    n_features: int = 3,
    click_rate: float = 0.2,
    taste: float = 0.1,
    greed: float = 0.0,
    mode: ReplayMode = "replay",
    seed: int = 0,
) -> ReplayParams:
    """A log at random: rewards 1 with clip(click_rate + taste z_i . x), contexts x in [-1, 1].

    greed: 0 for a uniform log; the probability with which the best item was shown on purpose, the
    others being drawn uniformly.
    """
    for name, value in (("n_rows", n_rows), ("n_users", n_users), ("n_items", n_items)):
        check_count("drawn_log", name, value)
    check_count("drawn_log", "n_rows", n_rows, least=n_users)
    check_between("drawn_log", "greed", greed, 0.0, 1.0, high_open=True)
    check_between("drawn_log", "click_rate", click_rate, 0.0, 1.0)
    check_between("drawn_log", "taste", taste, 0.0, 100.0)
    check_count("drawn_log", "n_features", n_features, least=0)
    rng = stream(seed, "replay log")
    contexts = rng.uniform(-1.0, 1.0, (n_rows, n_features))
    rates = np.clip(
        click_rate + taste * contexts @ rng.standard_normal((n_features, n_items)), 0, 1
    )
    best = rates.argmax(axis=1)
    on_purpose = rng.random(n_rows) < greed
    items = np.where(on_purpose, best, rng.integers(n_items, size=n_rows))
    propensities = (1.0 - greed) / n_items + greed * (items == best)
    rewards = (rng.random(n_rows) < rates[np.arange(n_rows), items]).astype(np.float64)
    users = np.arange(n_rows) % n_users
    return ReplayParams(users, items, rewards, propensities, n_items, contexts, mode)
