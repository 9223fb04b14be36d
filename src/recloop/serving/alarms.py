"""Alarms that the service rings about itself: wrong propensities, rewards and contexts that drift.

Propensities. If each slot was really drawn with the probability that is logged, the weight of a
uniform choice,

    w = 1 / (items left * propensity),

has mean 1 whatever came before. So betting on w - 1 is a fair game, and by Ville's inequality the
capital of a gambler who starts with 1 ever reaches 1 / alpha with probability at most alpha: the
alarm may be looked at after every decision. Many bets on either side are held at once.

Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting".
Page (1954) for the drift of rewards.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from recloop.serving.records import Shown
from recloop.types import FloatArray

FALSE_ALARM = 1e-3
_BETS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
_REGROUP_EVERY = 500


class FairGame:
    """The capital of somebody who bets on weights of mean 1, each at most `largest`."""

    def __init__(self, largest: float) -> None:
        down = [-share / max(largest - 1.0, 1.0) for share in (0.9, 0.5, 0.2, 0.05)]
        self._bets = np.array([*_BETS, *down])
        self._capital = np.zeros(len(self._bets))  # logarithms
        self.n = 0
        self.mean = 0.0

    def play(self, weight: float) -> float:
        """One more weight; the logarithm of the capital after it."""
        self.n += 1
        self.mean += (weight - self.mean) / self.n
        self._capital += np.log1p(self._bets * (weight - 1.0))
        highest = self._capital.max()
        return float(highest + np.log(np.mean(np.exp(self._capital - highest))))


class PropensityAlarm:
    """Two fair games against the logged propensities; floor: the least share of every slot.

    The first bets on the weight of a uniform choice among all that could be shown, the second among
    those shown more often than the median until now: a probability that belongs to another item
    shows there alone. Only first slots are looked at: later ones may have closed categories.
    """

    def __init__(self, floor: float, false_alarm: float = FALSE_ALARM) -> None:
        self._all, self._half = FairGame(1.0 / floor), FairGame(2.0 / floor)
        self._limit = np.log(2.0 / false_alarm)
        self._floor = floor
        self._counts = np.zeros(0)
        self._often = np.zeros(0, dtype=np.bool_)
        self.n = 0
        self.below_floor = 0
        self.rang_at: int | None = None

    @property
    def mean(self) -> float:
        """The mean weight of a uniform choice."""
        return self._all.mean

    @property
    def rings(self) -> bool:
        """Whether the propensities cannot be true."""
        return self.rang_at is not None

    def see(self, shown: Shown) -> None:
        """Look at one more decision."""
        left = shown.n_eligible
        if left < 2 or not len(shown.propensities):
            return
        p = float(shown.propensities[0])
        self.n += 1
        if p * left < self._floor * (1.0 - 1e-9) or not p <= 1.0:
            self.below_floor += 1
            self.rang_at = self.rang_at or self.n
            return
        capital = self._all.play(1.0 / (left * p))
        if shown.candidates is None and shown.excluded is None:
            capital = max(capital, self._play_half(int(shown.items[0]), p, left))
        if self.rang_at is None and capital > self._limit:
            self.rang_at = self.n

    def _play_half(self, item: int, p: float, n_items: int) -> float:
        """Bet within a set that was chosen before this decision."""
        if len(self._counts) != n_items:
            self._counts = np.zeros(n_items)
            self._often = np.arange(n_items) % 2 == 0
        size = int(self._often.sum())
        capital = self._half.play(1.0 / (size * p) if self._often[item] else 0.0)
        self._counts[item] += 1.0
        if self.n % _REGROUP_EVERY == 0:
            order = np.argsort(-self._counts, kind="stable")
            self._often = np.zeros(n_items, dtype=np.bool_)
            self._often[order[: (n_items + 1) // 2]] = True
        return capital


@dataclass
class Drift:
    """Page-Hinkley on both sides, in standard deviations of what was seen so far.

    slack: changes of the mean below it are none. threshold: how far sums must run; with .05 and 100
    a stream without a change rings once in millions, one of .2 is found within about 700.
    """

    slack: float = 0.05
    threshold: float = 100.0
    warm: int = 500
    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    up: float = 0.0
    down: float = 0.0
    rang_at: int | None = None

    def see(self, value: float) -> None:
        """One more value."""
        self.n += 1
        gap = value - self.mean
        self.mean += gap / self.n
        self.squares += gap * (value - self.mean)
        deviation = (self.squares / self.n) ** 0.5
        if self.n <= self.warm or deviation == 0.0:
            return
        step = (value - self.mean) / deviation
        self.up = max(0.0, self.up + step - self.slack)
        self.down = max(0.0, self.down - step - self.slack)
        if self.rang_at is None and max(self.up, self.down) > self.threshold:
            self.rang_at = self.n


@dataclass
class ContextShift:
    """How far the mean of recent contexts lies from that of the first ones, in standard errors."""

    size: int = 1000
    first: list[FloatArray] = field(default_factory=list)
    recent: deque[FloatArray] = field(default_factory=deque)

    def see(self, context: FloatArray | None) -> None:
        """One more context."""
        if context is None:
            return
        if len(self.first) < self.size:
            self.first.append(context)
            return
        self.recent.append(context)
        if len(self.recent) > self.size:
            self.recent.popleft()

    @property
    def largest_z(self) -> float:
        """The largest of all columns; 0 before both windows are full."""
        if len(self.recent) < self.size:
            return 0.0
        if len({len(one) for one in (*self.first, *self.recent)}) > 1:
            return float("inf")  # a policy of another width took over
        before, now = np.stack(self.first), np.stack(list(self.recent))
        error = np.sqrt((before.var(axis=0) + now.var(axis=0)) / self.size)
        gap = np.abs(now.mean(axis=0) - before.mean(axis=0))
        z = np.divide(gap, error, out=np.where(gap > 0, np.inf, 0.0), where=error > 0)
        return float(z.max(initial=0.0))


class Watch:
    """All alarms of a service, since it started."""

    SHIFT_Z = 6.0
    RECENT = 1000

    def __init__(self, floor: float) -> None:
        self.propensities = PropensityAlarm(floor)
        self.rewards = Drift()
        self.contexts = ContextShift()
        self._explored: deque[float] = deque(maxlen=self.RECENT)
        self._firsts: deque[int] = deque(maxlen=self.RECENT)

    def see_decision(self, shown: Shown) -> None:
        """One more decision that is stored."""
        self.propensities.see(shown)
        self.contexts.see(shown.context)
        self._explored.append(float(shown.explored.mean()) if len(shown.explored) else 0.0)
        self._firsts.append(int(shown.items[0]))

    @property
    def exploration(self) -> float:
        """The share of slots that were explored, of the last thousand decisions."""
        return float(np.mean(self._explored)) if self._explored else 0.0

    @property
    def entropy(self) -> float:
        """Of the items in the first slot of the last thousand decisions, in nats."""
        if not self._firsts:
            return 0.0
        shares = np.unique(np.array(self._firsts), return_counts=True)[1] / len(self._firsts)
        return float(-(shares * np.log(shares)).sum())

    def ringing(self) -> dict[str, str]:
        """Which alarms ring, and what they say."""
        found = {}
        if self.propensities.rings:
            found["propensities"] = (
                f"logged propensities cannot be true: the mean weight of a uniform choice is "
                f"{self.propensities.mean:.3f} instead of 1 after {self.propensities.n} decisions, "
                f"{self.propensities.below_floor} were below the floor"
            )
        if self.rewards.rang_at is not None:
            found["rewards"] = f"rewards have drifted, seen at reward {self.rewards.rang_at}"
        if self.contexts.largest_z > self.SHIFT_Z:
            found["contexts"] = (
                f"contexts have shifted: {self.contexts.largest_z:.1f} standard errors"
            )
        return found
