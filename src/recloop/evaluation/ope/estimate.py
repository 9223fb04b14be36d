"""An estimate as a function of averages of rows, so that every interval knows what it resamples.

    value = mean(additive) + sum over j of mean(numerators[:, j]) / mean(denominators[:, j])

A plain average has no ratios. A self-normalised one has: its denominator is as random as its
numerator, and an interval that holds it fixed is wrong (up to 12 times too wide was measured).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import FloatArray

Bias = Literal["none", "vanishing", "unknown"]


class NoOverlap(InvalidParameter):
    """A ratio whose weights are all 0: the policy never does what the log shows."""


@dataclass(frozen=True)
class Estimate:
    """What one estimator says of a policy's mean reward.

    bias: none, where the log's propensities are right; vanishing with the number of rows (ratios);
    unknown, where a model of the reward or a cut weight enters: an interval then tells of sampling
    alone.
    """

    name: str
    additive: FloatArray  # (n,)
    numerators: FloatArray = field(default_factory=lambda: np.empty((0, 0)))  # (n, m)
    denominators: FloatArray = field(default_factory=lambda: np.empty((0, 0)))  # (n, m)
    weights: FloatArray | None = None  # (n,) of the rewards; None: the estimator has none
    bias: Bias = "none"
    assumes: str = ""

    def __post_init__(self) -> None:
        if not len(self.additive):
            raise InvalidParameter(f"{self.name}: the log must have at least one row, got none.")
        if self.is_ratio and not (self.denominators.mean(axis=0) > 0).all():
            raise NoOverlap(
                f"{self.name}: the weights must have a sum above 0, got 0: the policy never does "
                "what the log shows. Log with more exploration, or use the direct method."
            )

    def __len__(self) -> int:
        return len(self.additive)

    @property
    def is_ratio(self) -> bool:
        """Whether the estimate is self-normalised."""
        return self.numerators.size > 0

    @property
    def ratios(self) -> FloatArray:
        """(m,) each numerator over its denominator; 0/0 is 0."""
        if not self.is_ratio:
            return np.empty(0)
        return self.numerators.mean(axis=0) / self.denominators.mean(axis=0)

    @property
    def value(self) -> float:
        """The estimated mean reward."""
        return float(self.additive.mean() + self.ratios.sum())

    @property
    def terms(self) -> FloatArray:
        """(n,) one number a row whose mean is the value and whose spread is the value's own.

        For a plain average its rows; for a ratio the linearised ones (delta method).
        """
        if not self.is_ratio:
            return self.additive
        left = self.numerators - self.ratios * self.denominators
        return self.additive + self.ratios.sum() + (left / self.denominators.mean(axis=0)).sum(1)

    @property
    def standard_error(self) -> float:
        """Of the value; NaN for a single row."""
        n = len(self)
        return float(self.terms.std(ddof=1)) / n**0.5 if n > 1 else float("nan")

    @property
    def interval_name(self) -> str:
        """What an interval around this estimate is."""
        if self.bias == "unknown":
            return "sampling interval (bias not included)"
        if self.assumes:
            return f"confidence interval, if {self.assumes}"
        return "confidence interval"


def average(
    name: str, rows: FloatArray, weights: FloatArray | None = None, **more: str
) -> Estimate:
    """A plain average of rows (n,)."""
    return Estimate(name, rows, weights=weights, **more)  # type: ignore[arg-type]


def nothing(name: str, n: int) -> Estimate:
    """No number from n rows, where a ratio has no weight at all; the floors refuse it."""
    return Estimate(name, np.full(n, np.nan), weights=np.zeros(n), bias="vanishing")


def ratio(
    name: str,
    numerator: FloatArray,
    denominator: FloatArray,
    additive: FloatArray | None = None,
    weights: FloatArray | None = None,
) -> Estimate:
    """mean(numerator) / mean(denominator), one ratio (n,) or several summed (n, m)."""
    plain = np.zeros(len(numerator)) if additive is None else additive
    m = numerator.reshape(len(plain), -1)
    d = denominator.reshape(len(plain), -1)
    return Estimate(name, plain, m, d, weights, bias="vanishing")
