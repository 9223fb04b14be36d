"""What was shown to whom, in which slot, and whether it was clicked: the log a world is fitted to.

Rows are sorted by session, step and slot. A session is one visit of one person; all rows of a step
were shown together.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from recloop.errors import InvalidData
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between, check_codes, check_count


@dataclass(frozen=True)
class ImpressionLog:
    """Impressions in codes, n rows; `impressions` and `interactions` check and sort them.

    clicks are all 1 and `knows_no_click` is False for plain interactions: nobody knows what else
    was shown, nor where.
    """

    users: IntArray  # (n,)
    sessions: IntArray  # (n,) 0..n_sessions - 1
    steps: IntArray  # (n,) 0, 1, ... of the session
    slots: IntArray  # (n,) 0 at the top
    items: IntArray  # (n,)
    clicks: FloatArray  # (n,) 0 or 1
    randomised: BoolArray  # (n,) the row's slot was drawn at random
    n_users: int
    n_items: int
    knows_no_click: bool = True

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_slots(self) -> int:
        """How many slots a step has at most."""
        return int(self.slots.max()) + 1

    def session_starts(self) -> IntArray:
        """(n_sessions + 1,) the rows of session s are starts[s]:starts[s + 1]."""
        n_sessions = int(self.sessions[-1]) + 1
        return np.searchsorted(self.sessions, np.arange(n_sessions + 1)).astype(np.int64)

    def session_users(self) -> IntArray:
        """(n_sessions,) whose each session is."""
        return self.users[self.session_starts()[:-1]]

    def lengths(self) -> IntArray:
        """(n_sessions,) steps of each session."""
        return self.steps[self.session_starts()[1:] - 1] + 1

    @classmethod
    def impressions(
        cls,
        *,
        users: IntArray,
        sessions: IntArray,
        times: FloatArray,
        items: IntArray,
        clicks: FloatArray,
        n_users: int,
        n_items: int,
        slots: IntArray | None = None,
        randomised: BoolArray | None = None,
    ) -> Self:
        """A log of rows in any order.

        times: a step number or a timestamp; rows of a session with the same time were shown
        together, unless two of them have the same slot: the second is then a step of its own.
        slots: from 0; None where one item was shown at a time. randomised: None for nowhere.
        """
        owner = "ImpressionLog"
        n = len(items)
        slots = np.zeros(n, dtype=np.int64) if slots is None else slots
        randomised = np.zeros(n, dtype=np.bool_) if randomised is None else randomised
        _check_lengths(n, users=users, sessions=sessions, times=times, clicks=clicks, slots=slots,
                       randomised=randomised)  # fmt: skip
        check_count(owner, "n_users", n_users)
        check_count(owner, "n_items", n_items)
        users = check_codes(owner, "users", users, n_users)
        items = check_codes(owner, "items", items, n_items)
        slots = check_codes(owner, "slots", slots, 1000)
        clicks = np.asarray(clicks, dtype=np.float64)
        if not np.isin(clicks, (0.0, 1.0)).all():
            bad = clicks[~np.isin(clicks, (0.0, 1.0))][0]
            raise InvalidData(
                f"{owner}: clicks must be 0 or 1, got {bad:g}. Say from which weight on a row "
                "counts as a click."
            )
        times = np.asarray(times, dtype=np.float64)
        if not np.isfinite(times).all():
            raise InvalidData(f"{owner}: times must be finite numbers.")
        sessions, steps, order = _ordered(np.asarray(sessions), times, slots)
        users = users[order]
        mixed = (np.diff(sessions) == 0) & (np.diff(users) != 0)
        if mixed.any():
            raise InvalidData(
                f"{owner}: a session belongs to one person; one has rows of the users "
                f"{users[:-1][mixed][0]} and {users[1:][mixed][0]}. Number sessions by person."
            )
        return cls(
            users, sessions, steps, slots[order], items[order], clicks[order],
            np.asarray(randomised, dtype=np.bool_)[order], n_users, n_items,
        )  # fmt: skip

    @classmethod
    def interactions(
        cls,
        *,
        users: IntArray,
        items: IntArray,
        timestamps: FloatArray,
        n_users: int,
        n_items: int,
        gap: float = 1800.0,
    ) -> Self:
        """A log of what people took, one item a step; a pause of more than `gap` seconds ends a
        session."""
        log = cls.impressions(
            users=users,
            sessions=sessions_by_gap(users, timestamps, gap),
            times=timestamps,
            items=items,
            clicks=np.ones(len(items)),
            n_users=n_users,
            n_items=n_items,
        )
        return cls(**{**_values(log), "knows_no_click": False})


def sessions_by_gap(users: IntArray, timestamps: FloatArray, gap: float = 1800.0) -> IntArray:
    """(n,) a session number for each row: a person's rows up to a pause of more than `gap`."""
    check_between("sessions_by_gap", "gap", gap, 0.0, np.inf)
    order = np.lexsort((timestamps, users))
    new = np.ones(len(users), dtype=np.bool_)
    new[1:] = (np.diff(users[order]) != 0) | (np.diff(timestamps[order]) > gap)
    sessions = np.empty(len(users), dtype=np.int64)
    sessions[order] = np.cumsum(new) - 1
    return sessions


def _ordered(
    sessions: IntArray, times: FloatArray, slots: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Session and step numbers of the rows in the order (session, step, slot), and that order."""
    order = np.lexsort((slots, times, sessions))
    sessions, times, slots = sessions[order], times[order], slots[order]
    new_session = np.ones(len(order), dtype=np.bool_)
    new_session[1:] = sessions[1:] != sessions[:-1]
    new_time = new_session.copy()
    new_time[1:] |= times[1:] != times[:-1]
    new_slot = new_time.copy()
    new_slot[1:] |= slots[1:] != slots[:-1]
    again = _places(new_slot)  # the first, second, ... row of the same slot at the same time
    moment = np.cumsum(new_time)
    within = np.lexsort((slots, again, moment))
    moment, again = moment[within], again[within]
    new_step = np.ones(len(order), dtype=np.bool_)
    new_step[1:] = (moment[1:] != moment[:-1]) | (again[1:] != again[:-1])
    numbers = np.cumsum(new_session) - 1  # sorting within a moment leaves sessions in place
    steps = np.cumsum(new_step)
    first = steps[np.flatnonzero(new_session)]
    return numbers.astype(np.int64), (steps - first[numbers]).astype(np.int64), order[within]


def _places(new: BoolArray) -> IntArray:
    """(n,) how many rows ago the last True of `new` was."""
    rows = np.arange(len(new))
    return rows - np.maximum.accumulate(np.where(new, rows, 0))


def _check_lengths(n: int, **arrays: np.ndarray) -> None:
    if n == 0:
        raise InvalidData("ImpressionLog: the log is empty; there is nothing to fit.")
    for name, array in arrays.items():
        if np.shape(array) != (n,):
            raise InvalidData(
                f"ImpressionLog: {name} must have one value for each of the {n} rows, got shape "
                f"{np.shape(array)}."
            )


def _values(log: ImpressionLog) -> dict[str, object]:
    return {field.name: getattr(log, field.name) for field in fields(log)}
