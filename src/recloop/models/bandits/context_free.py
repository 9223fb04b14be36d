"""Bandits that know the items and nobody: the yardstick of every contextual one.

They differ in what they keep of the rows and in `exploration`; the equations stand in `counts.py`.
"""

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np

from recloop.models.bandits import counts
from recloop.models.bandits.base import AbstractBandit, check_rewards, row_weights, share_bounds
from recloop.models.base import learned
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.beta_thompson import BetaThompson
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.models.exploration.gaussian_thompson import GaussianThompson
from recloop.models.exploration.plackett_luce import PlackettLuce
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray, Transitions


def for_everybody(values: FloatArray, users: IntArray) -> FloatArray:
    """(B, n_items) the same `values` (n_items,) for each of `users`."""
    return np.tile(values, (len(users), 1))


_SEARCHED = SearchSpace(discount=Real(0.95, 1.0, limits=("high",)))


@dataclass
class AbstractCountBandit(AbstractBandit):
    """Counts how often each item was shown and what it earned.

    discount: what is left of all counts after each row; 1 forgets nothing.
    """

    discount: float = field(default=1.0, kw_only=True)

    trials: FloatArray = learned("n_items")
    sums: FloatArray = learned("n_items")

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("discount", 0.0, 1.0, True))

    def _start(self) -> None:
        self.trials, self.sums = np.zeros(self.n_items), np.zeros(self.n_items)

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) mean reward; 0 for what was never shown."""
        return for_everybody(counts.means(self.trials, self.sums), self._known(users))

    def _learn(self, rows: Transitions) -> None:
        weights = row_weights(rows)
        counts.count_rows(self.trials, self.sums, rows.items, rows.rewards, weights, self.discount)

    @property
    def corrects(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Without `discount`: else nobody knows what is left of an old row."""
        return self.discount == 1.0

    def correct_batch(self, transitions: Transitions) -> None:
        """sums += weight (r - r_0)."""
        if not self.corrects:
            super().correct_batch(transitions)
        rows = self._checked(transitions)
        np.add.at(self.sums, rows.items, rows.rewards * row_weights(rows))

    def _grow(self, count: int) -> None:
        self.trials = np.concatenate([self.trials, np.zeros(count)])
        self.sums = np.concatenate([self.sums, np.zeros(count)])


@dataclass
class EpsilonGreedyRecommender(AbstractCountBandit):
    """Shows the item with the highest mean reward, and at random a share `epsilon` of the time."""

    epsilon: float = field(default=0.1, kw_only=True)

    type_name = "epsilon_greedy"
    search_space = _SEARCHED | SearchSpace(epsilon=Real(0.001, 0.5, log=True, acts=True))


@dataclass
class AbstractIndexBandit(AbstractCountBandit):
    """Shows the item with the highest index, ties to the first; rewards lie in [0, 1].

    c: how wide the interval is.
    """

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("c", 0.0, np.inf, False))

    @property
    def reward_bounds(self) -> tuple[float, float]:
        """[0, 1]."""
        return share_bounds(self)

    def _learn(self, rows: Transitions) -> None:
        check_rewards(self, rows)
        super()._learn(rows)

    def acting_scores(
        self, users: IntArray, context: FloatArray | None, history: IntArray | None
    ) -> FloatArray:
        """(B, n_items) the index of each item."""
        return for_everybody(self._index(), users)

    @abstractmethod
    def _index(self) -> FloatArray:
        """(n_items,) the upper end of each interval."""

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """The highest index."""
        return EpsilonGreedy(
            self.acting_scores(users, context, None), floor=self.epsilon, ties="first"
        )


@dataclass
class UCB1Recommender(AbstractIndexBandit):
    """UCB1: the mean reward and Hoeffding's width.

    c: under the root; 2 is the paper's, smaller ones explore less.
    """

    c: float = field(default=2.0, kw_only=True)

    type_name = "ucb1"
    search_space = _SEARCHED | SearchSpace(c=Real(0.01, 10.0, log=True, acts=True))

    def _index(self) -> FloatArray:
        return counts.ucb1(self.trials, self.sums, self.c)


@dataclass
class KLUCBRecommender(AbstractIndexBandit):
    """KL-UCB: the largest click rate that the clicks do not rule out.

    c: the weight of ln ln t; 0 is best in practice, 3 in theory.
    """

    c: float = field(default=0.0, kw_only=True)

    type_name = "kl_ucb"
    search_space = _SEARCHED | SearchSpace(c=Real(0.0, 5.0, limits=("low",), acts=True))

    def _index(self) -> FloatArray:
        return counts.kl_ucb(self.trials, self.sums, self.c)


@dataclass
class BetaThompsonRecommender(AbstractCountBandit):
    """Thompson sampling of click rates with Beta posteriors; rewards lie in [0, 1].

    prior_successes, prior_failures: what is believed of an item that was never shown.
    """

    prior_successes: float = field(default=1.0, kw_only=True)
    prior_failures: float = field(default=1.0, kw_only=True)

    type_name = "beta_thompson"
    search_space = _SEARCHED | SearchSpace(
        prior_successes=Real(0.1, 100.0, log=True), prior_failures=Real(0.1, 100.0, log=True)
    )

    def _check(self) -> None:
        super()._check()
        self._check_numbers(
            ("prior_successes", 0.0, np.inf, True), ("prior_failures", 0.0, np.inf, True)
        )

    @property
    def reward_bounds(self) -> tuple[float, float]:
        """[0, 1]."""
        return share_bounds(self)

    def _learn(self, rows: Transitions) -> None:
        check_rewards(self, rows)
        super()._learn(rows)

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) the mean of each posterior."""
        successes, failures = self._posterior()
        return for_everybody(successes / (successes + failures), self._known(users))

    def _posterior(self) -> tuple[FloatArray, FloatArray]:
        failures = np.maximum(self.trials - self.sums, 0.0)
        return self.prior_successes + self.sums, self.prior_failures + failures

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """Thompson sampling of the click rates."""
        return BetaThompson(self.scores(users), *self._posterior(), floor=self.epsilon)


@dataclass
class GaussianThompsonRecommender(AbstractCountBandit):
    """Thompson sampling of mean rewards of any size.

    scale: the standard deviation of a reward. prior_trials: how many rewards of 0 the prior is
    worth.
    """

    scale: float = field(default=0.5, kw_only=True)
    prior_trials: float = field(default=1.0, kw_only=True)

    type_name = "gaussian_thompson"
    search_space = _SEARCHED | SearchSpace(
        prior_trials=Real(0.1, 100.0, log=True), scale=Real(0.01, 10.0, log=True, acts=True)
    )

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("scale", 0.0, np.inf, False), ("prior_trials", 0.0, np.inf, True))

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) the mean of each posterior."""
        return for_everybody(self.sums / (self.prior_trials + self.trials), self._known(users))

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """Thompson sampling of the means."""
        spread = self.scale / np.sqrt(self.prior_trials + self.trials)
        means = self._sound(self.scores(users))
        return GaussianThompson(means, for_everybody(spread, users), floor=self.epsilon)


@dataclass
class Exp3Recommender(AbstractBandit):
    """Exp3: no assumption about where rewards in [0, 1] come from.

    epsilon: gamma, the uniform share and the step size. It learns from the propensity of what was
    shown where rows carry it, else from the probability that it has now among what is available.
    """

    epsilon: float = field(default=0.1, kw_only=True)

    log_weights: FloatArray = learned("n_items")

    type_name = "exp3"
    search_space = SearchSpace(epsilon=Real(0.001, 1.0, log=True, limits=("high",)))
    divides_by_propensity = True

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("epsilon", 0.0, 1.0, True))

    def _start(self) -> None:
        self.log_weights = np.zeros(self.n_items)

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) ln w; the highest is 0."""
        return for_everybody(self.log_weights, self._known(users))

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """In proportion to w, and a uniform share."""
        return PlackettLuce(self._sound(self.scores(users)), 1.0, floor=self.epsilon)

    @property
    def reward_bounds(self) -> tuple[float, float]:
        """[0, 1]."""
        return share_bounds(self)

    def _learn(self, rows: Transitions) -> None:
        check_rewards(self, rows)
        counts.exp3_rows(
            self.log_weights,
            rows.items,
            rows.rewards,
            row_weights(rows),
            counts.given_or_zero(rows.propensities, rows.items),
            self.available,
            self.epsilon / self.n_items,
            self.epsilon,
        )

    def _grow(self, count: int) -> None:
        typical = float(np.log(np.exp(self.log_weights).mean()))
        self.log_weights = np.concatenate([self.log_weights, np.full(count, typical)])
