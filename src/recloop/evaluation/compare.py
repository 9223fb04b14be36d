"""Is one model better than another for the same people? Difference, interval, p value, words.

Differences are taken person by person, after averaging over seeds; the interval resamples people,
the p value flips the sign of each person's difference at random, (b + 1) / (m + 1) (Fisher 1935;
Phipson and Smyth 2010), and several comparisons are corrected together (Holm 1979).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.evaluation.intervals import bootstrap_interval, portions
from recloop.types import FloatArray
from recloop.utils.checks import check_between
from recloop.utils.seeding import stream


@dataclass(frozen=True)
class Comparison:
    """What a model gains over its control, over the n people for whom both are defined.

    wins, ties, losses: people for whom the model is better, equal, worse. p_value is of this
    comparison alone, p_holm corrected for `n_comparisons` made together.
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

    @property
    def verdict(self) -> str:
        """What the numbers support, in words."""
        if self.n < 2:
            return "cannot be judged: fewer than two people count"
        if self.ties == self.n:
            return "no benefit: both have the same value for everyone"
        if self.ci_low <= 0 <= self.ci_high:
            return "no benefit: the interval holds 0"
        if self.p_holm <= round(1 - self.confidence, 12):  # 1 - 0.95 is a little above 0.05
            return "better" if self.difference > 0 else "worse"
        shown = "benefit" if self.difference > 0 else "loss"
        among = "" if self.n_comparisons == 1 else f" among {self.n_comparisons} comparisons"
        return f"no {shown} shown: the interval leaves out 0, but p = {self.p_holm:.2g}{among}"

    def to_json(self) -> dict[str, Any]:
        """Every number and the verdict as JSON values; what is not known is None."""
        values = asdict(self) | {"verdict": self.verdict}
        return {name: None if value != value else value for name, value in values.items()}


def compare(
    values: ArrayLike,
    control: ArrayLike,
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """A model against its control on the same people: (U,) each, or (n_seeds, U) averaged first.

    People for whom either is NaN are left out and counted in `n_undefined`.
    """
    check_between("compare", "confidence", confidence, 0, 1, low_open=True, high_open=True)
    ours, theirs = _over_seeds("values", values), _over_seeds("control", control)
    if ours.shape != theirs.shape:
        raise InvalidParameter(
            f"compare: values and control must be of the same people, got {len(ours)} and "
            f"{len(theirs)}."
        )
    known = ~(np.isnan(ours) | np.isnan(theirs))
    ours, theirs = ours[known], theirs[known]
    differences = ours - theirs
    low, high = bootstrap_interval(
        differences,
        stream(seed, "compare", "bootstrap"),
        confidence=confidence,
        n_resamples=n_resamples,
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
    )


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons, in the same order, with p values corrected for all of them (Holm)."""
    p_values = holm([one.p_value for one in comparisons])
    return [
        replace(one, p_holm=float(p), n_comparisons=len(comparisons))
        for one, p in zip(comparisons, p_values, strict=True)
    ]


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm's step-down correction: the smallest times m, the next times m - 1, never falling."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    corrected_p = np.empty(len(p))
    corrected_p[order] = np.maximum.accumulate(raised)
    return corrected_p


def sign_flip_p_value(
    differences: FloatArray, rng: np.random.Generator, n_resamples: int = 2000
) -> float:
    """Two-sided p value of the mean when each person's sign is as likely to be the other one.

    Never 0: what was seen is one of the ways in which the signs can fall. 1 without differences.
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    seen = abs(moved.sum()) * (1 - 1e-12)  # equal sums differ by rounding
    n_as_far = 0
    for n_rows in portions(n_resamples, len(moved)):
        positive = rng.integers(0, 2, size=(n_rows, len(moved)), dtype=np.int8)
        sums = 2 * (positive.astype(np.float64) @ moved) - moved.sum()
        n_as_far += int((np.abs(sums) >= seen).sum())
    return (n_as_far + 1) / (n_resamples + 1)


def _over_seeds(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        return array
    if array.ndim != 2 or not len(array):
        raise InvalidParameter(
            f"compare: {name} must have shape (people,) or (seeds, people), got {array.shape}."
        )
    return array.mean(axis=0)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")
