"""MovieLens in its three layouts (GroupLens), and RecBole's re-packing of sets like it."""

from pathlib import Path

import pandas as pd

from recloop.data.formats.files import (
    Frames,
    delimited,
    first_line,
    found,
    in_file_order,
    needed,
    text_of,
)
from recloop.data.report import LoadReport
from recloop.errors import InvalidData

RATING = ("user_id", "item_id", "weight", "timestamp")
AGES = {"1": "under 18", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49", "50": "50-55",
        "56": "56+"}  # fmt: skip
ATOMIC_WEIGHTS = ("rating", "label", "weight", "click", "target")
ATOMIC_CATEGORIES = ("class", "genre", "genres", "categories", "category")


def is_100k(folder: Path) -> bool:
    """u.data: tab-separated ratings without a header."""
    return found(folder, "u.data") is not None


def read_100k(folder: Path, report: LoadReport) -> Frames:
    """u.data, u.item (Latin-1), u.user."""
    frames = {"interactions": delimited(needed(folder, "u.data"), report, "\t", RATING)}
    if items := found(folder, "u.item"):
        genres = _genres(folder)
        columns = ["item_id", "title", "release_date", "_video", "_url", *genres]
        table = delimited(items, report, "|", columns, encoding="latin-1", quoting=False)
        flags = table[genres] == "1"
        table["category"] = ["|".join(flags.columns[row]) for row in flags.to_numpy()]
        frames["items"] = table[["item_id", "title", "category", "release_date"]]
    if users := found(folder, "u.user"):
        columns = ["user_id", "age", "gender", "occupation", "zip_code"]
        frames["users"] = delimited(users, report, "|", columns, encoding="latin-1")
    return frames


def _genres(folder: Path) -> list[str]:
    file = found(folder, "u.genre")
    if file is None:
        return [f"genre {number}" for number in range(19)]
    lines = text_of(file, "latin-1").splitlines()
    return [line.partition("|")[0] for line in lines if line.strip()]


def is_1m(folder: Path) -> bool:
    """ratings.dat: fields separated by '::'."""
    file = found(folder, "ratings.dat")
    return file is not None and "::" in first_line(file)


def read_1m(folder: Path, report: LoadReport) -> Frames:
    """ratings.dat, movies.dat, users.dat (Latin-1)."""

    def table_of(file: Path, columns: tuple[str, ...]) -> pd.DataFrame:
        return delimited(file, report, "::", columns, encoding="latin-1", quoting=False)

    frames = {"interactions": table_of(needed(folder, "ratings.dat"), RATING)}
    if items := found(folder, "movies.dat"):
        frames["items"] = table_of(items, ("item_id", "title", "category"))
    if users := found(folder, "users.dat"):
        columns = ("user_id", "gender", "age_group", "occupation", "zip_code")
        table = table_of(users, columns)
        frames["users"] = table.assign(age_group=table["age_group"].replace(AGES))
    return frames


def is_latest(folder: Path) -> bool:
    """ratings.csv with the header userId,movieId,rating,timestamp."""
    file = found(folder, "ratings.csv")
    return file is not None and first_line(file).startswith("userId,movieId,rating")


def read_latest(folder: Path, report: LoadReport) -> Frames:
    """ratings.csv and movies.csv of latest(-small), 20M, 25M and 32M."""
    names = {"userId": "user_id", "movieId": "item_id", "rating": "weight"}
    ratings = delimited(needed(folder, "ratings.csv"), report, ",")
    frames = {"interactions": ratings.rename(columns=names)}
    if movies := found(folder, "movies.csv"):
        table = delimited(movies, report, ",")
        table = table.rename(columns={"movieId": "item_id", "genres": "category"})
        table["category"] = table["category"].replace("(no genres listed)", "")
        frames["items"] = table
    return frames


def is_recbole(folder: Path) -> bool:
    """NAME.inter with typed column names such as user_id:token."""
    file = found(folder, "*.inter")
    return file is not None and ":token" in first_line(file)


def read_recbole(folder: Path, report: LoadReport) -> Frames:
    """Atomic files: .inter, .item, .user; the first token is the user, the second the item.

    Weight is the first of rating, label, weight, click and target that is there, else 1.
    """
    file = needed(folder, "*.inter")
    inter, tokens = _atomic(file, report)
    if len(tokens) < 2:
        raise InvalidData(f"{file}: needs two columns of type token, the user and the item.")
    inter = inter.rename(columns={tokens[0]: "user_id", tokens[1]: "item_id"})
    weight = _first_of(inter, ATOMIC_WEIGHTS)
    inter["weight"] = inter[weight] if weight else "1"
    if "timestamp" not in inter:
        inter = in_file_order(inter, report, file)
    frames = {"interactions": inter}
    if items := found(folder, "*.item"):
        table, tokens = _atomic(items, report)
        table = table.rename(columns={tokens[0]: "item_id", "movie_title": "title"})
        if kind := _first_of(table, ATOMIC_CATEGORIES):
            table["category"] = table[kind].str.replace(" ", "|")
            table = table.drop(columns=[kind] if kind != "category" else [])
        frames["items"] = table
    if users := found(folder, "*.user"):
        table, tokens = _atomic(users, report)
        frames["users"] = table.rename(columns={tokens[0]: "user_id"})
    return frames


def _first_of(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in table), None)


def _atomic(path: Path, report: LoadReport) -> tuple[pd.DataFrame, list[str]]:
    """A table without the types in its header, and which of its columns are of type token."""
    frame = delimited(path, report, "\t", quoting=False)
    typed = [name.partition(":") for name in frame.columns]
    tokens = [name for name, _, kind in typed if kind == "token"]
    return frame.set_axis([name for name, _, _ in typed], axis=1), tokens
