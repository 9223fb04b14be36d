"""What reading did to a data set, and from which line of which file each row came."""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
import pandas as pd

BadRows = Literal["error", "drop"]
ROW = "row of what was read"  # the name of the index that `LoadReport.numbered` gives


@dataclass(frozen=True)
class Dialect:
    """How a text file is written. No columns: its first line names them."""

    separator: str = ","
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    quoting: bool = True


@dataclass(frozen=True)
class Origin:
    """The rows of one file: first..first + n_rows - 1 of all that was read."""

    file: Path
    dialect: Dialect | None  # None: the file has no lines (Parquet)
    first: int
    n_rows: int

    def place_of(self, number: int) -> str:
        """ "FILE: row 3 (line 4)" for the row of that number; the header is no row."""
        row = number - self.first
        line = "" if self.dialect is None else f" (line {self._line_of(row, self.dialect)})"
        return f"{self.file}: row {row + 1}{line}"

    def _line_of(self, row: int, dialect: Dialect) -> int:
        n_headers = 0 if dialect.columns else 1
        for number, (line, _) in enumerate(records(self.file, dialect)):
            if number == row + n_headers:
                return line
        return row + n_headers + 1


@dataclass
class LoadReport:
    """What reading did: counts, notes, and where each row came from.

    on_bad_rows: "error" names the first bad row, "drop" leaves bad rows out and counts them.
    """

    on_bad_rows: BadRows = "error"
    n_read: int = 0
    n_dropped: int = 0
    notes: list[str] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    @property
    def drops(self) -> bool:
        """Whether bad rows are left out."""
        return self.on_bad_rows == "drop"

    def numbered(self, frame: pd.DataFrame, file: Path, dialect: Dialect | None) -> pd.DataFrame:
        """`frame` with an index that says from which row of which file each of its rows came."""
        first = self.origins[-1].first + self.origins[-1].n_rows if self.origins else 0
        self.origins.append(Origin(file, dialect, first, len(frame)))
        return frame.set_axis(pd.RangeIndex(first, first + len(frame), name=ROW))

    def place(self, frame: pd.DataFrame, position: int, source: str) -> str:
        """Where the row at `position` of `frame` stands: file, row, line, as far as known."""
        if frame.index.name != ROW:
            return f"{source}: row {position + 1}"
        number = int(frame.index[position])
        starts = [origin.first for origin in self.origins]
        return self.origins[int(np.searchsorted(starts, number, "right")) - 1].place_of(number)

    def dropped(self, n_rows: int, n_all: int, source: object) -> None:
        """Count rows that were left out."""
        if n_rows:
            self.n_dropped += n_rows
            self.notes.append(f"{source}: {n_rows} bad rows dropped of {n_all}.")


def opened(path: Path) -> IO[bytes]:
    """A file for reading bytes, decompressed if it is gzipped; close it by `with`."""
    return cast(IO[bytes], gzip.GzipFile(path)) if path.name.endswith(".gz") else path.open("rb")


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Line and fields of every record that is not empty, header included; slow, for messages."""
    with opened(path) as raw:
        lines = io.TextIOWrapper(raw, dialect.encoding, errors="replace", newline="")
        reader = csv.reader(
            (line.replace(dialect.separator, "\x1f").replace("\0", "") for line in lines),
            delimiter="\x1f",
            quoting=csv.QUOTE_MINIMAL if dialect.quoting else csv.QUOTE_NONE,
        )
        begin = 1
        for fields in reader:
            if fields:
                yield begin, fields
            begin = reader.line_num + 1
