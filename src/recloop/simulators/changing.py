"""A world that changes abruptly: click rates jump, items come and go, new people arrive.

World time t is the step of a session, the same for everybody; every `period` steps the world is
another one. A person belongs to a group g, and in period e item i has

    P(click) = sigmoid(logit(click_rate) + spread z_egi)   while it is available, 0 otherwise
    z_(e+1)  = (1 - change) z_e + sqrt(1 - (1 - change)^2) fresh,  fresh ~ N(0, 1)

so that every period has the same distribution of click rates, however large the change. At each
change a share `replaced` of the available items vanishes and as many others appear; an item that
comes back is a new one, with a fresh z. The groups of the last people of the world, the newcomers,
are drawn with each session, so that no history says anything about them; and after every step, with
probability `turnover`, somebody new takes the place of the person who was there.

Nothing that is shown changes anybody: the greedy policy of the click probabilities themselves is
optimal, and what an agent can lose is the time it takes to notice. Piecewise-stationary bandits
(Garivier and Moulines 2011) with vanishing arms (Chakrabarti et al. 2008); constants are our own.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.simulators.base import AbstractWorld, Response
from recloop.simulators.draws import Draws
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between, check_count
from recloop.utils.seeding import stream

FAMILIAR_AFTER = 10.0
"""Steps after which the observed familiarity of a person is one half."""


@dataclass(frozen=True)
class ChangingParams:
    """Sizes, and the dials of the changes.

    n_available: of n_items, at any time. period: steps between two changes. change: 0 for rates
    that stay, 1 for rates drawn anew. replaced: share of the available items. newcomers: share of
    the people whose group is drawn with each session. turnover: probability after each step that
    somebody new takes the place. spread: standard deviation of the logits of the click rates.
    """

    n_users: int = 50
    n_items: int = 40
    n_available: int = 20
    n_groups: int = 4
    period: int = 1000
    change: float = 0.5
    replaced: float = 0.2
    newcomers: float = 0.2
    turnover: float = 0.002
    click_rate: float = 0.1
    spread: float = 1.0
    horizon: int = 5000
    seed: int = 0


class ChangingState(NamedTuple):
    """The time of the world, who is there, and the last answer."""

    time: IntArray  # (B,) steps since the beginning of the session
    groups: IntArray  # (B,) not observed
    n_visits: IntArray  # (B,) steps since the person came
    clicked: FloatArray  # (B,) 1 after a click


class ChangingWorld(AbstractWorld):
    """One item a step; reward 1 a click. Places stay, people may follow one another in them."""

    type_name = "changing"
    Params = ChangingParams
    params: ChangingParams
    state: ChangingState
    n_draws = 3

    def _set_up(self, params: ChangingParams) -> None:
        owner = "ChangingWorld"
        for name in ("n_users", "n_items", "n_available", "n_groups", "period", "horizon"):
            check_count(owner, name, getattr(params, name))
        for name in ("change", "replaced", "newcomers", "turnover"):
            check_between(owner, name, getattr(params, name), 0.0, 1.0)
        check_between(owner, "click_rate", params.click_rate, 0.0, 1.0,
                      low_open=True, high_open=True)  # fmt: skip
        check_between(owner, "spread", params.spread, 0.0, 100.0)
        self.n_users, self.n_items, self.horizon = params.n_users, params.n_items, params.horizon
        self.observation_names = (
            "clicked", "familiarity", *(f"available_{item}" for item in range(params.n_items)),
        )  # fmt: skip
        rng = stream(params.seed, "changing world")
        self.groups = rng.integers(params.n_groups, size=params.n_users)
        self.n_familiar = params.n_users - round(params.newcomers * params.n_users)
        n_periods = -(-params.horizon // params.period)
        self.available = drawn_availability(
            owner, rng, n_periods, params.n_items, params.n_available, params.replaced
        )
        """(n_periods, n_items) what can be shown in each period."""
        self.rates = self._drawn_rates(rng)
        """(n_periods, n_groups, n_items) probabilities of a click, 0 for what is not available."""

    def _drawn_rates(self, rng: np.random.Generator) -> FloatArray:
        p, shape = self.params, (self.params.n_groups, self.params.n_items)
        z, kept = rng.standard_normal(shape), 1.0 - p.change
        levels = [z]
        for before, after in pairwise(self.available):
            moved = kept * z + np.sqrt(1.0 - kept**2) * rng.standard_normal(shape)
            z = np.where(after & ~before, rng.standard_normal(shape), moved)
            levels.append(z)
        logit = np.log(p.click_rate / (1.0 - p.click_rate))
        rates = 1.0 / (1.0 + np.exp(-(logit + p.spread * np.array(levels))))
        return np.where(self.available[:, None, :], rates, 0.0)

    def start(self, users: IntArray, draws: Draws) -> ChangingState:
        n = len(users)
        anyone = self._group_of(draws.uniform(1)[:, 0])
        groups = np.where(users < self.n_familiar, self.groups[users], anyone)
        zeros = np.zeros(n, dtype=np.int64)
        return ChangingState(zeros, groups, zeros.copy(), np.zeros(n))

    def respond(
        self, state: ChangingState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        chance = draws.uniform(3)
        clicks = chance[:, 0] < self.rates[self.periods(state), state.groups, slates[:, 0]]
        is_new = chance[:, 1] < self.params.turnover
        state.groups[is_new] = self._group_of(chance[is_new, 2])
        state.n_visits[:] = np.where(is_new, 0, state.n_visits + 1)
        state.clicked[:] = clicks & ~is_new
        state.time[:] += 1
        return Response(clicks[:, None].astype(np.float64))

    def observe(self, state: ChangingState, users: IntArray) -> FloatArray:
        familiarity = state.n_visits / (state.n_visits + FAMILIAR_AFTER)
        seen = np.column_stack([state.clicked, familiarity])
        return np.concatenate([seen, self.availability(state).astype(np.float64)], axis=1)

    def expected_rewards(self, state: ChangingState, users: IntArray) -> FloatArray:
        return self.rates[self.periods(state), state.groups]

    def availability(self, state: ChangingState) -> BoolArray:
        """(B, n_items) what can be shown now."""
        return self.available[self.periods(state)]

    def periods(self, state: ChangingState) -> IntArray:
        """(B,) how many changes there were."""
        return np.minimum(state.time // self.params.period, len(self.rates) - 1)

    def upper_bound(self) -> tuple[float, str]:
        """The greedy policy's value, over who may be there at each step."""
        p, steps = self.params, np.arange(self.horizon)
        anyone = np.full(p.n_groups, 1.0 / p.n_groups)
        counts = np.bincount(self.groups[: self.n_familiar], minlength=p.n_groups)
        first = (counts + (p.n_users - self.n_familiar) * anyone) / p.n_users
        still = ((1.0 - p.turnover) ** steps)[:, None]
        best = self.rates.max(axis=2)[steps // p.period]
        value = (best * (still * first + (1.0 - still) * anyone)).sum()
        return float(value), "nothing that is shown changes anybody"

    def _group_of(self, chance: FloatArray) -> IntArray:
        return (chance * self.params.n_groups).astype(np.int64)


def drawn_availability(
    owner: str, rng: np.random.Generator, n_periods: int, n_items: int, n_available: int,
    replaced: float,
) -> BoolArray:  # fmt: skip
    """(n_periods, n_items): n_available items, of which a share is replaced from row to row."""
    n_replaced = round(replaced * n_available)
    if n_available + n_replaced > n_items:
        raise InvalidParameter(
            f"{owner}: n_available + replaced items must be at most n_items, {n_items}, got "
            f"{n_available} + {n_replaced}. Raise n_items, or replace fewer."
        )
    rows = np.zeros((n_periods, n_items), dtype=np.bool_)
    rows[0, rng.choice(n_items, n_available, replace=False)] = True
    for before, after in pairwise(rows):
        after[:] = before
        after[rng.choice(np.flatnonzero(before), n_replaced, replace=False)] = False
        after[rng.choice(np.flatnonzero(~before), n_replaced, replace=False)] = True
    return rows
