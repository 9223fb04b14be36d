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
    """A row for each model and control; a model without controls meets the best baseline.

    p values are corrected (Holm) over all rows.
    """
    metric = config.evaluation.metric
    values = {one.row["name"]: one.values[metric] for one in measured}
    best = _best_baseline(entries, values)
    pairs = [
        (entry.name, control)
        for entry in entries
        if not entry.is_baseline
        for control in dict.fromkeys([*entry.controls, *([best] if best else [])])
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


def _best_baseline(entries: Sequence[Entry], values: dict[str, np.ndarray]) -> str | None:
    means = {
        entry.name: np.nanmean(values[entry.name])
        for entry in entries
        if entry.is_baseline and np.isfinite(values[entry.name]).any()
    }
    return max(means, key=lambda name: means[name]) if means else None
