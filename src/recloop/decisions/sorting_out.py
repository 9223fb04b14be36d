"""What of a batch is new, what was there before, and what is refused; nothing is written here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recloop.decisions import rows, schema
from recloop.decisions.database import Database
from recloop.decisions.names import Names
from recloop.decisions.records import (
    CONFLICT,
    DUPLICATE,
    LATE,
    NOT_SHOWN,
    REWARD_KINDS,
    STORED,
    UNKNOWN,
    Control,
)
from recloop.types import IntArray, LoggedDecisions, LoggedRewards

DEFAULT = REWARD_KINDS.index("default")


@dataclass
class Batch:
    """The columns of a batch for its table, and what becomes of each row."""

    table: str
    columns: list[list[Any]]
    results: IntArray  # (n,) places in RESULTS
    known_seqs: IntArray  # (n,) of what was there before, else 0
    repeats: IntArray  # (n,) the row of this batch that it repeats, else -1

    @property
    def fresh(self) -> IntArray:
        """The rows that are to be written."""
        return np.flatnonzero(self.results <= LATE)


def decision_batch(decisions: LoggedDecisions, database: Database, names: Names) -> Batch:
    """Decisions against those that the log holds."""
    columns = rows.decision_columns(decisions, names)
    known = database.look_up("decision", rows.DECISION_NAMES, "id", dict.fromkeys(columns[1]))
    return _told_apart("decision", columns, 3, {row[1]: (row[0], row[3:]) for row in known})


def control_batch(controls: Sequence[Control], database: Database) -> Batch:
    """Controls against those that the log holds."""
    fields = ("id", "timestamp", "kind", "file", "sha256", "details")
    columns = [[getattr(control, name) for control in controls] for name in fields]
    found = database.look_up("control", ("seq", *fields), "id", dict.fromkeys(columns[0]))
    known = {row[1]: (row[0], row[3:]) for row in found}
    return _told_apart("control", [[0] * len(controls), *columns], 3, known)


def reward_batch(
    rewards: LoggedRewards, database: Database, names: Names, reward_wait_s: float
) -> Batch:
    """Rewards against the decisions and rewards that the log holds."""
    columns, results = _placed(rewards, database, names, reward_wait_s)
    key = schema.names_of("reward").index("key")
    content = ("decision", "item", "event", "value", "kind")
    found = database.look_up("reward", ("key", "seq", *content), "key", dict.fromkeys(columns[key]))
    known = {row[0]: (row[1], row[2:]) for row in found}
    seqs = np.zeros(len(rewards), dtype=np.int64)
    repeats = np.full(len(rewards), -1)
    of_decision = columns[1]
    lines = zip(columns[key], zip(*columns[1:6], strict=True), strict=True)
    new: dict[str, int] = {}
    for row, (name, line) in enumerate(lines):
        there = known.get(name)
        if there is None:
            if results[row] <= LATE:
                known[name], new[name] = (0, line), row
            continue
        # a key that is taken answers first: a decision that is not known is another content too
        same = there[1] == line and of_decision[row] > 0
        results[row] = DUPLICATE if same else CONFLICT
        if same:
            seqs[row], repeats[row] = there[0], new.get(name, -1)
    return Batch("reward", columns, results, seqs, repeats)


def _placed(
    rewards: LoggedRewards, database: Database, names: Names, reward_wait_s: float
) -> tuple[list[list[Any]], IntArray]:
    """The columns of the rewards, and what each would be if its key were free."""
    ids = rewards.decisions.tolist()
    found = database.look_up(
        "decision", ("id", "seq", "timestamp", "items"), "id", dict.fromkeys(ids)
    )
    owners = {row[0]: row[1:] for row in found}
    kinds = rows.fixed_codes(rewards.kinds, REWARD_KINDS).tolist()
    items, times = rewards.items.tolist(), rewards.timestamps.tolist()
    told = None if rewards.late is None else rewards.late.tolist()
    seqs, late, results = [], [], np.zeros(len(ids), dtype=np.int64)
    for row, one in enumerate(ids):
        owner = owners.get(one)
        if owner is None:
            results[row] = UNKNOWN
            seqs.append(0)
            late.append(0)
            continue
        seq, decided, shown = owner
        seqs.append(seq)
        waited = times[row] - decided > reward_wait_s and kinds[row] != DEFAULT
        late.append(int(waited if told is None else told[row]))
        if items[row] not in np.frombuffer(shown, dtype="<i4"):
            results[row] = NOT_SHOWN
        else:
            results[row] = LATE if late[-1] else STORED
    events = names.labels_to("event", rewards.events).tolist()
    values, keys = rewards.values.tolist(), rewards.keys.tolist()
    return [[0] * len(ids), seqs, items, events, values, kinds, late, times, keys], results


def _told_apart(
    table: str, columns: list[list[Any]], content: int, known: dict[str, tuple[int, tuple]]
) -> Batch:
    """Rows by their id in column 1; what they say begins at column `content`."""
    n, ids = len(columns[1]), columns[1]
    results = np.full(n, STORED)
    seqs, repeats = np.zeros(n, dtype=np.int64), np.full(n, -1)
    if known or len(set(ids)) < n:
        new: dict[str, int] = {}
        for row, line in enumerate(zip(*columns[content:], strict=True)):
            there = known.get(ids[row])
            if there is None:
                known[ids[row]], new[ids[row]] = (0, line), row
            elif there[1] == line:
                results[row] = DUPLICATE
                seqs[row], repeats[row] = there[0], new.get(ids[row], -1)
            else:
                results[row] = CONFLICT
    return Batch(table, columns, results, seqs, repeats)
