"""`recloop log`: bring decisions into a log, take them out, look at it, prove it whole."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop.cli.options import Json
from recloop.errors import InvalidParameter

app = typer.Typer(
    help="Import, export, back up, describe and verify a decision log.", no_args_is_help=True
)

Log = Annotated[str, typer.Argument(help="A file (SQLite), or postgresql://user@host/database.")]
AnyLog = Annotated[
    str,
    typer.Argument(
        help="A file (SQLite), postgresql://user@host/database, an exported folder, a Parquet file "
        "of decisions, an Open Bandit folder or file, or a CSV log."
    ),
]
FORMATS = ("auto", "database", "export", "parquet", "open-bandit", "csv")


@app.command("import")
def import_(
    log: Log,
    sources: Annotated[list[str], typer.Argument(help="Logs of any kind, in this order.")],
    layout: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "auto",
    policy: Annotated[str, typer.Option(help="For CSV files that name none.")] = "logged",
    propensity_kind: Annotated[
        str, typer.Option("--propensity-kind", help="conditional, marginal or estimated.")
    ] = "conditional",
    as_json: Json = False,
) -> None:
    """Append what other logs hold: databases, exported folders, Parquet, Open Bandit or CSV files.

    What the log has already is a duplicate and changes nothing. Several Open Bandit logs given
    together share one vocabulary of context columns.
    """
    from recloop.decisions import import_from, kind_of_log, open_bandit_vocabulary, open_log
    from recloop.utils.checks import check_choice

    check_choice("recloop log import", "--format", layout, FORMATS)
    found = [kind_of_log(source) for source in sources]
    kinds: list[Any] = found if layout == "auto" else [layout] * len(sources)
    bandits = [s for s, kind in zip(sources, kinds, strict=True) if kind == "open-bandit"]
    vocabulary = open_bandit_vocabulary(bandits) if bandits else None
    totals: dict[str, int] = {}
    notes: list[str] = []
    with open_log(log) as opened:
        for source, kind in zip(sources, kinds, strict=True):
            counts = import_from(
                opened,
                source,
                kind,
                vocabulary=vocabulary,
                policy=policy,
                propensity_kind=propensity_kind,  # type: ignore[arg-type]
                notes=notes,
            )
            for name, n in counts.items():
                totals[name] = totals.get(name, 0) + n
    for note in notes:
        print(note, file=sys.stderr)
    _print(totals, as_json)


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
def describe(log: AnyLog, as_json: Json = False) -> None:
    """Say what a log holds: records by kind, policy, event and result, time, room on disk."""
    from recloop.decisions.sources import describe_any

    _print(describe_any(log), as_json)


@app.command()
def backup(
    log: Log,
    file: Annotated[Path, typer.Argument(help="A new file for the copy.")],
) -> None:
    """Copy a log as of one moment, also while a service writes it; the copy is checked."""
    from recloop.decisions.backups import back_up

    n = back_up(log, file)
    print(f"{file}: whole, up to seq {n:,}.")


@app.command()
def archive(
    log: Log,
    folder: Annotated[Path, typer.Argument(help="A new folder for the Parquet files.")],
    before: Annotated[str, typer.Option(help="A place in the log, or a date (2026-01-31).")],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="Of the service, which must not run.")
    ] = Path("serving"),
    as_json: Json = False,
) -> None:
    """Move old records of a service's log into a folder: those that can teach nothing more.

    What is too young, not in a snapshot yet, or still spoken of stays. The service goes on from its
    snapshot; `restore` brings everything back.
    """
    from recloop.serving.archiving import archive as move

    seq, moment = (int(before), None) if before.isdigit() else (None, _moment(before))
    _print(move(log, folder, data_dir, before_seq=seq, before_time=moment), as_json)


def _moment(text: str) -> float:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidParameter(
            f"--before: must be a place in the log or a date such as 2026-01-31, got '{text}'."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@app.command()
def restore(
    log: Log,
    folders: Annotated[list[Path], typer.Argument(help="Archives of this log, oldest first.")],
    as_json: Json = False,
) -> None:
    """Bring archived records back into a log; "left" are those that are still in other archives."""
    from recloop.serving.archiving import restore as bring_back

    _print(bring_back(log, folders), as_json)


@app.command()
def forget(
    log: Log,
    user: Annotated[str, typer.Option("--user", help="The id of the person.")],
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Of the service, where the log is one's.")
    ] = None,
) -> None:
    """Erase who a person is: the id becomes a pseudonym, records and what was learned stay.

    A service that is running does this itself: POST /v1/users/ID:forget.
    """
    from recloop.decisions.backups import forget_user

    if data_dir is None:
        forget_user(log, user)
    else:
        from recloop.serving.forgetting import forget_offline

        forget_offline(log, data_dir, user)
    print("Forgotten. Copies, exports and registered models that name them are yours to see to.")


@app.command()
def verify(log: AnyLog, as_json: Json = False) -> None:
    """Read everything and say what does not hold together; exit code 1 where something does not."""
    from recloop.decisions.sources import verify_any

    found, n = verify_any(log)
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
