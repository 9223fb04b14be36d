"""Video, music, books and news: KuaiRec, KuaiRand, Last.fm, Goodbooks, MIND, MSWeb, RL4RS."""

from pathlib import Path

import pandas as pd

from recloop.data.formats.files import (
    Frames,
    delimited,
    divided,
    first_line,
    found,
    in_file_order,
    matching,
    needed,
    seconds_of,
    text_of,
)
from recloop.data.report import LoadReport


def is_kuairec(folder: Path) -> bool:
    """big_matrix.csv or small_matrix.csv with watch_ratio."""
    file = found(folder, "big_matrix.csv") or found(folder, "small_matrix.csv")
    return file is not None and "watch_ratio" in first_line(file)


def read_kuairec(folder: Path, report: LoadReport) -> Frames:
    """The big matrix if it is there, else the small one; weight is the watch ratio.

    Rows without a time get the time of the row before them (0 at the start).
    """
    file = found(folder, "big_matrix.csv") or needed(folder, "small_matrix.csv")
    columns = ("user_id", "video_id", "timestamp", "watch_ratio")
    rows = delimited(file, report, ",", only=columns)
    rows = rows.rename(columns={"video_id": "item_id", "watch_ratio": "weight"})
    untimed = rows["timestamp"] == ""
    if untimed.any():
        report.notes.append(f"{file}: {int(untimed.sum())} rows without a time take the time of "
                            "the row before.")  # fmt: skip
        rows["timestamp"] = rows["timestamp"].where(~untimed).ffill().fillna("0")
    frames = {"interactions": rows}
    if categories := found(folder, "item_categories.csv"):
        table = delimited(categories, report, ",").rename(columns={"video_id": "item_id"})
        words = table.pop("feat").str.strip("[]").str.replace(" ", "").str.replace(",", "|")
        frames["items"] = table.assign(category=words)
    return frames


def is_kuairand(folder: Path) -> bool:
    """log_standard_*.csv or log_random_*.csv."""
    return bool(_kuairand_logs(folder))


def _kuairand_logs(folder: Path) -> list[Path]:
    return [*matching(folder, "log_random_*.csv"), *matching(folder, "log_standard_*.csv")]


def read_kuairand(folder: Path, report: LoadReport) -> Frames:
    """All logs of the folder, one after another; weight is is_click; is_rand is kept."""
    columns = ("user_id", "video_id", "time_ms", "is_click", "is_rand")
    files = _kuairand_logs(folder) or [needed(folder, "log_standard_*.csv")]
    rows = pd.concat([delimited(file, report, ",", only=columns) for file in files])
    rows["timestamp"] = divided(rows.pop("time_ms"), 1000.0)
    return {"interactions": rows.rename(columns={"video_id": "item_id", "is_click": "weight"})}


def is_hetrec(folder: Path) -> bool:
    """user_artists.dat."""
    return found(folder, "user_artists.dat") is not None


def read_hetrec(folder: Path, report: LoadReport) -> Frames:
    """Last.fm 2K: weight is the number of plays; the set carries no time of listening."""
    file = needed(folder, "user_artists.dat")
    plays = delimited(file, report, "\t").rename(
        columns={"userID": "user_id", "artistID": "item_id"}
    )
    frames = {"interactions": in_file_order(plays, report, file)}
    if artists := found(folder, "artists.dat"):
        table = delimited(artists, report, "\t", quoting=False)
        frames["items"] = table.rename(columns={"id": "item_id", "name": "title"})
    return frames


def is_goodbooks(folder: Path) -> bool:
    """ratings.csv with the header user_id,book_id,rating."""
    file = found(folder, "ratings.csv")
    return file is not None and first_line(file).startswith("user_id,book_id,rating")


def read_goodbooks(folder: Path, report: LoadReport) -> Frames:
    """ratings.csv and books.csv; the set carries no time."""
    file = needed(folder, "ratings.csv")
    ratings = delimited(file, report, ",")
    ratings = ratings.rename(columns={"book_id": "item_id", "rating": "weight"})
    frames = {"interactions": in_file_order(ratings, report, file)}
    if books := found(folder, "books.csv"):
        table = delimited(books, report, ",").rename(columns={"book_id": "item_id"})
        frames["items"] = table[[c for c in ("item_id", "title", "authors") if c in table]]
    return frames


def is_mind(folder: Path) -> bool:
    """behaviors.tsv."""
    return found(folder, "behaviors.tsv") is not None


def read_mind(folder: Path, report: LoadReport) -> Frames:
    """Every impression is a row: weight 1 clicked, 0 not; histories before the log are left out."""
    file = needed(folder, "behaviors.tsv")
    columns = ("impression", "user_id", "timestamp", "history", "shown")
    rows = delimited(file, report, "\t", columns, quoting=False)
    rows["timestamp"] = seconds_of(rows["timestamp"], "%m/%d/%Y %I:%M:%S %p")
    rows = rows.assign(shown=rows["shown"].str.split()).explode("shown")
    parts = rows["shown"].str.rpartition("-")
    frame = rows.assign(item_id=parts[0], weight=parts[2])
    frames = {"interactions": frame[["user_id", "item_id", "timestamp", "weight", "impression"]]}
    if news := found(folder, "news.tsv"):
        names = ("item_id", "category", "subcategory", "title")
        extra = ("abstract", "url", "title_entities", "abstract_entities")
        table = delimited(news, report, "\t", (*names, *extra), quoting=False)
        frames["items"] = table[["item_id", "title", "category"]]
    return frames


def is_msweb(folder: Path) -> bool:
    """anonymous-msweb.data or .test: lines that begin with A, C or V."""
    return found(folder, "anonymous-msweb.data") is not None


def read_msweb(folder: Path, report: LoadReport) -> Frames:
    """Visits of the training file and, where it is there, the test file; there is no time.

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
    log = delimited(file, report, "@" if "@" in first_line(file) else ",")
    shown = log["exposed_items"].str.split(",")
    answers = log["user_feedback"].str.split(",")
    rows = log.assign(item_id=shown, weight=answers)[
        ["session_id", "timestamp", "item_id", "weight"]
    ]
    rows = rows.explode(["item_id", "weight"])
    return {"interactions": rows.rename(columns={"session_id": "user_id"})}
