"""Text files of sequences and graphs: SASRec and BERT4Rec, LightGCN, ReChorus."""

from pathlib import Path

import pandas as pd

from recloop.data.formats.files import (
    Frames,
    delimited,
    first_line,
    found,
    in_file_order,
    matching,
    needed,
    the_one,
)
from recloop.data.report import Dialect, LoadReport, records
from recloop.errors import InvalidData


def _texts(folder: Path) -> list[Path]:
    return [file for file in matching(folder, "*.txt") if "readme" not in file.name.lower()]


def is_sequence(folder: Path) -> bool:
    """One text file with "user item" a line, grouped by user in time order."""
    files = _texts(folder)
    if len(files) != 1:
        return False
    fields = first_line(files[0]).split(" ")
    return len(fields) == 2 and all(field.isdigit() for field in fields)


def read_sequence(folder: Path, report: LoadReport) -> Frames:
    """beauty.txt, Video.txt and the like: position stands for time."""
    file = the_one(_texts(folder) or [needed(folder, "*.txt")], folder)
    frame = delimited(file, report, " ", ("user_id", "item_id")).assign(weight=1.0)
    return {"interactions": in_file_order(frame, report, file)}


def is_lightgcn(folder: Path) -> bool:
    """train.txt with "user item item item..." a line, ids from 0."""
    file = found(folder, "train.txt")
    if file is None or folder.is_file():
        return False
    fields = first_line(file).split()
    return len(fields) > 1 and all(field.isdigit() for field in fields)


def read_lightgcn(folder: Path, report: LoadReport) -> Frames:
    """train.txt and, where it is there, test.txt after it, each user's items in their order."""
    pairs: list[tuple[str, str]] = []
    for name in ("train.txt", "test.txt"):
        file = needed(folder, name) if name == "train.txt" else found(folder, name)
        if file is not None:
            pairs += _pairs(file)
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"]).assign(weight=1.0)
    return {"interactions": in_file_order(frame, report, folder)}


def _pairs(file: Path) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for line, fields in records(file, Dialect(" ", quoting=False)):
        user, *items = [field for field in fields if field] or [""]
        for item in items:
            if not item.isdigit():
                raise InvalidData(f"{file}: line {line}: must be item numbers, got {item!r}.")
            pairs.append((user, item))
    return pairs


def is_rechorus(folder: Path) -> bool:
    """train.csv, separated by tabs, with user_id, item_id, time."""
    file = found(folder, "train.csv")
    return file is not None and first_line(file).split("\t")[:3] == ["user_id", "item_id", "time"]


def read_rechorus(folder: Path, report: LoadReport) -> Frames:
    """train, dev and test together; sampled negatives are left out."""
    columns = ("user_id", "item_id", "time")
    files = [needed(folder, "train.csv"), found(folder, "dev.csv"), found(folder, "test.csv")]
    rows = pd.concat([delimited(file, report, "\t", only=columns) for file in files if file])
    return {"interactions": rows.rename(columns={"time": "timestamp"}).assign(weight=1.0)}
