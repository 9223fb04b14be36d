"""A range of a log as a folder of Parquet files, and such a folder back into a log.

decisions.parquet   with what each slot had earned by then, ready for estimators
rewards.parquet     every reward of the range, as it was sent
controls.parquet    changes of the policy
names.parquet       the ids of users and items, by code
manifest.json       the sha256 of each file
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from recloop.decisions import parquet
from recloop.decisions.log import DecisionLog
from recloop.decisions.names import ID_KINDS
from recloop.errors import InvalidData, RunFolderInUse
from recloop.types import IntArray, LoggedDecisions, LoggedRewards, Ragged
from recloop.utils.files import checked_file, write_manifest

FILES = ("decisions", "rewards", "controls", "names")


def export_log(
    log: DecisionLog, folder: str | Path, first: int = 1, last: int | None = None
) -> dict[str, int]:
    """Write the records with seq in first..last; how many there were of each kind.

    The folder must not exist, or be empty; it appears when it is whole. Memory does not grow with
    the range. Rewards of decisions before `first` are in it; they import where those are known.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunFolderInUse(f"{target}: is there already. Give the export a folder of its own.")
    last = log.last_seq if last is None else last
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        chunk = parquet.ROWS_A_GROUP
        n = {
            "decisions": parquet.write_decision_batches(
                temporary / "decisions.parquet", log.decisions(first, last, chunk=chunk)
            ),
            "rewards": parquet.write_reward_batches(
                temporary / "rewards.parquet", log.rewards(first, last, chunk=chunk)
            ),
            "controls": parquet.write_controls(
                temporary / "controls.parquet", log.controls(first, last)
            ),
        }
        parquet.write_names(temporary / "names.parquet", {k: log.ids(k) for k in ID_KINDS})
        write_manifest(temporary)
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return n


def import_log(log: DecisionLog, folder: str | Path) -> dict[str, int]:
    """Append what an exported folder holds, in one commit; how many records had each result.

    Into an empty log every record keeps its seq; else all move up together behind the last one, in
    the same order. What the log has already is a duplicate, so an import can be repeated. Ids of
    users and items keep their meaning: their codes are those of this log.
    """
    root = Path(folder)
    files = {name: checked_file(root, f"{name}.parquet") for name in FILES}
    before = log.counts()
    with log.transaction():
        names = parquet.read_names(files["names"])
        users, items = (_new_codes(log, kind, names[kind]) for kind in ID_KINDS)
        shift = log.last_seq
        for batch in parquet.decision_batches(files["decisions"]):
            log.append_decisions(_recoded(batch, users, items), seq_shift=shift)
        for rewards in parquet.reward_batches(files["rewards"]):
            log.append_rewards(_recoded_rewards(rewards, items), seq_shift=shift)
        log.append_controls(parquet.read_controls(files["controls"]), seq_shift=shift)
    after = log.counts()
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


def _new_codes(log: DecisionLog, kind: str, ids: list[str]) -> IntArray | None:
    """Which code of the log each code of the files has; None where they are the same."""
    here = log.ids(kind)
    if bool(ids) != bool(here) and log.last_seq:
        without, with_ = ("the files", "the log") if here else ("the log", "the files")
        raise InvalidData(
            f"{log.place}: {without} know {kind}s by codes alone, {with_} by ids, so that nobody "
            "can say which is which. Import into a log of its own."
        )
    codes = log.codes(kind, ids, as_given=True)
    return None if np.array_equal(codes, np.arange(len(codes))) else codes


def _recoded(
    batch: LoggedDecisions, users: IntArray | None, items: IntArray | None
) -> LoggedDecisions:
    lists: Mapping[str, Ragged | None] = {n: getattr(batch, n) for n in ("candidates", "excluded")}
    return replace(
        batch,
        users=_mapped(batch.users, users),
        items=_mapped(batch.items, items),
        **{
            name: None if one is None else Ragged(one.offsets, _mapped(one.values, items))
            for name, one in lists.items()
        },
    )


def _mapped(codes: IntArray, new: IntArray | None) -> IntArray:
    if new is None:
        return codes
    if len(codes) and codes.max() >= len(new):
        raise InvalidData(f"code {codes.max()} has no id among the {len(new)} of the files.")
    return new[codes]


def _recoded_rewards(rewards: LoggedRewards, items: IntArray | None) -> LoggedRewards:
    return replace(rewards, items=_mapped(rewards.items, items))
