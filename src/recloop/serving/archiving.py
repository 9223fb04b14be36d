"""Old records of a service's log into a folder, and back.

The contract

- What is archived can teach nothing more: its decisions are older than `late_window_s`, have their
  defaults, lie below the newest whole snapshot, and no later record speaks of them. Decisions of
  which that is not true stay, with all their rewards; so do all controls, all names and all
  opinions of shadows.
- The state is then snapshot + what the log still holds. A control in the log says up to where it
  was archived; a service whose snapshots are all older does not start, rather than fold half a log.
- Archives and log together are the whole log: `restore` puts every record back in its place, and
  the fold from the first record is the state again, bit by bit.
- Feedback to an archived decision is answered 404, its id and its keys are known no more.
- The service must not run meanwhile. A crash leaves the log as it was, or archived whole: records
  go out in one transaction, after the folder is complete.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recloop.decisions import DecisionLog, export_log, parquet
from recloop.errors import InvalidData, InvalidParameter
from recloop.serving.ledger import open_alone
from recloop.serving.opening import recovered, settings_of
from recloop.serving.refold import archived_to
from recloop.serving.registry import Registry
from recloop.serving.service import config_control
from recloop.serving.state import ServiceState
from recloop.utils.files import MANIFEST, checked_file, sha256_of

DONE = """SELECT seq FROM decision WHERE seq <= ? AND activated = 1
AND seq NOT IN (SELECT decision FROM reward WHERE seq > ?)"""


def archive(
    place: str,
    folder: str | Path,
    data_dir: str | Path,
    *,
    before_seq: int | None = None,
    before_time: float | None = None,
    now: float | None = None,
) -> dict[str, int]:
    """Move what may go of the records before a place or a time into `folder`; how many went.

    "last" is the place up to which they went. Raises LogUnavailable where a service runs, and
    InvalidData where there is no snapshot to go on from.
    """
    log = open_alone(place)
    try:
        settings = settings_of(log, data_dir)
        state = recovered(settings, log, Registry(Path(data_dir) / "models"))
        if not state.folded_from:
            raise InvalidData(
                f"{data_dir}: holds no whole snapshot of {log.place}, so that every record is "
                "needed. Start and stop the service once, which writes one."
            )
        first = archived_to(log) + 1
        last = _last(log, state, before_seq, before_time, time.time() if now is None else now)
        if last < first or not _counts(log, last)["decisions"]:
            return {"decisions": 0, "rewards": 0, "last": first - 1}
        export_log(log, folder, first, last)
        return _remove(log, Path(folder), last) | {"last": last}
    finally:
        log.close()


def _last(
    log: DecisionLog, state: ServiceState, seq: int | None, moment: float | None, now: float
) -> int:
    """The last place that may go."""
    rules = state.rules
    oldest = now - rules.late_window_s if moment is None else min(moment, now - rules.late_window_s)
    young = log.database.select("SELECT min(seq) FROM decision WHERE timestamp > ?", (oldest,))
    bounds = [state.folded_from - 1, log.last_seq if young[0][0] is None else young[0][0] - 1]
    if seq is not None:
        bounds.append(seq - 1)
    if rules.default_reward is not None:
        bounds.append(state.settled_seq)
    return min(bounds)


def _counts(log: DecisionLog, last: int) -> dict[str, int]:
    """How many records up to `last` may go."""

    def count(query: str) -> int:
        return int(log.database.select(f"SELECT count(*) FROM {query}", (last, last))[0][0])

    return {
        "decisions": count(f"({DONE}) d"),
        "rewards": count(f"reward WHERE decision IN ({DONE})"),
    }


def _remove(log: DecisionLog, folder: Path, last: int) -> dict[str, int]:
    database, parts = log.database, (last, last)
    with log.transaction():
        n = _counts(log, last)
        database.execute(f"DELETE FROM reward WHERE decision IN ({DONE})", parts)
        database.execute(f"DELETE FROM decision WHERE seq IN ({DONE})", parts)
        log.count_archived(n["decisions"], n["rewards"])
        digest = sha256_of(folder / MANIFEST)
        log.append_controls(
            [config_control("archived", last=last, folder=folder.name, sha256=digest, **n)]
        )
    log.compact()
    return n


def restore(place: str, folders: Sequence[str | Path]) -> dict[str, int]:
    """Put archived records back in their places, oldest folder first; how many there were.

    People who were forgotten since stay so: records know codes, and the log has the names.
    """
    log = open_alone(place)
    try:
        known = _archives(log)
        n = {"decisions": 0, "rewards": 0}
        with log.transaction():
            for folder in map(Path, folders):
                if sha256_of(folder / MANIFEST) not in known:
                    raise InvalidParameter(f"{folder}: is not one of the archives of {log.place}.")
                for batch in parquet.decision_batches(checked_file(folder, "decisions.parquet")):
                    results = log.append_decisions(batch, seq_shift=0).counts()
                    n["decisions"] += results.get("stored", 0)
                for rewards in parquet.reward_batches(checked_file(folder, "rewards.parquet")):
                    results = log.append_rewards(rewards, seq_shift=0).counts()
                    n["rewards"] += results.get("stored", 0) + results.get("late", 0)
            activated = [ServiceState.decision_named(one) for one in log.controls()]
            log.activate([one for one in activated if one is not None])  # also after it went out
            log.count_archived(-n["decisions"], -n["rewards"], again=True)
            counts = log.counts()
            left = counts["decision.archived"] + counts["reward.archived"]
            if not left:
                log.append_controls([config_control("restored")])
        return n | {"left": left}
    finally:
        log.close()


def _archives(log: DecisionLog) -> set[str]:
    found: list[dict[str, Any]] = [json.loads(one.details or "{}") for one in log.controls()]
    return {one["sha256"] for one in found if one.get("what") == "archived"}
