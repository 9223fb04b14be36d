"""Any log, whatever it is kept in: a database, an export, a file of another system.

kind_of_log     which kind of log lies at a place
any_log         that log, to be looked at as a DecisionLog
read_log        its decisions with what they earned, in one batch
import_from     all that it holds, appended to another log
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from recloop.decisions import parquet
from recloop.decisions.csv_logs import columns_that_lack, is_csv_log, read_csv_log
from recloop.decisions.describing import describe_log, verify_log
from recloop.decisions.folders import export_log, import_log
from recloop.decisions.log import DecisionLog
from recloop.decisions.open_bandit import Vocabulary, is_open_bandit, read_open_bandit
from recloop.decisions.opening import ADDRESS, open_log
from recloop.decisions.reading import ReadLog, add_to_log
from recloop.decisions.writing import add_decisions
from recloop.errors import InvalidData, MissingData, RecloopError
from recloop.types import LoggedDecisions, PropensityKind
from recloop.utils.files import MANIFEST, checked_file

LogKind = Literal["database", "export", "parquet", "open-bandit", "csv"]
LOG_KINDS: tuple[LogKind, ...] = get_args(LogKind)
ACCEPTED = (
    "A decision log is a SQLite file, postgresql://user@host/database, a folder of `recloop log "
    "export`, a Parquet file of decisions, an Open Bandit folder or file, or a CSV file with the "
    "columns user_id, item_id and propensity (or user_id, items and propensities)."
)

_SQLITE = b"SQLite format 3\x00"
_PARQUET = b"PAR1"
_REFUSED = ("decision.conflict", "reward.conflict", "reward.not_shown", "control.conflict")


def found_log(place: str | Path) -> LogKind | None:
    """Which kind of log lies at a place, None where something else does.

    MissingData where nothing is; a database counts as a log, whatever it holds.
    """
    if ADDRESS.match(str(place)):
        return "database"
    path = Path(place)
    if path.is_dir():
        if (path / MANIFEST).is_file() and (path / "decisions.parquet").is_file():
            return "export"
        return "open-bandit" if is_open_bandit(path) else None
    if not path.is_file():
        raise MissingData(f"{place}: no such decision log. {ACCEPTED}")
    with path.open("rb") as file:
        start = file.read(len(_SQLITE))
    if start == _SQLITE or (not start and path.suffix in (".db", ".sqlite")):
        return "database"
    if start.startswith(_PARQUET):
        return "parquet" if parquet.holds_decisions(path) else None
    if is_open_bandit(path):
        return "open-bandit"
    return "csv" if is_csv_log(path) else None


def kind_of_log(place: str | Path) -> LogKind:
    """Which kind of log lies at a place; InvalidData says what would be one."""
    kind = found_log(place)
    if kind is None:
        raise InvalidData(not_a_log(place))
    return kind


def not_a_log(place: str | Path) -> str:
    """That no log lies at a place, what would be one, and which logs lie below it."""
    said = f"{place}: is no decision log. {ACCEPTED}"
    path = Path(place)
    if path.is_dir():
        folders = [one for one in sorted([*path.glob("*"), *path.glob("*/*")]) if one.is_dir()]
        below = [str(one.relative_to(path)) for one in folders if found_log(one)]
        if below:
            said += f" There are logs in its folders {', '.join(below)}: name one of them."
    elif path.is_file():
        said += columns_that_lack(path)
    return said


@contextmanager
def any_log(place: str | Path) -> Iterator[DecisionLog]:
    """The log at a place, to be looked at; what is no database is first read into one that goes.

    A log that is not there is not made.
    """
    kind = kind_of_log(place)
    if kind == "database":
        with open_log(place, create=False) as log:
            yield log
        return
    with (
        tempfile.TemporaryDirectory(prefix="recloop-log-") as folder,
        open_log(Path(folder) / "log.db") as log,
    ):
        import_from(log, place, kind)
        yield log


def read_log(place: str | Path) -> ReadLog:
    """All decisions of the log at a place with what they earned, and the ids of the codes.

    Where people or items have no ids, their numbers as text are; of people only those who occur.
    """
    kind = kind_of_log(place)
    if kind == "open-bandit":
        return read_open_bandit(place)
    if kind == "csv":
        return read_csv_log(place)
    names: dict[str, list[str]] = {"user": [], "item": []}
    if kind == "database":
        with open_log(place, create=False) as log:
            decisions = log.read()
            names = {name: log.ids(name) for name in names}
    elif kind == "export":
        root = Path(place)
        decisions = parquet.read_decisions(checked_file(root, "decisions.parquet"))
        names = parquet.read_names(checked_file(root, "names.parquet"))
    else:
        decisions = parquet.read_decisions(place)
    users, items = names["user"], names["item"]
    if not users:
        known, codes = np.unique(decisions.users, return_inverse=True)
        decisions, users = replace(decisions, users=codes), [str(code) for code in known]
    return ReadLog(decisions, users, items or _numbers_of_items(decisions))


def _numbers_of_items(decisions: LoggedDecisions) -> list[str]:
    """0 to the highest number that is shown, offered or excluded."""
    shown = [decisions.items]
    shown += [one.values for one in (decisions.candidates, decisions.excluded) if one is not None]
    return [str(code) for code in range(max(int(one.max(initial=-1)) for one in shown) + 1)]


def import_from(
    log: DecisionLog,
    place: str | Path,
    kind: LogKind | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    policy: str = "logged",
    propensity_kind: PropensityKind = "conditional",
    notes: list[str] | None = None,
) -> dict[str, int]:
    """Append all that the log at a place holds; how many records had each result.

    kind: where it is not to be recognised. vocabulary: of Open Bandit logs that are compared.
    policy, propensity_kind: for CSV logs that say none. notes: what had to be supposed is added.
    """
    kind = kind_of_log(place) if kind is None else kind
    if kind == "database":
        with tempfile.TemporaryDirectory(prefix="recloop-log-") as folder:
            with open_log(place, create=False) as other:
                export_log(other, Path(folder) / "log")
            return import_log(log, Path(folder) / "log")
    if kind == "export":
        return import_log(log, place)
    if kind == "parquet":
        return add_decisions(log, parquet.read_decisions(place))
    if kind == "open-bandit":
        read = read_open_bandit(place, vocabulary=vocabulary)
    else:
        read = read_csv_log(place, policy=policy, propensity_kind=propensity_kind)
    if notes is not None:
        notes += read.notes
    return add_to_log(log, read)


def describe_any(place: str | Path) -> dict[str, Any]:
    """What `describe_log` says of the log at a place; room on disk is that of the place itself."""
    kind = kind_of_log(place)
    with any_log(place) as log:
        found = {"kind": kind, **describe_log(log)}
    if kind != "database":
        n_bytes, n = _n_bytes(Path(place)), found["decisions"]
        found |= {"log": str(place), "bytes": n_bytes}
        found["bytes_per_decision"] = n_bytes / n if n else None
    return found


def verify_any(place: str | Path) -> tuple[list[str], int]:
    """What `verify_log` finds wrong with the log at a place, and its last seq.

    Of files also what no log would take: bad values, other checksums, conflicts, rewards of what
    was not shown.
    """
    kind = kind_of_log(place)
    try:
        with any_log(place) as log:
            found = verify_log(log)
            if kind != "database":
                found += _refused(log.counts())
            return found, log.last_seq
    except RecloopError as error:
        if kind == "database":
            raise
        return [str(error)], 0


def _refused(counts: dict[str, int]) -> list[str]:
    return [f"{what}: {counts[what]} records." for what in _REFUSED if counts.get(what)]


def _n_bytes(path: Path) -> int:
    files: Sequence[Path] = [path] if path.is_file() else [f for f in path.iterdir() if f.is_file()]
    return sum(file.stat().st_size for file in files)


def shown_place(place: str | Path) -> str:
    """The name of a place for reports: an address without its password, else the last part."""
    text = str(place)
    if ADDRESS.match(text):
        return re.sub(r"//([^/@:]*):[^@]*@", r"//\1:***@", text)
    return Path(text).name or text
