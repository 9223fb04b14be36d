"""Decisions, rewards and controls as Parquet: a row a record, lists for what has a value a slot.

The file's metadata says what it is and of which version; the names of the context's columns stand
in each row, as a word of a dictionary.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recloop.decisions.batches import concatenated
from recloop.decisions.checking import check_decisions, check_rewards
from recloop.decisions.records import Control
from recloop.errors import DamagedFile, InvalidData, MissingData
from recloop.types import Labels, LoggedDecisions, LoggedRewards, Ragged
from recloop.utils.files import atomic_write

FORMAT = "recloop decisions"
VERSION = 1
ROWS_A_GROUP = 100_000

WORD = pa.dictionary(pa.int32(), pa.string())
DECISIONS = pa.schema(
    [
        ("seq", pa.int64()),
        ("id", pa.string()),
        ("timestamp", pa.float64()),
        ("user", pa.int64()),
        ("policy", WORD),
        ("version", WORD),
        ("catalogue_version", WORD),
        ("propensity_kind", WORD),
        ("activated", pa.bool_()),
        ("items", pa.list_(pa.int32())),
        ("propensities", pa.list_(pa.float64())),
        ("scores", pa.list_(pa.float64())),
        ("sources", pa.list_(pa.string())),
        ("positions", pa.list_(pa.int32())),
        ("context_names", WORD),
        ("context", pa.list_(pa.float64())),
        ("candidates", pa.list_(pa.int32())),
        ("excluded", pa.list_(pa.int32())),
        ("rewards", pa.list_(pa.float64())),
        ("reward_kinds", pa.list_(pa.string())),
    ]
)
REWARDS = pa.schema(
    [
        ("seq", pa.int64()),
        ("decision_seq", pa.int64()),
        ("decision", pa.string()),
        ("item", pa.int32()),
        ("event", WORD),
        ("value", pa.float64()),
        ("kind", WORD),
        ("late", pa.bool_()),
        ("timestamp", pa.float64()),
        ("key", pa.string()),
    ]
)
CONTROLS = pa.schema(
    [
        ("seq", pa.int64()),
        ("id", pa.string()),
        ("timestamp", pa.float64()),
        ("kind", pa.string()),
        ("file", pa.string()),
        ("sha256", pa.string()),
        ("details", pa.string()),
    ]
)
NAMES = pa.schema([("kind", pa.string()), ("code", pa.int64()), ("id", pa.string())])
OF_ROWS = {
    "seq": "seqs",
    "id": "ids",
    "timestamp": "timestamps",
    "user": "users",
    "policy": "policies",
    "version": "versions",
    "catalogue_version": "catalogues",
    "propensity_kind": "propensity_kinds",
    "activated": "activated",
}
OF_SLOTS = ("items", "propensities", "scores", "sources", "positions", "rewards", "reward_kinds")
OF_REWARDS = {
    "seq": "seqs",
    "decision_seq": "decision_seqs",
    "decision": "decisions",
    "item": "items",
    "event": "events",
    "value": "values",
    "kind": "kinds",
    "late": "late",
    "timestamp": "timestamps",
    "key": "keys",
}
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
    return _write(path, DECISIONS, "decisions", map(_decision_table, batches))


def write_reward_batches(path: str | Path, batches: Iterable[LoggedRewards]) -> int:
    """Write batches one after the other; how many rewards there were."""
    return _write(path, REWARDS, "rewards", map(_reward_table, batches))


def write_controls(path: str | Path, controls: Sequence[Control]) -> int:
    """Write the changes of the policy; how many there were."""
    columns = {name: [getattr(c, name) for c in controls] for name in CONTROLS.names}
    return _write(path, CONTROLS, "controls", [pa.table(columns, CONTROLS)])


def decision_batches(path: str | Path) -> Iterator[LoggedDecisions]:
    """A file's decisions, a row group at a time, cut where the context's columns change."""
    n_before = 0
    for table in _tables(path, DECISIONS, "decisions"):
        for part in _one_layout_each(table):
            try:
                batch = _decisions_of(part)
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
        columns = {f: _column(table[name].combine_chunks()) for name, f in OF_REWARDS.items()}
        yield check_rewards(LoggedRewards(**columns), place=_places(path, n_before))
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


# Arrow and files


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


# Batches to tables


def _decision_table(d: LoggedDecisions) -> pa.Table:
    n = len(d)
    columns: dict[str, Any] = {name: _array(getattr(d, f), n) for name, f in OF_ROWS.items()}
    for name in OF_SLOTS:
        columns[name] = _lists(d.offsets, getattr(d, name), n)
    wide = len(d.context_names)
    columns["context_names"] = _array(Labels.same(json.dumps(d.context_names), n), n)
    cells = None if d.contexts is None else d.contexts.reshape(-1)
    columns["context"] = _lists(np.arange(n + 1) * wide, cells, n)
    for name in ("candidates", "excluded"):
        lists: Ragged | None = getattr(d, name)
        given = (d.offsets, None) if lists is None else lists
        columns[name] = _lists(*given, n)
    arrays = [columns[field.name].cast(field.type) for field in DECISIONS]
    return pa.Table.from_arrays(arrays, schema=DECISIONS)


def _reward_table(r: LoggedRewards) -> pa.Table:
    columns = [_array(getattr(r, OF_REWARDS[field.name]), len(r)) for field in REWARDS]
    arrays = [column.cast(field.type) for column, field in zip(columns, REWARDS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=REWARDS)


def _array(values: Any, n: int) -> Any:
    if values is None:
        return pa.nulls(n)
    if isinstance(values, Labels):
        names = pa.array(values.names, pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(values.codes, pa.int32()), names)
    return pa.array(values)


def _lists(offsets: np.ndarray, values: Any, n: int) -> Any:
    if values is None:
        return pa.nulls(n)
    cells = _array(values, len(values))
    if isinstance(values, Labels):
        cells = cells.dictionary_decode()
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), cells)


# Tables to batches


def _one_layout_each(table: pa.Table) -> Iterator[pa.Table]:
    codes = table["context_names"].combine_chunks().indices.to_numpy(zero_copy_only=False)
    ends = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), table.num_rows]
    for begin, end in itertools.pairwise(ends):
        if end > begin:
            yield table.slice(begin, end - begin)


def _decisions_of(table: pa.Table) -> LoggedDecisions:
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    found: dict[str, Any] = {f: _column(columns[name]) for name, f in OF_ROWS.items()}
    offsets = _offsets(columns["items"])
    found["offsets"] = offsets
    sizes = np.diff(offsets)
    for name in OF_SLOTS:
        found[name] = _cells(name, columns[name], sizes)
    layout = columns["context_names"]
    found["context_names"] = tuple(json.loads(layout[0].as_py()))
    wide = len(found["context_names"])
    cells = _cells("context", columns["context"], np.full(len(sizes), wide))
    found["contexts"] = None if cells is None else cells.reshape(len(sizes), wide)
    for name in ("candidates", "excluded"):
        lists = columns[name]
        values = None if lists.null_count == len(lists) else _column(lists.flatten())
        found[name] = None if values is None else Ragged(_offsets(lists), values)
    return LoggedDecisions(**found)


def _offsets(lists: Any) -> np.ndarray:
    sizes = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _cells(name: str, lists: Any, sizes: np.ndarray) -> Any:
    """The values of lists whose lengths must be `sizes`; None where no row has a list."""
    if lists.null_count == len(lists):
        return None
    lengths = lists.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    if not np.array_equal(lengths, sizes):
        row = int(np.argmax(lengths != sizes))
        raise ValueError(
            f"unequal lengths: column '{name}' has {max(lengths[row], 0)} values in row {row + 1} "
            f"from there, must be {sizes[row]}"
        )
    cells = lists.flatten()
    return _column(cells.dictionary_encode() if pa.types.is_string(cells.type) else cells)


def _column(values: Any) -> Any:
    """An Arrow array as the array of a batch; None where all is null."""
    if values.null_count and values.null_count == len(values):
        return None
    if values.null_count:
        raise ValueError(f"{values.null_count} values are missing")
    if pa.types.is_dictionary(values.type):
        codes = values.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        return Labels(codes, tuple(values.dictionary.to_pylist()))
    if pa.types.is_string(values.type):
        return np.array(values.to_numpy(zero_copy_only=False), dtype=np.str_)
    kind = np.bool_ if pa.types.is_boolean(values.type) else None
    if kind is None:
        kind = np.float64 if pa.types.is_floating(values.type) else np.int64
    return values.to_numpy(zero_copy_only=False).astype(kind, copy=False)
