"""Measure a model on a test part: its best lists for everyone in it, and every number of them.

The model is asked with explore=False and never taught. What it may know comes from the training
part alone: histories, seen items (which are hidden), popularity, the catalogue.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.evaluation import beyond_accuracy as beyond
from recloop.evaluation.asking import lists_of
from recloop.evaluation.known import OWNER, catalogue_of, histories_of, seen_of, sizes_of
from recloop.evaluation.lists import checked_ks, checked_lists
from recloop.evaluation.metrics import RecommendationMetrics
from recloop.evaluation.ranking import accuracy
from recloop.evaluation.relevant import RelevantSets
from recloop.evaluation.result import Evaluation, named
from recloop.evaluation.summary import Intervals, group_rows, person_rows
from recloop.evaluation.truth import relevant_of, truth_of
from recloop.types import BoolArray, FloatArray, IntArray, Interactions
from recloop.utils.checks import check_finite


class RLRecommenderEvaluator:
    """Judges recommenders by contract, never by class: `recommend_batch` or `recommend` is enough.

    metrics: which definitions are in force. ks: the cut-offs.
    train: the training part; gives histories, seen items, popularity and, unless `catalogue` is
    given, the catalogue: the items that it holds. Without it nothing is hidden, novelty and its
    kin are left out, and every item is in the catalogue.
    seen: for every user code the items to hide instead of those of `train`; mask_seen=False hides
    nothing. histories: (n_users, H), newest first, -1 padded, instead of those of `train`.
    contexts: (n_users, D) for models that use one. item_features: (n_items, F), for diversity.
    user_ids, item_ids: the ids of codes 0, 1, ...; tables of ids need them.
    drop_outside: leave relevant items outside the catalogue out of the truth instead of counting
    them as missed.
    """

    def __init__(
        self,
        metrics: RecommendationMetrics | None = None,
        *,
        ks: Sequence[int] = (5, 10),
        train: Interactions | None = None,
        seen: Sequence[ArrayLike] | None = None,
        mask_seen: bool = True,
        histories: IntArray | None = None,
        contexts: FloatArray | None = None,
        item_features: FloatArray | None = None,
        catalogue: ArrayLike | None = None,
        user_ids: Sequence[Any] | None = None,
        item_ids: Sequence[Any] | None = None,
        drop_outside: bool = False,
        intervals: Intervals | None = None,
    ) -> None:
        self.metrics = metrics or RecommendationMetrics()
        self.ks = checked_ks(OWNER, ks)
        self.train = train
        self.seen = seen
        self.mask_seen = mask_seen
        self.histories = histories
        self.contexts = contexts
        self.item_features = item_features
        self.catalogue = catalogue
        self.user_ids = user_ids
        self.item_ids = item_ids
        self.drop_outside = drop_outside
        self.intervals = intervals or Intervals()

    def evaluate_offline(self, model: Any, test_interactions: Any) -> dict[str, float]:
        """The means by name ("precision@10", "coverage@10", ...), n_users and n_undefined.

        test_interactions: Interactions, a table of user_id and item_id, a matrix of users x items,
        or a dict of user -> items.
        """
        found = self.evaluate(model, test_interactions)
        return found.means() | {name: found.counts[name] for name in ("n_users", "n_undefined")}

    def means(self, model: Any, test: Any) -> dict[str, float]:
        """The means of the accuracy metrics alone: what early stopping needs, without intervals."""
        case = self._case(model, test, self.train)
        values = accuracy(case.lists, case.relevant, self.ks, self.metrics.definitions)
        return {
            name: float(one[~np.isnan(one)].mean()) if not np.isnan(one).all() else float("nan")
            for name, one in named(values, self.ks, self.metrics.definitions).items()
        }

    def evaluate(self, model: Any, test: Any, train: Interactions | None = None) -> Evaluation:
        """Everything about `model` on `test`; `train` stands in for the evaluator's own."""
        train = self.train if train is None else train
        case = self._case(model, test, train)
        definitions = self.metrics.definitions
        values = accuracy(case.lists, case.relevant, self.ks, definitions)
        values |= self._beyond_accuracy(case, train)
        group = {
            "coverage": beyond.coverage(case.lists, self.ks, case.catalogue),
            "gini": beyond.gini(case.lists, self.ks, case.catalogue),
        }
        return Evaluation(
            users=case.users,
            lists=case.lists,
            ks=list(self.ks),
            per_user=named(values, self.ks, definitions),
            summary=person_rows(values, self.ks, self.intervals)
            + group_rows(group, self.ks, self.intervals),
            counts=case.counts,
            definitions=definitions,
        )

    def _case(self, model: Any, test: Any, train: Interactions | None) -> "_Case":
        """Who is asked for, what they are shown, what is relevant to them."""
        sizes = sizes_of(model, test, train, self.user_ids, self.item_ids)
        truth = truth_of(test, *sizes, self.user_ids, self.item_ids)
        if not len(truth.listed):
            raise InvalidParameter(f"{OWNER}: the test part holds nobody, so nothing is measured.")
        users, definitions = truth.listed, self.metrics.definitions
        catalogue = catalogue_of(self.catalogue, train, sizes[1])
        relevant, counts = relevant_of(truth, catalogue, definitions, self.drop_outside)
        seen = seen_of(self.seen, train, users) if self.mask_seen else None
        length = int(getattr(model, "history_length", 0))
        lists = lists_of(
            model,
            users,
            max(self.ks),
            sizes[1],
            histories=histories_of(self.histories, train, users, length),
            contexts=None if self.contexts is None else self.contexts[users],
            seen=seen,
        )
        lists = checked_lists(type(model).__name__, lists, relevant, definitions.on_duplicates)
        counts["n_relevant_seen"] = 0 if seen is None else _n_shared(relevant, seen)
        return _Case(users, lists, relevant, catalogue, counts)

    def _beyond_accuracy(self, case: "_Case", train: Interactions | None) -> dict[str, FloatArray]:
        values = {}
        if self.item_features is not None:
            features = check_finite(OWNER, "item_features", self.item_features)
            if features.shape[:1] != (len(case.catalogue),):
                raise InvalidParameter(
                    f"{OWNER}: item_features must have shape ({len(case.catalogue)}, F), a row for "
                    f"every item, got {features.shape}."
                )
            values["diversity"] = beyond.diversity(case.lists, self.ks, features)
        if train is not None:
            takers = beyond.users_of_items(train.users, train.items, train.n_items)
            n_people = len(np.unique(train.users))
            values["novelty"] = beyond.novelty(case.lists, self.ks, takers, n_people)
            values["mean_popularity"] = beyond.mean_popularity(case.lists, self.ks, takers)
            hits = case.relevant.hits(case.lists)
            n_catalogue = int(case.catalogue.sum())
            values["serendipity"] = beyond.serendipity(
                case.lists, hits, self.ks, takers, n_catalogue
            )
        values["sufficient_reco"] = beyond.sufficient_reco(case.lists, self.ks)
        return values


class _Case(NamedTuple):
    users: IntArray
    lists: IntArray
    relevant: RelevantSets
    catalogue: BoolArray
    counts: dict[str, int]


def _n_shared(relevant: RelevantSets, seen: Sequence[IntArray]) -> int:
    """How many relevant items are among those hidden from the same person."""
    rows = np.repeat(np.arange(len(seen)), [len(items) for items in seen])
    items = np.concatenate([*seen, np.empty(0, dtype=np.int64)])
    hidden = RelevantSets.of_pairs(rows, items, len(seen), relevant.n_items)
    return int(np.isin(relevant.keys, hidden.keys, assume_unique=True).sum())
