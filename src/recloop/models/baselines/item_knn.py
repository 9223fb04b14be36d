"""ItemKNN: items that the same people took.

Two items are as near as the cosine of their binary columns, s_ij = n_ij / sqrt(n_i n_j), where n_ij
people took both. Every item of a profile speaks for its k nearest neighbours; the votes add up.

Deshpande and Karypis (2004), "Item-based top-N recommendation algorithms", section 4.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from recloop.models.base import learned
from recloop.models.baselines.profiles import AbstractProfileRecommender
from recloop.models.search import Integer, SearchSpace
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_count
from recloop.utils.sparse import (
    IndexArray,
    SparseMatrix,
    SparseParts,
    check_parts,
    largest_in_rows,
    matrix_of,
    parts_of,
)

_ROWS_AT_ONCE = 2048


@dataclass
class ItemKNNRecommender(AbstractProfileRecommender):
    """Ranks items by how near they are to those that a person took.

    n_neighbours: how many items each item of a profile speaks for; ties go to the lower code.
    """

    n_neighbours: int = 100

    neighbour_starts: IndexArray = learned("?")  # (n_items + 1,)
    neighbour_items: IndexArray = learned("?")  # (n_stored,)
    neighbour_cosines: FloatArray = learned("?")  # (n_stored,)

    type_name = "item_knn"
    search_space = SearchSpace(n_neighbours=Integer(5, 1000, log=True))

    def _check(self) -> None:
        self.n_neighbours = check_count("ItemKNNRecommender", "n_neighbours", self.n_neighbours)

    def _start(self) -> None:
        super()._start()
        self._keep_neighbours(sp.csr_matrix((self.n_items, self.n_items)))

    def _fit_items(self, taken: SparseMatrix) -> None:
        by_item = taken.T.tocsr()
        popularity = np.diff(by_item.indptr).astype(np.float64)
        blocks = [
            self._nearest(by_item, taken, popularity, start)
            for start in range(0, self.n_items, _ROWS_AT_ONCE)
        ]
        self._keep_neighbours(sp.vstack(blocks))

    def _nearest(
        self, by_item: SparseMatrix, taken: SparseMatrix, popularity: FloatArray, start: int
    ) -> SparseMatrix:
        near = (by_item[start : start + _ROWS_AT_ONCE] @ taken).tocoo()
        items = near.row + start
        cosines = near.data / np.sqrt(popularity[items] * popularity[near.col])
        cosines[items == near.col] = 0.0  # an item does not speak for itself
        block = sp.csr_matrix((cosines, (near.row, near.col)), shape=near.shape)
        return largest_in_rows(block, self.n_neighbours)

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        users = self._known(users)
        neighbours = matrix_of(self._neighbours(), (self.n_items, self.n_items))
        return (self._profiles(users) @ neighbours).toarray()

    def _neighbours(self) -> SparseParts:
        return SparseParts(self.neighbour_starts, self.neighbour_items, self.neighbour_cosines)

    def _keep_neighbours(self, neighbours: SparseMatrix) -> None:
        self.neighbour_starts, self.neighbour_items, self.neighbour_cosines = parts_of(neighbours)

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        check_parts(path, "the neighbours", self._neighbours(), (self.n_items, self.n_items))
