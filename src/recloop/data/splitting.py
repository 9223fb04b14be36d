"""Cut a log into what may be learned from and what is asked afterwards.

temporal: everything before a moment trains, everything after tests (default; leaks nothing).
leave_last: each person's last rows. per_user_ratio: each person's last share. random: a random
share of each person's rows. user_disjoint: people that training never saw.
Rows are put in order by (timestamp, row): a tie in time goes to the row that stands first.
Validation is cut from the training part by the same protocol.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recloop.data.ids import sorted_ids
from recloop.errors import InvalidData, Leakage
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between, check_choice, check_count

METHODS = ("temporal", "leave_last", "per_user_ratio", "random", "user_disjoint")
ACROSS_USERS = (
    "This split is by person, not by time: training holds rows that are later than other people's "
    "test rows, so trends leak. Use split 'temporal' for what a live system would see."
)
COLD_USERS = (
    "Training holds no row of the people that test: every one of them is new to the models, which "
    "can go only by the items and by the people's features. The figures say nothing about people "
    "whom a model knows."
)
ROUNDING = 1e-9  # added to a share of n before rounding down: 0.7 * 10 is 7, not 6


@dataclass(frozen=True)
class Split:
    """Three parts of one log, as frames, with every count of what was dropped."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    method: str
    report: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drops:
    """Which rows of validation and test are left out, and counted."""

    cold_users: bool = True  # of people without a training row
    cold_items: bool = True  # of items without a training row
    seen: bool = True  # of pairs that the person had before


class Log:
    """A frame's rows as numbers: people and items coded in the order of their ids."""

    def __init__(self, frame: pd.DataFrame) -> None:
        for name in ("user_id", "item_id", "timestamp"):
            if name not in frame:
                found = ", ".join(map(str, frame.columns))
                raise InvalidData(f"split: needs the column '{name}'. Found: {found}.")
            _check_none_missing(frame[name])
        self.frame = frame.reset_index(drop=True)
        self.users = _codes(frame["user_id"])
        self.items = _codes(frame["item_id"])
        self.stamps: FloatArray = frame["timestamp"].to_numpy(np.float64)
        self.n_users = int(self.users.max(initial=-1)) + 1
        self.n_items = int(self.items.max(initial=-1)) + 1

    def __len__(self) -> int:
        return len(self.users)

    @property
    def rows(self) -> IntArray:
        """The numbers of all rows."""
        return np.arange(len(self))

    def part(self, rows: IntArray) -> pd.DataFrame:
        """These rows as a frame of their own."""
        return self.frame.iloc[rows].reset_index(drop=True)

    def n_users_in(self, rows: IntArray) -> int:
        """How many people have one of these rows."""
        return int(marked(self.users[rows], self.n_users).sum())


def marked(codes: IntArray, n: int) -> BoolArray:
    """(n,) true at the codes that occur."""
    marks = np.zeros(n, dtype=np.bool_)
    marks[codes] = True
    return marks


def _check_none_missing(values: pd.Series) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        n_more = int(missing.sum()) - 1
        more = f" ({n_more:,} more rows lack it.)" if n_more else ""
        raise InvalidData(
            f"split: row {int(np.argmax(missing))} (counted from 0): {values.name} is missing; "
            f"every row needs one.{more} Fill such rows in or leave them out."
        )


def _codes(ids: pd.Series) -> IntArray:
    codes, distinct = pd.factorize(ids)
    texts = [str(one) for one in distinct]
    place = {one: code for code, one in enumerate(sorted_ids(texts))}
    return np.array([place[one] for one in texts], dtype=np.int64)[codes]


def keep_positives(frame: pd.DataFrame, positives: str) -> pd.DataFrame:
    """The rows that count as positive: "all", or a bound on the weight such as ">=4" or ">0"."""
    is_kept = are_positive(frame["weight"], positives)
    if is_kept.all():
        return frame.reset_index(drop=True)
    if not is_kept.any():
        highest = frame["weight"].max()
        raise InvalidData(
            f"positives '{positives}' leaves no row: the highest weight is {highest:g}."
        )
    return frame[is_kept].reset_index(drop=True)


def are_positive(weights: pd.Series, positives: str) -> BoolArray:
    """(n,) true where the weight counts as positive, by the words of `keep_positives`."""
    text = positives.replace(" ", "")
    if text == "all":
        return np.ones(len(weights), dtype=np.bool_)
    for sign, keep in ((">=", np.greater_equal), (">", np.greater)):
        if text.startswith(sign):
            try:
                bound = float(text.removeprefix(sign))
            except ValueError:
                break
            return keep(weights.to_numpy(np.float64), bound)
    raise InvalidData(f"positives must be 'all' or a bound such as '>=4', got '{positives}'.")


def split(
    frame: pd.DataFrame,
    method: str = "temporal",
    *,
    test_ratio: float = 0.2,
    val_ratio: float = 0.1,
    n_last: int = 1,
    seed: int = 0,
    drop_cold_users: bool = True,
    drop_cold_items: bool = True,
    drop_seen: bool = True,
) -> Split:
    """Cut `frame` (user_id, item_id, timestamp, weight) by `method`.

    test_ratio: share of rows (of people under user_disjoint) that test; val_ratio: the same share
    of what is left, 0 for none. n_last: rows of each person under leave_last. Rows of validation
    and test are dropped, and counted, where training never saw the user or the item, or where the
    person already had the item before.
    Raises Leakage if the parts overlap in a way that the method forbids.
    """
    check_choice("split", "method", method, METHODS)
    check_between("split", "test_ratio", test_ratio, 0.0, 1.0, low_open=True, high_open=True)
    check_between("split", "val_ratio", val_ratio, 0.0, 1.0, high_open=True)
    check_count("split", "n_last", n_last)
    check_count("split", "seed", seed, least=0)
    log = Log(frame)
    rest, test = _cut(log, log.rows, method, test_ratio, n_last, seed)
    train, validation = rest, rest[:0]
    if val_ratio > 0:
        train, validation = _cut(log, rest, method, val_ratio, n_last, seed + 1)
    drops = Drops(drop_cold_users and method != "user_disjoint", drop_cold_items, drop_seen)
    return finished(log, (train, validation, test), method, drops)


def finished(
    log: Log, parts: tuple[IntArray, IntArray, IntArray], method: str, drops: Drops
) -> Split:
    """The split with these rows in training, validation and test, checked, dropped and counted."""
    train, validation, test = parts
    if not len(train):
        raise InvalidData(
            f"split: nothing is left to train on ({len(log)} rows, method '{method}'). "
            "Use smaller ratios or more data."
        )
    _assert_no_leak(log, train, validation, test, method)
    report = {"n_rows": len(log), "n_train": len(train)}
    before_test = np.concatenate([train, validation])
    validation = _judgeable(log, validation, train, train, drops, "validation", report)
    test = _judgeable(log, test, train, before_test, drops, "test", report)
    warnings = () if method == "temporal" else (ACROSS_USERS,)
    return Split(
        *(log.part(rows) for rows in (train, validation, test)),
        method=method,
        report=report,
        warnings=(*warnings, COLD_USERS) if method == "user_disjoint" else warnings,
    )


def _cut(
    log: Log, rows: IntArray, method: str, ratio: float, n_last: int, seed: int
) -> tuple[IntArray, IntArray]:
    """`rows` without and with those that test, each in the order of the file."""
    cutters: dict[str, Callable[[], BoolArray]] = {
        "temporal": lambda: _latest(log.stamps[rows], ratio),
        "leave_last": lambda: _last_of_each(log.users[rows], log.stamps[rows], n_last),
        "per_user_ratio": lambda: _last_share_of_each(log.users[rows], log.stamps[rows], ratio),
        "random": lambda: _random_share_of_each(log.users[rows], ratio, seed),
        "user_disjoint": lambda: _some_users(log.users[rows], ratio, seed),
    }
    is_test = cutters[method]()
    return rows[~is_test], rows[is_test]


def _latest(stamps: FloatArray, ratio: float) -> BoolArray:
    """All rows but the first floor((1 - ratio) n) in time."""
    n_train = int((1.0 - ratio) * len(stamps) + ROUNDING)
    is_test = np.zeros(len(stamps), dtype=np.bool_)
    is_test[np.argsort(stamps, kind="stable")[n_train:]] = True
    return is_test


def _rank_from_end(users: IntArray, stamps: FloatArray) -> tuple[IntArray, IntArray]:
    """For every row: how many rows of its person are later, and how many the person has."""
    order = np.lexsort((stamps, users))  # stable: ties keep the order of the rows
    sizes = np.bincount(users, minlength=1)
    ends = np.cumsum(sizes)
    later = np.empty(len(users), dtype=np.int64)
    later[order] = ends[users[order]] - 1 - np.arange(len(users))
    return later, sizes[users]


def _last_of_each(users: IntArray, stamps: FloatArray, n_last: int) -> BoolArray:
    later, sizes = _rank_from_end(users, stamps)
    return (later < n_last) & (sizes > n_last)  # who has no more than that stays in training


def _last_share_of_each(users: IntArray, stamps: FloatArray, ratio: float) -> BoolArray:
    later, sizes = _rank_from_end(users, stamps)
    return later < (ratio * sizes + ROUNDING).astype(np.int64)


def _random_share_of_each(users: IntArray, ratio: float, seed: int) -> BoolArray:
    """People in the order of their ids, one generator for all: floor(ratio n) rows of each."""
    rng = np.random.Generator(np.random.PCG64(seed))
    is_test = np.zeros(len(users), dtype=np.bool_)
    order = np.argsort(users, kind="stable")
    starts = np.flatnonzero(np.diff(users[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        is_test[rows[rng.permutation(len(rows))[: int(ratio * len(rows) + ROUNDING)]]] = True
    return is_test


def _some_users(users: IntArray, ratio: float, seed: int) -> BoolArray:
    people = np.flatnonzero(np.bincount(users))
    rng = np.random.Generator(np.random.PCG64(seed))
    n_test = max(1, int(ratio * len(people) + ROUNDING))
    return marked(people[rng.permutation(len(people))[:n_test]], users.max(initial=-1) + 1)[users]


def _assert_no_leak(
    log: Log, train: IntArray, validation: IntArray, test: IntArray, method: str
) -> None:
    earlier = train
    for name, later in (("validation", validation), ("test", test)):
        if not len(later):
            continue
        if method == "temporal" and log.stamps[earlier].max() > log.stamps[later].min():
            raise Leakage(f"split: a training row is later than the first row of the {name} part.")
        in_both = marked(log.users[earlier], log.n_users)[log.users[later]]
        if method == "user_disjoint" and in_both.any():
            raise Leakage(f"split: a person of the {name} part is in training too.")
        if marked(earlier, len(log))[later].any():
            raise Leakage(f"split: a row is in training and in the {name} part.")
        earlier = np.concatenate([train, later])


def _judgeable(
    log: Log,
    rows: IntArray,
    train: IntArray,
    before: IntArray,
    drops: Drops,
    name: str,
    report: dict[str, int],
) -> IntArray:
    """The rows that training makes answerable; every drop is counted in `report`."""
    report[f"n_{name}_rows_cut"] = len(rows)
    report[f"n_{name}_users"] = log.n_users_in(rows)
    has_user = marked(log.users[train], log.n_users)
    has_item = marked(log.items[train], log.n_items)
    pairs = pd.Series(log.users * log.n_items + log.items)
    steps = (
        ("cold_user", drops.cold_users, lambda r: ~has_user[log.users[r]]),
        ("cold_item", drops.cold_items, lambda r: ~has_item[log.items[r]]),
        ("seen", drops.seen, lambda r: pairs.iloc[r].isin(pairs.iloc[before]).to_numpy()),
    )
    for step, wanted, is_out in steps:
        out = is_out(rows) if wanted else np.zeros(len(rows), dtype=np.bool_)
        report[f"n_{name}_{step}_rows_dropped"] = int(out.sum())
        rows = rows[~out]
    report[f"n_{name}"] = len(rows)
    report[f"n_{name}_users_counted"] = log.n_users_in(rows)
    return rows
