"""Several splits of one log: windows that move through time, and folds of rows or of people."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from recloop.data.splitting import Drops, Log, Split, finished
from recloop.errors import InvalidData
from recloop.types import IntArray
from recloop.utils.checks import check_between, check_choice, check_count
from recloop.utils.seeding import stream


def sliding_windows(
    frame: pd.DataFrame, n_windows: int = 3, *, test_ratio: float = 0.1, drops: Drops | None = None
) -> Iterator[Split]:
    """Temporal splits one after another: each tests on the next share of rows in time.

    The last n_windows * test_ratio of all rows are cut into windows; everything before a window
    trains. Ties in time go to the row that stands first. There is no validation part.
    """
    check_count("sliding_windows", "n_windows", n_windows)
    check_between(
        "sliding_windows", "test_ratio", test_ratio, 0.0, 1.0 / n_windows, low_open=True,
        high_open=True,
    )  # fmt: skip
    log = Log(frame)
    order = np.argsort(log.stamps, kind="stable")
    n_test = int(test_ratio * len(log) + 1e-9)
    if not n_test:
        raise InvalidData(
            f"sliding_windows: {test_ratio:g} of {len(log)} rows is less than one row a window."
        )
    for window in range(n_windows, 0, -1):
        end = len(log) - (window - 1) * n_test
        train, test = order[: end - n_test], order[end - n_test : end]
        yield _without_validation(log, train, test, "temporal", drops or Drops())


def k_folds(
    frame: pd.DataFrame,
    n_folds: int = 5,
    *,
    by: str = "rows",
    seed: int = 0,
    drops: Drops | None = None,
) -> Iterator[Split]:
    """Every row belongs to one test part: n_folds random parts of the rows, or of the people.

    Test rows are dropped as in every split; `drops` says which.

    by: "rows" (leaks across people and time) or "users" (each fold tests on people that its
    training part never saw). There is no validation part.
    """
    check_count("k_folds", "n_folds", n_folds, least=2)
    check_choice("k_folds", "by", by, ("rows", "users"))
    log = Log(frame)
    among = log.rows if by == "rows" else np.flatnonzero(np.bincount(log.users))
    if len(among) < n_folds:
        raise InvalidData(f"k_folds: {len(among)} {by} cannot be cut into {n_folds} parts.")
    shuffled = stream(seed, "folds").permutation(among)
    drops = drops or Drops()
    method = "random"
    if by == "users":
        method, drops = "user_disjoint", Drops(False, drops.cold_items, drops.seen)
    for chosen in np.array_split(shuffled, n_folds):
        is_test = np.isin(log.rows if by == "rows" else log.users, chosen)
        yield _without_validation(log, log.rows[~is_test], log.rows[is_test], method, drops)


def _without_validation(
    log: Log, train: IntArray, test: IntArray, method: str, drops: Drops
) -> Split:
    return finished(log, (np.sort(train), train[:0], np.sort(test)), method, drops)
