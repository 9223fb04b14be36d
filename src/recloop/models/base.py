"""What every recommender is: a dataclass of hyperparameters and learned arrays, and how it acts.

A concrete model declares its hyperparameters as fields, its learned arrays with `learned(...)`, and
writes `_start`, `scores` and `update_batch`. Choosing, exploring with exact propensities, saving
and loading stand here once. Concrete models are final: nobody subclasses one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence, Sized
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import incoming
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.models.search import SearchSpace
from recloop.types import (
    BoolArray,
    Decision,
    FloatArray,
    IntArray,
    Interactions,
    Slates,
    Transitions,
)
from recloop.utils.checks import (
    as_array,
    check_codes,
    check_count,
)
from recloop.utils.files import load_arrays, save_arrays
from recloop.utils.history import RecentItems, pushed
from recloop.utils.seeding import generator_state, restored_generator, stream
from recloop.utils.topk import top_k

FORMAT_VERSION = 1
ItemSets = Sequence[Sequence[int] | IntArray]


def learned(*shape: str | int) -> Any:
    """A learned array: not an argument; its shape in names of fields, numbers, or "?" for any."""
    return field(init=False, repr=False, default=None, metadata={"shape": shape})


@dataclass
class AbstractRecommender(ABC):
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

    counted: ClassVar[tuple[str, ...]] = ()
    """Attributes that count something while it learns: kept in its file beside the arrays."""

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

    def _check(self) -> None:  # noqa: B027 (a model without hyperparameters has none to check)
        """Check hyperparameters; raise `InvalidParameter`."""

    @abstractmethod
    def _start(self) -> None:
        """Set learned arrays to their initial values."""

    # How it values

    @abstractmethod
    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) value of every item for `users` (B,), higher is better; teaches nothing.

        context: (B, D) if the model uses one. history: (B, H), newest first, -1 padded; without it
        the model's own short memory is used.
        """

    def _known(self, users: IntArray) -> IntArray:
        """`users` (B,) after every code was found to be one of the population."""
        return check_codes(type(self).__name__, "users", users, self.n_users)

    def acting_scores(
        self, users: IntArray, context: FloatArray | None, history: IntArray | None
    ) -> FloatArray:
        """(B, n_items) what an exploring choice ranks by: `scores`, or scores plus a bonus."""
        return self.scores(users, context=context, history=history)

    def exploration(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> Exploration:
        """How an exploring choice for `users` (B,) is made: epsilon-greedy on `acting_scores`."""
        scores = self._sound(self.acting_scores(users, context, history))
        return EpsilonGreedy(scores, floor=self.exploration_rate)

    @property
    def exploration_rate(self) -> float:
        """The probability that a slot is drawn at random when exploring."""
        return float(getattr(self, "epsilon", 0.0))

    # How it chooses

    def recommend(
        self,
        user_id: int,
        k: int = 10,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
        exclude: Sequence[int] = (),
        explore: bool = True,
    ) -> list[int]:
        """At most k distinct items for one user, best first, fewer only when fewer are eligible.

        context (D,), history (H,): of this user. explore=False gives the best items by `scores`,
        ties to the lower item code.
        """
        owner = type(self).__name__
        row = self.recommend_batch(
            np.array([user_id]) if isinstance(user_id, (int, np.integer)) else user_id,
            k,
            context=None if context is None else as_array(owner, "context", context)[None],
            history=None if history is None else as_array(owner, "history", history)[None],
            exclude=[exclude],
            explore=explore,
        )[0]
        return [int(item) for item in row if item >= 0]

    def recommend_batch(
        self,
        users: IntArray,
        k: int = 10,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
        exclude: ItemSets | None = None,
        explore: bool = True,
    ) -> IntArray:
        """(B, k) items for `users` (B,), -1 where fewer than k are eligible.

        exclude: for each row the items that must not appear.
        """
        users = check_codes(type(self).__name__, "users", users, self.n_users)
        k = check_count(type(self).__name__, "k", k)
        if explore:
            return self.choose_batch(
                users, k, context=context, history=history, exclude=exclude
            ).items
        eligible = self._eligible(len(users), None, exclude)
        scores = self._sound(self.scores(users, context=context, history=history))
        return top_k(scores, k, eligible)

    def choose_batch(
        self,
        users: IntArray,
        k: int = 1,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
        exclude: ItemSets | None = None,
    ) -> Slates:
        """Exploring choices for `users` (B,) with the propensity of every slot."""
        users = check_codes(type(self).__name__, "users", users, self.n_users)
        k = check_count(type(self).__name__, "k", k)
        how = self.exploration(users, context=context, history=history)
        return how.slates(self._eligible(len(users), None, exclude), k, self._rng)

    def decide(
        self,
        user_id: int,
        k: int = 10,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
        candidates: Sequence[int] | None = None,
        exclude: Sequence[int] = (),
        rng: np.random.Generator | None = None,
    ) -> Decision:
        """An exploring choice with the probability of each slot given the slots above it."""
        owner = type(self).__name__
        users = check_codes(owner, "user_id", [user_id], self.n_users)
        k = check_count(owner, "k", k)
        eligible = self._eligible(1, None if candidates is None else [candidates], [exclude])
        how = self.exploration(
            users,
            context=None if context is None else as_array(owner, "context", context)[None],
            history=None if history is None else as_array(owner, "history", history)[None],
        )
        drawn = how.slates(eligible, k, self._rng if rng is None else rng)
        shown = drawn.items[0] >= 0
        items = drawn.items[0][shown]
        return Decision(
            user=int(user_id),
            items=items,
            scores=how.values[0][items],
            propensities=drawn.propensities[0][shown],
            propensity_kind="conditional",
            sources=["explore" if it else "greedy" for it in drawn.explored[0][shown]],
        )

    def probabilities(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) exact probability that an exploring choice puts each item first."""
        users = check_codes(type(self).__name__, "users", users, self.n_users)
        how = self.exploration(users, context=context, history=history)
        return how.probabilities(self._eligible(len(users), None, None))

    def slate_propensities(
        self,
        users: IntArray,
        slates: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
        candidates: ItemSets | None = None,
        exclude: ItemSets | None = None,
    ) -> FloatArray:
        """(B, k) probability of each slot of any given slates, given the slots above it.

        candidates, exclude: for each row the items that could appear, and that must not.
        """
        owner = type(self).__name__
        users = check_codes(owner, "users", users, self.n_users)
        slates = check_codes(owner, "slates", slates, self.n_items, least=-1)
        if slates.ndim != 2 or len(slates) != len(users):
            raise InvalidParameter(
                f"{owner}: slates must have one row for each of {len(users)} users, shape (B, k), "
                f"got {slates.shape}."
            )
        how = self.exploration(users, context=context, history=history)
        return how.propensities(self._eligible(len(users), candidates, exclude), slates)

    def _sound(self, scores: FloatArray) -> FloatArray:
        """`scores` if none is NaN: nothing can be ranked by what a diverged model says."""
        if scores.size and np.isnan(scores.max()):
            raise InvalidParameter(
                f"{type(self).__name__}: scores hold NaN, so that nothing can be ranked. The model "
                "has diverged: train it anew with a smaller learning_rate or smaller rewards."
            )
        return scores

    def _eligible(
        self, n_rows: int, candidates: ItemSets | None, exclude: ItemSets | None
    ) -> BoolArray:
        eligible = np.full((n_rows, self.n_items), candidates is None, dtype=np.bool_)
        if candidates is not None:
            eligible[self._pairs("candidates", candidates, n_rows)] = True
        if self._withdrawn is not None:
            eligible[:, self._withdrawn] = False
        if exclude is not None:
            eligible[self._pairs("exclude", exclude, n_rows)] = False
        return eligible

    def _pairs(self, name: str, item_sets: ItemSets, n_rows: int) -> tuple[IntArray, IntArray]:
        n_sets = len(item_sets) if isinstance(item_sets, Sized) else repr(item_sets)
        if n_sets != n_rows:
            raise InvalidParameter(
                f"{type(self).__name__}: {name} must hold one set of items for each of {n_rows} "
                f"users, got {n_sets}."
            )
        for items in item_sets:
            if not isinstance(items, Sized):
                raise InvalidParameter(
                    f"{type(self).__name__}: {name} must be a set of items, got {items!r}."
                )
        rows = np.repeat(np.arange(len(item_sets)), [len(items) for items in item_sets])
        joined = [
            items if isinstance(items, np.ndarray) else np.array(list(items))  # a set as well
            for items in item_sets
            if len(items)
        ]
        items = np.concatenate(joined) if joined else np.empty(0, dtype=np.int64)
        return rows, check_codes(type(self).__name__, name, items, self.n_items)

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

    # How it is kept

    def params(self) -> dict[str, Any]:
        """The hyperparameters as they were passed, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    @classmethod
    def _learned_fields(cls) -> list[Field]:
        return [f for f in fields(cls) if "shape" in f.metadata]

    def arrays(self) -> dict[str, np.ndarray]:
        """Every learned array by name; what is not learned yet is absent."""
        values = {f.name: getattr(self, f.name) for f in self._learned_fields()}
        kept = {name: value for name, value in values.items() if value is not None}
        if self._recent is not None:
            kept["_recent_items"] = self._recent.items
        if self._withdrawn is not None:
            kept["_withdrawn"] = self._withdrawn
        return kept

    def save(self, path: str | Path, **extra: Any) -> None:
        """Write the model to one checked file; `extra` (JSON values) joins the header."""
        header = {
            **extra,
            "type": self.type_name,
            "version": FORMAT_VERSION,
            "params": self.params(),
            "explore_stream": generator_state(self._rng),
            "counters": self.counters(),
        }
        save_arrays(path, self.arrays(), header)

    def counters(self) -> dict[str, Any]:
        """Learned values that are not arrays, as JSON values; `_set_counters` takes them back."""
        return {name: getattr(self, name) for name in self.counted}

    def _set_counters(self, counters: dict[str, Any]) -> None:
        if counters.keys() - set(self.counted):
            raise DamagedFile(f"{type(self).__name__}: the file has counters it does not know.")
        for name in self.counted:
            try:
                setattr(self, name, int(counters[name]))
            except (KeyError, TypeError, ValueError) as error:
                raise DamagedFile(f"{type(self).__name__}: bad counters ({error}).") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that was saved, after checking bytes, type, version and every shape."""
        header, arrays = load_arrays(path)
        if header.get("type") != cls.type_name:
            raise DamagedFile(
                f"{path}: holds a model of type '{header.get('type')}', not '{cls.type_name}'. "
                "Load it with that class."
            )
        if header.get("version") != FORMAT_VERSION:
            raise DamagedFile(
                f"{path}: written in format {header.get('version')}; this version of recloop reads "
                f"format {FORMAT_VERSION}. Train again."
            )
        try:
            model = cls(**header["params"])
        except TypeError as error:
            raise DamagedFile(
                f"{path}: its parameters do not fit {cls.__name__} ({error})."
            ) from None
        model._take(path, arrays)
        model._rng = restored_generator(header["explore_stream"])
        model._set_counters(header["counters"])
        return model

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        recent = arrays.pop("_recent_items", None)
        if recent is not None:
            self._recent = RecentItems(self.n_users, self.history_length)
            self._same_shape(path, "_recent_items", recent, self._recent.items.shape)
            self._recent.items = recent
        withdrawn = arrays.pop("_withdrawn", None)
        if withdrawn is not None:
            self._same_shape(path, "_withdrawn", withdrawn, (self.n_items,))
            self._withdrawn = withdrawn.astype(np.bool_)
        expected = {f.name: f.metadata["shape"] for f in self._learned_fields()}
        for name in expected.keys() | arrays.keys():
            if name not in expected:
                raise DamagedFile(
                    f"{path}: has an array '{name}' that {type(self).__name__} lacks."
                )
            if name not in arrays and getattr(self, name) is not None:
                raise DamagedFile(f"{path}: lacks the array '{name}' of {type(self).__name__}.")
            if name in arrays:
                shape = tuple(self._size(dimension) for dimension in expected[name])
                self._same_shape(path, name, arrays[name], shape)
                setattr(self, name, arrays[name])

    def _size(self, dimension: str | int) -> int | None:
        if dimension == "?":
            return None
        return dimension if isinstance(dimension, int) else getattr(self, dimension)

    def _same_shape(
        self, path: str | Path, name: str, array: np.ndarray, shape: tuple[int | None, ...]
    ) -> None:
        fits = array.ndim == len(shape) and all(
            wanted is None or wanted == got for wanted, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise DamagedFile(
                f"{path}: array '{name}' has shape {array.shape}, "
                f"{type(self).__name__} needs {shape}."
            )
