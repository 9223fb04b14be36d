"""How far a log that a world writes is from the log that it stands for, line by line.

The same people are shown what the log showed them, and answer as the world has it. Lines:

    session length            largest gap between the distributions of steps (Kolmogorov-Smirnov)
    click rate by position    mean gap over the slots, as a share of the click rate
    popularity curve          largest gap between the shares of clicks, over the items in the
                              world's order
    repeat rate               gap between the shares of clicks on what a person clicked before
    taste                     mean gap over ten groups of rows by how much more than the average
                              person the world expects this one to like the item, as a share of the
                              click rate

Intervals: percentiles over resampled people (Efron and Tibshirani 1993, chapter 13), moved by twice
the bootstrap's own bias, since a distance counts noise as distance: once in the logs and once more
in their resamples. No line differs whose distance chance alone explains: `chance` is the largest
among 19 further logs of the world, which a log of that very world exceeds once in 20 times (Barnard
1963). Below 200 clicks what is said of clicks is open: the world was fitted to the same few.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from recloop.errors import InvalidData
from recloop.simulators.preference import PreferenceWorld
from recloop.training.fitting.again import taken_before
from recloop.training.fitting.log import ImpressionLog
from recloop.training.fitting.replay import answered_again
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_count
from recloop.utils.seeding import stream
from recloop.utils.sparse import SparseMatrix, counted_pairs

TOLERANCES = {
    "session length": 0.05,
    "click rate by position": 0.15,
    "popularity curve": 0.05,
    "repeat rate": 0.05,
    "taste": 0.2,
}
"""Distances up to which a world is close enough."""

N_GROUPS = 10
N_FURTHER = 19
LEAST_CLICKS = 200


@dataclass(frozen=True)
class FidelityLine:
    """One distance with its 95 % interval. verdict: agrees, differs, or cannot tell."""

    name: str
    distance: float
    low: float
    high: float
    chance: float  # the largest distance that the world's own logs have from one another
    tolerance: float
    has_enough: bool = True  # clicks to judge by

    @property
    def verdict(self) -> str:
        """On which side of the tolerance the interval lies, unless chance explains it."""
        if not self.has_enough:
            return "cannot tell"
        if self.low > self.tolerance and self.distance > self.chance:
            return "differs"
        return "agrees" if self.high <= self.tolerance else "cannot tell"


@dataclass(frozen=True)
class FidelityReport:
    """The lines that the log allows."""

    lines: tuple[FidelityLine, ...]

    @property
    def passes(self) -> bool:
        """Whether no line is known to differ."""
        return all(line.verdict != "differs" for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        rows = [{**asdict(line), "verdict": line.verdict} for line in self.lines]
        return {"lines": rows, "passes": self.passes}

    def table(self) -> str:
        """The lines as text."""
        rows = [
            f"{'fidelity':<24}{'distance':>9}  {'95 %':<16}{'chance':>8}{'allowed':>9}  verdict"
        ]
        for line in self.lines:
            interval = f"[{line.low:.3f}, {line.high:.3f}]"
            rows.append(
                f"{line.name:<24}{line.distance:>9.3f}  {interval:<16}{line.chance:>8.3f}"
                f"{line.tolerance:>9.2f}  "
                f"{line.verdict}"
            )
        return "\n".join(rows)


def fidelity_report(
    world: PreferenceWorld, log: ImpressionLog, *, n_resamples: int = 300, seed: int = 0
) -> FidelityReport:
    """Compare `log` with what `world` answers to the same slates, people resampled."""
    check_count("fidelity_report", "n_resamples", n_resamples, least=20)
    wanted = (log.n_users, log.n_items)
    if (world.n_users, world.n_items) != wanted or world.slate_size < log.n_slots:
        raise InvalidData(
            f"fidelity_report: the world has {world.n_users} people, {world.n_items} items and "
            f"slates of {world.slate_size}; the log has {wanted[0]}, {wanted[1]} and "
            f"{log.n_slots}. Compare a world with the log it was fitted to."
        )
    written, *further = (
        answered_again(world, log, stream(seed, "fidelity", "answers", number))
        for number in range(1 + N_FURTHER)
    )
    rng = stream(seed, "fidelity", "people")
    people = np.unique(log.users)
    weights = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), n_resamples)
    lines = []
    for line in _lines(world, log):
        counts = [line.counts(each)[people] for each in (log, written)]
        totals = [_summed(each) for each in counts]
        others = [line.distance(_summed(line.counts(each)), totals[1]) for each in further]
        again = [(each.T @ weights.T).T for each in counts]
        distance = line.distance(*totals)
        resampled = np.array([line.distance(*pair) for pair in zip(*again, strict=True)])
        bias = float(np.nanmean(resampled)) - distance
        ends = np.nanquantile(resampled, [0.025, 0.975]) - 2.0 * max(bias, 0.0)
        low, high = np.maximum(ends, 0.0).tolist()
        chance, tolerance = max(others), TOLERANCES[line.name]
        has_enough = line.name == "session length" or log.clicks.sum() >= LEAST_CLICKS
        lines.append(
            FidelityLine(line.name, distance, low, high, chance, tolerance, bool(has_enough))
        )
    return FidelityReport(tuple(lines))


class _Line(NamedTuple):
    """A distance between two logs as a function of what can be counted for each person."""

    name: str
    counts: Callable[[ImpressionLog], SparseMatrix]  # (n_users, n_cells)
    distance: Callable[[FloatArray, FloatArray], float]  # of two (n_cells,)


def _lines(world: PreferenceWorld, log: ImpressionLog) -> list[_Line]:
    longest = max(int(log.lengths().max()), world.horizon)
    liked = _mean_chances(world, np.unique(log.users))
    place = np.empty(log.n_items, dtype=np.int64)
    place[np.argsort(-liked, kind="stable")] = np.arange(log.n_items)

    def lengths(of: ImpressionLog) -> SparseMatrix:
        return counted_pairs(of.session_users(), of.lengths() - 1, (of.n_users, longest))

    def clicked_places(of: ImpressionLog) -> SparseMatrix:
        rows = of.clicks > 0
        return counted_pairs(of.users[rows], place[of.items[rows]], (of.n_users, of.n_items))

    def repeats(of: ImpressionLog) -> SparseMatrix:
        rows = np.flatnonzero(of.clicks > 0)
        again = taken_before(of.users[rows], of.items[rows], of.n_items)
        return counted_pairs(of.users[rows], again.astype(np.int64), (of.n_users, 2))

    lines = [
        _Line("session length", lengths, _largest_gap),
        _Line("popularity curve", clicked_places, _largest_gap),
        _Line("repeat rate", repeats, lambda one, other: abs(_share(one) - _share(other))),
    ]
    if log.knows_no_click:
        if log.n_slots > 1:
            by_slot = _by_group(lambda of: of.slots, log.n_slots)
            lines.insert(1, _Line("click rate by position", by_slot, _mean_rate_gap))
        liking = _liking(world, log)
        if np.ptp(liking) > 0:
            edges = np.quantile(liking, np.linspace(0, 1, N_GROUPS + 1)[1:-1])
            groups = _by_group(lambda of: np.searchsorted(edges, _liking(world, of)), N_GROUPS)
            lines.append(_Line("taste", groups, _mean_rate_gap))
    return lines


def _by_group(
    group: Callable[[ImpressionLog], IntArray], n_groups: int
) -> Callable[[ImpressionLog], SparseMatrix]:
    """Counts of rows without and with a click: cell 2 g + click."""

    def counts(of: ImpressionLog) -> SparseMatrix:
        cells = 2 * group(of) + (of.clicks > 0)
        return counted_pairs(of.users, cells, (of.n_users, 2 * n_groups))

    return counts


def _liking(world: PreferenceWorld, log: ImpressionLog) -> FloatArray:
    """(n,) p_u . q_i of each row."""
    people, items = world.params.user_factors, world.params.item_factors
    return np.einsum("nf,nf->n", people[log.users], items[log.items])


def _mean_chances(world: PreferenceWorld, users: IntArray) -> FloatArray:
    total = np.zeros(world.n_items)
    for start in range(0, len(users), 1000):
        total += world.click_probabilities(users[start : start + 1000]).sum(axis=0)
    return total / len(users)


def _summed(counts: SparseMatrix) -> FloatArray:
    return np.asarray(counts.sum(axis=0)).ravel()


def _largest_gap(one: FloatArray, other: FloatArray) -> float:
    if one.sum() == 0 or other.sum() == 0:
        return np.nan
    return float(np.abs(np.cumsum(one / one.sum()) - np.cumsum(other / other.sum())).max())


def _mean_rate_gap(one: FloatArray, other: FloatArray) -> float:
    """Over groups that both logs have, weighed by their rows in the first."""
    clicks, rows = one[1::2], one[::2] + one[1::2]
    other_clicks, other_rows = other[1::2], other[::2] + other[1::2]
    both = (rows > 0) & (other_rows > 0)
    if clicks.sum() == 0 or not both.any():
        return np.nan
    gaps = np.abs(clicks[both] / rows[both] - other_clicks[both] / other_rows[both])
    return float(np.average(gaps, weights=rows[both]) * rows.sum() / clicks.sum())


def _share(first_and_again: FloatArray) -> float:
    total = first_and_again.sum()
    return float(first_and_again[1] / total) if total > 0 else np.nan
