"""The log while a service runs: copied, exported over HTTP, and a person taken out of it."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recloop.decisions import open_log, verify_log
from recloop.decisions.backups import back_up, forget_user
from recloop.decisions.describing import projected
from recloop.errors import InvalidParameter, LogUnavailable, MissingData, RunFolderInUse
from recloop.serving.forgetting import forget_offline
from serving.http.bad_inputs import Probe, Reply, request, send
from serving.http.process import ADMIN_KEY, ServerProcess

PERSON = "jane.doe@example.org"


def ask(server: ServerProcess, method: str, path: str, body: Any = None) -> Reply:
    sent = b"" if body is None else json.dumps(body).encode()
    reply = send(server.port, Probe(path, [request(method, path, sent, key=ADMIN_KEY)], set()))
    assert reply is not None
    return reply


def a_visit(server: ServerProcess, user: str) -> None:
    shown = json.loads(ask(server, "POST", "/v1/recommend", {"user": user, "k": 3}).body)
    told = {"decision_id": shown["decision_id"], "item": shown["items"][0]["item"]}
    assert ask(server, "POST", "/v1/feedback", told | {"event": "click"}).status == 200


def test_a_log_is_copied_exported_and_forgets_while_it_is_served(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        for user in ("user_1", PERSON, "user_2"):
            a_visit(server, user)
        copied = back_up(str(tmp_path / "recloop.db"), tmp_path / "copy.db")
        exported = ask(server, "GET", "/v1/log/export?first=1&last=9")
        nothing = ask(server, "GET", "/v1/log/export?first=900")
        with pytest.raises(LogUnavailable):
            forget_offline(str(tmp_path / "recloop.db"), tmp_path / "serving", PERSON)
        forgotten = ask(server, "POST", f"/v1/users/{PERSON}:forget")
        again = ask(server, "POST", f"/v1/users/{PERSON}:forget")
        a_visit(server, "user_1")
    assert [one.status for one in (exported, nothing, forgotten, again)] == [200, 200, 200, 404]
    with open_log(tmp_path / "copy.db") as copy:
        assert (copy.last_seq, verify_log(copy)) == (copied, [])
        assert PERSON in copy.ids("user")
    table = pq.read_table(io.BytesIO(exported.body))
    assert table.num_rows == 3
    assert "x-last-seq: 9" in exported.headers.lower()
    assert pq.read_table(io.BytesIO(nothing.body)).num_rows == 0
    for file in [tmp_path / "recloop.db", *(tmp_path / "serving").rglob("*")]:
        assert not file.is_file() or PERSON.encode() not in file.read_bytes()


def test_who_is_in_the_log_of_a_service_at_rest_is_forgotten_too(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        a_visit(server, PERSON)
    log = str(tmp_path / "recloop.db")
    with pytest.raises(InvalidParameter, match="is the log of a service"):
        forget_user(log, PERSON)
    told = [sys.executable, "-m", "recloop.cli", "log", "forget", log, "--user", PERSON]
    subprocess.run([*told, "--data-dir", "serving"], cwd=tmp_path, check=True)
    with open_log(log) as opened:
        assert PERSON not in opened.ids("user")
        assert verify_log(opened) == []


def test_a_plain_log_forgets_a_person_and_keeps_the_records(tmp_path: Path) -> None:
    place = str(tmp_path / "log.db")
    with open_log(place) as log:
        log.codes("user", ["a", PERSON])
    pseudonym = forget_user(place, PERSON)
    with open_log(place) as log:
        assert log.ids("user") == ["a", pseudonym]
    with pytest.raises(MissingData, match="nobody of that id"):
        forget_user(place, PERSON)
    assert PERSON.encode() not in (tmp_path / "log.db").read_bytes()


def test_a_copy_never_replaces_a_file(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.db"):
        pass
    (tmp_path / "there.db").write_text("mine")
    with pytest.raises(RunFolderInUse, match="is there already"):
        back_up(str(tmp_path / "log.db"), tmp_path / "there.db")
    assert (tmp_path / "there.db").read_text() == "mine"


def test_the_room_of_a_year_is_told_from_a_day_and_never_from_less_than_an_hour() -> None:
    found = projected(4000, 10, 0.0, 43_200.0)  # 10 decisions of 400 bytes in half a day
    assert found == {
        "decisions_per_day": 20.0, "bytes_per_year": 2_920_000.0,
        "bytes_per_million_decisions": 4e8,
    }  # fmt: skip
    assert projected(4000, 10, 0.0, 60.0)["bytes_per_year"] is None
    assert projected(4000, 0, None, None)["bytes_per_million_decisions"] is None
