"""What every recommender is: a dataclass of hyperparameters and learned arrays, and how it acts.

A concrete model declares its hyperparameters as fields, its learned arrays with `learned(...)`, and
writes `_start`, `scores` and `update_batch`. Choosing and exploring with exact propensities stand
in `choosing`, saving and loading in `keeping`, checks of what it is given in `incoming`, once.
Concrete models are final: nobody subclasses one.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from recloop.errors import InvalidParameter
from recloop.models import incoming
from recloop.models.choosing import Chooser, ItemSets
from recloop.models.keeping import FORMAT_VERSION, Kept, learned
from recloop.models.search import SearchSpace
from recloop.types import (
    BoolArray,
    FloatArray,
    IntArray,
    Interactions,
    Transitions,
)
from recloop.utils.checks import (
    check_codes,
    check_count,
)
from recloop.utils.history import RecentItems, pushed
from recloop.utils.seeding import stream

__all__ = ["FORMAT_VERSION", "AbstractRecommender", "ItemSets", "learned"]


@dataclass
class AbstractRecommender(Chooser, Kept):
    """Scores every item for a user, chooses, learns, saves.

    n_users, n_items: sizes of the population and of the catalogue, in codes 0..n-1.
    seed: decides initial values and exploration; same seed, same bytes.
    """

    n_users: int
    n_items: int
    seed: int = field(default=0, kw_only=True)

    type_name: ClassVar[str]
    """The name in `MODELS`, in a configuration and in a saved file's header."""

    n_observed: ClassVar[int] = 0
    """How many numbers `context` holds of what is seen of a person; 0 for a model without."""

    history_length: ClassVar[int] = 0
    """How many recent items `history` must hold; a model that uses none leaves it 0."""

    search_space: ClassVar[SearchSpace | None] = None
    """What tuning searches; an empty one says that there is nothing, None that nobody said."""

    learns: ClassVar[str] = "steps"
    """steps: `update` and `update_batch` teach it. fit: `fit(interactions)` does, all at once."""

    learns_slowly: ClassVar[bool] = False
    """Whether a step takes so long that a service learns it beside its requests."""

    corrects: ClassVar[bool] = False
    """Whether `correct_batch` can mend a reward that was learned already."""

    learns_row_by_row: ClassVar[bool] = False
    """Whether it makes a difference how rows are cut into batches; who folds a log then passes them
    one by one."""

    @property
    def reward_bounds(self) -> tuple[float, float]:
        """The least and the largest reward that can be learned."""
        return -np.inf, np.inf

    @property
    def learns_next_action(self) -> bool:
        """Whether a step can be learned only when the action that follows it is known."""
        return False

    def depends_on_user(self, *, with_context: bool) -> bool:
        """Whether the code of a person changes what is chosen; if not, strangers are served too.

        with_context: a context is passed.
        """
        return any("n_users" in f.metadata["shape"] for f in self._learned_fields())

    @property
    def draws(self) -> bool:
        """Whether what it learns from a log depends on the seed; exploring always does."""
        return False

    def __post_init__(self) -> None:
        owner = type(self).__name__
        self.n_users = check_count(owner, "n_users", self.n_users)
        self.n_items = check_count(owner, "n_items", self.n_items)
        self.seed = check_count(owner, "seed", self.seed, least=0)
        self._rng = stream(self.seed, self.type_name, "explore")
        self._recent: RecentItems | None = None
        self._withdrawn: BoolArray | None = None
        self._check()
        self._start()

    def _check(self) -> None:
        """Check hyperparameters; raise `InvalidParameter`."""

    @abstractmethod
    def _start(self) -> None:
        """Set learned arrays to their initial values."""

    # How the catalogue changes

    @property
    def available(self) -> BoolArray:
        """(n_items,) what may be shown at all."""
        if self._withdrawn is None:
            return np.ones(self.n_items, dtype=np.bool_)
        return ~self._withdrawn

    def withdraw_items(self, items: IntArray | Sequence[int]) -> None:
        """Never show `items` again until `restore_items`; what was learned of them stays."""
        self._set_withdrawn("withdraw_items", items, True)

    def restore_items(self, items: IntArray | Sequence[int]) -> None:
        """Show `items` again."""
        self._set_withdrawn("restore_items", items, False)

    def _set_withdrawn(self, name: str, items: IntArray | Sequence[int], gone: bool) -> None:
        codes = check_codes(type(self).__name__, name, items, self.n_items)
        withdrawn = ~self.available
        withdrawn[codes] = gone
        self._withdrawn = withdrawn if withdrawn.any() else None

    def add_items(self, count: int = 1) -> IntArray:
        """Make room for `count` new items and return their codes (count,), the next free ones.

        All that was learned of other items stays as it is, bit by bit. Only models that keep
        something for each item by itself can grow; others raise `InvalidParameter`.
        """
        count = check_count(type(self).__name__, "count", count)
        codes = np.arange(self.n_items, self.n_items + count)
        self._grow(count)
        self.n_items += count
        if self._withdrawn is not None:
            self._withdrawn = np.concatenate([self._withdrawn, np.zeros(count, dtype=np.bool_)])
        return codes

    @property
    def grows(self) -> bool:
        """Whether `add_items` is possible."""
        return type(self)._grow is not AbstractRecommender._grow

    def _grow(self, count: int) -> None:
        """Enlarge the learned arrays by `count` items that nothing is known of."""
        raise InvalidParameter(
            f"{type(self).__name__}: cannot take new items while it learns. Train it again with "
            "the new catalogue, or use a bandit with a regression for each item."
        )

    # How it learns

    def update(
        self,
        user_id: int,
        item_id: int,
        reward: float,
        *,
        context: FloatArray | None = None,
        next_context: FloatArray | None = None,
        next_item: int | None = None,
        discount: float | None = None,
    ) -> None:
        """Learn from one answer: `user_id` was shown `item_id` and gave `reward`.

        discount: of the value that follows, 0 where nothing does; the model's own when not given.
        The item joins the user's short memory when the reward is positive.
        """
        step = self._answer(
            user_id,
            item_id,
            reward,
            context=context,
            next_context=next_context,
            next_item=next_item,
            discount=discount,
        )
        if self.history_length:
            before = self._own_history(step.users)
            after = pushed(before, step.items) if step.rewards[0] > 0 else before
            step = replace(step, histories=before, next_histories=after)
        self.update_batch(step)
        self._remember(step.users, step.items, float(step.rewards[0]))

    def _answer(self, user_id: int, item_id: int, reward: float, **given: Any) -> Transitions:
        """One answer as a step, checked."""
        owner = type(self).__name__
        return incoming.answer(owner, user_id, item_id, reward, self.n_users, self.n_items, **given)

    def _remember(self, users: IntArray, items: IntArray, reward: float) -> None:
        """Put a liked item into the short memory that the familiar calls keep."""
        if self.history_length and reward > 0:
            if self._recent is None:
                self._recent = RecentItems(self.n_users, self.history_length)
            self._recent.push(users, items)

    @abstractmethod
    def update_batch(self, transitions: Transitions) -> None:
        """Learn from the rows of `transitions`, in their order."""

    def correct_batch(self, transitions: Transitions) -> None:
        """Mend rewards learned before: `rewards` are what each row earned too little then.

        Exact: afterwards the model is what it would be had it learned the right rewards at once.
        """
        raise InvalidParameter(
            f"{type(self).__name__}: cannot mend a reward that it has learned; models with "
            "corrects=True can."
        )

    def _own_history(self, users: IntArray) -> IntArray:
        """(B, history_length) from the short memory that the familiar calls keep."""
        if self._recent is None:  # looking makes no memory: it would change what is saved
            return np.full((len(users), self.history_length), -1, dtype=np.int64)
        return self._recent.of(users)

    def _histories(self, users: IntArray, history: IntArray | None) -> IntArray:
        """(B, history_length) of `users`: what was passed, checked and padded, or own memory."""
        if history is None:
            return self._own_history(users)
        return incoming.checked_histories(
            type(self).__name__, history, len(users), self.n_items, self.history_length
        )

    def _checked_log(self, interactions: Interactions) -> Interactions:
        """`interactions` after its population and catalogue were found to be the model's."""
        return incoming.checked_log(type(self).__name__, interactions, self.n_users, self.n_items)

    def _checked(self, transitions: Transitions) -> Transitions:
        """`transitions` as arrays, every code and number in range, row for row."""
        return incoming.checked_steps(type(self).__name__, transitions, self.n_users, self.n_items)
