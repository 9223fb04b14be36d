"""What tuning found, in figures and in words: budgets, best settings, and those at an edge."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recloop import __version__
from recloop.errors import InvalidData
from recloop.experiment.config import FITTED, ExperimentConfig
from recloop.experiment.tuning.objective import metric_of
from recloop.experiment.tuning.trials import SEED_SHIFT, Method, Trial, best_of
from recloop.utils.files import write_json, write_text

Row = dict[str, Any]
Trials = Mapping[str, Mapping[int, Trial]]


def found_by_tuning(config: ExperimentConfig, methods: Sequence[Method], done: Trials) -> Row:
    """The budgets, the best setting of every method and what to say of them, as JSON values.

    Raises InvalidData if a method does not have its number of trials, or none of them worked.
    """
    rows = [_found(method, done[method.name]) for method in methods]
    seeds = [config.seed + SEED_SHIFT + number for number in range(config.tuning.n_seeds)]
    found = {
        "recloop": __version__,
        "seed": config.seed,
        "trial_seeds": seeds,
        "metric": metric_of(config),
        "scored_on": _scored_on(config),
        "n_trials": config.tuning.n_trials,
        "methods": rows,
    }
    return found | {
        "statements": [*budget_in_words(rows), found["scored_on"], *edges_in_words(rows)]
    }


def _found(method: Method, trials: Mapping[int, Trial]) -> Row:
    if sorted(trials) != list(range(method.n_trials)):
        raise InvalidData(
            f"tuning: {method.name} must have trials 0 to {method.n_trials - 1}, each once, and "
            f"has {sorted(trials)}. Unequal budgets are not compared."
        )
    best, states = best_of(trials), [one.state for one in trials.values()]
    if best is None:
        raise InvalidData(f"tuning: no trial of {method.name} worked: {trials[0].why}.")
    return {
        "name": method.name,
        "type": method.entry.type,
        "mode": method.entry.mode,
        "fixed": method.entry.params,
        "searched": list(method.space),
        "n_trials": method.n_trials,
        "n_seeds": method.entry.n_seeds,
        **{f"n_{state}": states.count(state) for state in ("complete", "pruned", "failed")},
        "first_value": trials[0].value,
        "best_trial": best.number,
        "best_value": best.value,
        "best_params": best.params,
        "at_edge": method.space.edges(best.params),
    }


def _scored_on(config: ExperimentConfig) -> str:
    if config.world.type == FITTED:
        return "Trials learned from the training part and were scored on the validation part."
    return (
        f"Trials met other people than the final runs: the seeds of the world and of chance are "
        f"larger by {SEED_SHIFT:,}."
    )


def budget_in_words(rows: Sequence[Row]) -> list[str]:
    """How many trials each method had."""
    searched = [row for row in rows if row["searched"]]
    without = [row["name"] for row in rows if not row["searched"]]
    said = []
    if searched:
        pruned = sum(row["n_pruned"] for row in searched)
        failed = sum(row["n_failed"] for row in searched)
        said.append(
            f"{searched[0]['n_trials']} trials for each method that has something to tune: "
            f"{', '.join(row['name'] for row in searched)}."
            + (f" Stopped early among them: {pruned}." if pruned else "")
            + (f" Failed: {failed}." if failed else "")
        )
    if without:
        said.append(f"Nothing to tune, one trial: {', '.join(without)}.")
    return said


def edges_in_words(rows: Sequence[Row]) -> list[str]:
    """Best settings at the edge of what was searched: the best may lie beyond."""
    return [
        f"Warning: the best {name} of {row['name']} ({row['best_params'][name]:.4g}) lies at the "
        f"{end} edge of what was searched; a better one may lie beyond."
        for row in rows
        for name, end in row["at_edge"].items()
    ]


def keep_found(
    folder: Path, config: ExperimentConfig, found: Row, methods: Sequence[Method], done: Trials
) -> None:
    """Write tuning.json and trials.csv; the same trials, the same bytes."""
    write_json(folder / "tuning.json", found)
    rows = [
        {
            "method": trial.method,
            "trial": trial.number,
            "state": trial.state,
            "value": trial.value,
            "n_rounds": max(trial.curve, default=None),
            "params": json.dumps(trial.params, sort_keys=True),
            "why": trial.why,
        }
        for method in methods
        for _, trial in sorted(done[method.name].items())
    ]
    write_text(folder / "trials.csv", csv_text(rows))


def csv_text(rows: Sequence[Row]) -> str:
    """Rows of the same keys as CSV; numbers with all their digits, None as nothing."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
