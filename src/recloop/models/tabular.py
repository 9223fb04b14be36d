"""What Q-learning and SARSA share: a table of values, a state, and how steps become updates.

A tabular model says by one rule of `td.py` what follows is worth; all else stands here. Feedback
"shown" moves a value by the learning rate; "chosen" makes it the mean of its targets, so that the
step is 1 / visits, nothing depends on the order of a log, and passes over it converge to

    Q(s, a) = P(a | s) (1 + discount V(s'))        when every choice earns 1

At discount 0 and state last_item that is the first-order Markov model. Under recent_items each step
counts for every one of the recent items by its weight, and their rows are mixed again to score: the
rows are learned together with what they are used for.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models.base import AbstractRecommender, learned
from recloop.models.search import Real, SearchSpace
from recloop.models.states import (
    MOST_OBSERVATIONS,
    STATES,
    StateRows,
    binned_rows,
    history_needed,
    n_state_rows,
    recent_rows,
    single_rows,
)
from recloop.models.tables import QTable
from recloop.models.tables.learning import Method, Steps
from recloop.models.tables.table import KINDS
from recloop.types import BoolArray, FloatArray, IntArray, Transitions
from recloop.utils.checks import (
    check_between,
    check_choice,
    check_codes,
    check_count,
    check_finite,
    finite_or_none,
    number_or_nan,
)


@dataclass
class AbstractTabularRecommender(AbstractRecommender):
    """Values in a table, dense or of the visited pairs only.

    learning_rate: step of what was shown. discount_factor: weight of what follows.
    epsilon: share of slots drawn at random when exploring.
    state: what a value depends on: "user", "last_item", "recent_items", "segment", or
        "observation": what is seen of the person, passed as `context`, numbers in [0, 1].
    n_recent, decay: of "recent_items": how many, and the weight of an item against the next newer.
    n_segments: of "segment": how many; `assign_segments` says who is in which.
    bins: of "observation": into how many equal parts each number is cut.
    table: "dense", "hashed" (memory for visited pairs only), or "auto" by size.
    prior_visits: how many visits the popularity of items weighs in states that a log has shown; it
        decides among items that never followed.
    initial_value: of pairs that were never tried.
    """

    learning_rate: float = 0.1
    discount_factor: float = 0.9
    epsilon: float = 0.1
    state: str = field(default="user", kw_only=True)
    n_recent: int = field(default=5, kw_only=True)
    decay: float = field(default=0.7, kw_only=True)
    n_segments: int = field(default=1, kw_only=True)
    bins: tuple[int, ...] = field(default=(), kw_only=True)
    table: str = field(default="auto", kw_only=True)
    prior_visits: float = field(default=1e-3, kw_only=True)
    initial_value: float = field(default=0.0, kw_only=True)

    search_space = SearchSpace(
        learning_rate=Real(1e-3, 1.0, log=True, limits=("high",)),
        discount_factor=Real(0.0, 0.99, limits=("low", "high")),
        prior_visits=Real(1e-4, 100.0, log=True),
        epsilon=Real(0.01, 0.5, log=True, acts=True),
    )

    table_values: FloatArray = learned("?", 10)
    table_items: NDArray[np.int32] = learned("?", 8)
    table_heads: np.ndarray = learned("n_table_rows")
    table_end: IntArray = learned(2)
    chosen_counts: FloatArray = learned("n_items")  # how often a log saw each item chosen
    segments: IntArray = learned("n_users")

    last_change: float = field(default=float("nan"), init=False, repr=False)
    """Mean absolute change of Q per step of the last batch."""

    def _check(self) -> None:
        owner = type(self).__name__
        infinity = float("inf")
        for name, low, high, low_open in (
            ("learning_rate", 0.0, 1.0, True),
            ("discount_factor", 0.0, 1.0, False),
            ("epsilon", 0.0, 1.0, False),
            ("decay", 0.0, 1.0, True),
            ("prior_visits", 0.0, infinity, True),
            ("initial_value", -1e12, 1e12, False),
        ):
            value = check_between(owner, name, getattr(self, name), low, high, low_open=low_open)
            setattr(self, name, value)
        for name in ("n_recent", "n_segments"):
            setattr(self, name, check_count(owner, name, getattr(self, name)))
        self.state = check_choice(owner, "state", self.state, STATES)
        parts = self.bins if isinstance(self.bins, Sequence) else (self.bins,)
        self.bins = tuple(check_count(owner, "bins", part) for part in parts)
        if (self.state == "observation") != bool(self.bins):
            raise InvalidParameter(
                f"{owner}: bins must say into how many parts each observed number is cut when "
                f"state is 'observation', and be empty otherwise; got {self.bins} with state "
                f"{self.state!r}."
            )
        if prod(self.bins) > MOST_OBSERVATIONS:
            raise InvalidParameter(
                f"{owner}: bins must make at most {MOST_OBSERVATIONS:,} observations, got "
                f"{prod(self.bins):,}. Use fewer bins, or DQN with context_dim."
            )
        self.table = check_choice(owner, "table", self.table, KINDS)

    @property
    @abstractmethod
    def rule(self) -> int:
        """Which rule of `td.py` says what follows is worth."""

    @property
    def n_tables(self) -> int:
        """How many tables are learned side by side."""
        return 1

    def depends_on_user(self, *, with_context: bool) -> bool:
        """By the state: a person, or the segment a person is in."""
        return self.state in ("user", "segment")

    @property
    def n_state_rows(self) -> int:
        """Rows of one table: one for each state, or for each item that a state is mixed of."""
        return n_state_rows(self.state, self.n_users, self.n_items, self.n_segments, self.bins)

    @property
    def n_observed(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many numbers `context` must hold: none unless the state is an observation."""
        return len(self.bins)

    @property
    def n_table_rows(self) -> int:
        """Rows of all tables together."""
        return self.n_state_rows * self.n_tables

    @property
    def history_length(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many recent items the state looks at."""
        return history_needed(self.state, self.n_recent)

    def _start(self) -> None:
        self._q = QTable(
            self.n_state_rows,
            self.n_items,
            n_tables=self.n_tables,
            kind=self.table,
            initial=self.initial_value,
        )
        self._show_table()
        self.chosen_counts = np.zeros(self.n_items)
        self.segments = np.zeros(self.n_users, dtype=np.int64)

    def _show_table(self) -> None:
        self.table_values, self.table_items = self._q.values, self._q.items
        self.table_heads, self.table_end = self._q.heads, self._q.end

    def assign_segments(self, segments: IntArray) -> None:
        """Put every user in a segment 0..n_segments-1; segments: (n_users,)."""
        owner = type(self).__name__
        codes = check_codes(owner, "segments", segments, self.n_segments)
        if codes.shape != (self.n_users,):
            raise InvalidParameter(
                f"{owner}: segments must have shape ({self.n_users},), got {codes.shape}."
            )
        self.segments = codes.copy()

    # How it values

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        users = self._known(users)
        state = self._state(users, self._histories(users, history), "context", context)
        total = self.chosen_counts.sum()
        prior = self.chosen_counts * (self.prior_visits / total if total > 0 else 0.0)
        return self._q.scores(state.rows, state.weights, prior)

    def _state(
        self, users: IntArray, histories: IntArray | None, name: str, seen: FloatArray | None
    ) -> StateRows:
        if self.state == "user":
            return single_rows(users)
        if self.state == "observation":
            return single_rows(binned_rows(self._observed(name, seen, len(users)), self.bins))
        if self.state == "segment":
            return single_rows(self.segments[users])
        assert histories is not None  # `_histories` gives them to every state that looks at them
        if self.state == "last_item":
            return single_rows(np.where(histories[:, 0] < 0, self.n_items, histories[:, 0]))
        return recent_rows(histories, self.n_recent, self.decay, self.n_items)

    def _observed(self, name: str, seen: ArrayLike | None, n: int) -> FloatArray:
        owner, shape = type(self).__name__, (n, len(self.bins))
        if seen is None:
            raise InvalidParameter(
                f"{owner}: {name} must be given, shape {shape}, one number in [0, 1] for each of "
                "bins, because state='observation' has nothing else to go by."
            )
        found = check_finite(owner, name, seen)
        if found.shape != shape:
            raise InvalidParameter(
                f"{owner}: {name} must have shape {shape}, one number for each of bins "
                f"{self.bins}, got {found.shape}."
            )
        return found

    # How it learns

    def update_batch(self, transitions: Transitions) -> None:
        """Learn the steps in their order, each seeing what the ones before it changed."""
        steps = self._checked(transitions)
        if not len(steps):
            return
        before = self._histories(steps.users, steps.histories)
        after = before if steps.next_histories is None else steps.next_histories
        state = self._state(steps.users, before, "contexts", steps.contexts)
        later = steps.contexts if steps.next_contexts is None else steps.next_contexts
        histories = self._histories(steps.users, after)
        following = self._state(steps.users, histories, "next_contexts", later)
        chosen = steps.feedback == "chosen"
        change = self._q.learn(
            Steps(
                rows=state.rows,
                weights=state.weights,
                items=np.asarray(steps.items, dtype=np.int64),
                rewards=np.asarray(steps.rewards, dtype=np.float64),
                discounts=self._discounts(steps),
                next_rows=following.rows,
                next_weights=following.weights,
                next_items=self._next_items(steps),
                coins=self._coins(len(steps)),
            ),
            Method(self.rule, self.epsilon, self.learning_rate, chosen, self.n_state_rows),
        )
        if chosen:
            self.chosen_counts += np.bincount(steps.items, minlength=self.n_items)
        self._show_table()
        self.last_change = change / len(steps)

    def _discounts(self, steps: Transitions) -> FloatArray:
        if steps.discounts is None:
            return np.full(len(steps), self.discount_factor)
        return np.asarray(steps.discounts, dtype=np.float64)

    def _next_items(self, steps: Transitions) -> IntArray:
        if steps.next_items is None:
            return np.full(len(steps), -1, dtype=np.int64)
        return check_codes(type(self).__name__, "next_items", steps.next_items, self.n_items,
                           least=-1)  # fmt: skip

    def _coins(self, n_steps: int) -> BoolArray:
        """(B,) which of two tables learns each step; (B,) of False with one table."""
        return np.zeros(n_steps, dtype=np.bool_)

    # How it is kept

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, arrays)
        check_codes(type(self).__name__, "segments", self.segments, self.n_segments)
        try:
            self._q.take(self.table_values, self.table_items, self.table_heads, self.table_end)
        except ValueError as error:
            raise DamagedFile(f"{path}: {error}") from None

    def counters(self) -> dict[str, Any]:
        """The last change of Q, None before the first step."""
        return {"last_change": finite_or_none(self.last_change)}

    def _set_counters(self, counters: dict[str, Any]) -> None:
        self.last_change = number_or_nan(counters["last_change"])
