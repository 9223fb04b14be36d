"""Arrays of a batch into the packed lists of its rows, and back.

Numbers are little-endian. Floats are stored in 4 bytes where each of the row is exactly a float32,
else in 8; which of the two it is, the row's length says. What is not known, or is as usual (places
0, 1, ... k - 1, a whole catalogue), is an empty list.
"""

import itertools
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from recloop.decisions.schema import BLOBS
from recloop.errors import DamagedFile
from recloop.types import BoolArray, FloatArray, IntArray, LoggedDecisions, Ragged

Blobs = list[bytes]


def packed_lists(decisions: LoggedDecisions, source_codes: np.ndarray | None) -> list[Blobs]:
    """A column of bytes for each of `BLOBS`; what a row holds does not depend on its neighbours.

    source_codes: (m,) the log's own codes of the sources.
    """
    offsets, contexts = decisions.offsets, decisions.contexts
    wide = 0 if contexts is None else contexts.shape[1]
    cells = None if contexts is None else contexts.reshape(-1)
    return [
        _cut(decisions.items, "<i4", offsets),
        _floats_cut(decisions.propensities, offsets),
        _floats_cut(decisions.scores, offsets),
        _cut(source_codes, "u1", offsets),
        _positions_cut(decisions),
        _floats_cut(cells, np.arange(len(decisions) + 1) * wide),
        _lists_cut(decisions.candidates, len(decisions)),
        _lists_cut(decisions.excluded, len(decisions)),
    ]


def checksums(columns: Sequence[Sequence[bytes]]) -> list[int]:
    """The crc32 of each row's lists, one after the other."""
    return [zlib.crc32(b"".join(row)) for row in zip(*columns, strict=True)]


def _cut(values: np.ndarray | None, kind: str, offsets: IntArray) -> Blobs:
    if values is None:
        return [b""] * (len(offsets) - 1)
    data = np.ascontiguousarray(values, dtype=kind).tobytes()
    ends = (offsets * np.dtype(kind).itemsize).tolist()
    return [data[begin:end] for begin, end in itertools.pairwise(ends)]


def _lists_cut(lists: Ragged | None, n: int) -> Blobs:
    return [b""] * n if lists is None else _cut(lists.values, "<i4", lists.offsets)


def _floats_cut(values: FloatArray | None, offsets: IntArray) -> Blobs:
    """Rows of floats, in 4 bytes where the row loses nothing by it; empty where all are NaN."""
    if values is None or not values.size:
        return _cut(None, "<f8", offsets)
    with np.errstate(over="ignore"):
        short = values.astype("<f4")
    unknown = np.isnan(values)
    is_short = _all_of((short == values) | unknown, offsets)
    rows = _cut(short, "<f4", offsets) if is_short.any() else []
    if not is_short.all():
        long = _cut(values, "<f8", offsets)
        rows = [long[i] if not s else rows[i] for i, s in enumerate(is_short.tolist())]
    if unknown.any():
        is_empty = _all_of(unknown, offsets)
        rows = [b"" if empty else row for row, empty in zip(rows, is_empty.tolist(), strict=True)]
    return rows


def _positions_cut(decisions: LoggedDecisions) -> Blobs:
    places = decisions.positions
    rows = _cut(places, "<i4", decisions.offsets)
    if places is None:
        return rows
    usual = _all_of(places == decisions.ranks, decisions.offsets)
    return [b"" if is_usual else row for row, is_usual in zip(rows, usual.tolist(), strict=True)]


def _all_of(marks: BoolArray, offsets: IntArray) -> BoolArray:
    """(n,): whether all marks of each row are set."""
    sums = np.concatenate([[0], np.cumsum(marks)])
    return np.diff(sums[offsets]) == np.diff(offsets)


def unpacked_lists(columns: Sequence[Sequence[bytes]], place: str) -> dict[str, Any]:
    """The lists of a batch of rows: offsets, and an array for each of `BLOBS` but the context.

    None where no row of the batch has one; `candidates` and `excluded` are Ragged. Contexts are
    left out: how wide they are, their names say. Raises DamagedFile where lengths do not fit.
    """
    lists = dict(zip(BLOBS, columns, strict=True))
    sizes = _sizes(lists["items"], 4)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    found: dict[str, Any] = {"offsets": offsets}
    try:
        found["items"] = _ints(lists["items"], "<i4")
        found["propensities"] = _floats(lists["propensities"], sizes)
        found["scores"] = _floats(lists["scores"], sizes)
        found["sources"] = _ints(lists["sources"], "u1") if any(lists["sources"]) else None
        found["positions"] = _positions(lists["positions"], sizes)
        for name in ("candidates", "excluded"):
            found[name] = _ragged(lists[name]) if any(lists[name]) else None
        for name in ("propensities", "scores", "sources", "positions"):
            if found[name] is not None and len(found[name]) != offsets[-1]:
                raise ValueError(f"{len(found[name])} {name} for {offsets[-1]} items")
        if found["propensities"] is None and offsets[-1]:
            raise ValueError("no propensities")
    except ValueError as error:
        raise DamagedFile(
            f"{place}: packed lists of a decision do not fit together ({error}). "
            "Run 'recloop log verify' on it, and restore a copy."
        ) from None
    return found


def _sizes(column: Sequence[bytes], width: int) -> IntArray:
    lengths = np.fromiter(map(len, column), dtype=np.int64, count=len(column))
    return lengths // width


def _ints(column: Sequence[bytes], kind: str) -> np.ndarray:
    return np.frombuffer(b"".join(column), dtype=kind).astype(np.int64)


def _floats(column: Sequence[bytes], sizes: IntArray) -> FloatArray | None:
    """Rows of `sizes` numbers; NaN in rows that are empty, None where all are."""
    lengths = _sizes(column, 1)
    if not lengths.any():
        return None
    for kind, width in (("<f8", 8), ("<f4", 4)):
        if np.array_equal(lengths, sizes * width):
            return np.frombuffer(b"".join(column), dtype=kind).astype(np.float64)
    return np.concatenate(
        [_float_row(row, int(size)) for row, size in zip(column, sizes, strict=True)]
    )


def _float_row(row: bytes, size: int) -> FloatArray:
    if not row:
        return np.full(size, np.nan)
    if len(row) not in (4 * size, 8 * size):
        raise ValueError(f"{len(row)} bytes for {size} numbers")
    return np.frombuffer(row, dtype="<f8" if len(row) == 8 * size else "<f4").astype(np.float64)


def _positions(column: Sequence[bytes], sizes: IntArray) -> IntArray | None:
    if not any(column):
        return None
    if all(column):
        return _ints(column, "<i4")
    rows = [
        np.frombuffer(row, dtype="<i4").astype(np.int64) if row else np.arange(size)
        for row, size in zip(column, sizes.tolist(), strict=True)
    ]
    return np.concatenate(rows)


def contexts_of(column: Sequence[bytes], wide: int) -> FloatArray | None:
    """(n, wide) from rows of `wide` numbers each; None where wide is 0."""
    if not wide:
        return None
    sizes = np.full(len(column), wide)
    values = _floats(column, sizes)
    return np.full((len(column), wide), np.nan) if values is None else values.reshape(-1, wide)


def _ragged(column: Sequence[bytes]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum(_sizes(column, 4))]).astype(np.int64)
    return Ragged(offsets, _ints(column, "<i4"))
