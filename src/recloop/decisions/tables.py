"""Tables of foreign logs: every value as text, and the numbers in them, with row and column."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from recloop.errors import InvalidData, MissingData
from recloop.types import BoolArray, FloatArray

BLOCK_BYTES = 1 << 24  # no line may be longer
SHOWN = 20


def column_names(path: Path) -> list[str]:
    """The header of a CSV file, plain or gzipped; empty where the file is none."""
    try:
        with pa_csv.open_csv(path, pa_csv.ReadOptions(block_size=BLOCK_BYTES)) as head:
            return head.schema.names
    except (pa.ArrowInvalid, OSError, EOFError):
        return []


def read_texts(path: Path) -> pa.Table:
    """A CSV file with a header, plain or gzipped; every column is text, an empty field is ""."""
    if not path.is_file():
        raise MissingData(f"{path}: no such file.")
    reading = pa_csv.ReadOptions(block_size=BLOCK_BYTES)
    try:
        with pa_csv.open_csv(path, reading) as head:
            names = head.schema.names
        for name in names:
            if names.count(name) > 1:
                raise InvalidData(f"{path}: the column '{name}' stands twice in its header.")
        types = dict.fromkeys(names, pa.string())
        converting = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
        return pa_csv.read_csv(path, reading, convert_options=converting)
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise InvalidData(f"{path}: cannot be read as a table ({error}).") from None


class Problems:
    """What is wrong with a file, collected, and said at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[str] = []
        self._n = 0

    def add(self, wrong: BoolArray, column: str, texts: Sequence[object], allowed: str) -> None:
        """A problem for every marked row; the header is no row."""
        self._n += int(np.count_nonzero(wrong))
        for row in np.flatnonzero(wrong)[:SHOWN].tolist():
            self._found.append(
                f"{self._path}: row {row + 1} (line {row + 2}), column '{column}': must be "
                f"{allowed}, got {str(texts[row])!r}."
            )

    def raise_if_any(self) -> None:
        """InvalidData that shows the first of them."""
        if self._n:
            more = self._n - min(len(self._found), SHOWN)
            lines = self._found[:SHOWN] + ([f"... and {more} more."] if more else [])
            raise InvalidData(
                f"{self._n} bad values in {self._path}; nothing was read.\n" + "\n".join(lines)
            )


def texts_of_column(table: pa.Table, name: str) -> np.ndarray:
    """(n,) the words of a column, without blanks around them."""
    stripped = pc.call_function("utf8_trim_whitespace", [table[name]])
    return np.asarray(stripped.to_numpy(zero_copy_only=False), dtype=object)


def numbers_of_column(
    table: pa.Table, name: str, problems: Problems, *, empty_is_nan: bool = False
) -> FloatArray:
    """(n,) the numbers of a column; what is none is a problem."""
    texts = texts_of_column(table, name)
    numbers, wrong = numbers_in(texts)
    empty = texts == ""
    if empty_is_nan:
        wrong &= ~empty
    allowed = "a finite number or empty" if empty_is_nan else "a finite number"
    problems.add(wrong, name, texts.tolist(), allowed)
    return numbers


def numbers_in(texts: np.ndarray) -> tuple[FloatArray, BoolArray]:
    """Numbers, NaN where a text is none, and where that is."""
    try:
        numbers = texts.astype(np.float64)
    except ValueError:
        numbers = np.array([_number(text) for text in texts.tolist()], dtype=np.float64)
    return numbers, ~np.isfinite(numbers)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def seconds_of_column(table: pa.Table, name: str, problems: Problems) -> FloatArray:
    """(n,) seconds since 1970 from numbers or from ISO 8601 texts (UTC where no zone is given)."""
    texts = texts_of_column(table, name)
    numbers, wrong = numbers_in(texts)
    if wrong.all() and len(texts):
        numbers = np.array([_moment(text) for text in texts.tolist()], dtype=np.float64)
        wrong = ~np.isfinite(numbers)
    wrong |= (numbers < 0) | (numbers > 1e11)
    problems.add(wrong, name, texts.tolist(), "seconds since 1970, or an ISO 8601 time")
    return numbers


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return np.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
