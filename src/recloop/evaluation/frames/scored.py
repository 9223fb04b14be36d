"""The values of everyone whose lists were scored, as tables and in words."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recloop.evaluation.definitions import Definitions
from recloop.evaluation.summary import COLUMNS, Intervals, person_rows
from recloop.types import FloatArray


@dataclass(frozen=True)
class ScoredLists:
    """The values of every person of the truth, ordered by id, and what was left out or filled up.

    values: metric -> (U, n_ks). counts: how many people and rows were ignored, short, twice.
    """

    user_ids: pd.Index
    ks: list[int]
    values: dict[str, FloatArray]
    counts: dict[str, int]
    definitions: Definitions

    def per_user(self) -> pd.DataFrame:
        """A row for every person, metric and cut-off: user_id, metric, k, value (NaN: undefined).

        The counts stand in the frame's `attrs`.
        """
        n_users, n_metrics, n_ks = len(self.user_ids), len(self.values), len(self.ks)
        table = np.stack(list(self.values.values()), axis=1)  # (U, n_metrics, n_ks)
        names = [metric + self.definitions.option(metric) for metric in self.values]
        metric_codes = np.tile(np.repeat(np.arange(n_metrics, dtype=np.int8), n_ks), n_users)
        frame = pd.DataFrame(
            {
                "user_id": self.user_ids.repeat(n_metrics * n_ks),
                "metric": pd.Categorical.from_codes(metric_codes, categories=pd.Index(names)),
                "k": np.tile(np.asarray(self.ks, dtype=np.int64), n_users * n_metrics),
                "value": table.ravel(),
            },
            copy=False,
        )
        frame.attrs.update(self.counts)
        return frame

    def summary(self, intervals: Intervals | None = None) -> pd.DataFrame:
        """A row for each metric and cut-off: mean, std, n, n_undefined, ci_low, ci_high."""
        rows = person_rows(self.values, self.ks, intervals or Intervals())
        for row in rows:
            row["metric"] += self.definitions.option(row["metric"])
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame.attrs.update(self.counts)
        return frame

    def words(self) -> list[str]:
        """Who counts and who does not, a sentence each; only what occurred."""
        counts = self.counts
        said = [f"{counts['n_users']:,} people have a truth and count."]
        for name, text in COUNT_WORDS.items():
            if counts[name]:
                said.append(f"{counts[name]:,} {text}")
        said += [
            f"{counts[f'n_short_lists@{k}']:,} lists are shorter than {k}: the rest are misses."
            for k in self.ks
            if counts[f"n_short_lists@{k}"]
        ]
        return said


COUNT_WORDS = {
    "n_users_undefined": "of them have nothing relevant above the threshold: undefined.",
    "n_users_without_recommendations": "of them got no recommendations: 0.",
    "n_users_ignored": "people got recommendations but have no truth: ignored.",
    "n_duplicates_recommended": "items stood again in the same list: a miss there.",
    "n_duplicates_relevant": "rows of the truth stood there before: counted once.",
    "n_below_threshold": "rows of the truth are below the threshold: not relevant.",
}
