"""Video, music, books, news and clothes: KuaiRec, KuaiRand, Last.fm, Goodbooks, MIND, Coat, ..."""

from pathlib import Path

import numpy as np
import pandas as pd

from recloop.data.formats.files import (
    delimited,
    first_line,
    found,
    in_file_order,
    needed,
    seconds_of,
    text_of,
)
from recloop.data.schema import LoadReport
from recloop.errors import InvalidData

Frames = dict[str, pd.DataFrame]


def is_kuairec(folder: Path) -> bool:
    """big_matrix.csv or small_matrix.csv with watch_ratio."""
    file = found(folder, "big_matrix.csv") or found(folder, "small_matrix.csv")
    return file is not None and "watch_ratio" in first_line(file)


def read_kuairec(folder: Path, report: LoadReport) -> Frames:
    """The big matrix if it is there, else the small one; weight is the watch ratio.

    Rows without a time get the time of the row before them (0 at the start).
    """
    file = found(folder, "big_matrix.csv") or needed(folder, "small_matrix.csv")
    rows = delimited(file, ",").rename(columns={"video_id": "item_id", "watch_ratio": "weight"})
    stamps = pd.to_numeric(rows["timestamp"], errors="coerce")
    if stamps.isna().any():
        report.notes.append(f"{file}: {int(stamps.isna().sum())} rows without a time take the "
                            "time of the row before.")  # fmt: skip
    rows["timestamp"] = stamps.ffill().fillna(0.0)
    frames = {"interactions": rows[["user_id", "item_id", "timestamp", "weight"]]}
    if categories := found(folder, "item_categories.csv"):
        table = delimited(categories, ",").rename(columns={"video_id": "item_id"})
        words = table.pop("feat").str.strip("[]").str.replace(" ", "").str.replace(",", "|")
        frames["items"] = table.assign(category=words)
    return frames


def is_kuairand(folder: Path) -> bool:
    """log_standard_*.csv or log_random_*.csv."""
    return found(folder, "log_*.csv") is not None


def read_kuairand(folder: Path, report: LoadReport) -> Frames:
    """All logs of the folder, ordered by time; weight is is_click; is_rand is kept."""
    files = sorted(folder.glob("log_*.csv*")) if folder.is_dir() else [folder]
    rows = pd.concat([delimited(file, ",") for file in files], ignore_index=True)
    rows["timestamp"] = pd.to_numeric(rows["time_ms"], errors="coerce") / 1000.0
    rows = rows.rename(columns={"video_id": "item_id", "is_click": "weight"})
    return {"interactions": rows[["user_id", "item_id", "timestamp", "weight", "is_rand"]]}


def is_hetrec(folder: Path) -> bool:
    """user_artists.dat."""
    return found(folder, "user_artists.dat") is not None


def read_hetrec(folder: Path, report: LoadReport) -> Frames:
    """Last.fm 2K: weight is the number of plays; the set carries no time of listening."""
    file = needed(folder, "user_artists.dat")
    plays = delimited(file, "\t").rename(columns={"userID": "user_id", "artistID": "item_id"})
    frames = {"interactions": in_file_order(plays, report, file)}
    if artists := found(folder, "artists.dat"):
        table = delimited(artists, "\t", quoting=False)
        frames["items"] = table.rename(columns={"id": "item_id", "name": "title"})
    return frames


def is_goodbooks(folder: Path) -> bool:
    """ratings.csv with the header user_id,book_id,rating."""
    file = found(folder, "ratings.csv")
    return file is not None and first_line(file).startswith("user_id,book_id,rating")


def read_goodbooks(folder: Path, report: LoadReport) -> Frames:
    """ratings.csv and books.csv; the set carries no time."""
    file = needed(folder, "ratings.csv")
    ratings = delimited(file, ",").rename(columns={"book_id": "item_id", "rating": "weight"})
    frames = {"interactions": in_file_order(ratings, report, file)}
    if books := found(folder, "books.csv"):
        table = delimited(books, ",").rename(columns={"book_id": "item_id"})
        frames["items"] = table[[c for c in ("item_id", "title", "authors") if c in table]]
    return frames


def is_mind(folder: Path) -> bool:
    """behaviors.tsv."""
    return found(folder, "behaviors.tsv") is not None


def read_mind(folder: Path, report: LoadReport) -> Frames:
    """Every impression is a row: weight 1 clicked, 0 not; histories before the log are left out."""
    file = needed(folder, "behaviors.tsv")
    columns = ("impression", "user_id", "timestamp", "history", "shown")
    rows = delimited(file, "\t", columns, quoting=False)
    rows["timestamp"] = seconds_of(rows["timestamp"], file)
    rows = rows.assign(shown=rows["shown"].str.split()).explode("shown", ignore_index=True)
    parts = rows["shown"].str.rpartition("-")
    frame = rows.assign(item_id=parts[0], weight=parts[2])
    frames = {"interactions": frame[["user_id", "item_id", "timestamp", "weight", "impression"]]}
    if news := found(folder, "news.tsv"):
        names = ("item_id", "category", "subcategory", "title")
        extra = ("abstract", "url", "title_entities", "abstract_entities")
        table = delimited(news, "\t", (*names, *extra), quoting=False)
        frames["items"] = table[["item_id", "title", "category"]]
    return frames


def is_coat(folder: Path) -> bool:
    """train.ascii: a dense matrix of ratings, 0 for none."""
    return found(folder, "train.ascii") is not None


def read_coat(folder: Path, report: LoadReport) -> Frames:
    """train.ascii (the ratings that people chose to give); rows and columns are ids from 0."""
    file = needed(folder, "train.ascii")
    ratings = _matrix(file)
    users, items = np.nonzero(ratings)
    frame = pd.DataFrame(
        {
            "user_id": users.astype(str),
            "item_id": items.astype(str),
            "weight": ratings[users, items],
        }
    )
    frames = {"interactions": in_file_order(frame, report, file)}
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


def _matrix(path: Path) -> np.ndarray:
    rows = [line.split() for line in text_of(path, "ascii").splitlines() if line.strip()]
    if len({len(row) for row in rows}) != 1:
        raise InvalidData(f"{path}: rows have different lengths; expected a dense matrix.")
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise InvalidData(f"{path}: holds something that is not a number ({error}).") from None


def is_msweb(folder: Path) -> bool:
    """anonymous-msweb.data or .test: lines that begin with A, C or V."""
    return found(folder, "anonymous-msweb.data") is not None


def read_msweb(folder: Path, report: LoadReport) -> Frames:
    """Visits of the training file; the set carries no time.

    The test file reuses the same case numbers for other people: they get the prefix "test-".
    """
    visits: list[tuple[str, str]] = []
    areas: dict[str, tuple[str, str]] = {}
    file = needed(folder, "anonymous-msweb.data")
    for path, prefix in ((file, ""), (found(folder, "anonymous-msweb.test"), "test-")):
        if path is not None:
            _read_typed_lines(path, prefix, visits, areas)
    frame = pd.DataFrame(visits, columns=["user_id", "item_id"]).assign(weight=1.0)
    items = pd.DataFrame(
        [(key, title, url) for key, (title, url) in areas.items()],
        columns=["item_id", "title", "category"],
    )
    return {"interactions": in_file_order(frame, report, file), "items": items}


def _read_typed_lines(
    path: Path, prefix: str, visits: list[tuple[str, str]], areas: dict[str, tuple[str, str]]
) -> None:
    case = ""
    for line in text_of(path, "latin-1").splitlines():
        kind, _, rest = line.partition(",")
        fields = [field.strip('"') for field in rest.split(",")]
        if kind == "A":
            title = ",".join(fields[2:-1])
            areas[fields[0]] = (title, fields[-1].strip("/"))
        elif kind == "C":
            case = prefix + fields[0]
        elif kind == "V":
            visits.append((case, fields[0]))


def is_rl4rs(folder: Path) -> bool:
    """item_info.csv, separated by blanks."""
    return found(folder, "item_info.csv") is not None and found(folder, "rl4rs_*.csv") is not None


def read_rl4rs(folder: Path, report: LoadReport) -> Frames:
    """Exposed items of each logged session as rows; weight is the user's feedback, 0 or 1."""
    file = needed(folder, "rl4rs_*.csv")
    log = delimited(file, "@" if "@" in first_line(file) else ",")
    shown = log["exposed_items"].str.split(",")
    answers = log["user_feedback"].str.split(",")
    rows = log.assign(item_id=shown, weight=answers)[
        ["session_id", "timestamp", "item_id", "weight"]
    ]
    rows = rows.explode(["item_id", "weight"], ignore_index=True)
    return {"interactions": rows.rename(columns={"session_id": "user_id"})}
