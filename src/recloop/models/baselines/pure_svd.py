"""PureSVD: the best low-rank picture of who took what.

Truncated singular value decomposition of the users x items matrix of zeros and ones: R ~ P Q^T in
least squares, so that p_u . q_i estimates the chance that the cell is 1. It is also what a
preference world is fitted with.

Cremonesi, Koren and Turrin (2010), "Performance of recommender algorithms on top-n recommendation
tasks", section 3.2.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from recloop.errors import InvalidData
from recloop.models.base import AbstractRecommender, learned
from recloop.models.search import Integer, SearchSpace
from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.checks import check_count
from recloop.utils.seeding import stream


@dataclass
class PureSVDRecommender(AbstractRecommender):
    """Ranks items by p_u . q_i.

    n_factors: the rank of the picture, fewer where the matrix has fewer.
    """

    n_factors: int = 50

    user_factors: FloatArray = learned("n_users", "?")
    item_factors: FloatArray = learned("n_items", "?")

    type_name = "pure_svd"
    search_space = SearchSpace(n_factors=Integer(4, 256, log=True))
    learns = "fit"

    def _check(self) -> None:
        self.n_factors = check_count("PureSVDRecommender", "n_factors", self.n_factors)

    def _start(self) -> None:
        self.user_factors = np.zeros((self.n_users, 1))
        self.item_factors = np.zeros((self.n_items, 1))

    def fit(self, interactions: Interactions) -> Self:
        """Decompose the matrix of who took what; a pair counts once, whatever its weight."""
        log = self._checked_log(interactions)
        if len(log) == 0:
            raise InvalidData("PureSVDRecommender: the log is empty; there is nothing to fit.")
        shape = (self.n_users, self.n_items)
        taken = sp.csr_matrix((np.ones(len(log)), (log.users, log.items)), shape=shape)
        taken.data[:] = 1.0
        if min(shape) <= self.n_factors:
            left, values, right = np.linalg.svd(taken.toarray(), full_matrices=False)
        else:
            start = stream(self.seed, self.type_name, "start").random(min(shape))
            left, values, right = svds(taken, k=self.n_factors, v0=start)
        self.user_factors = np.ascontiguousarray(np.asarray(left) * values)
        self.item_factors = np.ascontiguousarray(np.asarray(right).T)
        return self

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        users = self._known(users)
        return self.user_factors[users] @ self.item_factors.T

    def update_batch(self, transitions: Transitions) -> None:
        """Pull the user's factors toward the item by one gradient step on the reward's error.

        The items stay as they were fitted: a new answer moves a person, not the map.
        """
        self._checked(transitions)
        norm = np.square(self.item_factors).sum(axis=1).mean() + 1e-12
        for user, item, reward in zip(
            transitions.users, transitions.items, transitions.rewards, strict=True
        ):
            factors = self.item_factors[item]
            error = reward - self.user_factors[user] @ factors
            self.user_factors[user] += error * factors / (norm + factors @ factors)
