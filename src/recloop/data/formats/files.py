"""Finding and reading the raw files of public sets: any of them may be gzipped."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recloop.data.report import Dialect, LoadReport, opened
from recloop.data.tables import UNREADABLE, read_delimited
from recloop.errors import InvalidData, MissingData

Frames = dict[str, pd.DataFrame]


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files of the folder that match, plain or gzipped; a plain one hides its gzipped twin."""
    if folder.is_file():
        return [folder] if Path(folder.name.removesuffix(".gz")).match(pattern) else []
    found = {f.name.removesuffix(".gz"): f for f in folder.glob(f"{pattern}.gz") if f.is_file()}
    found.update({f.name: f for f in folder.glob(pattern) if f.is_file()})
    return [found[name] for name in sorted(found)]


def found(folder: Path, pattern: str) -> Path | None:
    """The first file that matches, or None."""
    return next(iter(matching(folder, pattern)), None)


def needed(folder: Path, pattern: str) -> Path:
    """The one file that matches; MissingData without any, InvalidData if several could be meant."""
    files = matching(folder, pattern)
    if not files:
        raise MissingData(
            f"{folder}: needs the file '{pattern}' (plain or .gz), which is not there."
        )
    return the_one(files, folder)


def the_one(files: list[Path], folder: Path) -> Path:
    """The only one of `files`; InvalidData asks which if there are several."""
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise InvalidData(f"{folder}: holds several such files ({names}). Give the path of one.")
    return files[0]


def text_of(path: Path, encoding: str = "utf-8") -> str:
    """The whole text of a file, gzipped or not."""
    try:
        with opened(path) as handle:
            return handle.read().decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path}: is not {encoding} text ({error}).") from None
    except UNREADABLE as error:
        raise InvalidData(f"{path}: cannot be read ({error}).") from None


def first_line(path: Path) -> str:
    """The first line of a file, gzipped or not; what is no text comes back as odd characters."""
    try:
        with opened(path) as handle:
            start = handle.readline(1 << 16).removeprefix(b"\xef\xbb\xbf")
            return start.decode("latin-1").strip("\r\n")
    except UNREADABLE as error:
        raise InvalidData(f"{path}: cannot be read ({error}).") from None


def delimited(
    path: Path,
    report: LoadReport,
    separator: str,
    columns: Sequence[str] = (),
    *,
    only: tuple[str, ...] = (),
    encoding: str = "utf-8",
    quoting: bool = True,
) -> pd.DataFrame:
    """A delimited file, every value as text; `columns` names them where there is no header."""
    dialect = Dialect(separator, tuple(columns), encoding, quoting)
    return read_delimited(path, dialect, report, only=only)


def in_file_order(frame: pd.DataFrame, report: LoadReport, source: Path) -> pd.DataFrame:
    """`frame` with the row number as its timestamp, for sets that carry no time; says so."""
    report.notes.append(f"{source}: carries no time; the order of the file stands for it.")
    return frame.assign(timestamp=np.arange(len(frame), dtype=np.float64))


def numbers_where_possible(texts: pd.Series, numbers: pd.Series) -> pd.Series:
    """`numbers`, and where they are missing the text itself: the check then names it."""
    missing = numbers.isna()
    return numbers if not missing.any() else numbers.astype("object").where(~missing, texts)


def divided(texts: pd.Series, divisor: float) -> pd.Series:
    """Numbers divided; what is no number stays as it is, for the check to name."""
    return numbers_where_possible(texts, pd.to_numeric(texts, errors="coerce") / divisor)


def seconds_of(texts: pd.Series, form: str = "ISO8601") -> pd.Series:
    """Dates and times as seconds since 1970 (UTC); what is no date stays, for the check to name."""
    dated = texts.where(texts.str.get(0).str.isdigit())  # pandas reads "now" and "today" as dates
    moments = pd.to_datetime(dated, utc=True, format=form, errors="coerce")
    seconds = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return numbers_where_possible(texts, seconds)
