"""The service judges itself from its own log, with the estimators that judge anybody else.

What it earned, what drawing uniformly would have earned, and what the shadow would have earned by
the probabilities that it stated while others decided: those it could not know the answers to. Where
the log cannot answer, there is a reason instead of a number.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from recloop.decisions import DecisionLog
from recloop.decisions.batches import concatenated
from recloop.errors import InvalidData
from recloop.evaluation.ope import Floors, OffPolicyEvaluator
from recloop.types import FloatArray, LoggedDecisions

MOST = 200_000  # records that are looked at
ESTIMATORS = ("reward_interaction_ips", "reward_interaction_snips", "ips", "snips")


def audit(
    log: DecisionLog,
    *,
    n_items: int,
    shadow: str | None,
    decided_before: float,
    default: float | None,
    most: int = MOST,
    floors: Floors | None = None,
    sizes: Mapping[int, int] | None = None,
) -> dict[str, Any]:
    """The table of all policies over the last `most` records; JSON values.

    shadow: the version whose opinions are looked for. decided_before: younger decisions may still
    earn something and are left out. default: the reward of slots without any; None leaves 0.
    sizes: how many items each version of the catalogue had; None: all of them n_items.
    """
    last = log.last_seq
    first = max(1, last - most + 1)
    parts = [
        part.rows(np.flatnonzero((part.timestamps <= decided_before) & part.activated))
        for part in log.decisions(first, last)
    ]
    parts = [part for part in parts if len(part)]
    found: dict[str, Any] = {"first_seq": first, "last_seq": last, "decisions": 0, "policies": []}
    if not parts:
        return found
    missing = 0.0 if default is None else default
    for part in parts:
        found["decisions"] += len(part)
    found["policies"].append(_row("own", parts, lambda p: p.padded(p.propensities, 1.0),
                                  n_items, missing, floors))  # fmt: skip
    found["policies"].append(_row("uniform", parts, lambda p: _uniform(p, sizes or {}, n_items),
                                  n_items, missing, floors))  # fmt: skip
    if shadow is not None:
        opinions = log.opinions(shadow, first, last)
        of = dict(zip(opinions.decisions.tolist(), opinions.propensities, strict=True))
        judged = [part.rows(_with(of, part)) for part in parts]
        judged = [part for part in judged if len(part)]
        found["policies"].append(
            _row(f"shadow:{shadow}", judged, lambda p: _stated(of, p), n_items, missing, floors)
        )
    return found


def _with(of: dict[int, FloatArray], part: LoggedDecisions) -> np.ndarray:
    assert part.seqs is not None
    return np.flatnonzero([seq in of for seq in part.seqs.tolist()])


def _stated(of: dict[int, FloatArray], part: LoggedDecisions) -> FloatArray:
    assert part.seqs is not None
    return part.padded(np.concatenate([of[seq] for seq in part.seqs.tolist()]), 1.0)


def _uniform(part: LoggedDecisions, sizes: Mapping[int, int], n_items: int) -> FloatArray:
    """(n, k) one in as many as could be shown then, of the catalogue as it was."""
    names = part.catalogues.names
    of = [sizes.get(int(name), n_items) if name.isdecimal() else n_items for name in names]
    counts = np.array(of)[part.catalogues.codes]
    if part.excluded is not None:
        counts = counts - np.diff(part.excluded.offsets)
    if part.candidates is not None:
        asked = np.diff(part.candidates.offsets)
        counts = np.where(asked, asked, counts)
    return part.padded(1.0 / (counts[part.owners] - part.ranks), 1.0)


def _row(
    name: str,
    parts: list[LoggedDecisions],
    target: Callable[[LoggedDecisions], FloatArray],
    n_items: int,
    missing: float,
    floors: Floors | None,
) -> dict[str, Any]:
    """One policy over slates of one length at a time is one log: the most frequent length."""
    if not parts:
        return {"policy": name, "decisions": 0, "estimates": [],
                "remark": "no decision has a probability stated by it yet"}  # fmt: skip
    lengths = np.concatenate([part.sizes for part in parts])
    k = int(np.bincount(lengths).argmax())
    chosen = [part.rows(np.flatnonzero(part.sizes == k)) for part in parts]
    chosen = [part for part in chosen if len(part)]
    probabilities = np.concatenate([target(part) for part in chosen])
    log = _joined(chosen)
    try:
        evaluator = OffPolicyEvaluator(log, n_items, floors=floors or Floors(), missing=missing)
        names = [one for one in ESTIMATORS if one in evaluator.estimators]
        rows = evaluator.evaluate(probabilities[:, 0] if k == 1 else probabilities, names)
    except InvalidData as error:
        return {"policy": name, "decisions": len(log), "estimates": [], "remark": str(error)}
    return {
        "policy": name,
        "decisions": len(log),
        "slots": k,
        "estimates": [row.to_json() for row in rows],
    }


def _joined(parts: list[LoggedDecisions]) -> LoggedDecisions:
    """What the estimators read of several batches, without contexts, which may differ."""
    bare = [replace(part, contexts=None, context_names=()) for part in parts]
    return concatenated(iter(bare), "audit")
