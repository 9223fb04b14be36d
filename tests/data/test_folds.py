"""Several splits of one log: each keeps the promise of the kind it is."""

import pandas as pd
import pytest

from recloop.data.folds import k_folds, sliding_windows
from recloop.data.splitting import ACROSS_USERS, COLD_USERS, Drops
from recloop.errors import InvalidData, InvalidParameter

KEEP_ALL = Drops(cold_users=False, cold_items=False, seen=False)
LOG = pd.DataFrame(
    {
        "user_id": list("abababcabc"),
        "item_id": list("1122334412"),
        "timestamp": [5.0, 1.0, 2.0, 4.0, 3.0, 6.0, 9.0, 7.0, 8.0, 8.0],
        "weight": 1.0,
    }
)


def moments(part: pd.DataFrame) -> list[float]:
    return part["timestamp"].tolist()


def test_windows_move_through_time_and_train_on_all_that_came_before():
    first, second = sliding_windows(LOG, 2, test_ratio=0.2, drops=KEEP_ALL)
    # in time: 1 2 3 4 5 6 | 7 8 | 8 9, of the two 8s the one that stands first is earlier
    assert sorted(moments(first.train)) == [1, 2, 3, 4, 5, 6]
    assert sorted(moments(first.test)) == [7, 8]
    assert sorted(moments(second.train)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert moments(second.test) == [9, 8]  # in the order of the file
    assert second.test["user_id"].tolist() == ["c", "c"]
    assert first.method == "temporal"
    assert first.warnings == ()
    assert len(first.validation) == 0


def test_windows_drop_and_count_by_default():
    _, second = sliding_windows(LOG, 2, test_ratio=0.2)
    assert second.report["n_test_cold_user_rows_dropped"] == 2  # nobody called c before
    assert second.report["n_test"] == 0


def test_a_window_share_that_is_whole_is_not_lost_to_rounding():
    assert len(next(sliding_windows(LOG, 1, test_ratio=0.3, drops=KEEP_ALL)).test) == 3


@pytest.mark.parametrize("n_folds", [2, 3])
def test_every_row_tests_once_and_trains_otherwise(n_folds):
    cuts = list(k_folds(LOG.assign(row=range(10)), n_folds, drops=KEEP_ALL))
    assert len(cuts) == n_folds
    assert sorted(row for cut in cuts for row in cut.test["row"]) == list(range(10))
    for cut in cuts:
        assert sorted([*cut.train["row"], *cut.test["row"]]) == list(range(10))
        assert cut.test["row"].is_monotonic_increasing
        assert cut.warnings == (ACROSS_USERS,)
        assert len(cut.test) in (10 // n_folds, 10 // n_folds + 1)


def test_folds_of_people_test_each_person_once():
    cuts = list(k_folds(LOG, 3, by="users"))
    tested = [set(cut.test["user_id"]) for cut in cuts]
    assert sorted(next(iter(people)) for people in tested) == ["a", "b", "c"]
    for cut in cuts:
        assert not set(cut.train["user_id"]) & set(cut.test["user_id"])
        assert cut.report["n_test_cold_user_rows_dropped"] == 0
        assert cut.warnings == (ACROSS_USERS, COLD_USERS)
    assert cuts[0].method == "user_disjoint"


def test_folds_drop_by_default_and_differ_between_seeds():
    log = pd.concat([LOG.assign(row=range(10)), LOG.assign(row=range(10, 20))])
    one, other = (next(k_folds(log, 2, seed=seed, drops=KEEP_ALL)) for seed in (0, 1))
    assert one.test["row"].tolist() != other.test["row"].tolist()
    assert one.test["row"].tolist() == next(k_folds(log, 2, drops=KEEP_ALL)).test["row"].tolist()
    dropped = next(k_folds(log, 2))
    assert dropped.report["n_test_seen_rows_dropped"] > 0


def test_what_cannot_be_cut_is_named():
    with pytest.raises(InvalidParameter, match=r"test_ratio must be above 0 and below 0\.5, got"):
        next(sliding_windows(LOG, 2, test_ratio=0.5))
    with pytest.raises(InvalidParameter, match="n_windows must be a whole number of at least 1"):
        next(sliding_windows(LOG, 0))
    with pytest.raises(InvalidData, match=r"0\.05 of 10 rows is less than one row a window"):
        next(sliding_windows(LOG, 2, test_ratio=0.05))
    with pytest.raises(InvalidParameter, match="n_folds must be a whole number of at least 2"):
        next(k_folds(LOG, 1))
    with pytest.raises(InvalidParameter, match="by must be one of 'rows', 'users', got 'items'"):
        next(k_folds(LOG, 2, by="items"))
    with pytest.raises(InvalidData, match="3 users cannot be cut into 4 parts"):
        next(k_folds(LOG, 4, by="users"))
