"""Records of the service as batches of the decision log, and back."""

from collections.abc import Sequence

import numpy as np

from recloop.decisions import DecisionLog
from recloop.serving.records import Reward, Shown
from recloop.types import IntArray, Labels, LoggedDecisions, LoggedRewards, Ragged

LAST = 1 << 62
SOURCES = ("greedy", "explore", "fallback")


def logged(shown: Sequence[Shown], users: IntArray, names: tuple[str, ...]) -> LoggedDecisions:
    """A batch of decisions with contexts of one width; users (n,) are codes of the log."""
    sizes = [len(one.items) for one in shown]
    contexts = None if shown[0].context is None else np.stack([one.context for one in shown])  # pyright: ignore[reportArgumentType, reportCallIssue]
    sources = np.concatenate(
        [np.full(len(one.items), 2) if one.fallback else one.explored for one in shown]
    )
    return LoggedDecisions(
        ids=np.array([one.id for one in shown], dtype=np.str_),
        timestamps=np.array([one.timestamp for one in shown], dtype=np.float64),
        users=users,
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        items=np.concatenate([one.items for one in shown]),
        propensities=np.concatenate([one.propensities for one in shown]),
        propensity_kinds=Labels.same("conditional", len(shown)),
        policies=_labels([one.policy for one in shown]),
        versions=_labels([one.version for one in shown]),
        catalogues=_labels([one.catalogue for one in shown]),
        activated=np.array([one.activated for one in shown], dtype=np.bool_),
        sources=Labels(sources.astype(np.int32), SOURCES),
        scores=np.concatenate([one.scores for one in shown]),
        contexts=contexts,
        context_names=names if contexts is not None else (),
        candidates=_lists([one.candidates for one in shown]),
        excluded=_lists([one.excluded for one in shown]),
    )


def _labels(words: list[str]) -> Labels:
    if words.count(words[0]) == len(words):
        return Labels.same(words[0], len(words))
    return Labels.of(words)


def _lists(lists: list[IntArray | None]) -> Ragged | None:
    if all(one is None for one in lists):
        return None
    sizes = [0 if one is None else len(one) for one in lists]
    values = np.concatenate([one for one in lists if one is not None]).astype(np.int64)
    return Ragged(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), values)


def context_names(given: tuple[str, ...], width: int) -> tuple[str, ...]:
    """The names of a context's columns: those given, else x0, x1, ..."""
    return given if len(given) == width else tuple(f"x{column}" for column in range(width))


def shown_of(batch: LoggedDecisions, row: int, user: str) -> Shown:
    """A decision of the log as the service keeps it; what it earned is not read."""
    slots = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
    sources = [] if batch.sources is None else batch.sources.rows(slots).texts()
    lists = [None if part is None else part.rows(slice(row, row + 1)).values
             for part in (batch.candidates, batch.excluded)]  # fmt: skip
    return Shown(
        id=str(batch.ids[row]),
        user=user,
        timestamp=float(batch.timestamps[row]),
        items=batch.items[slots],
        propensities=batch.propensities[slots],
        scores=np.full(len(batch.items[slots]), np.nan)
        if batch.scores is None
        else batch.scores[slots],
        explored=np.array([source == "explore" for source in sources], dtype=np.bool_),
        policy=batch.policies.names[batch.policies.codes[row]],
        version=batch.versions.names[batch.versions.codes[row]],
        catalogue=batch.catalogues.names[batch.catalogues.codes[row]],
        context=None if batch.contexts is None else batch.contexts[row],
        candidates=None if lists[0] is None or not len(lists[0]) else lists[0],
        excluded=None if lists[1] is None or not len(lists[1]) else lists[1],
        activated=bool(batch.activated[row]),
        fallback="fallback" in sources,
        user_code=int(batch.users[row]),
        seq=0 if batch.seqs is None else int(batch.seqs[row]),
    )


def rewards_of(batch: LoggedRewards) -> list[Reward]:
    """Rewards of the log one by one."""
    assert batch.seqs is not None
    late = np.zeros(len(batch), dtype=np.bool_) if batch.late is None else batch.late
    columns = (
        batch.decisions.tolist(), batch.items.tolist(), batch.values.tolist(),
        batch.timestamps.tolist(), batch.keys.tolist(), batch.events.texts(),
        batch.kinds.texts(), late.tolist(), batch.seqs.tolist(),
    )  # fmt: skip
    return [Reward(*row) for row in zip(*columns, strict=True)]


def logged_rewards(rewards: Sequence[Reward]) -> LoggedRewards:
    """A batch of rewards for the log, which decides itself which of them are late."""
    return LoggedRewards(
        decisions=np.array([one.decision for one in rewards], dtype=np.str_),
        items=np.array([one.item for one in rewards], dtype=np.int64),
        values=np.array([one.value for one in rewards], dtype=np.float64),
        timestamps=np.array([one.timestamp for one in rewards], dtype=np.float64),
        keys=np.array([one.key for one in rewards], dtype=np.str_),
        events=_labels([one.event for one in rewards]),
        kinds=_labels([one.kind for one in rewards]),
    )


def find_shown(log: DecisionLog, decision: str, before: int = LAST) -> Shown | None:
    """A decision with its rewards below `before`, which the state has yet to count."""
    batch = log.find(decision)
    if batch is None:
        return None
    shown = shown_of(batch, 0, user_of(log, int(batch.users[0])))
    rewards = rewards_of(log.rewards_of_decision(decision))
    shown.past = [reward for reward in rewards if reward.seq < before]
    return shown


def user_of(log: DecisionLog, code: int) -> str:
    """The id of a person's code; the code itself where the log has no ids."""
    name = log.name_of("user", code)
    return str(code) if name is None else name
