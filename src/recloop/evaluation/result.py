"""What an evaluation found: lists, values of every person, rows of a table, counts, words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recloop.evaluation.definitions import Definitions
from recloop.evaluation.summary import Row, without_nan
from recloop.types import FloatArray, IntArray


@dataclass(frozen=True)
class Evaluation:
    """One model on one test part.

    users: (U,) codes of the people evaluated. lists: (U, max(ks)) items, -1 padded. per_user: a
    value for each of them under names such as "ndcg@10", NaN where undefined. summary: a row for
    each metric and cut-off: metric, k, mean, std, n, n_undefined, ci_low, ci_high. counts: who
    counts and what was left out.
    """

    users: IntArray
    lists: IntArray
    ks: Sequence[int]
    per_user: dict[str, FloatArray]
    summary: list[Row]
    counts: dict[str, int]
    definitions: Definitions

    def by_name(self) -> dict[str, Row]:
        """The rows of the summary by "metric@k"."""
        return {self.definitions.key(row["metric"], row["k"]): row for row in self.summary}

    def means(self) -> dict[str, float]:
        """The mean of every metric by "metric@k"."""
        return {name: row["mean"] for name, row in self.by_name().items()}

    def to_json(self) -> dict[str, Any]:
        """Summary by name, counts and definitions as JSON values; NaN is None."""
        return {
            "metrics": {name: without_nan(row) for name, row in self.by_name().items()},
            "counts": self.counts,
            "definitions": self.definitions.words(),
        }

    def counts_in_words(self) -> list[str]:
        """Who counts and what was left out, a sentence each; only what occurred."""
        said = [f"{self.counts['n_users']:,} people were evaluated."]
        texts = {
            "n_undefined": "of them have nothing relevant: undefined, not in the means.",
            "n_rows_of_strangers": "rows of the test part belong to people nobody knows: left out.",
            "n_relevant_outside_catalogue": "relevant items are outside the catalogue and count "
            "as missed.",
            "n_relevant_dropped": "relevant items outside the catalogue were dropped.",
            "n_relevant_seen": "relevant items were seen in training and cannot be recommended.",
        }
        said += [
            f"{self.counts[name]:,} {text}" for name, text in texts.items() if self.counts[name]
        ]
        longest = max(self.ks)
        n_short = int(((self.lists >= 0).sum(axis=1) < longest).sum())
        if n_short:
            said.append(f"{n_short:,} lists are shorter than {longest}: the rest are misses.")
        return said


def named(
    values: dict[str, FloatArray], ks: Sequence[int], definitions: Definitions
) -> dict[str, FloatArray]:
    """Each column of the tables (U, n_ks) under its name, such as "ndcg@10"."""
    return {
        definitions.key(metric, k): np.ascontiguousarray(table[:, column])
        for metric, table in values.items()
        for column, k in enumerate(ks)
    }
