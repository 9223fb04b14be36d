"""A row of the table that `OffPolicyEvaluator` gives: one answer, or why there is none."""

from dataclasses import dataclass, field
from typing import Any

from recloop.evaluation.intervals import Interval
from recloop.evaluation.ope.diagnostics import Diagnostics, Unreliable
from recloop.types import FloatArray


@dataclass(frozen=True)
class Row:
    """What one estimator says; value and interval are None where the log cannot answer.

    setting: of an estimator that has one, such as the cut of the weights. slots: the weights of
    each place on the page, where the log has several. weights: before any cut, for a histogram.
    """

    estimator: str
    value: float | None
    interval: Interval | None
    interval_name: str | None
    standard_error: float | None
    unreliable: Unreliable | None
    diagnostics: Diagnostics
    assumes: str = ""
    bias: str = "none"
    setting: float | None = None
    slots: dict[int, Diagnostics] = field(default_factory=dict)
    weights: FloatArray | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, but for the weights."""
        why = self.unreliable
        return {
            "estimator": self.estimator,
            "value": self.value,
            "low": None if self.interval is None else self.interval.low,
            "high": None if self.interval is None else self.interval.high,
            "interval": self.interval_name,
            "standard_error": self.standard_error,
            "assumes": self.assumes,
            "bias": self.bias,
            "setting": "no cut" if self.setting == float("inf") else self.setting,
            "unreliable": why is not None,
            "reasons": [] if why is None else list(why.reasons),
            "advice": [] if why is None else list(why.advice),
            "diagnostics": self.diagnostics.to_json(),
            "slots": {str(place): one.to_json() for place, one in self.slots.items()},
        }
