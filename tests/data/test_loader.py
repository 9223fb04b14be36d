"""A folder is read once, as it stands; what is not there is said, never made up."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from recloop.data import DatasetLoader
from recloop.errors import InvalidData, InvalidParameter, MissingData, UnknownName

LOG = "user_id,item_id,timestamp,weight\nuser_0,item_0,1640995200,0.8\n007,item_1,1640995800,0.6\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "interactions.csv").write_text(LOG)
    return tmp_path


def test_the_canonical_table_is_read_as_it_stands(folder):
    loader = DatasetLoader(folder)
    frame = loader.load_interactions()
    assert loader.format == "canonical"
    assert frame["user_id"].tolist() == ["user_0", "007"]
    assert frame["item_id"].tolist() == ["item_0", "item_1"]
    assert frame["timestamp"].tolist() == [1640995200.0, 1640995800.0]
    assert frame["weight"].tolist() == [0.8, 0.6]
    assert loader.load_items() is None
    assert loader.load_users() is None


def test_gzip_parquet_and_a_byte_order_mark_read_the_same(folder, tmp_path):
    plain = DatasetLoader(folder).load_interactions()
    forms = {"gz": "interactions.csv.gz", "parquet": "interactions.parquet", "bom": "log.csv"}
    for name in forms:
        (tmp_path / name).mkdir()
    (tmp_path / "gz" / forms["gz"]).write_bytes(gzip.compress(LOG.encode()))
    plain.to_parquet(tmp_path / "parquet" / forms["parquet"])
    (tmp_path / "bom" / forms["bom"]).write_bytes(b"\xef\xbb\xbf" + LOG.encode())
    for place in (tmp_path / "gz", tmp_path / "parquet", tmp_path / "bom" / "log.csv"):
        pd.testing.assert_frame_equal(DatasetLoader(place).load_interactions(), plain)


def test_windows_line_ends_and_quotes_are_read(tmp_path):
    text = 'user_id,item_id,timestamp,weight\r\n"a,b",1,5,2\r\n'
    (tmp_path / "interactions.csv").write_bytes(text.encode())
    assert DatasetLoader(tmp_path).load_interactions()["user_id"].tolist() == ["a,b"]


def test_items_and_users_beside_the_log_are_read(folder):
    (folder / "items.csv").write_text(
        "item_id,title,category,price,rating\nitem_0,Product A,electronics,99.99,4.5\n"
    )
    (folder / "users.csv").write_text(
        "user_id,age,gender,location,signup_date\nuser_0,25,M,US,1640995200\n"
    )
    for place in (folder, folder / "interactions.csv"):
        loader = DatasetLoader(place)
        assert loader.load_items().iloc[0].to_dict() == {
            "item_id": "item_0",
            "title": "Product A",
            "category": "electronics",
            "price": 99.99,
            "rating": 4.5,
        }
        assert loader.load_users()["age"].tolist() == [25.0]


def test_a_parquet_file_with_numbers_as_ids_is_read_as_text(tmp_path):
    log = pd.DataFrame({"user_id": [7], "item_id": [1], "timestamp": [5], "weight": [1.0]})
    log.to_parquet(tmp_path / "interactions.parquet")
    assert DatasetLoader(tmp_path).load_interactions()["user_id"].tolist() == ["7"]
    log.astype({"user_id": "float64"}).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(InvalidData, match="column 'user_id' holds decimal numbers"):
        DatasetLoader(tmp_path).load_interactions()


def test_bad_rows_are_named_or_dropped(folder):
    (folder / "interactions.csv").write_text(LOG + "a,b,-3,1\n")
    with pytest.raises(InvalidData, match=r"interactions\.csv: row 3 \(line 4\), column 'timest"):
        DatasetLoader(folder).load_interactions()
    loader = DatasetLoader(folder, on_bad_rows="drop")
    assert len(loader.load_interactions()) == 2
    assert loader.report.n_dropped == 1


def test_a_row_with_too_few_fields_is_named_or_dropped(folder):
    (folder / "interactions.csv").write_text(LOG + "\na,b\nc,d,7,1\n")
    with pytest.raises(InvalidData) as caught:
        DatasetLoader(folder).load_interactions()
    assert "interactions.csv: line 5 has 2 fields, expected 4 (user_id, item_id, " in str(
        caught.value
    )
    assert "got 'a,b'" in str(caught.value)
    loader = DatasetLoader(folder, on_bad_rows="drop")
    assert loader.load_interactions()["user_id"].tolist() == ["user_0", "007", "c"]
    assert (loader.report.n_read, loader.report.n_dropped) == (4, 1)


def test_lines_are_counted_as_an_editor_does(folder):
    text = 'user_id,item_id,timestamp,weight,said\n\na,b,1,1,"two\nlines"\n\nc,d,-1,1,x\n'
    (folder / "interactions.csv").write_text(text)
    with pytest.raises(InvalidData, match=r"interactions\.csv: row 2 \(line 6\), column 'timest"):
        DatasetLoader(folder).load_interactions()


def test_a_table_is_read_once_and_each_answer_is_the_callers_own(folder):
    loader = DatasetLoader(folder)
    first = loader.load_interactions()
    (folder / "interactions.csv").unlink()
    first["weight"] = 0.0
    assert loader.load_interactions()["weight"].tolist() == [0.8, 0.6]
    assert loader.report.n_read == 2


def test_of_two_files_the_one_that_is_read_is_named(folder):
    DatasetLoader(folder).load_interactions().to_parquet(folder / "interactions.parquet")
    loader = DatasetLoader(folder)
    loader.load_interactions()
    assert loader.report.notes == [
        f"{folder / 'interactions.csv'}: is read; interactions.parquet beside it is not."
    ]


def test_a_raw_file_by_its_path_is_told_like_a_folder(tmp_path):
    file = tmp_path / "ratings.csv"
    file.write_text("userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n")
    loader = DatasetLoader(file)
    assert loader.format == "movielens-latest"
    assert loader.load_interactions()["item_id"].tolist() == ["31"]


def test_a_missing_path_makes_no_data(tmp_path):
    with pytest.raises(MissingData, match=r"nowhere: no such file or folder"):
        DatasetLoader(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "movielens").mkdir()
    with pytest.raises(MissingData, match=r"movilens: no such .* Did you mean '.*movielens'\?"):
        DatasetLoader(tmp_path / "movilens")
    with pytest.raises(MissingData, match=r"deep: no such file or folder\. Give the path"):
        DatasetLoader(tmp_path / "nowhere" / "deep")


def test_an_empty_folder_says_what_it_expected(tmp_path):
    with pytest.raises(InvalidData, match=r"holds neither interactions\.csv"):
        DatasetLoader(tmp_path)
    with pytest.raises(MissingData, match="no interactions here"):
        DatasetLoader(tmp_path, "canonical").load_interactions()


def test_an_empty_file_and_a_header_alone_are_errors(folder):
    (folder / "interactions.csv").write_text("\n\n")
    with pytest.raises(InvalidData, match=r"interactions\.csv: is empty"):
        DatasetLoader(folder).load_interactions()
    (folder / "interactions.csv").write_text("")
    with pytest.raises(InvalidData, match=r"interactions\.csv: is empty"):
        DatasetLoader(folder).load_interactions()
    (folder / "interactions.csv").write_text(LOG.splitlines()[0] + "\n")
    with pytest.raises(InvalidData, match="has no rows"):
        DatasetLoader(folder).load_interactions()


def test_a_file_that_is_not_what_its_name_says_is_an_error(tmp_path):
    (tmp_path / "interactions.parquet").write_text(LOG)
    with pytest.raises(InvalidData, match="not readable as Parquet"):
        DatasetLoader(tmp_path).load_interactions()


def test_text_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / "interactions.csv").write_bytes(LOG.encode() + b"Mis\xe9rables,1,2,3\n")
    with pytest.raises(InvalidData, match=r"interactions\.csv: line 4 is not UTF-8 text"):
        DatasetLoader(tmp_path).load_interactions()


def test_unknown_words_are_refused(folder):
    with pytest.raises(InvalidParameter, match="on_bad_rows must be one of 'error', 'drop'"):
        DatasetLoader(folder, on_bad_rows="ignore")
    with pytest.raises(UnknownName, match="Did you mean 'movielens-100k'"):
        DatasetLoader(folder, "movielens100k")


def test_a_broken_archive_is_an_error(tmp_path):
    file = tmp_path / "interactions.csv.gz"
    for content in (b"no archive", gzip.compress(LOG.encode() * 1000)[:-20]):
        file.write_bytes(content)
        with pytest.raises(InvalidData, match=r"interactions\.csv\.gz: cannot be read"):
            DatasetLoader(tmp_path).load_interactions()


def test_a_column_that_stands_twice_is_an_error(tmp_path):
    (tmp_path / "interactions.csv").write_text("user_id,user_id\na,b\n")
    with pytest.raises(InvalidData, match=r"interactions\.csv: the column 'user_id' stands twice"):
        DatasetLoader(tmp_path).load_interactions()


def test_the_matrix_needs_its_columns(folder):
    log = DatasetLoader(folder).load_interactions().drop(columns="weight")
    with pytest.raises(
        InvalidData, match=r"needs the column 'weight'\. Found: user_id, item_id, t"
    ):
        DatasetLoader(folder).create_interaction_matrix(log)


def test_the_matrix_sums_weights_and_orders_digit_ids_as_numbers(folder):
    log = pd.DataFrame(
        {
            "user_id": ["10", "9", "10"],
            "item_id": ["b", "a", "b"],
            "timestamp": [1.0, 2.0, 3.0],
            "weight": [1.0, 2.0, 4.0],
        }
    )
    matrix, user_ids, item_ids = DatasetLoader(folder).create_interaction_matrix(log)
    assert (user_ids, item_ids) == (["9", "10"], ["a", "b"])
    assert matrix.toarray().tolist() == [[2.0, 0.0], [0.0, 5.0]]
