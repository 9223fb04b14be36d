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
from recloop.types import BoolArray
from recloop.utils.checks import check_between, check_choice, check_count

METHODS = ("temporal", "leave_last", "per_user_ratio", "random", "user_disjoint")
ACROSS_USERS = (
    "This split is by person, not by time: training holds rows that are later than other people's "
    "test rows, so trends leak. Use split 'temporal' for what a live system would see."
)


@dataclass(frozen=True)
class Split:
    """Three parts of one log, as frames, with every count of what was dropped."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    method: str
    report: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def keep_positives(frame: pd.DataFrame, positives: str) -> pd.DataFrame:
    """The rows that count as positive: "all", or a bound on the weight such as ">=4" or ">0"."""
    text = positives.replace(" ", "")
    if text == "all":
        return frame
    for sign, keep in ((">=", np.greater_equal), (">", np.greater)):
        if text.startswith(sign):
            try:
                bound = float(text.removeprefix(sign))
            except ValueError:
                break
            kept = frame[keep(frame["weight"].to_numpy(), bound)]
            if kept.empty:
                highest = frame["weight"].max()
                raise InvalidData(
                    f"positives '{positives}' leaves no row: the highest weight is {highest:g}."
                )
            return kept.reset_index(drop=True)
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
    frame = frame.reset_index(drop=True)
    rest, test = _cut(frame, method, test_ratio, n_last, seed)
    train, validation = rest, rest.iloc[:0]
    if val_ratio > 0:
        train, validation = _cut(rest, method, val_ratio, n_last, seed + 1)
    if train.empty:
        raise InvalidData(
            f"split: nothing is left to train on ({len(frame)} rows, method '{method}'). "
            "Use smaller ratios or more data."
        )
    _assert_no_leak(train, validation, test, method)
    drop_users = drop_cold_users and method != "user_disjoint"
    report = {"n_rows": len(frame), "n_train": len(train)}
    keep = (drop_users, drop_cold_items, drop_seen)
    validation = _judgeable(validation, train, train, keep, "validation", report)
    test = _judgeable(test, train, rest, keep, "test", report)
    warnings = () if method == "temporal" else (ACROSS_USERS,)
    return Split(
        *(part.reset_index(drop=True) for part in (train, validation, test)),
        method=method,
        report=report,
        warnings=warnings,
    )


Parts = tuple[pd.DataFrame, pd.DataFrame]


def _cut(frame: pd.DataFrame, method: str, ratio: float, n_last: int, seed: int) -> Parts:
    cutters: dict[str, Callable[[], BoolArray]] = {
        "temporal": lambda: _latest(frame, ratio),
        "leave_last": lambda: _last_of_each(frame, n_last),
        "per_user_ratio": lambda: _last_share_of_each(frame, ratio),
        "random": lambda: _random_share_of_each(frame, ratio, seed),
        "user_disjoint": lambda: _some_users(frame, ratio, seed),
    }
    is_test = cutters[method]()
    return frame[~is_test], frame[is_test]


def _latest(frame: pd.DataFrame, ratio: float) -> BoolArray:
    """All rows but the first floor((1 - ratio) n) in time."""
    n_train = int((1.0 - ratio) * len(frame) + 1e-9)
    order = np.argsort(frame["timestamp"].to_numpy(), kind="stable")
    is_test = np.zeros(len(frame), dtype=np.bool_)
    is_test[order[n_train:]] = True
    return is_test


def _rank_from_end(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """For every row: how many rows of its person are later, and how many the person has."""
    users = pd.factorize(frame["user_id"])[0]
    order = np.lexsort((np.arange(len(frame)), frame["timestamp"].to_numpy(), users))
    sizes = np.bincount(users, minlength=1)
    ends = np.cumsum(sizes)
    later = np.empty(len(frame), dtype=np.int64)
    later[order] = ends[users[order]] - 1 - np.arange(len(frame))
    return later, sizes[users]


def _last_of_each(frame: pd.DataFrame, n_last: int) -> BoolArray:
    later, sizes = _rank_from_end(frame)
    return (later < n_last) & (sizes > n_last)  # who has no more than that stays in training


def _last_share_of_each(frame: pd.DataFrame, ratio: float) -> BoolArray:
    later, sizes = _rank_from_end(frame)
    return later < (ratio * sizes + 1e-9).astype(np.int64)


def _random_share_of_each(frame: pd.DataFrame, ratio: float, seed: int) -> BoolArray:
    """People in the order of their ids, one generator for all: floor(ratio n) rows of each."""
    rng = np.random.Generator(np.random.PCG64(seed))
    is_test = np.zeros(len(frame), dtype=np.bool_)
    rows_of = frame.groupby("user_id", sort=False).indices
    for user in sorted_ids(rows_of):
        rows = rows_of[user]
        is_test[rows[rng.permutation(len(rows))[: int(ratio * len(rows) + 1e-9)]]] = True
    return is_test


def _some_users(frame: pd.DataFrame, ratio: float, seed: int) -> BoolArray:
    users = sorted_ids(frame["user_id"].unique())
    rng = np.random.Generator(np.random.PCG64(seed))
    n_test = max(1, int(ratio * len(users) + 1e-9))
    chosen = {users[index] for index in rng.permutation(len(users))[:n_test]}
    return frame["user_id"].isin(chosen).to_numpy()


def _assert_no_leak(
    train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, method: str
) -> None:
    earlier = train
    for name, later in (("validation", validation), ("test", test)):
        if later.empty:
            continue
        if method == "temporal" and earlier["timestamp"].max() > later["timestamp"].min():
            raise Leakage(f"split: a training row is later than the first row of the {name} part.")
        if method == "user_disjoint" and earlier["user_id"].isin(later["user_id"]).any():
            raise Leakage(f"split: a person of the {name} part is in training too.")
        if earlier.index.isin(later.index).any():
            raise Leakage(f"split: a row is in training and in the {name} part.")
        earlier = pd.concat([train, later])


def _judgeable(
    part: pd.DataFrame,
    train: pd.DataFrame,
    before: pd.DataFrame,
    keep: tuple[bool, bool, bool],
    name: str,
    report: dict[str, int],
) -> pd.DataFrame:
    """The rows of `part` that training makes answerable; every drop is counted in `report`."""
    drop_users, drop_items, drop_seen = keep
    report[f"n_{name}_rows_cut"] = len(part)
    report[f"n_{name}_users"] = int(part["user_id"].nunique())
    steps = (
        ("cold_user", drop_users, lambda rows: ~rows["user_id"].isin(train["user_id"])),
        ("cold_item", drop_items, lambda rows: ~rows["item_id"].isin(train["item_id"])),
        ("seen", drop_seen, lambda rows: _pairs(rows).isin(_pairs(before))),
    )
    for step, wanted, is_out in steps:
        out = np.asarray(is_out(part)) if wanted and len(part) else np.zeros(len(part), dtype=bool)
        report[f"n_{name}_{step}_rows_dropped"] = int(out.sum())
        part = part[~out]
    report[f"n_{name}"] = len(part)
    report[f"n_{name}_users_counted"] = int(part["user_id"].nunique())
    return part


def _pairs(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[["user_id", "item_id"]])
