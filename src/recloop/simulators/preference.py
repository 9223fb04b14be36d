"""A world of fixed tastes: who is shown what clicks with a probability of their own.

    P(click | user u, item i) = clip(p_u . q_i, floor, ceiling)

Nothing that is shown changes anybody, so the best policy is the greedy one for the click
probabilities themselves: a control in which no amount of planning helps.
"""

from dataclasses import dataclass

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between, check_codes, check_count


@dataclass(frozen=True)
class PreferenceParams:
    """What the people like; fixed for the life of a world."""

    user_factors: FloatArray  # (n_users, n_factors)
    item_factors: FloatArray  # (n_items, n_factors)
    floor: float = 0.001
    ceiling: float = 0.95
    horizon: int = 20  # steps after which a session is cut off


class PreferenceWorld:
    """A batch of sessions with people of fixed tastes; one item a step, reward 1 a click.

    Sessions are cut off at the horizon; nobody leaves by themselves.
    """

    def __init__(self, params: PreferenceParams) -> None:
        check_between("PreferenceWorld", "floor", params.floor, 0.0, 1.0)
        check_between("PreferenceWorld", "ceiling", params.ceiling, params.floor, 1.0)
        check_count("PreferenceWorld", "horizon", params.horizon)
        self.params = params
        self.n_users = len(params.user_factors)
        self.n_items = len(params.item_factors)
        self._users = np.empty(0, dtype=np.int64)
        self._step = 0
        self._rng = np.random.Generator(np.random.PCG64(0))

    def reset(self, users: IntArray, rng: np.random.Generator) -> None:
        """Begin one session for each of `users`; all chance until the next reset is from `rng`."""
        self._users = check_codes("PreferenceWorld", "users", users, self.n_users)
        self._rng = rng
        self._step = 0

    def step(self, items: IntArray) -> tuple[FloatArray, BoolArray, BoolArray]:
        """Show one item to each: rewards (B,) 0 or 1, terminated (B,), truncated (B,)."""
        items = check_codes("PreferenceWorld", "items", items, self.n_items)
        if len(items) != len(self._users):
            raise InvalidParameter(
                f"PreferenceWorld: a step shows one item to each of the {len(self._users)} people "
                f"of the session, got {len(items)}. Call reset to begin a session of others."
            )
        chances = self._clipped(
            np.einsum(
                "bf,bf->b", self.params.user_factors[self._users], self.params.item_factors[items]
            )
        )
        rewards = (self._rng.random(len(items)) < chances).astype(np.float64)
        self._step += 1
        nobody = np.zeros(len(items), dtype=np.bool_)
        cut_off = np.full(len(items), self._step >= self.params.horizon)
        return rewards, nobody, cut_off

    def click_probabilities(self, users: IntArray) -> FloatArray:
        """(B, n_items) the true probability that each of `users` clicks each item."""
        return self._clipped(self.params.user_factors[users] @ self.params.item_factors.T)

    def _clipped(self, affinities: FloatArray) -> FloatArray:
        return np.clip(affinities, self.params.floor, self.params.ceiling)
