"""What one round of training is: fitting once, a pass over a log, an episode in a world.

A lesson depends on the number of its round alone, never on what came before, so that a run that was
interrupted continues exactly where it stopped.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from recloop.evaluation.reinforcement import exploration_rate
from recloop.training.offline import LoggedSteps
from recloop.types import FloatArray, IntArray, Interactions, Slates, Transitions, World
from recloop.utils.history import pushed
from recloop.utils.seeding import stream

Record = dict[str, Any]


class Lesson(Protocol):
    """Teaches a model for one round and says what was seen."""

    def teach(self, model: Any, round_number: int) -> Record: ...


@dataclass(frozen=True)
class FitOnce:
    """The whole log at once, for models that are fitted rather than taught."""

    log: Interactions

    def teach(self, model: Any, round_number: int) -> Record:
        """Fit the model; the round does not matter."""
        model.fit(self.log)
        return {}


@dataclass(frozen=True)
class LoggedPasses:
    """One pass over a log's steps: in time order, or in shuffled batches of the model's size."""

    steps: LoggedSteps
    seed: int

    def teach(self, model: Any, round_number: int) -> Record:
        """Go once over every step."""
        transitions = self.steps.transitions(getattr(model, "discount_factor", 0.0))
        batch_size = getattr(model, "batch_size", None)
        if batch_size is None:
            model.update_batch(transitions)
            return {"q_change": _mean(np.array([getattr(model, "last_change", np.nan)]))}
        order = stream(self.seed, "batches", round_number).permutation(len(transitions))
        changes = []
        for start in range(0, len(order), batch_size):
            model.update_batch(transitions.rows(order[start : start + batch_size]))
            changes.append(getattr(model, "last_change", np.nan))
        return {"q_change": _mean(np.array(changes))}


@dataclass(frozen=True)
class SimulatedEpisodes:
    """One session of each of a batch of people.

    The next slate is chosen before the last is learned, so that SARSA and Q-learning share it. Each
    slot is a step of its own: what it earned, and the state that the whole slate led to.

    n_sessions: people drawn for an episode, distinct as long as there are enough.
    histories: (n_users, H) what everyone did last before the session, newest first; None for
    nothing, of any length.
    repeats: fill an episode up with further sessions of the same people where they are too few.
    """

    world: World
    histories: IntArray | None
    seed: int
    n_sessions: int = 64
    repeats: bool = False

    def teach(self, model: Any, round_number: int) -> Record:
        """Play one session of each person to its end, learning after every step."""
        rng = stream(self.seed, "episode", round_number)
        discount = getattr(model, "discount_factor", 0.0)  # a person who leaves makes it 0
        users = self._draw_users(rng)
        self.world.reset(users, rng)
        k = getattr(self.world, "slate_size", 1)
        recent, seen = self._recent(model, users), self._seen(model)
        chosen = model.choose_batch(users, k, history=recent, context=seen)
        earned, explored, changes = np.zeros(len(users)), [], []
        active = np.ones(len(users), dtype=np.bool_)
        n_shown = 0
        while active.any():
            items = chosen.items
            rewards, terminated, truncated = self.world.step(items[:, 0] if k == 1 else items)
            slots = rewards[:, None]
            if k > 1:
                slots = self.world.slot_rewards  # pyright: ignore[reportAttributeAccessIssue]
            after, later = with_liked(recent, items, slots), self._seen(model)
            following = model.choose_batch(users, k, history=after, context=later)
            steps = _steps_of_slots(
                users, chosen, slots, np.where(terminated, 0.0, discount), following
            )
            rows, slot = np.nonzero(active[:, None] & (items >= 0))
            model.update_batch(
                Transitions(
                    users=steps.users[rows, slot],
                    items=steps.items[rows, slot],
                    rewards=steps.rewards[rows, slot],
                    discounts=steps.discounts[rows, slot],
                    next_items=steps.next_items[rows, slot],
                    histories=recent[rows],
                    next_histories=after[rows],
                    contexts=None if seen is None else seen[rows],
                    next_contexts=None if later is None else later[rows],
                )
            )
            earned[active] += rewards[active]
            explored.append(chosen.explored[active].ravel())
            changes.append(getattr(model, "last_change", np.nan))
            n_shown += int(active.sum())
            active &= ~(terminated | truncated)
            chosen, recent, seen = following, after, later
        return {
            "cumulative_reward": float(earned.sum()),
            "mean_reward": float(earned.sum() / n_shown),
            "session_reward": float(earned.mean()),
            "exploration_rate": exploration_rate(np.concatenate(explored)),
            "q_change": _mean(np.array(changes)),
        }

    def _draw_users(self, rng: np.random.Generator) -> IntArray:
        n_users = self.world.n_users
        if self.repeats and n_users < self.n_sessions:
            return rng.permutation(np.arange(self.n_sessions) % n_users)
        return rng.choice(n_users, size=min(self.n_sessions, n_users), replace=False)

    def _recent(self, model: Any, users: IntArray) -> IntArray:
        if self.histories is None:
            return np.full((len(users), model.history_length), -1, dtype=np.int64)
        return self.histories[users]

    def _seen(self, model: Any) -> FloatArray | None:
        """(B, D) what is seen of the people now, for a model that looks at it."""
        return self.world.observations if looks_at(model, self.world) else None  # pyright: ignore[reportAttributeAccessIssue]


def looks_at(model: Any, world: Any) -> bool:
    """Whether a model takes as context what is seen of the people of a world.

    Agents that are built for it say so by `n_observed`; bandits take any context of their width.
    """
    width = getattr(world, "n_observed", 0)
    return bool(getattr(model, "n_observed", 0)) or 0 < width == getattr(model, "context_dim", 0)


class _Slots(NamedTuple):
    """(B, k) each."""

    users: IntArray
    items: IntArray
    rewards: FloatArray
    discounts: FloatArray
    next_items: IntArray


def with_liked(recent: IntArray, items: IntArray, slots: FloatArray) -> IntArray:
    """Histories after the slots that earned something, from the top down."""
    for slot in range(items.shape[1]):
        liked = (slots[:, slot] > 0)[:, None]
        recent = np.where(liked, pushed(recent, items[:, slot]), recent)
    return recent


def _steps_of_slots(
    users: IntArray, chosen: Slates, slots: FloatArray, discounts: FloatArray, following: Slates
) -> "_Slots":
    """(B, k) arrays: every slot as a step, its next action the same slot of the next slate."""
    shape = chosen.items.shape
    return _Slots(
        np.broadcast_to(users[:, None], shape),
        chosen.items,
        slots,
        np.broadcast_to(discounts[:, None], shape),
        following.items,
    )


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
