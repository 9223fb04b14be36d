"""A model as somebody outside would write it: the mean reward of each pair."""

from dataclasses import dataclass

import numpy as np

from recloop.models.base import AbstractRecommender, learned
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.checks import check_between


@dataclass
class CountingRecommender(AbstractRecommender):
    """Ranks items by what they earned on average.

    epsilon: the probability of a uniform draw.
    """

    epsilon: float = 0.2

    sums: FloatArray = learned("n_users", "n_items")
    counts: FloatArray = learned("n_users", "n_items")

    type_name = "counting"

    def _check(self) -> None:
        self.epsilon = check_between("CountingRecommender", "epsilon", self.epsilon, 0, 1)

    def _start(self) -> None:
        self.sums = np.zeros((self.n_users, self.n_items))
        self.counts = np.zeros((self.n_users, self.n_items))

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        return self.sums[users] / np.maximum(self.counts[users], 1.0)

    def update_batch(self, transitions: Transitions) -> None:
        rows = self._checked(transitions)
        np.add.at(self.sums, (rows.users, rows.items), rows.rewards)
        np.add.at(self.counts, (rows.users, rows.items), 1.0)
