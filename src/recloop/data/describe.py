"""What a data set holds, in numbers and in words, before anything is learned from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recloop.data.dataset import unused_in_words
from recloop.data.loader import DatasetLoader
from recloop.data.report import BadRows
from recloop.data.splitting import are_positive


def describe(
    folder: str | Path,
    format: str = "auto",
    *,
    on_bad_rows: BadRows = "error",
) -> dict[str, Any]:
    """Counts, density, time span, weights, activity and warnings of a folder or file."""
    loader = DatasetLoader(folder, format, on_bad_rows=on_bad_rows)
    frame = loader.load_interactions()
    items, users = loader.load_items(), loader.load_users()
    n_users, n_items = int(frame["user_id"].nunique()), int(frame["item_id"].nunique())
    pairs = frame[["user_id", "item_id"]]
    n_pairs = len(pairs.drop_duplicates())
    return {
        "folder": str(folder),
        "format": loader.format,
        "n_interactions": len(frame),
        "n_users": n_users,
        "n_items": n_items,
        "density": n_pairs / (n_users * n_items),
        "n_repeated_pairs": len(frame) - n_pairs,
        "n_rows_dropped": loader.report.n_dropped,
        "positives": loader.positives,
        "n_positives": int(are_positive(frame["weight"], loader.positives).sum()),
        "first": _moment(frame["timestamp"].min()),
        "last": _moment(frame["timestamp"].max()),
        "weight": _spread(frame["weight"]),
        "per_user": _spread(frame["user_id"].value_counts()),
        "per_item": _spread(frame["item_id"].value_counts()),
        "n_items_described": 0 if items is None else len(items),
        "n_users_described": 0 if users is None else len(users),
        "warnings": [
            *loader.report.notes,
            *_warnings(frame, loader.positives),
            *_undescribed(frame, items, users),
            *unused_in_words(items, users, frame["item_id"].unique(), frame["user_id"].unique()),
        ],
    }


def in_words(found: dict[str, Any]) -> str:
    """`describe`'s findings as lines of text."""
    weight, per_user = found["weight"], found["per_user"]
    lines = [
        f"{found['folder']}: {found['format']}",
        f"  {found['n_interactions']:,} interactions, {found['n_users']:,} users, "
        f"{found['n_items']:,} items, density {found['density']:.4%}",
        f"  from {found['first']} to {found['last']}",
        f"  weight {weight['min']:g} to {weight['max']:g}, mean {weight['mean']:.3f}",
        f"  positives {found['positives']}: {found['n_positives']:,} rows count as choices"
        + ("" if found["positives"] == "all" else ", the others were only shown"),
        f"  per user {per_user['min']:g} to {per_user['max']:g}, median {per_user['median']:g}",
        f"  {found['n_repeated_pairs']:,} rows repeat a pair of user and item",
        f"  described: {found['n_items_described']:,} items, {found['n_users_described']:,} users",
    ]
    return "\n".join([*lines, *(f"  note: {text}" for text in found["warnings"])])


def _spread(values: pd.Series) -> dict[str, float]:
    array = values.to_numpy(np.float64)
    return {
        "min": float(array.min()),
        "median": float(np.median(array)),
        "mean": float(array.mean()),
        "max": float(array.max()),
    }


def _moment(seconds: float) -> str:
    if seconds < 1e8:  # before 1973: an order index rather than a time
        return f"{seconds:g}"
    return pd.Timestamp(seconds, unit="s").strftime("%Y-%m-%d %H:%M:%S")


def _warnings(frame: pd.DataFrame, positives: str) -> list[str]:
    found = []
    if positives == "all" and frame["weight"].min() == 0:
        n_zero = int((frame["weight"] == 0).sum())
        found.append(
            f"{n_zero:,} of {len(frame):,} rows weigh 0 and count as choices: if they were only "
            "shown, set data.positives to '>0'."
        )
    if frame["timestamp"].nunique() == 1:
        found.append("all timestamps are equal: a temporal split would be the order of the file.")
    if (frame["weight"] < 0).any():
        found.append("some weights are negative: set data.positives to say which rows count.")
    if frame["weight"].nunique() > 1 and frame["weight"].max() > 1:
        found.append("weights look like ratings: every row counts unless data.positives says so.")
    for name in ("user_id", "item_id"):
        ids = pd.Series(frame[name].unique(), dtype="str")
        if ids.str.fullmatch(r"\d+\.0").all():
            found.append(f"every {name} ends in '.0': another program wrote whole numbers so.")
        if (ids != ids.str.strip()).any():
            found.append(f"some {name} begin or end with a blank, which makes them different ids.")
    n_once = int((frame["user_id"].value_counts() == 1).sum())
    if n_once:
        found.append(f"{n_once:,} users have a single row: no split can test on what they do next.")
    return found


def _undescribed(
    frame: pd.DataFrame, items: pd.DataFrame | None, users: pd.DataFrame | None
) -> list[str]:
    """How many of those in the log have no row in the table that describes them."""
    found = []
    for name, table in (("item_id", items), ("user_id", users)):
        if table is None:
            continue
        ids = pd.Series(frame[name].unique())
        n_missing = int((~ids.isin(table[name])).sum())
        if n_missing:
            kind = name.removesuffix("_id")
            found.append(f"{n_missing:,} of {len(ids):,} {kind}s of the log are not described.")
    return found
