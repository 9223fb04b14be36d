"""ALS: who took what as the product of two small tables, with doubt about what was not taken.

    minimise  sum_ui c_ui (p_ui - x_u . y_i)^2 + lambda (sum_u |x_u|^2 + sum_i |y_i|^2)

p_ui = 1 and c_ui = alpha where u took i; p_ui = 0 and c_ui = 1 elsewhere. The library `implicit`
fits it; it is loaded when `fit` is called.

Hu, Koren and Volinsky (2008), "Collaborative filtering for implicit feedback datasets", equations
3 and 4.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recloop.models.base import learned
from recloop.models.baselines.profiles import AbstractProfileRecommender
from recloop.models.search import Integer, Real, SearchSpace
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.checks import check_between, check_count
from recloop.utils.seeding import stream
from recloop.utils.sparse import SparseMatrix


@dataclass
class ALSRecommender(AbstractProfileRecommender):
    """Ranks items by x_u . y_i.

    factors: the width of both tables.
    regularization: lambda, the weight of the ridge.
    alpha: how much more a pair that was taken weighs than one that was not.
    iterations: how often the two tables are solved in turn.
    threads: of the fit; more than one pays on large logs only.
    """

    factors: int = 32
    regularization: float = 1.0
    alpha: float = 1.0
    iterations: int = 15
    threads: int = 1

    user_factors: FloatArray = learned("n_users", "factors")
    item_factors: FloatArray = learned("n_items", "factors")

    type_name = "als"
    search_space = SearchSpace(
        factors=Integer(8, 256, log=True),
        regularization=Real(0.01, 100.0, log=True),
        alpha=Real(0.1, 100.0, log=True),
        iterations=Integer(5, 50, log=True),
    )

    @property
    def draws(self) -> bool:
        """Whether what it learns from a log depends on the seed."""
        return True

    def _check(self) -> None:
        owner = "ALSRecommender"
        for name in ("factors", "iterations", "threads"):
            setattr(self, name, check_count(owner, name, getattr(self, name)))
        for name in ("regularization", "alpha"):
            number = check_between(owner, name, getattr(self, name), 0, np.inf, low_open=True)
            setattr(self, name, number)

    def _start(self) -> None:
        super()._start()
        self.user_factors = np.zeros((self.n_users, self.factors))
        self.item_factors = np.zeros((self.n_items, self.factors))

    def _fit_items(self, taken: SparseMatrix) -> None:
        least_squares = _library_class()
        with threadpool_limits(1, "blas"):  # two pools of threads would fight, and `implicit` warns
            solver = least_squares(
                factors=self.factors,
                regularization=self.regularization,
                alpha=self.alpha,
                iterations=self.iterations,
                num_threads=self.threads,
                random_state=int(stream(self.seed, self.type_name, "start").integers(2**31)),
            )
            solver.fit(taken.astype(np.float32), show_progress=False)
        self.user_factors = np.asarray(solver.user_factors, dtype=np.float64)
        self.item_factors = np.asarray(solver.item_factors, dtype=np.float64)

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
        """Solve the factors of the people in `transitions` anew; the items stay as fitted."""
        super().update_batch(transitions)
        gram = self.item_factors.T @ self.item_factors
        for user in np.unique(transitions.users[transitions.rewards > 0]):
            taken = self.item_factors[self._profiles(np.array([user])).indices]
            self.user_factors[user] = folded_in(taken, gram, self.alpha, self.regularization)


def folded_in(
    taken: FloatArray, gram: FloatArray, alpha: float, regularization: float
) -> FloatArray:
    """The factors (f,) of a person who took items with factors `taken` (m, f) (equation 4).

    gram: Y^T Y (f, f) of all items.
    """
    ridge = gram + (alpha - 1.0) * taken.T @ taken + regularization * np.eye(len(gram))
    return np.linalg.solve(ridge, alpha * taken.sum(axis=0))


def _library_class() -> Any:
    """The library's class; loaded before threads are limited, since it brings a BLAS of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its progress bar misses widgets that we never show
        from implicit.cpu.als import AlternatingLeastSquares
    return AlternatingLeastSquares
