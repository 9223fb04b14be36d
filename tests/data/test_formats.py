"""Each public layout is told and read from its raw files, as its makers write them."""

import gzip
import pickle
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from recloop.data import DatasetLoader
from recloop.data.formats import FORMATS
from recloop.errors import InvalidData, MissingData

ITEM_100K = "|".join(
    ["1", "Toy Story (1995)", "01-Jan-1995", "", "http://x", *"0001110000000000000"]
)
MISERABLES = ITEM_100K.replace("1|Toy Story", "2|Mis\xe9rables, Les")
EVENTS = "timestamp,visitorid,event,itemid,transactionid\n"
DIGINETICA = "session_id;user_id;item_id;timeframe;eventdate\n"
KUAIREC = "user_id,video_id,timestamp,watch_ratio\n"
KUAIRAND = "user_id,video_id,date,hourmin,time_ms,is_click,is_rand\n"

FOLDERS: dict[str, dict[str, str | bytes]] = {
    "movielens-100k": {
        "u.data": "196\t242\t3\t881250949\n186\t302\t4\t891717742\n",
        "u.item": f"{ITEM_100K}\n{MISERABLES}\n".encode("latin-1"),
        "u.user": "1|24|M|technician|05711\n",
        "u.genre": "\n".join(f"genre{n}|{n}" for n in range(19)) + "\n\n",
    },
    "movielens-1m": {
        "ratings.dat": "1::1193::5::978300760\n",
        "movies.dat": "1::Toy: Story (1995)::Animation|Comedy\n".encode("latin-1"),
        "users.dat": "1::F::1::10::48067\n",
    },
    "movielens-latest": {
        "ratings.csv": "userId,movieId,rating,timestamp\r\n1,31,2.5,1260759144\r\n",
        "movies.csv": 'movieId,title,genres\n1,"American President, The (1995)",Comedy|Drama\n'
        "2,X,(no genres listed)\n",
    },
    "recbole": {
        "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t4\n",
        "x.item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\n2\tToy\tA B\n",
    },
    "open-bandit": {
        "all.csv": ",timestamp,item_id,position,click,propensity_score,user_feature_0,"
        "user_feature_1,user_feature_2,user_feature_3,user-item_affinity_0\n"
        "0,2019-11-24 00:00:34.762830+00:00,14,3,1,0.0125,a,b,c,d,0.0\n",
        "item_context.csv": ",item_id,item_feature_0,item_feature_1\n0,14,-0.5,q\n",
    },
    "kuairec": {
        "small_matrix.csv": "user_id,video_id,play_duration,video_duration,time,date,timestamp,"
        "watch_ratio\n14,148,4381,6067,t,d,1593898000.5,0.72\n14,183,11635,6100,,,,1.9\n",
        "item_categories.csv": 'video_id,feat\n148,"[27, 9]"\n',
    },
    "kuairand": {
        "log_standard_4_08_to_4_21_pure.csv": KUAIRAND + "0,10,d,h,1650000000500,1,0\n",
        "log_random_4_22_to_5_08_pure.csv": KUAIRAND + "0,11,d,h,1650000001500,0,1\n",
    },
    "retailrocket": {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433221332118,257597,transaction,355908,4\n",
    },
    "amazon-2014": {"ratings_Beauty.csv": "A39HTATAQ9V7YF,0205616461,5.0,1369699200\n"},
    "amazon-2018": {"All_Beauty.csv": "0143026860,A1V6B6TNIC10QE,1.0,1424304000\n"},
    "amazon-2023": {
        "Beauty.csv": "user_id,parent_asin,rating,timestamp\nAGKH,B07GJ,4.0,1433221332117\n"
    },
    "amazon-reviews": {
        "reviews_Beauty_5.json": '{"reviewerID": "A1", "asin": "7806397051", "overall": 1.0, '
        '"unixReviewTime": 1391040000}\n',
        "meta_Beauty.json": "{'asin': '7806397051', 'title': \"It's\", 'price': 3.5}\n",
    },
    "diginetica": {
        "train-item-views.csv": "session_id;user_id;item_id;timeframe;eventdate\n"
        "1;NA;81766;526309;2016-05-09\n",
    },
    "yoochoose": {"yoochoose-clicks.dat": "1,2014-04-07T10:51:09.277Z,214536502,0\n"},
    "steam": {
        "steam-200k.csv": '1,"Game, A",purchase,1.0,0\n1,"Game, A",play,273.0,0\n2,B,purchase,1,0\n'
    },
    "hetrec-lastfm": {
        "user_artists.dat": "userID\tartistID\tweight\n2\t51\t13883\n",
        "artists.dat": "id\tname\turl\tpictureURL\n51\tDuran Duran\tu\tp\n",
    },
    "goodbooks": {
        "ratings.csv": "user_id,book_id,rating\n1,258,5\n",
        "books.csv": 'book_id,title,authors\n258,T,"J.K. Rowling, Mary GrandPré"\n',
    },
    "mind": {
        "behaviors.tsv": "1\tU13740\t11/15/2019 8:55:22 AM\tN1 N2\tN55689-1 N35729-0\n",
        "news.tsv": "N55689\tsports\tgolf\tThe title\tabs\turl\t[]\t[]\n",
    },
    "coat": {"train.ascii": "0 3 0 \n5 0 1\n"},
    "jester": {"jester-data-1.csv": "2," + "99," * 97 + "-7.82,99,8.5\n"},
    "msweb": {
        "anonymous-msweb.data": 'A,1287,1,"International, AutoRoute","/autoroute"\n'
        'C,"10001",10001\nV,1000,1\n',
        "anonymous-msweb.test": 'C,"10001",10001\nV,1001,1\n',
    },
    "rl4rs": {
        "item_info.csv": "item_id item_vec price location special_item\n",
        "rl4rs_dataset_a_sl.csv": "timestamp@session_id@exposed_items@user_feedback\n"
        "1600000000@5@7,8@1,0\n",
    },
    "sequence": {"beauty.txt": "1 6393\n1 5\n"},
    "lightgcn": {"train.txt": "0 7580 3730\n", "test.txt": "0 11\n", "user_list.txt": "a b\n"},
    "rechorus": {
        "train.csv": "user_id\titem_id\ttime\n1\t2\t3\n",
        "dev.csv": "user_id\titem_id\ttime\tneg_items\n1\t4\t5\t[1, 2]\n",
    },
}

FIRST = {
    "movielens-100k": ("196", "242", 881250949.0, 3.0),
    "movielens-1m": ("1", "1193", 978300760.0, 5.0),
    "movielens-latest": ("1", "31", 1260759144.0, 2.5),
    "recbole": ("1", "2", 4.0, 3.0),
    "open-bandit": ("a|b|c|d", "14", 1574553634.76283, 1.0),
    "kuairec": ("14", "148", 1593898000.5, 0.72),
    "kuairand": ("0", "11", 1650000001.5, 0.0),
    "retailrocket": ("257597", "355908", 1433221332.117, 1.0),
    "amazon-2014": ("A39HTATAQ9V7YF", "0205616461", 1369699200.0, 5.0),
    "amazon-2018": ("A1V6B6TNIC10QE", "0143026860", 1424304000.0, 1.0),
    "amazon-2023": ("AGKH", "B07GJ", 1433221332.117, 4.0),
    "jester": ("0", "97", 0.0, -7.82),
    "amazon-reviews": ("A1", "7806397051", 1391040000.0, 1.0),
    "diginetica": ("1", "81766", 1462752526.309, 1.0),
    "yoochoose": ("1", "214536502", 1396867869.277, 1.0),
    "steam": ("1", "Game, A", 0.0, 273.0),
    "hetrec-lastfm": ("2", "51", 0.0, 13883.0),
    "goodbooks": ("1", "258", 0.0, 5.0),
    "mind": ("U13740", "N55689", 1573808122.0, 1.0),
    "coat": ("0", "1", 0.0, 3.0),
    "msweb": ("10001", "1000", 0.0, 1.0),
    "rl4rs": ("5", "7", 1600000000.0, 1.0),
    "sequence": ("1", "6393", 0.0, 1.0),
    "lightgcn": ("0", "7580", 0.0, 1.0),
    "rechorus": ("1", "2", 3.0, 1.0),
}
N_ROWS = {
    "amazon-2014": 1,
    "amazon-2018": 1,
    "amazon-2023": 1,
    "amazon-reviews": 1,
    "diginetica": 1,
    "goodbooks": 1,
    "hetrec-lastfm": 1,
    "movielens-1m": 1,
    "movielens-latest": 1,
    "open-bandit": 1,
    "recbole": 1,
    "yoochoose": 1,
    "coat": 3,
    "lightgcn": 3,
}


def write(folder: Path, files: dict[str, str | bytes], *, zipped: bool = False) -> Path:
    for name, text in files.items():
        content = text.encode() if isinstance(text, str) else text
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


def test_every_layout_of_the_table_is_tested():
    assert set(FOLDERS) == set(FORMATS) == set(FIRST)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_a_layout_is_told_and_read(name, zipped, tmp_path):
    loader = DatasetLoader(write(tmp_path, FOLDERS[name], zipped=zipped))
    assert loader.format == name
    frame = loader.load_interactions()
    first = frame.iloc[0]
    found = (first["user_id"], first["item_id"], first["timestamp"], first["weight"])
    assert found[:2] == FIRST[name][:2]
    assert found[2:] == pytest.approx(FIRST[name][2:], abs=1e-5)
    assert len(frame) == N_ROWS.get(name, 2)
    for table in (loader.load_items(), loader.load_users()):
        assert table is None or len(table)


def test_titles_keep_their_accents_and_zips_their_zeros(tmp_path):
    loader = DatasetLoader(write(tmp_path, FOLDERS["movielens-100k"]))
    items, users = loader.load_items(), loader.load_users()
    assert items["title"].tolist() == ["Toy Story (1995)", "Misérables, Les (1995)"]
    assert items["category"].tolist() == ["genre3|genre4|genre5"] * 2
    assert users["zip_code"].tolist() == ["05711"]


def test_details_of_other_layouts(tmp_path):
    def loaded(name: str) -> DatasetLoader:
        (tmp_path / name).mkdir()
        return DatasetLoader(write(tmp_path / name, FOLDERS[name]))

    assert loaded("movielens-1m").load_items()["title"].tolist() == ["Toy: Story (1995)"]
    assert loaded("movielens-latest").load_items()["category"].tolist() == ["Comedy|Drama", ""]
    assert loaded("recbole").load_items()["category"].tolist() == ["A|B"]
    bandit = loaded("open-bandit").load_interactions()
    assert (bandit["position"][0], bandit["propensity"][0]) == (3, "0.0125")
    kuairec = loaded("kuairec")
    assert kuairec.load_interactions()["timestamp"].tolist() == [1593898000.5, 1593898000.5]
    assert kuairec.load_items()["category"].tolist() == ["27|9"]
    assert "1 rows without a time" in kuairec.report.notes[0]
    assert loaded("retailrocket").load_interactions()["weight"].tolist() == [1.0, 3.0]
    assert loaded("amazon-reviews").load_items()["title"].tolist() == ["It's"]
    assert loaded("steam").load_interactions()["weight"].tolist() == [273.0, 0.0]
    assert loaded("mind").load_interactions()["weight"].tolist() == [1.0, 0.0]
    assert loaded("goodbooks").load_items()["authors"].tolist() == ["J.K. Rowling, Mary GrandPré"]
    web = loaded("msweb")
    assert web.load_interactions()["user_id"].tolist() == ["10001", "test-10001"]
    assert web.load_items()["title"].tolist() == ["International, AutoRoute"]
    assert loaded("lightgcn").load_interactions()["timestamp"].tolist() == [0.0, 1.0, 2.0]
    assert loaded("kuairand").load_interactions()["is_rand"].tolist() == ["1", "0"]


def test_amazon_asks_which_column_is_the_item_when_the_ids_do_not_tell(tmp_path):
    file = tmp_path / "ratings_X.csv"
    file.write_text("first,second,5.0,1369699200\n")
    with pytest.raises(InvalidData) as caught:
        DatasetLoader(tmp_path)
    assert "could be amazon-2014 (user, item, rating, seconds; no header); amazon-2018 (item," in (
        str(caught.value)
    )
    assert "Say which: format='amazon-2014'" in str(caught.value)
    for year, item in (("2014", "second"), ("2018", "first")):
        frame = DatasetLoader(tmp_path, f"amazon-{year}").load_interactions()
        assert frame["item_id"].tolist() == [item]


def test_amazon_judges_by_more_than_the_first_line(tmp_path):
    # a user's id of ten characters looks like an item's in the first line alone
    text = "B0USER0001,B00005N7QH,5.0,1369699200\nA39HTATAQ9V7YF,B00005N7QH,4.0,1369699200\n"
    (tmp_path / "ratings_X.csv").write_text(text)
    loader = DatasetLoader(tmp_path)
    assert loader.format == "amazon-2014"
    assert loader.load_interactions()["item_id"].tolist() == ["B00005N7QH"] * 2


def test_amazon_products_say_title_categories_and_price(tmp_path):
    (tmp_path / "Beauty.jsonl").write_text(
        '{"rating": 4.0, "user_id": "AG", "parent_asin": "B1", "asin": "B2", '
        '"timestamp": 1588687728923}\n\n'
    )
    (tmp_path / "meta_Beauty.jsonl").write_text(
        '{"parent_asin": "B1", "title": "T", "categories": ["A|B", "C"], "price": null}\n'
        '{"asin": "B3", "category": [["D"], ["D", "E"]], "price": "$1,014.99"}\n'
        '{"asin": "B3", "price": "1"}\n'
        '{"asin": "B4", "price": "$1 - $2"}\n'
    )
    loader = DatasetLoader(tmp_path)
    log = loader.load_interactions()
    assert (log["item_id"][0], log["timestamp"][0]) == ("B2", 1588687728.923)
    items = loader.load_items()
    assert items["item_id"].tolist() == ["B1", "B3", "B4"]
    assert items["category"].tolist() == ["A/B|C", "D|E", ""]
    assert items["price"].fillna(-1).tolist() == [-1, 1014.99, -1]
    assert any("1 products stand there again" in note for note in loader.report.notes)


def test_of_several_files_that_could_be_meant_one_must_be_named(tmp_path):
    for name in ("ratings_A.csv", "ratings_B.csv"):
        (tmp_path / name).write_text("A39HTATAQ9V7YF,0205616461,5.0,1369699200\n")
    with pytest.raises(InvalidData, match=r"holds several such files \(ratings_A\.csv, ratings_B"):
        DatasetLoader(tmp_path).load_interactions()
    assert len(DatasetLoader(tmp_path / "ratings_A.csv").load_interactions()) == 1


def test_a_plain_file_hides_its_gzipped_twin(tmp_path):
    write(tmp_path, FOLDERS["kuairand"])
    write(tmp_path, FOLDERS["kuairand"], zipped=True)
    assert len(DatasetLoader(tmp_path).load_interactions()) == 2


def test_a_re_packed_steam_set_is_read(tmp_path):
    (tmp_path / "steam.txt").write_text("User_ID\tGame_ID\tHours\n1\t7\t2.5\n")
    frame = DatasetLoader(tmp_path).load_interactions()
    assert frame[["user_id", "item_id", "weight"]].iloc[0].tolist() == ["1", "7", 2.5]


def test_recbole_sets_with_other_column_names_are_read(tmp_path):
    (tmp_path / "x.inter").write_text("user_id:token\tartist_id:token\n1\t2\n")
    (tmp_path / "x.item").write_text("artist_id:token\tname:token_seq\n2\tN\n")
    (tmp_path / "x.user").write_text("user_id:token\tage:float\n1\t20\n")
    loader = DatasetLoader(tmp_path)
    assert loader.load_interactions()["weight"].tolist() == [1.0]
    assert "carries no time" in loader.report.notes[0]
    assert loader.load_items()["item_id"].tolist() == ["2"]
    assert loader.load_users()["age"].tolist() == [20.0]


def test_a_folder_above_or_of_another_kind_gets_a_hint(tmp_path):
    inner = tmp_path / "a" / "ml-100k"
    inner.mkdir(parents=True)
    write(inner, FOLDERS["movielens-100k"])
    with pytest.raises(InvalidData, match=r"Did you mean '.*a/ml-100k'\? Known: amazon-2014"):
        DatasetLoader(tmp_path)
    (tmp_path / "a" / "train.txt").write_bytes(pickle.dumps([[1]]))
    with pytest.raises(
        InvalidData, match=r"'train\.txt' is a Python pickle, which is never opened"
    ):
        DatasetLoader(tmp_path / "a")
    with pytest.raises(InvalidData, match="is a Python pickle"):
        DatasetLoader(tmp_path / "a" / "train.txt")
    (tmp_path / "a" / "jester-data-1.xls").write_bytes(b"\xd0\xcf")
    with pytest.raises(
        InvalidData, match=r"'jester-data-1\.xls' is an Excel sheet: save it as CSV"
    ):
        DatasetLoader(tmp_path / "a")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_layout_named_for_an_empty_folder_says_what_is_missing(name, tmp_path):
    with pytest.raises(MissingData, match=r"needs|: no "):
        DatasetLoader(tmp_path, name).load_interactions()


def test_a_folder_that_could_be_two_sets_asks_which(tmp_path):
    write(tmp_path, FOLDERS["yoochoose"] | FOLDERS["diginetica"])
    with pytest.raises(InvalidData, match=r"could be diginetica \(A session.*\); yoochoose \(A s"):
        DatasetLoader(tmp_path)
    assert DatasetLoader(tmp_path, "yoochoose").load_interactions()["user_id"].tolist() == ["1"]


def test_a_named_layout_whose_file_is_missing_says_which(tmp_path):
    with pytest.raises(MissingData, match=r"needs the file 'u\.data'"):
        DatasetLoader(tmp_path, "movielens-100k").load_interactions()


BAD = {
    "movielens-100k": ("u.data", "1\t2\t3\t4\n\n196\t242\tx\t8\n", "row 2 (line 3)", "weight", "x"),
    "movielens-1m": ("ratings.dat", "1::2::x::4\n", "row 1 (line 1)", "weight", "x"),
    "movielens-latest": (
        "ratings.csv",
        "userId,movieId,rating,timestamp\n1,2,3,4\n1,2,3,\n",
        "row 2 (line 3)",
        "timestamp",
        "",
    ),
    "retailrocket": ("events.csv", EVENTS + "1,2,buy,3,\n", "row 1 (line 2)", "weight", "buy"),
    "kuairand": ("log_random_x.csv", KUAIRAND + "0,1,d,h,soon,1,0\n", "row 1 (line 2)",
                 "timestamp", "soon"),
    "kuairec": ("big_matrix.csv", KUAIREC + "1,2,d,1\n", "row 1 (line 2)", "timestamp", "d"),
    "yoochoose": ("yoochoose-clicks.dat", "1,noon,2,0\n", "row 1 (line 1)", "timestamp", "noon"),
    "diginetica": (
        "train-item-views.csv",
        DIGINETICA + "1;NA;2;late;2016-05-09\n",
        "row 1 (line 2)",
        "timestamp",
        "2016-05-09 + late",
    ),
    "mind": ("behaviors.tsv", "1\tU1\tnow\t\tN1-1 N2-0\n", "row 1 (line 1)", "timestamp", "now"),
    "amazon-2014": ("r.csv", "A39HTATAQ9V7YF,0205616461,5.0,1\nA3,02,x,1\n", "row 2 (line 2)",
                    "weight", "x"),
    "rechorus": ("train.csv", "user_id\titem_id\ttime\n1\t\t3\n", "row 1 (line 2)", "item_id", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_value_is_named_by_file_line_column_and_value_or_dropped(name, tmp_path):
    file, text, place, column, value = BAD[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidData) as caught:
        DatasetLoader(tmp_path, name).load_interactions()
    assert str(caught.value).startswith(f"{tmp_path / file}: {place}, column '{column}': must be ")
    assert f"got {value!r}." in str(caught.value)
    loader = DatasetLoader(tmp_path, name, on_bad_rows="drop")
    with suppress(InvalidData):  # where the bad row was the only one
        loader.load_interactions()
    assert loader.report.n_dropped == (2 if name == "mind" else 1)


def test_a_bad_row_in_the_second_of_several_files_is_named_by_its_file(tmp_path):
    write(tmp_path, FOLDERS["kuairand"])
    bad = KUAIRAND + "0,10,d,h,1,1,0\n0,10,d,h,1,often,0\n"
    (tmp_path / "log_standard_4_08_to_4_21_pure.csv").write_text(bad)
    with pytest.raises(InvalidData, match=r"log_standard_.*: row 2 \(line 3\).*got 'often'"):
        DatasetLoader(tmp_path).load_interactions()


@pytest.mark.parametrize(
    ("name", "file", "text", "said"),
    [
        (
            "coat",
            "train.ascii",
            "0 1\n\n0\n",
            r"train\.ascii: line 3 has 1 numbers, the first line 2",
        ),
        ("coat", "train.ascii", "0 x\n", r"train\.ascii: line 1 holds no number"),
        ("amazon-reviews", "x.json", '{"reviewerID": "A"\n', r"x\.json: line 1 is not an object"),
        ("amazon-reviews", "x.json", '\n["reviewerID"]\n', "line 2 is not an object, got"),
        ("steam", "steam-200k.csv", "1,A,gift,1,0\n", r"row 1 \(line 1\): must be 'purchase' or"),
        ("lightgcn", "train.txt", "0 1\n1 2 x\n", r"train\.txt: line 2: must be item numbers, got"),
        ("recbole", "x.inter", "user_id:token\n1\n", "needs two columns of type token"),
        ("open-bandit", "all.csv", "propensity_score\n1\n", "needs the column 'timestamp'"),
    ],
)
def test_a_broken_raw_file_is_named(name, file, text, said, tmp_path):
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidData, match=said):
        DatasetLoader(tmp_path, name).load_interactions()


@pytest.mark.real
def test_real_sets_are_read_as_they_came(real_data):
    movielens = DatasetLoader(real_data / "ml-100k" / "raw")
    log = movielens.load_interactions()
    assert (len(log), log["user_id"].nunique(), log["item_id"].nunique()) == (100_000, 943, 1682)
    assert log["weight"].value_counts().to_dict() == {
        4: 34174,
        3: 27145,
        5: 21201,
        2: 11370,
        1: 6110,
    }
    titles = movielens.load_items().set_index("item_id")["title"]
    assert titles["543"].startswith("Mis\xe9rables")
    bandit = DatasetLoader(real_data / "obd" / "random" / "all")
    assert (bandit.format, len(bandit.load_interactions())) == ("open-bandit", 10_000)
    coat = DatasetLoader(real_data / "coat" / "raw")
    assert (len(coat.load_interactions()), len(coat.load_items())) == (6960, 300)
    web = DatasetLoader(real_data / "msweb").load_interactions()
    assert (len(web), web["user_id"].nunique(), web["item_id"].nunique()) == (98_654, 32_711, 285)
    jokes = DatasetLoader(real_data / "jester5k").load_interactions()
    assert (len(jokes), jokes["weight"].min(), jokes["weight"].max()) == (363_209, -9.95, 9.9)
    sessions = DatasetLoader(real_data / "diginetica" / "raw_sample")
    assert len(sessions.load_interactions()) == 12_391


@pytest.mark.real
@pytest.mark.parametrize(
    ("campaign", "n_items", "value"), [("all", 80, 0.002360), ("men", 34, 0.003009)]
)
def test_the_bandit_log_gives_the_known_value_of_the_uniform_policy(
    real_data, campaign, n_items, value
):
    log = DatasetLoader(real_data / "obd" / "bts" / campaign).load_interactions()
    weights = 1 / n_items / log["propensity"].astype(float)
    assert log["item_id"].nunique() == n_items
    assert (weights * log["weight"]).mean() == pytest.approx(value, abs=5e-7)
    assert set(log["position"]) == {1, 2, 3}
    assert log["timestamp"].is_monotonic_increasing


@pytest.mark.real
def test_the_canonical_copy_of_movielens_says_what_the_raw_files_say(real_data):
    raw = DatasetLoader(real_data / "ml-100k" / "raw")
    copy = DatasetLoader(real_data / "ml-100k")
    assert copy.format == "canonical"
    columns = ["user_id", "item_id", "timestamp", "weight"]
    pd.testing.assert_frame_equal(
        raw.load_interactions()[columns], copy.load_interactions()[columns]
    )
    assert raw.load_items()["title"].tolist() == copy.load_items()["title"].tolist()
    assert raw.load_users()["zip_code"].tolist() == copy.load_users()["zip_code"].tolist()


@pytest.mark.real
@pytest.mark.parametrize(
    ("method", "positives", "n_train", "n_items", "n_users"),
    [
        ("temporal", "all", 80_000, 1616, (107, 301)),
        ("leave_last", "all", 99_057, 1679, (940, 943)),
        ("temporal", ">=4", 44_300, 1376, (90, 280)),
        ("leave_last", ">=4", 54_433, 1432, (927, 942)),
        ("random", "all", 80_367, None, (943, 943)),
    ],
)
def test_the_reference_splits_of_movielens_are_met(
    real_data, method, positives, n_train, n_items, n_users
):
    from recloop.data.splitting import keep_positives, split

    log = DatasetLoader(real_data / "ml-100k" / "raw").load_interactions()
    cut = split(keep_positives(log, positives), method, val_ratio=0)
    assert cut.report["n_train"] == n_train
    assert n_items is None or cut.train["item_id"].nunique() == n_items
    assert cut.report["n_test_users_counted"] == n_users[0]
    if method != "leave_last":
        assert cut.report["n_test_users"] == n_users[1]


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_layouts_of_things_shown_say_that_only_some_rows_are_choices(tmp_path, name):
    write(tmp_path, FOLDERS[name])
    shown = {"kuairand", "mind", "open-bandit", "rl4rs"}
    assert DatasetLoader(tmp_path, name).positives == (">0" if name in shown else "all")


@pytest.mark.real
def test_nearly_all_rows_of_the_real_bandit_log_are_no_choices(real_data):
    from recloop.data.describe import describe

    found = describe(real_data / "obd" / "random" / "men")
    assert found["positives"] == ">0"
    assert 0 < found["n_positives"] < 0.01 * found["n_interactions"]
