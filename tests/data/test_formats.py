"""Each public layout is told and read from its raw files, as its makers write them."""

import gzip
from pathlib import Path

import pytest

from recloop.data import DatasetLoader
from recloop.data.formats import FORMATS
from recloop.errors import InvalidData, MissingData

ITEM_100K = "|".join(
    ["1", "Toy Story (1995)", "01-Jan-1995", "", "http://x", *"0001110000000000000"]
)
MISERABLES = ITEM_100K.replace("1|Toy Story", "2|Mis\xe9rables, Les")
EVENTS = "timestamp,visitorid,event,itemid,transactionid\n"
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
    "amazon-csv": {"ratings_Beauty.csv": "A39HTATAQ9V7YF,0205616461,5.0,1369699200\n"},
    "amazon-json": {
        "Beauty_5.json": '{"reviewerID": "A1", "asin": "7806397051", "overall": 1.0, '
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
    "amazon-csv": ("A39HTATAQ9V7YF", "0205616461", 1369699200.0, 5.0),
    "amazon-json": ("A1", "7806397051", 1391040000.0, 1.0),
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
    "amazon-csv": 1,
    "amazon-json": 1,
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
    assert (bandit["position"][0], bandit["propensity"][0]) == ("3", "0.0125")
    kuairec = loaded("kuairec")
    assert kuairec.load_interactions()["timestamp"].tolist() == [1593898000.5, 1593898000.5]
    assert kuairec.load_items()["category"].tolist() == ["27|9"]
    assert "1 rows without a time" in kuairec.report.notes[0]
    assert loaded("retailrocket").load_interactions()["weight"].tolist() == [1.0, 3.0]
    assert loaded("amazon-json").load_items()["title"].tolist() == ["It's"]
    assert loaded("steam").load_interactions()["weight"].tolist() == [273.0, 0.0]
    assert loaded("mind").load_interactions()["weight"].tolist() == [1.0, 0.0]
    assert loaded("goodbooks").load_items()["authors"].tolist() == ["J.K. Rowling, Mary GrandPré"]
    web = loaded("msweb")
    assert web.load_interactions()["user_id"].tolist() == ["10001", "test-10001"]
    assert web.load_items()["title"].tolist() == ["International, AutoRoute"]
    assert loaded("lightgcn").load_interactions()["timestamp"].tolist() == [0.0, 1.0, 2.0]
    assert loaded("kuairand").load_interactions()["is_rand"].tolist() == ["1", "0"]


def test_amazon_tells_user_from_item_or_asks(tmp_path):
    file = tmp_path / "ratings_X.csv"
    file.write_text("B00005N7QH,A39HTATAQ9V7YF,5.0,1369699200\n")
    assert DatasetLoader(tmp_path).load_interactions()["item_id"].tolist() == ["B00005N7QH"]
    file.write_text("user_id,parent_asin,rating,timestamp\nA1,B01,4.0,1433221332117\n")
    assert DatasetLoader(tmp_path).load_interactions()["timestamp"][0] == 1433221332.117
    file.write_text("first,second,5.0,1369699200\n")
    with pytest.raises(InvalidData, match="cannot tell whether user or item stands first"):
        DatasetLoader(tmp_path).load_interactions()


def test_a_folder_that_could_be_two_sets_asks_which(tmp_path):
    write(tmp_path, FOLDERS["yoochoose"] | FOLDERS["diginetica"])
    with pytest.raises(InvalidData, match="could be diginetica or yoochoose"):
        DatasetLoader(tmp_path)
    assert DatasetLoader(tmp_path, "yoochoose").load_interactions()["user_id"].tolist() == ["1"]


def test_a_named_layout_whose_file_is_missing_says_which(tmp_path):
    with pytest.raises(MissingData, match=r"needs the file 'u\.data'"):
        DatasetLoader(tmp_path, "movielens-100k").load_interactions()


@pytest.mark.parametrize(
    ("name", "file", "text", "said"),
    [
        ("movielens-100k", "u.data", "196\t242\tx\t881250949\n", "column 'weight'.*got 'x'"),
        ("retailrocket", "events.csv", EVENTS + "1,2,buy,3,\n", "unknown event 'buy'"),
        ("coat", "train.ascii", "0 1\n0\n", "rows have different lengths"),
        ("coat", "train.ascii", "0 x\n", "not a number"),
        ("yoochoose", "yoochoose-clicks.dat", "1,noon,2,0\n", "a date that cannot be read"),
        ("amazon-json", "x.json", '{"reviewerID": "A"\n', "line 1 is not an object"),
    ],
)
def test_a_broken_raw_file_is_named(name, file, text, said, tmp_path):
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidData, match=said):
        DatasetLoader(tmp_path).load_interactions()


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
    sessions = DatasetLoader(real_data / "diginetica" / "raw_sample")
    assert len(sessions.load_interactions()) == 12_391


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
