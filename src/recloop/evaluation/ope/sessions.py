"""A decision log read as sequences: what one person was shown without a long break."""

from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidData
from recloop.evaluation.ope.trajectories import Trajectories
from recloop.types import FloatArray, IntArray, LoggedDecisions
from recloop.utils.checks import check_between


class Sessions(NamedTuple):
    """n sequences of at most T steps: which decision stands where, -1 after the end."""

    rows: IntArray  # (n, T)

    def laid_out(self, values: np.ndarray, fill: float) -> np.ndarray:
        """Values of the decisions (m, ...) as (n, T, ...), `fill` after the end."""
        table = values[np.maximum(self.rows, 0)]
        table[self.rows < 0] = fill
        return table


def sessions_of(decisions: LoggedDecisions, gap_s: float = 1800.0) -> Sessions:
    """Decisions of one person in the order of time; a break above `gap_s` seconds begins anew.

    Equal times keep the order of the log.
    """
    gap = check_between("sessions_of", "gap_s", gap_s, 0, float("inf"))
    if not len(decisions):
        raise InvalidData("sessions_of: the log must have at least one decision, got none.")
    order = np.lexsort((decisions.timestamps, decisions.users))
    users, times = decisions.users[order], decisions.timestamps[order]
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (users[1:] != users[:-1]) | (np.diff(times) > gap)
    first = np.flatnonzero(starts)
    lengths = np.diff(np.append(first, len(order)))
    rows = np.full((len(first), int(lengths.max())), -1, dtype=np.int64)
    owners = np.repeat(np.arange(len(first)), lengths)
    rows[owners, np.arange(len(order)) - first[owners]] = order
    return Sessions(rows)


def trajectories_of(
    decisions: LoggedDecisions,
    sessions: Sessions,
    rewards: FloatArray,
    target_taken: FloatArray,
    *,
    discount: float = 1.0,
) -> Trajectories:
    """Steps are decisions; rewards and target_taken (m,) of each, slates taken as a whole."""
    of_slots = decisions.padded(decisions.propensities, 1.0)
    items = decisions.items if (decisions.sizes == 1).all() else None
    return Trajectories(
        sessions.laid_out(rewards, 0.0),
        sessions.laid_out(np.prod(of_slots, axis=1), 1.0),
        sessions.laid_out(target_taken, 1.0),
        active=sessions.rows >= 0,
        actions=None if items is None else sessions.laid_out(items, 0),
        discount=discount,
    )
