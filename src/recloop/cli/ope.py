"""`recloop ope`: what another policy would have earned, from the log of this one."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop.cli.options import Json

UNRELIABLE = 3
NO_MODEL = "none"


def ope(
    log: Annotated[
        str, typer.Argument(help="A decision log of any kind; see recloop log describe.")
    ],
    policy: Annotated[
        str, typer.Option(help="uniform, or a model of the run folder --models-dir.")
    ] = "uniform",
    models_dir: Annotated[
        Path | None, typer.Option("--models-dir", "--models_dir", help="A run folder.")
    ] = None,
    estimator: Annotated[
        list[str] | None, typer.Option("--estimator", help="Repeat for several; default: all.")
    ] = None,
    reward_model: Annotated[
        str, typer.Option(help="ridge, logistic, trees, or none: for dm, dr and their kin.")
    ] = "ridge",
    reward_range: Annotated[
        tuple[float, float] | None,
        typer.Option(help="LOW HIGH of every reward: intervals of biased estimators carry it."),
    ] = None,
    item_groups: Annotated[
        Path | None, typer.Option(help="A CSV of item_id,group: brings mips and offcem.")
    ] = None,
    logging: Annotated[
        str | None, typer.Option(help="The policy that logged: uniform, or a model, for mips.")
    ] = None,
    per: Annotated[str, typer.Option(help="What a value is of: decision or session.")] = "decision",
    gap: Annotated[float, typer.Option(help="Seconds of a break between sessions.")] = 1800.0,
    discount: Annotated[float, typer.Option(help="Of later rewards of a session.")] = 1.0,
    setting: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER of an estimator, such as switch_dr=20.")
    ] = None,
    floor: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER of a floor, such as largest_weight=0.2.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1000,
    missing: Annotated[
        float | None, typer.Option(help="The reward where none is known; default: refuse.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Print numbers that the floors refuse, and exit 0.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the bootstrap and the folds.")] = 0,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a page with figures: FILE.html.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate a policy's mean reward; exit code 3 where the log cannot answer."""
    from recloop.evaluation.ope import Floors
    from recloop.evaluation.ope.methods import CUT
    from recloop.experiment.off_policy import Judging, judge_policy

    found = judge_policy(
        log,
        policy,
        models_dir=models_dir,
        floors=Floors(**_numbers("--floor", floor, list(Floors.__dataclass_fields__))),
        missing=missing,
        force=force,
        seed=seed,
        how=Judging(
            estimators=estimator or None,
            reward_model=None if reward_model == NO_MODEL else reward_model,
            reward_range=reward_range,
            item_groups=item_groups,
            logging=logging,
            per=per,
            gap_s=gap,
            discount=discount,
            settings=_numbers("--setting", setting, list(CUT)),
            confidence=confidence,
            n_resamples=resamples,
        ),
    )
    if report is not None:
        from recloop.experiment.off_policy_report import off_policy_report_html
        from recloop.utils.files import write_text

        write_text(report, off_policy_report_html(found))
        print(f"Report: {report}", file=sys.stderr)
    if as_json:
        shown = {
            "policy": found.policy,
            "n_decisions": found.n_decisions,
            "estimates": found.rows,
            "notes": list(found.notes),
        }
        print(json.dumps(shown, indent=2))
    else:
        _print(found.policy, found.n_decisions, found.rows, confidence)
    for note in found.notes:
        print(f"Note: {note}.", file=sys.stderr)
    if found.is_unreliable and not force:
        raise SystemExit(UNRELIABLE)


def _numbers(option: str, given: list[str] | None, known: list[str]) -> dict[str, float]:
    """NAME=NUMBER of each use of an option."""
    from recloop.errors import InvalidParameter
    from recloop.utils.names import unknown_name

    found = {}
    for text in given or []:
        name, _, number = text.partition("=")
        if name not in known:
            raise unknown_name(f"name for {option}", name, known)
        try:
            found[name] = float(number)
        except ValueError:
            raise InvalidParameter(
                f"recloop ope: {option} must be NAME=NUMBER, got '{text}'."
            ) from None
    return found


def _print(policy: str, n: int, rows: list[dict[str, Any]], confidence: float) -> None:
    print(f"{policy} on {n:,} decisions")
    width = max(len(row["estimator"]) for row in rows)
    around = f"{100 * confidence:g} % interval"
    print(
        f"{'':<{width}}{'value':>12}{around:>26}{'effective rows':>16}{'max share':>11}  interval"
    )
    for row in rows:
        value = "unreliable" if row["value"] is None else f"{row['value']:.6f}"
        ends = "-" if row["low"] is None else f"[{row['low']:.6f}, {row['high']:.6f}]"
        weights = row["diagnostics"]
        print(
            f"{row['estimator']:<{width}}{value:>12}{ends:>26}"
            f"{weights['effective_rows']:>16,.1f}{weights['max_share']:>11.1%}"
            f"  {row['interval'] or '-'}"
        )
    for row in rows:
        for reason in row["reasons"]:
            print(f"{row['estimator']}: {reason}.", file=sys.stderr)
    for advice in dict.fromkeys(text for row in rows for text in row["advice"]):
        print(f"What would help: {advice}.", file=sys.stderr)
