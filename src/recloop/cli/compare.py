"""`recloop compare`: models of one or two run folders on the same people, and what follows."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop.cli.options import Json

NOT_KNOWN = 3


def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder; its models are judged.")],
    run_b: Annotated[
        Path | None, typer.Argument(help="The run folder of the controls; default: the same.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Such as recall@10; default: the one of the run.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Names or pairs MODEL:CONTROL, with commas between. In one folder the first name "
            "meets each of the others; of two folders each meets its namesake."
        ),
    ] = None,
    unit: Annotated[
        str, typer.Option(help="people: about these trained models; seeds: about training again.")
    ] = "people",
    least: Annotated[
        float | None, typer.Option(help="The smallest difference worth having.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals and verdicts.")] = 0.95,
    n_resamples: Annotated[int, typer.Option("--resamples", help="Of bootstrap and signs.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Of the resampling.")] = 0,
    as_json: Json = False,
) -> None:
    """Compare models person by person: RUN_A's minus RUN_B's.

    Exit code 0: every pair was judged, "no benefit" included; 2: a mistake in the input, or runs
    that did not judge the same people by the same number; 3: at least one pair is not known, for
    there are too few.
    """
    from recloop.experiment.run_comparison import compare_runs

    found = compare_runs(
        run_a,
        run_b,
        models=[one.strip() for one in models.split(",") if one.strip()] if models else [],
        metric=metric,
        unit=unit,  # type: ignore[arg-type]
        least=least,
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
    )
    rows = found.rows()
    if as_json:
        print(json.dumps({"metric": found.metric, "unit": unit, "comparisons": rows}, indent=2))
    else:
        _print(found.metric, unit, confidence, rows)
    if not found.is_known:
        raise SystemExit(NOT_KNOWN)


def _print(metric: str, unit: str, confidence: float, rows: list[dict[str, Any]]) -> None:
    names = [f"{row['model']} - {row['control']}" for row in rows]
    width = max(map(len, names))
    around = f"{100 * confidence:.4g} % interval"
    print(
        f"{metric:<{width}}{'difference':>12}{around:>24}{'p (Holm)':>10}"
        f"{'better/same/worse':>22}{unit + ' needed':>16}"
    )
    for name, row in zip(names, rows, strict=True):
        counts = f"{row['wins']:,}/{row['ties']:,}/{row['losses']:,}"
        print(
            f"{name:<{width}}{_signed(row['difference']):>12}{_interval(row):>24}"
            f"{row['p_holm']:>10.3g}{counts:>22}{_count(row['n_needed']):>16}"
        )
    print()
    for name, row in zip(names, rows, strict=True):
        print(f"- {name}: {row['verdict']}{_of_seeds(row)}.")
    undefined = max(row["n_undefined"] for row in rows)
    if undefined:
        print(f"Undefined for one of both and left out: up to {undefined:,} {unit}.",
              file=sys.stderr)  # fmt: skip


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4g}"


def _interval(row: dict[str, Any]) -> str:
    if row["ci_low"] is None:
        return "-"
    return f"[{row['ci_low']:+.4g}, {row['ci_high']:+.4g}]"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _of_seeds(row: dict[str, Any]) -> str:
    seeds = row["seed_differences"]
    if not seeds or row["unit"] == "seeds":
        return ""
    return f" (above 0 in {sum(one > 0 for one in seeds)} of {len(seeds)} seeds)"
