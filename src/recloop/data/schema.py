"""The canonical tables: their columns, what each may hold, and the check that names a bad row.

interactions: user_id, item_id, timestamp (seconds), weight. items: item_id, title, category, price,
rating. users: user_id, age, gender, location, signup_date. Ids are strings; only ids are required
in items and users. Other columns are kept as they are.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from recloop.errors import InvalidData
from recloop.utils.names import nearest

BadRows = Literal["error", "drop"]
MILLISECONDS_FROM = 1e11  # the year 5138 in seconds, 1973 in milliseconds


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


@dataclass
class LoadReport:
    """What reading a table did to it."""

    n_read: int = 0
    n_dropped: int = 0
    notes: list[str] = field(default_factory=list)


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
    frame: pd.DataFrame,
    schema: Schema,
    source: str,
    *,
    on_bad_rows: BadRows = "error",
    report: LoadReport | None = None,
    first_line: int = 2,
) -> pd.DataFrame:
    """`frame` with the schema's types; a value that cannot be right is named by row and column.

    source: the file, for messages. first_line: the line of the first row in it.
    Raises InvalidData for a missing column, an empty table, a bad value (unless on_bad_rows="drop",
    which counts it in `report`) or a repeated key.
    """
    report = report if report is not None else LoadReport()
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
        if wrong.any() and on_bad_rows == "error":
            _refuse(frame, column, int(np.argmax(wrong)), source, first_line, int(wrong.sum()))
        bad |= wrong
    if bad.any():
        report.n_dropped += int(bad.sum())
        report.notes.append(f"{source}: {int(bad.sum())} bad rows dropped of {len(frame)}.")
        checked = checked[~bad]
        if checked.empty:
            raise InvalidData(f"{source}: every one of its {len(frame)} rows is bad.")
    _check_key(checked, schema, source)
    return checked.reset_index(drop=True)


def seconds(frame: pd.DataFrame, source: str, report: LoadReport) -> pd.DataFrame:
    """`frame` with timestamps in seconds: a column that is all milliseconds is divided by 1,000."""
    stamps = frame["timestamp"].to_numpy()
    looks_like_ms = stamps > MILLISECONDS_FROM
    if not looks_like_ms.any():
        return frame
    if not looks_like_ms.all():
        row = int(np.argmax(looks_like_ms))
        raise InvalidData(
            f"{source}: row {row + 1}, column 'timestamp': {stamps[row]:.0f} looks like "
            "milliseconds while other rows hold seconds. Bring all rows to seconds."
        )
    report.notes.append(f"{source}: timestamps were milliseconds; they are now seconds.")
    return frame.assign(timestamp=stamps / 1000.0)


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
    empty = values.isna().to_numpy() | (values.astype("str").str.strip() == "").to_numpy()
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    array = numbers.to_numpy()
    if column.or_words and not np.isfinite(array).any():
        return values, np.zeros(len(values), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.isfinite(array) & (array >= column.low))
    return numbers, wrong & ~empty if column.may_be_missing else wrong


def _refuse(
    frame: pd.DataFrame, column: Column, row: int, source: str, first_line: int, n_bad: int
) -> None:
    value = frame[column.name].iloc[row]
    value = value.item() if isinstance(value, np.generic) else value
    more = f" ({n_bad - 1} more rows of this column are bad.)" if n_bad > 1 else ""
    raise InvalidData(
        f"{source}: row {row + 1} (line {row + first_line}), column '{column.name}': must be "
        f"{column.allowed}, got {value!r}.{more} Mend the file, or read it with "
        "on_bad_rows='drop'."
    )


def _check_key(frame: pd.DataFrame, schema: Schema, source: str) -> None:
    if schema.key is None:
        return
    repeated = frame[schema.key].duplicated().to_numpy()
    if repeated.any():
        value = frame[schema.key].iloc[int(np.argmax(repeated))]
        raise InvalidData(
            f"{source}: {schema.key} '{value}' stands {int((frame[schema.key] == value).sum())} "
            f"times; each must stand once ({int(repeated.sum())} rows repeat an earlier one)."
        )
