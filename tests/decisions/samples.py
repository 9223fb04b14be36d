"""Decisions and rewards to test with, and what differs between two batches."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from recloop.types import Labels, LoggedDecisions, LoggedRewards, Ragged

N_ITEMS = 40


def decisions(rng: np.random.Generator, n: int, *, start: int = 0) -> LoggedDecisions:
    """n decisions of 1 to 6 slots in which everything occurs that a decision may hold."""
    sizes = rng.integers(1, 7, n)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    m = int(offsets[-1])
    items = np.concatenate([rng.permutation(N_ITEMS)[:size] for size in sizes] or [[]])
    scores = rng.normal(size=m)
    scores[rng.random(m) < 0.1] = np.nan
    lists = [rng.permutation(N_ITEMS)[: rng.integers(0, 4)].tolist() for _ in range(n)]
    excluded = [rng.permutation(N_ITEMS)[: rng.integers(0, 3)].tolist() for _ in range(n)]
    return LoggedDecisions(
        ids=np.array([f"d{start + row}-é" for row in range(n)], dtype=np.str_),
        timestamps=1.7e9 + start + rng.random(n) + np.arange(n),
        users=rng.integers(0, 2**40, n),
        offsets=offsets,
        items=items.astype(np.int64),
        propensities=1.0 - rng.random(m),
        propensity_kinds=labels(rng, n, "conditional", "marginal", "estimated"),
        policies=labels(rng, n, "linucb", "random"),
        versions=labels(rng, n, "1", "2", "10"),
        catalogues=labels(rng, n, "spring"),
        activated=rng.random(n) < 0.9,
        sources=labels(rng, m, "greedy", "explore"),
        scores=scores,
        positions=rng.integers(0, 9, m),
        contexts=rng.normal(size=(n, 3)).astype(np.float32).astype(np.float64),
        context_names=("age", "hour", "price, €"),
        candidates=Ragged.of(lists),
        excluded=Ragged.of(excluded),
    )


def plain(n: int, k: int = 2, *, start: int = 0) -> LoggedDecisions:
    """n decisions d0, d1, ... at second 100, 101, ... that each showed the items 0 .. k - 1."""
    return LoggedDecisions(
        ids=np.array([f"d{start + row}" for row in range(n)], dtype=np.str_),
        timestamps=100.0 + start + np.arange(n),
        users=np.arange(n),
        offsets=np.arange(n + 1) * k,
        items=np.tile(np.arange(k), n),
        propensities=np.full(n * k, 0.5),
        propensity_kinds=Labels.same("conditional", n),
        policies=Labels.same("p", n),
        versions=Labels.same("1", n),
        catalogues=Labels.same("", n),
        activated=np.ones(n, dtype=np.bool_),
    )


def rewards(*rows: tuple[Any, ...]) -> LoggedRewards:
    """Rewards from (key, decision, item, value) and, if they are not usual, event, kind, time."""
    usual = ("k", "d0", 0, 1.0, "click", "observed", 100.0)
    full = [row + usual[len(row) :] for row in rows]
    keys, decided, items, values, events, kinds, times = zip(*full, strict=True)
    return LoggedRewards(
        decisions=np.array(decided, dtype=np.str_),
        items=np.array(items, dtype=np.int64),
        values=np.array(values, dtype=np.float64),
        timestamps=np.array(times, dtype=np.float64),
        keys=np.array(keys, dtype=np.str_),
        events=Labels.of(list(events)),
        kinds=Labels.of(list(kinds)),
    )


def labels(rng: np.random.Generator, n: int, *names: str) -> Labels:
    return Labels(rng.integers(0, len(names), n).astype(np.int32), names)


def differences(one: Any, other: Any, *, but: tuple[str, ...] = ()) -> list[str]:
    """The fields in which two batches say something else."""
    return [
        f.name
        for f in fields(one)
        if f.name not in but and not _same(getattr(one, f.name), getattr(other, f.name))
    ]


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    if isinstance(one, Labels):
        return one.texts() == other.texts()
    if isinstance(one, Ragged):
        return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        kinds = {array.dtype.kind for array in (one, other)}
        return len(kinds) == 1 and np.array_equal(one, other, equal_nan=kinds == {"f"})
    return one == other


def unjoined(batch: LoggedDecisions) -> LoggedDecisions:
    """Without what came after the decision."""
    return replace(batch, rewards=None, reward_kinds=None, seqs=None)
