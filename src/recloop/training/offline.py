"""From a log of interactions to steps: what each person saw last, took, and took next."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.history import last_items

Reward = Literal["one", "weight"]

__all__ = ["LoggedSteps", "Reward", "last_items", "logged_steps"]


@dataclass(frozen=True)
class LoggedSteps:
    """Every row of a log as a step of its person's sequence, in the order in which it happened.

    The last row of a person ends the log, not the person: it is cut off, not terminated.
    """

    users: IntArray  # (n,)
    items: IntArray  # (n,)
    rewards: FloatArray  # (n,)
    histories: IntArray  # (n, H) before the step, newest first, -1 padded
    next_histories: IntArray  # (n, H)
    next_items: IntArray  # (n,) -1 at the last row of a person

    def __len__(self) -> int:
        return len(self.users)

    def transitions(self, discount: float) -> Transitions:
        """All steps with the value of what followed weighted by `discount`; full feedback."""
        return Transitions(
            users=self.users,
            items=self.items,
            rewards=self.rewards,
            discounts=np.full(len(self), discount),
            histories=self.histories,
            next_histories=self.next_histories,
            next_items=self.next_items,
            feedback="chosen",
        )


def logged_steps(log: Interactions, history_length: int, reward: Reward = "one") -> LoggedSteps:
    """The steps of `log`, ordered by time; ties keep the order of the log.

    reward: "one" gives every logged choice 1; "weight" gives it its weight.
    """
    order = np.argsort(log.timestamps, kind="stable")
    position = (np.arange(len(log)) - log.offsets()[log.users])[order]
    # one array for both: what stands behind the newest item is what stood there before the step
    windows = np.full((len(log), history_length + 1), -1, dtype=np.int64)
    for lag in range(history_length + 1):
        known = position >= lag
        windows[known, lag] = log.items[order[known] - lag]
    is_last = np.append(log.users[1:] != log.users[:-1], True)[: len(log)]
    next_items = np.where(is_last, -1, np.roll(log.items, -1))
    rewards = np.ones(len(log)) if reward == "one" else log.weights[order]
    return LoggedSteps(
        users=log.users[order],
        items=log.items[order],
        rewards=rewards,
        histories=windows[:, 1:],
        next_histories=windows[:, :-1],
        next_items=next_items[order],
    )
