"""The canonical tables: their columns, what each may hold, and the check that names a bad row.

interactions: user_id, item_id, timestamp (seconds), weight. items: item_id, title, category, price,
rating. users: user_id, age, gender, location, signup_date. Ids are strings; only ids are required
in items and users. Other columns are kept as they are.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recloop.data.report import LoadReport
from recloop.errors import InvalidData
from recloop.utils.names import nearest

# What a timestamp must be above to be counted in each unit; in seconds, 1e11 is the year 5138.
UNITS = ((1e17, "nanoseconds", 1e9), (1e14, "microseconds", 1e6), (1e11, "milliseconds", 1e3))


@dataclass(frozen=True)
class Column:
    """One column: its name, whether it holds text, and the range of its numbers."""

    name: str
    is_text: bool = False
    required: bool = False
    low: float = -np.inf
    allowed: str = "a finite number"
    may_be_missing: bool = False
    or_words: bool = False  # a column without a single number is kept as words ("20-30")


@dataclass(frozen=True)
class Schema:
    """A table: its columns, and the key that may occur once (None: rows may repeat)."""

    name: str
    columns: tuple[Column, ...]
    key: str | None = None


_ID = "text that is not empty"
INTERACTIONS = Schema(
    "interactions",
    (
        Column("user_id", is_text=True, required=True, allowed=_ID),
        Column("item_id", is_text=True, required=True, allowed=_ID),
        Column("timestamp", required=True, low=0.0, allowed="a number of seconds, 0 or more"),
        Column("weight", required=True),
    ),
)
ITEMS = Schema(
    "items",
    (
        Column("item_id", is_text=True, required=True, allowed=_ID),
        Column("price", low=0.0, allowed="a number, 0 or more, or empty", may_be_missing=True),
        Column("rating", allowed="a number or empty", may_be_missing=True),
    ),
    key="item_id",
)
USERS = Schema(
    "users",
    (
        Column("user_id", is_text=True, required=True, allowed=_ID),
        Column(
            "age",
            low=0.0,
            allowed="a number, 0 or more, or empty",
            may_be_missing=True,
            or_words=True,
        ),
    ),
    key="user_id",
)


def checked_table(
    frame: pd.DataFrame, schema: Schema, source: str, report: LoadReport
) -> pd.DataFrame:
    """`frame` with the schema's types; a value that cannot be right is named by row and column.

    source: the file, for messages about the whole of it.
    Raises InvalidData for a missing column, an empty table, and, unless the report says to drop
    and count them, for a bad value or a repeated key.
    """
    report.n_read += len(frame)
    _check_columns(frame, schema, source)
    if frame.empty:
        raise InvalidData(f"{source}: has no rows. It needs at least one below the header.")
    bad = np.zeros(len(frame), dtype=np.bool_)
    checked = frame.copy()
    for column in schema.columns:
        if column.name not in frame:
            continue
        convert = _text if column.is_text else _numbers
        checked[column.name], wrong = convert(frame[column.name], column)
        if wrong.any() and not report.drops:
            raise _bad_value(frame, column, wrong, source, report)
        bad |= wrong
    bad |= _repeated(checked, bad, schema, source, report)
    report.dropped(int(bad.sum()), len(frame), source)
    if bad.all():
        raise InvalidData(f"{source}: every one of its {len(frame)} rows is bad.")
    return checked[~bad].reset_index(drop=True)


def seconds(frame: pd.DataFrame, source: str, report: LoadReport) -> pd.DataFrame:
    """`frame` with timestamps in seconds: a column that is all in a finer unit is divided."""
    stamps = frame["timestamp"].to_numpy()
    for least, unit, per_second in UNITS:
        is_finer = stamps > least
        if not is_finer.any():
            continue
        if not is_finer.all():
            row = int(np.argmax(is_finer))
            raise InvalidData(
                f"{source}: row {row + 1}, column 'timestamp': {stamps[row]:.0f} looks like "
                f"{unit} while other rows hold less. Bring all rows to seconds."
            )
        report.notes.append(f"{source}: timestamps were {unit}; they are now seconds.")
        return frame.assign(timestamp=stamps / per_second)
    return frame


def _check_columns(frame: pd.DataFrame, schema: Schema, source: str) -> None:
    columns = [str(name) for name in frame.columns]
    for column in schema.columns:
        if column.required and column.name not in columns:
            near = nearest(column.name, columns)
            hint = f" Is it '{near}'?" if near else ""
            if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
                hint = " The columns are not separated by commas."
            raise InvalidData(
                f"{source}: {schema.name} need the column '{column.name}', which is missing.{hint} "
                f"Found: {', '.join(columns)}."
            )


Converted = tuple[pd.Series, np.ndarray]


def _text(values: pd.Series, column: Column) -> Converted:
    text = values.astype("str")
    wrong = values.isna().to_numpy() | (text.str.strip() == "").to_numpy()
    return text, wrong


def _numbers(values: pd.Series, column: Column) -> Converted:
    empty = values.isna().to_numpy()
    if not pd.api.types.is_numeric_dtype(values):
        empty = empty | (values.astype("str").str.strip() == "").to_numpy()
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    array = numbers.to_numpy()
    if column.or_words and not np.isfinite(array).any():
        return values, np.zeros(len(values), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.isfinite(array) & (array >= column.low))
    return numbers, wrong & ~empty if column.may_be_missing else wrong


def _bad_value(
    frame: pd.DataFrame, column: Column, wrong: np.ndarray, source: str, report: LoadReport
) -> InvalidData:
    position = int(np.argmax(wrong))
    value = frame[column.name].iloc[position]
    value = value.item() if isinstance(value, np.generic) else value
    n_more = int(wrong.sum()) - 1
    more = f" ({n_more} more rows of this column are bad.)" if n_more else ""
    return InvalidData(
        f"{report.place(frame, position, source)}, column '{column.name}': must be "
        f"{column.allowed}, got {value!r}.{more} Mend the file, or read it with "
        "on_bad_rows='drop'."
    )


def _repeated(
    frame: pd.DataFrame, bad: np.ndarray, schema: Schema, source: str, report: LoadReport
) -> np.ndarray:
    """Which rows repeat the key of an earlier good one; an error unless they are to be dropped."""
    if schema.key is None:
        return np.zeros(len(frame), dtype=np.bool_)
    repeated = np.zeros(len(frame), dtype=np.bool_)
    repeated[~bad] = frame.loc[~bad, schema.key].duplicated().to_numpy()
    if repeated.any() and not report.drops:
        position = int(np.argmax(repeated))
        value = frame[schema.key].iloc[position]
        raise InvalidData(
            f"{report.place(frame, position, source)}: {schema.key} '{value}' stands there again; "
            f"each must stand once ({int(repeated.sum())} rows repeat an earlier one). Mend the "
            "file, or read it with on_bad_rows='drop', which keeps the first."
        )
    return repeated
