"""Score lists that another system wrote into a file, against a truth in another file."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from recloop.errors import InvalidData
from recloop.evaluation.definitions import ACCURACY, Definitions
from recloop.evaluation.frames.columns import FILE
from recloop.evaluation.frames.scored import ScoredLists
from recloop.evaluation.frames.scoring import score_frames
from recloop.utils.files import existing_file

IDS = ("user_id", "item_id")
NUMBERS = ("rank", "score", "weight")


def score_files(
    recommended: str | Path,
    relevant: str | Path,
    ks: Sequence[int],
    *,
    definitions: Definitions | None = None,
    metrics: Sequence[str] = ACCURACY,
) -> ScoredLists:
    """`score_frames` of two CSV (also .gz) or Parquet files; ids are read as text."""
    return score_frames(
        read_table(recommended), read_table(relevant), ks, definitions=definitions, metrics=metrics
    )


def read_table(path: str | Path) -> pd.DataFrame:
    """The columns that scoring needs; ids as text, as they stand in the file ("NA" is an id)."""
    file = existing_file(path)
    try:
        if file.suffix == ".parquet":
            frame = pd.read_parquet(file)
            frame = frame.astype({name: str for name in IDS if name in frame.columns})
        else:
            frame = pd.read_csv(
                file,
                dtype=dict.fromkeys(IDS, str),
                usecols=lambda name: name in IDS + NUMBERS,
                index_col=False,  # or longer rows would shift the columns
                keep_default_na=False,
                na_values={name: ["", "nan", "NaN", "NA"] for name in NUMBERS},
                encoding="utf-8-sig",
            )
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise InvalidData(f"{file}: cannot be read as a table ({error}).") from error
    _check_ids(file, frame)
    frame.attrs[FILE] = str(file)
    return frame


def _check_ids(file: Path, frame: pd.DataFrame) -> None:
    for name in IDS:
        if name not in frame.columns:
            raise InvalidData(
                f"{file}: column {name} is missing. The first line must name the columns: "
                "user_id,item_id and rank, score or weight."
            )
        empty = frame[name].eq("").to_numpy()
        if empty.any():
            raise InvalidData(f"{file}: line {int(empty.argmax()) + 2}: {name} is empty.")
