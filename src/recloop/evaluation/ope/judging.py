"""From estimates to rows of a table: the floors first, then an interval for those that pass."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recloop.evaluation.intervals import Interval
from recloop.evaluation.ope import bias, intervals
from recloop.evaluation.ope.diagnostics import Floors, Unreliable, by_slot, diagnose, judged
from recloop.evaluation.ope.estimate import Estimate
from recloop.evaluation.ope.rounds import Rounds
from recloop.evaluation.ope.slates import SlateRounds
from recloop.evaluation.ope.table import Row
from recloop.types import FloatArray
from recloop.utils.seeding import stream


class Answer(NamedTuple):
    """What an estimator found, before it is judged; weights are those before any cut."""

    name: str
    estimate: Estimate
    weights: FloatArray | None
    setting: float | None = None
    reference: Estimate | None = None


@dataclass(frozen=True)
class Judge:
    """How estimates are judged; see `OffPolicyEvaluator`."""

    floors: Floors
    confidence: float
    n_resamples: int
    force: bool
    seed: int
    reward_range: tuple[float, float] | None

    def rows(
        self,
        answers: list[Answer],
        log: Rounds | SlateRounds | None = None,
        *,
        unsupported: float = float("nan"),
    ) -> list[Row]:
        """All intervals come from the same resamples, so that they can be compared.

        unsupported: the policy's mass on what a log of slates or sessions never shows.
        """
        rounds = log if isinstance(log, Rounds) else None
        refusals = [self._refusal(one, rounds, unsupported) for one in answers]
        told = [
            one for one, refused in zip(answers, refusals, strict=True)
            if refused is None or self.force
        ]  # fmt: skip
        around = dict(zip([one.name for one in told], self._intervals(told, rounds), strict=True))
        rows = []
        for one, refused in zip(answers, refusals, strict=True):
            interval, label = around.get(one.name, (None, None))
            known = interval is not None and math.isfinite(one.estimate.value)
            interval, label = (interval, label) if known else (None, None)
            raw = one.weights
            rows.append(
                Row(
                    one.name,
                    one.estimate.value if known else None,
                    interval,
                    label,
                    one.estimate.standard_error if known else None,
                    refused,
                    diagnose(
                        np.ones(len(one.estimate)) if raw is None else raw,
                        rounds=rounds,
                        unsupported=unsupported,
                    ),
                    assumes=one.estimate.assumes,
                    bias=one.estimate.bias,
                    setting=one.setting,
                    slots={} if raw is None else _slots(log, raw),
                    weights=raw,
                )
            )
        return rows

    def _refusal(self, one: Answer, rounds: Rounds | None, unsupported: float) -> Unreliable | None:
        found = judged(
            one.estimate, self.floors, rounds=rounds, weights=one.weights, reference=one.reference,
            unsupported=unsupported,
        )  # fmt: skip
        return found if isinstance(found, Unreliable) else None

    def _intervals(
        self, answers: list[Answer], rounds: Rounds | None
    ) -> list[tuple[Interval, str]]:
        """The interval of each estimate, and what it is; with its bias where that is bounded."""
        parts: list[Estimate] = []
        ranges: list[tuple[float, float] | None] = []
        for one in answers:
            is_bounded = rounds is not None and one.estimate.bias == "unknown"
            ranges.append(self.reward_range if is_bounded else None)
            if rounds is not None and ranges[-1] is not None:
                parts += bias.ends(one.estimate, rounds, *ranges[-1])
            else:
                parts += [one.estimate]
        found = iter(
            intervals.bootstrap_all(
                parts, stream(self.seed, "ope", "bootstrap"), confidence=self.confidence,
                n_resamples=self.n_resamples,
            )
        )  # fmt: skip
        rows = []
        for one, limits in zip(answers, ranges, strict=True):
            if limits is None:
                rows.append((next(found), one.estimate.interval_name))
            else:
                rows.append((bias.within(next(found), next(found), *limits), bias.BOUNDED))
        return rows


def _slots(log: Rounds | SlateRounds | None, weights: FloatArray) -> dict[int, Any]:
    """The weights of each place: of single items by position, of slates each slot's own ratio."""
    if isinstance(log, SlateRounds):
        return {
            place: diagnose(log.ratios[filled, place])
            for place, filled in enumerate(log.filled.T) if filled.any()
        }  # fmt: skip
    if log is None or log.positions is None or len(np.unique(log.positions)) < 2:
        return {}
    return by_slot(weights, log.positions)
