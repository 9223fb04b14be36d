"""What of a model is searched when it is tuned: each model declares it as `search_space`.

Nothing here knows how the search is done; `recloop.experiment.tuning` does.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recloop.errors import InvalidParameter
from recloop.utils.checks import check_count, check_real

End = Literal["low", "high"]
EDGE = 0.02
"""A value in the outer 2 % of a range (of its logarithm, where that is searched) is at its edge."""


@dataclass(frozen=True)
class Real:
    """A number from low to high, both included.

    log: equal ratios are equally likely, not equal differences.
    limits: ends that the parameter itself cannot pass, such as a discount of 0: a best value there
        is no reason to widen the range.
    acts: it changes what an exploring choice shows and nothing else, so it is searched only where
        the model chooses for itself: in a world or on a stream.
    """

    low: float
    high: float
    log: bool = False
    limits: tuple[End, ...] = ()
    acts: bool = False

    def __post_init__(self) -> None:
        check_real("Real", "low", self.low)
        check_real("Real", "high", self.high)
        _check_range("Real", self.low, self.high, self.log)

    def __contains__(self, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def edge(self, value: Any) -> End | None:
        """At which end of the range `value` lies, unless the parameter ends there itself."""
        return _edge(self, float(value))


@dataclass(frozen=True)
class Integer:
    """A whole number from low to high, both included; log, limits, acts as of `Real`."""

    low: int
    high: int
    log: bool = False
    limits: tuple[End, ...] = ()
    acts: bool = False

    def __post_init__(self) -> None:
        check_count("Integer", "low", self.low, least=0)
        check_count("Integer", "high", self.high)
        _check_range("Integer", self.low, self.high, self.log)

    def __contains__(self, value: Any) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high

    def edge(self, value: Any) -> End | None:
        """At which end of the range `value` lies, unless the parameter ends there itself."""
        return _edge(self, float(value))


@dataclass(frozen=True)
class Choice:
    """One of several values, in no order: it has no edge."""

    values: tuple[str | int | float | bool, ...]
    acts: bool = False

    def __post_init__(self) -> None:
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise InvalidParameter(
                f"Choice: values must be at least two different ones, got {self.values!r}."
            )

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def edge(self, value: Any) -> End | None:
        """None: nothing lies beyond a choice."""
        return None


Parameter = Real | Integer | Choice


class SearchSpace(Mapping[str, Parameter]):
    """Parameters by name; an empty one says that there is nothing to tune."""

    def __init__(self, **parameters: Parameter) -> None:
        self._parameters = parameters

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={one!r}" for name, one in self._parameters.items())
        return f"SearchSpace({inside})"

    def __or__(self, other: "SearchSpace") -> "SearchSpace":
        return SearchSpace(**{**self._parameters, **other})

    def searched(self, fixed: Collection[str], *, acting: bool) -> "SearchSpace":
        """What is left to search beside `fixed`; with acting, what guides exploration as well."""
        return SearchSpace(
            **{
                name: one
                for name, one in self.items()
                if name not in fixed and (acting or not one.acts)
            }
        )

    def edges(self, params: Mapping[str, Any]) -> dict[str, End]:
        """The parameters of `params` that lie at an edge of their range, and which."""
        return {
            name: end
            for name, one in self.items()
            if name in params and (end := one.edge(params[name])) is not None
        }


def _check_range(owner: str, low: float, high: float, log: bool) -> None:
    if low >= high:
        raise InvalidParameter(f"{owner}: low must be below high, got {low!r} and {high!r}.")
    if log and low <= 0:
        raise InvalidParameter(f"{owner}: low must be above 0 where log is True, got {low!r}.")


def _edge(one: Real | Integer, value: float) -> End | None:
    low, high, at = float(one.low), float(one.high), value
    if one.log:
        low, high, at = math.log(low), math.log(high), math.log(value)
    near = EDGE * (high - low)
    if at <= low + near and "low" not in one.limits:
        return "low"
    if at >= high - near and "high" not in one.limits:
        return "high"
    return None
