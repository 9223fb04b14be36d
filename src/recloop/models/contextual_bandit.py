"""Contextual bandit: LinUCB, ridge regression on features with a bonus for what is uncertain.

    score = x . theta,    acting score = x . theta + alpha sqrt(x^T A^-1 x)

Two layouts of the parameters. "disjoint": one theta for every item, over a context vector x of the
person. "shared": one theta over the features of the pair (`features.py`): user and item features,
popularity, recency, and what came after the recent history.

Li, Chu, Langford and Schapire (2010), "A contextual-bandit approach to personalized news article
recommendation", algorithm 1; forgetting: Russac, Vernade and Cappe (2019), algorithm 1 with the
prior kept whole. Equations: `bandits/arms.py`, with one arm for each item or one for all pairs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import features as pair_features
from recloop.models import incoming, packed
from recloop.models.bandits import arms as arm_equations
from recloop.models.bandits.arms import Arms
from recloop.models.base import AbstractRecommender, learned
from recloop.models.cooccurrence import counts_after
from recloop.models.features import PairFeatures
from recloop.models.search import Real, SearchSpace
from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.checks import (
    check_between,
    check_choice,
    check_count,
    finite_or_none,
    number_or_nan,
)
from recloop.utils.seeding import stream
from recloop.utils.sparse import IndexArray, SparseParts, check_parts, matrix_of, parts_of

_ROWS_AT_ONCE = 1024


@dataclass
class ContextualBanditRecommender(AbstractRecommender):
    """Learns by ridge regression, explores where it is uncertain.

    context_dim: the width of `context`. Without a context, "disjoint" uses a code of the person
        (1 and a fixed random direction, or one of the user features), "shared" uses zeros.
    learning_rate: rho, the share of old evidence that each update forgets while the prior is
        restored; 0 forgets nothing and weighs all evidence alike.
    alpha: the weight of the bonus when exploring.
    regularization: lambda, the weight of the prior.
    epsilon: the probability of a uniform draw on top of the bonus.
    layout: "disjoint" or "shared".
    n_recent, window, decay: of "shared" only: how many recent items speak, within how many steps
        one item counts as coming after another, and the weight of an item against the next newer.
    """

    context_dim: int = 10
    learning_rate: float = 0.0
    alpha: float = 1.0
    regularization: float = 1.0
    epsilon: float = 0.0
    layout: str = "disjoint"
    n_recent: int = 10
    window: int = 5
    decay: float = 0.8

    evidence: FloatArray = learned("n_arms", "?")  # A, packed
    inverse: FloatArray = learned("n_arms", "?")  # A^-1, packed
    reward_sums: FloatArray = learned("n_arms", "?")  # b
    weights: FloatArray = learned("n_arms", "?")  # theta
    n_updates: IntArray = learned("n_arms")  # rows, modulo those between two refreshes
    user_codes: FloatArray = learned("n_users", "context_dim")  # disjoint
    item_table: FloatArray = learned("n_items", "?")  # shared, from here on
    user_table: FloatArray = learned("n_users", "?")
    near_starts: IndexArray = learned("?")
    near_items: IndexArray = learned("?")
    near_counts: FloatArray = learned("?")

    type_name = "contextual_bandit"
    learns_row_by_row = True
    search_space = SearchSpace(
        regularization=Real(0.01, 1000.0, log=True),
        learning_rate=Real(0.0, 0.1, limits=("low",)),
        alpha=Real(0.01, 10.0, log=True, acts=True),
    )

    @property
    def history_length(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many recent items `history` must hold: none for "disjoint"."""
        return self.n_recent if self.layout == "shared" else 0

    def depends_on_user(self, *, with_context: bool) -> bool:
        """By a code where no context is passed, and by the features of "shared" always."""
        return self.layout == "shared" or not with_context

    @property
    def n_arms(self) -> int:
        """How many regressions there are: one for each item, or one."""
        return 1 if self.layout == "shared" else self.n_items

    def _check(self) -> None:
        owner = "ContextualBanditRecommender"
        for name in ("context_dim", "n_recent", "window"):
            setattr(self, name, check_count(owner, name, getattr(self, name)))
        self.layout = check_choice(owner, "layout", self.layout, ("disjoint", "shared"))
        if self.window > self.n_recent:
            raise InvalidParameter(
                f"{owner}: window must be at most n_recent, {self.n_recent}, got {self.window}: a "
                "logged step would see its own answer among the counts."
            )
        self.learning_rate = check_between(
            owner, "learning_rate", self.learning_rate, 0, 1, high_open=True
        )
        self.alpha = check_between(owner, "alpha", self.alpha, 0, np.inf)
        self.regularization = check_between(
            owner, "regularization", self.regularization, 0, np.inf, low_open=True
        )
        self.epsilon = check_between(owner, "epsilon", self.epsilon, 0, 1)
        self.decay = check_between(owner, "decay", self.decay, 0, 1, low_open=True)

    def _start(self) -> None:
        self.last_change = float("nan")
        nobody = np.empty(0, dtype=np.int64)
        numbers = np.empty(0)
        log = Interactions(nobody, nobody, numbers, numbers, self.n_users, self.n_items)
        self.fit_features(log)

    # What it sees

    def fit_features(
        self,
        interactions: Interactions,
        item_features: FloatArray | None = None,
        user_features: FloatArray | None = None,
    ) -> Self:
        """Build the features from the training part of a log and forget all evidence.

        item_features (n_items, .), user_features (n_users, .): numbers, standardised here. They
        stay as they are while the bandit learns; call this again to renew them. "disjoint" only
        takes user features: a random direction of them is a person's code.
        """
        log = self._checked_log(interactions)
        if self.layout == "shared":
            self.item_table = pair_features.item_table(log, item_features)
            self.user_table = pair_features.user_table(log, user_features)
            near = parts_of(counts_after(log, self.window))
            self.near_starts, self.near_items, self.near_counts = near
        else:
            self.user_codes = self._drawn_codes(log, user_features)
        self._forget_everything()
        return self

    def _drawn_codes(self, log: Interactions, user_features: FloatArray | None) -> FloatArray:
        rng = stream(self.seed, self.type_name, "codes")
        scale = np.sqrt(max(self.context_dim - 1, 1))
        if user_features is None:
            codes = rng.standard_normal((self.n_users, self.context_dim - 1)) / scale
        else:
            table = pair_features.user_table(log, user_features)[:, 1:]
            codes = table @ rng.standard_normal((table.shape[1], self.context_dim - 1)) / scale
        return np.concatenate([np.ones((self.n_users, 1)), codes], axis=1)

    def _forget_everything(self) -> None:
        nothing = np.zeros((self.n_arms, self._width()))
        fresh = arm_equations.fresh_arms(nothing, self.regularization)
        self.evidence, self.inverse, self.reward_sums, self.weights, self.n_updates = fresh

    @property
    def arms(self) -> Arms:
        """What is known of every regression; the arrays themselves."""
        return Arms(self.evidence, self.inverse, self.reward_sums, self.weights, self.n_updates)

    def _width(self) -> int:
        return self._features().width if self.layout == "shared" else self.context_dim

    def _features(self) -> PairFeatures:
        return PairFeatures(
            item_table=self.item_table,
            user_table=self.user_table,
            near=matrix_of(self._near(), (self.n_items, self.n_items)),
            context_dim=self.context_dim,
            window=self.window,
            decay=self.decay,
        )

    def _near(self) -> SparseParts:
        return SparseParts(self.near_starts, self.near_items, self.near_counts)

    def _contexts(self, users: IntArray, context: FloatArray | None) -> FloatArray | None:
        """(B, context_dim): what was passed, checked; else the codes, or None for "shared"."""
        if context is None:
            return None if self.layout == "shared" else self.user_codes[users]
        return incoming.checked_contexts(
            "ContextualBanditRecommender", "context", context, len(users), self.context_dim
        )

    # How it values

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) predicted reward, without the bonus."""
        users = self._known(users)
        moment = self._contexts(users, context)
        if moment is not None and self.layout == "disjoint":
            return arm_equations.predicted(self.arms, moment)
        features = self._features()
        rows = features.rows(users, self._histories(users, history), moment)
        return features.products(rows, self.weights[0])

    def acting_scores(
        self, users: IntArray, context: FloatArray | None, history: IntArray | None
    ) -> FloatArray:
        """(B, n_items) predicted reward plus the bonus: the upper end of the interval."""
        moment = self._contexts(users, context)
        if moment is not None and self.layout == "disjoint":
            return arm_equations.upper_ends(self.arms, moment, self.alpha)
        features = self._features()
        rows = features.rows(users, self._histories(users, history), moment)
        inverse = packed.unpacked(self.inverse, features.width)[0]
        variances = np.maximum(features.quadratic_forms(rows, inverse), 0.0)  # rounding
        return features.products(rows, self.weights[0]) + self.alpha * np.sqrt(variances)

    # How it learns

    def update_batch(self, transitions: Transitions) -> None:
        """Add the rows to the evidence, in their order; a batch equals its rows one by one.

        Under feedback "chosen" every other item earned 0 at that step, and all pairs of the row
        enter the evidence. Such rows are taken to be of the log behind the features: each one's own
        step is left out of its features.
        """
        rows = self._checked(transitions)
        learn = self._learn_pairs if self.layout == "shared" else self._learn_arms
        blocks = [
            rows.rows(slice(start, start + _ROWS_AT_ONCE))
            for start in range(0, len(rows), _ROWS_AT_ONCE)
        ]
        changes = [learn(block) for block in blocks]
        self.last_change = float(np.mean(np.concatenate(changes))) if changes else 0.0

    def _learn_arms(self, rows: Transitions) -> FloatArray:
        contexts = self._contexts(rows.users, rows.contexts)
        assert contexts is not None  # "disjoint" always has one
        before = (contexts * self.weights[rows.items]).sum(axis=1)
        if rows.feedback == "chosen":
            self._learn_choices(rows, contexts)
        elif self.learning_rate == 0.0:
            ones = np.ones(len(rows))
            arm_equations.learn(self.arms, rows.items, contexts, rows.rewards, ones)
        else:
            self._learn_fading(rows, contexts)
        return np.abs((contexts * self.weights[rows.items]).sum(axis=1) - before)

    def _learn_choices(self, rows: Transitions, contexts: FloatArray) -> None:
        """Every row is evidence on every item: the sums are taken once for all of them."""
        everyone = np.arange(self.n_items)
        if len(rows) == 1 and self.learning_rate == 0.0:
            rewards = np.where(everyone == rows.items[0], rows.rewards[0], 0.0)
            each = np.repeat(contexts, self.n_items, axis=0)
            arm_equations.learn(self.arms, everyone, each, rewards, np.ones(self.n_items))
            return
        keep = 1.0 - self.learning_rate
        weights = np.power(keep, np.arange(len(rows))[::-1])
        added = packed.packed((contexts * weights[:, None]).T @ contexts)
        earned = np.zeros((self.n_items, self.context_dim))
        np.add.at(earned, rows.items, contexts * (weights * rows.rewards)[:, None])
        n_rows = np.full(self.n_items, len(rows))
        arm_equations.learn_sums(
            self.arms, everyone, n_rows, added, earned, keep, self.regularization
        )

    def _learn_fading(self, rows: Transitions, contexts: FloatArray) -> None:
        """A row fades the item it is of, and is faded by the later rows of that item."""
        touched, place, counts = np.unique(rows.items, return_inverse=True, return_counts=True)
        keep = 1.0 - self.learning_rate
        weights = np.power(keep, _later_rows(rows.items))
        outer = contexts[:, :, None] * (contexts * weights[:, None])[:, None, :]
        added = np.zeros((len(touched), self.evidence.shape[1]))
        np.add.at(added, place, packed.packed(outer))
        earned = np.zeros((len(touched), self.context_dim))
        np.add.at(earned, place, contexts * (weights * rows.rewards)[:, None])
        arm_equations.learn_sums(
            self.arms, touched, counts, added, earned, keep, self.regularization
        )

    def _learn_pairs(self, rows: Transitions) -> FloatArray:
        features = self._features()
        histories = self._histories(rows.users, rows.histories)
        moment = self._contexts(rows.users, rows.contexts)
        if rows.feedback == "chosen":
            seen = features.rows_without_own_step(rows.users, histories, moment, rows.items)
        else:
            seen = features.rows(rows.users, histories, moment)
        pairs = features.pairs(seen, rows.items)
        before = pairs @ self.weights[0]
        few = 2 * len(rows) < features.width
        if rows.feedback == "shown" and self.learning_rate == 0.0 and few:
            here = np.zeros(len(rows), dtype=np.int64)
            arm_equations.learn(self.arms, here, pairs, rows.rewards, np.ones(len(rows)))
            return np.abs(pairs @ self.weights[0] - before)
        keep = 1.0 - self.learning_rate
        weights = np.power(keep, np.arange(len(rows))[::-1])
        if rows.feedback == "chosen":
            sums = features.catalogue_sum(seen, weights)
        else:
            sums = (pairs * weights[:, None]).T @ pairs
        arm_equations.learn_sums(
            self.arms,
            np.array([0]),
            np.array([len(rows)]),
            packed.packed(sums),
            ((weights * rows.rewards) @ pairs)[None],
            keep,
            self.regularization,
        )
        return np.abs(pairs @ self.weights[0] - before)

    # How it is kept

    def counters(self) -> dict[str, Any]:
        """How far the last rows moved their own predictions."""
        return {"last_change": finite_or_none(self.last_change)}

    def _set_counters(self, counters: dict[str, Any]) -> None:
        try:
            self.last_change = number_or_nan(counters["last_change"])
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFile(f"ContextualBanditRecommender: bad counters ({error}).") from None

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        super()._take(path, _in_packed_form(arrays))
        if self.layout == "shared":
            check_parts(path, "what is near", self._near(), (self.n_items, self.n_items))
        width = self._width()
        for name in ("evidence", "inverse"):
            wanted = (self.n_arms, packed.packed_size(width))
            self._same_shape(path, name, getattr(self, name), wanted)
        for name in ("reward_sums", "weights"):
            self._same_shape(path, name, getattr(self, name), (self.n_arms, width))


def _in_packed_form(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of a file; version 0.1.0 wrote whole matrices, (n_arms, d, d), and no n_updates."""
    found = dict(arrays)
    for name in ("evidence", "inverse"):
        whole = found.get(name, np.empty(0))
        if whole.ndim == 3 and whole.shape[1] == whole.shape[2]:
            found[name] = packed.packed(whole)
            found.setdefault("n_updates", np.zeros(len(whole), dtype=np.int64))
    return found


def _later_rows(items: IntArray) -> IntArray:
    """(B,) how many later rows are of the same item: what each row will have been faded by."""
    backwards = items[::-1]
    order = np.argsort(backwards, kind="stable")
    grouped = backwards[order]
    place = np.arange(len(items)) - np.searchsorted(grouped, grouped)
    later = np.empty(len(items), dtype=np.int64)
    later[order] = place
    return later[::-1]
