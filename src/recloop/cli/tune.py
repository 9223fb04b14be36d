"""`recloop tune`: as many trials for every method, then the best ones on the test part."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop.cli.options import Config, DataPath, Json, Seed, Set


def tune(
    config: Config = Path("configs/tune.yaml"),
    output_dir: Annotated[
        Path,
        typer.Option("--output-dir", "--output_dir", "--output", "-o", help="The tuning folder."),
    ] = Path("tuned"),
    trials: Annotated[
        int | None, typer.Option("--trials", help="Overrides tuning.n_trials, of every method.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", help="Overrides tuning.models; names, with commas or repeated."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes; the results do not depend on it.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a tuning, or fail if there is none.")
    ] = False,
    no_benchmark: Annotated[
        bool, typer.Option("--no-benchmark", help="Do not measure the best on the test part.")
    ] = False,
    data: DataPath = None,
    seed: Seed = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Choose every method's parameters with the same number of trials; measure the best ones.

    Trials are scored on the validation part. Run again after an interrupt, or a kill, to go on.
    """
    from recloop.cli.progress import Bars
    from recloop.experiment import load_config
    from recloop.experiment.tuning.tune import run_tuning

    overrides = list(set_ or [])
    overrides += [f"data.path={json.dumps(data)}"] if data is not None else []
    overrides += [f"seed={seed}"] if seed is not None else []
    overrides += [f"tuning.n_trials={trials}"] if trials is not None else []
    if models:
        names = [name.strip() for text in models for name in text.split(",") if name.strip()]
        overrides.append(f"tuning.models={json.dumps(names)}")
    with Bars("working on") as progress:
        found = run_tuning(
            load_config(config, overrides),
            output_dir,
            n_workers=workers,
            resume=resume,
            measured=not no_benchmark,
            progress=progress,
        )
    if as_json:
        print(json.dumps(found, indent=2))
        return
    _print(found.get("rows", []), found)
    for text in found["statements"]:
        print(f"- {text}")
    best = "" if no_benchmark else f"\nReport: {output_dir / 'report.html'}"
    print(f"\nAll trials: {output_dir / 'trials.csv'}{best}")


def _print(rows: list[dict[str, Any]], found: dict[str, Any]) -> None:
    if not rows:
        rows = [
            {**row, "validation": row["best_value"], "test": None, "ci_low": None}
            for row in found["methods"]
        ]
    width = max(len(row["name"]) for row in rows)
    print(f"{found['metric']:<{width}}{'trials':>8}{'validation':>12}{'test':>10}{'95 %':>22}")
    for row in rows:
        interval = "" if row["ci_low"] is None else f"[{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
        print(
            f"{row['name']:<{width}}{row['n_trials']:>8}{_number(row['validation']):>12}"
            f"{_number(row['test']):>10}{interval:>22}"
        )
    print()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
