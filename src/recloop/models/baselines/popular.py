"""Popular: the items most people took, the same for everyone.

The baseline that next-item metrics flatter most: a model that does not beat it has learned nothing
about people.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recloop.models.base import AbstractRecommender, learned
from recloop.models.search import SearchSpace
from recloop.types import FloatArray, IntArray, Interactions, Transitions


@dataclass
class PopularRecommender(AbstractRecommender):
    """Ranks items by how often they were taken."""

    counts: FloatArray = learned("n_items")

    type_name = "popular"
    search_space = SearchSpace()  # it counts, and has nothing to choose
    learns = "fit"

    def _start(self) -> None:
        self.counts = np.zeros(self.n_items)

    def fit(self, interactions: Interactions) -> Self:
        """Count every interaction once, whatever its weight."""
        log = self._checked_log(interactions)
        self.counts = np.bincount(log.items, minlength=self.n_items).astype(np.float64)
        return self

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        users = self._known(users)
        return np.tile(self.counts, (len(users), 1))

    def update_batch(self, transitions: Transitions) -> None:
        """Count the items that earned something."""
        taken = self._checked(transitions).items[transitions.rewards > 0]
        np.add.at(self.counts, taken, 1.0)
