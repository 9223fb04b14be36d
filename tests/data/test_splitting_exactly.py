"""Splits to the last row: ties in long logs, messages, whose chance, and where leaks begin."""

import numpy as np
import pandas as pd
import pytest

from recloop.data.folds import k_folds, sliding_windows
from recloop.data.splitting import (
    Drops,
    Log,
    _random_share_of_each,
    are_positive,
    finished,
    keep_positives,
    split,
)
from recloop.errors import InvalidData, InvalidParameter, Leakage
from recloop.utils.seeding import stream

NO_DROPS = Drops(False, False, False)


def frame_of(users, items, stamps):
    return pd.DataFrame(
        {"user_id": users, "item_id": items, "timestamp": stamps, "weight": np.ones(len(users))}
    )


def long_log(n=400, n_users=8):
    rng = np.random.default_rng(3)
    users = [f"u{u}" for u in rng.integers(n_users, size=n)]
    items = [f"i{i}" for i in rng.integers(30, size=n)]
    return frame_of(users, items, rng.integers(0, 3, size=n)).assign(row=np.arange(n))


KEEP = {"drop_cold_users": False, "drop_cold_items": False, "drop_seen": False}


def test_ties_in_a_long_log_go_to_the_row_that_stands_first():
    log = long_log()
    order = log.sort_values("timestamp", kind="stable")["row"].tolist()
    cut = split(log, "temporal", test_ratio=0.25, val_ratio=0, **KEEP)
    assert cut.test["row"].tolist() == sorted(order[300:])
    windows = list(sliding_windows(log, 2, test_ratio=0.1, drops=NO_DROPS))
    assert windows[0].test["row"].tolist() == sorted(order[320:360])
    assert windows[1].train["row"].tolist() == sorted(order[:360])


def test_a_random_share_is_drawn_person_by_person_in_the_order_of_the_file():
    log = long_log(n=300)
    cut = split(log, "random", test_ratio=0.3, val_ratio=0, seed=5, **KEEP)
    rng, wanted = np.random.Generator(np.random.PCG64(5)), []
    for _, rows in log.groupby("user_id", sort=True):
        n_test = int(0.3 * len(rows) + 1e-9)
        wanted += rows["row"].to_numpy()[rng.permutation(len(rows))[:n_test]].tolist()
    assert cut.test["row"].tolist() == sorted(wanted)


def test_people_that_are_not_the_first_have_a_share_of_their_own():
    for seed in range(8):
        chosen = _random_share_of_each(np.array([1, 1, 1, 1, 2, 2, 2, 2]), 0.5, seed)
        assert chosen.reshape(2, 4).sum(axis=1).tolist() == [2, 2]


def test_validation_is_drawn_with_the_next_seed():
    log = long_log()
    cut = split(log, "random", test_ratio=0.2, val_ratio=0.25, seed=7, **KEEP)
    rest = log[~log["row"].isin(cut.test["row"])]
    again = split(rest, "random", test_ratio=0.25, val_ratio=0, seed=8, **KEEP)
    assert cut.validation["row"].tolist() == again.test["row"].tolist()


@pytest.mark.parametrize("method", ["random", "user_disjoint"])
def test_the_same_seed_cuts_the_same_rows(method):
    one, other = (split(long_log(), method, seed=4, val_ratio=0.3, **KEEP) for _ in range(2))
    for part in ("train", "validation", "test"):
        assert getattr(one, part)["row"].tolist() == getattr(other, part)["row"].tolist()


def test_parts_have_the_columns_of_the_log_and_rows_of_their_own():
    log = long_log(n=60).set_index(np.arange(100, 160))
    cut = split(log, val_ratio=0.2, **KEEP)
    for part in (cut.train, cut.validation, cut.test):
        assert list(part.columns) == list(log.columns)
        assert part.index.tolist() == list(range(len(part)))
    for bound in ("all", ">0", ">=1"):
        assert list(keep_positives(log, bound).columns) == list(log.columns)
    log["weight"] = np.arange(60.0)
    kept = keep_positives(log, "> 30")
    assert list(kept.columns) == list(log.columns)
    assert kept.index.tolist() == list(range(29))
    assert len(keep_positives(log, ">= 30")) == 30
    assert len(keep_positives(log, " a l l")) == 60
    assert are_positive(log["weight"], "all").dtype == np.bool_


def test_a_log_knows_how_many_people_and_items_it_has():
    log = Log(frame_of(["b", "a", "b"], ["y", "x", "z"], [1, 2, 3]))
    assert (log.n_users, log.n_items) == (2, 3)
    assert log.stamps.dtype == np.float64
    nobody = Log(frame_of([], [], []))
    assert (nobody.n_users, nobody.n_items) == (0, 0)


def test_messages_say_who_what_and_how_many_more():
    log = frame_of(["a", "b", "c"], ["x", "y", "z"], [1, 2, 3])
    with pytest.raises(InvalidData, match=r"Found: item_id, timestamp, weight\.$"):
        Log(log.drop(columns="user_id"))
    one = log.assign(user_id=["a", None, "c"])
    with pytest.raises(InvalidData, match=r"every row needs one\. Fill such rows in"):
        Log(one)
    with pytest.raises(InvalidData, match=r"needs one\. \(1 more rows lack it\.\) Fill"):
        Log(log.assign(user_id=[None, None, "c"]))
    with pytest.raises(InvalidData, match=r"the highest weight is 3\.$"):
        keep_positives(log.assign(weight=[1.0, 3.0, 2.0]), ">5")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda log: split(log, "tempral"), "split: method must be"),
        (lambda log: split(log, test_ratio=0.0), "split: test_ratio must be"),
        (lambda log: split(log, val_ratio=1.0), "split: val_ratio must be"),
        (lambda log: split(log, n_last=0), "split: n_last must be"),
        (lambda log: split(log, seed=-1), "split: seed must be"),
        (lambda log: next(sliding_windows(log, 0)), "sliding_windows: n_windows must be"),
        (
            lambda log: next(sliding_windows(log, 2, test_ratio=0.5)),
            "sliding_windows: test_ratio must be above 0 and below 0.5",
        ),
        (
            lambda log: next(sliding_windows(log, 2, test_ratio=0.0)),
            "sliding_windows: test_ratio must be above 0 and below 0.5",
        ),
        (lambda log: next(k_folds(log, 1)), "k_folds: n_folds must be"),
        (lambda log: next(k_folds(log, 2, by="items")), "k_folds: by must be"),
    ],
)
def test_whoever_refuses_says_its_name(call, said):
    with pytest.raises(InvalidParameter) as caught:
        call(long_log())
    assert str(caught.value).startswith(said)


def test_folds_are_parts_of_one_permutation_and_say_what_they_are():
    log = long_log(n=50)
    for by, method, n in (("rows", "random", 50), ("users", "user_disjoint", 8)):
        cuts = list(k_folds(log, 4, by=by, seed=2, drops=NO_DROPS))
        assert {cut.method for cut in cuts} == {method}
        among = np.arange(50) if by == "rows" else np.arange(n)
        parts = np.array_split(stream(2, "folds").permutation(among), 4)
        for cut, part in zip(cuts, parts, strict=True):
            rows = log["row"] if by == "rows" else log["user_id"].str[1:].astype(int)
            assert cut.test["row"].tolist() == log["row"][rows.isin(part)].tolist()


def test_folds_of_people_drop_what_the_caller_wants_dropped():
    # every person has an item of their own, and one that all have, twice
    users = [f"u{u}" for u in range(4) for _ in range(3)]
    items = [name for u in range(4) for name in (f"own{u}", "all", "all")]
    log = frame_of(users, items, range(12))
    dropped = next(k_folds(log, 4, by="users")).report
    assert dropped["n_test_cold_item_rows_dropped"] == 1
    assert dropped["n_test_cold_user_rows_dropped"] == 0
    kept = next(k_folds(log, 4, by="users", drops=Drops(True, False, True))).report
    assert kept["n_test_cold_item_rows_dropped"] == 0
    assert kept["n_test"] == 3


def test_a_leak_of_one_row_or_one_person_is_a_leak():
    log = Log(frame_of(["a", "a", "b", "b"], ["w", "x", "y", "z"], [0, 5, 3, 9]))
    nothing = np.array([], dtype=np.int64)
    with pytest.raises(Leakage, match="later than the first row of the test part"):
        finished(log, (np.array([0, 1]), nothing, np.array([2, 3])), "temporal", NO_DROPS)
    finished(log, (np.array([0, 2]), nothing, np.array([1, 3])), "temporal", NO_DROPS)
    with pytest.raises(Leakage, match="a person of the test part is in training too"):
        finished(log, (np.array([0]), nothing, np.array([1, 2])), "user_disjoint", NO_DROPS)
    with pytest.raises(Leakage, match="a row is in training and in the test part"):
        finished(log, (np.array([0, 1]), nothing, np.array([1, 3])), "random", NO_DROPS)
