"""Hybrid bandits: what all items share, learned from everybody, and what each has of its own.

    E[r] = x . w_a,    w_a = M f_a + theta_a,    f_a = (1, features of the item)    (`shared.py`)

    hybrid LinUCB       the highest m + alpha s
    hybrid Thompson     draws of everything at once from the posterior, the highest is shown

m and s are mean and deviation of x . w_a. They differ in `exploration` alone.

LinUCB: Li, Chu, Langford and Schapire (2010), algorithm 2. Thompson: Agrawal and Goyal (2013), for
the model of that paper. Given a context the items' values depend on one another, because all hold
M: no quadrature over one of them says how likely it is to be the best. So a finite ensemble of
draws votes (Lu and Van Roy 2017), and its votes are the propensities, exactly.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import features as pair_features
from recloop.models import incoming
from recloop.models.bandits import shared as equations
from recloop.models.bandits.base import AbstractContextBandit, row_weights
from recloop.models.bandits.shared import Hybrid
from recloop.models.base import learned
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.ensemble import EnsembleVotes
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.models.features import Scale, scale_of, scaled
from recloop.models.packed import packed_size
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.checks import check_count
from recloop.utils.seeding import stream

_SEARCHED = SearchSpace(regularization=Real(0.01, 100.0, log=True))


@dataclass
class AbstractHybridBandit(AbstractContextBandit):
    """A regression for each item around what its features say: a new item is no stranger.

    regularization: lambda of both priors.
    """

    regularization: float = field(default=1.0, kw_only=True)

    item_table: FloatArray = learned("n_items", "?")  # f, standardised
    popularity_scale: FloatArray = learned(2, "?")  # means and deviations of these columns of f
    feature_scale: FloatArray = learned(2, "?")
    evidence: FloatArray = learned("n_items", "n_packed")
    inverse: FloatArray = learned("n_items", "n_packed")
    reward_sums: FloatArray = learned("n_items", "context_dim")
    weights: FloatArray = learned("n_items", "context_dim")  # A^-1 b
    shared_evidence: FloatArray = learned(1, "?")
    shared_inverse: FloatArray = learned(1, "?")
    shared_sums: FloatArray = learned("?")

    corrects = True

    @property
    def n_packed(self) -> int:
        """How many numbers a packed matrix of an item has."""
        return packed_size(self.context_dim)

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("regularization", 0.0, np.inf, True))

    def _start(self) -> None:
        super()._start()
        self.fit_features()

    def fit_features(
        self,
        interactions: Interactions | None = None,
        item_features: FloatArray | None = None,
        user_features: FloatArray | None = None,
    ) -> Self:
        """Take features of the items as they come, (n_items, .), and forget all evidence.

        They are standardised here, and their means and deviations are kept for `add_items`.
        interactions: adds popularity to them. user_features are not used: pass a context.
        """
        popularity, given = np.zeros((self.n_items, 0)), np.zeros((self.n_items, 0))
        if interactions is not None:
            popularity = pair_features.popularity(self._checked_log(interactions))
        if item_features is not None:
            given = pair_features.checked_features("item_features", item_features, self.n_items)
        self.popularity_scale = np.stack(scale_of(popularity))
        self.feature_scale = np.stack(scale_of(given))
        table = self._rows_of(popularity, given)
        self.n_rows = 0
        self._put(equations.unknown(table, self.context_dim, self.regularization))
        return self

    def _rows_of(self, popularity: FloatArray, given: FloatArray) -> FloatArray:
        """f (n, .) of items from their popularity and their features as they come."""
        return np.column_stack(
            [
                np.ones(len(given)),
                scaled(popularity, Scale(*self.popularity_scale)),
                scaled(given, Scale(*self.feature_scale)),
            ]
        )

    @property
    def known(self) -> Hybrid:
        """What was learned; the arrays themselves."""
        return Hybrid(**{name: getattr(self, name) for name in Hybrid._fields})

    def _put(self, known: Hybrid) -> None:
        for name, array in known._asdict().items():
            setattr(self, name, array)

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
        contexts = self._contexts(users, context)
        return equations.predicted(self.known, contexts, self.regularization)

    def deviations(self, users: IntArray, *, context: FloatArray | None = None) -> FloatArray:
        """(B, n_items) sqrt(s), how uncertain each prediction is."""
        users = self._known(users)
        contexts = self._contexts(users, context)
        return equations.deviations(self.known, contexts, self.regularization)

    # How it learns

    def _learn(self, rows: Transitions) -> None:
        contexts, weights = self._contexts(rows.users, rows.contexts), row_weights(rows)
        every, start = equations.ROWS_BEFORE_REBUILD, 0
        while start < len(rows):
            stop = min(len(rows), start + every - self.n_rows % every)
            part = slice(start, stop)
            equations.learn(
                self.known,
                rows.items[part],
                contexts[part],
                rows.rewards[part],
                weights[part],
                self.regularization,
            )
            self.n_rows += stop - start
            start = stop
            if self.n_rows % every == 0:
                equations.rebuild(self.known, self.regularization)

    def correct_batch(self, transitions: Transitions) -> None:
        """b += weight (r - r_0) x and what follows from it; no A ever saw the reward."""
        rows = self._checked(transitions)
        contexts = self._contexts(rows.users, rows.contexts)
        missing = rows.rewards * row_weights(rows)
        equations.correct(self.known, rows.items, contexts, missing, self.regularization)

    def add_items(self, count: int = 1, features: FloatArray | None = None) -> IntArray:
        """Codes (count,) of new items; `features` (count, g) as they come, as `fit_features` takes.

        Without features a new item has the means. Nobody took it yet, where popularity counts.
        """
        owner = type(self).__name__
        count = check_count(owner, "count", count)
        means = self.feature_scale[0]
        given = np.tile(means, (count, 1))
        if features is not None:
            given = pair_features.checked_features("features", features, count)
            if given.shape[1] != len(means):
                raise InvalidParameter(
                    f"{owner}: features must have the {len(means)} columns of the item_features "
                    f"that fit_features saw, got {given.shape[1]}. Call fit_features first."
                )
        popularity = np.zeros((count, self.popularity_scale.shape[1]))
        table = self._rows_of(popularity, given)
        bounds = incoming.BOUNDS["contexts"]
        incoming.within_bounds(owner, "features in deviations from their mean", table, *bounds)
        codes = super().add_items(count)
        self.item_table[codes] = table
        return codes

    def _grow(self, count: int) -> None:
        table = np.zeros((count, self.item_table.shape[1]))
        self._put(equations.with_more(self.known, table, self.regularization))

    # How it is kept

    def counters(self) -> dict[str, Any]:
        """How many rows were learned."""
        return {"n_rows": self.n_rows}

    def _set_counters(self, counters: dict[str, Any]) -> None:
        try:
            self.n_rows = int(counters["n_rows"])
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFile(f"{type(self).__name__}: bad counters ({error}).") from None

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        n_columns = 1 + self.popularity_scale.shape[1] + self.feature_scale.shape[1]
        k = self.context_dim * n_columns
        for name, shape in (
            ("item_table", (self.n_items, n_columns)),
            ("shared_evidence", (1, packed_size(k))),
            ("shared_inverse", (1, packed_size(k))),
            ("shared_sums", (k,)),
        ):
            self._same_shape(path, name, getattr(self, name), shape)


@dataclass
class HybridLinUCBRecommender(AbstractHybridBandit):
    """Shows what may be best: the highest prediction plus `alpha` deviations, ties to the first.

    alpha: the weight of the deviation.
    """

    alpha: float = field(default=1.0, kw_only=True)

    type_name = "hybrid_lin_ucb"
    search_space = _SEARCHED | SearchSpace(alpha=Real(0.01, 10.0, log=True, acts=True))

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("alpha", 0.0, np.inf, False))

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


@dataclass
class HybridLinThompsonRecommender(AbstractHybridBandit):
    """Shows each item as often as draws from the joint posterior say that it is the best.

    scale: the standard deviation of a reward around its prediction.
    n_members: M, how many draws vote; an item that none of them prefers has the chance 0, or its
        part of `epsilon`.
    """

    scale: float = field(default=0.25, kw_only=True)
    n_members: int = field(default=100, kw_only=True)

    type_name = "hybrid_lin_thompson"
    search_space = _SEARCHED | SearchSpace(scale=Real(0.01, 10.0, log=True, acts=True))

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("scale", 0.0, np.inf, False))
        self.n_members = check_count(type(self).__name__, "n_members", self.n_members)

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """The votes of members drawn anew after every row that was learned."""
        contexts = np.ascontiguousarray(self._contexts(users, context))
        means = self._sound(equations.predicted(self.known, contexts, self.regularization))
        believed = partial(self._believed, contexts, means, self._members())
        return EnsembleVotes(means, believed, self.n_members, floor=self.epsilon)

    def _members(self) -> equations.Draws:
        """Draws that depend on the seed and on how many rows were learned alone."""
        among = (self.type_name, "members", self.n_rows)
        k, shape = len(self.shared_sums), (self.n_items, self.n_members)
        shared = stream(self.seed, *among, "shared").standard_normal((k, self.n_members))
        own = stream(self.seed, *among, "own").standard_normal(shape)
        return equations.drawn(self.known, shared, own, self.regularization)

    def _believed(
        self, contexts: FloatArray, means: FloatArray, draws: equations.Draws, rows: slice
    ) -> FloatArray:
        return equations.believed(self.known, contexts[rows], means[rows], draws, self.scale)
