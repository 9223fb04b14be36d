"""Hybrid LinUCB: what all items share, learned from everybody, and what each has of its own.

    E[r] = z . beta + x . theta_a,    z = x (x) f_a,    f_a = (1, features of the item)

A_0 (k, k), b_0 (k)    evidence for beta,   beta = A_0^-1 b_0
A, B (d, k), b (d)     of each item,        theta_a = A^-1 (b - B beta)

A row first takes the item's old share out of A_0 and b_0 and then puts the new one in (lines 17 to
24 of the algorithm). With u = B^T A^-1 x the variance of the paper is, exactly,

    s = (z - u)^T A_0^-1 (z - u) + x^T A^-1 x

so that all items are scored by a few matrix products, whatever their number.

Li, Chu, Langford and Schapire (2010), algorithm 2.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from recloop.errors import InvalidParameter
from recloop.models import features as pair_features
from recloop.models import packed
from recloop.models.bandits.base import AbstractContextBandit, row_weights
from recloop.models.base import learned
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.checks import check_count


@dataclass
class HybridLinUCBRecommender(AbstractContextBandit):
    """LinUCB with a part that all items share: a new item is no stranger.

    alpha: the weight of the deviation. regularization: lambda of both priors.
    """

    alpha: float = field(default=1.0, kw_only=True)
    regularization: float = field(default=1.0, kw_only=True)

    item_table: FloatArray = learned("n_items", "?")  # f
    shared_evidence: FloatArray = learned("?", "?")  # A_0
    shared_inverse: FloatArray = learned("?", "?")
    shared_sums: FloatArray = learned("?")  # b_0
    evidence: FloatArray = learned("n_items", "context_dim", "context_dim")  # A
    inverse: FloatArray = learned("n_items", "context_dim", "context_dim")
    cross: FloatArray = learned("n_items", "context_dim", "?")  # B
    reward_sums: FloatArray = learned("n_items", "context_dim")  # b

    type_name = "hybrid_lin_ucb"
    search_space = SearchSpace(
        regularization=Real(0.01, 100.0, log=True), alpha=Real(0.01, 10.0, log=True, acts=True)
    )

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("alpha", 0.0, np.inf, False), ("regularization", 0.0, np.inf, True))

    def _start(self) -> None:
        super()._start()
        self._forget_everything(np.ones((self.n_items, 1)))

    def fit_features(
        self,
        interactions: Interactions | None = None,
        item_features: FloatArray | None = None,
        user_features: FloatArray | None = None,
    ) -> Self:
        """Take features of the items, (n_items, .), standardised here, and forget all evidence.

        interactions: adds popularity to them. user_features are not used: pass a context.
        """
        if interactions is not None:
            table = pair_features.item_table(self._checked_log(interactions), item_features)
        elif item_features is not None:
            checked = pair_features.checked_features("item_features", item_features, self.n_items)
            table = np.column_stack([np.ones(self.n_items), pair_features.standardised(checked)])
        else:
            table = np.ones((self.n_items, 1))
        self._forget_everything(table)
        return self

    def _forget_everything(self, table: FloatArray) -> None:
        d, k = self.context_dim, self.context_dim * table.shape[1]
        self.item_table = table
        self.shared_evidence = self.regularization * np.eye(k)
        self.shared_inverse = np.eye(k) / self.regularization
        self.shared_sums = np.zeros(k)
        self.evidence = np.tile(self.regularization * np.eye(d), (self.n_items, 1, 1))
        self.inverse = np.tile(np.eye(d) / self.regularization, (self.n_items, 1, 1))
        self.cross = np.zeros((self.n_items, d, k))
        self.reward_sums = np.zeros((self.n_items, d))

    # How it values

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) predicted reward."""
        users = self._known(users)
        return self._predicted(self._contexts(users, context))

    def _predicted(self, contexts: FloatArray) -> FloatArray:
        beta = self.shared_inverse @ self.shared_sums
        own = self.reward_sums - self.cross @ beta
        theta = np.matmul(self.inverse, own[:, :, None])[:, :, 0]
        of_items = packed.all_products(self.item_table, beta.reshape(self.context_dim, -1))
        return packed.all_products(contexts, theta + of_items)

    def deviations(self, users: IntArray, *, context: FloatArray | None = None) -> FloatArray:
        """(B, n_items) sqrt(s), how uncertain each prediction is."""
        users = self._known(users)
        contexts = self._contexts(users, context)
        found = np.empty((len(users), self.n_items))
        for row, x in enumerate(contexts):
            solved = self.inverse @ x  # (n_items, d) A^-1 x
            shared = np.matmul(solved[:, None, :], self.cross)[:, 0]  # u
            gap = (x[:, None] * self.item_table[:, None, :]).reshape(self.n_items, -1) - shared
            weighted = packed.all_products(gap, self.shared_inverse)
            found[row] = (weighted * gap).sum(axis=1) + (solved * x).sum(axis=1)
        return np.sqrt(np.maximum(found, 0.0))

    def acting_scores(
        self, users: IntArray, context: FloatArray | None, history: IntArray | None
    ) -> FloatArray:
        """(B, n_items) the upper end of each interval."""
        bonus = self.alpha * self.deviations(users, context=context)
        return self.scores(users, context=context) + bonus

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """The highest upper end."""
        upper = self._sound(self.acting_scores(users, context, None))
        return EpsilonGreedy(upper, floor=self.epsilon, ties="first")

    # How it learns

    def _learn(self, rows: Transitions) -> None:
        contexts, weights = self._contexts(rows.users, rows.contexts), row_weights(rows)
        for arm, x, reward, weight in zip(rows.items, contexts, rows.rewards, weights, strict=True):
            z = np.outer(x, self.item_table[arm]).ravel()
            cross, inverse, sums = self.cross[arm], self.inverse[arm], self.reward_sums[arm]
            self.shared_evidence += cross.T @ inverse @ cross
            self.shared_sums += cross.T @ inverse @ sums
            self.evidence[arm] += weight * np.outer(x, x)
            self.cross[arm] += weight * np.outer(x, z)
            self.reward_sums[arm] += weight * reward * x
            fresh = np.linalg.inv(self.evidence[arm])
            self.inverse[arm] = inverse = 0.5 * (fresh + fresh.T)
            cross, sums = self.cross[arm], self.reward_sums[arm]
            self.shared_evidence += weight * np.outer(z, z) - cross.T @ inverse @ cross
            self.shared_sums += weight * reward * z - cross.T @ inverse @ sums
            fresh = np.linalg.inv(self.shared_evidence)
            self.shared_inverse = 0.5 * (fresh + fresh.T)

    def add_items(self, count: int = 1, features: FloatArray | None = None) -> IntArray:
        """Codes (count,) of new items; `features` (count, g) are rows as of `item_table` without 1.

        Without features a new item has the mean of the standardised ones, 0.
        """
        owner = type(self).__name__
        count = check_count(owner, "count", count)
        width = self.item_table.shape[1] - 1
        new = np.zeros((count, width))
        if features is not None:
            new = pair_features.checked_features("features", features, count)
            if new.shape[1] != width:
                raise InvalidParameter(
                    f"{owner}: features must have the {width} columns of item_table without its "
                    f"first, got {new.shape[1]}. Call fit_features first."
                )
        table = np.column_stack([np.ones(count), new])
        codes = super().add_items(count)
        self.item_table[codes] = table
        return codes

    # How it is kept

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        k = self.context_dim * self.item_table.shape[1]
        for name, shape in (
            ("shared_evidence", (k, k)),
            ("shared_inverse", (k, k)),
            ("shared_sums", (k,)),
            ("cross", (self.n_items, self.context_dim, k)),
        ):
            self._same_shape(path, name, getattr(self, name), shape)

    def _grow(self, count: int) -> None:
        d, g = self.context_dim, self.item_table.shape[1]
        eye = np.eye(d)
        more = {
            "item_table": np.zeros((count, g)),
            "evidence": np.tile(self.regularization * eye, (count, 1, 1)),
            "inverse": np.tile(eye / self.regularization, (count, 1, 1)),
            "cross": np.zeros((count, d, d * g)),
            "reward_sums": np.zeros((count, d)),
        }
        for name, rows in more.items():
            setattr(self, name, np.concatenate([getattr(self, name), rows]))
