"""Linear bandits: a ridge regression for each item, and four ways to explore by it.

    predicted m_a = x . theta_a,    deviation s_a = sqrt(x^T A_a^-1 x)        (`arms.py`)

    LinUCB              the highest m + alpha s
    linear Thompson     draws from N(m, (scale s)^2), the highest is shown
    epsilon-greedy      the highest m, and a share of uniform draws
    SquareCB            by the inverse of the gap to the highest m

They differ in `exploration` alone. `discount` and `window` make each of them forget: all arms fade
with every row that is learned, or a row counts only until `window` later ones have come.

LinUCB: Li, Chu, Langford and Schapire (2010), algorithm 1. Thompson: Agrawal and Goyal (2013),
"Thompson sampling for contextual bandits with linear payoffs". SquareCB: Foster and Rakhlin (2020).
Forgetting: Russac, Vernade and Cappe (2019); sliding window: Cheung, Simchi-Levi and Zhu (2019).
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from recloop.errors import InvalidParameter
from recloop.models.bandits import arms as arm_equations
from recloop.models.bandits.arms import Arms
from recloop.models.bandits.base import AbstractContextBandit, row_weights
from recloop.models.base import learned
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.models.exploration.gaussian_thompson import GaussianThompson
from recloop.models.exploration.inverse_gap import InverseGap
from recloop.models.packed import packed, packed_size, unpacked
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.checks import check_between, check_codes, check_count, check_finite

_FADED_AT_ONCE = 0.01


_SEARCHED = SearchSpace(
    regularization=Real(0.01, 100.0, log=True), discount=Real(0.98, 1.0, limits=("high",))
)


@dataclass
class AbstractLinearBandit(AbstractContextBandit):
    """A ridge regression for each item.

    regularization: lambda, the weight of the prior.
    discount: what is left of old evidence after each row, of all items; 1 forgets nothing. Evidence
        fades in steps of about a hundredth.
    window: how many of the last rows count; 0 for all.
    """

    regularization: float = field(default=1.0, kw_only=True)
    discount: float = field(default=1.0, kw_only=True)
    window: int = field(default=0, kw_only=True)

    evidence: FloatArray = learned("n_items", "n_packed")
    inverse: FloatArray = learned("n_items", "n_packed")
    reward_sums: FloatArray = learned("n_items", "context_dim")
    weights: FloatArray = learned("n_items", "context_dim")
    n_updates: IntArray = learned("n_items")
    prior_means: FloatArray = learned("n_items", "context_dim")
    prior_map: FloatArray = learned("?", "context_dim")  # from item features to prior means
    kept_items: IntArray = learned("window")  # the last rows, oldest first from n_rows % window
    kept_contexts: FloatArray = learned("window", "context_dim")
    kept_rewards: FloatArray = learned("window")
    kept_weights: FloatArray = learned("window")

    counted = ("n_rows",)

    @property
    def n_packed(self) -> int:
        """How many numbers a packed matrix has."""
        return packed_size(self.context_dim)

    def _check(self) -> None:
        super()._check()
        self._check_numbers(
            ("regularization", 0.0, np.inf, True),
            ("discount", 0.0, 1.0, True),
        )
        owner = type(self).__name__
        self.window = check_count(owner, "window", self.window, least=0)
        if self.window and self.discount < 1.0:
            raise InvalidParameter(
                f"{owner}: window and discount are two ways to forget; got window={self.window} "
                f"and discount={self.discount:g}. Set window=0 or discount=1."
            )

    def _start(self) -> None:
        super()._start()
        self.n_rows = 0
        self.prior_means = np.zeros((self.n_items, self.context_dim))
        self.prior_map = np.zeros((0, self.context_dim))
        self._put(arm_equations.fresh_arms(self.prior_means, self.regularization))
        self.kept_items = np.full(self.window, -1, dtype=np.int64)
        self.kept_contexts = np.zeros((self.window, self.context_dim))
        self.kept_rewards = np.zeros(self.window)
        self.kept_weights = np.zeros(self.window)

    @property
    def arms(self) -> Arms:
        """What is known of every item; the arrays themselves."""
        return Arms(self.evidence, self.inverse, self.reward_sums, self.weights, self.n_updates)

    def _put(self, arms: Arms) -> None:
        self.evidence, self.inverse, self.reward_sums, self.weights, self.n_updates = arms

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
        return arm_equations.predicted(self.arms, self._contexts(users, context))

    def deviations(self, users: IntArray, *, context: FloatArray | None = None) -> FloatArray:
        """(B, n_items) sqrt(x^T A^-1 x), how uncertain each prediction is."""
        users = self._known(users)
        return arm_equations.deviations(self.arms, self._contexts(users, context))

    # How it learns

    def _learn(self, rows: Transitions) -> None:
        contexts, weights = self._contexts(rows.users, rows.contexts), row_weights(rows)
        if self.window:
            self._learn_within_window(rows.items, contexts, rows.rewards, weights)
            return
        every = self._fades_every()
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + every - self.n_rows % every) if every else len(rows)
            part = slice(start, stop)
            arm_equations.learn(
                self.arms, rows.items[part], contexts[part], rows.rewards[part], weights[part]
            )
            self.n_rows += stop - start
            start = stop
            if every and self.n_rows % every == 0:
                self._fade(self.discount**every)

    @property
    def corrects(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Without `discount` and `window`: else nobody knows what is left of an old row."""
        return self.discount == 1.0 and not self.window

    def correct_batch(self, transitions: Transitions) -> None:
        """b += weight (r - r_0) x, theta anew; A stays: it never saw the reward.

        Not for models that forget: what is left of the row that is mended is not known.
        """
        if not self.corrects:
            super().correct_batch(transitions)
        rows = self._checked(transitions)
        contexts = self._contexts(rows.users, rows.contexts)
        missing = rows.rewards * row_weights(rows)
        arm_equations.correct(self.arms, rows.items, contexts, missing)

    def _fades_every(self) -> int:
        """Rows between two fadings; 0 for never."""
        if self.discount == 1.0:
            return 0
        return max(1, int(np.log1p(-_FADED_AT_ONCE) / np.log(self.discount)))

    def _fade(self, kept: float) -> None:
        prior = arm_equations.fresh_arms(self.prior_means, self.regularization)
        arm_equations.fade(self.arms, np.arange(self.n_items), kept, prior)

    def _learn_within_window(
        self, items: IntArray, contexts: FloatArray, rewards: FloatArray, weights: FloatArray
    ) -> None:
        """Each new row is followed by the removal of the one that falls out."""
        place = (self.n_rows + np.arange(self.window)) % self.window  # oldest first
        after = (
            np.concatenate([self.kept_items[place], items]),
            np.concatenate([self.kept_contexts[place], contexts]),
            np.concatenate([self.kept_rewards[place], rewards]),
            np.concatenate([self.kept_weights[place], weights]),
        )
        n = len(items)
        of = np.stack([np.arange(self.window, self.window + n), np.arange(n)], axis=1).ravel()
        sign = np.tile([1.0, -1.0], n)  # one comes, one goes
        real = after[0][of] >= 0
        step = np.flatnonzero(real)
        of, sign = of[real], sign[real]

        def mend(which: IntArray, n_done: int) -> None:
            """A and b from the rows that are in the window after `n_done` of these changes."""
            last = step[n_done - 1]
            inside = slice((last + 1) // 2, self.window + last // 2 + 1)
            items, contexts, rewards, weights = after
            self._learn_anew(
                which, items[inside], contexts[inside], rewards[inside], weights[inside]
            )

        arm_equations.learn(
            self.arms, after[0][of], after[1][of], after[2][of], sign * after[3][of], mend=mend
        )
        self.n_rows += n
        place = (self.n_rows + np.arange(self.window)) % self.window
        self.kept_items[place] = after[0][n:]
        self.kept_contexts[place] = after[1][n:]
        self.kept_rewards[place] = after[2][n:]
        self.kept_weights[place] = after[3][n:]

    def _learn_anew(
        self,
        which: IntArray,
        items: IntArray,
        contexts: FloatArray,
        rewards: FloatArray,
        weights: FloatArray,
    ) -> None:
        """Put A and b of the arms `which` as their priors and these rows say."""
        prior = arm_equations.fresh_arms(self.prior_means[which], self.regularization)
        for arm, evidence, sums in zip(which, prior.evidence, prior.reward_sums, strict=True):
            x, own = contexts[items == arm], items == arm
            weighted = x * weights[own][:, None]
            self.evidence[arm] = evidence + packed((weighted.T @ x)[None])[0]
            self.reward_sums[arm] = sums + rewards[own] @ weighted

    # What item features say of an item that nobody has seen

    def fit_prior(self, item_features: FloatArray, *, regularization: float = 1.0) -> Self:
        """Learn from the items known so far what theta to expect of an item from its features.

        item_features (n_items, g). The means of the priors become f W with W (g, d) from the ridge
        regression of theta on f, each item weighted by how much of its theta is evidence; all
        thetas move accordingly. `add_items` with features then starts new items there.
        """
        owner = type(self).__name__
        features = self._checked_features("item_features", item_features, self.n_items)
        regularization = check_between(
            owner, "regularization", regularization, 0, np.inf, low_open=True
        )
        inverse = unpacked(self.inverse, self.context_dim)
        own_sums = self.reward_sums - self.regularization * self.prior_means
        theta = np.matmul(inverse, own_sums[:, :, None])[:, :, 0]
        unknown = self.regularization * np.trace(inverse, axis1=1, axis2=2) / self.context_dim
        known = np.clip(1.0 - unknown, 0.0, 1.0)
        gram = features.T @ (features * known[:, None]) + regularization * np.eye(features.shape[1])
        self.prior_map = np.linalg.solve(gram, features.T @ (theta * known[:, None]))
        self._move_priors(np.arange(self.n_items), features @ self.prior_map)
        return self

    def _move_priors(self, which: IntArray, means: FloatArray) -> None:
        self.reward_sums[which] += self.regularization * (means - self.prior_means[which])
        self.prior_means[which] = means
        arm_equations.refresh(self.arms, which)

    def _checked_features(self, name: str, features: FloatArray, n_rows: int) -> FloatArray:
        table = check_finite(type(self).__name__, name, features)
        if table.ndim != 2 or len(table) != n_rows:
            raise InvalidParameter(
                f"{type(self).__name__}: {name} must have one row of numbers for each of {n_rows} "
                f"items, got shape {table.shape}."
            )
        return table

    def add_items(self, count: int = 1, features: FloatArray | None = None) -> IntArray:
        """Codes (count,) of new items; by `features` (count, g) they start as `fit_prior` says."""
        count = check_count(type(self).__name__, "count", count)
        means = None
        if features is not None:
            table = self._checked_features("features", features, count)
            if table.shape[1] != len(self.prior_map):
                raise InvalidParameter(
                    f"{type(self).__name__}: features must have the {len(self.prior_map)} columns "
                    f"that fit_prior saw, got {table.shape[1]}. Call fit_prior first."
                )
            means = table @ self.prior_map
        codes = super().add_items(count)
        if means is not None:
            self._move_priors(codes, means)
        return codes

    def _grow(self, count: int) -> None:
        means = np.zeros((count, self.context_dim))
        new = arm_equations.fresh_arms(means, self.regularization)
        self._put(arm_equations.with_more(self.arms, new))
        self.prior_means = np.concatenate([self.prior_means, means])

    def forget_items(self, items: IntArray) -> None:
        """Forget all that is known of `items`, which start again from their prior."""
        codes = check_codes(type(self).__name__, "items", items, self.n_items)
        arm_equations.fade(
            self.arms, codes, 0.0, arm_equations.fresh_arms(self.prior_means, self.regularization)
        )
        if self.window:
            self.kept_items[np.isin(self.kept_items, codes)] = -1


@dataclass
class LinUCBRecommender(AbstractLinearBandit):
    """Shows what may be best: the highest prediction plus `alpha` deviations, ties to the first.

    alpha: the weight of the deviation.
    """

    alpha: float = field(default=1.0, kw_only=True)

    type_name = "lin_ucb"
    search_space = _SEARCHED | SearchSpace(alpha=Real(0.01, 10.0, log=True, acts=True))

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("alpha", 0.0, np.inf, False))

    def acting_scores(
        self, users: IntArray, context: FloatArray | None, history: IntArray | None
    ) -> FloatArray:
        """(B, n_items) the upper end of each interval."""
        return arm_equations.upper_ends(self.arms, self._contexts(users, context), self.alpha)

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """The highest upper end."""
        upper = self._sound(self.acting_scores(users, context, None))
        return EpsilonGreedy(upper, floor=self.epsilon, ties="first")


@dataclass
class LinThompsonRecommender(AbstractLinearBandit):
    """Shows each item as often as it is believed to be the best.

    scale: the standard deviation of a reward around its prediction; sqrt(p (1 - p)) of a rate p.
    """

    scale: float = field(default=0.25, kw_only=True)

    type_name = "lin_thompson"
    search_space = _SEARCHED | SearchSpace(scale=Real(0.01, 10.0, log=True, acts=True))

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("scale", 0.0, np.inf, False))

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """Thompson sampling of the predictions."""
        moment = self._contexts(users, context)
        spread = self.scale * arm_equations.deviations(self.arms, moment)
        means = self._sound(arm_equations.predicted(self.arms, moment))
        return GaussianThompson(means, spread, floor=self.epsilon)


@dataclass
class LinEpsilonGreedyRecommender(AbstractLinearBandit):
    """Shows the highest prediction, and at random a share `epsilon` of the time."""

    epsilon: float = field(default=0.1, kw_only=True)

    type_name = "lin_epsilon_greedy"
    search_space = _SEARCHED | SearchSpace(epsilon=Real(0.001, 0.5, log=True, acts=True))


@dataclass
class LinSquareCBRecommender(AbstractLinearBandit):
    """Shows an item the more rarely, the further its prediction lies below the best one.

    gamma: gap weight after the first row; it grows with the root of the number of rows.
    """

    gamma: float = field(default=10.0, kw_only=True)

    type_name = "lin_square_cb"
    search_space = _SEARCHED | SearchSpace(gamma=Real(0.1, 1e4, log=True, acts=True))

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("gamma", 0.0, np.inf, False))

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """Inverse gap weighting of the predictions."""
        means = self._sound(self.scores(users, context=context))
        gamma = self.gamma * np.sqrt(self.n_rows + 1.0)
        return InverseGap(means, gamma, floor=self.epsilon)
