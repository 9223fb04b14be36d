"""A row that cannot be right is named by file, row, column and value, or dropped and counted."""

from pathlib import Path

import pandas as pd
import pytest

from recloop.data.report import Dialect, LoadReport
from recloop.data.schema import INTERACTIONS, ITEMS, USERS, checked_table, seconds
from recloop.errors import InvalidData

ROWS = {
    "user_id": ["a", "b"],
    "item_id": ["1", "2"],
    "timestamp": ["5", "6"],
    "weight": ["1", "-2"],
}


def table(**changed) -> pd.DataFrame:
    return pd.DataFrame({**ROWS, **changed})


def checked(frame: pd.DataFrame, schema=INTERACTIONS, source="log.csv", report=None):
    return checked_table(frame, schema, source, report or LoadReport())


def test_good_rows_come_back_with_types_and_other_columns_as_they_were():
    good = checked(table(event=["x", "y"]))
    assert good["timestamp"].tolist() == [5.0, 6.0]
    assert good["weight"].tolist() == [1.0, -2.0]
    assert good["user_id"].tolist() == ["a", "b"]
    assert good["event"].tolist() == ["x", "y"]


def test_ids_that_are_numbers_become_text():
    assert checked(table(user_id=[1, 2]))["user_id"].tolist() == ["1", "2"]


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
        checked(table(**{column: values}))
    assert f"log.csv: row 2, column '{column}'" in str(caught.value)
    assert said in str(caught.value)
    assert "more rows" not in str(caught.value)


def test_how_many_more_are_bad_is_said():
    bad = table(weight=["x", "y"])
    with pytest.raises(InvalidData, match=r"row 1,.*got 'x'\. \(1 more rows of this column are"):
        checked(bad)


def test_a_row_whose_file_is_known_is_named_by_file_and_line():
    report = LoadReport()
    report.numbered(table(), Path("first.csv"), Dialect())
    frame = report.numbered(table(weight=["1", "x"]), Path("second.parquet"), None)
    with pytest.raises(InvalidData, match=r"^second\.parquet: row 2, column 'weight'"):
        checked(frame, report=report)


def test_zero_seconds_are_allowed():
    assert checked(table(timestamp=["0", "0"]))["timestamp"].sum() == 0


def test_bad_rows_can_be_dropped_and_are_counted_once():
    report = LoadReport("drop")
    bad = table(weight=["x", "1"], timestamp=["-1", "3"])
    kept = checked(bad, report=report)
    assert kept["user_id"].tolist() == ["b"]
    assert kept.index.tolist() == [0]
    assert (report.n_read, report.n_dropped) == (2, 1)
    assert report.notes == ["log.csv: 1 bad rows dropped of 2."]


def test_counts_add_up_over_tables():
    report = LoadReport("drop")
    for _ in range(2):
        checked(table(weight=["x", "1"]), report=report)
    assert (report.n_read, report.n_dropped) == (4, 2)


def test_nothing_good_is_an_error_even_when_dropping():
    with pytest.raises(InvalidData, match="every one of its 2 rows is bad"):
        checked(table(weight=["x", "y"]), report=LoadReport("drop"))


def test_a_good_table_leaves_no_notes():
    report = LoadReport("drop")
    checked(table(), report=report)
    assert (report.n_dropped, report.notes) == (0, [])


def test_a_missing_column_is_named_with_the_nearest():
    with pytest.raises(InvalidData) as caught:
        checked(table().rename(columns={"user_id": "userid"}))
    assert "interactions need the column 'user_id', which is missing. Is it 'userid'?" in str(
        caught.value
    )
    assert "Found: userid, item_id, timestamp, weight." in str(caught.value)


def test_a_missing_column_without_a_near_one_has_no_hint():
    with pytest.raises(InvalidData, match=r"missing\. Found: q, timestamp"):
        checked(table().rename(columns={"user_id": "q"})[["q", "timestamp"]])


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_another_separator_is_recognised(mark):
    with pytest.raises(InvalidData, match="not separated by commas"):
        checked(pd.DataFrame({f"user_id{mark}item_id": [f"a{mark}1"]}))


def test_an_empty_table_is_an_error():
    with pytest.raises(InvalidData, match=r"log\.csv: has no rows"):
        checked(table().iloc[:0])


def test_a_repeated_key_is_refused_in_items_but_not_in_interactions():
    items = pd.DataFrame({"item_id": ["1", "2", "1"], "price": ["3", "", "4"]})
    with pytest.raises(InvalidData) as caught:
        checked(items, ITEMS, "items.csv")
    assert "items.csv: row 3: item_id '1' stands there again; each must stand once (1 rows" in str(
        caught.value
    )
    assert len(checked(table(user_id=["a", "a"], item_id=["1", "1"]))) == 2


def test_dropping_keeps_the_first_good_row_of_a_repeated_key():
    items = pd.DataFrame({"item_id": ["1", "2", "1", "1"], "price": ["-3", "1", "4", "5"]})
    report = LoadReport("drop")
    kept = checked(items, ITEMS, "items.csv", report)
    assert kept["item_id"].tolist() == ["2", "1"]
    assert kept["price"].tolist() == [1.0, 4.0]
    assert report.n_dropped == 2


def test_prices_and_ages_may_be_missing_but_not_negative():
    items = pd.DataFrame({"item_id": ["1", "2"], "price": ["3", ""], "rating": ["", "-1"]})
    good = checked(items, ITEMS)
    assert good["price"].isna().tolist() == [False, True]
    assert good["rating"].iloc[1] == -1
    with pytest.raises(InvalidData, match="column 'price': must be a number, 0 or more, or empty"):
        checked(items.assign(price=["3", "-1"]), ITEMS)
    users = pd.DataFrame({"user_id": ["a", "b"], "age": ["20", "old"]})
    with pytest.raises(InvalidData, match="column 'age'"):
        checked(users, USERS)


def test_ages_that_are_all_words_stay_words():
    users = pd.DataFrame({"user_id": ["a", "b"], "age": ["20-30", "old"]})
    assert checked(users, USERS)["age"].tolist() == ["20-30", "old"]


@pytest.mark.parametrize(
    ("unit", "per_second"),
    [("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)],
)
def test_finer_units_become_seconds_with_a_note(unit, per_second):
    report = LoadReport()
    stamps = pd.DataFrame({"timestamp": [1433221332 * per_second, 1433221333 * per_second]})
    assert seconds(stamps, "x", report)["timestamp"].tolist() == [1433221332.0, 1433221333.0]
    assert report.notes == [f"x: timestamps were {unit}; they are now seconds."]


def test_seconds_stay_as_they_are():
    report = LoadReport()
    stamps = pd.DataFrame({"timestamp": [0.0, 1e11]})
    assert seconds(stamps, "x", report)["timestamp"].tolist() == [0.0, 1e11]
    assert report.notes == []


def test_the_bounds_between_units():
    def unit_of(stamp):
        report = LoadReport()
        seconds(pd.DataFrame({"timestamp": [stamp]}), "x", report)
        return report.notes[0].split()[3].rstrip(";")

    assert unit_of(1.01e11) == unit_of(1e14) == "milliseconds"
    assert unit_of(1.01e14) == unit_of(1e17) == "microseconds"
    assert unit_of(1.01e17) == "nanoseconds"


def test_seconds_and_finer_units_together_are_refused():
    stamps = pd.DataFrame({"timestamp": [1433221332.0, 1433221332117.0]})
    with pytest.raises(InvalidData, match=r"row 2, column 'timestamp': 1433221332117 looks like m"):
        seconds(stamps, "x", LoadReport())


def test_numbers_are_not_written_out_as_text_to_look_for_blanks(monkeypatch):
    items = pd.DataFrame({"item_id": ["1", "2"], "price": [3.0, float("nan")]})
    to_type = pd.Series.astype

    def watched(values, dtype, *rest, **options):
        assert not (values.dtype == "float64" and dtype == "str")
        return to_type(values, dtype, *rest, **options)

    monkeypatch.setattr(pd.Series, "astype", watched)
    good = checked(items.assign(rating=pd.array([4, None], "Int64")), ITEMS)
    assert good["price"].isna().tolist() == good["rating"].isna().tolist() == [False, True]
    with pytest.raises(InvalidData, match=r"row 1, column 'price': .* got -3\.0"):
        checked(items.assign(price=[-3.0, 1.0]), ITEMS)
