"""Lists and truth from files: ids as they stand, errors with file and line."""

import gzip

import pandas as pd
import pytest

from recloop.errors import InvalidData, MissingData
from recloop.evaluation.definitions import Definitions
from recloop.evaluation.frames.files import read_table, score_files

RECS = "user_id,item_id,rank\n007,NA,1\n007,b,2\n8,b,1\n"
TRUTH = "user_id,item_id,weight,comment\n007,b,5,\n007,NA,1,x\n"


@pytest.fixture
def recs(tmp_path):
    path = tmp_path / "recs.csv"
    path.write_text(RECS, encoding="utf-8")
    return path


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text(TRUTH, encoding="utf-8")
    return path


def test_files_are_scored_with_ids_as_text(recs, truth):
    scored = score_files(recs, truth, [1, 2])
    assert scored.user_ids.tolist() == ["007"]
    assert scored.values["recall"].tolist() == [[0.5, 1.0]]
    assert scored.counts["n_users_ignored"] == 1


def test_definitions_and_metrics_are_passed_on(recs, truth):
    scored = score_files(
        str(recs), str(truth), [1], definitions=Definitions(threshold=2), metrics=["recall"]
    )
    assert {name: table.tolist() for name, table in scored.values.items()} == {"recall": [[0.0]]}


def test_a_byte_order_mark_gzip_and_parquet_are_read(tmp_path, truth):
    with_mark = tmp_path / "mark.csv"
    with_mark.write_text(RECS, encoding="utf-8-sig")
    packed = tmp_path / "recs.csv.gz"
    packed.write_bytes(gzip.compress(RECS.encode()))
    columns = tmp_path / "recs.parquet"
    pd.DataFrame({"user_id": [7, 7], "item_id": ["NA", "b"], "rank": [1, 2]}).to_parquet(columns)
    assert score_files(with_mark, truth, [2]).values["recall"].tolist() == [[1.0]]
    assert score_files(packed, truth, [2]).values["recall"].tolist() == [[1.0]]
    assert read_table(columns)["user_id"].tolist() == ["7", "7"]


def test_only_known_columns_are_read(truth):
    assert list(read_table(truth).columns) == ["user_id", "item_id", "weight"]


def test_longer_rows_do_not_shift_the_columns(tmp_path):
    path = tmp_path / "recs.csv"
    path.write_text("user_id,item_id,rank\na,b,1,9\n", encoding="utf-8")
    assert read_table(path).iloc[0].tolist() == ["a", "b", 1]


def test_a_file_that_is_not_there_is_named(tmp_path, recs):
    with pytest.raises(MissingData, match=r"absent\.csv: no such file\."):
        score_files(recs, tmp_path / "absent.csv", [1])
    with pytest.raises(MissingData, match="is a folder, not a file"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as a table ("),
        ('user_id,item_id,rank\n"a,b,1\n', "cannot be read as a table ("),
        ("user,item_id,rank\na,b,1\n", "column user_id is missing. The first line must name"),
        ("user_id,item,rank\na,b,1\n", "column item_id is missing. The first line must name"),
        ("user_id,item_id,rank\na,b,1\n,c,2\n", "recs.csv: line 3: user_id is empty."),
        ("user_id,item_id,rank\na,,1\n", "recs.csv: line 2: item_id is empty."),
        ("user_id,item_id,rank\n007,b,1\n007,c,two\n", "recs.csv: line 3: rank must be a number"),
        ("user_id,item_id,rank\n007,b,1\n007,c,\n", "recs.csv: line 3: rank must be a number"),
        ("user_id,item_id,score\n007,b,NaN\n", "recs.csv: line 2: score must be a number, got nan"),
        ("user_id,item_id,rank\n007,b,0\n", "recs.csv: line 2: rank must be a whole number"),
        ("user_id,item_id\n007,b\n", "recs.csv: needs a column rank"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(tmp_path, truth, text, said):
    path = tmp_path / "recs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidData) as caught:
        score_files(path, truth, [1])
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_broken_parquet_file_is_refused(tmp_path, truth):
    path = tmp_path / "recs.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(InvalidData, match="cannot be read as a table"):
        score_files(path, truth, [1])


def test_a_column_named_in_a_parquet_file_must_be_there(tmp_path, truth):
    path = tmp_path / "recs.parquet"
    pd.DataFrame({"user_id": ["a"]}).to_parquet(path)
    with pytest.raises(InvalidData, match="column item_id is missing"):
        score_files(path, truth, [1])
