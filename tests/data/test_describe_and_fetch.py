"""A data set is described in numbers, and fetched whole or not at all."""

import hashlib
import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recloop.data.describe import describe, in_words
from recloop.data.fetch import PUBLIC_SETS, fetch
from recloop.errors import (
    DamagedFile,
    InvalidData,
    InvalidParameter,
    MissingData,
    RunFolderInUse,
    UnknownName,
)


def test_a_folder_is_described(tmp_path):
    (tmp_path / "interactions.csv").write_text(
        "user_id,item_id,timestamp,weight\na,1,1640995200,1\na,1,1640995260,5\nb,2,1640995320,3\n"
        "b,x,-1,3\n"
    )
    found = describe(tmp_path, on_bad_rows="drop")
    assert found["n_interactions"] == 3
    assert (found["n_users"], found["n_items"]) == (2, 2)
    assert found["density"] == 0.5
    assert found["n_repeated_pairs"] == 1
    assert found["n_rows_dropped"] == 1
    assert (found["first"], found["last"]) == ("2022-01-01 00:00:00", "2022-01-01 00:02:00")
    assert found["weight"] == {"min": 1.0, "median": 3.0, "mean": 3.0, "max": 5.0}
    assert found["per_user"] == {"min": 1.0, "median": 1.5, "mean": 1.5, "max": 2.0}
    text = in_words(found)
    assert "3 interactions, 2 users, 2 items, density 50.0000%" in text
    assert "note: weights look like ratings" in text


def test_odd_data_come_with_warnings(tmp_path):
    (tmp_path / "interactions.csv").write_text(
        "user_id,item_id,timestamp,weight\na,1,0,-1\nb,2,0,0.5\n"
    )
    found = describe(tmp_path)
    assert found["first"] == "0"
    assert any("all timestamps are equal" in text for text in found["warnings"])
    assert any("some weights are negative" in text for text in found["warnings"])


def notes_on(folder, log: str, **tables: str) -> list[str]:
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp,weight\n" + log)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return describe(folder)["warnings"]


def test_odd_ids_come_with_warnings(tmp_path):
    notes = notes_on(tmp_path, "1.0,a,1,1\n1.0,b ,2,1\n2.0,a,3,1\n2.0,b ,4,1\n")
    assert notes == [
        "every user_id ends in '.0': another program wrote whole numbers so.",
        "some item_id begin or end with a blank, which makes them different ids.",
    ]


def test_people_with_one_row_and_ids_without_description_are_counted(tmp_path):
    log = "a,x,1,1\na,y,2,1\nb,x,3,1\n"
    notes = notes_on(tmp_path, log, items="item_id,title\nx,X\n", users="user_id\na\nb\n")
    assert notes == [
        "1 users have a single row: no split can test on what they do next.",
        "1 of 2 items of the log are not described.",
    ]
    assert describe(tmp_path)["n_items_described"] == 1
    assert describe(tmp_path)["n_users_described"] == 2


def test_a_layout_of_things_shown_counts_only_what_was_taken(tmp_path):
    (tmp_path / "behaviors.tsv").write_text("1\tU1\t11/15/2019 8:55:22 AM\tN9\tN1-1 N2-0 N3-0\n")
    found = describe(tmp_path)
    assert (found["positives"], found["n_interactions"], found["n_positives"]) == (">0", 3, 1)
    assert "positives >0: 1 rows count as choices, the others were only shown" in in_words(found)
    assert not any("weigh 0" in text for text in found["warnings"])


def test_weights_of_zero_are_noticed_where_every_row_counts(tmp_path):
    notes = notes_on(tmp_path, "a,x,1,0\na,y,2,1\nb,x,3,0\nb,y,4,0\n")
    assert notes == [
        "3 of 4 rows weigh 0 and count as choices: if they were only shown, set data.positives to "
        "'>0'."
    ]
    found = describe(tmp_path)
    assert (found["positives"], found["n_positives"]) == ("all", 4)
    assert "positives all: 4 rows count as choices\n" in in_words(found)
    assert notes_on(tmp_path, "a,x,1,0\na,y,2,-1\nb,x,3,0\nb,y,4,1\n") == [
        "some weights are negative: set data.positives to say which rows count."
    ]


def test_columns_that_are_no_features_are_named(tmp_path):
    log = "a,x,1,1\na,y,2,1\n"
    notes = notes_on(tmp_path, log, items="item_id,maker_id,paid\nx,7,1\ny,8,0\n")
    assert notes == ["No features of items are made of maker_id (an id)."]


def archive(names: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in names.items():
            packed.writestr(name, text)
    return buffer.getvalue()


GOOD = archive({"ml-100k/u.data": "1\t2\t3\t4\n", "ml-100k/README": "hello"})


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass

    def do_GET(self):
        if self.path == "/short.zip":
            self.send_response(200)
            self.send_header("Content-Length", str(len(GOOD)))
            self.end_headers()
            self.wfile.write(GOOD[:50])
            return
        super().do_GET()


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "good.zip").write_bytes(GOOD)
    (folder / "flat.zip").write_bytes(archive({"u.data": "x", "README": "y"}))
    (folder / "evil.zip").write_bytes(archive({"../outside.txt": "x"}))
    (folder / "text.zip").write_text("no archive")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_set_is_fetched_with_its_licence_and_checksum(site, tmp_path):
    said: list[str] = []
    digest = hashlib.sha256(GOOD).hexdigest()
    place = fetch(
        "ml-100k",
        tmp_path / "there",
        address=f"{site}/good.zip",
        checksum=f"sha256:{digest}",
        say=said.append,
    )
    assert (place / "u.data").read_text() == "1\t2\t3\t4\n"
    assert "GroupLens" in said[0]
    assert digest in said[1]
    assert len(said) == 2


def test_without_a_published_checksum_that_is_said(site, tmp_path):
    said: list[str] = []
    fetch("ml-100k", tmp_path / "there", address=f"{site}/good.zip", say=said.append)
    assert "No checksum is published" in said[-1]


@pytest.mark.parametrize(
    ("file", "checksum", "error", "said"),
    [
        ("good.zip", "md5:" + "0" * 32, DamagedFile, "Nothing was kept"),
        ("evil.zip", None, DamagedFile, "outside its folder"),
        ("text.zip", None, InvalidData, "not a zip archive"),
        ("short.zip", None, (DamagedFile, MissingData), "broke off|cannot be downloaded"),
        ("none.zip", None, MissingData, "cannot be downloaded"),
    ],
)
def test_a_bad_download_leaves_nothing(site, tmp_path, file, checksum, error, said):
    target = tmp_path / "there" / "set"
    with pytest.raises(error, match=said):
        fetch("ml-100k", target, address=f"{site}/{file}", checksum=checksum)
    assert not target.exists()
    assert list((tmp_path / "there").iterdir()) == []
    assert not (tmp_path / "outside.txt").exists()


def test_a_fetch_after_a_bad_one_begins_anew(site, tmp_path):
    target = tmp_path / "there"
    with pytest.raises(DamagedFile):
        fetch("ml-100k", target, address=f"{site}/good.zip", checksum="md5:0")
    assert fetch("ml-100k", target, address=f"{site}/good.zip") == target
    assert sorted(file.name for file in target.iterdir()) == ["README", "u.data"]


def test_an_archive_without_a_folder_of_its_own_is_unpacked_as_it_is(site, tmp_path):
    place = fetch("ml-100k", tmp_path / "there", address=f"{site}/flat.zip")
    assert sorted(file.name for file in place.iterdir()) == ["README", "u.data"]


def test_a_checksum_of_an_unknown_kind_and_an_address_that_is_none_are_refused(site, tmp_path):
    with pytest.raises(
        InvalidParameter, match="checksum must be one of 'md5', 'sha256', got 'crc'"
    ):
        fetch("ml-100k", tmp_path / "x", address=f"{site}/good.zip", checksum="crc:1")
    with pytest.raises(MissingData, match="nowhere: cannot be downloaded"):
        fetch("ml-100k", tmp_path / "x", address="nowhere")


def test_the_published_checksum_guards_the_official_address(site, tmp_path, monkeypatch):
    from recloop.data import fetch as module

    known = PUBLIC_SETS["ml-100k"]
    moved = type(known)(f"{site}/good.zip", known.licence, known.checksum)
    monkeypatch.setitem(module.PUBLIC_SETS, "ml-100k", moved)
    with pytest.raises(DamagedFile, match="the published one is 0e33842e"):
        fetch("ml-100k", tmp_path / "there")


def test_a_folder_in_use_and_an_unknown_set_are_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(RunFolderInUse, match="is a file or not empty"):
            fetch("ml-100k", place)
    with pytest.raises(UnknownName, match="Did you mean 'ml-100k'"):
        fetch("ml100k", tmp_path / "there")


def test_every_address_is_official_and_encrypted():
    assert all(one.address.startswith("https://") and one.licence for one in PUBLIC_SETS.values())
