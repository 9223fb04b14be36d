"""What the rounds of a stream support: a row for each model, and models beside their controls.

The intervals are those of `recloop.evaluation.online`; which of them holds is said in every row as
its `design`. Below `FEWEST_REWARDS` on either side nothing is concluded of a pair.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recloop.evaluation.online import Estimate, Replays, of_units
from recloop.evaluation.significance import holm
from recloop.types import FloatArray, IntArray

Row = dict[str, Any]
Design = Literal["runs", "rounds", "replays"]
METRIC = "mean_reward"
FEWEST_REWARDS = 30
"""Below so many rewards of a model nothing is concluded of it."""


@dataclass(frozen=True)
class Rounds:
    """What one model earned in one seed; see `StreamResult`."""

    places: IntArray
    items: IntArray
    rewards: FloatArray
    regret: float | None
    n_offered: int

    @property
    def mean(self) -> float:
        """Reward per round that counted, NaN without any."""
        return float(self.rewards.mean()) if len(self.rewards) else float("nan")


def design_of(seeds: Sequence[Rounds], replays: bool) -> Design:
    """What is independent of what."""
    if replays:
        return "replays"
    return "runs" if len(seeds) > 1 else "rounds"


def n_rewards(seeds: Sequence[Rounds], replays: bool) -> float:
    """How many rewards there were; of the same log, a seed's on average."""
    counts = [int(np.count_nonzero(one.rewards)) for one in seeds]
    return float(np.mean(counts) if replays else np.sum(counts))


def row_of(seeds: Sequence[Rounds], confidence: float, replays: bool) -> Row:
    """What one model earned, over its seeds."""
    design = design_of(seeds, replays)
    found = _alone(seeds, design)
    low, high = found.interval(confidence)
    regrets = [one.regret for one in seeds if one.regret is not None]
    return {
        "n_seeds": len(seeds),
        "seed_means": [_known(one.mean) for one in seeds],
        METRIC: _known(found.value),
        "ci_low": _known(low),
        "ci_high": _known(high),
        "design": design,
        "n": int(np.mean([len(one.rewards) for one in seeds])),
        "n_rewards": n_rewards(seeds, replays),
        "acceptance": float(np.mean([len(one.rewards) / max(one.n_offered, 1) for one in seeds])),
        "regret": float(np.mean(regrets)) if regrets else None,
        "n_items_shown": int(np.mean([len(np.unique(one.items)) for one in seeds])),
    }


def compared(
    pairs: Sequence[tuple[str, str]],
    rounds: Mapping[str, Sequence[Rounds]],
    confidence: float,
    replays: bool,
) -> list[Row]:
    """A row for each (model, control); p values are corrected (Holm) over those that are known."""
    rows = [
        _pair(model, control, rounds[model], rounds[control], confidence, replays)
        for model, control in pairs
    ]
    known = [row for row in rows if row["verdict"] is None]
    for row, p in zip(known, holm([row["p_value"] for row in known]), strict=True):
        row["p_holm"] = float(p)
        row["verdict"] = _verdict(row, confidence, len(known))
    return rows


def _pair(
    model: str,
    control: str,
    mine: Sequence[Rounds],
    theirs: Sequence[Rounds],
    confidence: float,
    replays: bool,
) -> Row:
    """One comparison; its verdict is None where the numbers are to decide it."""
    design = design_of(mine, replays)
    found = _difference(mine, theirs, design)
    low, high = found.interval(confidence)
    few = [
        f"{name} has {n_rewards(seeds, replays):,.4g} rewards"
        for name, seeds in ((model, mine), (control, theirs))
        if n_rewards(seeds, replays) < FEWEST_REWARDS
    ]
    verdict = None
    if few:
        verdict = f"not known: {' and '.join(few)}, fewer than {FEWEST_REWARDS}"
    elif not math.isfinite(found.error):
        verdict = "not known: too few rounds"
        if math.isfinite(found.value) and design == "runs":
            verdict = f"not known: all {len(mine)} runs show the same, more of them are needed"
    return {
        "model": model,
        "control": control,
        "metric": METRIC,
        "difference": _known(found.value),
        "ci_low": _known(low),
        "ci_high": _known(high),
        "p_value": _known(found.p_value()),
        "p_holm": None,
        "design": design,
        "verdict": verdict,
    }


def _verdict(row: Row, confidence: float, n_compared: int) -> str:
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return "no benefit: the interval holds 0"
    if row["p_holm"] <= round(1 - confidence, 12):
        return "better" if row["difference"] > 0 else "worse"
    shown = "benefit" if row["difference"] > 0 else "loss"
    return (
        f"no {shown} shown: the interval leaves out 0, but p = {row['p_holm']:.2g} among "
        f"{n_compared} comparisons"
    )


def _alone(seeds: Sequence[Rounds], design: Design) -> Estimate:
    if design == "replays":
        return _replays(seeds).estimate()
    if design == "runs":
        return of_units(np.array([one.mean for one in seeds]))
    return of_units(seeds[0].rewards)


def _difference(mine: Sequence[Rounds], theirs: Sequence[Rounds], design: Design) -> Estimate:
    if design == "replays":
        return _replays(mine).minus(_replays(theirs))
    if design == "runs":
        both = zip(mine, theirs, strict=True)
        return of_units(np.array([one.mean - other.mean for one, other in both]))
    return of_units(mine[0].rewards - theirs[0].rewards)


def _replays(seeds: Sequence[Rounds]) -> Replays:
    places, rewards = [one.places for one in seeds], [one.rewards for one in seeds]
    return Replays.of(places, rewards, seeds[0].n_offered)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
