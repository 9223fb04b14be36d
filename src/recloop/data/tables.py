"""Reading and writing one table: CSV, gzipped CSV or Parquet, read once, written whole."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from recloop.errors import InvalidData, MissingData
from recloop.utils.files import atomic_write

ENDINGS = (".csv", ".csv.gz", ".parquet")


def find_table(folder: Path, name: str) -> Path | None:
    """FOLDER/NAME with the first ending that is there, or None."""
    for ending in ENDINGS:
        if (folder / f"{name}{ending}").is_file():
            return folder / f"{name}{ending}"
    return None


def read_table(path: Path, *, text_columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """A table as it stands; CSV columns are text, so that ids keep leading zeros.

    text_columns: those of a Parquet file that must be text whatever they are stored as.
    """
    if not path.is_file():
        raise MissingData(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise InvalidData(f"{path}: is empty. It needs a header and at least one row.")
    if path.name.endswith(".parquet"):
        return _read_parquet(path, text_columns)
    return _read_csv(path)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        with pa_csv.open_csv(path, convert_options=_all_text(_header(path))) as reader:
            table = reader.read_all()
    except pa.ArrowInvalid as error:
        raise InvalidData(f"{path}: not readable as CSV: {error}") from None
    except OSError as error:
        raise InvalidData(f"{path}: cannot be read ({error}).") from None
    return table.to_pandas()


def _header(path: Path) -> list[str]:
    with pa.input_stream(str(path)) as stream:  # decompresses by ending
        first = b""
        while b"\n" not in first and (block := stream.read(1 << 16)):
            first += block
    line = first.split(b"\n", 1)[0].removeprefix(b"\xef\xbb\xbf").rstrip(b"\r")
    try:
        return list(pa_csv.read_csv(pa.py_buffer(line + b"\n")).schema.names)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InvalidData(f"{path}: line 1 is not a header of column names ({error}).") from None


def _all_text(names: list[str]) -> pa_csv.ConvertOptions:
    return pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=False
    )


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
