"""Random: every order of the catalogue is as likely as any other.

The floor of every table. Its scores belong to the person, not to the call: asking twice, or for one
person alone, gives the same answer.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recloop.models.base import AbstractRecommender
from recloop.models.search import SearchSpace
from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.seeding import stream


@dataclass
class RandomRecommender(AbstractRecommender):
    """Ranks items by a uniform draw of each person's own stream."""

    type_name = "random"
    search_space = SearchSpace()  # nothing that it could do better
    learns = "fit"

    @property
    def draws(self) -> bool:
        """Whether what it learns from a log depends on the seed."""
        return True

    def _start(self) -> None:
        """Chance has nothing to set."""

    def fit(self, interactions: Interactions) -> Self:
        """Check the log's sizes; there is nothing to learn from it."""
        self._checked_log(interactions)
        return self

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        users = self._known(users)
        rows = [
            stream(self.seed, "random scores", int(user)).random(self.n_items) for user in users
        ]
        return np.array(rows).reshape(len(users), self.n_items)

    def update_batch(self, transitions: Transitions) -> None:
        """Check the rows; no answer changes chance."""
        self._checked(transitions)
