"""What a log holds, in counts; and whether it holds together."""

from typing import Any

import numpy as np

from recloop.decisions import rows, schema
from recloop.decisions.checking import check_decisions
from recloop.decisions.log import CHUNK, DecisionLog
from recloop.decisions.packing import checksums
from recloop.decisions.records import REWARD_KINDS
from recloop.errors import RecloopError

SHOWN = 20
DAY_S = 86_400.0


def describe_log(log: DecisionLog) -> dict[str, Any]:
    """Counts of records by kind, result, policy and event; the span of time; room on disk."""
    one = log.database.select
    n_decisions, first_time, last_time = one(
        "SELECT count(*), min(timestamp), max(timestamp) FROM decision"
    )[0]
    kinds = dict(one("SELECT kind, count(*) FROM reward GROUP BY kind"))
    n_bytes = log.database.n_bytes()
    return {
        "log": log.place,
        "version": schema.VERSION,
        "last_seq": log.last_seq,
        "decisions": n_decisions,
        "rewards": sum(kinds.values()),
        "controls": one("SELECT count(*) FROM control")[0][0],
        "first_timestamp": first_time,
        "last_timestamp": last_time,
        "policies": _named(log, "policy", "decision", "policy"),
        "events": _named(log, "event", "reward", "event"),
        "reward_kinds": {REWARD_KINDS[code]: n for code, n in sorted(kinds.items())},
        "sent": log.counts(),
        "users": len(log.ids("user")),
        "items": len(log.ids("item")),
        "bytes": n_bytes,
        "bytes_per_decision": n_bytes / n_decisions if n_decisions else None,
        **projected(n_bytes, n_decisions, first_time, last_time),
    }


def projected(
    n_bytes: int, n_decisions: int, first_time: float | None, last_time: float | None
) -> dict[str, Any]:
    """How much a day brings and a year will, at the rate of the whole log; None before an hour."""
    span = (last_time or 0.0) - (first_time or 0.0)
    a_day = n_decisions * DAY_S / span if span >= 3600 else None
    per = n_bytes / n_decisions if n_decisions else 0.0
    return {
        "decisions_per_day": a_day,
        "bytes_per_year": None if a_day is None else a_day * per * 365,
        "bytes_per_million_decisions": per * 1e6 if n_decisions else None,
    }


def _named(log: DecisionLog, kind: str, table: str, column: str) -> dict[str, int]:
    found = log.database.select(
        f"SELECT n.text, count(*) FROM {table} t JOIN name n ON n.kind = '{kind}' "
        f"AND n.code = t.{column} GROUP BY n.text ORDER BY n.text"
    )
    return {str(text): int(n) for text, n in found}


def verify_log(log: DecisionLog) -> list[str]:
    """What is wrong with a log, at most 20 sentences; empty where everything holds together.

    Looks at the database's own structures, every checksum and value, references, double places,
    and whether the counts that are kept are those of the tables. Everything is read.
    """
    found = log.database.check()
    for check in (_places, _references, _tallies, _contents):
        if len(found) < SHOWN:
            found += check(log)
    return found[:SHOWN]


def _places(log: DecisionLog) -> list[str]:
    doubled = log.database.select(
        "SELECT seq, count(*) FROM (SELECT seq FROM decision UNION ALL SELECT seq FROM reward "
        "UNION ALL SELECT seq FROM control) s GROUP BY seq HAVING count(*) > 1 LIMIT 5"
    )
    beyond = log.database.select(
        "SELECT max(seq) FROM (SELECT seq FROM decision UNION ALL SELECT seq FROM reward "
        "UNION ALL SELECT seq FROM control) s"
    )[0][0]
    said = [f"seq {seq}: {n} records have this place." for seq, n in doubled]
    if beyond is not None and beyond > log.last_seq:
        said.append(f"seq {beyond}: lies beyond the last place, {log.last_seq}.")
    return said


def _references(log: DecisionLog) -> list[str]:
    lost = log.database.select(
        "SELECT r.seq, r.decision FROM reward r LEFT JOIN decision d ON d.seq = r.decision "
        "WHERE d.seq IS NULL LIMIT 5"
    )
    return [f"reward {seq}: its decision, seq {decision}, is not there." for seq, decision in lost]


def _tallies(log: DecisionLog) -> list[str]:
    counts = log.counts()
    said = []
    for table in ("decision", "reward", "control"):
        n = log.database.select(f"SELECT count(*) FROM {table}")[0][0]
        kept = counts.get(f"{table}.stored", 0) + counts.get(f"{table}.late", 0)
        kept -= counts.get(f"{table}.archived", 0)
        if n != kept:
            said.append(f"{table}s: {n} are there, {kept} were counted when they were written.")
    return said


def _contents(log: DecisionLog) -> list[str]:
    """Checksums, values, and rewards of items that were not shown."""
    said: list[str] = []
    seq, last = 1, log.last_seq
    while len(said) < SHOWN:
        page = log.database.select(
            "SELECT * FROM decision WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
            (seq, last, CHUNK),
        )
        if not page:
            break
        columns = list(zip(*page, strict=True))
        sums = np.array(checksums(columns[rows.LISTS]), dtype=np.int64)
        for row in np.flatnonzero(sums != np.array(columns[-1], dtype=np.int64)).tolist():
            said.append(f"decision {page[row][0]} ('{page[row][1]}'): its checksum differs.")
        seq = page[-1][0] + 1
    if said:
        return said
    try:
        for batch in log.decisions():
            check_decisions(batch)
    except RecloopError as error:
        return [str(error)]
    return []
