"""Long-term satisfaction: clickbait earns now, nourishment keeps people interested.

A person has a net positive exposure x. An item with clickbait share c in [0, 1], shown at x,

    earns  exp(N((5 c + 4 (1 - c)) s(x), 1)),  s(x) = 1 / (1 + exp(-sensitivity x))
    and moves  x to 0.7 x - 2 (c - 1/2) + N(0, 0.05)

After Mladenov, Ie and others (RecSim, 2019). The sensitivity is the dial: at 0.01, where their
environment stands by default, satisfaction hardly moves and always showing clickbait is optimal; at
0.3 the optimum earns 4.4 times as much as that.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recloop.simulators.base import AbstractWorld, Response
from recloop.simulators.draws import Draws
from recloop.simulators.finite import FiniteModel
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count

N_GRID, N_NODES = 401, 7
"""Points of the grid of exposures, and of the quadrature of the noise (Gauss and Hermite)."""


@dataclass(frozen=True)
class SatisfactionParams:
    """The constants of the equations. Items have evenly spread shares, from 0 to 1 for the last.

    memory: what is left of the exposure after a step. step: how far an item of share 0 or 1 moves
    it, times two. noise: of the exposure. nourishing, clickbait: engagement at full satisfaction.
    scale: of the logarithm of the engagement.
    """

    sensitivity: float = 0.3
    n_items: int = 11
    n_users: int = 1
    memory: float = 0.7
    step: float = 2.0
    noise: float = 0.05
    nourishing: float = 4.0
    clickbait: float = 5.0
    scale: float = 1.0
    horizon: int = 60


class SatisfactionState(NamedTuple):
    """What people have been fed."""

    exposure: FloatArray  # (B,)


class SatisfactionWorld(AbstractWorld):
    """One item a step; the reward is the engagement. Nobody leaves by themselves."""

    type_name = "satisfaction"
    Params = SatisfactionParams
    params: SatisfactionParams
    state: SatisfactionState
    n_draws = 4
    observation_names = ("exposure",)
    finite_is = f"dynamic programming on a grid of {N_GRID} exposures"

    def _set_up(self, params: SatisfactionParams) -> None:
        owner = "SatisfactionWorld"
        check_between(owner, "sensitivity", params.sensitivity, 0.0, 100.0)
        check_between(owner, "memory", params.memory, 0.0, 1.0, high_open=True)
        check_between(owner, "step", params.step, 0.0, 1000.0)
        check_between(owner, "noise", params.noise, 0.0, 10.0)
        check_between(owner, "scale", params.scale, 0.0, 3.0)
        check_count(owner, "n_items", params.n_items, least=2)
        self.n_users, self.n_items, self.horizon = params.n_users, params.n_items, params.horizon
        self.shares = np.linspace(0.0, 1.0, params.n_items)
        self.widest = params.step / 2 / (1.0 - params.memory) + 6.0 * params.noise
        """How far from 0 the exposure can practically be."""

    def start(self, users: IntArray, draws: Draws) -> SatisfactionState:
        return SatisfactionState(np.zeros(len(users)))

    def respond(
        self, state: SatisfactionState, users: IntArray, slates: IntArray, draws: Draws
    ) -> Response:
        p, shares = self.params, self.shares[slates[:, 0]]
        normal = draws.normal(2)
        earned = np.exp(self.interest(state.exposure, shares) + p.scale * normal[:, 0])
        state.exposure[:] = self.moved(state.exposure, shares) + p.noise * normal[:, 1]
        return Response(earned[:, None])

    def observe(self, state: SatisfactionState, users: IntArray) -> FloatArray:
        return np.clip(0.5 + state.exposure / (2.0 * self.widest), 0.0, 1.0)[:, None]

    def expected_rewards(self, state: SatisfactionState, users: IntArray) -> FloatArray:
        return self.earned(state.exposure[:, None], self.shares[None, :])

    def finite(self, user: int) -> FiniteModel:
        """The world as a table on a grid of exposures, between which values are linear."""
        grid = np.linspace(-self.widest, self.widest, N_GRID)
        nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
        moved = self.moved(grid[:, None], self.shares[None, :])[:, :, None]
        place = (moved + self.params.noise * nodes + self.widest) / (grid[1] - grid[0])
        place = np.clip(place, 0.0, N_GRID - 1.0)
        below = np.minimum(place.astype(np.int64), N_GRID - 2)
        chances = np.broadcast_to(weights / weights.sum(), place.shape)
        above = place - below
        start = np.zeros(N_GRID)
        start[N_GRID // 2] = 1.0
        return FiniteModel(
            np.arange(self.n_items)[:, None],
            np.concatenate([chances * (1.0 - above), chances * above], axis=2),
            np.concatenate([below, below + 1], axis=2),
            self.earned(grid[:, None], self.shares[None, :]),
            start,
        )

    def state_numbers(self, state: SatisfactionState, users: IntArray) -> IntArray:
        """(B,) the nearest point of the grid."""
        place = (state.exposure + self.widest) / (2.0 * self.widest) * (N_GRID - 1)
        return np.clip(np.rint(place), 0, N_GRID - 1).astype(np.int64)

    def interest(self, exposure: FloatArray, shares: FloatArray) -> FloatArray:
        """The mean of the logarithm of the engagement."""
        p = self.params
        satisfaction = 1.0 / (1.0 + np.exp(-p.sensitivity * exposure))
        return (p.clickbait * shares + p.nourishing * (1.0 - shares)) * satisfaction

    def earned(self, exposure: FloatArray, shares: FloatArray) -> FloatArray:
        """The expected engagement."""
        return np.exp(self.interest(exposure, shares) + self.params.scale**2 / 2.0)

    def moved(self, exposure: FloatArray, shares: FloatArray) -> FloatArray:
        """The exposure after an item, without noise."""
        return self.params.memory * exposure - self.params.step * (shares - 0.5)
