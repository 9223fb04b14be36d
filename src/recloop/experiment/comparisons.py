"""Every model beside the controls that it must beat, on the same people, corrected together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recloop.evaluation.compare import compare, corrected
from recloop.experiment.build import Entry
from recloop.experiment.config import ExperimentConfig
from recloop.experiment.measure import Measured


def compare_all(
    config: ExperimentConfig, entries: Sequence[Entry], measured: Sequence[Measured]
) -> list[dict[str, Any]]:
    """A row for each model and control; every learner meets the best baseline as well.

    p values are corrected (Holm) over all rows.
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
    compared = corrected(
        [
            compare(
                values[model],
                values[control],
                confidence=config.evaluation.confidence,
                n_resamples=config.evaluation.n_resamples,
                seed=config.seed,
            )
            for model, control in pairs
        ]
    )
    return [
        {"model": model, "control": control, "metric": metric, **one.to_json()}
        for (model, control), one in zip(pairs, compared, strict=True)
        if one.n >= 2
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
