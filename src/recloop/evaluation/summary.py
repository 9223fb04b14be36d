"""From values of people to a row of a table: mean, spread, who counts, and an interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recloop.evaluation.beyond_accuracy import GroupValue
from recloop.evaluation.intervals import (
    Interval,
    bootstrap_interval,
    jackknife_interval,
    normal_interval,
)
from recloop.types import FloatArray
from recloop.utils.checks import check_between, check_choice, check_count
from recloop.utils.seeding import stream

Row = dict[str, Any]
COLUMNS = ("metric", "k", "mean", "std", "n", "n_undefined", "ci_low", "ci_high")
UNIT = (0.0, 1.0)
BOUNDS = {"diversity": (0.0, 2.0), "novelty": (0.0, np.inf), "mean_popularity": (0.0, np.inf)}


@dataclass(frozen=True)
class Intervals:
    """Which intervals stand beside the means; all are cut to the range that the metric can have.

    method: normal (mean ± z standard errors) or bootstrap (percentiles over resampled people).
    Numbers of the whole group (coverage, gini) always have jackknife intervals.
    """

    method: Literal["normal", "bootstrap"] = "normal"
    confidence: float = 0.95
    n_resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("Intervals", "method", self.method, ("normal", "bootstrap"))
        check_between(
            "Intervals", "confidence", self.confidence, 0, 1, low_open=True, high_open=True
        )
        check_count("Intervals", "n_resamples", self.n_resamples)
        check_count("Intervals", "seed", self.seed, least=0)

    def of(self, metric: str, values: FloatArray) -> Interval:
        """Of the mean of `values` (n,); every metric sees the same resampled people."""
        if self.method == "normal":
            return _cut(metric, normal_interval(values, self.confidence))
        return bootstrap_interval(
            values,
            stream(self.seed, "evaluation", "bootstrap"),
            confidence=self.confidence,
            n_resamples=self.n_resamples,
        )

    def of_group(self, metric: str, value: float, left_out: FloatArray) -> Interval:
        """Of a number of the whole group, from its values with each person left out (n,)."""
        return _cut(metric, jackknife_interval(value, left_out, self.confidence))


def _cut(metric: str, interval: Interval) -> Interval:
    least, most = BOUNDS.get(metric, UNIT)
    return Interval(
        float(np.clip(interval.low, least, most)), float(np.clip(interval.high, least, most))
    )


def person_rows(
    values: Mapping[str, FloatArray], ks: Sequence[int], intervals: Intervals
) -> list[Row]:
    """A row for each metric and cut-off from values (n, n_ks); std is that between people (n - 1).

    n: people who count in the mean; n_undefined: people who do not, because theirs is NaN.
    """
    return [
        _person_row(metric, k, np.ascontiguousarray(table[:, column]), intervals)
        for metric, table in values.items()
        for column, k in enumerate(ks)
    ]


def _person_row(metric: str, k: int, values: FloatArray, intervals: Intervals) -> Row:
    known = values[~np.isnan(values)]
    low, high = intervals.of(metric, known)
    return {
        "metric": metric,
        "k": k,
        "mean": float(known.mean()) if len(known) else float("nan"),
        "std": float(known.std(ddof=1)) if len(known) > 1 else float("nan"),
        "n": len(known),
        "n_undefined": len(values) - len(known),
        "ci_low": low,
        "ci_high": high,
    }


def group_rows(
    values: Mapping[str, GroupValue], ks: Sequence[int], intervals: Intervals
) -> list[Row]:
    """A row for each number of the whole group; std is NaN, for there is no value of a person."""
    rows = []
    for metric, (value, left_out) in values.items():
        for column, k in enumerate(ks):
            low, high = intervals.of_group(metric, float(value[column]), left_out[:, column])
            rows.append(
                {
                    "metric": metric,
                    "k": k,
                    "mean": float(value[column]),
                    "std": float("nan"),
                    "n": len(left_out),
                    "n_undefined": 0,
                    "ci_low": low,
                    "ci_high": high,
                }
            )
    return rows


def without_nan(row: Row) -> Row:
    """The same row with None for NaN, as JSON wants it."""
    return {name: None if value != value else value for name, value in row.items()}
