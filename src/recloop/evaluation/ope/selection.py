"""Which setting of an estimator, and which policy.

SLOPE (Su, Srinath and Krishnamurthy 2020, algorithm 1, with C = sqrt(6) - 1) needs estimates whose
spread falls as their bias grows. The bound of the mean squared error adds the spread of a setting
to the square of how far it may be from an unbiased reference on the same rows (after Wang et al.
2017 and Su et al. 2020).
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.evaluation.intervals import Interval
from recloop.evaluation.ope import intervals
from recloop.evaluation.ope.checking import numbers
from recloop.evaluation.ope.diagnostics import Unreliable
from recloop.evaluation.ope.estimate import Estimate, average
from recloop.types import FloatArray
from recloop.utils.checks import check_between, check_choice

SLOPE_FACTOR = 6**0.5 - 1


class Tuned(NamedTuple):
    """The setting that was chosen, its estimate, and what each candidate was chosen by."""

    setting: Any
    estimate: Estimate
    scores: dict[Any, float]  # half the width (slope), or the bound (mse); lower is better


class Place(NamedTuple):
    """A policy among others; without a number where the log cannot judge it.

    difference: its value minus the first one's, from the same rows.
    """

    name: str
    value: float | None
    interval: Interval | None
    difference: float | None
    difference_interval: Interval | None
    verdict: str


def tuned(
    candidates: Mapping[Hashable, Estimate],
    *,
    by: Literal["slope", "mse"] = "slope",
    reference: Estimate | None = None,
    error: float = 0.1,
) -> Tuned:
    """One of several settings {setting: estimate}, all of the same rows.

    reference: an unbiased estimate, for "mse". What is chosen still has to pass the floors: judge
    it with the weights before any cut.
    """
    check_choice("tuned", "by", by, ("slope", "mse"))
    check_between("tuned", "error", error, 0, 1, low_open=True, high_open=True)
    if not candidates:
        raise InvalidParameter("tuned: needs at least one candidate, got none.")
    if by == "slope":
        chosen, scores = _slope(candidates, error)
    else:
        if reference is None:
            raise InvalidParameter("tuned: mse needs reference, an unbiased estimate such as dr.")
        scores = {s: mse_bound(one, reference, error) for s, one in candidates.items()}
        chosen = min(scores, key=lambda setting: scores[setting])
    return Tuned(chosen, candidates[chosen], scores)


def mse_bound(estimate: Estimate, reference: Estimate, error: float = 0.1) -> float:
    """Squared standard error + (|difference to the reference| + its reach at `error`)^2."""
    gap = average("gap", estimate.terms - reference.terms)
    far = 0.0
    if np.abs(gap.additive).max() > 0:
        low, high = intervals.normal(gap, 1 - error)
        far = max(abs(low), abs(high))
    return estimate.standard_error**2 + far**2


def rank_policies(
    estimates: Mapping[str, Estimate | Unreliable],
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
) -> list[Place]:
    """Policies judged on the same rows, best first; those that cannot be judged last, unranked.

    Intervals of differences are paired: they resample the rows of both policies together.
    """
    known = {name: one for name, one in estimates.items() if isinstance(one, Estimate)}
    if len({len(one) for one in known.values()}) > 1:
        raise InvalidParameter("rank_policies: all estimates must be of the same rows.")
    order = sorted(known, key=lambda name: -known[name].value)
    places = []
    for name in order:
        one, best = known[name], known[order[0]]
        options: dict[str, Any] = {"confidence": confidence, "n_resamples": n_resamples}
        own = intervals.bootstrap(one, rng, **options)
        if one is best:
            places.append(Place(name, one.value, own, None, None, "first"))
            continue
        gap = difference(one, best)
        between = intervals.bootstrap(gap, rng, **options)
        verdict = "worse than the first" if between.high < 0 else "not told from the first"
        places.append(Place(name, one.value, own, gap.value, between, verdict))
    for name, one in estimates.items():
        if isinstance(one, Unreliable):
            places.append(Place(name, None, None, None, None, f"unreliable: {one.reasons[0]}"))
    return places


def difference(estimate: Estimate, other: Estimate) -> Estimate:
    """`estimate` minus `other` of the same rows, ratios kept as ratios."""
    parts = [one for one in (estimate, other) if one.is_ratio]
    signs = [1.0 if one is estimate else -1.0 for one in parts]
    more = {}
    if parts:
        more["numerators"] = np.concatenate(
            [s * one.numerators for s, one in zip(signs, parts, strict=True)], axis=1
        )
        more["denominators"] = np.concatenate([one.denominators for one in parts], axis=1)
    unknown = "unknown" in (estimate.bias, other.bias)
    return Estimate(
        f"{estimate.name} - {other.name}",
        estimate.additive - other.additive,
        bias="unknown" if unknown else "vanishing" if parts else "none",
        **more,
    )


def regret(values: ArrayLike, truths: ArrayLike, k: int = 1) -> float:
    """What is lost by taking the best of the k policies with the highest estimates."""
    estimated, true = _pair(values, truths)
    top = np.argsort(-estimated, kind="stable")[:k]
    return float(true.max() - true[top].max())


def rank_correlation(values: ArrayLike, truths: ArrayLike) -> float:
    """Kendall's tau-b of estimates and truths; NaN for fewer than two policies."""
    from scipy.stats import kendalltau

    estimated, true = _pair(values, truths)
    found: Any = kendalltau(estimated, true)
    return float(found.statistic) if len(true) > 1 else float("nan")


def relative_errors(values: ArrayLike, truths: ArrayLike) -> FloatArray:
    """|estimate - truth| / |truth| of each policy."""
    estimated, true = _pair(values, truths)
    return np.abs(estimated - true) / np.abs(true)


def _slope(
    candidates: Mapping[Hashable, Estimate], error: float
) -> tuple[Hashable, dict[Any, float]]:
    from scipy.special import stdtrit

    reach = {
        setting: float(stdtrit(len(one) - 1, 1 - error)) * one.standard_error
        for setting, one in candidates.items()
    }
    order: Sequence[Hashable] = sorted(candidates, key=lambda setting: -reach[setting])
    chosen = order[0]
    for i, setting in enumerate(order[1:], start=1):
        apart = any(
            abs(candidates[setting].value - candidates[wider].value)
            > reach[setting] + SLOPE_FACTOR * reach[wider]
            for wider in order[:i]
        )
        if apart:
            break
        chosen = setting
    return chosen, reach


def _pair(values: ArrayLike, truths: ArrayLike) -> tuple[FloatArray, FloatArray]:
    estimated = numbers("values", values, (None,))
    return estimated, numbers("truths", truths, (len(estimated),))
