"""`recloop ope`: what another policy would have earned, from the log of this one."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop.cli.options import Json

UNRELIABLE = 3


def ope(
    log: Annotated[str, typer.Argument(help="A decision log, or a folder or file of Open Bandit.")],
    policy: Annotated[
        str, typer.Option(help="uniform, or a model of the run folder --models-dir.")
    ] = "uniform",
    models_dir: Annotated[
        Path | None, typer.Option("--models-dir", "--models_dir", help="A run folder.")
    ] = None,
    estimator: Annotated[
        list[str] | None, typer.Option("--estimator", help="Repeat for several; default: all.")
    ] = None,
    missing: Annotated[
        float | None, typer.Option(help="The reward where none is known; default: refuse.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Print numbers that the floors refuse, and exit 0.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the bootstrap.")] = 0,
    as_json: Json = False,
) -> None:
    """Estimate a policy's mean reward a decision; exit code 3 where the log cannot answer."""
    from recloop.experiment.off_policy import judge_policy

    found = judge_policy(
        log,
        policy,
        models_dir=models_dir,
        estimators=estimator,
        missing=missing,
        force=force,
        seed=seed,
    )
    if as_json:
        shown = {"policy": found.policy, "n_decisions": found.n_decisions, "estimates": found.rows}
        print(json.dumps(shown, indent=2))
    else:
        _print(found.policy, found.n_decisions, found.rows)
    if found.is_unreliable and not force:
        raise SystemExit(UNRELIABLE)


def _print(policy: str, n: int, rows: list[dict[str, Any]]) -> None:
    print(f"{policy} on {n:,} decisions")
    width = max(len(row["estimator"]) for row in rows)
    print(f"{'':<{width}}{'value':>12}{'95 % interval':>26}{'effective rows':>16}{'max share':>11}")
    for row in rows:
        value = "unreliable" if row["value"] is None else f"{row['value']:.6f}"
        around = "-" if row["low"] is None else f"[{row['low']:.6f}, {row['high']:.6f}]"
        weights = row["diagnostics"]
        print(
            f"{row['estimator']:<{width}}{value:>12}{around:>26}"
            f"{weights['effective_rows']:>16,.1f}{weights['max_share']:>11.1%}"
        )
    for row in rows:
        for reason in row["reasons"]:
            print(f"{row['estimator']}: {reason}.", file=sys.stderr)
    for advice in dict.fromkeys(text for row in rows for text in row["advice"]):
        print(f"What would help: {advice}.", file=sys.stderr)
