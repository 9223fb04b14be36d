"""Reading and writing one table: CSV, gzipped CSV or Parquet, read once, written whole."""

import csv
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from recloop.data.report import Dialect, LoadReport, opened, records
from recloop.errors import InvalidData
from recloop.utils.files import atomic_write, existing_file
from recloop.utils.names import nearest

ENDINGS = (".csv", ".csv.gz", ".parquet")
BLOCK_BYTES = 1 << 24  # no line may be longer
MARK = "\x1f"  # stands for a separator of several characters: Arrow knows those of one only
UNREADABLE = (pa.ArrowInvalid, OSError, EOFError, zlib.error)


def find_tables(folder: Path, name: str) -> list[Path]:
    """FOLDER/NAME with each ending that is there, in the order of `ENDINGS`."""
    return [file for end in ENDINGS if (file := folder / f"{name}{end}").is_file()]


def read_table(
    path: Path, report: LoadReport, *, text_columns: tuple[str, ...] = ()
) -> pd.DataFrame:
    """A table as it stands; CSV columns are text, so that ids keep leading zeros.

    text_columns: those of a Parquet file that must be text whatever they are stored as.
    """
    existing_file(path)
    if not path.name.endswith(".parquet"):
        return read_delimited(path, Dialect(), report)
    return report.numbered(_read_parquet(path, text_columns), path, None)


def read_delimited(
    path: Path, dialect: Dialect, report: LoadReport, *, only: tuple[str, ...] = ()
) -> pd.DataFrame:
    """A delimited text file, plain or gzipped, every value as text.

    only: the columns that are wanted, for files with very many. A row with too many or too few
    fields is an error, or dropped and counted, as the report says.
    """
    if path.stat().st_size == 0:
        raise InvalidData(f"{path}: is empty.")
    names = dialect.columns or _header(path, dialect)
    _check_names(path, names, only)
    ragged: list[pa_csv.InvalidRow] = []

    def on_ragged(row: pa_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip" if report.drops else "error"

    source, separator = _source(path, dialect)
    try:
        with pa_csv.open_csv(
            source,
            pa_csv.ReadOptions(
                column_names=list(dialect.columns) or None,
                encoding=dialect.encoding,
                block_size=BLOCK_BYTES,
            ),
            pa_csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if dialect.quoting else False,
                newlines_in_values=dialect.quoting,
                invalid_row_handler=on_ragged,
            ),
            pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                strings_can_be_null=False,
                include_columns=list(only) or None,
            ),
        ) as reader:
            table = reader.read_all()
    except UNREADABLE as error:
        raise _unreadable(path, dialect, names, ragged, error) from None
    report.n_read += len(ragged)
    report.dropped(len(ragged), table.num_rows + len(ragged), path)
    return report.numbered(table.to_pandas(), path, dialect)


def _source(path: Path, dialect: Dialect) -> tuple[Path | pa.BufferReader, str]:
    if len(dialect.separator) == 1:
        return path, dialect.separator
    with opened(path) as handle:
        text = handle.read().replace(dialect.separator.encode(), MARK.encode())
    return pa.BufferReader(text), MARK


def _header(path: Path, dialect: Dialect) -> tuple[str, ...]:
    try:
        with opened(path) as handle:
            line = next((line for line in handle if line.strip()), b"")
            text = line.decode(dialect.encoding).removeprefix("\ufeff").strip("\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidData(f"{path}: cannot be read ({error}).") from None
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path}: line 1 is not a header of column names ({error}).") from None
    if not text:
        raise InvalidData(f"{path}: is empty.")
    return tuple(next(csv.reader([text], delimiter=dialect.separator)))


def _check_names(path: Path, names: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidData(f"{path}: the column '{name}' stands twice in its header.")
    for name in wanted:
        if name not in names:
            near = nearest(name, names)
            hint = f" Is it '{near}'?" if near else ""
            raise InvalidData(f"{path}: needs the column '{name}', which is missing.{hint}")


def _unreadable(
    path: Path,
    dialect: Dialect,
    names: tuple[str, ...],
    ragged: list[pa_csv.InvalidRow],
    error: BaseException,
) -> InvalidData:
    """The error for a file that Arrow gave up on: says the line where there is one to blame."""
    if ragged and not isinstance(error, OSError):
        line = next(n for n, fields in records(path, dialect) if len(fields) != len(names))
        return InvalidData(
            f"{path}: line {line} has {ragged[0].actual_columns} fields, expected {len(names)} "
            f"({', '.join(names)}), got {_shortened(ragged[0].text, dialect)!r}. Mend the file, or "
            "read it with on_bad_rows='drop'."
        )
    if "UTF8" in str(error):
        return InvalidData(
            f"{path}: line {_line_that_is_not_utf8(path)} is not UTF-8 text. Save the file as "
            "UTF-8."
        )
    return InvalidData(f"{path}: cannot be read as a table ({error}).")


def _shortened(text: str, dialect: Dialect, most: int = 80) -> str:
    text = text.replace(MARK, dialect.separator)
    return text if len(text) <= most else f"{text[:most]}..."


def _line_that_is_not_utf8(path: Path) -> int:
    with opened(path) as handle:
        for number, line in enumerate(handle, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def _read_parquet(path: Path, text_columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = pa_parquet.read_table(path).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidData(f"{path}: not readable as Parquet ({error}).") from None
    for name in text_columns:
        if name in frame and pd.api.types.is_float_dtype(frame[name]):
            raise InvalidData(
                f"{path}: column '{name}' holds decimal numbers; ids are text or whole numbers."
            )
    return frame


def write_table(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a canonical CSV; the same frame gives the same bytes."""
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")
