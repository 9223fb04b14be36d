"""Decisions, rewards and controls in Parquet files, as the tables of `arrow_tables`.

The file's metadata says what it is and of which version.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recloop.decisions.arrow_tables import (
    CONTROLS,
    DECISIONS,
    NAMES,
    REWARDS,
    WORD,
    decision_table,
    decisions_of,
    one_layout_each,
    reward_table,
    rewards_of,
)
from recloop.decisions.batches import concatenated
from recloop.decisions.checking import check_decisions, check_rewards
from recloop.decisions.records import Control
from recloop.errors import DamagedFile, InvalidData, MissingData
from recloop.types import LoggedDecisions, LoggedRewards
from recloop.utils.files import atomic_write

FORMAT = "recloop decisions"
VERSION = 1
ROWS_A_GROUP = 100_000
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)


def write_decisions(path: str | Path, decisions: LoggedDecisions) -> None:
    """Decisions with what they earned, whole or not at all; bad values are refused."""
    check_decisions(decisions)
    n = len(decisions)
    parts = (
        decisions.rows(slice(begin, begin + ROWS_A_GROUP)) for begin in range(0, n, ROWS_A_GROUP)
    )
    write_decision_batches(path, parts)


def read_decisions(path: str | Path) -> LoggedDecisions:
    """The decisions of a file or of an exported folder, in one batch; bad values are refused."""
    file = Path(path)
    if file.is_dir():
        file = file / "decisions.parquet"
    return concatenated(decision_batches(file), str(file))


def holds_decisions(path: str | Path) -> bool:
    """Whether a file says of itself that it holds decisions, of any version."""
    try:
        about = pq.read_schema(path).metadata or {}
    except UNREADABLE:
        return False
    return (about.get(b"recloop.format"), about.get(b"recloop.holds")) == (
        FORMAT.encode(),
        b"decisions",
    )


def write_decision_batches(path: str | Path, batches: Iterable[LoggedDecisions]) -> int:
    """Write batches one after the other; how many decisions there were."""
    return _write(path, DECISIONS, "decisions", map(decision_table, batches))


def write_reward_batches(path: str | Path, batches: Iterable[LoggedRewards]) -> int:
    """Write batches one after the other; how many rewards there were."""
    return _write(path, REWARDS, "rewards", map(reward_table, batches))


def write_controls(path: str | Path, controls: Sequence[Control]) -> int:
    """Write the changes of the policy; how many there were."""
    columns = {name: [getattr(c, name) for c in controls] for name in CONTROLS.names}
    return _write(path, CONTROLS, "controls", [pa.table(columns, CONTROLS)])


def decision_batches(path: str | Path) -> Iterator[LoggedDecisions]:
    """A file's decisions, a row group at a time, cut where the context's columns change."""
    n_before = 0
    for table in _tables(path, DECISIONS, "decisions"):
        for part in one_layout_each(table):
            try:
                batch = decisions_of(part)
            except (pa.ArrowInvalid, ValueError) as error:
                raise InvalidData(
                    f"{path}: decisions from row {n_before + 1} on: {error}"
                ) from None
            yield check_decisions(batch, place=_places(path, n_before, batch))
            n_before += part.num_rows


def reward_batches(path: str | Path) -> Iterator[LoggedRewards]:
    """A file's rewards, a row group at a time."""
    n_before = 0
    for table in _tables(path, REWARDS, "rewards"):
        yield check_rewards(rewards_of(table), place=_places(path, n_before))
        n_before += table.num_rows


def read_controls(path: str | Path) -> list[Control]:
    """The changes of the policy that a file holds."""
    return [
        Control(**row) for table in _tables(path, CONTROLS, "controls") for row in table.to_pylist()
    ]


def write_names(path: str | Path, ids: Mapping[str, list[str]]) -> int:
    """The ids of each kind by code; how many there were."""
    rows = [(kind, code, one) for kind, known in ids.items() for code, one in enumerate(known)]
    table = pa.Table.from_pylist([dict(zip(NAMES.names, row, strict=True)) for row in rows], NAMES)
    return _write(path, NAMES, "names", [table])


def read_names(path: str | Path) -> dict[str, list[str]]:
    """The ids of users and items, by code."""
    found: dict[str, list[str]] = {"user": [], "item": []}
    for table in _tables(path, NAMES, "names"):
        kinds, ids = table["kind"].to_pylist(), table["id"].to_pylist()
        for kind, one in zip(kinds, ids, strict=True):
            found[kind].append(one)
    return found


def _write(path: str | Path, schema: pa.Schema, holds: str, tables: Iterable[pa.Table]) -> int:
    about = {"format": FORMAT, "version": str(VERSION), "holds": holds}
    schema = schema.with_metadata({f"recloop.{k}": v for k, v in about.items()})
    n_rows = 0
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for table in tables:
            writer.write_table(table.cast(schema), row_group_size=ROWS_A_GROUP)
            n_rows += table.num_rows
    return n_rows


def _tables(path: str | Path, schema: pa.Schema, holds: str) -> Iterator[pa.Table]:
    if not Path(path).is_file():
        raise MissingData(f"{path}: no such file.")
    try:
        there = pq.read_schema(path)
        _check_about(path, there.metadata or {}, holds)
        missing = [name for name in schema.names if name not in there.names]
        if missing:
            raise InvalidData(f"{path}: needs the column '{missing[0]}', which is missing.")
        with pq.ParquetFile(path, read_dictionary=_words(schema)) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=schema.names)
    except UNREADABLE as error:
        if isinstance(error, MissingData | DamagedFile):
            raise
        raise DamagedFile(f"{path}: not readable as Parquet ({error}).") from error


def _words(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if field.type == WORD]


def _check_about(path: str | Path, metadata: dict[bytes, bytes], holds: str) -> None:
    about = {name: metadata.get(f"recloop.{name}".encode(), b"").decode() for name in
             ("format", "version", "holds")}  # fmt: skip
    if about["format"] != FORMAT or about["holds"] != holds:
        found = f"{about['format']} ({about['holds']})" if about["format"] else "another file"
        raise DamagedFile(f"{path}: must be {FORMAT} ({holds}), got {found}. It was not read.")
    if not about["version"].isdigit() or int(about["version"]) > VERSION:
        raise DamagedFile(
            f"{path}: is of version {about['version']}; this recloop reads up to {VERSION}. "
            "Install a newer recloop."
        )


def _places(path: str | Path, n_before: int, batch: LoggedDecisions | None = None) -> Any:
    def place(row: int, slot: int | None) -> str:
        within = "" if slot is None or batch is None else f", slot {slot - batch.offsets[row]}"
        return f"{path}: row {n_before + row + 1}{within}"

    return place
