"""What one round of training is: fitting once, a pass over a log, an episode in a world.

A lesson depends on the number of its round alone, never on what came before, so that a run that was
interrupted continues exactly where it stopped.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from recloop.training.offline import LoggedSteps
from recloop.types import IntArray, Interactions, Transitions, World
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

    The next action is chosen before the last is learned, so that SARSA and Q-learning share it.

    n_sessions: people drawn for an episode, distinct as long as there are enough.
    histories: (n_users, H) what everyone did last before the session, newest first.
    """

    world: World
    histories: IntArray
    seed: int
    n_sessions: int = 64

    def teach(self, model: Any, round_number: int) -> Record:
        """Play one session of each person to its end, learning after every step."""
        rng = stream(self.seed, "episode", round_number)
        discount = getattr(model, "discount_factor", 0.0)  # a person who leaves makes it 0
        users = self._draw_users(rng)
        self.world.reset(users, rng)
        recent = self.histories[users]
        chosen = model.choose_batch(users, 1, history=recent)
        earned, explored, changes = np.zeros(len(users)), [], []
        active = np.ones(len(users), dtype=np.bool_)
        n_shown = 0
        while active.any():
            items = chosen.items[:, 0]
            rewards, terminated, truncated = self.world.step(items)
            after = np.where((rewards > 0)[:, None], pushed(recent, items), recent)
            following = model.choose_batch(users, 1, history=after)
            steps = Transitions(
                users=users,
                items=items,
                rewards=rewards,
                discounts=np.where(terminated, 0.0, discount),
                histories=recent,
                next_histories=after,
                next_items=following.items[:, 0],
            )
            model.update_batch(steps.rows(np.flatnonzero(active)))
            earned[active] += rewards[active]
            explored.append(chosen.explored[active, 0])
            changes.append(getattr(model, "last_change", np.nan))
            n_shown += int(active.sum())
            active &= ~(terminated | truncated)
            chosen, recent = following, after
        return {
            "cumulative_reward": float(earned.sum()),
            "mean_reward": float(earned.sum() / n_shown),
            "exploration_rate": float(np.concatenate(explored).mean()),
            "q_change": _mean(np.array(changes)),
        }

    def _draw_users(self, rng: np.random.Generator) -> IntArray:
        n_users = self.world.n_users
        return rng.choice(n_users, size=min(self.n_sessions, n_users), replace=False)


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
