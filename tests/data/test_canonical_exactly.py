"""Canonical tables to the letter: who may be missing, what is allowed, where units begin."""

import numpy as np
import pandas as pd
import pytest

from recloop.data import DatasetLoader
from recloop.data.dataset import encode, features, unused_columns
from recloop.data.formats.files import first_line, text_of
from recloop.data.report import Dialect, LoadReport
from recloop.data.schema import INTERACTIONS, ITEMS, USERS, checked_table, seconds
from recloop.data.splitting import split
from recloop.data.tables import read_delimited
from recloop.errors import InvalidData, UnknownName

LOG = {"user_id": ["a"], "item_id": ["x"], "timestamp": [1.0], "weight": [1.0]}


def check(values, schema):
    return checked_table(pd.DataFrame(values), schema, "F", LoadReport())


@pytest.mark.parametrize("missing", list(LOG))
def test_interactions_need_all_four_columns(missing):
    columns = {name: LOG[name] for name in LOG if name != missing}
    with pytest.raises(InvalidData) as caught:
        check(columns, INTERACTIONS)
    assert str(caught.value) == (
        f"F: interactions need the column '{missing}', which is missing. "
        f"Found: {', '.join(columns)}."
    )


@pytest.mark.parametrize(("schema", "key"), [(ITEMS, "item_id"), (USERS, "user_id")])
def test_items_and_users_need_their_id_and_nothing_else(schema, key):
    message = f"F: {schema.name} need the column '{key}', which is missing. Found: colour."
    with pytest.raises(InvalidData) as caught:
        check({"colour": ["red"]}, schema)
    assert str(caught.value) == message
    assert check({key: ["1"]}, schema).to_numpy().tolist() == [["1"]]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_columns_that_stand_in_one_are_told_from_a_missing_one(mark):
    with pytest.raises(InvalidData) as caught:
        check({mark.join(LOG): ["a"]}, INTERACTIONS)
    assert str(caught.value) == (
        "F: interactions need the column 'user_id', which is missing. The columns are not "
        f"separated by commas. Found: {mark.join(LOG)}."
    )


TEXT, TIME = "text that is not empty", "a number of seconds, 0 or more"
FROM_0 = "a number, 0 or more, or empty"


@pytest.mark.parametrize(
    ("schema", "values", "column", "allowed", "got"),
    [
        (INTERACTIONS, {**LOG, "user_id": [" "]}, "user_id", TEXT, "' '"),
        (INTERACTIONS, {**LOG, "item_id": [None]}, "item_id", TEXT, "None"),
        (INTERACTIONS, {**LOG, "timestamp": [-1.0]}, "timestamp", TIME, "-1.0"),
        (INTERACTIONS, {**LOG, "timestamp": [""]}, "timestamp", TIME, "''"),
        (INTERACTIONS, {**LOG, "weight": ["much"]}, "weight", "a finite number", "'much'"),
        (INTERACTIONS, {**LOG, "weight": [np.inf]}, "weight", "a finite number", "inf"),
        (ITEMS, {"item_id": [""]}, "item_id", TEXT, "''"),
        (ITEMS, {"item_id": ["x"], "price": [-0.5]}, "price", FROM_0, "-0.5"),
        (ITEMS, {"item_id": ["x"], "rating": ["good"]}, "rating", "a number or empty", "'good'"),
        (USERS, {"user_id": [None]}, "user_id", TEXT, "None"),
        (USERS, {"user_id": ["a", "b"], "age": [-1.0, 1.0]}, "age", FROM_0, "-1.0"),
    ],
)
def test_each_column_says_what_is_allowed(schema, values, column, allowed, got):
    with pytest.raises(InvalidData) as caught:
        check(values, schema)
    assert str(caught.value) == (
        f"F: row 1, column '{column}': must be {allowed}, got {got}. Mend the file, or read it "
        "with on_bad_rows='drop'."
    )


def test_further_bad_rows_of_the_column_are_counted():
    values = {name: LOG[name] * 4 for name in LOG} | {"weight": [1.0, np.nan, np.nan, np.inf]}
    with pytest.raises(InvalidData, match=r"F: row 2, .* \(2 more rows of this column are bad\.\)"):
        check(values, INTERACTIONS)


def test_what_may_be_empty_is_kept_empty_and_whole_numbers_become_floats():
    found = check({"item_id": ["x", "y"], "price": ["", "2"], "rating": [-1, 3]}, ITEMS)
    assert found["price"].fillna(-9).tolist() == [-9.0, 2.0]
    assert (found["price"].dtype, found["rating"].dtype) == (np.float64, np.float64)
    assert check({"user_id": ["a"], "age": ["20-30"]}, USERS)["age"].tolist() == ["20-30"]
    assert check({name: [1] for name in LOG}, INTERACTIONS)["weight"].dtype == np.float64


def test_a_repeated_key_is_named():
    with pytest.raises(InvalidData) as caught:
        check({"item_id": ["x", "y", "x", "x"]}, ITEMS)
    assert str(caught.value) == (
        "F: row 3: item_id 'x' stands there again; each must stand once (2 rows repeat an earlier "
        "one). Mend the file, or read it with on_bad_rows='drop', which keeps the first."
    )


@pytest.mark.parametrize(
    ("least", "unit", "per_second"),
    [(1e11, "milliseconds", 1e3), (1e14, "microseconds", 1e6), (1e17, "nanoseconds", 1e9)],
)
def test_a_unit_begins_just_above_its_bound(least, unit, per_second):
    report = LoadReport()
    above = np.nextafter(least, np.inf)
    found = seconds(pd.DataFrame({"timestamp": [above, 2 * least]}), "F", report)
    assert found["timestamp"].tolist() == [above / per_second, 2 * least / per_second]
    assert report.notes == [f"F: timestamps were {unit}; they are now seconds."]
    at = seconds(pd.DataFrame({"timestamp": [least]}), "F", LoadReport())
    assert at["timestamp"].tolist() == [
        least if unit == "milliseconds" else least / per_second * 1e3
    ]
    with pytest.raises(InvalidData) as caught:
        seconds(pd.DataFrame({"timestamp": [5.0, above]}), "F", LoadReport())
    assert str(caught.value) == (
        f"F: row 2, column 'timestamp': {above:.0f} looks like {unit} while other rows hold less. "
        "Bring all rows to seconds."
    )


def test_a_loader_names_the_file_whose_times_it_divided(tmp_path):
    (tmp_path / "interactions.csv").write_text(",".join(LOG) + "\na,x,1500000000000,1\n")
    loader = DatasetLoader(tmp_path)
    assert loader.load_interactions()["timestamp"].tolist() == [1.5e9]
    assert loader.report.notes == [
        f"{tmp_path / 'interactions.csv'}: timestamps were milliseconds; they are now seconds."
    ]


# files


@pytest.mark.parametrize(
    ("text", "separator", "columns"),
    [
        ("\ufeffuser_id,other\n007,008\n", ",", ["user_id", "other"]),
        ("user_id,INDEX\r\n007,008\r\n", ",", ["user_id", "INDEX"]),
        ("Xid,other\n007,008\n", ",", ["Xid", "other"]),
        ("user_id\t \n007\t008\n", "\t", ["user_id", " "]),
    ],
)
def test_every_column_is_text_whatever_its_header_begins_and_ends_with(
    text, separator, columns, tmp_path
):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    found = read_delimited(tmp_path / "t.csv", Dialect(separator), LoadReport())
    assert found.columns.tolist() == columns
    assert found.to_numpy().tolist() == [["007", "008"]]


def test_a_line_may_be_longer_than_a_mebibyte(tmp_path):
    title = "long" * 400_000
    (tmp_path / "items.csv").write_text(f"item_id,title\nx,{title}\ny,short\n")
    found = read_delimited(tmp_path / "items.csv", Dialect(), LoadReport())
    assert found["title"].tolist() == [title, "short"]


def test_texts_lose_their_mark_of_order_and_nothing_else(tmp_path):
    file = tmp_path / "t.txt"
    file.write_bytes("\ufeffX a \r\nb X\n".encode())
    assert text_of(file) == "X a \r\nb X\n"
    assert first_line(file) == "X a "
    file.write_bytes(b"a X\n")
    assert first_line(file) == "a X"


def test_a_report_raises_unless_it_is_told_to_drop():
    assert LoadReport() == LoadReport("error")
    assert LoadReport().drops is False
    assert LoadReport("drop").drops is True


# codes and features


def test_features_stand_in_the_order_of_the_codes():
    log = pd.DataFrame(
        {
            "user_id": ["b", "b", "a", "a"],
            "item_id": ["10", "9", "10", "9"],
            "timestamp": [1.0, 2.0, 3.0, 9.0],
            "weight": 1.0,
        }
    )
    items = pd.DataFrame({"item_id": ["10", "8", "9"], "price": [3.0, 9.0, 1.0]})
    users = pd.DataFrame({"user_id": ["a", "b"], "gender": ["F", "M"]})
    found = encode(split(log, test_ratio=0.25, val_ratio=0), items, users)
    assert (found.user_ids, found.item_ids) == (["a", "b"], ["9", "10"])
    assert found.item_features.tolist() == [[0.0], [1.0]]
    assert found.user_features.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert found.item_feature_names == ("price",)
    assert found.user_feature_names == ("gender=F", "gender=M")
    for ids, kind in ((found.users, "user"), (found.items, "item")):
        with pytest.raises(UnknownName, match=f"No {kind} with the id 'z' among 2"):
            ids.codes_of(["z"])


@pytest.mark.parametrize("n_words", [99, 100, 101])
def test_up_to_100_different_texts_are_words_and_more_are_numbers(n_words):
    ids = [str(number) for number in range(n_words + 1)]
    table = pd.DataFrame({"item_id": ids, "size": [*ids[:-1], None]})
    names, matrix = features(table, "item_id", ids)
    if n_words > 100:
        assert names == ("size",)
        assert matrix[:-1, 0].tolist() == [number / (n_words - 1) for number in range(n_words)]
        assert matrix[-1, 0] == pytest.approx(0.5)
    else:
        assert names == tuple(f"size={word}" for word in sorted(ids[:-1]))
        assert matrix.sum() == n_words


def test_why_columns_are_no_features_is_said_of_each():
    table = pd.DataFrame(
        {
            "item_id": [str(number) for number in range(101)],
            "title": "T",
            "datetime": "now",
            "releaseDate": "now",
            "makerID": "7",
            "prose": [f"word {number}" for number in range(101)],
            "empty": None,
            "void": np.nan,
            "update": "yes",
        }
    )
    assert unused_columns(table, "item_id", table["item_id"].tolist()) == {
        "datetime": "a date",
        "releaseDate": "a date",
        "makerID": "an id",
        "prose": "more than 100 words",
        "empty": "no value",
        "void": "no value",
    }
    assert unused_columns(None, "item_id", ["1"]) == {}
