"""Amazon reviews (McAuley, UCSD): ratings as CSV in three column orders, reviews as JSON lines."""

import ast
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from recloop.data.formats.files import Frames, delimited, first_line, matching, the_one
from recloop.data.report import LoadReport, opened
from recloop.data.tables import UNREADABLE
from recloop.errors import InvalidData, MissingData

RATINGS_2023 = ("user_id", "parent_asin", "rating", "timestamp")
REVIEW = {
    "user_id": ("reviewerID", "user_id"),
    "item_id": ("asin", "parent_asin"),
    "weight": ("overall", "rating"),
    "timestamp": ("unixReviewTime", "timestamp"),
}
Review = dict[str, Any]


def _headless_ratings(folder: Path) -> list[Path]:
    """The CSV files whose first line is two ids, a rating and a time."""
    files = matching(folder, "*.csv")
    return [file for file in files if _is_rating(first_line(file).split(","))]


def _is_rating(fields: list[str]) -> bool:
    if len(fields) != 4:
        return False
    return fields[2] in ("1", "2", "3", "4", "5", "1.0", "2.0", "3.0", "4.0", "5.0") and (
        fields[3].isdigit()
    )


def _item_column(file: Path) -> int | None:
    """Which of the first two columns holds the items; None if the first lines do not tell."""
    with opened(file) as handle:
        rows = [line.decode("latin-1").split(",")[:2] for line in islice(handle, 100)]
    like = [all(len(row) > column and _is_asin(row[column]) for row in rows) for column in (0, 1)]
    return like.index(True) if like.count(True) == 1 else None


def _is_asin(text: str) -> bool:
    return len(text) == 10 and (text.startswith("B0") or text[:9].isdigit())


def is_2014(folder: Path) -> bool:
    """ratings_*.csv without a header whose second column is the item, or might be."""
    return any(_item_column(file) in (1, None) for file in _headless_ratings(folder))


def is_2018(folder: Path) -> bool:
    """A file without a header whose first column is the item, or might be."""
    return any(_item_column(file) in (0, None) for file in _headless_ratings(folder))


def read_2014(folder: Path, report: LoadReport) -> Frames:
    """user, item, rating, seconds; no header."""
    return _headless(folder, report, ("user_id", "item_id", "weight", "timestamp"))


def read_2018(folder: Path, report: LoadReport) -> Frames:
    """item, user, rating, seconds; no header."""
    return _headless(folder, report, ("item_id", "user_id", "weight", "timestamp"))


def _headless(folder: Path, report: LoadReport, columns: tuple[str, ...]) -> Frames:
    files = _headless_ratings(folder)
    if not files:
        raise MissingData(f"{folder}: no Amazon ratings (four columns, no header) here.")
    return {"interactions": delimited(the_one(files, folder), report, ",", columns)}


def _ratings_2023(folder: Path) -> list[Path]:
    files = matching(folder, "*.csv")
    return [file for file in files if tuple(first_line(file).split(",")[:4]) == RATINGS_2023]


def is_2023(folder: Path) -> bool:
    """A CSV with the header user_id,parent_asin,rating,timestamp."""
    return bool(_ratings_2023(folder))


def read_2023(folder: Path, report: LoadReport) -> Frames:
    """Header, milliseconds."""
    files = _ratings_2023(folder)
    if not files:
        raise MissingData(f"{folder}: no file with the header {','.join(RATINGS_2023)} here.")
    table = delimited(the_one(files, folder), report, ",")
    return {"interactions": table.rename(columns={"parent_asin": "item_id", "rating": "weight"})}


def _json_files(folder: Path, *, meta: bool) -> list[Path]:
    files = [*matching(folder, "*.json"), *matching(folder, "*.jsonl")]
    return [file for file in files if file.name.lower().startswith("meta") == meta]


def is_reviews(folder: Path) -> bool:
    """Reviews as one JSON object a line, of 2014 and 2018 (reviewerID) or 2023 (parent_asin)."""
    lines = [first_line(file) for file in _json_files(folder, meta=False)]
    return any('"reviewerID"' in line or '"parent_asin"' in line for line in lines)


def read_reviews(folder: Path, report: LoadReport) -> Frames:
    """reviews *.json or *.jsonl, and meta_* (JSON or Python literals) where it is there."""
    files = _json_files(folder, meta=False)
    if not files:
        raise MissingData(f"{folder}: no reviews (*.json or *.jsonl, plain or .gz) here.")
    rows = [
        {name: _first(review, keys) for name, keys in REVIEW.items()}
        for review in _objects(the_one(files, folder))
    ]
    frames = {"interactions": pd.DataFrame(rows, columns=list(REVIEW))}
    if files := _json_files(folder, meta=True):
        rows = [_product(one) for one in _objects(the_one(files, folder))]
        table = pd.DataFrame(rows).drop_duplicates("item_id", ignore_index=True)
        if len(table) < len(rows):
            report.notes.append(f"{files[0]}: {len(rows) - len(table)} products stand there again.")
        frames["items"] = table
    return frames


def _first(review: Review, keys: Iterable[str]) -> object:
    return next((review[key] for key in keys if key in review), None)


def _product(found: Review) -> dict[str, object]:
    """What a product says of itself; a price that is no number (a range, say) is left empty."""
    price = str(found.get("price") or "").replace("$", "").replace(",", "").strip()
    return {
        "item_id": _first(found, ("parent_asin", "asin")),
        "title": found.get("title"),
        "category": "|".join(dict.fromkeys(_words(found.get("categories", found.get("category"))))),
        "price": price if price.replace(".", "", 1).isdigit() else "",
    }


def _words(value: object) -> Iterator[str]:
    """The words in a list, or in a list of lists: categories come as either."""
    if isinstance(value, str):
        yield value.replace("|", "/")
    elif isinstance(value, list):
        for one in value:
            yield from _words(one)


def _objects(path: Path) -> Iterator[Review]:
    try:
        with opened(path) as handle:
            for number, raw in enumerate(handle, start=1):
                if raw.strip():
                    yield _object(raw, path, number)
    except UNREADABLE as error:
        raise InvalidData(f"{path}: cannot be read ({error}).") from None


def _object(raw: bytes, path: Path, number: int) -> Review:
    try:
        line = raw.decode("utf-8").strip()
        try:
            found = json.loads(line)
        except ValueError:
            found = ast.literal_eval(line)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InvalidData(f"{path}: line {number} is not an object ({error}).") from None
    if not isinstance(found, dict):
        raise InvalidData(f"{path}: line {number} is not an object, got {raw[:80]!r}.")
    return found
