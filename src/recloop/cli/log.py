"""`recloop log`: bring decisions into a log, take them out, look at it, prove it whole."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop.cli.options import Json
from recloop.errors import MissingData

app = typer.Typer(help="Import, export, describe and verify a decision log.", no_args_is_help=True)

Log = Annotated[str, typer.Argument(help="A file (SQLite), or postgresql://user@host/database.")]
FORMATS = ("auto", "export", "parquet", "open-bandit", "csv")


@app.command("import")
def import_(
    log: Log,
    sources: Annotated[list[Path], typer.Argument(help="Files or folders, in this order.")],
    layout: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "auto",
    policy: Annotated[str, typer.Option(help="For CSV files that name none.")] = "logged",
    propensity_kind: Annotated[
        str, typer.Option("--propensity-kind", help="conditional, marginal or estimated.")
    ] = "conditional",
    as_json: Json = False,
) -> None:
    """Append what exported folders, Parquet files, Open Bandit files or CSV logs hold.

    What the log has already is a duplicate and changes nothing. Several Open Bandit logs given
    together share one vocabulary of context columns.
    """
    from recloop.decisions import import_log, open_log
    from recloop.utils.checks import check_choice

    check_choice("recloop log import", "--format", layout, FORMATS)
    layouts = [_layout_of(source) if layout == "auto" else layout for source in sources]
    vocabulary = _vocabulary([s for s, one in zip(sources, layouts, strict=True) if
                              one == "open-bandit"])  # fmt: skip
    totals: dict[str, int] = {}
    with open_log(log) as opened:
        for source, one in zip(sources, layouts, strict=True):
            if one == "export":
                found = import_log(opened, source)
            else:
                found = _added(opened, source, one, vocabulary, policy, propensity_kind)
            for name, n in found.items():
                totals[name] = totals.get(name, 0) + n
    _print(totals, as_json)


def _layout_of(source: Path) -> str:
    from recloop.decisions.open_bandit import is_open_bandit

    if not source.exists():
        raise MissingData(f"{source}: no such file or folder.")
    if (source / "manifest.json").is_file():
        return "export"
    if source.suffix == ".parquet":
        return "parquet"
    return "open-bandit" if is_open_bandit(source) else "csv"


def _vocabulary(sources: list[Path]) -> Any:
    from recloop.decisions import open_bandit_vocabulary

    return open_bandit_vocabulary(sources) if sources else None


def _added(
    log: Any, source: Path, layout: str, vocabulary: Any, policy: str, propensity_kind: str
) -> dict[str, int]:
    from recloop.decisions import (
        add_decisions,
        add_to_log,
        read_csv_log,
        read_decisions,
        read_open_bandit,
    )

    if layout == "parquet":
        return add_decisions(log, read_decisions(source))
    if layout == "open-bandit":
        read = read_open_bandit(source, vocabulary=vocabulary)
    else:
        read = read_csv_log(source, policy=policy, propensity_kind=propensity_kind)  # type: ignore[arg-type]
    for note in read.notes:
        print(note, file=sys.stderr)
    return add_to_log(log, read)


@app.command()
def export(
    log: Log,
    folder: Annotated[Path, typer.Argument(help="A new folder for the Parquet files.")],
    first: Annotated[int, typer.Option(help="From this place in the log.")] = 1,
    last: Annotated[int | None, typer.Option(help="To this place; default: the newest.")] = None,
    as_json: Json = False,
) -> None:
    """Write a range of the log as Parquet files with a manifest of checksums."""
    from recloop.decisions import export_log, open_log

    with open_log(log, create=False) as opened:
        _print(export_log(opened, folder, first, last), as_json)


@app.command()
def describe(log: Log, as_json: Json = False) -> None:
    """Say what a log holds: records by kind, policy, event and result, time, room on disk."""
    from recloop.decisions import describe_log, open_log

    with open_log(log, create=False) as opened:
        _print(describe_log(opened), as_json)


@app.command()
def verify(log: Log, as_json: Json = False) -> None:
    """Read everything and say what does not hold together; exit code 1 where something does not."""
    from recloop.decisions import open_log, verify_log

    with open_log(log, create=False) as opened:
        found = verify_log(opened)
        n = opened.last_seq
    if as_json:
        print(json.dumps({"log": log, "last_seq": n, "problems": found}, indent=2))
    else:
        print("\n".join(found) or f"{log}: whole, up to seq {n}.")
    if found:
        raise SystemExit(1)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {n:,}" for key, n in value.items()) or "none"
        elif isinstance(value, int | float) and name.endswith("timestamp"):
            shown = f"{value:.3f}"
        elif isinstance(value, int | float):
            shown = f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
        print(f"{name:<20} {'-' if value is None else shown}")
