"""Every model beside the controls that it must beat, on the same people, corrected together."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recloop.evaluation.comparison import compare, corrected
from recloop.experiment.build import Entry
from recloop.experiment.config import ExperimentConfig
from recloop.experiment.measure import Measured


def compare_all(
    config: ExperimentConfig, entries: Sequence[Entry], measured: Sequence[Measured]
) -> tuple[list[dict[str, Any]], int]:
    """A row for each model and control, and how many resamples decided them.

    Every learner meets the best baseline as well. p values are corrected (Holm) over all rows.
    """
    metric = config.evaluation.metric
    values = {one.row["name"]: one.values[metric] for one in measured}
    best = _best_baseline(entries, values)
    pairs = [
        (entry.name, control)
        for entry in entries
        for control in dict.fromkeys(_controls(entry, best))
        if control != entry.name
    ]
    n_resamples = n_resamples_for(config, len(pairs))
    compared = corrected(
        [
            compare(
                values[model],
                values[control],
                confidence=config.evaluation.confidence,
                n_resamples=n_resamples,
                seed=config.seed,
            )
            for model, control in pairs
        ]
    )
    rows = [
        {"model": model, "control": control, "metric": metric, **one.to_json()}
        for (model, control), one in zip(pairs, compared, strict=True)
        if one.n >= 2
    ]
    return rows, n_resamples


def n_resamples_for(config: ExperimentConfig, n_comparisons: int) -> int:
    """As many as asked for, and enough that the smallest p value survives the correction.

    Of m resamples the smallest p is 1 / (m + 1), and Holm multiplies it by the number of
    comparisons: below comparisons / (1 - confidence) resamples nothing could be called better.
    """
    asked = config.evaluation
    return n_resamples_at(asked.confidence, asked.n_resamples, n_comparisons)


def n_resamples_at(confidence: float, asked: int, n_comparisons: int) -> int:
    """The same from the numbers alone."""
    return max(asked, math.ceil(n_comparisons / round(1 - confidence, 12)))


def n_resamples_in_words(config: ExperimentConfig, used: int, n_comparisons: int) -> list[str]:
    """That more resamples were drawn than the configuration asks for, if so."""
    asked = config.evaluation.n_resamples
    if used == asked:
        return []
    return [
        f"Comparisons: {used:,} resamples instead of evaluation.n_resamples = {asked:,}: with "
        f"fewer no p value corrected for {n_comparisons} comparisons could reach "
        f"{1 - config.evaluation.confidence:.3g}."
    ]


def _controls(entry: Entry, best: str | None) -> list[str]:
    return [*entry.controls, *([best] if best and not entry.is_baseline else [])]


def _best_baseline(entries: Sequence[Entry], values: dict[str, np.ndarray]) -> str | None:
    means = {
        entry.name: np.nanmean(values[entry.name])
        for entry in entries
        if entry.is_baseline and np.isfinite(values[entry.name]).any()
    }
    return max(means, key=lambda name: means[name]) if means else None
