"""Shops and sessions: Open Bandit, RetailRocket, Amazon, Diginetica, YooChoose, Steam."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from recloop.data.formats.files import (
    delimited,
    first_line,
    found,
    in_file_order,
    needed,
    opened,
    seconds_of,
)
from recloop.data.schema import LoadReport
from recloop.errors import InvalidData

Frames = dict[str, pd.DataFrame]
EVENT_WEIGHTS = {"view": 1.0, "addtocart": 2.0, "transaction": 3.0}


def is_open_bandit(folder: Path) -> bool:
    """A log with click and propensity_score beside item_context.csv."""
    file = _open_bandit_log(folder)
    return file is not None and "propensity_score" in first_line(file)


def _open_bandit_log(folder: Path) -> Path | None:
    for campaign in ("all", "men", "women"):
        if file := found(folder, f"{campaign}.csv"):
            return file
    return None


def read_open_bandit(folder: Path, report: LoadReport) -> Frames:
    """One campaign of one policy: every impression is a row, weight is the click (0 or 1).

    There are no user ids: people with the same four features count as one user. Position (1-based)
    and the logged propensity are kept.
    """
    log = delimited(_open_bandit_log(folder) or needed(folder, "all.csv"), ",")
    kinds = [f"user_feature_{number}" for number in range(4)]
    report.notes.append(f"{folder}: has no user ids; people with equal features count as one.")
    log["user_id"] = log[kinds].agg("|".join, axis=1)
    log["timestamp"] = seconds_of(log["timestamp"], folder)
    log = log.rename(columns={"click": "weight", "propensity_score": "propensity"})
    columns = ["user_id", "item_id", "timestamp", "weight", "position", "propensity"]
    frames = {"interactions": log[columns]}
    if context := found(folder, "item_context.csv"):
        table = delimited(context, ",").rename(columns={"item_feature_1": "category"})
        frames["items"] = table.drop(columns=table.columns[0])
        frames["items"]["item_feature_0"] = pd.to_numeric(frames["items"]["item_feature_0"])
    return frames


def is_retailrocket(folder: Path) -> bool:
    """events.csv with visitorid and itemid."""
    file = found(folder, "events.csv")
    return file is not None and first_line(file).startswith("timestamp,visitorid,event,itemid")


def read_retailrocket(folder: Path, report: LoadReport) -> Frames:
    """events.csv: weight 1 for a view, 2 for a cart, 3 for a purchase; milliseconds to seconds."""
    events = delimited(needed(folder, "events.csv"), ",")
    unknown = set(events["event"]) - set(EVENT_WEIGHTS)
    if unknown:
        raise InvalidData(
            f"{folder}: unknown event '{min(unknown)}'. Known: {', '.join(EVENT_WEIGHTS)}."
        )
    events["weight"] = events["event"].map(EVENT_WEIGHTS)
    events["timestamp"] = pd.to_numeric(events["timestamp"], errors="coerce") / 1000.0
    events = events.rename(columns={"visitorid": "user_id", "itemid": "item_id"})
    return {"interactions": events[["user_id", "item_id", "timestamp", "weight", "event"]]}


def is_amazon_csv(folder: Path) -> bool:
    """ratings_*.csv without a header, or a 2023 file with user_id,parent_asin,rating,timestamp."""
    file = _amazon_csv(folder)
    return file is not None


def _amazon_csv(folder: Path) -> Path | None:
    for pattern in ("ratings_*.csv", "*.csv"):
        file = found(folder, pattern)
        if file is not None and _amazon_kind(first_line(file)):
            return file
    return None


def _amazon_kind(line: str) -> str:
    if line.startswith("user_id,parent_asin,rating,timestamp"):
        return "2023"
    fields = line.split(",")
    numeric = len(fields) == 4 and fields[3].isdigit() and fields[2].replace(".", "").isdigit()
    if not numeric:
        return ""
    first, second = (_looks_like_asin(field) for field in fields[:2])
    return {(False, True): "2014", (True, False): "2018"}.get((first, second), "unclear")


def _looks_like_asin(text: str) -> bool:
    return len(text) == 10 and (text.startswith("B0") or text[:9].isdigit())


def read_amazon_csv(folder: Path, report: LoadReport) -> Frames:
    """2014 (user, item), 2018 (item, user) or 2023 (header, milliseconds) ratings.

    Which of the first two columns is the item is told by the ids; when the first line does not
    tell, InvalidData asks.
    """
    file = _amazon_csv(folder)
    if file is None:
        raise InvalidData(f"{folder}: no Amazon ratings file here.")
    kind = _amazon_kind(first_line(file))
    if kind == "unclear":
        raise InvalidData(
            f"{file}: cannot tell whether user or item stands first (2014: user,item; 2018: "
            "item,user). Add the header user_id,item_id,weight,timestamp in the right order and "
            "name the file interactions.csv."
        )
    if kind == "2023":
        frame = delimited(file, ",").rename(columns={"parent_asin": "item_id", "rating": "weight"})
        frame["timestamp"] = pd.to_numeric(frame["timestamp"], errors="coerce") / 1000.0
        return {"interactions": frame}
    ids = ("user_id", "item_id") if kind == "2014" else ("item_id", "user_id")
    return {"interactions": delimited(file, ",", (*ids, "weight", "timestamp"))}


def is_amazon_json(folder: Path) -> bool:
    """Reviews as one JSON object a line with reviewerID and asin."""
    file = found(folder, "*.json")
    return file is not None and '"reviewerID"' in first_line(file)


def read_amazon_json(folder: Path, report: LoadReport) -> Frames:
    """reviews *.json, and meta_*.json (JSON or Python literals) where it is there."""
    names = {"reviewerID": "user_id", "asin": "item_id", "overall": "weight",
             "unixReviewTime": "timestamp"}  # fmt: skip
    rows = ({names[key]: row.get(key) for key in names} for row in _objects(folder, "*.json"))
    frames = {"interactions": pd.DataFrame(rows)}
    if found(folder, "meta_*.json"):
        keep = {"asin": "item_id", "title": "title", "price": "price"}
        meta = (
            {keep[key]: row.get(key) for key in keep} for row in _objects(folder, "meta_*.json")
        )
        frames["items"] = pd.DataFrame(meta)
    return frames


def _objects(folder: Path, pattern: str) -> Iterator[dict]:
    path = needed(folder, pattern)
    with opened(path) as handle:
        for number, raw in enumerate(handle, start=1):
            line = raw.decode("utf-8")
            if not line.strip():
                continue
            try:
                yield json.loads(line) if line.startswith('{"') else ast.literal_eval(line)
            except (ValueError, SyntaxError) as error:
                raise InvalidData(f"{path}: line {number} is not an object ({error}).") from None


def is_diginetica(folder: Path) -> bool:
    """train-item-views.csv, separated by semicolons."""
    return found(folder, "train-item-views.csv") is not None


def read_diginetica(folder: Path, report: LoadReport) -> Frames:
    """A session counts as a user; time is the day plus the milliseconds into the session."""
    file = needed(folder, "train-item-views.csv")
    views = delimited(file, ";")
    offset = pd.to_numeric(views["timeframe"], errors="coerce") / 1000.0
    views["timestamp"] = seconds_of(views["eventdate"], file) + offset
    views["weight"] = 1.0
    columns = {"session_id": "user_id"}
    views = views.drop(columns="user_id").rename(columns=columns)
    return {"interactions": views[["user_id", "item_id", "timestamp", "weight"]]}


def is_yoochoose(folder: Path) -> bool:
    """yoochoose-clicks.dat."""
    return found(folder, "yoochoose-clicks.dat") is not None


def read_yoochoose(folder: Path, report: LoadReport) -> Frames:
    """A session counts as a user."""
    file = needed(folder, "yoochoose-clicks.dat")
    clicks = delimited(file, ",", ("user_id", "timestamp", "item_id", "category"))
    clicks["timestamp"] = seconds_of(clicks["timestamp"], file)
    clicks["weight"] = 1.0
    return {"interactions": clicks[["user_id", "item_id", "timestamp", "weight"]]}


def is_steam(folder: Path) -> bool:
    """steam-200k.csv: user, "title", purchase or play, value, 0."""
    return found(folder, "steam-200k.csv") is not None


def read_steam(folder: Path, report: LoadReport) -> Frames:
    """Hours played as weight; games that were bought and never played weigh 0.

    The title is the item's id. The set carries no time.
    """
    file = needed(folder, "steam-200k.csv")
    rows = delimited(file, ",", ("user_id", "item_id", "behaviour", "value", "_zero"))
    hours = pd.to_numeric(rows["value"], errors="coerce")
    rows["weight"] = np.where(rows["behaviour"] == "play", hours, 0.0)
    grouped = rows.groupby(["user_id", "item_id"], sort=False)["weight"].sum().reset_index()
    return {"interactions": in_file_order(grouped, report, file)}
