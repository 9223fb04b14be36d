"""Worlds for everybody who speaks Gymnasium: one person at a time, or a batch of them.

    env = WorldEnv(SatisfactionWorld(SatisfactionParams()))
    env = gymnasium.make("recloop.simulators.environments:recloop/satisfaction-v0", sensitivity=0.1)

Both forms have the same physics and the same chance: environment i of a batch that was reset with
`seed` plays what a single one plays that was reset with `seed + i`, session after session. The
horizon is `truncated`. A batch begins a new session in the step after one has ended, and that
step's action is not shown to anybody (`AutoresetMode.NEXT_STEP`).
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from recloop.simulators import WORLDS
from recloop.simulators.base import AbstractWorld
from recloop.simulators.build import build_world
from recloop.utils.checks import check_codes, check_count

Observation = NDArray[np.float32]


def _spaces(world: AbstractWorld) -> tuple[Box, Discrete | MultiDiscrete]:
    seen = Box(0.0, 1.0, (world.n_observed,), np.float32)
    if world.slate_size == 1:
        return seen, Discrete(world.n_items)
    return seen, MultiDiscrete([world.n_items] * world.slate_size)


def _session(seed: int, number: int, n_users: int) -> tuple[int, np.uint64]:
    """Whose the session `number` after a reset with `seed` is, and its key."""
    words = np.random.SeedSequence([seed, number]).generate_state(2, np.uint64)
    return int(words[0] % np.uint64(n_users)), words[1]


class WorldEnv(gymnasium.Env):
    """One person at a time. Action: an item, or the items of a slate from the top down.

    user: whose sessions are played, None for a person drawn anew for each; `reset` takes
    options={"user": 3} for one session. info: "user", and "slot_rewards" (k,) of a step.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, world: AbstractWorld, user: int | None = None) -> None:
        self.world, self.user = world, user
        self.observation_space, self.action_space = _spaces(world)
        self._seed, self._n_sessions = None, 0
        # what Gymnasium makes another one of; `gymnasium.make` puts its own in this place
        self.spec = EnvSpec(f"recloop/{world.type_name}-v0", entry_point=self._again)

    def _again(self, **_: Any) -> "WorldEnv":
        return WorldEnv(self.world, self.user)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a session."""
        super().reset(seed=seed)
        if seed is not None or self._seed is None:
            self._seed = seed if seed is not None else int(self.np_random.integers(2**31))
            self._n_sessions = 0
        user, key = _session(self._seed, self._n_sessions, self.world.n_users)
        self._n_sessions += 1
        wanted = (options or {}).get("user", self.user)
        users = check_codes("WorldEnv", "user", [user if wanted is None else wanted],
                            self.world.n_users)  # fmt: skip
        self.world.begin(users, np.array([key]))
        return self._seen(), {"user": int(users[0])}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Show an item or a slate."""
        slate = np.asarray(action, dtype=np.int64).reshape(1, -1)
        rewards, left, cut_off = self.world.step(slate)
        info = {"user": int(self.world.users[0]), "slot_rewards": self.world.slot_rewards[0].copy()}
        return self._seen(), float(rewards[0]), bool(left[0]), bool(cut_off[0]), info

    def _seen(self) -> Observation:
        return self.world.observations[0].astype(np.float32)


class WorldVectorEnv(VectorEnv):
    """A batch of people. Actions: (B,) items, or (B, k) slates. info: "user" (B,)."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(self, world: AbstractWorld, num_envs: int = 1) -> None:
        self.world, self.num_envs = world, check_count("WorldVectorEnv", "num_envs", num_envs)
        self.single_observation_space, self.single_action_space = _spaces(world)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seeds: list[int] | None = None
        self._n_sessions = np.zeros(num_envs, dtype=np.int64)
        self._is_over = np.zeros(num_envs, dtype=np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a session in every environment; seed: of the first, or one for each."""
        if seed is not None or self._seeds is None:
            first = int(self.np_random.integers(2**31)) if seed is None else seed
            seeds = range(first, first + self.num_envs) if isinstance(first, int) else first
            self._seeds = [int(one) for one in seeds]
            self._n_sessions[:] = 0
        users, keys = self._sessions(np.arange(self.num_envs))
        self.world.begin(users, keys)
        self._is_over = np.zeros(self.num_envs, dtype=np.bool_)
        return self._seen(), {"user": users}

    def step(self, actions: Any) -> tuple[Observation, NDArray, NDArray, NDArray, dict[str, Any]]:
        """Show everybody something; who was gone before is followed by somebody new."""
        slates = np.asarray(actions, dtype=np.int64).reshape(self.num_envs, -1)
        rewards, left, cut_off = self.world.step(slates)
        over = self._is_over
        if over.any():
            self.world.begin_again(over, *self._sessions(np.flatnonzero(over)))
            rewards[over], left[over], cut_off[over] = 0.0, False, False
        self._is_over = left | cut_off
        return self._seen(), rewards, left, cut_off, {"user": self.world.users.copy()}

    def _sessions(self, rows: NDArray) -> tuple[NDArray, NDArray]:
        assert self._seeds is not None
        drawn = [
            _session(self._seeds[row], int(self._n_sessions[row]), self.world.n_users)
            for row in rows
        ]
        self._n_sessions[rows] += 1
        users = np.array([user for user, _ in drawn], dtype=np.int64)
        return users, np.array([key for _, key in drawn], dtype=np.uint64)

    def _seen(self) -> Observation:
        return self.world.observations.astype(np.float32)


def make_env(world: str, user: int | None = None, **settings: Any) -> WorldEnv:
    """The environment of a world by its name; settings are the world's."""
    return WorldEnv(build_world(world, **settings), user)


def make_vector_env(world: str, num_envs: int = 1, **settings: Any) -> WorldVectorEnv:
    """A batch of people of a world by its name; settings are the world's."""
    return WorldVectorEnv(build_world(world, **settings), num_envs)


for _name in WORLDS:
    gymnasium.register(
        id=f"recloop/{_name}-v0",
        entry_point=make_env,
        vector_entry_point=make_vector_env,
        kwargs={"world": _name},
    )
