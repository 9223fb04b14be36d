"""After tuning: the best settings trained and measured on the test part, by the run's own code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from recloop.errors import InvalidConfig
from recloop.experiment.build import WORLD_MODEL, Entry
from recloop.experiment.config import ExperimentConfig, ModelSection
from recloop.experiment.folder import RunFolder, config_text
from recloop.experiment.report import section, statements_html
from recloop.experiment.run import run_experiment
from recloop.experiment.training import Progress
from recloop.experiment.tuning.objective import section_of
from recloop.experiment.tuning.results import csv_text
from recloop.experiment.tuning.trials import Method
from recloop.utils.files import write_json, write_text

UNTUNED = "-untuned"
BEST = "best.yaml"

Row = dict[str, Any]


def benchmark(
    config: ExperimentConfig,
    folder: Path,
    rows: Sequence[Entry],
    methods: Sequence[Method],
    found: Row,
    data_dir: Path,
    progress: Progress,
) -> Row:
    """Train and measure the best settings, each with `training.n_seeds` seeds; write the table."""
    best = best_config(config, rows, methods, found)
    write_text(folder / BEST, config_text(best))
    run = run_experiment(best, folder / "benchmark", data_dir=data_dir, progress=progress)
    board = leaderboard(run, found)
    write_text(folder / "leaderboard.csv", csv_text([_flat(row) for row in board["rows"]]))
    write_json(folder / "leaderboard.json", board)
    write_text(folder / "report.html", report(board))
    return board


def best_config(
    config: ExperimentConfig, rows: Sequence[Entry], methods: Sequence[Method], found: Row
) -> ExperimentConfig:
    """The configuration of the benchmark: every method with its best parameters, or as it was."""
    tuned = {method.name: method for method in methods}
    best = {row["name"]: row for row in found["methods"]}
    models: list[ModelSection] = []
    for listed in rows:
        if listed.name == WORLD_MODEL:  # it joins by itself, as a control as well
            continue
        controls = tuple(name for name in listed.controls if name != WORLD_MODEL)
        row = replace(listed, controls=controls)
        if row.name not in tuned:
            models.append(section_of(row, config))
            continue
        one = best[row.name]
        params = {**row.params, **one["best_params"]}
        models.append(section_of(replace(row, params=params, n_trials=one["n_trials"]), config))
        if config.tuning.untuned and one["best_trial"] > 0:
            first = replace(row, name=row.name + UNTUNED, controls=(), n_trials=0)
            models.append(section_of(first, config))
    return config.model_copy(update={"models": models})


def check_names(config: ExperimentConfig, rows: Sequence[Entry], methods: Sequence[Method]) -> None:
    """InvalidConfig where an untuned method would take the name of another."""
    names = {row.name for row in rows}
    for method in methods:
        if config.tuning.untuned and method.name + UNTUNED in names:
            raise InvalidConfig(
                f"models: the name '{method.name}{UNTUNED}' is needed for {method.name} as it was "
                "before tuning. Rename that model, or set tuning.untuned to false."
            )


def leaderboard(run: RunFolder, found: Row) -> Row:
    """The table of the test part beside what tuning found; no times are in it."""
    results, tuned = run.metrics(), {row["name"]: row for row in found["methods"]}
    metric = found["metric"]
    rows = [_row(row, metric, tuned) for row in results["models"]]
    rows.sort(key=lambda row: float("inf") if row["test"] is None else -row["test"])
    return {
        **{key: found[key] for key in ("recloop", "seed", "trial_seeds", "metric", "n_trials")},
        "rows": rows,
        "tuned": found["methods"],
        "comparisons": results["comparisons"],
        "statements": [*found["statements"], *results["statements"]],
    }


def _row(row: Row, metric: str, tuned: Mapping[str, Row]) -> Row:
    over_people = row.get("metrics", {}).get(metric)
    value = over_people or {"mean": row.get(metric), **row}
    one = tuned.get(row["name"])
    before = tuned.get(row["name"].removesuffix(UNTUNED))
    n_trials = one["n_trials"] if one else 0
    return {
        "name": row["name"],
        "type": row["type"],
        "n_trials": n_trials,
        "n_pruned": one["n_pruned"] if one else 0,
        "n_failed": one["n_failed"] if one else 0,
        "n_seeds": row["n_seeds"],
        "validation": one["best_value"] if one else before["first_value"] if before else None,
        "test": value["mean"],
        "ci_low": value["ci_low"],
        "ci_high": value["ci_high"],
        "at_edge": sorted(one["at_edge"]) if one else [],
        "params": row["params"],
    }


def _flat(row: Row) -> Row:
    return row | {
        "at_edge": " ".join(row["at_edge"]),
        "params": json.dumps(row["params"], sort_keys=True),
    }


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:68rem;margin:0 auto;padding:1.5rem}"
    "table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem;text-align:right;"
    "border-bottom:1px solid #d0d7de}th:first-child,td:first-child,td.left{text-align:left}"
)


def report(board: Row) -> str:
    """One page without scripts: what was found, the table with its budgets, every best setting."""
    columns = ("name", "n_trials", "n_pruned", "n_failed", "n_seeds", "validation", "test")
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(_shown(row[name]))}</td>" for name in columns)
        + f"<td>{_shown(row['ci_low'])} to {_shown(row['ci_high'])}</td>"
        f"<td class='left'>{escape(_settings(row))}</td></tr>"
        for row in board["rows"]
    )
    table = f"<table><tr>{head}<th>interval</th><th>settings</th></tr>{body}</table>"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<title>recloop benchmark</title><style>{_STYLE}</style></head><body>"
        f"<h1>Benchmark at equal budgets</h1><p>{escape(board['metric'])}; seed {board['seed']}. "
        "Figures of each run stand in <a href='benchmark/report.html'>its own report</a>.</p>"
        + section("What it says", statements_html(board["statements"]))
        + section("Leaderboard", table)
        + "</body></html>\n"
    )


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _settings(row: Row) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in row["params"].items()
    )
