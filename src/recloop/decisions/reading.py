"""What an adapter reads from a foreign file, and how it comes into a log."""

from dataclasses import dataclass, field, replace

import numpy as np

from recloop.decisions.log import DecisionLog
from recloop.decisions.writing import REWARD_EVENT, add_decisions
from recloop.errors import InvalidData
from recloop.types import LoggedDecisions, Ragged


@dataclass(frozen=True)
class ReadLog:
    """Decisions with what their slots earned, the ids of the codes, and what had to be supposed."""

    decisions: LoggedDecisions
    user_ids: list[str]
    item_ids: list[str]
    event: str = REWARD_EVENT
    notes: list[str] = field(default_factory=list)


def add_to_log(log: DecisionLog, read: ReadLog) -> dict[str, int]:
    """Append what was read, under the log's own codes of users and items.

    How many records had each result: "decision.stored", "reward.duplicate", ... What the log has
    already is a duplicate, so that reading a file twice changes nothing.
    """
    if log.last_seq and not (log.ids("user") and log.ids("item")):
        raise InvalidData(
            f"{log.place}: knows users and items by codes alone, the file by ids. "
            "Import into a log of its own."
        )
    with log.transaction():
        users = log.codes("user", read.user_ids)
        items = log.codes("item", read.item_ids)
    decisions = read.decisions

    def recoded(lists: Ragged | None) -> Ragged | None:
        return None if lists is None else Ragged(lists.offsets, items[lists.values])

    return add_decisions(
        log,
        replace(
            decisions,
            users=users[decisions.users],
            items=items[decisions.items],
            candidates=recoded(decisions.candidates),
            excluded=recoded(decisions.excluded),
        ),
        event=read.event,
    )


def in_order_of(texts: np.ndarray, ids: list[str]) -> np.ndarray:
    """(n,) the place of each text among `ids`, all of which must be there."""
    places = {one: place for place, one in enumerate(ids)}
    return np.array([places[text] for text in texts.tolist()], dtype=np.int64)
