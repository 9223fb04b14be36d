"""SARSA: learn what the choice that really followed was worth.

Rummery and Niranjan (1994), On-line Q-learning using connectionist systems; van Seijen et al.
(2009), Expected SARSA. Equations: `td.py`; state, feedback and table: `tabular.py`.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recloop.models import td
from recloop.models.base import learned
from recloop.models.tabular import AbstractTabularRecommender
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.checks import check_codes, check_flag


@dataclass
class SARSARecommender(AbstractTabularRecommender):
    """On-policy: the value that follows is that of the next action.

    The familiar `update(user, item, reward)` does not know the next action yet: the step waits, as
    part of what is saved, until the same user's next one names it.
    expected: average over the epsilon-greedy policy instead of waiting for its next draw.
    """

    expected: bool = field(default=False, kw_only=True)

    waiting_items: IntArray = learned("n_users")  # -1 where no step waits
    waiting_rewards: FloatArray = learned("n_users")
    waiting_discounts: FloatArray = learned("n_users")
    waiting_histories: IntArray = learned("n_users", "history_length")
    waiting_contexts: FloatArray = learned("n_users", "n_observed")

    type_name = "sarsa"

    def _start(self) -> None:
        super()._start()
        self.waiting_items = np.full(self.n_users, -1, dtype=np.int64)
        self.waiting_rewards = np.zeros(self.n_users)
        self.waiting_discounts = np.zeros(self.n_users)
        self.waiting_histories = np.full((self.n_users, self.history_length), -1, dtype=np.int64)
        self.waiting_contexts = np.zeros((self.n_users, self.n_observed))

    def _check(self) -> None:
        super()._check()
        self.expected = check_flag("SARSARecommender", "expected", self.expected)

    @property
    def learns_next_action(self) -> bool:
        """Unless it takes the mean over what may follow."""
        return not self.expected

    @property
    def rule(self) -> int:
        return td.EXPECTED if self.expected else td.SAMPLED

    def update(
        self,
        user_id: int,
        item_id: int,
        reward: float,
        *,
        context: FloatArray | None = None,
        next_context: FloatArray | None = None,
        next_item: int | None = None,
        discount: float | None = None,
    ) -> None:
        """Learn from one answer, or let it wait for the next action if that is not known.

        A step that ends (discount 0), names its next item, or needs none (expected) is learned at
        once; whatever of this user waited is learned first, with `item_id` as its next action.
        """
        step = self._answer(
            user_id,
            item_id,
            reward,
            context=context,
            next_context=next_context,
            next_item=next_item,
            discount=discount,
        )
        users, items, reward = step.users, step.items, float(step.rewards[0])
        worth = self.discount_factor if step.discounts is None else float(step.discounts[0])
        before = self._own_history(users)
        seen = None
        if self.state == "observation":
            seen = self._observed("context", step.contexts, 1)
            if step.next_contexts is not None:
                self._observed("next_context", step.next_contexts, 1)
        self._learn_what_waits(users, items, before, seen)
        if worth != 0.0 and next_item is None and not self.expected:
            self.waiting_items[users] = items
            self.waiting_rewards[users] = reward
            self.waiting_discounts[users] = worth
            self.waiting_histories[users] = before
            if seen is not None:
                self.waiting_contexts[users] = seen
            self._remember(users, items, reward)
            return
        super().update(
            user_id,
            item_id,
            reward,
            context=context,
            next_context=next_context,
            next_item=next_item,
            discount=discount,
        )

    def _learn_what_waits(
        self, users: IntArray, next_items: IntArray, now: IntArray, seen: FloatArray | None
    ) -> None:
        if self.waiting_items[users[0]] < 0:
            return
        step = Transitions(
            users=users,
            items=self.waiting_items[users],
            rewards=self.waiting_rewards[users],
            discounts=self.waiting_discounts[users],
            histories=self.waiting_histories[users],
            next_histories=now,
            next_items=next_items,
            contexts=None if seen is None else self.waiting_contexts[users],
            next_contexts=seen,
        )
        self.waiting_items[users] = -1
        self.update_batch(step)

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        owner = type(self).__name__
        check_codes(owner, "waiting_items", self.waiting_items, self.n_items, least=-1)
        check_codes(owner, "waiting_histories", self.waiting_histories, self.n_items, least=-1)
