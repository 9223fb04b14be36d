"""Can this log answer the question? Weights, support, calibration; below the floors: no number.

Effective sample size (sum w)^2 / sum w^2, Kish 1965. E[w] = 1 wherever the propensities are right
and the log shows everything that the policy would do.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from recloop.evaluation.ope.estimate import Estimate
from recloop.evaluation.ope.rounds import Rounds
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, finite_or_none

EXPLORE = "log with more exploration, or judge a policy nearer to the one that logged"


@dataclass(frozen=True)
class Floors:
    """When an estimate is refused. The effective sample size must reach both of its floors."""

    least_rows: float = 50.0
    least_share: float = 0.01  # effective rows of all rows
    largest_weight: float = 0.10  # of the sum of the weights
    largest_z: float = 4.0  # of E[w] = 1
    largest_unsupported: float = 0.01  # of the policy's mass
    largest_conflict: float = 4.0  # z against an estimate that assumes nothing of slates

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_between("Floors", name, value, 0, np.inf)


@dataclass(frozen=True)
class Diagnostics:
    """What the weights of n rows look like; NaN where it cannot be known."""

    n: int
    effective_rows: float
    mean_weight: float
    z: float  # of mean_weight against 1
    max_weight: float
    max_share: float  # of the sum of the weights
    quantiles: dict[str, float]  # of the weights
    unsupported: float  # the policy's mass on what the log never shows
    calibration_error: float  # of the logged probabilities, expected, by bins

    def to_json(self) -> dict[str, Any]:
        """Every number as a JSON value; what is not known is None."""
        found = asdict(self)
        return {k: v if isinstance(v, dict) else finite_or_none(v) for k, v in found.items()}


@dataclass(frozen=True)
class Unreliable:
    """No number: why the log cannot answer, and what would help."""

    name: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    diagnostics: Diagnostics

    def __str__(self) -> str:
        return (
            f"{self.name}: unreliable. {'; '.join(self.reasons)}. "
            f"What would help: {'; '.join(self.advice)}."
        )


class Calibration(NamedTuple):
    """Bins of logged probabilities, and how often those items were shown."""

    predicted: FloatArray  # (bins,) mean probability
    observed: FloatArray  # (bins,) share shown
    counts: IntArray  # (bins,) pairs of row and item
    error: float  # mean |predicted - observed|, weighted by the number of shown items expected


def effective_rows(weights: FloatArray) -> float:
    """How many equally weighted rows these are worth; 0 where all weights are 0."""
    squares = float(np.square(weights).sum())
    return float(np.abs(weights).sum()) ** 2 / squares if squares else 0.0


def diagnose(
    weights: FloatArray, *, rounds: Rounds | None = None, unsupported: float = float("nan")
) -> Diagnostics:
    """Of the weights (n,) of an estimator; `rounds` adds support and calibration.

    unsupported: the policy's mass on what the log never shows, where it is known without `rounds`.
    """
    n = len(weights)
    mean, largest = float(weights.mean()), float(np.abs(weights).max())
    error = float(weights.std(ddof=1)) / n**0.5 if n > 1 else float("nan")
    total = float(np.abs(weights).sum())
    shown = np.quantile(weights, [0.5, 0.9, 0.99, 0.999])
    return Diagnostics(
        n=n,
        effective_rows=effective_rows(weights),
        mean_weight=mean,
        z=_z(mean - 1, error),
        max_weight=largest,
        max_share=largest / total if total else 1.0,
        quantiles=dict(zip(("50%", "90%", "99%", "99.9%"), shown.tolist(), strict=True)),
        unsupported=unsupported if rounds is None else unsupported_mass(rounds),
        calibration_error=_calibration_error(rounds),
    )


def unsupported_mass(rounds: Rounds) -> float:
    """The policy's mean mass on items that the log could not show.

    Where the logging policy is known: those with probability 0 in a row. Else: those that no row
    shows, which counts items that were merely rare in a small log. NaN where the target is known of
    the items taken alone.
    """
    if rounds.target.ndim == 1:
        return float("nan")
    if rounds.logging is not None:
        return float(np.where(rounds.logging > 0, 0.0, rounds.target).sum(axis=1).mean())
    shown = np.zeros(rounds.n_items, dtype=np.bool_)
    shown[rounds.actions] = True
    return float(rounds.target[:, ~shown].sum(axis=1).mean())


def calibration(rounds: Rounds, n_bins: int = 10) -> Calibration:
    """Whether items logged with probability p were shown in a share p, by bins of equal mass."""
    p = rounds.full_logging("calibration").ravel()
    hits = np.zeros(rounds.full_logging("calibration").shape)
    hits[np.arange(len(rounds)), rounds.actions] = 1.0
    order = np.argsort(p, kind="stable")
    mass = np.cumsum(p[order])
    bins = np.minimum((mass / mass[-1] * n_bins).astype(np.int64), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    kept = counts > 0
    predicted = np.bincount(bins, p[order], n_bins)[kept]
    observed = np.bincount(bins, hits.ravel()[order], n_bins)[kept]
    n = counts[kept]
    error = float(np.abs(predicted - observed).sum() / len(rounds))
    return Calibration(predicted / n, observed / n, n, error)


class Balance(NamedTuple):
    """How often items were shown over how often their propensities promised; 1 if right."""

    mean: FloatArray  # (A,) of 1 / propensity where the item is shown, 0 elsewhere
    z: FloatArray  # (A,) against 1; NaN for an item that is never shown

    @property
    def worst(self) -> float:
        """The largest |z|; with A right items seldom above the 1 / A quantile of a normal."""
        return float(np.nanmax(np.abs(self.z)))


def balance(rounds: Rounds, n_items: int) -> Balance:
    """Calibration from the propensities of the items shown alone, for items always eligible.

    Each item is a policy that always shows it, whose weights must average to 1.
    """
    n = len(rounds)
    shares = 1 / rounds.propensities / n
    mean = np.bincount(rounds.actions, shares, n_items).astype(np.float64)
    square = np.bincount(rounds.actions, shares**2 * n, n_items)
    error = np.sqrt(np.maximum(square - mean**2, 0) / max(n - 1, 1))
    z = np.divide(mean - 1, error, out=np.full(n_items, np.nan), where=error > 0)
    return Balance(mean, z)


def by_slot(weights: FloatArray, positions: IntArray) -> dict[int, Diagnostics]:
    """`diagnose` for the rows (n,) of each place on the page."""
    return {int(p): diagnose(weights[positions == p]) for p in np.unique(positions)}


def judged(
    estimate: Estimate,
    floors: Floors | None = None,
    *,
    rounds: Rounds | None = None,
    weights: FloatArray | None = None,
    reference: Estimate | None = None,
    unsupported: float = float("nan"),
) -> Estimate | Unreliable:
    """The estimate, or why there is none; an estimator without weights is judged by support.

    weights: those before a cut, where the estimator cuts them; default: the estimate's own.
    reference: one from the same rows that assumes less, such as standard_ips for slates.
    unsupported: as in `diagnose`.
    """
    floors = floors or Floors()
    raw = weights if weights is not None else estimate.weights
    found = diagnose(
        np.ones(len(estimate)) if raw is None else raw, rounds=rounds, unsupported=unsupported
    )
    problems = complaints(found, floors, has_weights=raw is not None)
    if raw is not None and not raw.any():
        problems.insert(0, ("the policy never does what the log shows", EXPLORE))
    z = 0.0 if reference is None else conflict(estimate, reference)
    if reference is not None and abs(z) > floors.largest_conflict:
        problems.append(
            (
                f"it contradicts {reference.name}, which assumes less (z = {z:+.1f}): it is not so "
                f"that {estimate.assumes or 'what it assumes holds'}",
                f"an estimator that assumes less, such as {reference.name}",
            )
        )
    if not problems:
        return estimate
    reasons, advice = zip(*problems, strict=True)
    return Unreliable(estimate.name, reasons, tuple(dict.fromkeys(advice)), found)


def complaints(
    found: Diagnostics, floors: Floors, *, has_weights: bool = True
) -> list[tuple[str, str]]:
    """(reason, what would help) for each floor that is not reached."""
    problems = []
    needed = max(floors.least_rows, floors.least_share * found.n)
    if has_weights and found.effective_rows < needed:
        problems.append(
            (
                f"the effective sample size is {found.effective_rows:.1f} of {found.n:,} rows, "
                f"the floor {needed:,.0f}",
                EXPLORE,
            )
        )
    if has_weights and found.max_weight > 0 and found.max_share > floors.largest_weight:
        problems.append(
            (
                f"one row has {found.max_share:.0%} of all weight (weight {found.max_weight:,.1f}),"
                f" the ceiling is {floors.largest_weight:.0%}",
                "weights of groups of items (mips), or a model of the reward (dr, switch_dr)",
            )
        )
    if has_weights and abs(found.z) > floors.largest_z:
        problems.append(
            (
                f"the weights average {found.mean_weight:.3g} instead of 1 (z = {found.z:+.1f})",
                "check that the logged propensities are those of the items shown, at that place",
            )
        )
    if found.unsupported > floors.largest_unsupported:
        problems.append(
            (
                f"{found.unsupported:.1%} of what the policy would do is never in the log",
                "fewer items, or a log that shows all of them now and then",
            )
        )
    return problems


def conflict(estimate: Estimate, reference: Estimate) -> float:
    """z of the difference of two estimates of one policy from the same rows.

    Large where what one of them assumes does not hold, as pseudo-inverse on clicks that hide each
    other, with standard_ips as the reference.
    """
    gap = estimate.terms - reference.terms
    return _z(float(gap.mean()), float(gap.std(ddof=1)) / len(gap) ** 0.5)


def _z(gap: float, error: float) -> float:
    if abs(gap) < 1e-6:
        return 0.0
    return gap / error if error > 0 else float(np.copysign(np.inf, gap))


def _calibration_error(rounds: Rounds | None) -> float:
    if rounds is None or rounds.logging is None:
        return float("nan")
    return calibration(rounds).error
