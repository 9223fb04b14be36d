"""Every split holds exactly the rows it promises, and says what it dropped."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.data import splitting
from recloop.data.splitting import ACROSS_USERS, COLD_USERS, keep_positives, split
from recloop.errors import InvalidData, InvalidParameter, Leakage


def frame(rows: list[tuple]) -> pd.DataFrame:
    table = pd.DataFrame(
        rows, columns=["user_id", "item_id", "timestamp", "weight"][: len(rows[0])]
    )
    if "weight" not in table:
        table["weight"] = 1.0
    return table


def pairs(part: pd.DataFrame) -> list[str]:
    return [f"{u}{i}" for u, i in zip(part["user_id"], part["item_id"], strict=True)]


LOG = frame(
    [
        ("a", "1", 5),
        ("b", "1", 1),
        ("a", "2", 2),
        ("b", "2", 4),
        ("a", "3", 3),
        ("b", "3", 6),
        ("a", "4", 9),
        ("b", "4", 7),
        ("c", "1", 8),
        ("c", "2", 10),
    ]
)


def test_temporal_cuts_everybody_at_one_moment():
    cut = split(LOG, "temporal", test_ratio=0.3, val_ratio=0)
    assert pairs(cut.train) == ["a1", "b1", "a2", "b2", "a3", "b3", "b4"]
    assert pairs(cut.test) == ["a4"]  # c is cold: training never saw that person
    assert cut.report["n_test_rows_cut"] == 3
    assert cut.report["n_test_users"] == 2
    assert cut.report["n_test_cold_user_rows_dropped"] == 2
    assert cut.report["n_test"] == 1
    assert cut.report["n_test_users_counted"] == 1
    assert cut.report["n_rows"] == 10
    assert cut.report["n_train"] == 7
    assert cut.warnings == ()
    assert cut.method == "temporal"


def test_validation_is_cut_from_training_by_the_same_protocol():
    cut = split(LOG, "temporal", test_ratio=0.3, val_ratio=0.3)
    # 7 rows are left; the first floor(0.7 * 7) = 4 in time train: b1 a2 a3 b2
    assert sorted(pairs(cut.train)) == ["a2", "a3", "b1", "b2"]
    assert pairs(cut.validation) == ["a1", "b3"]  # b4 is cold: nobody took item 4 before
    assert cut.report["n_validation_rows_cut"] == 3
    assert cut.report["n_validation_cold_item_rows_dropped"] == 1


def test_item_seen_by_another_person_is_neither_cold_nor_seen():
    log = frame([("a", "1", 1), ("b", "2", 2), ("a", "2", 3), ("b", "1", 4)])
    cut = split(log, "temporal", test_ratio=0.5, val_ratio=0)
    assert pairs(cut.test) == ["a2", "b1"]


def test_a_tie_in_time_goes_to_the_row_that_stands_first():
    log = frame([("a", "1", 1), ("a", "2", 1), ("a", "3", 1), ("a", "4", 1)])
    cut = split(log, "temporal", test_ratio=0.5, val_ratio=0, drop_cold_items=False)
    assert (pairs(cut.train), pairs(cut.test)) == (["a1", "a2"], ["a3", "a4"])
    last = split(log, "leave_last", val_ratio=0, drop_cold_items=False)
    assert pairs(last.test) == ["a4"]


def test_a_share_that_is_whole_is_not_lost_to_rounding():
    log = frame([("a", str(i), i) for i in range(10)])
    assert len(split(log, "temporal", test_ratio=0.2, val_ratio=0).train) == 8
    assert len(split(log, "temporal", test_ratio=0.7, val_ratio=0).train) == 3
    ratio = split(log, "per_user_ratio", test_ratio=0.3, val_ratio=0, drop_cold_items=False)
    assert len(ratio.test) == 3


def test_leave_last_keeps_who_has_no_more_than_that_in_training():
    log = frame([("a", "1", 3), ("a", "2", 1), ("a", "3", 2), ("b", "1", 5)])
    cut = split(log, "leave_last", val_ratio=0)
    assert sorted(pairs(cut.train)) == ["a2", "a3", "b1"]
    assert pairs(cut.test) == ["a1"]
    assert cut.warnings == (ACROSS_USERS,)
    two = split(log, "leave_last", n_last=2, val_ratio=0, drop_cold_items=False)
    assert sorted(pairs(two.test)) == ["a1", "a3"]
    three = split(log, "leave_last", n_last=3, val_ratio=0)
    assert len(three.test) == 0


def test_leave_last_validates_on_the_row_before():
    log = frame([("a", str(i), i) for i in range(5)] + [("b", str(i), i) for i in range(5)])
    cut = split(log, "leave_last", val_ratio=0.5, drop_cold_items=False)
    assert pairs(cut.validation) == ["a3", "b3"]
    assert pairs(cut.test) == ["a4", "b4"]
    assert sorted(pairs(cut.train)) == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_per_user_ratio_takes_each_persons_latest_share():
    cut = split(LOG, "per_user_ratio", test_ratio=0.5, val_ratio=0)
    # a: 2 3 1 4 in time, b: 1 2 3 4, c: 1 2; the later halves test
    assert sorted(pairs(cut.train)) == ["a2", "a3", "b1", "b2", "c1"]
    assert sorted(pairs(cut.test)) == ["a1", "b3", "c2"]  # nobody trains on item 4
    assert cut.report["n_test_cold_item_rows_dropped"] == 2
    assert cut.report["n_test_rows_cut"] == 5


def test_random_follows_the_reference_protocol():
    log = frame([("2", str(i), i) for i in range(10)] + [("10", str(i), i) for i in range(10)])
    cut = split(log, "random", test_ratio=0.2, val_ratio=0, seed=1)
    rng = np.random.default_rng(1)  # user 2 first: ids of digits sort as numbers
    of_2 = sorted(rng.permutation(10)[:2])
    of_10 = sorted(rng.permutation(10)[:2])
    assert pairs(cut.test) == [f"2{i}" for i in of_2] + [f"10{i}" for i in of_10]


def test_random_differs_between_seeds_and_between_test_and_validation():
    log = frame([("a", str(i), i) for i in range(50)])
    one, other = (split(log, "random", seed=seed, drop_cold_items=False) for seed in (0, 1))
    assert pairs(one.test) != pairs(other.test)
    assert not set(pairs(one.test)) & set(pairs(one.validation))


def test_user_disjoint_tests_on_people_that_training_never_saw():
    log = frame([(str(u), str(i), i) for u in range(20) for i in range(3)])
    cut = split(log, "user_disjoint", test_ratio=0.2, val_ratio=0.25)
    train, validation, test = (set(p["user_id"]) for p in (cut.train, cut.validation, cut.test))
    assert (len(train), len(validation), len(test)) == (12, 4, 4)
    assert not train & test
    assert not train & validation
    assert not validation & test
    assert cut.report["n_test_cold_user_rows_dropped"] == 0


def test_user_disjoint_tests_on_at_least_one_person():
    log = frame([(str(u), "1", 1) for u in range(3)])
    assert split(log, "user_disjoint", test_ratio=0.1, val_ratio=0).test["user_id"].nunique() == 1


def test_pairs_that_the_person_already_had_are_dropped_and_counted():
    log = frame([("a", "1", 1), ("a", "2", 2), ("a", "1", 3), ("a", "2", 4)])
    cut = split(log, "temporal", test_ratio=0.5, val_ratio=0)
    assert len(cut.test) == 0
    assert cut.report["n_test_seen_rows_dropped"] == 2
    kept = split(log, "temporal", test_ratio=0.5, val_ratio=0, drop_seen=False)
    assert pairs(kept.test) == ["a1", "a2"]


def test_what_validation_holds_counts_as_seen_in_the_test():
    log = frame([("a", "1", 1), ("b", "2", 2), ("a", "2", 3), ("a", "2", 4)])
    cut = split(log, "temporal", test_ratio=0.25, val_ratio=0.33)
    assert pairs(cut.validation) == ["a2"]
    assert cut.report["n_test_seen_rows_dropped"] == 1


def test_cold_rows_can_be_kept():
    cut = split(LOG, "temporal", test_ratio=0.3, val_ratio=0, drop_cold_users=False)
    assert pairs(cut.test) == ["a4", "c1", "c2"]


@pytest.mark.parametrize("method", splitting.METHODS)
@given(data=st.data())
def test_no_row_is_lost_or_stands_twice(method, data):
    rows = data.draw(
        st.lists(
            st.tuples(st.sampled_from("abcd"), st.sampled_from("12345"), st.integers(0, 9)),
            min_size=6,
            max_size=40,
        )
    )
    try:
        cut = split(frame(rows), method, drop_cold_users=False, drop_cold_items=False,
                    drop_seen=False)  # fmt: skip
    except InvalidData:
        return
    parts = pd.concat([cut.train, cut.validation, cut.test])
    together = sorted(
        map(tuple, parts[["user_id", "item_id", "timestamp"]].itertuples(index=False))
    )
    assert together == sorted(rows)


def test_a_temporal_split_that_reaches_back_is_refused(monkeypatch):
    monkeypatch.setattr(splitting, "_latest", lambda stamps, ratio: stamps < 4)
    with pytest.raises(Leakage, match="later than the first row of the test part"):
        split(LOG, "temporal", val_ratio=0)


def test_a_row_in_two_parts_is_refused(monkeypatch):
    both = lambda log, rows, *how: (rows, rows[:2])  # noqa: E731
    monkeypatch.setattr(splitting, "_cut", both)
    with pytest.raises(Leakage, match="a row is in training and in the test part"):
        split(LOG, "random", val_ratio=0)
    with pytest.raises(Leakage, match="a person of the test part is in training"):
        split(LOG, "user_disjoint", val_ratio=0)


def test_validation_is_checked_for_leaks_too(monkeypatch):
    cut = splitting._cut

    def wrong_for_validation(log, rows, *how):
        return (rows, rows[:1]) if len(rows) < 10 else cut(log, rows, *how)

    monkeypatch.setattr(splitting, "_cut", wrong_for_validation)
    with pytest.raises(Leakage, match="a row is in training and in the validation part"):
        split(LOG, "random", test_ratio=0.5, val_ratio=0.5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "temporl"}, "method must be one of 'temporal'"),
        ({"test_ratio": 0.0}, "test_ratio must be above 0 and below 1, got 0.0"),
        ({"test_ratio": 1.0}, "test_ratio"),
        ({"val_ratio": 1.0}, "val_ratio must be at least 0 and below 1, got 1.0"),
        ({"val_ratio": -0.1}, "val_ratio"),
        ({"n_last": 0}, "n_last must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, said):
    with pytest.raises(InvalidParameter, match=said):
        split(LOG, **arguments)


@pytest.mark.parametrize("name", ["user_id", "item_id", "timestamp"])
def test_a_missing_column_is_named(name):
    with pytest.raises(InvalidData, match=f"split: needs the column '{name}'. Found: .*weight"):
        split(LOG.drop(columns=name))


def test_ids_may_be_numbers_and_the_frame_may_have_any_index():
    log = LOG.assign(user_id=LOG["user_id"].map(ord)).set_axis(range(50, 60))
    cut = split(log, "temporal", test_ratio=0.3, val_ratio=0)
    assert cut.test["user_id"].tolist() == [ord("a")]
    assert cut.train.index.tolist() == list(range(7))


def test_nothing_left_to_train_on_is_an_error():
    with pytest.raises(InvalidData, match=r"nothing is left to train on \(1 rows, method 'temp"):
        split(LOG.iloc[:1], "temporal", val_ratio=0)


@pytest.mark.parametrize(
    ("positives", "kept"),
    [("all", [1.0, 3.0, 4.0]), (">=3", [3.0, 4.0]), ("> 3", [4.0]), (">=4", [4.0])],
)
def test_positives_are_all_rows_or_those_above_a_bound(positives, kept):
    log = LOG.iloc[:3].assign(weight=[1.0, 3.0, 4.0])
    chosen = keep_positives(log, positives)
    assert chosen["weight"].tolist() == kept
    assert chosen.index.tolist() == list(range(len(kept)))


@pytest.mark.parametrize("positives", ["", "4", "<3", ">=x", "=>4"])
def test_a_bound_that_cannot_be_read_is_refused(positives):
    with pytest.raises(InvalidData, match="positives must be 'all' or a bound such as '>=4'"):
        keep_positives(LOG, positives)


def test_a_bound_that_leaves_nothing_says_the_highest_weight():
    with pytest.raises(InvalidData, match=r"'>=4' leaves no row: the highest weight is 1"):
        keep_positives(LOG, ">=4")


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_row_without_a_person_or_an_item_belongs_to_nobody_else(column, nothing):
    log = LOG.assign(**{column: [*LOG[column][:8], nothing, LOG[column][9]]})
    with pytest.raises(InvalidData, match=rf"split: row 8 \(counted from 0\): {column} is missing"):
        split(log, "leave_last", val_ratio=0)


@pytest.mark.parametrize("method", splitting.METHODS)
def test_a_row_without_a_time_is_refused_however_it_is_split(method):
    log = LOG.assign(timestamp=[float("nan"), *LOG["timestamp"][1:9], float("nan")])
    with pytest.raises(InvalidData, match=r"row 0 .*timestamp is missing;.* \(1 more rows lack it"):
        split(log, method, val_ratio=0)
    moments = pd.to_datetime(log["timestamp"], unit="s")
    with pytest.raises(InvalidData, match=r"row 0 .*timestamp is missing"):
        split(log.assign(timestamp=moments), method, val_ratio=0)


def test_that_people_are_new_is_said_where_they_are():
    log = frame([(user, item, 1) for user in "abcdefgh" for item in "12"])
    cut = split(log, "user_disjoint", val_ratio=0)
    assert cut.warnings == (ACROSS_USERS, COLD_USERS)
    assert split(log, "random", test_ratio=0.5, val_ratio=0).warnings == (ACROSS_USERS,)
