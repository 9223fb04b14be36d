"""Logistic bandits: for each item the probability of a click, with a Gaussian posterior of theta.

    P(click | x) = sigma(x . theta_a),    theta_a ~ N(w_a, A_a^-1) approximately

A row (x, r, weight c) moves the mode along v = A^-1 x, where one number decides everything:

    w <- w + c e v   with  e = r - sigma(x . w + c e x . v),     A <- A + c p (1 - p) x x^T

p = sigma(x . w) at the new mode: Laplace's approximation row after row, exact in its mode. All in
logit space: deviations are sqrt(x^T A^-1 x) of x . theta, and the highest logit is the highest
probability, so that Thompson sampling is exact for this posterior.

Chapelle and Li (2011), algorithm 3, with the full matrix; MacKay (1992); Filippi, Cappe, Garivier
and Szepesvari (2010), "Parametric bandits: the generalized linear case", for the upper bound.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from recloop.models import packed
from recloop.models.bandits import arms as arm_equations
from recloop.models.bandits.arms import Arms
from recloop.models.bandits.base import (
    AbstractContextBandit,
    check_rewards,
    row_weights,
    share_bounds,
)
from recloop.models.base import learned
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.models.exploration.gaussian_thompson import GaussianThompson
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.kernels import kernel

_SEARCHED = SearchSpace(regularization=Real(0.01, 100.0, log=True))


@dataclass
class AbstractLogisticBandit(AbstractContextBandit):
    """A logistic regression for each item; rewards lie in [0, 1].

    regularization: lambda, the precision of the prior N(0, I / lambda).
    """

    regularization: float = field(default=1.0, kw_only=True)

    evidence: FloatArray = learned("n_items", "n_packed")
    inverse: FloatArray = learned("n_items", "n_packed")
    weights: FloatArray = learned("n_items", "context_dim")
    n_updates: IntArray = learned("n_items")

    @property
    def n_packed(self) -> int:
        """How many numbers a packed matrix has."""
        return packed.packed_size(self.context_dim)

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("regularization", 0.0, np.inf, True))

    def _start(self) -> None:
        super()._start()
        self._put(self._unknown(self.n_items))

    def _unknown(self, count: int) -> Arms:
        means = np.zeros((count, self.context_dim))
        return arm_equations.fresh_arms(means, self.regularization)

    def _put(self, arms: Arms) -> None:
        self.evidence, self.inverse, self.weights = arms.evidence, arms.inverse, arms.weights
        self.n_updates = arms.n_updates

    @property
    def arms(self) -> Arms:
        """What is known of every item; `reward_sums` are not used here."""
        return Arms(self.evidence, self.inverse, self.weights, self.weights, self.n_updates)

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) probability of a click at the mode of theta."""
        users = self._known(users)
        return expit(arm_equations.predicted(self.arms, self._contexts(users, context)))

    def _logits(self, users: IntArray, context: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """(B, n_items) means and deviations of x . theta."""
        moment = self._contexts(users, context)
        means = self._sound(arm_equations.predicted(self.arms, moment))
        return means, arm_equations.deviations(self.arms, moment)

    @property
    def reward_bounds(self) -> tuple[float, float]:
        """[0, 1]."""
        return share_bounds(self)

    def _learn(self, rows: Transitions) -> None:
        check_rewards(self, rows)
        contexts = np.ascontiguousarray(self._contexts(rows.users, rows.contexts))
        start = 0
        while start < len(rows):
            start = _learn(
                self.evidence,
                self.inverse,
                self.weights,
                self.n_updates,
                rows.items,
                contexts,
                rows.rewards,
                row_weights(rows),
                start,
            )
            late = packed.due(self.n_updates)
            self.inverse[late] = packed.inverses(self.evidence[late], self.context_dim)
            self.n_updates[late] = 0

    def _grow(self, count: int) -> None:
        self._put(arm_equations.with_more(self.arms, self._unknown(count)))


@kernel
def _learn(evidence, inverse, theta, n_updates, items, contexts, rewards, weights, start):
    work = np.empty(contexts.shape[1])
    for row in range(start, len(items)):
        arm, x, weight = items[row], contexts[row], weights[row]
        packed.times_vector(inverse[arm], x, work)
        logit, variance = 0.0, 0.0
        for i in range(len(x)):
            logit += x[i] * theta[arm, i]
            variance += x[i] * work[i]
        moved = _new_logit(logit, weight * variance, rewards[row])
        p = 1.0 / (1.0 + np.exp(-moved))
        for i in range(len(x)):
            theta[arm, i] += weight * (rewards[row] - p) * work[i]
        packed.add_row(evidence[arm], inverse[arm], x, weight * p * (1.0 - p), work)
        n_updates[arm] += 1
        if n_updates[arm] >= packed.RANK_UPDATES_BEFORE_REFRESH:
            return row + 1
    return len(items)


@kernel
def _new_logit(logit, variance, reward):
    """z with z = logit + variance (reward - sigma(z)): Newton's steps, halved into the bracket."""
    low, high = logit + variance * (reward - 1.0), logit + variance * reward
    z = min(max(logit, low), high)
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-z))
        gap = z - logit - variance * (reward - p)
        if gap > 0.0:
            high = z
        else:
            low = z
        step = gap / (1.0 + variance * p * (1.0 - p))
        if abs(step) <= 1e-14 * (1.0 + abs(z)):
            break
        z -= step
        if z < low or z > high:
            z = 0.5 * (low + high)
    return z


@dataclass
class LogisticUCBRecommender(AbstractLogisticBandit):
    """Shows the item whose click probability may be the highest, ties to the first.

    alpha: the weight of the deviation of the logit.
    """

    alpha: float = field(default=1.0, kw_only=True)

    type_name = "logistic_ucb"
    search_space = _SEARCHED | SearchSpace(alpha=Real(0.01, 10.0, log=True, acts=True))

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("alpha", 0.0, np.inf, False))

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """The highest upper end of the logit: probabilities near one would tie by rounding."""
        means, deviations = self._logits(users, context)
        upper = means + self.alpha * deviations
        return EpsilonGreedy(upper, floor=self.epsilon, ties="first")


@dataclass
class LogisticThompsonRecommender(AbstractLogisticBandit):
    """Shows each item as often as it is believed to have the highest click probability.

    scale: widens (above 1) or narrows the posterior.
    """

    scale: float = field(default=1.0, kw_only=True)

    type_name = "logistic_thompson"
    search_space = _SEARCHED | SearchSpace(scale=Real(0.01, 10.0, log=True, acts=True))

    def _check(self) -> None:
        super()._check()
        self._check_numbers(("scale", 0.0, np.inf, False))

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """Thompson sampling of the logits."""
        means, deviations = self._logits(users, context)
        return GaussianThompson(means, self.scale * deviations, floor=self.epsilon)
