"""From slates, as a world or a service shows them, to records of the log."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recloop.decisions.log import DecisionLog
from recloop.errors import InvalidData
from recloop.types import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    LoggedDecisions,
    LoggedRewards,
    PropensityKind,
    Ragged,
    Slates,
    TextArray,
)

REWARD_EVENT = "reward"


def logged_slates(
    users: IntArray,
    slates: Slates,
    *,
    policy: str,
    ids: TextArray | Sequence[str] | str,
    timestamps: FloatArray | float,
    version: str = "",
    catalogue: str = "",
    scores: FloatArray | None = None,
    contexts: FloatArray | None = None,
    context_names: Sequence[str] = (),
    candidates: Ragged | None = None,
    excluded: Ragged | None = None,
    rewards: FloatArray | None = None,
    propensity_kind: PropensityKind = "conditional",
    activated: BoolArray | bool = True,
) -> LoggedDecisions:
    """A batch of slates (B, k) as decisions; slots of -1 are left out, so slates may be short.

    ids: one for each, or a text from which they are made ("run-1" gives "run-1/0", "run-1/1", ...).
    scores and rewards: (B, k), NaN where not known. contexts: (B, D), whose columns are x0, x1, ...
    where they have no names.
    """
    n, k = slates.items.shape
    kept = slates.items >= 0
    whole = bool(kept.all())
    sizes = np.full(n, k) if whole else kept.sum(axis=1)

    def cells(table: np.ndarray | None) -> Any:
        if table is None:
            return None
        if table.shape != (n, k):
            raise InvalidData(
                f"logged_slates: scores and rewards must be of the slates' shape {(n, k)}, "
                f"got {table.shape}."
            )
        return table.reshape(-1) if whole else table[kept]

    given = cells(rewards)
    names = tuple(context_names)
    if contexts is not None and not names:
        names = tuple(f"x{column}" for column in range(contexts.shape[1]))
    return LoggedDecisions(
        ids=_numbered(ids, n) if isinstance(ids, str) else np.asarray(ids, dtype=np.str_),
        timestamps=np.broadcast_to(np.asarray(timestamps, dtype=np.float64), (n,)).copy(),
        users=np.asarray(users, dtype=np.int64),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        items=cells(slates.items),
        propensities=cells(slates.propensities),
        propensity_kinds=Labels.same(propensity_kind, n),
        policies=Labels.same(policy, n),
        versions=Labels.same(version, n),
        catalogues=Labels.same(catalogue, n),
        activated=np.broadcast_to(np.asarray(activated, dtype=np.bool_), (n,)).copy(),
        sources=Labels(cells(slates.explored).astype(np.int32), ("greedy", "explore")),
        scores=cells(scores),
        contexts=contexts,
        context_names=names,
        candidates=candidates,
        excluded=excluded,
        rewards=given,
        reward_kinds=None if given is None else _kinds(given),
    )


def _numbered(prefix: str, n: int) -> TextArray:
    return np.array([f"{prefix}/{row}" for row in range(n)], dtype=np.str_)


def _kinds(rewards: FloatArray) -> Labels:
    return Labels(np.isnan(rewards).astype(np.int32), ("observed", ""))


def rewards_of_slots(
    decisions: LoggedDecisions, *, event: str = REWARD_EVENT, timestamps: FloatArray | None = None
) -> LoggedRewards:
    """The joined rewards of a batch as records: one for each slot where a reward is known.

    The key is DECISION/ITEM/EVENT. timestamps: (n,) when they came; None: with the decision.
    """
    if decisions.rewards is None:
        slots = np.zeros(0, dtype=np.int64)
    else:
        slots = np.flatnonzero(~np.isnan(decisions.rewards))
    owners, items = decisions.owners[slots], decisions.items[slots]
    ids = decisions.ids[owners]
    pairs = zip(ids.tolist(), items.tolist(), strict=True)
    times = decisions.timestamps if timestamps is None else timestamps
    kinds = decisions.reward_kinds
    return LoggedRewards(
        decisions=ids,
        items=items,
        values=np.zeros(0) if decisions.rewards is None else decisions.rewards[slots],
        timestamps=times[owners],
        keys=np.array([f"{one}/{item}/{event}" for one, item in pairs], dtype=np.str_),
        events=Labels.same(event, len(slots)),
        kinds=Labels.same("observed", len(slots)) if kinds is None else _used(kinds.rows(slots)),
    )


def _used(labels: Labels) -> Labels:
    """The same words without names that no row has."""
    used = np.unique(labels.codes)
    return Labels(
        np.searchsorted(used, labels.codes).astype(np.int32),
        tuple(labels.names[code] for code in used.tolist()),
    )


def add_decisions(
    log: DecisionLog,
    decisions: LoggedDecisions,
    *,
    event: str = REWARD_EVENT,
    n_per_commit: int = 20_000,
) -> dict[str, int]:
    """Append decisions and what their slots earned, with all that goes with them.

    How many records had each result: "decision.stored", "reward.duplicate", ... Each commit holds
    decisions with their rewards, so that a run that breaks off leaves whole ones; done again, it
    goes on where it was.
    """
    totals: dict[str, int] = {}
    for begin in range(0, len(decisions), n_per_commit):
        part = decisions.rows(slice(begin, begin + n_per_commit))
        with log.transaction():
            results = {
                "decision": log.append_decisions(part),
                "reward": log.append_rewards(rewards_of_slots(part, event=event)),
            }
        for table, appended in results.items():
            for result, n in appended.counts().items():
                totals[f"{table}.{result}"] = totals.get(f"{table}.{result}", 0) + n
    return totals
