"""A split in codes: order, catalogue, features."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from recloop.data.dataset import data_hash, encode, features, unused_columns, unused_in_words
from recloop.data.splitting import split

LOG = pd.DataFrame(
    {
        "user_id": ["10", "9", "10", "9", "9", "10"],
        "item_id": ["b", "a", "a", "b", "c", "c"],
        "timestamp": [3.0, 1.0, 1.0, 2.0, 9.0, 8.0],
        "weight": [0.3, 0.1, 0.5, 0.2, 0.9, 0.8],
    }
)


def test_rows_are_sorted_by_user_then_time_in_the_codes_of_the_training_part():
    encoded = encode(split(LOG, "leave_last", val_ratio=0, drop_cold_items=False))
    assert (encoded.user_ids, encoded.item_ids) == (["9", "10"], ["a", "b"])
    train = encoded.train
    assert train.users.tolist() == [0, 0, 1, 1]
    assert train.items.tolist() == [0, 1, 0, 1]
    assert train.weights.tolist() == [0.1, 0.2, 0.5, 0.3]
    assert train.timestamps.tolist() == [1.0, 2.0, 1.0, 3.0]
    assert (train.n_users, train.n_items) == (2, 2)
    assert len(encoded.test) == 0  # item c is in no training row: it has no code
    assert encoded.users.codes_of(["10"]).tolist() == [1]
    assert encoded.items.ids_of(np.array([1])) == ["b"]


def test_rows_at_the_same_time_keep_their_order():
    log = LOG.assign(timestamp=0.0, user_id="u")
    encoded = encode(split(log, "leave_last", val_ratio=0, drop_seen=False))
    assert [encoded.item_ids[code] for code in encoded.train.items] == ["b", "a", "a", "b", "c"]


def test_people_of_a_user_disjoint_test_have_codes():
    log = pd.concat([LOG.assign(user_id=str(user)) for user in range(5)])
    encoded = encode(split(log, "user_disjoint", val_ratio=0))
    assert encoded.user_ids == ["0", "1", "2", "3", "4"]
    assert len(encoded.test)


def test_words_become_columns_and_numbers_are_scaled():
    items = pd.DataFrame(
        {
            "item_id": ["2", "1"],
            "title": ["B", "A"],
            "category": ["x|y", "y"],
            "price": [30.0, 10.0],
            "release_date": ["1995", "1996"],
        }
    )
    names, matrix = features(items, "item_id", ["1", "2", "3"])
    assert names == ("category=x", "category=y", "price")
    assert matrix.tolist() == [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.5]]


def test_a_column_of_one_number_is_zero_and_a_column_of_many_words_is_no_feature():
    items = pd.DataFrame({"item_id": [str(i) for i in range(101)]})
    items["maker"] = [f"maker {i}" for i in range(101)]
    items["price"] = 5.0
    names, matrix = features(items, "item_id", ["0", "1"])
    assert names == ("maker=maker 0", "maker=maker 1", "price")
    assert matrix[:, 2].tolist() == [0.0, 0.0]
    names, _ = features(items, "item_id", items["item_id"].tolist())
    assert names == ("price",)


def test_numbers_in_text_are_scaled_when_they_are_too_many_to_be_words():
    items = pd.DataFrame({"item_id": [str(i) for i in range(102)]})
    items["pages"] = [str(10 * i) for i in range(101)] + [""]
    items["maker_id"] = items["pages"]
    names, matrix = features(items, "item_id", items["item_id"].tolist())
    assert names == ("pages",)
    assert matrix[:, 0] == pytest.approx([i / 100 for i in range(101)] + [0.5])
    items["pages"] = items["pages"].replace("30", "thirty")
    assert features(items, "item_id", items["item_id"].tolist()) == ((), None)


def test_no_table_and_no_usable_column_give_no_features():
    assert features(None, "item_id", ["1"]) == ((), None)
    titles = pd.DataFrame({"item_id": ["1"], "title": ["A"]})
    assert features(titles, "item_id", ["1"]) == ((), None)
    empty = pd.DataFrame({"item_id": ["1"], "price": [np.nan]})
    assert features(empty, "item_id", ["1"]) == ((), None)


def test_the_hash_depends_on_every_value_and_column():
    assert data_hash(LOG, None) == data_hash(LOG.copy(), None)
    assert data_hash(LOG, None) != data_hash(
        LOG.assign(weight=[0.3, 0.1, 0.5, 0.2, 0.9, 0.81]), None
    )
    assert data_hash(LOG) != data_hash(LOG.rename(columns={"weight": "value"}))
    assert data_hash(LOG, None) != data_hash(None, LOG)


def test_only_whole_words_make_a_column_an_id_or_a_date():
    ids = ["1", "2"]
    used = ("paid", "is_valid", "candidate", "updated", "Android")
    items = pd.DataFrame({"item_id": ids} | {name: [0, 1] for name in used})
    unused = {"maker_id": "an id", "movieId": "an id", "artistID": "an id", "id": "an id",
              "release_date": "a date", "date": "a date", "signupDate": "a date"}  # fmt: skip
    items = items.assign(title="T", **{name: [0, 1] for name in unused})
    assert features(items, "item_id", ids)[0] == used
    assert unused_columns(items, "item_id", ids) == unused


def test_what_is_no_feature_is_said_with_the_reason():
    ids = [str(i) for i in range(101)]
    items = pd.DataFrame({"item_id": ids, "url": [f"/{i}" for i in ids], "blank": " "})
    items["price"] = np.nan
    users = pd.DataFrame({"user_id": ["a"], "age": [3.0]})
    assert unused_in_words(items, users, ids, ["a"]) == [
        "No features of items are made of url (more than 100 words), blank (no value), "
        "price (no value)."
    ]
    assert features(items, "item_id", ids) == ((), None)
    assert unused_columns(items, "item_id", ids[:100]) == {
        "blank": "no value",
        "price": "no value",
    }
    assert unused_in_words(None, None, [], []) == []


def test_a_column_of_very_many_words_is_never_spread_out():
    ids = [str(i) for i in range(4000)]
    items = pd.DataFrame({"item_id": ids, "url": [f"http://shop/{i}" for i in ids]})
    tracemalloc.start()
    try:
        assert features(items, "item_id", ids) == ((), None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8e6  # one byte for each row and word would be 16 million
