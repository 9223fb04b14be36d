"""Public layouts to the last column, word and note, where `test_formats` looks at the first row."""

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recloop.data import DatasetLoader
from recloop.data.formats import FORMATS, detect
from recloop.errors import InvalidData, MissingData, UnknownName

RAW: dict[str, dict[str, str | bytes]] = {
    "movielens-100k": {
        "u.data": "196\t242\t3\t881250949\n",
        "u.item": "7|Caf\xe9 (1995)|01-Jan-1995|v|u|1|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|1\n".encode(
            "latin-1"
        ),
        "u.user": "1|24|M|gar\xe7on|05711\n".encode("latin-1"),
    },
    "movielens-1m": {
        "ratings.dat": "1::1193::5::978300760\n",
        "movies.dat": "1193::Caf\xe9::A|B\n".encode("latin-1"),
        "users.dat": "".join(
            f"{n}::F::{age}::10::0{n}\n"
            for n, age in enumerate(["1", "18", "25", "35", "45", "50", "56", "99"])
        ),
    },
    "movielens-latest": {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,31,2.5,12\n",
        "movies.csv": "movieId,title,genres\n31,T,A|B\n32,U,(no genres listed)\n",
    },
    "recbole": {
        "x.inter": "u:token\ti:token\tlabel:float\tclick:float\ttimestamp:float\n1\t2\t3\t9\t4\n",
        "x.item": "i:token\tmovie_title:token_seq\tgenres:token_seq\tkind:x:y\n2\tT\tA B\tk\n",
        "x.user": "u:token\tcity:token\n1\tRome\n",
    },
    "recbole/category": {
        "x.inter": "u:token\ti:token\n1\t2\n1\t3\n",
        "x.item": "i:token\tcategory:token_seq\n2\tA B\n",
    },
    "open-bandit": {
        "men.csv": ",timestamp,item_id,position,click,propensity_score,user_feature_0,"
        "user_feature_1,user_feature_2,user_feature_3,other\n"
        "0,2019-11-24 00:00:34.5+00:00,14,3,1,0.0125,a,b,c,d,0.0\n"
        "1,2019-11-24 00:00:35+00:00,9,1,0,0.5,a,b,c,e,0.0\n",
        "item_context.csv": ",item_id,item_feature_0,item_feature_1,item_feature_2\n"
        "0,14,-0.5,q,r\n1,9,odd,q,s\n",
    },
    "kuairec": {
        "big_matrix.csv": "user_id,video_id,play_duration,timestamp,watch_ratio\n"
        "14,149,1,,0.5\n14,148,1,99.5,0.75\n14,150,1,,1.25\n",
        "small_matrix.csv": "user_id,video_id,timestamp,watch_ratio\n1,1,1,1\n",
        "item_categories.csv": 'video_id,feat\n148,"[27, 9]"\n',
    },
    "kuairand": {
        "log_standard_1.csv": "user_id,video_id,date,time_ms,is_click,is_rand\n0,10,d,2500,1,0\n",
        "log_random_1.csv": "user_id,video_id,date,time_ms,is_click,is_rand\n0,11,d,1500,0,1\n",
    },
    "retailrocket": {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n"
        "1500,2,view,3,\n2500,2,addtocart,3,\n3500,2,transaction,3,4\n",
    },
    "amazon-reviews": {
        "x.jsonl": '{"user_id": "A", "parent_asin": "P", "rating": 4, "timestamp": 5}\n'
        "\n{'reviewerID': 'B', 'asin': 'Q', 'overall': 3, 'unixReviewTime': 6}\n",
        "META_x.json": '{"asin": "P", "title": "T", "categories": ["A", ["B"], "A"], '
        '"price": "$1,200.5"}\n{"asin": "Q", "category": "C|D", "price": "1.2.3"}\n',
    },
    "amazon-2014": {"r.csv": "A39HTATAQ9V7YF,0205616461,5.0,1369699200\n"},
    "amazon-2018": {"r.csv": "B000000001,A1V6B6TNIC10QE,1.0,1424304000\n"},
    "amazon-2023": {"r.csv": "user_id,parent_asin,rating,timestamp\nA,P,4.0,1433221332117\n"},
    "diginetica": {
        "train-item-views.csv": "session_id;user_id;item_id;timeframe;eventdate\n"
        "1;NA;8;1500;1970-01-02\n",
    },
    "yoochoose": {"yoochoose-clicks.dat": "1,1970-01-02T00:00:01.250Z,21,0\n"},
    "steam": {
        "steam-200k.csv": "1,G,purchase,1.0,0\n1,G,play,2.5,0\n1,G,play,0.5,0\n2,H,purchase,1,0\n"
    },
    "steam/packed": {"my_steam_set.txt": "User_ID\tGame_ID\tHours\n1\t7\t2.5\n"},
    "hetrec-lastfm": {
        "user_artists.dat": "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t1\n",
        "artists.dat": 'id\tname\turl\tpictureURL\n51\tThe "Duran\tu\tp\n',
    },
    "goodbooks": {
        "ratings.csv": "user_id,book_id,rating\n1,258,5\n",
        "books.csv": "id,book_id,title,authors,isbn\n0,258,T,A,i\n",
    },
    "mind": {
        "behaviors.tsv": '1\tU"1\t1/2/1970 12:00:01 AM\tN1 N2\tN-5-1 N6-0\n'
        "2\tU2\t1/2/1970 1:00:00 PM\t\tN7-1\n",
        "news.tsv": 'N-5\tsports\tgolf\tThe "title\tabs\turl\t[]\t[]\n',
    },
    "coat": {
        "train.ascii": "0 3 0\n5 0 1\n",
        "user_item_features/user_features.ascii": "1 0 1\n0 1 0\n",
        "user_item_features/user_features_map.txt": "gender:men\ngender:women\nage:20: 30\n\n",
        "user_item_features/item_features.ascii": "1 1 0\n0 1 1\n1 0 0\n",
        "user_item_features/item_features_map.txt": "jackettype:bomber\njackettype:down\n"
        " colour:red \n",
    },
    "jester": {
        "jester-2.csv": "9," + "99," * 98 + "1.5,99\n",
        "Jester-1.csv": "2," + "99," * 97 + "-7.82,99,8.5\n",
    },
    "msweb": {
        "anonymous-msweb.data": 'A,1,1,"Int, Auto","/auto"\nC,"7",7\nV,1,1\nI,0\nV,2,1\n',
        "anonymous-msweb.test": 'A,3,1,"Caf\xe9","/cafe/"\nC,"7",7\nV,3,1\n'.encode("latin-1"),
    },
    "rl4rs": {
        "item_info.csv": "item_id item_vec\n",
        "rl4rs_a.csv": "timestamp@session_id@exposed_items@user_feedback@x\n16@5@7,8@1,0@z\n",
    },
    "rl4rs/commas": {
        "item_info.csv": "item_id item_vec\n",
        "rl4rs_b.csv": 'timestamp,session_id,exposed_items,user_feedback\n16,5,"7,8","1,0"\n',
    },
    "sequence": {"beauty.txt": "1 63\n1 5\n", "README.txt": "words\n"},
    "lightgcn": {"train.txt": "0 7 3\n5\n2\n", "test.txt": "0  11\n"},
    "rechorus": {
        "train.csv": "user_id\titem_id\ttime\n1\t2\t3\n",
        "dev.csv": "user_id\titem_id\ttime\tneg_items\n1\t4\t5\t[1]\n",
        "test.csv": "user_id\titem_id\ttime\tneg_items\n1\t6\t7\t[1]\n",
    },
}


WANTED: dict[str, tuple[Any, Any, Any, list[str]]] = {
    "movielens-100k": (
        [["user_id", "item_id", "weight", "timestamp"], ["196", "242", 3.0, 881250949.0]],
        [
            ["item_id", "title", "category", "release_date"],
            ["7", "Café (1995)", "genre 0|genre 3|genre 18", "01-Jan-1995"],
        ],
        [
            ["user_id", "age", "gender", "occupation", "zip_code"],
            ["1", 24.0, "M", "garçon", "05711"],
        ],
        [],
    ),
    "movielens-1m": (
        [["user_id", "item_id", "weight", "timestamp"], ["1", "1193", 5.0, 978300760.0]],
        [["item_id", "title", "category"], ["1193", "Café", "A|B"]],
        [
            ["user_id", "gender", "age_group", "occupation", "zip_code"],
            ["0", "F", "under 18", "10", "00"],
            ["1", "F", "18-24", "10", "01"],
            ["2", "F", "25-34", "10", "02"],
            ["3", "F", "35-44", "10", "03"],
            ["4", "F", "45-49", "10", "04"],
            ["5", "F", "50-55", "10", "05"],
            ["6", "F", "56+", "10", "06"],
            ["7", "F", "99", "10", "07"],
        ],
        [],
    ),
    "movielens-latest": (
        [["user_id", "item_id", "weight", "timestamp"], ["1", "31", 2.5, 12.0]],
        [["item_id", "title", "category"], ["31", "T", "A|B"], ["32", "U", ""]],
        None,
        [],
    ),
    "recbole": (
        [
            ["user_id", "item_id", "label", "click", "timestamp", "weight"],
            ["1", "2", "3", "9", 4.0, 3.0],
        ],
        [["item_id", "title", "kind", "category"], ["2", "T", "k", "A|B"]],
        [["user_id", "city"], ["1", "Rome"]],
        [],
    ),
    "recbole/category": (
        [["user_id", "item_id", "weight", "timestamp"], ["1", "2", 1.0, 0.0], ["1", "3", 1.0, 1.0]],
        [["item_id", "category"], ["2", "A|B"]],
        None,
        ["F/x.inter: carries no time; the order of the file stands for it."],
    ),
    "open-bandit": (
        [
            ["timestamp", "item_id", "position", "weight", "propensity", "user_id"],
            [1574553634.5, "14", 3, 1.0, "0.0125", "a|b|c|d"],
            [1574553635.0, "9", 1, 0.0, "0.5", "a|b|c|e"],
        ],
        [
            ["item_id", "item_feature_0", "category", "item_feature_2"],
            ["14", -0.5, "q", "r"],
            ["9", "", "q", "s"],
        ],
        None,
        ["F/men.csv: has no user ids; people with equal features count as one."],
    ),
    "kuairec": (
        [
            ["user_id", "item_id", "timestamp", "weight"],
            ["14", "149", 0.0, 0.5],
            ["14", "148", 99.5, 0.75],
            ["14", "150", 99.5, 1.25],
        ],
        [["item_id", "category"], ["148", "27|9"]],
        None,
        ["F/big_matrix.csv: 2 rows without a time take the time of the row before."],
    ),
    "kuairand": (
        [
            ["user_id", "item_id", "weight", "is_rand", "timestamp"],
            ["0", "11", 0.0, "1", 1.5],
            ["0", "10", 1.0, "0", 2.5],
        ],
        None,
        None,
        [],
    ),
    "retailrocket": (
        [
            ["timestamp", "user_id", "event", "item_id", "weight"],
            [1.5, "2", "view", "3", 1.0],
            [2.5, "2", "addtocart", "3", 2.0],
            [3.5, "2", "transaction", "3", 3.0],
        ],
        None,
        None,
        [],
    ),
    "amazon-reviews": (
        [["user_id", "item_id", "weight", "timestamp"], ["A", "P", 4.0, 5.0], ["B", "Q", 3.0, 6.0]],
        [
            ["item_id", "title", "category", "price"],
            ["P", "T", "A|B", 1200.5],
            ["Q", "", "C/D", ""],
        ],
        None,
        [],
    ),
    "amazon-2014": (
        [
            ["user_id", "item_id", "weight", "timestamp"],
            ["A39HTATAQ9V7YF", "0205616461", 5.0, 1369699200.0],
        ],
        None,
        None,
        [],
    ),
    "amazon-2018": (
        [
            ["item_id", "user_id", "weight", "timestamp"],
            ["B000000001", "A1V6B6TNIC10QE", 1.0, 1424304000.0],
        ],
        None,
        None,
        [],
    ),
    "amazon-2023": (
        [["user_id", "item_id", "weight", "timestamp"], ["A", "P", 4.0, 1433221332.117]],
        None,
        None,
        ["F (amazon-2023): timestamps were milliseconds; they are now seconds."],
    ),
    "diginetica": (
        [["user_id", "item_id", "timestamp", "weight"], ["1", "8", 86401.5, 1.0]],
        None,
        None,
        [],
    ),
    "yoochoose": (
        [["user_id", "timestamp", "item_id", "weight"], ["1", 86401.25, "21", 1.0]],
        None,
        None,
        [],
    ),
    "steam": (
        [["user_id", "item_id", "weight", "timestamp"], ["1", "G", 3.0, 0.0], ["2", "H", 0.0, 1.0]],
        None,
        None,
        ["F/steam-200k.csv: carries no time; the order of the file stands for it."],
    ),
    "steam/packed": (
        [["user_id", "item_id", "weight", "timestamp"], ["1", "7", 2.5, 0.0]],
        None,
        None,
        ["F/my_steam_set.txt: carries no time; the order of the file stands for it."],
    ),
    "hetrec-lastfm": (
        [
            ["user_id", "item_id", "weight", "timestamp"],
            ["2", "51", 13883.0, 0.0],
            ["2", "52", 1.0, 1.0],
        ],
        [["item_id", "title", "url", "pictureURL"], ["51", 'The "Duran', "u", "p"]],
        None,
        ["F/user_artists.dat: carries no time; the order of the file stands for it."],
    ),
    "goodbooks": (
        [["user_id", "item_id", "weight", "timestamp"], ["1", "258", 5.0, 0.0]],
        [["item_id", "title", "authors"], ["258", "T", "A"]],
        None,
        ["F/ratings.csv: carries no time; the order of the file stands for it."],
    ),
    "mind": (
        [
            ["user_id", "item_id", "timestamp", "weight", "impression"],
            ['U"1', "N-5", 86401.0, 1.0, "1"],
            ['U"1', "N6", 86401.0, 0.0, "1"],
            ["U2", "N7", 133200.0, 1.0, "2"],
        ],
        [["item_id", "title", "category"], ["N-5", 'The "title', "sports"]],
        None,
        [],
    ),
    "coat": (
        [
            ["user_id", "item_id", "weight", "timestamp"],
            ["0", "1", 3.0, 0.0],
            ["1", "0", 5.0, 1.0],
            ["1", "2", 1.0, 2.0],
        ],
        [
            ["item_id", "category", "colour"],
            ["0", "bomber|down", ""],
            ["1", "down", "red"],
            ["2", "bomber", ""],
        ],
        [["user_id", "gender", "age"], ["0", "men", "20: 30"], ["1", "women", ""]],
        ["F/train.ascii: carries no time; the order of the file stands for it."],
    ),
    "jester": (
        [
            ["user_id", "item_id", "weight", "timestamp"],
            ["0", "97", -7.82, 0.0],
            ["0", "99", 8.5, 1.0],
            ["1", "98", 1.5, 2.0],
        ],
        None,
        None,
        ["F: carries no time; the order of the file stands for it."],
    ),
    "msweb": (
        [
            ["user_id", "item_id", "weight", "timestamp"],
            ["7", "1", 1.0, 0.0],
            ["7", "2", 1.0, 1.0],
            ["test-7", "3", 1.0, 2.0],
        ],
        [["item_id", "title", "category"], ["1", "Int, Auto", "auto"], ["3", "Café", "cafe"]],
        None,
        ["F/anonymous-msweb.data: carries no time; the order of the file stands for it."],
    ),
    "rl4rs": (
        [
            ["user_id", "timestamp", "item_id", "weight"],
            ["5", 16.0, "7", 1.0],
            ["5", 16.0, "8", 0.0],
        ],
        None,
        None,
        [],
    ),
    "rl4rs/commas": (
        [
            ["user_id", "timestamp", "item_id", "weight"],
            ["5", 16.0, "7", 1.0],
            ["5", 16.0, "8", 0.0],
        ],
        None,
        None,
        [],
    ),
    "sequence": (
        [
            ["user_id", "item_id", "weight", "timestamp"],
            ["1", "63", 1.0, 0.0],
            ["1", "5", 1.0, 1.0],
        ],
        None,
        None,
        ["F/beauty.txt: carries no time; the order of the file stands for it."],
    ),
    "lightgcn": (
        [
            ["user_id", "item_id", "weight", "timestamp"],
            ["0", "7", 1.0, 0.0],
            ["0", "3", 1.0, 1.0],
            ["0", "11", 1.0, 2.0],
        ],
        None,
        None,
        ["F: carries no time; the order of the file stands for it."],
    ),
    "rechorus": (
        [
            ["user_id", "item_id", "timestamp", "weight"],
            ["1", "2", 3.0, 1.0],
            ["1", "4", 5.0, 1.0],
            ["1", "6", 7.0, 1.0],
        ],
        None,
        None,
        [],
    ),
}
"""Interactions, items, users (columns, then rows) and notes, with F for the folder."""


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def rows_of(frame: pd.DataFrame | None) -> list[list[object]] | None:
    """Names of the columns, then the rows; "" where nothing is known."""
    if frame is None:
        return None
    return [
        list(frame.columns),
        *frame.astype("object").where(frame.notna(), "").to_numpy().tolist(),
    ]


def shown(folder: Path, name: str):
    """Interactions, items, users and notes, with F for the folder."""
    loader = DatasetLoader(folder, name)
    frames = [loader.load_interactions(), loader.load_items(), loader.load_users()]
    notes = [note.replace(str(folder), "F") for note in loader.report.notes]
    return *map(rows_of, frames), notes


@pytest.mark.parametrize("name", sorted(RAW))
def test_a_layout_is_read_to_the_last_column_and_note(name, tmp_path):
    assert shown(write(tmp_path, RAW[name]), name.partition("/")[0]) == WANTED[name]


@pytest.mark.parametrize("name", sorted(RAW))
def test_a_layout_fits_its_own_folder_and_no_other(name, tmp_path):
    write(tmp_path, RAW[name])
    assert detect(tmp_path) == name.partition("/")[0]
    told = [layout.looks_right(tmp_path) for layout in FORMATS.values()]
    assert all(isinstance(one, bool) for one in told)
    assert sum(told) == 1


@pytest.mark.parametrize("missing", ["item_features.ascii", "item_features_map.txt"])
def test_coat_without_its_features_has_no_items(missing, tmp_path):
    write(tmp_path, RAW["coat"])
    (tmp_path / "user_item_features" / missing).unlink()
    loader = DatasetLoader(tmp_path)
    assert loader.load_items() is None
    assert loader.load_users()["user_id"].tolist() == ["0", "1"]
    assert len(DatasetLoader(tmp_path / "train.ascii").load_interactions()) == 3


def test_without_a_list_of_genres_movielens_has_19(tmp_path):
    flags = "|".join(["0"] * 18 + ["1"])
    write(tmp_path, {"u.data": "1\t2\t3\t4\n", "u.item": f'2|A "B|d|v|u|{flags}\n'})
    items = DatasetLoader(tmp_path).load_items()
    assert items.to_numpy().tolist() == [["2", 'A "B', "genre 18", "d"]]
    genres = "".join(f"g{n}|{n}|x\n" for n in range(19))
    assert DatasetLoader(write(tmp_path, {"u.genre": genres})).load_items()["category"][0] == "g18"


@pytest.mark.parametrize("rating", [*"12345", "1.0", "2.0", "3.0", "4.0", "5.0"])
def test_amazon_ratings_are_told_by_each_of_their_stars(rating, tmp_path):
    write(tmp_path, {"r.csv": f"A39HTATAQ9V7YF,020561646X,{rating},1369699200\n"})
    assert detect(tmp_path) == "amazon-2014"


@pytest.mark.parametrize(
    "line",
    [
        "A39HTATAQ9V7YF,0205616461,6.0,1369699200",
        "A39HTATAQ9V7YF,0205616461,5.0,noon",
        "A39HTATAQ9V7YF,0205616461,5.0,1369699200,x",
        "A39HTATAQ9V7YF,0205616461,5.0",
    ],
)
def test_other_lines_are_no_amazon_ratings(line, tmp_path):
    write(tmp_path, {"r.csv": f"{line}\n"})
    with pytest.raises(InvalidData, match="nor the files of a known public set"):
        detect(tmp_path)


def test_amazon_looks_at_100_lines_to_tell_users_from_items(tmp_path):
    alike = "B0USER0001,B00005N7QH,5.0,1369699200\n"
    other = "A39HTATAQ9V7YF,B00005N7QH,5.0,1369699200\n"
    write(tmp_path, {"r.csv": alike * 99 + other})
    assert detect(tmp_path) == "amazon-2014"
    write(tmp_path, {"r.csv": alike * 100 + other})
    with pytest.raises(InvalidData, match=r"could be amazon-2014 .*; amazon-2018"):
        detect(tmp_path)


def test_an_amazon_review_without_a_rating_is_named(tmp_path):
    write(tmp_path, {"x.json": '{"reviewerID": "A", "asin": "P", "unixReviewTime": 1}\n'})
    with pytest.raises(InvalidData, match=r"row 1, column 'weight': must be a finite number, got"):
        DatasetLoader(tmp_path).load_interactions()


def test_a_mind_log_with_one_date_of_another_kind_is_refused(tmp_path):
    text = "1\tU1\t1/2/1970 12:00:01 AM\t\tN1-1\n2\tU1\t1970-01-02\t\tN1-1\n"
    write(tmp_path, {"behaviors.tsv": text})
    with pytest.raises(InvalidData, match=r"row 2 \(line 2\), column 'timestamp'.*'1970-01-02'"):
        DatasetLoader(tmp_path).load_interactions()


def test_a_catalogue_alone_is_no_rl4rs(tmp_path):
    for name in RAW["rl4rs"]:
        (tmp_path / name).mkdir()
        write(tmp_path / name, {name: RAW["rl4rs"][name]})
        assert FORMATS["rl4rs"].looks_right(tmp_path / name) is False


@pytest.mark.parametrize(
    "start", [*(pickle.dumps([1], protocol) for protocol in (2, 3, 4, 5)), b"(lp0\n", b"(lp1\n"]
)
def test_a_pickle_of_any_protocol_is_never_opened(start, tmp_path):
    write(tmp_path, {"sessions.bin": start})
    with pytest.raises(InvalidData) as caught:
        DatasetLoader(tmp_path)
    assert (
        " 'sessions.bin' is a Python pickle, which is never opened: that would run what is in it. "
        "Write its sessions as interactions.csv. Known: amazon-2014, "
    ) in str(caught.value)


MESSAGES = {
    "an unknown layout": (
        {"u.data": "1\t2\t3\t4\n"}, "movielens-100",
        "No format named 'movielens-100'. Did you mean 'movielens-100k'? Known: ...",
    ),
    "an Excel sheet": (
        {"a.xlsx": "x"}, "auto",
        "F: holds neither interactions.csv (.csv.gz, .parquet) nor the files of a known public "
        "set. 'a.xlsx' is an Excel sheet: save it as CSV. Known: amazon-2014, ...",
    ),
    "a set one level below": (
        {"u/u.data": "1\t2\t3\t4\n"}, "auto",
        "F: holds neither interactions.csv (.csv.gz, .parquet) nor the files of a known public "
        "set. Did you mean 'F/u'? Known: amazon-2014, ...",
    ),
    "two files": (
        {"a.inter": "u:token\ti:token\n", "b.inter": "u:token\ti:token\n"}, "recbole",
        "F: holds several such files (a.inter, b.inter). Give the path of one.",
    ),
    "two files of reviews": (
        {"a.json": '{"reviewerID": 1}', "b.json": '{"reviewerID": 1}'}, "amazon-reviews",
        "F: holds several such files (a.json, b.json). Give the path of one.",
    ),
    "a missing file": (
        {"x": "1"}, "movielens-100k",
        "F: needs the file 'u.data' (plain or .gz), which is not there.",
    ),
    "no campaign": (
        {"x": "1"}, "open-bandit",
        "F: needs the file 'all.csv' (plain or .gz), which is not there.",
    ),
    "no video log": (
        {"x": "1"}, "kuairand",
        "F: needs the file 'log_standard_*.csv' (plain or .gz), which is not there.",
    ),
    "no texts": (
        {"x": "1"}, "sequence", "F: needs the file '*.txt' (plain or .gz), which is not there.",
    ),
    "no ratings": (
        {"x": "1"}, "amazon-2014", "F: no Amazon ratings (four columns, no header) here.",
    ),
    "no ratings of 2023": (
        {"x": "1"}, "amazon-2023",
        "F: no file with the header user_id,parent_asin,rating,timestamp here.",
    ),
    "no reviews": (
        {"x": "1"}, "amazon-reviews", "F: no reviews (*.json or *.jsonl, plain or .gz) here.",
    ),
    "no jokes": ({"x": "1"}, "jester", "F: needs jester*.csv (the Excel sheets saved as CSV)."),
    "a bad event": (
        {"steam-200k.csv": "1,A,play,1,0\n1,A,gift,1,0\n"}, "steam",
        "F/steam-200k.csv: row 2 (line 2): must be 'purchase' or 'play' and a number of hours.",
    ),
    "a matrix with a hole": (
        {"train.ascii": "0 1\n\n0\n"}, "coat",
        "F/train.ascii: line 3 has 1 numbers, the first line 2; expected a dense matrix.",
    ),
    "a matrix of another alphabet": (
        {"train.ascii": "0 \u00e9\n"}, "coat", "F/train.ascii: is not ascii text ('ascii' codec...",
    ),
    "one token": (
        {"x.inter": "u:token\tr:float\n1\t2\n"}, "recbole",
        "F/x.inter: needs two columns of type token, the user and the item.",
    ),
    "a word among numbers": (
        {"train.txt": "0 1\n1 2 x\n"}, "lightgcn",
        "F/train.txt: line 2: must be item numbers, got 'x'.",
    ),
    "half an object": (
        {"x.json": '{"reviewerID": "A"\n'}, "amazon-reviews",
        "F/x.json: line 1 is not an object ('{' was never closed...",
    ),
    "a list": (
        {"x.json": '\n["reviewerID"]\n'}, "amazon-reviews",
        "F/x.json: line 2 is not an object, got b'[\"reviewerID\"]\\n'.",
    ),
    "no such column": (
        {"events.csv": "timestamp,visitorid,event,items\n1,2,view,3\n"}, "retailrocket",
        "F/events.csv: needs the column 'itemid', which is missing. Is it 'items'?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(MESSAGES))
def test_what_is_wrong_with_a_folder_is_said_to_the_letter(case, tmp_path):
    files, name, message = MESSAGES[case]
    write(tmp_path, files)
    with pytest.raises((InvalidData, MissingData, UnknownName)) as caught:
        DatasetLoader(tmp_path, name).load_interactions()
    said = str(caught.value).replace(str(tmp_path), "F")
    if message.endswith("..."):
        assert said.startswith(message.removesuffix("..."))
    else:
        assert said == message
