"""How each version does: rewards per decision with intervals that hold at every look.

    mean +- sd sqrt(2 (n rho^2 + 1) / (n^2 rho^2) ln(sqrt(n rho^2 + 1) / alpha))

An asymptotic confidence sequence: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), theorem
2.2, rho tuned to be narrowest around `NARROWEST` decisions. One may look after every decision, stop
when one likes, and still be wrong with probability alpha at most.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

NARROWEST = 2000
LEAST = 100  # decisions of each version before anything is said


@dataclass
class Tally:
    """Decisions of one version with a known reward: how many, their sum and sum of squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, before: float | None, after: float) -> None:
        """A decision's reward changed from `before` (None: nothing was known) to `after`."""
        if before is None:
            self.n += 1
        self.total += after - (before or 0.0)
        self.squares += after * after - (before or 0.0) ** 2

    @property
    def mean(self) -> float:
        """Reward per decision; 0 where there is none."""
        return self.total / self.n if self.n else 0.0

    def radius(self, alpha: float = 0.05) -> float:
        """Half the width of the interval; infinite below `LEAST` decisions."""
        if self.n < LEAST:
            return math.inf
        variance = max(self.squares / self.n - self.mean**2, 1e-12)
        inside = -2.0 * math.log(alpha) + math.log(-2.0 * math.log(alpha)) + 1.0
        rho2 = inside / NARROWEST
        grown = self.n * rho2 + 1.0
        width = 2.0 * grown / (self.n**2 * rho2) * math.log(math.sqrt(grown) / alpha)
        return math.sqrt(variance * width)


class Comparison(NamedTuple):
    """A version against the active one: difference of rewards per decision, valid at every look."""

    difference: float
    low: float
    high: float
    verdict: str  # better, worse, or not known


def compared(candidate: Tally, active: Tally, alpha: float = 0.05) -> Comparison:
    """The candidate minus the active version; each side's interval has half of alpha."""
    difference = candidate.mean - active.mean
    radius = candidate.radius(alpha / 2) + active.radius(alpha / 2)
    low, high = difference - radius, difference + radius
    verdict = "better" if low > 0 else "worse" if high < 0 else "not known"
    return Comparison(difference, low, high, verdict)
