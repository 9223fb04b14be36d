"""Neural-linear bandit: a small network finds the features, Bayesian regressions explore on them.

    h_1 = relu(W_1 x + c_1), ...,  phi(x) = (1, h_L / sqrt(width)),   E[r] = phi . theta_a

The network has an output for each item and is trained on the rows seen so far, squared error at the
item shown, by Adam. After every training all regressions are made anew from the kept rows with the
new features (`arms.py`); between trainings rows join them one by one. Thompson sampling of the last
layer is exact given the features.

Riquelme, Tucker and Snoek (2018), "Deep Bayesian bandits showdown"; Snoek et al. (2015).
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from recloop.models import packed
from recloop.models.bandits import arms as arm_equations
from recloop.models.bandits.arms import Arms
from recloop.models.bandits.base import AbstractContextBandit, row_weights
from recloop.models.base import learned
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.gaussian_thompson import GaussianThompson
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.checks import check_count
from recloop.utils.seeding import stream

_BETA_1, _BETA_2, _TINY = 0.9, 0.999, 1e-8


@dataclass
class NeuralLinearRecommender(AbstractContextBandit):
    """Thompson sampling on features that a network learns.

    hidden: sizes of the hidden layers. learning_rate: of Adam. train_every: rows between two
    trainings. n_steps, rows_per_step: of a training. memory: how many of the last rows are kept.
    regularization: lambda of the regressions. scale: the standard deviation of a reward.
    """

    hidden: tuple[int, ...] = field(default=(32,), kw_only=True)
    learning_rate: float = field(default=0.003, kw_only=True)
    train_every: int = field(default=500, kw_only=True)
    n_steps: int = field(default=200, kw_only=True)
    rows_per_step: int = field(default=64, kw_only=True)
    memory: int = field(default=20_000, kw_only=True)
    regularization: float = field(default=1.0, kw_only=True)
    scale: float = field(default=0.5, kw_only=True)

    network: FloatArray = learned("n_numbers")  # all weights, layer after layer
    moments: FloatArray = learned(2, "n_numbers")  # of Adam
    evidence: FloatArray = learned("n_items", "n_packed")
    inverse: FloatArray = learned("n_items", "n_packed")
    reward_sums: FloatArray = learned("n_items", "n_features")
    weights: FloatArray = learned("n_items", "n_features")
    n_updates: IntArray = learned("n_items")
    kept_items: IntArray = learned("?")  # newest last
    kept_contexts: FloatArray = learned("?", "context_dim")
    kept_rewards: FloatArray = learned("?")
    kept_weights: FloatArray = learned("?")

    type_name = "neural_linear"
    counted = ("n_rows", "n_trained")
    search_space = SearchSpace(
        learning_rate=Real(1e-4, 0.1, log=True),
        regularization=Real(0.01, 100.0, log=True),
        scale=Real(0.01, 10.0, log=True, acts=True),
    )

    @property
    def n_features(self) -> int:
        """The width of phi."""
        return self.hidden[-1] + 1

    @property
    def n_packed(self) -> int:
        """How many numbers a packed matrix has."""
        return packed.packed_size(self.n_features)

    @property
    def n_numbers(self) -> int:
        """How many weights the network has."""
        return sum((rows + 1) * columns for rows, columns in self._layers())

    def _layers(self) -> list[tuple[int, int]]:
        sizes = [self.context_dim, *self.hidden, self.n_items]
        return list(pairwise(sizes))

    def _check(self) -> None:
        super()._check()
        owner = type(self).__name__
        sizes = self.hidden if isinstance(self.hidden, (tuple, list)) else (self.hidden,)
        self.hidden = tuple(check_count(owner, "hidden", size) for size in sizes)
        check_count(owner, "number of hidden layers", len(self.hidden))
        for name in ("train_every", "n_steps", "rows_per_step", "memory"):
            setattr(self, name, check_count(owner, name, getattr(self, name)))
        self._check_numbers(
            ("learning_rate", 0.0, 1.0, True),
            ("regularization", 0.0, np.inf, True),
            ("scale", 0.0, np.inf, False),
        )

    @property
    def draws(self) -> bool:
        """The network starts and trains at random."""
        return True

    def _start(self) -> None:
        super()._start()
        self.n_rows, self.n_trained = 0, 0
        rng = stream(self.seed, self.type_name, "network")
        parts = []
        for rows, columns in self._layers():
            spread = np.sqrt(2.0 / rows)
            parts += [spread * rng.standard_normal(rows * columns), np.zeros(columns)]
        self.network = np.concatenate(parts)
        self.moments = np.zeros((2, len(self.network)))
        self._put(self._unknown(self.n_items))
        self.kept_items = np.empty(0, dtype=np.int64)
        self.kept_contexts = np.empty((0, self.context_dim))
        self.kept_rewards, self.kept_weights = np.empty(0), np.empty(0)

    def _unknown(self, count: int) -> Arms:
        return arm_equations.fresh_arms(np.zeros((count, self.n_features)), self.regularization)

    @property
    def arms(self) -> Arms:
        """What is known of every item; the arrays themselves."""
        return Arms(self.evidence, self.inverse, self.reward_sums, self.weights, self.n_updates)

    def _put(self, arms: Arms) -> None:
        self.evidence, self.inverse, self.reward_sums, self.weights, self.n_updates = arms

    # How it values

    def features(self, contexts: FloatArray) -> FloatArray:
        """phi (B, n_features) of contexts (B, context_dim)."""
        return _with_one(self._forward(contexts)[-2])

    def _forward(self, contexts: FloatArray) -> list[FloatArray]:
        """The input, every hidden layer, and the outputs (B, n_items)."""
        values = [contexts]
        parts = _split(self.network, self._layers())
        for number, (weights, bias) in enumerate(parts):
            linear = packed.all_products(values[-1], np.ascontiguousarray(weights.T)) + bias
            values.append(linear if number == len(parts) - 1 else np.maximum(linear, 0.0))
        return values

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) predicted reward of the regressions."""
        users = self._known(users)
        return arm_equations.predicted(self.arms, self.features(self._contexts(users, context)))

    def _explore(self, users: IntArray, context: FloatArray | None) -> Exploration:
        """Thompson sampling of the last layer."""
        phi = self.features(self._contexts(users, context))
        means = self._sound(arm_equations.predicted(self.arms, phi))
        spread = self.scale * arm_equations.deviations(self.arms, phi)
        return GaussianThompson(means, spread, floor=self.epsilon)

    # How it learns

    def _learn(self, rows: Transitions) -> None:
        contexts, weights = self._contexts(rows.users, rows.contexts), row_weights(rows)
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + self.train_every - self.n_rows % self.train_every)
            part = slice(start, stop)
            new = (rows.items[part], contexts[part], rows.rewards[part], weights[part])
            arm_equations.learn(self.arms, new[0], self.features(new[1]), *new[2:])
            self._keep(*new)
            self.n_rows += stop - start
            start = stop
            if self.n_rows % self.train_every == 0:
                self._train()

    def _keep(
        self, items: IntArray, contexts: FloatArray, rewards: FloatArray, weights: FloatArray
    ) -> None:
        last = slice(-self.memory, None)
        self.kept_items = np.concatenate([self.kept_items, items])[last]
        self.kept_contexts = np.concatenate([self.kept_contexts, contexts])[last]
        self.kept_rewards = np.concatenate([self.kept_rewards, rewards])[last]
        self.kept_weights = np.concatenate([self.kept_weights, weights])[last]

    def _train(self) -> None:
        rng = stream(self.seed, self.type_name, "train", self.n_rows)
        for _ in range(self.n_steps):
            rows = rng.integers(len(self.kept_items), size=self.rows_per_step)
            self._step(self._gradient(rows))
        self._put(self._unknown(self.n_items))
        phi = self.features(self.kept_contexts)
        arm_equations.learn(self.arms, self.kept_items, phi, self.kept_rewards, self.kept_weights)

    def _gradient(self, rows: IntArray) -> FloatArray:
        """Of the mean weighted squared error at the items shown."""
        values = self._forward(self.kept_contexts[rows])
        here, items = np.arange(len(rows)), self.kept_items[rows]
        slope = np.zeros_like(values[-1])
        error = values[-1][here, items] - self.kept_rewards[rows]
        slope[here, items] = self.kept_weights[rows] * error / len(rows)
        parts, gradient = _split(self.network, self._layers()), []
        for number in range(len(parts) - 1, -1, -1):
            gradient += [slope.sum(axis=0), (values[number].T @ slope).ravel()]
            slope = (slope @ parts[number][0].T) * (values[number] > 0.0)
        return np.concatenate(gradient[::-1])

    def _step(self, gradient: FloatArray) -> None:
        self.n_trained += 1
        self.moments[0] = _BETA_1 * self.moments[0] + (1.0 - _BETA_1) * gradient
        self.moments[1] = _BETA_2 * self.moments[1] + (1.0 - _BETA_2) * gradient**2
        first = self.moments[0] / (1.0 - _BETA_1**self.n_trained)
        second = self.moments[1] / (1.0 - _BETA_2**self.n_trained)
        self.network -= self.learning_rate * first / (np.sqrt(second) + _TINY)

    def _grow(self, count: int) -> None:
        layers = self._layers()
        n_last = (layers[-1][0] + 1) * layers[-1][1]
        self.network = _grown(self.network, layers[-1], n_last, count)
        self.moments = np.stack([_grown(row, layers[-1], n_last, count) for row in self.moments])
        self._put(arm_equations.with_more(self.arms, self._unknown(count)))

    # How it is kept

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        n_kept = len(self.kept_items)
        for name in ("kept_rewards", "kept_weights"):
            self._same_shape(path, name, getattr(self, name), (n_kept,))
        self._same_shape(path, "kept_contexts", self.kept_contexts, (n_kept, self.context_dim))


def _with_one(hidden: FloatArray) -> FloatArray:
    scaled = hidden / np.sqrt(hidden.shape[1])
    return np.concatenate([np.ones((len(hidden), 1)), scaled], axis=1)


def _split(
    network: FloatArray, layers: list[tuple[int, int]]
) -> list[tuple[FloatArray, FloatArray]]:
    """Weights (rows, columns) and bias (columns,) of every layer, views of `network`."""
    parts, start = [], 0
    for rows, columns in layers:
        middle = start + rows * columns
        stop = middle + columns
        parts.append((network[start:middle].reshape(rows, columns), network[middle:stop]))
        start = stop
    return parts


def _grown(numbers: FloatArray, last: tuple[int, int], n_last: int, count: int) -> FloatArray:
    """`numbers` of a network with `count` more outputs of weight 0."""
    weights, bias = _split(numbers[-n_last:], [last])[0]
    more = np.concatenate([weights, np.zeros((last[0], count))], axis=1)
    return np.concatenate([numbers[:-n_last], more.ravel(), bias, np.zeros(count)])
