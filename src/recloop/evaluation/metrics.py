"""The metrics under the names users know: of one list, and of whole tables."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from recloop.evaluation import beyond_accuracy
from recloop.evaluation.definitions import Definitions
from recloop.evaluation.ranking import accuracy
from recloop.evaluation.relevant import RelevantSets
from recloop.evaluation.summary import Intervals
from recloop.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from recloop.evaluation.frames.scored import ScoredLists

Relevant = Collection[Hashable] | Mapping[Hashable, float]


@dataclass(frozen=True)
class RecommendationMetrics:
    """Accuracy and beyond; `definitions` decides which formula stands behind a name.

    The functions of one list take any ids: recommended, best first, and relevant, a collection or,
    for graded ndcg, a mapping to gains. NaN where nothing is relevant.
    """

    definitions: Definitions = field(default_factory=Definitions)

    def precision_at_k(self, recommended: Sequence[Hashable], relevant: Relevant, k: int) -> float:
        """Share of the top k that is relevant."""
        return self._of_one_list("precision", recommended, relevant, k)

    def recall_at_k(self, recommended: Sequence[Hashable], relevant: Relevant, k: int) -> float:
        """Share of what is relevant that is in the top k."""
        return self._of_one_list("recall", recommended, relevant, k)

    def ndcg_at_k(self, recommended: Sequence[Hashable], relevant: Relevant, k: int) -> float:
        """Discounted gain over that of the best possible list."""
        return self._of_one_list("ndcg", recommended, relevant, k)

    def map_at_k(self, recommended: Sequence[Hashable], relevant: Relevant, k: int) -> float:
        """Average precision; its mean over people is MAP."""
        return self._of_one_list("map", recommended, relevant, k)

    def hit_rate_at_k(self, recommended: Sequence[Hashable], relevant: Relevant, k: int) -> float:
        """1 if anything in the top k is relevant, else 0."""
        return self._of_one_list("hit_rate", recommended, relevant, k)

    def mrr_at_k(self, recommended: Sequence[Hashable], relevant: Relevant, k: int) -> float:
        """1 / rank of the first relevant item, 0 if it is not in the top k."""
        return self._of_one_list("mrr", recommended, relevant, k)

    def coverage(
        self, lists: Sequence[Sequence[Hashable]], catalogue: Collection[Hashable]
    ) -> float:
        """Share of the catalogue that is in any of the lists."""
        eligible = set(catalogue)
        shown = {item for one in lists for item in one}
        return len(shown & eligible) / len(eligible) if eligible else float("nan")

    def diversity(self, recommended: Sequence[int], features: ArrayLike) -> float:
        """Mean of 1 - cosine over pairs of item codes; features: (n_items, F); NaN below two."""
        codes = np.asarray([recommended], dtype=np.int64)
        table = np.asarray(features, dtype=np.float64)
        return float(beyond_accuracy.diversity(codes, [codes.size], table)[0, 0])

    def novelty(
        self, recommended: Sequence[int], n_users_of_item: ArrayLike, n_users: int
    ) -> float:
        """Mean of -log2(users who took the item / n_users) over item codes."""
        codes = np.asarray([recommended], dtype=np.int64)
        counts = np.asarray(n_users_of_item, dtype=np.int64)
        return float(beyond_accuracy.novelty(codes, [codes.size], counts, n_users)[0, 0])

    def per_user(
        self, recommended: "pd.DataFrame", relevant: "pd.DataFrame", ks: Sequence[int]
    ) -> "pd.DataFrame":
        """A row for every person, metric and cut-off: user_id, metric, k, value.

        recommended: user_id, item_id, rank[, score]. relevant: user_id, item_id[, weight]; weights
        are read only if `definitions` has a threshold or a graded ndcg.
        """
        return self.score(recommended, relevant, ks).per_user()

    def summary(
        self,
        recommended: "pd.DataFrame",
        relevant: "pd.DataFrame",
        ks: Sequence[int],
        intervals: Intervals | None = None,
    ) -> "pd.DataFrame":
        """A row for each metric and cut-off: mean, std, n, n_undefined, ci_low, ci_high."""
        return self.score(recommended, relevant, ks).summary(intervals)

    def score(
        self, recommended: "pd.DataFrame", relevant: "pd.DataFrame", ks: Sequence[int]
    ) -> "ScoredLists":
        """Both of these from one pass, with counts of who was ignored, short or twice."""
        from recloop.evaluation.frames.scoring import score_frames

        return score_frames(recommended, relevant, ks, definitions=self.definitions)

    def _of_one_list(
        self, metric: str, recommended: Sequence[Hashable], relevant: Relevant, k: int
    ) -> float:
        codes: dict[Hashable, int] = {}
        for item in [*recommended, *relevant]:
            codes.setdefault(item, len(codes))
        items = [codes[item] for item in relevant]
        truth = RelevantSets.of_pairs(
            np.zeros(len(items), dtype=np.int64),
            np.array(items, dtype=np.int64),
            1,
            len(codes),
            gains=self._gains(relevant),
        )
        row = np.array([[codes[item] for item in recommended]], dtype=np.int64)
        return float(accuracy(row, truth, [k], self.definitions, [metric])[metric][0, 0])

    def _gains(self, relevant: Relevant) -> FloatArray | None:
        if self.definitions.is_graded and isinstance(relevant, Mapping):
            return np.array(list(relevant.values()), dtype=np.float64)
        return None
