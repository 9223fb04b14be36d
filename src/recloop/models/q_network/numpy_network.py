"""The default Q network: its gradient written out in numpy, its embedding rows in kernels.

At this size it makes about three times the steps of an eager framework on one core, and needs no
framework. The tests hold it to autograd through `torch_network`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.models.adam import Moments, descend, factors, step_size
from recloop.models.q_network.contract import Lesson, LossTerms, NetworkShape, States, Weights
from recloop.models.q_network.embedding_rows import (
    RowGradient,
    gather,
    place_weights,
    recent_weights,
)
from recloop.models.q_network.loss import ValueGradient, gradient_of_all, gradient_of_taken
from recloop.models.q_network.weights import TABLES, WeightStore, dropout_masks
from recloop.types import IntArray

_FIRST_ROW = np.zeros(1, dtype=np.int64)


class Trace(NamedTuple):
    """What a forward pass leaves for the way back."""

    recent: NDArray  # (B, H) weights of the recent items
    inputs: list[NDArray]  # (B, width) of every layer, dropout applied
    masks: list[NDArray]
    queries: NDArray  # (B, embedding_dim + 1); the last column is 1 and meets the item's bias


class Learning:
    """What a network needs only while it learns, by the names of its weights."""

    def __init__(self, weights: WeightStore) -> None:
        self.n_steps = 0
        self.first, self.second, self.gradient = (weights.zeros() for _ in range(3))
        self.rows = {name: RowGradient(self.gradient.by_name[name]) for name in TABLES}


class NumpyQNetwork:
    """A Q network on one core; `QNetwork` says what each method promises."""

    def __init__(
        self,
        shape: NetworkShape,
        weights: Weights,
        rng: np.random.Generator,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        self.shape = shape
        self.rng = rng
        self.weight_decay = weight_decay
        self._store = WeightStore(weights)
        self.weights = self._store.by_name
        self._places = place_weights(shape.n_recent, shape.recent_decay, weights["items"].dtype)
        self._started: Learning | None = None

    @property
    def _learning(self) -> Learning:
        if self._started is None:
            self._started = Learning(self._store)
        return self._started

    # How it values

    def q_values(self, states: States) -> NDArray:
        trace = self._forward(states, [])
        values = trace.queries @ self.weights["items"].T
        if self.shape.dueling:
            values += self._offsets(trace)[:, None]
        return values

    def q_taken(self, states: States, items: IntArray) -> NDArray:
        return self._taken(self._forward(states, []), items)

    def _forward(self, states: States, masks: list[NDArray]) -> Trace:
        w, size = self.weights, self.shape.embedding_dim
        recent = recent_weights(states.histories, self._places)
        x = gather(states, recent, w["users"], w["items"], size)
        queries = np.empty((len(x), size + 1), dtype=x.dtype)
        queries[:, :size] = x[:, size : 2 * size]
        queries[:, size] = 1.0
        inputs: list[NDArray] = []
        for number in range(len(self.shape.layers)):
            if number > 0:
                np.maximum(x, 0.0, out=x)
            if masks:
                x *= masks[number]
            inputs.append(x)
            x = x @ w[f"layer_{number}"]
            x += w[f"layer_{number}_bias"]
        queries[:, :size] += x
        return Trace(recent, inputs, masks, queries)

    def _taken(self, trace: Trace, items: IntArray) -> NDArray:
        values = np.einsum("bd,bd->b", trace.queries, self.weights["items"][items])
        return values + self._offsets(trace) if self.shape.dueling else values

    def _offsets(self, trace: Trace) -> NDArray:
        """(B,) V - mean of A, which dueling adds to every item."""
        values = trace.inputs[-1] @ self.weights["value"] + self.weights["value_bias"]
        return values - trace.queries @ self.weights["items"].mean(axis=0)

    # How it learns

    def fit_step(self, lesson: Lesson, terms: LossTerms, learning_rate: float) -> NDArray:
        errors, gradient = self.gradients(lesson, terms)
        learning, weights = self._learning, self.weights
        first, second = learning.first, learning.second
        learning.n_steps += 1
        by = factors(
            step_size(learning_rate, self.weight_decay, learning.n_steps), weights["items"].dtype
        )
        for name in TABLES:
            moments = Moments(first.by_name[name], second.by_name[name])
            descend(weights[name], moments, gradient[name], learning.rows[name].touched(), by)
        moments = Moments(first.layers, second.layers)
        descend(self._store.layers, moments, learning.gradient.layers, _FIRST_ROW, by)
        return errors

    def gradients(self, lesson: Lesson, terms: LossTerms) -> tuple[NDArray, Weights]:
        """Q minus target (B,), and dL/dw by name, in memory that the next call uses again."""
        masks = dropout_masks(self.shape, len(lesson.items), self.rng)
        trace = self._forward(lesson.states, masks)
        errors, gradient = self._value_gradient(trace, lesson, terms)
        return errors, self._backward(trace, lesson, gradient)

    def _value_gradient(
        self, trace: Trace, lesson: Lesson, terms: LossTerms
    ) -> tuple[NDArray, ValueGradient]:
        q_taken = self._taken(trace, lesson.items)
        errors = q_taken - lesson.targets.astype(q_taken.dtype)
        if not terms.asks_for_others:
            return errors, gradient_of_taken(errors, terms)
        q_others = trace.queries @ self._other_rows(lesson).T
        if self.shape.dueling:
            q_others += self._offsets(trace)[:, None]
        is_taken = (
            (np.arange(len(errors)), lesson.items)
            if lesson.others is None
            else lesson.items[:, None] == lesson.others
        )
        n_items = self.shape.n_items
        return errors, gradient_of_all(errors, q_taken, q_others, is_taken, n_items, terms)

    def _other_rows(self, lesson: Lesson) -> NDArray:
        table = self.weights["items"]
        return table if lesson.others is None else table[lesson.others]

    def _backward(self, trace: Trace, lesson: Lesson, gradient: ValueGradient) -> Weights:
        size, n_layers = self.shape.embedding_dim, len(self.shape.layers)
        users, items = (self._learning.rows[name].cleared() for name in TABLES)
        found = self._learning.gradient.by_name
        back = self._through_head(trace, lesson, gradient, items)[:, :size]
        to_recent = back
        for number in reversed(range(n_layers)):
            x = trace.inputs[number]
            np.matmul(x.T, back, out=found[f"layer_{number}"])
            np.sum(back, axis=0, out=found[f"layer_{number}_bias"])
            back = back @ self.weights[f"layer_{number}"].T
            if self.shape.dueling and number == n_layers - 1:
                sums = gradient.row_sums()
                np.matmul(sums, x, out=found["value"])
                found["value_bias"][0] = sums.sum()
                back += np.outer(sums, self.weights["value"])
            if trace.masks:
                back *= trace.masks[number]
            if number > 0:
                back *= x > 0
        ones = np.ones((len(back), 1), dtype=back.dtype)
        users.add(lesson.states.users[:, None], back[:, :size], ones)
        items.add(lesson.states.histories, back[:, size : 2 * size] + to_recent, trace.recent)
        return found

    def _through_head(
        self, trace: Trace, lesson: Lesson, gradient: ValueGradient, items: RowGradient
    ) -> NDArray:
        """(B, embedding_dim + 1) dL/dquery; the item rows collect their own part."""
        table = self.weights["items"]
        back = gradient.taken[:, None] * table[lesson.items]
        items.add(lesson.items[:, None], trace.queries, gradient.taken[:, None])
        if gradient.others is not None:
            back += gradient.others @ self._other_rows(lesson)
            found = gradient.others.T @ trace.queries
            if lesson.others is None:
                items.add_everywhere(found)
            else:
                ones = np.ones((len(found), 1), dtype=found.dtype)
                items.add(lesson.others[:, None], found, ones)
        if self.shape.dueling:
            sums = gradient.row_sums()
            back -= np.outer(sums, table.mean(axis=0))
            items.add_everywhere(-(sums @ trace.queries) / self.shape.n_items)
        return back

    # How it is kept

    def copy_from(self, other: "NumpyQNetwork") -> None:
        self._store.take(other.weights)

    def arrays(self) -> Weights:
        return self.weights

    def moments(self) -> Weights:
        learning = self._learning
        kept: Weights = {"n_steps": np.array(learning.n_steps)}
        for name in self.weights:
            kept[f"first.{name}"] = learning.first.by_name[name]
            kept[f"second.{name}"] = learning.second.by_name[name]
        return kept

    def take(self, weights: Weights, moments: Weights) -> None:
        self._store.take(weights)
        self._started = None
        if moments:
            self._learning.n_steps = int(moments["n_steps"])
            self._learning.first.take({name: moments[f"first.{name}"] for name in self.weights})
            self._learning.second.take({name: moments[f"second.{name}"] for name in self.weights})
