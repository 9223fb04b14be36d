"""Does taste move within a session? Whether what is near in time agrees more than what is far.

With v_s the residual clicks of step s as a vector, sum of (click - expected) e q, and a random walk
of taste with steps of standard deviation d,

    E[v_s . v_t] = (a + d^2 min(s, t)) K_st,   K_st the trace of M_s M_t,  M_s = sum of e^2 q q'

and min(s, t) = (s + t) / 2 - |t - s| / 2. The slope on |t - s| is therefore -d^2 / 2 where taste
drifts and 0 where it does not; the slope on s + t takes up what changes with time for any other
reason, as tiredness does. Standard errors hold people together (Liang and Zeger 1986), and the test
is one-sided at the false-alarm rate that is asked for.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from recloop.training.fitting.log import ImpressionLog
from recloop.types import FloatArray

LEAST_PEOPLE = 30
"""People with sessions of three steps or more below which the answer is "not identifiable"."""

MOST_STEPS = 200
"""Steps of a session that are compared with one another; later ones are left out."""


class Drift(NamedTuple):
    """Whether taste drifts; None and a reason where the log cannot tell.

    size: standard deviation of a step, 0 where none is detected, None where it has no unit.
    """

    detected: bool | None
    p_value: float | None = None
    size: float | None = None
    false_alarms: float = 0.01
    reason: str = ""


def drift_of(
    log: ImpressionLog,
    item_factors: FloatArray,
    residuals: FloatArray,
    examined: FloatArray,
    false_alarms: float,
) -> Drift:
    """The test on impressions; residuals (n,) are click - expected, examined (n_slots,)."""
    seen = examined[log.slots]
    pulls = (seen * residuals)[:, None] * item_factors[log.items]
    squares = np.einsum("n,nf,ng->nfg", seen**2, *[item_factors[log.items]] * 2)
    return _tested(log, pulls, squares.reshape(len(log), -1), false_alarms)


def drift_of_taken(log: ImpressionLog, surprises: FloatArray, false_alarms: float) -> Drift:
    """The test on plain interactions; surprises (n, n_factors): the item's factors - expected.

    It says whether, not how much: what was not taken is not known.
    """
    found = _tested(log, surprises, np.ones((len(log), 1)), false_alarms)
    return found._replace(size=None, reason=found.reason or "how much, interactions do not say")


def _tested(
    log: ImpressionLog, pulls: FloatArray, squares: FloatArray, false_alarms: float
) -> Drift:
    starts, lengths = log.session_starts(), log.lengths()
    long = np.flatnonzero(lengths >= 3)
    users = log.users[starts[long]]
    if len(np.unique(users)) < LEAST_PEOPLE:
        reason = f"fewer than {LEAST_PEOPLE} people have a session of three steps or more"
        return Drift(None, false_alarms=false_alarms, reason=reason)
    if not (pulls.any() and squares.any()):
        return Drift(None, false_alarms=false_alarms, reason="no taste was found that could drift")
    unit, unit_squares = np.mean(pulls**2), np.mean(squares**2)
    squares, pulls = squares / np.sqrt(unit_squares), pulls / np.sqrt(unit)
    bread = np.zeros((len(long), 3, 3))
    right = np.zeros((len(long), 3))
    for row, session in enumerate(long.tolist()):
        rows = slice(starts[session], starts[session + 1])
        bread[row], right[row] = _normal_equations(log.steps[rows], pulls[rows], squares[rows])
    total = bread.sum(axis=0)
    slopes = np.linalg.lstsq(total, right.sum(axis=0), rcond=None)[0]
    scores = right - bread @ slopes
    _, person = np.unique(users, return_inverse=True)
    by_person = np.zeros((person.max() + 1, 3))
    np.add.at(by_person, person, scores)
    inverse = np.linalg.pinv(total)
    error = float(np.sqrt((inverse @ by_person.T @ by_person @ inverse)[2, 2]))
    p_value = NormalDist().cdf(float(slopes[2]) / error) if error > 0 else 1.0
    detected = p_value < false_alarms
    variance = -2.0 * float(slopes[2]) * float(unit / unit_squares)
    return Drift(detected, p_value, variance**0.5 if detected else 0.0, false_alarms)


def _normal_equations(
    steps: np.ndarray, pulls: FloatArray, squares: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """X'X (3, 3) and X'y (3,) over the pairs of different steps of one session."""
    n_steps = min(int(steps[-1]) + 1, MOST_STEPS)
    kept = steps < n_steps
    summed = np.zeros((n_steps, pulls.shape[1]))
    np.add.at(summed, steps[kept], pulls[kept])
    moved = np.zeros((n_steps, squares.shape[1]))
    np.add.at(moved, steps[kept], squares[kept])
    first, second = np.triu_indices(n_steps, 1)
    weights = (moved @ moved.T)[first, second]
    agreement = (summed @ summed.T)[first, second]
    times = np.stack([np.ones(len(first)), first + second, second - first])
    return (times * weights) @ times.T, times @ agreement
