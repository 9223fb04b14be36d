"""Columns of a table, checked: ids of one kind, numbers that are numbers, ids in their order."""

from typing import Any

import numpy as np
import pandas as pd

from recloop.errors import InvalidData
from recloop.types import FloatArray, IntArray

TABLE_ROWS = 1 << 16
HIGHEST_RANK = 1 << 53  # above it, whole numbers written as floats run into each other

FILE = "recloop_file"
"""Key in a frame's `attrs` of the file it was read from, so that errors can name its lines."""


def name_of(owner: str, frame: pd.DataFrame) -> str:
    """The file that a table was read from, or its role."""
    return frame.attrs.get(FILE, owner)


def plainly(value: Any) -> str:
    """A value as one would type it: numpy's numbers without their class."""
    return repr(value.item() if hasattr(value, "item") else value)


def _place(owner: str, frame: pd.DataFrame, row: int) -> str:
    if FILE in frame.attrs:
        return f"{frame.attrs[FILE]}: line {row + 2}"  # the first line names the columns
    return f"{owner}: row {row} (counted from 0)"


def ids_of(owner: str, frame: pd.DataFrame, column: str) -> pd.Series:
    """The ids in `column`: all text or all whole numbers, none missing."""
    values = column_of(owner, frame, column)
    if values.hasnans:
        row = int(np.argmax(values.isna().to_numpy()))
        raise InvalidData(f"{_place(owner, frame, row)}: {column} is missing.")
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    kind_of(owner, values)
    return values


def column_of(owner: str, frame: pd.DataFrame, column: str) -> pd.Series:
    """The column of that name, or an error that lists the columns there are."""
    if column not in frame.columns:
        there = ", ".join(map(str, frame.columns)) or "none"
        raise InvalidData(f"{name_of(owner, frame)}: column {column} is missing. Columns: {there}.")
    return frame[column]


def kind_of(owner: str, ids: pd.Series) -> str:
    """ "text" or "whole numbers"; anything else, and a mixture of both, is an error."""
    if pd.api.types.is_integer_dtype(ids.dtype):
        return "whole numbers"
    kind = pd.api.types.infer_dtype(ids, skipna=False)
    if kind in ("string", "empty"):
        return "text"
    if kind == "integer":
        return "whole numbers"
    raise InvalidData(
        f"{owner}: {ids.name} must be all text or all whole numbers, got {kind}. "
        "Convert the column to one of them."
    )


def check_same_kind(first: pd.Series, other: pd.Series) -> None:
    """Refuse text on one side and numbers on the other: nobody would be found."""
    if not len(first) or not len(other):
        return
    kinds = kind_of("relevant", first), kind_of("recommended", other)
    if kinds[0] != kinds[1]:
        raise InvalidData(
            f"{first.name} is {kinds[0]} in relevant (such as {plainly(first.iloc[0])}) but "
            f"{kinds[1]} in recommended (such as {plainly(other.iloc[0])}). Convert one of them."
        )


def numbers_of(owner: str, frame: pd.DataFrame, column: str) -> FloatArray:
    """The numbers in `column`; a word or a NaN is an error that names its row."""
    given = column_of(owner, frame, column)
    numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(numbers).any():
        row = int(np.argmax(np.isnan(numbers)))
        raise InvalidData(
            f"{_place(owner, frame, row)}: {column} must be a number, got "
            f"{plainly(given.iloc[row])}."
        )
    return numbers


def ranks_of(owner: str, frame: pd.DataFrame) -> IntArray:
    """The column rank: whole numbers from 1, the best, to HIGHEST_RANK."""
    ranks = frame["rank"].to_numpy() if pd.api.types.is_integer_dtype(frame["rank"].dtype) else None
    if ranks is None:
        ranks = numbers_of(owner, frame, "rank")
    wrong = (ranks < 1) | (ranks > HIGHEST_RANK) | (ranks != np.floor(ranks))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidData(
            f"{_place(owner, frame, row)}: rank must be a whole number, 1 for the best, got "
            f"{ranks[row]:g}."
        )
    return ranks.astype(np.int64, copy=False)


def codes_in_order(*columns: pd.Series) -> tuple[list[IntArray], pd.Index]:
    """Codes for the rows of each column, and the ids that they stand for, in their order.

    Numbers are ordered by value, text by code point, or as numbers if all ids are digits.
    """
    if all(pd.api.types.is_integer_dtype(one.dtype) for one in columns):
        numbers = [one.to_numpy(dtype=np.int64) for one in columns]
        low = min(int(one.min()) for one in numbers if len(one))
        n_cells = max(int(one.max()) for one in numbers if len(one)) - low + 1
        if n_cells <= TABLE_ROWS + 4 * sum(map(len, numbers)):
            return _codes_by_table(numbers, low, n_cells)
    codes, distinct = pd.factorize(pd.concat(columns, ignore_index=True))
    distinct = pd.Index(distinct)
    order = _id_order(distinct)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    ends = np.cumsum([len(one) for one in columns])
    return np.split(place[codes], ends[:-1]), distinct[order]


def _codes_by_table(
    columns: list[IntArray], low: int, n_cells: int
) -> tuple[list[IntArray], pd.Index]:
    present = np.zeros(n_cells, dtype=np.bool_)
    cells = [column - low if low else column for column in columns]
    for one in cells:
        present[one] = True
    if present.all():
        return cells, pd.RangeIndex(low, low + n_cells)
    place = np.cumsum(present) - 1
    return [place[one] for one in cells], pd.Index(np.flatnonzero(present) + low)


def _id_order(ids: pd.Index) -> IntArray:
    if pd.api.types.is_integer_dtype(ids.dtype):
        return np.argsort(ids.to_numpy(dtype=np.int64))
    texts = [str(one) for one in ids]
    if all(one.isascii() and one.isdigit() for one in texts) or _are_numbers(ids):
        keys = [(int(one), one) for one in texts]
    else:
        keys = texts
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def _are_numbers(ids: pd.Index) -> bool:
    return pd.api.types.infer_dtype(ids, skipna=False) == "integer"
