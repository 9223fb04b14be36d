"""What every baseline of profiles shares: who took what, kept as a sparse set for each person."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp

from recloop.models.base import AbstractRecommender, learned
from recloop.types import IntArray, Interactions, Transitions
from recloop.utils.sparse import (
    IndexArray,
    SparseMatrix,
    SparseParts,
    check_parts,
    chosen_rows,
    counted_pairs,
)


@dataclass
class AbstractProfileRecommender(AbstractRecommender):
    """Fits item knowledge once, and ranks by the set of items that a person took.

    A pair counts once, whatever its weight and however often it occurs. New answers join the
    person's profile at once; what is known of the items stays as it was fitted.
    """

    profile_starts: IndexArray = learned("?")  # (n_users + 1,)
    profile_items: IndexArray = learned("?")  # (n_pairs,)

    learns = "fit"

    def depends_on_user(self, *, with_context: bool) -> bool:
        """A person is an own row of the profiles."""
        return True

    def _start(self) -> None:
        self._keep_profiles(sp.csr_matrix((self.n_users, self.n_items)))

    def fit(self, interactions: Interactions) -> Self:
        """Learn the items from who took what, and keep everybody's profile."""
        log = self._checked_log(interactions)
        taken = _as_set(counted_pairs(log.users, log.items, (self.n_users, self.n_items)))
        self._keep_profiles(taken)
        self._fit_items(taken)
        return self

    @abstractmethod
    def _fit_items(self, taken: SparseMatrix) -> None:
        """Learn from `taken` (n_users, n_items), 1 where a person took an item."""

    def update_batch(self, transitions: Transitions) -> None:
        """Items that earned something join the person's profile; refit to learn items anew."""
        rows = self._checked(transitions)
        earned = rows.rewards > 0
        users, items = rows.users[earned], rows.items[earned]
        added = counted_pairs(users, items, (self.n_users, self.n_items))
        everybody = self._profiles(np.arange(self.n_users))
        self._keep_profiles(_as_set(everybody + added))

    def _profiles(self, users: IntArray) -> SparseMatrix:
        """(B, n_items) of ones where `users` took something."""
        return chosen_rows(self._profile_parts(), users, self.n_items)

    def _profile_parts(self) -> SparseParts:
        ones = np.broadcast_to(np.ones(1), self.profile_items.shape)
        return SparseParts(self.profile_starts, self.profile_items, ones)

    def _keep_profiles(self, taken: SparseMatrix) -> None:
        self.profile_starts, self.profile_items = taken.indptr, taken.indices

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        check_parts(path, "the profiles", self._profile_parts(), (self.n_users, self.n_items))


def _as_set(counts: SparseMatrix) -> SparseMatrix:
    counts.sort_indices()
    counts.data[:] = 1.0
    return counts
