"""The state from the log: everything after a snapshot, applied in the order of the log."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from recloop.decisions import DecisionLog
from recloop.serving.records import Reward, Shown, activation_id
from recloop.serving.state import ServiceState
from recloop.serving.stored import find_shown, rewards_of, shown_of, user_of
from recloop.types import LoggedDecisions

WINDOW = 5000  # records that are read at once
AT_ONCE = 512  # rewards that are learned at once


def refold(log: DecisionLog, state: ServiceState, *, last: int | None = None) -> ServiceState:
    """`state` after all records with a seq above its own, up to `last`."""
    for control in log.controls(state.seq + 1):
        details = json.loads(control.details or "{}")
        if details.get("what") == "forgotten":
            state.know_forgotten(details)
    end_of_log = log.last_seq if last is None else min(last, log.last_seq)
    first = state.seq + 1
    while first <= end_of_log:
        end = min(end_of_log, first + WINDOW - 1)
        _apply_window(log, state, first, end)
        state.seq = end
        first = end + 1
    return state


def archived_to(log: DecisionLog) -> int:
    """The place up to which records were taken out into archives; 0 where none are missing."""
    last = 0
    for control in log.controls():
        details = json.loads(control.details or "{}")
        if details.get("what") == "archived":
            last = int(details["last"])
        elif details.get("what") == "restored":
            last = 0
    return last


def _apply_window(log: DecisionLog, state: ServiceState, first: int, last: int) -> None:
    rewards: list[Reward] = []
    decided: list[Shown] = []

    def teach() -> None:
        if rewards:
            state.apply_rewards(rewards, decided)
            rewards.clear()
            decided.clear()

    for _, kind, record in sorted(_records(log, first, last), key=lambda one: one[0]):
        if kind == "reward":
            rewards.append(record)
            decided.append(_decision_of(log, state, record.decision, record.seq))
            if len(rewards) >= AT_ONCE:
                teach()
            continue
        teach()
        if kind == "decision":
            record.n_eligible = eligible_of(record, state)
            state.apply_shown(record)
        else:
            decision = state.decision_named(record)
            found = None if decision is None else _decision_of(log, state, decision, record.seq)
            state.apply_control(record, found)
    teach()


def _records(log: DecisionLog, first: int, last: int) -> Iterator[tuple[int, str, Any]]:
    for batch in log.decisions(first, last, as_of=0):
        later = _activated_later(log, batch)
        for row in range(len(batch)):
            shown = shown_of(batch, row, user_of(log, int(batch.users[row])))
            shown.activated &= shown.id not in later
            yield shown.seq, "decision", shown
    for batch in log.rewards(first, last):
        for reward in rewards_of(batch):
            yield reward.seq, "reward", reward
    for control in log.controls(first, last):
        yield control.seq, "control", control


def _activated_later(log: DecisionLog, batch: LoggedDecisions) -> set[str]:
    """Those decisions whose activation is a record of its own: their row says it already."""
    ids = [str(one) for one in batch.ids[batch.activated].tolist()]
    names = {activation_id(one): one for one in ids}
    return {names[row[0]] for row in log.database.look_up("control", ("id",), "id", names)}


def _decision_of(log: DecisionLog, state: ServiceState, decision: str, before: int) -> Shown:
    found = state.recent.get(decision) or find_shown(log, decision, before)
    assert found is not None, f"reward of decision '{decision}' that the log does not hold"
    return found


def eligible_of(shown: Shown, state: ServiceState) -> int:
    """How many items could have been shown, of the catalogue as it was then."""
    if shown.candidates is not None:
        return len(shown.candidates)
    n_items = state.catalogue.sizes.get(int(shown.catalogue), len(state.catalogue))
    return n_items - (0 if shown.excluded is None else len(shown.excluded))


class Due(NamedTuple):
    """What a look at decisions that waited long enough found."""

    looked: int  # the last seq that was looked at
    open: list[tuple[Shown, list[int]]]  # decisions with the items that earned nothing yet
    totals: list[float]  # what each decision earned, in their order; open items count 0


def due_for_default(log: DecisionLog, first: int, decided_before: float, limit: int) -> Due:
    """Decisions from `first` on that were made before that time; prepared ones are passed over."""
    found = Due(first - 1, [], [])
    for batch in log.decisions(first, chunk=limit):
        assert batch.seqs is not None
        assert batch.rewards is not None
        for row in range(len(batch)):
            if batch.timestamps[row] > decided_before or len(found.open) >= limit:
                return found
            found = found._replace(looked=int(batch.seqs[row]))
            if not batch.activated[row]:
                continue
            slots = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
            found.totals.append(float(np.nansum(batch.rewards[slots])))
            if items := open_items(batch, row):
                user = user_of(log, int(batch.users[row]))
                found.open.append((shown_of(batch, row, user), items))
        if len(found.open) >= limit:
            break
    return found


def open_items(batch: LoggedDecisions, row: int) -> list[int]:
    """The items of a decision that earned nothing yet."""
    slots = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
    assert batch.rewards is not None
    return batch.items[slots][np.isnan(batch.rewards[slots])].tolist()
