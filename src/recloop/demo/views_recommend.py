"""What the Recommend page shows, as plain values: a person's history, and lists to compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from recloop.demo.markup import Line
from recloop.types import IntArray, Interactions
from recloop.utils.topk import top_k

NOISE = 1e-12  # what rounding leaves of a score that is 0
FIRST_DATE = 1e8  # seconds; below this (1973) a timestamp is a step number, not a date


@dataclass(frozen=True)
class Recommended:
    """One place of a list: the item's code, and what the model gives it."""

    item: int
    score: float


def history_items(seen: Interactions, user: int) -> IntArray:
    """(n,) what `user` did before the test part, newest first."""
    return seen.items[_rows_of(seen, user)]


def _rows_of(seen: Interactions, user: int) -> slice:
    start, stop = np.searchsorted(seen.users, [user, user + 1])
    return slice(stop - 1, start - 1 if start else None, -1) if stop > start else slice(0, 0)


def counts(seen: Interactions) -> IntArray:
    """(n_users,) how many rows everybody has."""
    return np.bincount(seen.users, minlength=seen.n_users)


def history_table(seen: Interactions, items: pd.DataFrame, user: int) -> pd.DataFrame:
    """A row for everything `user` did, newest first: when, title, category, weight, item_id."""
    rows = _rows_of(seen, user)
    codes = seen.items[rows]
    table = pd.DataFrame({"when": when(seen.timestamps[rows]), "title": titles(items, codes)})
    if "category" in items:
        table["category"] = [_words(value) for value in items["category"].to_numpy()[codes]]
    if len(seen) and not np.all(seen.weights == seen.weights[0]):
        table["weight"] = seen.weights[rows]
    if "title" in items:
        table["item_id"] = items["item_id"].to_numpy()[codes]
    return table


def when(timestamps: np.ndarray) -> list[str]:
    """Dates such as "2024-03-01"; numbers where the data have steps instead of dates."""
    return [
        f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d}" if second >= FIRST_DATE else f"{second:g}"
        for second in timestamps.tolist()
    ]


def titles(items: pd.DataFrame, codes: IntArray) -> list[str]:
    """The titles of `codes`; an item without one is named by its id."""
    ids = items["item_id"].to_numpy()[codes]
    if "title" not in items:
        return [str(name) for name in ids]
    found = items["title"].to_numpy()[codes]
    return [_words(title) or str(name) for title, name in zip(found, ids, strict=True)]


def _words(value: Any) -> str:
    """A cell as text, "" where nothing is known; lists of genres are joined."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return ""
    return str(value).replace("|", ", ")


def details(items: pd.DataFrame, code: int) -> str:
    """What is known of an item beside its title: "Comedy · 12.50 · rated 4.1"."""
    row = items.iloc[code]
    price, rating = (_number(row.get(name)) for name in ("price", "rating"))
    parts = [
        _words(row.get("category")),
        "" if price is None else f"price {price:.2f}",
        "" if rating is None else f"rated {rating:.1f}",
    ]
    return " · ".join(part for part in parts if part)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def recommendations(
    model: Any, seen: Interactions, user: int, k: int, *, leave_out_seen: bool
) -> list[Recommended]:
    """The model's k best items for `user`, without exploration; fewer where fewer are left."""
    past = history_items(seen, user)
    history = past[None, : model.history_length] if model.history_length else None
    scores = model.scores(np.array([user]), history=history)
    eligible = np.ones(scores.shape, dtype=np.bool_)
    if leave_out_seen:
        eligible[0, past] = False
    best = top_k(scores, k, eligible)[0]
    return [Recommended(int(item), float(scores[0, item])) for item in best if item >= 0]


def list_lines(
    chosen: Sequence[Recommended],
    items: pd.DataFrame,
    past: IntArray,
    other: Sequence[Recommended] = (),
    other_name: str = "",
) -> list[Line]:
    """A list to draw; a place says where the item stands in the other list, and if it is known."""
    places = {row.item: rank for rank, row in enumerate(other, start=1)}
    names = titles(items, np.array([row.item for row in chosen], dtype=np.int64))
    known = set(past.tolist())
    return [
        Line(
            rank=str(rank),
            title=name,
            value=value,
            more=" · ".join(
                part
                for part in (
                    details(items, row.item),
                    "already in the history" if row.item in known else "",
                )
                if part
            ),
            badge=f"#{places[row.item]} in {other_name}" if row.item in places else "",
        )
        for rank, (row, name, value) in enumerate(
            zip(chosen, names, numbers([row.score for row in chosen]), strict=True), start=1
        )
    ]


def numbers(scores: Sequence[float]) -> list[str]:
    """Scores with the same digits all the way down: whole ones as such, others to 4 places."""
    if all(score == round(score) for score in scores):
        return [f"{score:,.0f}" for score in scores]
    digits = 4 if max(abs(score) for score in scores) < 100 else 1
    least = 0.5 * 10**-digits
    return [
        f"{score:.0e}" if NOISE < abs(score) < least else f"{score:,.{digits}f}"
        for score in (0.0 if abs(score) < NOISE else score for score in scores)
    ]


def overlap(first: Sequence[Recommended], second: Sequence[Recommended]) -> str:
    """How much two lists agree, as a sentence."""
    shared = {row.item for row in first} & {row.item for row in second}
    longest = max(len(first), len(second))
    if not longest:
        return "Neither model has anything left to recommend."
    if [row.item for row in first] == [row.item for row in second]:
        return "Both lists are the same, in the same order."
    return f"{len(shared)} of {longest} items stand in both lists."


def history_lines(table: pd.DataFrame) -> list[Line]:
    """Rows of a history table to draw."""
    return [
        Line(
            rank="",
            title=str(row["title"]),
            value=str(row["when"]),
            more=" · ".join(
                part
                for part in (
                    str(row.get("category", "")),
                    f"weight {row['weight']:g}" if "weight" in row else "",
                )
                if part
            ),
        )
        for row in table.to_dict("records")
    ]


def someone(people: Sequence[str], n_rows: IntArray) -> str:
    """The first person who has a history, else the first."""
    return people[int(np.argmax(n_rows > 0))]


def model_labels(results: Mapping[str, Any]) -> dict[str, str]:
    """Each model's name with its value of the deciding metric: "ease (ndcg@10 0.2271)"."""
    metric = results["protocol"]["metric"]
    return {
        row["name"]: row["name"] + (f" ({metric} {value:.4f})" if value is not None else "")
        for row in results["models"]
        for value in [row["metrics"].get(metric, {}).get("mean")]
    }


def two_models(results: Mapping[str, Any]) -> tuple[str, str]:
    """Whom to compare first: the best learner and the best baseline, else the two best rows."""
    metric = results["protocol"]["metric"]

    def height(row: Mapping[str, Any]) -> float:
        mean = row["metrics"].get(metric, {}).get("mean")
        return -np.inf if mean is None else mean

    ordered = sorted(results["models"], key=height, reverse=True)
    learners = [row["name"] for row in ordered if not row["is_baseline"]]
    baselines = [row["name"] for row in ordered if row["is_baseline"]]
    if learners and baselines:
        return learners[0], baselines[0]
    names = [row["name"] for row in ordered]
    return names[0], names[min(1, len(names) - 1)]
