"""Shops and sessions: Open Bandit, RetailRocket, Diginetica, YooChoose, Steam."""

from pathlib import Path

import numpy as np
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
    numbers_where_possible,
    seconds_of,
    the_one,
)
from recloop.data.report import LoadReport
from recloop.errors import InvalidData

CAMPAIGNS = ("all", "men", "women")
EVENT_WEIGHTS = {"view": "1", "addtocart": "2", "transaction": "3"}
USER_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
REPACKED_STEAM = "User_ID\tGame_ID\tHours"


def is_open_bandit(folder: Path) -> bool:
    """A log with click and propensity_score."""
    return any("propensity_score" in first_line(file) for file in _bandit_logs(folder))


def _bandit_logs(folder: Path) -> list[Path]:
    return [file for name in CAMPAIGNS for file in matching(folder, f"{name}.csv")]


def read_open_bandit(folder: Path, report: LoadReport) -> Frames:
    """One campaign of one policy: every impression is a row, weight is the click (0 or 1).

    There are no user ids: people with the same four features count as one user. Position (1-based)
    and the logged propensity are kept.
    """
    file = the_one(_bandit_logs(folder) or [needed(folder, "all.csv")], folder)
    columns = ("timestamp", "item_id", "position", "click", "propensity_score")
    log = delimited(file, report, ",", only=(*columns, *USER_FEATURES))
    report.notes.append(f"{file}: has no user ids; people with equal features count as one.")
    first, *others = USER_FEATURES
    log["user_id"] = log[first].str.cat(log[others], sep="|")
    log = log.drop(columns=list(USER_FEATURES))
    log["timestamp"] = seconds_of(log["timestamp"])
    log["position"] = numbers_where_possible(
        log["position"], pd.to_numeric(log["position"], "coerce")
    )
    frames = {
        "interactions": log.rename(columns={"click": "weight", "propensity_score": "propensity"})
    }
    if context := found(folder, "item_context.csv"):
        table = delimited(context, report, ",")
        table = table.drop(columns=table.columns[0])
        table["item_feature_0"] = pd.to_numeric(table["item_feature_0"], errors="coerce")
        frames["items"] = table.rename(columns={"item_feature_1": "category"})
    return frames


def is_retailrocket(folder: Path) -> bool:
    """events.csv with visitorid and itemid."""
    file = found(folder, "events.csv")
    return file is not None and first_line(file).startswith("timestamp,visitorid,event,itemid")


def read_retailrocket(folder: Path, report: LoadReport) -> Frames:
    """events.csv: weight 1 for a view, 2 for a cart, 3 for a purchase; milliseconds to seconds."""
    columns = ("timestamp", "visitorid", "event", "itemid")
    events = delimited(needed(folder, "events.csv"), report, ",", only=columns)
    weights = events["event"].map(EVENT_WEIGHTS)
    events["weight"] = weights.where(weights.notna(), events["event"])  # the check names others
    events["timestamp"] = divided(events["timestamp"], 1000.0)
    return {"interactions": events.rename(columns={"visitorid": "user_id", "itemid": "item_id"})}


def is_diginetica(folder: Path) -> bool:
    """train-item-views.csv, separated by semicolons."""
    return found(folder, "train-item-views.csv") is not None


def read_diginetica(folder: Path, report: LoadReport) -> Frames:
    """A session counts as a user; time is the day plus the milliseconds into the session."""
    columns = ("session_id", "item_id", "timeframe", "eventdate")
    views = delimited(needed(folder, "train-item-views.csv"), report, ";", only=columns)
    days = seconds_of(views["eventdate"], "%Y-%m-%d")
    moments = pd.to_numeric(days, errors="coerce") + (
        pd.to_numeric(views["timeframe"], errors="coerce") / 1000.0
    )
    texts = views.pop("eventdate") + " + " + views.pop("timeframe")
    views["timestamp"] = numbers_where_possible(texts, moments)
    return {"interactions": views.rename(columns={"session_id": "user_id"}).assign(weight=1.0)}


def is_yoochoose(folder: Path) -> bool:
    """yoochoose-clicks.dat."""
    return found(folder, "yoochoose-clicks.dat") is not None


def read_yoochoose(folder: Path, report: LoadReport) -> Frames:
    """A session counts as a user."""
    columns = ("user_id", "timestamp", "item_id", "category")
    clicks = delimited(needed(folder, "yoochoose-clicks.dat"), report, ",", columns)
    clicks["timestamp"] = seconds_of(clicks["timestamp"])
    return {"interactions": clicks.drop(columns="category").assign(weight=1.0)}


def is_steam(folder: Path) -> bool:
    """steam-200k.csv: user, "title", purchase or play, value, 0; or a re-packing with hours."""
    return bool(matching(folder, "steam-200k.csv") or _repacked_steam(folder))


def _repacked_steam(folder: Path) -> list[Path]:
    return [file for file in matching(folder, "*steam*") if first_line(file) == REPACKED_STEAM]


def read_steam(folder: Path, report: LoadReport) -> Frames:
    """Hours played as weight; games that were bought and never played weigh 0.

    The title is the item's id. The set carries no time.
    """
    if repacked := _repacked_steam(folder):
        file = the_one(repacked, folder)
        names = {"User_ID": "user_id", "Game_ID": "item_id", "Hours": "weight"}
        rows = delimited(file, report, "\t").rename(columns=names)
        return {"interactions": in_file_order(rows, report, file)}
    file = needed(folder, "steam-200k.csv")
    rows = delimited(file, report, ",", ("user_id", "item_id", "behaviour", "value", "_zero"))
    hours = pd.to_numeric(rows["value"], errors="coerce")
    unreadable = hours.isna() | ~rows["behaviour"].isin(["purchase", "play"])
    if unreadable.any():
        place = report.place(rows, int(np.argmax(unreadable)), str(file))
        raise InvalidData(f"{place}: must be 'purchase' or 'play' and a number of hours.")
    rows["weight"] = np.where(rows["behaviour"] == "play", hours, 0.0)
    grouped = rows.groupby(["user_id", "item_id"], sort=False)["weight"].sum().reset_index()
    return {"interactions": in_file_order(grouped, report, file)}
