"""How far what was earned while learning could be off, and the difference of two that learned.

runs        each seed has visitors of its own: the runs are what is independent. The mean of the
            seeds' means or paired differences d_s, error sd(d) / sqrt(S), Student's t with
            S - 1 degrees of freedom; what differs between visitors is in d_s already.
rounds      one seed alone: the rounds stand for the runs, paired where two models saw the same
            visitor in a round. How learning would go another time is not in it.
replays     every seed replays the same log: the logged rows are what is independent, and more
            seeds are no more rows. m = (1 / S) sum_s (1 / n_s) sum_i k_si r_i, k_si 1 where seed
            s kept row i; its error is that of sum_i p_i, with the pull of a row
            p_i = (1 / S) sum_s k_si (r_i - m_s) / n_s  (delta method). A difference subtracts
            the pulls of the rows that both have kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recloop.evaluation.intervals import Interval
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between

UNKNOWN = float("nan")
FEWEST_ALIKE = 6
"""Of so many units that are alike the signs alone say more than 1 in 20 (`significance.fewest`)."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error, and how many degrees of freedom that error has.

    All are NaN where too little is known: fewer than two units, or a seed without rounds; or a few
    units that are alike but not 0, which a handful of clicks in two runs soon are by chance.
    """

    value: float
    error: float
    freedom: float

    def interval(self, confidence: float = 0.95) -> Interval:
        """value ± t errors."""
        check_between("Estimate", "confidence", confidence, 0, 1, low_open=True, high_open=True)
        if not math.isfinite(self.error):
            return Interval(UNKNOWN, UNKNOWN)
        from scipy.special import stdtrit

        reach = float(stdtrit(self.freedom, 0.5 + confidence / 2.0)) * self.error
        return Interval(self.value - reach, self.value + reach)

    def p_value(self) -> float:
        """Two-sided, of the value being 0; NaN where the error is unknown."""
        if not math.isfinite(self.error):
            return UNKNOWN
        if self.error == 0.0:
            return 1.0 if self.value == 0.0 else 0.0
        from scipy.special import stdtr

        return float(2.0 * stdtr(self.freedom, -abs(self.value) / self.error))


def of_units(values: FloatArray) -> Estimate:
    """The mean of `values` (n,) that are independent of each other: of runs, or of rounds."""
    n = len(values)
    value = float(values.mean()) if n else UNKNOWN
    if n < 2 or not np.isfinite(values).all():
        return Estimate(value, UNKNOWN, UNKNOWN)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    if value and np.ptp(values) <= _ROUNDING * np.abs(values).max():
        error = 0.0 if n >= FEWEST_ALIKE else UNKNOWN
    return Estimate(value, error, n - 1.0 if math.isfinite(error) else UNKNOWN)


@dataclass(frozen=True)
class Replays:
    """What the seeds of one model earned from the same log.

    means (S,): reward per row that a seed kept, NaN without any. pulls (n,): of each logged row on
    the mean of `means`; they sum to 0.
    """

    means: FloatArray
    pulls: FloatArray

    @classmethod
    def of(
        cls, places: Sequence[IntArray], rewards: Sequence[FloatArray], n_rows: int
    ) -> "Replays":
        """places, rewards: for each seed the rows of the log that it kept, and what they earned."""
        means = np.array([one.mean() if len(one) else UNKNOWN for one in rewards])
        pulls = np.zeros(n_rows)
        for kept, earned, mean in zip(places, rewards, means, strict=True):
            pulls[kept] += (earned - mean) / (max(len(kept), 1) * len(means))
        return cls(means, pulls)

    def estimate(self) -> Estimate:
        """Reward per row that counted."""
        n_moving = int(np.count_nonzero(self.pulls))
        return _of_pulls(float(self.means.mean()), self.pulls, n_moving)

    def minus(self, other: "Replays") -> Estimate:
        """How much more than `other`, from the same log."""
        gap = float(self.means.mean() - other.means.mean())
        n_moving = int(np.count_nonzero((self.pulls != 0.0) | (other.pulls != 0.0)))
        return _of_pulls(gap, self.pulls - other.pulls, n_moving)


def _of_pulls(value: float, pulls: FloatArray, n_moving: int) -> Estimate:
    """n_moving: rows whose absence would change something; of fewer than two nothing is known."""
    if not math.isfinite(value) or n_moving < 2:
        return Estimate(value, UNKNOWN, UNKNOWN)
    squares = float(pulls @ pulls)
    return Estimate(value, math.sqrt(squares * n_moving / (n_moving - 1)), n_moving - 1.0)
