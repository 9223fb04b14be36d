"""Is one model better than another for the same people? Difference, interval, p value, words.

What is resampled is the unit. People (the default): everybody's value is the mean over the seeds,
so that a person counts once however often the models were trained, and the answer is about these
trained models and other people of the same kind. Seeds: a seed's value is the mean over its people,
for all of them met the same trained model and share its luck; the answer is about training once
more. People within a seed are never counted as if they were independent of it.

The interval is a percentile bootstrap of the mean difference, widened for few units (Hesterberg
2015), the p value and the correction stand in `significance`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.evaluation.intervals import bootstrap_interval
from recloop.evaluation.significance import detectable, fewest, holm, n_needed, sign_flip_p_value
from recloop.types import FloatArray
from recloop.utils.checks import check_between, check_choice
from recloop.utils.seeding import stream

Unit = Literal["people", "seeds"]
UNITS = ("people", "seeds")


@dataclass(frozen=True)
class Comparison:
    """What a model gains over its control, over the n units for which both are defined.

    wins, ties, losses: units for which the model is better, equal, worse. spread: the standard
    deviation of the differences. p_value is of this comparison alone, p_holm corrected for
    `n_comparisons` made together. least: the smallest difference worth having, None where that was
    not said. seed_differences: the mean difference of each seed, where there are several.
    """

    mean: float
    control_mean: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    p_holm: float
    wins: int
    ties: int
    losses: int
    n: int
    n_undefined: int
    confidence: float
    n_comparisons: int = 1
    spread: float = float("nan")
    least: float | None = None
    unit: Unit = "people"
    seed_differences: tuple[float, ...] = ()

    @property
    def level(self) -> float:
        """The rate of false alarms: 1 - confidence, without the last bits of the subtraction."""
        return round(1 - self.confidence, 12)

    @property
    def is_known(self) -> bool:
        """Whether there are enough units for any answer, and for one about `least`."""
        return not self.verdict.startswith("not known")

    @property
    def n_needed(self) -> float:
        """Units that show a difference as large as this one in 80 % of the cases, corrected.

        A difference that chance made larger or smaller makes this number smaller or larger.
        """
        return n_needed(self.spread, self.difference, self.level / self.n_comparisons)

    @property
    def n_needed_for_least(self) -> float:
        """Units that show a difference of `least` in 80 % of the cases; NaN without `least`."""
        least = float("nan") if self.least is None else self.least
        return n_needed(self.spread, least, self.level / self.n_comparisons)

    @property
    def detectable(self) -> float:
        """The difference that as many units as here show in 80 % of the cases."""
        return detectable(self.spread, self.n, self.level / self.n_comparisons)

    @property
    def verdict(self) -> str:
        """What the numbers support, in words."""
        if self.n < 2:
            return f"not known: fewer than two {self.unit} count"
        if self.n < fewest(self.level):
            return (
                f"not known: {self.n} {self.unit} are too few, p cannot fall to {self.level:g} "
                f"below {fewest(self.level)}"
            )
        if self.ties == self.n:
            return "no benefit: both have the same value for everyone"
        return self._within_least() or self._beyond_chance()

    def _within_least(self) -> str | None:
        """The verdict where `least` decides: equivalent, ruled out, or out of sight."""
        least = self.least
        if least is None:
            return None
        worth = f"{least:g}, the least worth having"
        if -least < self.ci_low and self.ci_high < least:
            return f"no benefit: the whole interval is nearer to 0 than {worth}"
        if self.ci_low <= 0 <= self.ci_high:
            if self.ci_high < least:
                return f"no benefit: the interval holds 0 and stays below {worth}"
            return (
                f"not known: the interval holds 0 and reaches {worth}; it takes about "
                f"{self.n_needed_for_least:,.0f} {self.unit} to tell"
            )
        return None

    def _beyond_chance(self) -> str:
        if self.ci_low <= 0 <= self.ci_high:
            return "no benefit: the interval holds 0"
        if self.p_holm <= self.level:
            word = "better" if self.difference > 0 else "worse"
            near = min(abs(self.ci_low), abs(self.ci_high))
            if self.least is not None and near < self.least:
                return f"{word}, but perhaps by less than {self.least:g}"
            return word
        shown = "benefit" if self.difference > 0 else "loss"
        among = "" if self.n_comparisons == 1 else f" among {self.n_comparisons} comparisons"
        return f"no {shown} shown: the interval leaves out 0, but p = {self.p_holm:.2g}{among}"

    def to_json(self) -> dict[str, Any]:
        """Every number and the verdict as JSON values; what is not known or not finite is None."""
        values = asdict(self) | {
            "seed_differences": list(self.seed_differences),
            "n_needed": self.n_needed,
            "detectable": self.detectable,
            "verdict": self.verdict,
        }
        return {name: _json_value(value) for name, value in values.items()}


def compare(
    values: Any,
    control: Any,
    *,
    unit: Unit = "people",
    least: float | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """A model against its control on the same people.

    values, control: (people,), or (seeds, people) trained with the same seeds in the same order; or
    tables with the columns user_id, value and, with several seeds, seed, matched by id. NaN is
    undefined. unit: what is resampled, see above. least: the smallest difference worth having.

    People (seeds) for whom either is undefined are left out and counted in `n_undefined`.
    """
    check_between("compare", "confidence", confidence, 0, 1, low_open=True, high_open=True)
    check_choice("compare", "unit", unit, UNITS)
    if least is not None:
        check_between("compare", "least", least, 0, np.inf, low_open=True, high_open=True)
    if hasattr(values, "columns") or hasattr(control, "columns"):
        from recloop.evaluation.frames.pairs import paired_values

        values, control = paired_values(values, control, unit)
    tables = _table("values", values), _table("control", control)
    _check_same_people(*tables)
    ours, theirs = (_of_unit(one, unit, tables) for one in tables)
    known = ~(np.isnan(ours) | np.isnan(theirs))
    ours, theirs = ours[known], theirs[known]
    differences = ours - theirs
    low, high = bootstrap_interval(
        differences,
        stream(seed, "compare", "bootstrap"),
        confidence=confidence,
        n_resamples=n_resamples,
        widened=True,
    )
    p_value = sign_flip_p_value(differences, stream(seed, "compare", "signs"), n_resamples)
    return Comparison(
        mean=_mean(ours),
        control_mean=_mean(theirs),
        difference=_mean(differences),
        ci_low=low,
        ci_high=high,
        p_value=p_value,
        p_holm=p_value,
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        n=len(differences),
        n_undefined=int((~known).sum()),
        confidence=confidence,
        spread=float(differences.std(ddof=1)) if len(differences) > 1 else float("nan"),
        least=least,
        unit=unit,
        seed_differences=_by_seed(*tables),
    )


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons, in the same order, with p values corrected for all of them (Holm)."""
    p_values = holm([one.p_value for one in comparisons])
    return [
        replace(one, p_holm=float(p), n_comparisons=len(comparisons))
        for one, p in zip(comparisons, p_values, strict=True)
    ]


def _table(name: str, values: ArrayLike) -> FloatArray:
    """(seeds, people); one row where there is one seed."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        return array[None]
    if array.ndim != 2 or not len(array):
        raise InvalidParameter(
            f"compare: {name} must have shape (people,) or (seeds, people), got {array.shape}."
        )
    return array


def _check_same_people(ours: FloatArray, theirs: FloatArray) -> None:
    if ours.shape[1] != theirs.shape[1]:
        raise InvalidParameter(
            f"compare: values and control must be of the same people, got {ours.shape[1]} and "
            f"{theirs.shape[1]}."
        )


def _of_unit(table: FloatArray, unit: Unit, tables: tuple[FloatArray, FloatArray]) -> FloatArray:
    """A value for each person (mean over seeds) or seed (mean over people known on both sides)."""
    if unit == "people":
        return table.mean(axis=0)
    if not _are_paired(*tables):
        raise InvalidParameter(
            "compare: unit='seeds' needs values of shape (seeds, people), and a control of as many "
            f"seeds or of one; got {tables[0].shape} and {tables[1].shape}."
        )
    return _means_by_seed(table, *tables)


def _by_seed(ours: FloatArray, theirs: FloatArray) -> tuple[float, ...]:
    if not _are_paired(ours, theirs):
        return ()
    gained = _means_by_seed(ours, ours, theirs) - _means_by_seed(theirs, ours, theirs)
    return tuple(gained.tolist())


def _are_paired(ours: FloatArray, theirs: FloatArray) -> bool:
    n_seeds = {len(ours), len(theirs)}
    return max(n_seeds) > 1 and n_seeds <= {1, max(n_seeds)}


def _means_by_seed(table: FloatArray, ours: FloatArray, theirs: FloatArray) -> FloatArray:
    known = ~(np.isnan(ours) | np.isnan(theirs))
    counts = known.sum(axis=1)
    total = np.where(known, table, 0.0).sum(axis=1)
    return np.divide(total, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _json_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_value(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
