"""Markov: what people took next after what this person took last.

    score(i) = sum_j decay^j P(i | h_j) + popularity share of i / 1000

P is the empirical distribution of the next item (h_0 is the newest item of the history); the
popularity share decides between items that never followed. With n_recent = 1 the order is that of
the transition counts. With n_recent = 5 it is Markov-5, the honest control of every agent whose
state is the recent items: no reinforcement, one pass of counting.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp

from recloop.models.base import AbstractRecommender, learned
from recloop.models.cooccurrence import counts_after, mixed_rows
from recloop.models.search import Integer, Real, SearchSpace
from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.checks import check_between, check_count
from recloop.utils.history import RecentItems, last_items
from recloop.utils.sparse import (
    IndexArray,
    SparseMatrix,
    SparseParts,
    check_parts,
    counted_pairs,
    matrix_of,
    parts_of,
)

POPULARITY_WEIGHT = 1e-3


@dataclass
class MarkovRecommender(AbstractRecommender):
    """Ranks items by how often they came next.

    n_recent: how many of the last items speak.
    decay: the weight of an item against the one that came after it.
    """

    n_recent: int = 1
    decay: float = 0.7

    popularity: FloatArray = learned("n_items")
    next_starts: IndexArray = learned("?")  # (n_items + 1,)
    next_items: IndexArray = learned("?")  # (n_stored,)
    next_counts: FloatArray = learned("?")  # (n_stored,)

    type_name = "markov"
    search_space = SearchSpace(
        n_recent=Integer(1, 10, limits=("low",)), decay=Real(0.1, 1.0, limits=("high",))
    )
    learns = "fit"

    @property
    def history_length(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many recent items `history` must hold."""
        return self.n_recent

    def _check(self) -> None:
        self.n_recent = check_count("MarkovRecommender", "n_recent", self.n_recent)
        self.decay = check_between("MarkovRecommender", "decay", self.decay, 0, 1, low_open=True)

    def _start(self) -> None:
        self.popularity = np.zeros(self.n_items)
        self._keep_counts(sp.csr_matrix((self.n_items, self.n_items)))

    def fit(self, interactions: Interactions) -> Self:
        """Count every step of every person; remember where each sequence ended."""
        log = self._checked_log(interactions)
        self.popularity = np.bincount(log.items, minlength=self.n_items).astype(np.float64)
        self._keep_counts(counts_after(log))
        self._recent = RecentItems(self.n_users, self.n_recent)
        self._recent.items = last_items(log, self.n_recent)
        return self

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        users = self._known(users)
        share = self.popularity / max(self.popularity.sum(), 1.0)
        mixed = mixed_rows(self._counts(), self._histories(users, history), self.decay)
        return mixed.toarray() + POPULARITY_WEIGHT * share

    def update_batch(self, transitions: Transitions) -> None:
        """Count the items that earned something, and that they came after the newest of before."""
        rows = self._checked(transitions)
        earned = rows.rewards > 0
        before = self._histories(rows.users, rows.histories)[earned, 0]
        items = rows.items[earned]
        np.add.at(self.popularity, items, 1.0)
        follows = before >= 0
        shape = (self.n_items, self.n_items)
        self._keep_counts(self._counts() + counted_pairs(before[follows], items[follows], shape))

    def _counts(self) -> SparseMatrix:
        return matrix_of(self._parts(), (self.n_items, self.n_items))

    def _parts(self) -> SparseParts:
        return SparseParts(self.next_starts, self.next_items, self.next_counts)

    def _keep_counts(self, counts: SparseMatrix) -> None:
        self.next_starts, self.next_items, self.next_counts = parts_of(counts)

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        check_parts(path, "the transitions", self._parts(), (self.n_items, self.n_items))
