"""`OffPolicyEvaluator`: a decision log and a policy's probabilities in, a table of results out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recloop.errors import InvalidData
from recloop.evaluation.intervals import Interval
from recloop.evaluation.ope import intervals, single, slates
from recloop.evaluation.ope.diagnostics import Diagnostics, Floors, Unreliable, diagnose, judged
from recloop.evaluation.ope.estimate import Estimate
from recloop.evaluation.ope.rounds import Rounds
from recloop.evaluation.ope.slates import SlateRounds
from recloop.types import BoolArray, FloatArray, LoggedDecisions
from recloop.utils.checks import check_choice
from recloop.utils.names import unknown_name
from recloop.utils.seeding import stream

BY_WEIGHTS: dict[str, Callable[[Rounds], Estimate]] = {
    "replay": single.replay,
    "ips": single.ips,
    "snips": single.snips,
}
BY_MODEL: dict[str, Callable[[Rounds, FloatArray], Estimate]] = {
    "dm": single.dm,
    "dr": single.dr,
    "sndr": single.sndr,
}
OF_SLATES: dict[str, Callable[[SlateRounds], Estimate]] = {
    "standard_ips": slates.standard_ips,
    "standard_snips": lambda log: slates.standard_ips(log, normalise=True),
    "independent_ips": slates.independent_ips,
    "reward_interaction_ips": slates.reward_interaction_ips,
    "reward_interaction_snips": lambda log: slates.reward_interaction_ips(log, normalise=True),
}


@dataclass(frozen=True)
class Row:
    """What one estimator says; value and interval are None where the log cannot answer."""

    estimator: str
    value: float | None
    interval: Interval | None
    interval_name: str | None
    standard_error: float | None
    unreliable: Unreliable | None
    diagnostics: Diagnostics
    assumes: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        why = self.unreliable
        return {
            "estimator": self.estimator,
            "value": self.value,
            "low": None if self.interval is None else self.interval.low,
            "high": None if self.interval is None else self.interval.high,
            "interval": self.interval_name,
            "standard_error": self.standard_error,
            "assumes": self.assumes,
            "unreliable": why is not None,
            "reasons": [] if why is None else list(why.reasons),
            "advice": [] if why is None else list(why.advice),
            "diagnostics": self.diagnostics.to_json(),
        }


@dataclass(frozen=True)
class OffPolicyEvaluator:
    """Judges policies by the decisions of a log.

    missing: the reward of a slot of which none is known; None refuses such a log. force: give the
    number where the floors say that it means nothing, beside the reasons.
    """

    decisions: LoggedDecisions
    n_items: int
    floors: Floors = Floors()
    confidence: float = 0.95
    n_resamples: int = 1000
    missing: float | None = None
    force: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.decisions.activated.all():
            kept = self.decisions.rows(np.flatnonzero(self.decisions.activated))
            object.__setattr__(self, "decisions", kept)
        if not len(self.decisions):
            raise InvalidData("OffPolicyEvaluator: the log must have a decision that was shown.")
        if self.decisions.rewards is None and self.missing is None:
            raise InvalidData("OffPolicyEvaluator: the log has no rewards; join them first.")

    @property
    def is_of_slates(self) -> bool:
        """Whether a decision has more than one slot."""
        return int(self.decisions.sizes.max()) > 1

    @property
    def _kinds(self) -> list[str]:
        kinds = self.decisions.propensity_kinds
        return [kinds.names[code] for code in np.unique(kinds.codes)]

    @property
    def estimators(self) -> tuple[str, ...]:
        """Those that this log allows without a model of the reward."""
        if not self.is_of_slates:
            p = self.decisions.propensities
            flat = bool(np.ptp(p) <= 1e-6 * p[0])
            return ("replay", "ips", "snips") if flat else ("ips", "snips")
        if self._kinds == ["marginal"]:
            return ("independent_ips",)
        return tuple(name for name in OF_SLATES if name != "independent_ips")

    def evaluate(
        self,
        target: FloatArray,
        estimators: Sequence[str] | None = None,
        *,
        q: FloatArray | None = None,
        logging: FloatArray | None = None,
    ) -> list[Row]:
        """A row for each estimator (None: all that the log and q allow).

        target: for single items (n, n_items), or (n,) of the items shown; for slates (n, k) of the
        slots shown, each given the slots above it. q, logging (n, n_items): as in `Rounds`.
        """
        log = self._slates(target) if self.is_of_slates else self._rounds(target, logging)
        names = list(self.estimators if estimators is None else estimators)
        if estimators is None and q is not None:
            names += BY_MODEL
        return [self._row(name, log, q) for name in names]

    def _row(self, name: str, log: Rounds | SlateRounds, q: FloatArray | None) -> Row:
        rounds = log if isinstance(log, Rounds) else None
        estimate = self._estimate(name, log, q)
        found = judged(estimate, self.floors, rounds=rounds)
        refused = found if isinstance(found, Unreliable) else None
        raw = np.ones(len(estimate)) if estimate.weights is None else estimate.weights
        diagnostics = diagnose(raw, rounds=rounds)
        if refused is not None and not self.force:
            return Row(name, None, None, None, None, refused, diagnostics, estimate.assumes)
        interval = intervals.bootstrap(
            estimate,
            stream(self.seed, "ope", name),
            confidence=self.confidence,
            n_resamples=self.n_resamples,
        )
        return Row(
            name,
            estimate.value,
            interval,
            estimate.interval_name,
            estimate.standard_error,
            refused,
            diagnostics,
            estimate.assumes,
        )

    def _estimate(self, name: str, log: Rounds | SlateRounds, q: FloatArray | None) -> Estimate:
        if isinstance(log, SlateRounds):
            if name not in OF_SLATES:
                raise unknown_name("estimator of slates", name, list(OF_SLATES))
            self._check_kind(name)
            return OF_SLATES[name](log)
        if name in BY_MODEL:
            if q is None:
                raise InvalidData(f"{name}: needs q, a model of the reward of every item.")
            return BY_MODEL[name](log, q)
        if name not in BY_WEIGHTS:
            raise unknown_name("estimator of single items", name, [*BY_WEIGHTS, *BY_MODEL])
        return BY_WEIGHTS[name](log)

    def _check_kind(self, name: str) -> None:
        wanted = "marginal" if name == "independent_ips" else "conditional"
        for kind in self._kinds:
            check_choice(name, "the log's propensity_kind", kind, (wanted, "estimated"))

    def _rounds(self, target: FloatArray, logging: FloatArray | None) -> Rounds:
        log = self.decisions
        if (log.sizes == 0).any():
            raise InvalidData("OffPolicyEvaluator: a decision of the log shows nothing.")
        return Rounds(
            log.items, self._rewards(), log.propensities, target, logging,
            positions=log.positions, ids=log.ids,
        )  # fmt: skip

    def _slates(self, target: FloatArray) -> SlateRounds:
        log = self.decisions
        filled: BoolArray = log.padded(np.ones(len(log.items), np.bool_), False)
        return SlateRounds(
            log.padded(self._rewards(), 0.0), log.padded(log.propensities, 1.0), target, filled
        )

    def _rewards(self) -> FloatArray:
        log = self.decisions
        known = np.full(len(log.items), np.nan) if log.rewards is None else log.rewards
        return known if self.missing is None else np.where(np.isnan(known), self.missing, known)


def uniform_target(decisions: LoggedDecisions, n_items: int) -> FloatArray:
    """What drawing uniformly from what could be shown gives, as `evaluate` takes it.

    For single items (n, n_items), for slates (n, k): no item twice.
    """
    eligible = np.ones((len(decisions), n_items), dtype=np.bool_)
    if decisions.candidates is not None:
        for row, items in enumerate(decisions.candidates.lists()):
            if len(items):
                eligible[row] = False
                eligible[row, items] = True
    if decisions.excluded is not None:
        for row, items in enumerate(decisions.excluded.lists()):
            eligible[row, items] = False
    counts = eligible.sum(axis=1)
    if int(decisions.sizes.max()) == 1:
        return eligible / counts[:, None]
    left = counts[decisions.owners] - decisions.ranks
    return decisions.padded(1.0 / left, 1.0)
