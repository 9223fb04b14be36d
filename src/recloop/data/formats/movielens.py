"""MovieLens in its three layouts (GroupLens), and RecBole's re-packing of sets like it."""

from pathlib import Path

import pandas as pd

from recloop.data.formats.files import delimited, first_line, found, in_file_order, needed, text_of
from recloop.data.schema import LoadReport

Frames = dict[str, pd.DataFrame]
RATING = ("user_id", "item_id", "weight", "timestamp")
AGES = {"1": "under 18", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49", "50": "50-55",
        "56": "56+"}  # fmt: skip


def is_100k(folder: Path) -> bool:
    """u.data: tab-separated ratings without a header."""
    return found(folder, "u.data") is not None


def read_100k(folder: Path, report: LoadReport) -> Frames:
    """u.data, u.item (Latin-1), u.user."""
    frames = {"interactions": delimited(needed(folder, "u.data"), "\t", RATING)}
    if items := found(folder, "u.item"):
        genres = _genres(folder)
        columns = ["item_id", "title", "release_date", "_video", "_url", *genres]
        table = delimited(items, "|", columns, encoding="latin-1", quoting=False)
        flags = table[genres] == "1"
        table["category"] = ["|".join(flags.columns[row]) for row in flags.to_numpy()]
        frames["items"] = table[["item_id", "title", "category", "release_date"]]
    if users := found(folder, "u.user"):
        columns = ["user_id", "age", "gender", "occupation", "zip_code"]
        frames["users"] = delimited(users, "|", columns, encoding="latin-1")
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
    frames = {"interactions": delimited(needed(folder, "ratings.dat"), "::", RATING,
                                        encoding="latin-1")}  # fmt: skip
    if items := found(folder, "movies.dat"):
        columns = ("item_id", "title", "category")
        frames["items"] = delimited(items, "::", columns, encoding="latin-1", quoting=False)
    if users := found(folder, "users.dat"):
        columns = ("user_id", "gender", "age_group", "occupation", "zip_code")
        table = delimited(users, "::", columns, encoding="latin-1")
        table["age_group"] = table["age_group"].replace(AGES)
        frames["users"] = table
    return frames


def is_latest(folder: Path) -> bool:
    """ratings.csv with the header userId,movieId,rating,timestamp."""
    file = found(folder, "ratings.csv")
    return file is not None and first_line(file).startswith("userId,movieId,rating")


def read_latest(folder: Path, report: LoadReport) -> Frames:
    """ratings.csv and movies.csv of latest(-small), 20M, 25M and 32M."""
    ratings = delimited(needed(folder, "ratings.csv"), ",")
    frames = {
        "interactions": ratings.rename(
            columns={"userId": "user_id", "movieId": "item_id", "rating": "weight"}
        )
    }
    if movies := found(folder, "movies.csv"):
        table = delimited(movies, ",").rename(columns={"movieId": "item_id", "genres": "category"})
        table["category"] = table["category"].replace("(no genres listed)", "")
        frames["items"] = table
    return frames


def is_recbole(folder: Path) -> bool:
    """NAME.inter with typed column names such as user_id:token."""
    file = found(folder, "*.inter")
    return file is not None and ":token" in first_line(file)


def read_recbole(folder: Path, report: LoadReport) -> Frames:
    """Atomic files: .inter, .item, .user."""
    inter = _untyped(needed(folder, "*.inter"))
    inter = inter.rename(columns={"rating": "weight", "label": "weight"})
    if "weight" not in inter:
        inter["weight"] = "1"
    if "timestamp" not in inter:
        inter = in_file_order(inter, report, folder)
    frames = {"interactions": inter}
    if items := found(folder, "*.item"):
        table = _untyped(items)
        names = {"movie_title": "title", "class": "category", "genre": "category"}
        table = table.rename(columns=names)
        if "category" in table:
            table["category"] = table["category"].str.replace(" ", "|")
        frames["items"] = table
    if users := found(folder, "*.user"):
        frames["users"] = _untyped(users)
    return frames


def _untyped(path: Path) -> pd.DataFrame:
    frame = delimited(path, "\t", quoting=False)
    return frame.rename(columns=lambda name: name.partition(":")[0])
