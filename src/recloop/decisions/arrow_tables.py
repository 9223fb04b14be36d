"""Records of the log as Arrow tables: a row a record, lists for what has a value a slot.

The names of the context's columns stand in each row, as a word of a dictionary.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from recloop.types import Labels, LoggedDecisions, LoggedRewards, Ragged

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


def decision_table(d: LoggedDecisions) -> pa.Table:
    """A row for each decision of a batch."""
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


def reward_table(r: LoggedRewards) -> pa.Table:
    """A row for each reward."""
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


def one_layout_each(table: pa.Table) -> Iterator[pa.Table]:
    """A table of decisions, cut where the context's columns change."""
    codes = table["context_names"].combine_chunks().indices.to_numpy(zero_copy_only=False)
    ends = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), table.num_rows]
    for begin, end in itertools.pairwise(ends):
        if end > begin:
            yield table.slice(begin, end - begin)


def rewards_of(table: pa.Table) -> LoggedRewards:
    """The batch of a table of rewards."""
    columns = {f: _column(table[name].combine_chunks()) for name, f in OF_REWARDS.items()}
    return LoggedRewards(**columns)


def decisions_of(table: pa.Table) -> LoggedDecisions:
    """The batch of a table of decisions with one layout of the context.

    ValueError (also of Arrow) where lists are not as long as their slots, or values are missing.
    """
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
