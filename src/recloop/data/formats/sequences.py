"""Text files of sequences and graphs: SASRec and BERT4Rec, LightGCN, ReChorus."""

from pathlib import Path

import pandas as pd

from recloop.data.formats.files import delimited, first_line, found, in_file_order, needed, text_of
from recloop.data.schema import LoadReport

Frames = dict[str, pd.DataFrame]


def _single_text(folder: Path) -> Path | None:
    if folder.is_file():
        return folder if folder.name.removesuffix(".gz").endswith(".txt") else None
    texts = [f for f in sorted(folder.glob("*.txt*")) if "readme" not in f.name.lower()]
    return texts[0] if len(texts) == 1 else None


def is_sequence(folder: Path) -> bool:
    """One text file with "user item" a line, grouped by user in time order."""
    file = _single_text(folder)
    if file is None:
        return False
    fields = first_line(file).split(" ")
    return len(fields) == 2 and all(field.isdigit() for field in fields)


def read_sequence(folder: Path, report: LoadReport) -> Frames:
    """beauty.txt, Video.txt and the like: position stands for time."""
    file = _single_text(folder) or needed(folder, "*.txt")
    frame = delimited(file, " ", ("user_id", "item_id")).assign(weight=1.0)
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
        file = found(folder, name)
        if file is None:
            continue
        for line in text_of(file).splitlines():
            user, *items = line.split() or [""]
            pairs += [(user, item) for item in items]
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"]).assign(weight=1.0)
    return {"interactions": in_file_order(frame, report, folder)}


def is_rechorus(folder: Path) -> bool:
    """train.csv, separated by tabs, with user_id, item_id, time."""
    file = found(folder, "train.csv")
    return file is not None and first_line(file).split("\t")[:3] == ["user_id", "item_id", "time"]


def read_rechorus(folder: Path, report: LoadReport) -> Frames:
    """train, dev and test together; sampled negatives are left out."""
    files = [found(folder, f"{part}.csv") for part in ("train", "dev", "test")]
    rows = pd.concat([delimited(file, "\t") for file in files if file], ignore_index=True)
    rows = rows.rename(columns={"time": "timestamp"}).assign(weight=1.0)
    return {"interactions": rows[["user_id", "item_id", "timestamp", "weight"]]}
