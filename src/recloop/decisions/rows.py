"""Batches of records as columns of the tables, and back."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from recloop.decisions import schema
from recloop.decisions.names import Names, texts_of
from recloop.decisions.packing import checksums, contexts_of, packed_lists, unpacked_lists
from recloop.decisions.records import PROPENSITY_KINDS, REWARD_KINDS
from recloop.errors import InvalidData
from recloop.types import Labels, LoggedDecisions, LoggedRewards

MOST_SOURCES = 256
DECISION_NAMES = schema.names_of("decision")
LISTS = slice(DECISION_NAMES.index("items"), DECISION_NAMES.index("checksum"))
LAYOUT = DECISION_NAMES.index("layout")
Rows = Sequence[tuple[Any, ...]]


def decision_columns(decisions: LoggedDecisions, names: Names) -> list[list[Any]]:
    """A list for each column of the table; `seq` is 0, the log gives it."""
    n = len(decisions)
    layout = names.codes("layout", [json.dumps(decisions.context_names)])[0]
    lists = packed_lists(decisions, _source_codes(decisions, names))
    return [
        [0] * n,
        decisions.ids.tolist(),
        decisions.timestamps.tolist(),
        decisions.users.tolist(),
        names.labels_to("policy", decisions.policies).tolist(),
        names.labels_to("version", decisions.versions).tolist(),
        names.labels_to("catalogue", decisions.catalogues).tolist(),
        fixed_codes(decisions.propensity_kinds, PROPENSITY_KINDS).tolist(),
        decisions.activated.astype(np.int64).tolist(),
        [layout] * n,
        *lists,
        checksums(lists),
    ]


def _source_codes(decisions: LoggedDecisions, names: Names) -> np.ndarray | None:
    if decisions.sources is None:
        return None
    codes = names.labels_to("source", decisions.sources)
    if len(codes) and codes.max() >= MOST_SOURCES:
        raise InvalidData(
            f"decisions: column 'sources': a log holds at most {MOST_SOURCES} different sources, "
            f"got '{names.known('source')[int(codes.max())]}' as another one."
        )
    return codes


def fixed_codes(labels: Labels, words: tuple[str, ...]) -> np.ndarray:
    """(n,) the place of each row's word among `words`."""
    return np.array([words.index(name) for name in labels.names] or [0])[labels.codes]


def decisions_of(rows: Rows, names: Names, place: str) -> LoggedDecisions:
    """A batch from rows of the table, which must have one layout of contexts."""
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(DECISION_NAMES)
    numbers = {
        name: np.array(columns[DECISION_NAMES.index(name)], dtype=np.int64)
        for name in ("seq", "user_code", "policy", "version", "catalogue", "propensity_kind")
    }
    context_names = layout_names(int(columns[LAYOUT][0]), names) if rows else ()
    lists = columns[LISTS]
    found = unpacked_lists(lists, place)
    sources = found["sources"]
    kinds = numbers["propensity_kind"].astype(np.int32)
    return LoggedDecisions(
        ids=texts_of(columns[1]),
        timestamps=np.array(columns[2], dtype=np.float64),
        users=numbers["user_code"],
        offsets=found["offsets"],
        items=found["items"],
        propensities=_or_empty(found["propensities"]),
        propensity_kinds=Labels(kinds, PROPENSITY_KINDS),
        policies=names.labels_from("policy", numbers["policy"]),
        versions=names.labels_from("version", numbers["version"]),
        catalogues=names.labels_from("catalogue", numbers["catalogue"]),
        activated=np.array(columns[8], dtype=np.bool_),
        sources=None if sources is None else names.labels_from("source", sources),
        scores=found["scores"],
        positions=found["positions"],
        contexts=contexts_of(lists[schema.BLOBS.index("context")], len(context_names)),
        context_names=context_names,
        candidates=found["candidates"],
        excluded=found["excluded"],
        seqs=numbers["seq"],
    )


def _or_empty(values: np.ndarray | None) -> np.ndarray:
    return np.zeros(0) if values is None else values


def layout_names(code: int, names: Names) -> tuple[str, ...]:
    """The names of the context's columns under a layout."""
    known = names.known("layout")
    text = known[code] if code < len(known) else names.reread("layout")[code]
    return tuple(json.loads(text))


def one_layout_each(rows: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """The rows in their order, cut wherever the layout of contexts changes."""
    layouts = np.array([row[LAYOUT] for row in rows], dtype=np.int64)
    ends = [0, *(np.flatnonzero(np.diff(layouts)) + 1).tolist(), len(rows)]
    return [rows[a:b] for a, b in itertools.pairwise(ends) if b > a]


REWARDS_WITH_ID = (
    "SELECT r.seq, r.decision, r.item, r.event, r.value, r.kind, r.late, r.timestamp, r.key, d.id "
    "FROM reward r JOIN decision d ON d.seq = r.decision"
)


def rewards_of(rows: Rows, names: Names) -> LoggedRewards:
    """A batch from rows of `REWARDS_WITH_ID`."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 10
    whole = [np.array(columns[i], dtype=np.int64) for i in (0, 1, 2, 3, 5, 6)]
    seqs, decisions, items, events, kinds, late = whole
    return LoggedRewards(
        decisions=texts_of(columns[9]),
        items=items,
        values=np.array(columns[4], dtype=np.float64),
        timestamps=np.array(columns[7], dtype=np.float64),
        keys=texts_of(columns[8]),
        events=names.labels_from("event", events),
        kinds=Labels(kinds.astype(np.int32), REWARD_KINDS),
        late=late.astype(np.bool_),
        decision_seqs=decisions,
        seqs=seqs,
    )
