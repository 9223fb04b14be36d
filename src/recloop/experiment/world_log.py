"""The log of `recloop fit-world`: files with ids into an `ImpressionLog` in codes.

Impressions: item_id and click, and what else is known of timestamp, user_id, session_id, step,
position (the lowest is the top slot) and randomised (0 or 1). Without sessions, a pause of more
than half an hour ends one; without people, every session is a person.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from recloop.data.ids import IdMap, sorted_ids
from recloop.data.loader import DatasetLoader
from recloop.data.report import LoadReport
from recloop.data.tables import read_table
from recloop.errors import InvalidData, InvalidParameter
from recloop.training.fitting.log import ImpressionLog, sessions_by_gap
from recloop.utils.names import nearest

TEXT = ("item_id", "user_id", "session_id")
NUMBERS = ("click", "timestamp", "step", "position", "randomised")


@dataclass(frozen=True)
class WorldLog:
    """A log in codes, the ids of the codes, and what reading it had to suppose."""

    log: ImpressionLog
    user_ids: list[str]
    item_ids: list[str]
    notes: list[str] = field(default_factory=list)


def read_world_log(
    interactions: Path | None, impressions: Path | None, *, gap: float = 1800.0
) -> WorldLog:
    """The impressions if there are any, else the interactions.

    A layout of `interactions` that is itself a log of impressions (Open Bandit) is read as such.
    Beside impressions, interactions add the people and items of which nothing was shown.
    """
    if impressions is None and interactions is None:
        raise InvalidParameter("fit-world: give --interactions, --impressions, or both.")
    notes: list[str] = []
    taken = None
    if interactions is not None:
        loader = DatasetLoader(interactions)
        taken = loader.load_interactions()
        notes += loader.report.notes
        if loader.format == "open-bandit" and impressions is None:
            return _of_impressions(_open_bandit(taken), str(interactions), None, gap, notes)
    if impressions is not None:
        report = LoadReport()
        frame = read_table(impressions, report, text_columns=TEXT)
        return _of_impressions(_numbered(frame, impressions), str(impressions), taken, gap, notes)
    assert taken is not None
    users, items = (IdMap(kind, sorted_ids(taken[f"{kind}_id"])) for kind in ("user", "item"))
    log = ImpressionLog.interactions(
        users=users.known_codes_of(taken["user_id"]),
        items=items.known_codes_of(taken["item_id"]),
        timestamps=taken["timestamp"].to_numpy(np.float64),
        n_users=len(users),
        n_items=len(items),
        gap=gap,
    )
    return WorldLog(log, users.ids, items.ids, notes)


def _open_bandit(frame: pd.DataFrame) -> pd.DataFrame:
    """Slots were random where every item had the same propensity: the uniform policy."""
    uniform = frame["propensity"].astype(float).nunique() == 1
    return frame.rename(columns={"weight": "click"}).assign(
        randomised=float(uniform), position=frame["position"].astype(float)
    )


def _of_impressions(
    frame: pd.DataFrame, source: str, beside: pd.DataFrame | None, gap: float, notes: list[str]
) -> WorldLog:
    notes = list(notes)
    n = len(frame)
    times = _column(frame, "step", _column(frame, "timestamp", np.arange(n, dtype=np.float64)))
    if "user_id" not in frame and "session_id" not in frame:
        raise InvalidData(f"{source}: impressions need the column 'user_id' or 'session_id'.")
    if "user_id" not in frame:
        notes.append(f"{source}: has no user_id; every session counts as a person.")
        frame = frame.assign(user_id=frame["session_id"])
    item_ids, user_ids = frame["item_id"], frame["user_id"]
    if beside is not None:
        item_ids = pd.concat([item_ids, beside["item_id"]])
        user_ids = pd.concat([user_ids, beside["user_id"]])
    users, items = IdMap("user", sorted_ids(user_ids)), IdMap("item", sorted_ids(item_ids))
    codes = users.known_codes_of(frame["user_id"])
    if "session_id" in frame:
        sessions = pd.factorize(frame["session_id"].astype(str))[0].astype(np.int64)
    elif "timestamp" in frame:
        notes.append(f"{source}: has no session_id; a pause of {gap:g} seconds ends a session.")
        sessions = sessions_by_gap(codes, _column(frame, "timestamp", times), gap)
    else:
        raise InvalidData(f"{source}: impressions need the column 'session_id' or 'timestamp'.")
    slots = None
    if "position" in frame:
        position = frame["position"].to_numpy(np.float64)
        slots = (position - position.min()).astype(np.int64)
    log = ImpressionLog.impressions(
        users=codes,
        sessions=sessions,
        times=times,
        items=items.known_codes_of(frame["item_id"]),
        clicks=frame["click"].to_numpy(np.float64),
        slots=slots,
        randomised=_column(frame, "randomised", np.zeros(n)) > 0,
        n_users=len(users),
        n_items=len(items),
    )
    return WorldLog(log, users.ids, items.ids, notes)


def _column(frame: pd.DataFrame, name: str, otherwise: np.ndarray) -> np.ndarray:
    return frame[name].to_numpy(np.float64) if name in frame else otherwise


def _numbered(frame: pd.DataFrame, source: Path) -> pd.DataFrame:
    for name in ("item_id", "click"):
        if name not in frame:
            near = nearest(name, map(str, frame.columns))
            hint = f" Is it '{near}'?" if near else ""
            raise InvalidData(
                f"{source}: impressions need the column '{name}', which is missing.{hint} "
                f"Found: {', '.join(map(str, frame.columns))}."
            )
    if frame.empty:
        raise InvalidData(f"{source}: has no rows. It needs at least one below the header.")
    frame = frame.assign(**{name: frame[name].astype(str) for name in TEXT if name in frame})
    for name in (name for name in NUMBERS if name in frame):
        values = frame[name]
        if name == "randomised":
            values = values.astype(str).str.lower().replace({"true": "1", "false": "0"})
        numbers = pd.to_numeric(values, errors="coerce")
        wrong = ~np.isfinite(numbers.to_numpy(np.float64))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InvalidData(
                f"{source}: row {row + 1}, column '{name}': must be a finite number, got "
                f"{frame[name].iloc[row]!r}. Mend the file."
            )
        frame = frame.assign(**{name: numbers.to_numpy(np.float64)})
    return frame
