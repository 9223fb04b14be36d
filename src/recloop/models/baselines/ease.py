"""EASE: one linear model of every item from all others, in closed form.

    P = (X^T X + lambda I)^-1,    B = I - P / diag(P),    scores = X B

X is the users x items matrix of zeros and ones; the division is by columns, so that diag(B) = 0.

Steck (2019), "Embarrassingly shallow autoencoders for sparse data", equation 8.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import get_lapack_funcs

from recloop.errors import InvalidParameter
from recloop.models.base import learned
from recloop.models.baselines.profiles import AbstractProfileRecommender
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count
from recloop.utils.sparse import SparseMatrix


@dataclass
class EASERecommender(AbstractProfileRecommender):
    """Ranks items by a linear model of the person's whole profile.

    regularization: lambda, the weight of the ridge.
    max_items: the largest catalogue that it accepts. The model is items x items: 8 n^2 bytes to
        keep and about twice that to fit, so 10,000 items take 0.8 GB and 1.6 GB.
    """

    regularization: float = 500.0
    max_items: int = 10_000

    item_weights: FloatArray = learned("n_items", "n_items")

    type_name = "ease"
    search_space = SearchSpace(regularization=Real(1.0, 1e4, log=True))

    def _check(self) -> None:
        owner = "EASERecommender"
        self.regularization = check_between(
            owner, "regularization", self.regularization, 0, np.inf, low_open=True
        )
        self.max_items = check_count(owner, "max_items", self.max_items)
        if self.n_items > self.max_items:
            raise InvalidParameter(
                f"{owner}: n_items must be at most {self.max_items} (max_items), got "
                f"{self.n_items}: the model is items x items and would take "
                f"{16 * self.n_items**2 / 1e9:.1f} GB to fit. Use item_knn or als for such a "
                "catalogue, drop rare items, or raise max_items if the memory is there."
            )

    def _start(self) -> None:
        super()._start()
        self.item_weights = np.zeros((self.n_items, self.n_items))

    def _fit_items(self, taken: SparseMatrix) -> None:
        gram = (taken.T @ taken).toarray()
        self.item_weights = ease_weights(gram, self.regularization)

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        users = self._known(users)
        return self._profiles(users) @ self.item_weights


def ease_weights(gram: FloatArray, regularization: float) -> FloatArray:
    """B (n, n) from X^T X (n, n), which is overwritten: the memory is the limit of this model."""
    gram[np.diag_indices_from(gram)] += regularization
    # `gram` is symmetric, so that its transpose is the column order that LAPACK works on in place.
    factorise, invert = get_lapack_funcs(("potrf", "potri"), (gram,))
    factor, not_definite = factorise(gram.T, lower=False, overwrite_a=True)
    upper, not_regular = invert(factor, lower=False, overwrite_c=True)
    if not_definite or not_regular:
        raise InvalidParameter(
            f"EASERecommender: regularization must be large enough to invert X^T X, got "
            f"{regularization:g}. Items that the same people took need more of it; try 100."
        )
    for item in range(len(upper)):
        upper[item + 1 :, item] = upper[item, item + 1 :]
    inverse = upper.T  # symmetric by now, and in the row order that scoring wants
    weights = np.divide(inverse, -np.diag(inverse), out=inverse)
    np.fill_diagonal(weights, 0.0)
    return weights
