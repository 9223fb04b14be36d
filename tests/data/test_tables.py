"""Files are read as they stand, and every row knows the line that it came from."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from recloop.data.report import Dialect, LoadReport
from recloop.data.tables import find_tables, read_delimited, read_table, write_table
from recloop.errors import InvalidData, MissingData


def read(path: Path, text: str | bytes, dialect: Dialect | None = None, **how):
    """What is read, and the report."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    report = LoadReport(how.pop("on_bad_rows", "error"))
    return read_delimited(path, dialect or Dialect(), report, **how), report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def test_values_are_text_and_nothing_is_taken_for_missing(path):
    frame, _ = read(path, "a,b\n007,NA\n1.0,\n nan, x \n")
    assert frame["a"].tolist() == ["007", "1.0", " nan"]
    assert frame["b"].tolist() == ["NA", "", " x "]


@pytest.mark.parametrize(
    ("text", "dialect", "values"),
    [
        ('a|b\n"x"|é\n', Dialect("|", quoting=False), ['"x"', "é"]),
        ('a|b\n"x"|é\n', Dialect("|"), ["x", "é"]),
        ("x::y:z\r\n", Dialect("::", ("a", "b")), ["x", "y:z"]),
        ("Mis\xe9::y\n".encode("latin-1"), Dialect("::", ("a", "b"), "latin-1"), ["Misé", "y"]),
        ("\ufeffx\ty\n", Dialect("\t", ("a", "b")), ["x", "y"]),
        ("\ufeffa,b\nx,y\n", Dialect(), ["x", "y"]),
        ('\n\na,"b"\r\nx,y\r\n', Dialect(), ["x", "y"]),
        ("a,b\nx,y", Dialect(), ["x", "y"]),
    ],
)
def test_a_dialect_says_how_a_file_is_written(path, text, dialect, values):
    frame, _ = read(path, text, dialect)
    assert frame.columns.tolist() == ["a", "b"]
    assert frame.iloc[0].tolist() == values
    assert len(frame) == 1


def test_wanted_columns_alone_are_read(path):
    frame, _ = read(path, "a,b,c\n1,2,3\n", only=("c", "a"))
    assert frame.columns.tolist() == ["c", "a"]
    with pytest.raises(InvalidData, match=r"needs the column 'click', .* Is it 'clicks'\?"):
        read(path, "clicks,b\n1,2\n", only=("click",))
    with pytest.raises(InvalidData, match=r"needs the column 'zzz', which is missing\.$"):
        read(path, "clicks,b\n1,2\n", only=("zzz",))


def test_a_row_knows_its_file_and_line(tmp_path):
    report = LoadReport()
    texts = {"one.csv": 'a,b\n\n1,"x\ny"\n2,z\n', "two.csv": "3,q\n\n\n4,r\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    one = read_delimited(tmp_path / "one.csv", Dialect(), report)
    two = read_delimited(tmp_path / "two.csv", Dialect(",", ("a", "b")), report)
    both = pd.concat([one, two]).rename(columns={"b": "c"})
    places = [report.place(both, position, "x") for position in range(4)]
    assert places == [
        f"{tmp_path}/one.csv: row 1 (line 3)",
        f"{tmp_path}/one.csv: row 2 (line 5)",
        f"{tmp_path}/two.csv: row 1 (line 1)",
        f"{tmp_path}/two.csv: row 2 (line 4)",
    ]
    assert report.place(both[both["a"] == "4"], 0, "x") == places[3]
    assert report.place(both.reset_index(drop=True), 2, "x") == "x: row 3"


def test_a_row_of_a_gzipped_file_knows_its_line(tmp_path):
    path = tmp_path / "log.csv.gz"
    frame, report = read(path, gzip.compress(b"a;b\n1;2\n\n3;4\n"), Dialect(";"))
    assert report.place(frame, 1, "x") == f"{path}: row 2 (line 4)"


@pytest.mark.parametrize(
    ("text", "dialect", "said"),
    [
        ("a,b\n1,2\n\n3\n", Dialect(), "line 4 has 1 fields, expected 2 (a, b), got '3'."),
        ("1|2|3\n", Dialect("|", ("a", "b")), "line 1 has 3 fields, expected 2 (a, b), got '1|2|"),
        ("1::2\n1::2::3\n", Dialect("::", ("a", "b")), "line 2 has 3 fields, expected 2 (a, b), "
         "got '1::2::3'."),
        (f"a,b\n{'x' * 200}\n", Dialect(), f"got '{'x' * 80}...'. Mend"),
        (f"a,b\n{'x' * 80}\n", Dialect(), f"got '{'x' * 80}'. Mend"),
    ],
)  # fmt: skip
def test_a_row_of_the_wrong_length_is_named(path, text, dialect, said):
    with pytest.raises(InvalidData) as caught:
        read(path, text, dialect)
    assert str(caught.value).startswith(f"{path}: line ")
    assert said in str(caught.value)
    assert "on_bad_rows='drop'" in str(caught.value)


def test_rows_of_the_wrong_length_can_be_dropped_and_are_counted(path):
    frame, report = read(path, "a,b\n1\n1,2\n1,2,3\n4,5\n", on_bad_rows="drop")
    assert frame["a"].tolist() == ["1", "4"]
    assert (report.n_read, report.n_dropped) == (2, 2)
    assert report.notes == [f"{path}: 2 bad rows dropped of 4."]


def test_the_first_line_that_is_no_text_is_named(path):
    with pytest.raises(InvalidData, match=r"log\.csv: line 3 is not UTF-8 text\. Save the file"):
        read(path, b"a,b\nx,y\nMis\xe9,z\nMis\xe9,z\n")
    with pytest.raises(InvalidData, match="line 1 is not a header of column names"):
        read(path, b"Mis\xe9,b\nx,y\n")


def test_nothing_at_all_is_an_error(path):
    for text in ("", "\n \n"):
        with pytest.raises(InvalidData, match=r"log\.csv: is empty\.$"):
            read(path, text)
    with pytest.raises(InvalidData, match=r"is empty\.$"):
        read(path, "", Dialect(",", ("a", "b")))
    assert len(read(path, "\n\n", Dialect(",", ("a", "b")))[0]) == 0


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingData, match=r"items\.csv: no such file\.$"):
        read_table(tmp_path / "items.csv", LoadReport())


def test_rows_of_a_parquet_file_have_no_line(tmp_path):
    path = tmp_path / "items.parquet"
    pd.DataFrame({"item_id": [7, 8], "price": [1.5, 2.5]}).to_parquet(path)
    report = LoadReport()
    frame = read_table(path, report, text_columns=("item_id",))
    assert report.place(frame, 1, "x") == f"{path}: row 2"
    with pytest.raises(InvalidData, match="column 'price' holds decimal numbers"):
        read_table(path, report, text_columns=("item_id", "price"))


def test_the_endings_have_an_order(tmp_path):
    for name in ("items.parquet", "items.csv.gz", "items.csv", "items.txt"):
        (tmp_path / name).touch()
    assert [file.name for file in find_tables(tmp_path, "items")] == [
        "items.csv",
        "items.csv.gz",
        "items.parquet",
    ]
    assert find_tables(tmp_path, "users") == []


def test_what_is_written_is_read_again(path):
    frame = pd.DataFrame({"a": ["007", "x,y", 'say "so"'], "b": [0.1, 1640995200.25, 3.0]})
    write_table(path, frame)
    assert path.read_bytes().startswith(b"a,b\n007,0.1\n")
    again = read_table(path, LoadReport()).reset_index(drop=True)
    pd.testing.assert_frame_equal(again.assign(b=again["b"].astype(float)), frame)
