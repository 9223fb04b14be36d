"""Ratings as a dense matrix, one line a person: Coat Shopping and Jester."""

from pathlib import Path

import numpy as np
import pandas as pd

from recloop.data.formats.files import (
    Frames,
    first_line,
    found,
    in_file_order,
    matching,
    needed,
    text_of,
)
from recloop.data.report import LoadReport
from recloop.errors import InvalidData, MissingData

NOT_RATED = 99.0  # in Jester


def is_coat(folder: Path) -> bool:
    """train.ascii: a dense matrix of ratings, 0 for none."""
    return found(folder, "train.ascii") is not None


def read_coat(folder: Path, report: LoadReport) -> Frames:
    """train.ascii (the ratings that people chose to give); rows and columns are ids from 0."""
    file = needed(folder, "train.ascii")
    frames = {"interactions": in_file_order(_rated(_matrix(file), 0.0), report, file)}
    for kind, key in (("item", "items"), ("user", "users")):
        table = _coat_features(folder / "user_item_features", kind)
        if table is not None:
            frames[key] = table
    return frames


def _coat_features(folder: Path, kind: str) -> pd.DataFrame | None:
    file = found(folder, f"{kind}_features.ascii") if folder.is_dir() else None
    names = found(folder, f"{kind}_features_map.txt") if folder.is_dir() else None
    if file is None or names is None:
        return None
    flags = _matrix(file) > 0
    labels = [line.strip().partition(":") for line in text_of(names).splitlines() if line.strip()]
    table = pd.DataFrame({f"{kind}_id": [str(row) for row in range(len(flags))]})
    for group in dict.fromkeys(name for name, _, _ in labels):
        chosen = [(index, word) for index, (name, _, word) in enumerate(labels) if name == group]
        table["category" if group == "jackettype" else group] = [
            "|".join(word for index, word in chosen if row[index]) for row in flags
        ]
    return table


def _matrix(path: Path, separator: str | None = None) -> np.ndarray:
    lines = text_of(path, "ascii").splitlines()
    rows = [(n, line.split(separator)) for n, line in enumerate(lines, start=1) if line.strip()]
    values = np.empty((len(rows), len(rows[0][1]) if rows else 0))
    for row, (number, fields) in enumerate(rows):
        if len(fields) != values.shape[1]:
            raise InvalidData(
                f"{path}: line {number} has {len(fields)} numbers, the first line "
                f"{values.shape[1]}; expected a dense matrix."
            )
        try:
            values[row] = fields
        except ValueError as error:
            raise InvalidData(f"{path}: line {number} holds no number ({error}).") from None
    return values


def is_jester(folder: Path) -> bool:
    """jester*.csv: a number, then a rating of each joke, 99 for none."""
    return any(len(first_line(file).split(",")) == 101 for file in _jester_tables(folder))


def _jester_tables(folder: Path) -> list[Path]:
    return matching(folder, "[jJ]ester*.csv")


def read_jester(folder: Path, report: LoadReport) -> Frames:
    """Ratings from -10 to 10 of 100 jokes; people are numbered through all files of the folder.

    The sets are offered as Excel sheets: save those as CSV first.
    """
    files = _jester_tables(folder)
    if not files:
        raise MissingData(f"{folder}: needs jester*.csv (the Excel sheets saved as CSV).")
    ratings = np.concatenate([_matrix(file, ",")[:, 1:] for file in files])
    return {"interactions": in_file_order(_rated(ratings, NOT_RATED), report, folder)}


def _rated(ratings: np.ndarray, not_rated: float) -> pd.DataFrame:
    """The cells of a dense matrix that hold a rating; rows and columns are ids from 0."""
    users, items = np.nonzero(ratings != not_rated)
    return pd.DataFrame(
        {
            "user_id": users.astype(str),
            "item_id": items.astype(str),
            "weight": ratings[users, items],
        }
    )
