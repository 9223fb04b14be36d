"""A row that cannot be right is named by file, row, column and value, or dropped and counted."""

import pandas as pd
import pytest

from recloop.data.schema import INTERACTIONS, ITEMS, USERS, LoadReport, checked_table, seconds
from recloop.errors import InvalidData

ROWS = {
    "user_id": ["a", "b"],
    "item_id": ["1", "2"],
    "timestamp": ["5", "6"],
    "weight": ["1", "-2"],
}


def table(**changed) -> pd.DataFrame:
    return pd.DataFrame({**ROWS, **changed})


def test_good_rows_come_back_with_types_and_other_columns_as_they_were():
    checked = checked_table(table(event=["x", "y"]), INTERACTIONS, "log.csv")
    assert checked["timestamp"].tolist() == [5.0, 6.0]
    assert checked["weight"].tolist() == [1.0, -2.0]
    assert checked["user_id"].tolist() == ["a", "b"]
    assert checked["event"].tolist() == ["x", "y"]


def test_ids_that_are_numbers_become_text():
    assert checked_table(table(user_id=[1, 2]), INTERACTIONS, "x")["user_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("timestamp", ["5", "-1"], "must be a number of seconds, 0 or more, got '-1'"),
        ("timestamp", ["5", "noon"], "got 'noon'"),
        ("timestamp", ["5", ""], "got ''"),
        ("timestamp", [5.0, float("nan")], "got nan"),
        ("timestamp", ["5", "inf"], "got 'inf'"),
        ("weight", ["1", "nan"], "must be a finite number, got 'nan'"),
        ("weight", ["1", "x"], "got 'x'"),
        ("user_id", ["a", "  "], "must be text that is not empty, got '  '"),
        ("item_id", ["1", None], "column 'item_id': must be text that is not empty"),
    ],
)
def test_a_bad_value_is_named_by_row_line_and_column(column, values, said):
    with pytest.raises(InvalidData) as caught:
        checked_table(table(**{column: values}), INTERACTIONS, "log.csv")
    assert f"log.csv: row 2 (line 3), column '{column}'" in str(caught.value)
    assert said in str(caught.value)
    assert "more rows" not in str(caught.value)


def test_how_many_more_are_bad_is_said():
    bad = table(weight=["x", "y"])
    with pytest.raises(InvalidData, match=r"row 1 \(line 2\).*got 'x'\. \(1 more rows of this col"):
        checked_table(bad, INTERACTIONS, "log.csv")


def test_the_first_line_can_be_another():
    with pytest.raises(InvalidData, match=r"row 1 \(line 1\)"):
        checked_table(table(weight=["x", "1"]), INTERACTIONS, "u.data", first_line=1)


def test_zero_seconds_are_allowed():
    assert checked_table(table(timestamp=["0", "0"]), INTERACTIONS, "x")["timestamp"].sum() == 0


def test_bad_rows_can_be_dropped_and_are_counted_once():
    report = LoadReport()
    bad = table(weight=["x", "1"], timestamp=["-1", "3"])
    kept = checked_table(bad, INTERACTIONS, "log.csv", on_bad_rows="drop", report=report)
    assert kept["user_id"].tolist() == ["b"]
    assert kept.index.tolist() == [0]
    assert (report.n_read, report.n_dropped) == (2, 1)
    assert report.notes == ["log.csv: 1 bad rows dropped of 2."]


def test_nothing_good_is_an_error_even_when_dropping():
    bad = table(weight=["x", "y"])
    with pytest.raises(InvalidData, match="every one of its 2 rows is bad"):
        checked_table(bad, INTERACTIONS, "log.csv", on_bad_rows="drop")


def test_a_good_table_leaves_no_notes():
    report = LoadReport()
    checked_table(table(), INTERACTIONS, "x", on_bad_rows="drop", report=report)
    assert (report.n_dropped, report.notes) == (0, [])


def test_a_missing_column_is_named_with_the_nearest():
    with pytest.raises(InvalidData) as caught:
        checked_table(table().rename(columns={"user_id": "userid"}), INTERACTIONS, "log.csv")
    assert "interactions need the column 'user_id', which is missing. Is it 'userid'?" in str(
        caught.value
    )
    assert "Found: userid, item_id, timestamp, weight." in str(caught.value)


def test_another_separator_is_recognised():
    with pytest.raises(InvalidData, match="not separated by commas"):
        checked_table(pd.DataFrame({"user_id;item_id": ["a;1"]}), INTERACTIONS, "log.csv")


def test_an_empty_table_is_an_error():
    with pytest.raises(InvalidData, match=r"log\.csv: has no rows"):
        checked_table(table().iloc[:0], INTERACTIONS, "log.csv")


def test_a_repeated_key_is_refused_in_items_but_not_in_interactions():
    items = pd.DataFrame({"item_id": ["1", "2", "1"], "price": ["3", "", "4"]})
    with pytest.raises(InvalidData, match=r"item_id '1' stands 2 times.*\(1 rows repeat"):
        checked_table(items, ITEMS, "items.csv")
    checked_table(table(user_id=["a", "a"], item_id=["1", "1"]), INTERACTIONS, "log.csv")


def test_prices_and_ages_may_be_missing_but_not_negative():
    items = pd.DataFrame({"item_id": ["1", "2"], "price": ["3", ""], "rating": ["", "-1"]})
    checked = checked_table(items, ITEMS, "items.csv")
    assert checked["price"].isna().tolist() == [False, True]
    assert checked["rating"].iloc[1] == -1
    with pytest.raises(InvalidData, match="column 'price': must be a number, 0 or more, or empty"):
        checked_table(items.assign(price=["3", "-1"]), ITEMS, "items.csv")
    users = pd.DataFrame({"user_id": ["a", "b"], "age": ["20", "old"]})
    with pytest.raises(InvalidData, match="column 'age'"):
        checked_table(users, USERS, "users.csv")


def test_ages_that_are_all_words_stay_words():
    users = pd.DataFrame({"user_id": ["a", "b"], "age": ["20-30", "old"]})
    assert checked_table(users, USERS, "users.csv")["age"].tolist() == ["20-30", "old"]


def test_milliseconds_become_seconds_with_a_note():
    report = LoadReport()
    stamps = pd.DataFrame({"timestamp": [1433221332117.0, 1433221333117.0]})
    assert seconds(stamps, "x", report)["timestamp"].tolist() == [1433221332.117, 1433221333.117]
    assert report.notes == ["x: timestamps were milliseconds; they are now seconds."]


def test_seconds_stay_as_they_are():
    report = LoadReport()
    stamps = pd.DataFrame({"timestamp": [0.0, 1e11]})
    assert seconds(stamps, "x", report)["timestamp"].tolist() == [0.0, 1e11]
    assert report.notes == []


def test_seconds_and_milliseconds_together_are_refused():
    stamps = pd.DataFrame({"timestamp": [1433221332.0, 1433221332117.0]})
    with pytest.raises(InvalidData, match=r"row 2, column 'timestamp': 1433221332117 looks like"):
        seconds(stamps, "x", LoadReport())
