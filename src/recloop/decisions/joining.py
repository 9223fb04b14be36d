"""What each shown item earned: the rewards of a decision, joined to its slots.

A slot is a decision and an item; it may have many rewards. What it earned is

1. nothing known (NaN), where it has none;
2. the last default, where it has no other kind: a default is only what is supposed meanwhile;
3. else the sum over its events, where an event counts as its last correction if it has one, and
   else as the sum of what was observed of it (how="sum") or the last of it (how="last").

So what was observed beats a default, and a correction beats what was observed; a correction says
the event's value as it should have been, not a difference. "Last" is by place in the log, never by
time stamp. Rewards are summed in the order of the log.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import numpy as np

from recloop.decisions.records import REWARD_KINDS
from recloop.errors import InvalidData
from recloop.types import BoolArray, IntArray, Labels, LoggedDecisions, LoggedRewards
from recloop.utils.checks import check_choice

How = Literal["sum", "last"]
OBSERVED, DEFAULT, CORRECTION = (
    REWARD_KINDS.index(k) for k in ("observed", "default", "correction")
)
NONE = len(REWARD_KINDS)


def join_rewards(
    decisions: LoggedDecisions,
    rewards: LoggedRewards,
    *,
    how: How = "sum",
    events: Collection[str] | None = None,
) -> LoggedDecisions:
    """`decisions` with what each slot earned, and by which kind of reward that is known.

    Both come from one log (they have seqs). Rewards of other decisions are left aside; those of an
    item that was not shown are an error. events: which ones count (defaults always do); None: all.
    """
    check_choice("join_rewards", "how", how, ("sum", "last"))
    if decisions.seqs is None or rewards.decision_seqs is None or rewards.seqs is None:
        raise InvalidData("join_rewards: decisions and rewards must come from a log, with seqs.")
    kinds = np.array([REWARD_KINDS.index(n) for n in rewards.kinds.names] or [0])[
        rewards.kinds.codes
    ]
    counts = _counting(rewards, kinds, events)
    index = np.searchsorted(decisions.seqs, rewards.decision_seqs)
    inside = index < len(decisions)
    inside[inside] = decisions.seqs[index[inside]] == rewards.decision_seqs[inside]
    rows = np.flatnonzero(inside & counts)
    rows = rows[np.argsort(rewards.seqs[rows], kind="stable")]
    slots = _slots_of(decisions, index[rows], rewards.items[rows])
    values, by = _earned(
        len(decisions.items), slots, rewards.events.codes[rows], kinds[rows], rewards.values[rows],
        how,
    )  # fmt: skip
    return replace(
        decisions, rewards=values, reward_kinds=Labels(by.astype(np.int32), (*REWARD_KINDS, ""))
    )


def _counting(rewards: LoggedRewards, kinds: IntArray, events: Collection[str] | None) -> BoolArray:
    if events is None:
        return np.ones(len(rewards), dtype=np.bool_)
    wanted = np.array([name in events for name in rewards.events.names] or [False])
    return wanted[rewards.events.codes] | (kinds == DEFAULT)


def _slots_of(decisions: LoggedDecisions, index: IntArray, items: IntArray) -> IntArray:
    """The slot of each (decision, item)."""
    if not len(index):
        return index
    wide = int(max(decisions.items.max(), items.max())) + 1
    keys = decisions.owners * wide + decisions.items
    order = np.argsort(keys, kind="stable")
    asked = index * wide + items
    found = np.searchsorted(keys[order], asked)
    missing = (found >= len(keys)) | (keys[order][np.minimum(found, len(keys) - 1)] != asked)
    if missing.any():
        first = int(np.argmax(missing))
        raise InvalidData(
            f"join_rewards: decision '{decisions.ids[index[first]]}' did not show item "
            f"{items[first]}, yet a reward says so. Run 'recloop log verify'."
        )
    return order[found]


def _earned(
    n_slots: int,
    slots: IntArray,
    events: np.ndarray,
    kinds: np.ndarray,
    values: np.ndarray,
    how: How,
) -> tuple[np.ndarray, IntArray]:
    """Value and kind of every slot; the rewards are in the order of the log."""
    earned = np.full(n_slots, np.nan)
    by = np.full(n_slots, NONE, dtype=np.int64)
    default = kinds == DEFAULT
    earned[slots[default]] = values[default]  # numpy keeps the last of equal places
    by[slots[default]] = DEFAULT
    real = ~default
    slots, events, kinds, values = slots[real], events[real], kinds[real], values[real]
    if not len(slots):
        return earned, by
    n_events = int(events.max()) + 1
    pairs, group = np.unique(slots * n_events + events, return_inverse=True)
    per_event = np.zeros(len(pairs))
    seen = kinds == OBSERVED
    if how == "sum":
        np.add.at(per_event, group[seen], values[seen])
    else:
        per_event[group[seen]] = values[seen]
    mended = kinds == CORRECTION
    per_event[group[mended]] = values[mended]
    touched = pairs // n_events
    earned[touched] = 0.0
    np.add.at(earned, touched, per_event)
    by[touched] = OBSERVED
    by[slots[mended]] = CORRECTION
    return earned, by
