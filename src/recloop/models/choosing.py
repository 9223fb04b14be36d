"""How every model values and chooses: scores, exact propensities, what is eligible."""

from abc import ABC, abstractmethod
from collections.abc import Sequence, Sized

import numpy as np

from recloop.errors import InvalidParameter
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.types import BoolArray, Decision, FloatArray, IntArray, Slates
from recloop.utils.checks import as_array, check_codes, check_count
from recloop.utils.topk import top_k

ItemSets = Sequence[Sequence[int] | IntArray]


class Chooser(ABC):
    """The part of a model that looks and acts, and never learns."""

    n_users: int
    n_items: int
    _rng: np.random.Generator
    _withdrawn: BoolArray | None

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
