"""Finding and reading the raw files of public sets: any of them may be gzipped."""

import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
import pandas as pd

from recloop.data.schema import LoadReport
from recloop.errors import InvalidData, MissingData


def found(folder: Path, name: str) -> Path | None:
    """The file `name` of the folder, plain or gzipped; a pattern gives the first match."""
    if folder.is_file():
        plain = folder.name.removesuffix(".gz")
        return folder if Path(plain).match(name) else None
    for pattern in (name, f"{name}.gz"):
        matches = sorted(file for file in folder.glob(pattern) if file.is_file())
        if matches:
            return matches[0]
    return None


def needed(folder: Path, name: str) -> Path:
    """The file `name`; MissingData if it is not there."""
    file = found(folder, name)
    if file is None:
        raise MissingData(f"{folder}: needs the file '{name}' (plain or .gz), which is not there.")
    return file


def opened(path: Path) -> IO[bytes]:
    """A file for reading bytes, decompressed if it is gzipped; close it by `with`."""
    return cast(IO[bytes], gzip.GzipFile(path)) if path.name.endswith(".gz") else path.open("rb")


def text_of(path: Path, encoding: str = "utf-8") -> str:
    """The whole text of a file, gzipped or not."""
    with opened(path) as handle:
        try:
            return handle.read().decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise InvalidData(f"{path}: is not {encoding} text ({error}).") from None


def first_line(path: Path, encoding: str = "latin-1") -> str:
    """The first line of a file, gzipped or not."""
    with opened(path) as handle:
        return handle.readline(1 << 16).decode(encoding).strip("\r\n").removeprefix("\ufeff")


def delimited(
    path: Path,
    separator: str,
    columns: Sequence[str] | None = None,
    *,
    encoding: str = "utf-8",
    quoting: bool = True,
) -> pd.DataFrame:
    """A delimited file, every value as text; `columns` names them where there is no header."""
    source: Path | io.StringIO = path
    if len(separator) > 1:
        source = io.StringIO(text_of(path, encoding).replace(separator, "\x1f"))
        separator = "\x1f"
    try:
        frame = pd.read_csv(
            source,
            sep=separator,
            names=list(columns) if columns else None,
            header=None if columns else 0,
            dtype="str",
            encoding=encoding,
            keep_default_na=False,
            quoting=0 if quoting else 3,
            compression="infer" if isinstance(source, Path) else None,
            engine="c",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path}: cannot be read as expected ({error}).") from None
    frame.columns = [str(name).strip().removeprefix("\ufeff") for name in frame.columns]
    return frame


def in_file_order(frame: pd.DataFrame, report: LoadReport, source: Path) -> pd.DataFrame:
    """`frame` with the row number as its timestamp, for sets that carry no time; says so."""
    report.notes.append(f"{source}: carries no time; the order of the file stands for it.")
    return frame.assign(timestamp=np.arange(len(frame), dtype=np.float64))


def seconds_of(texts: pd.Series, source: Path) -> pd.Series:
    """Dates and times as seconds since 1970 (UTC)."""
    try:
        moments = pd.to_datetime(texts, utc=True, format="mixed")
    except (ValueError, TypeError) as error:
        raise InvalidData(f"{source}: has a date that cannot be read ({error}).") from None
    return (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
