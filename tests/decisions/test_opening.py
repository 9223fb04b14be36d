"""Which places become a log, and which are refused."""

import sqlite3

import numpy as np
import pytest
import sqlalchemy as sa

from decisions.samples import plain
from recloop.decisions import open_log, schema
from recloop.errors import DamagedFile, InvalidParameter, LogUnavailable, MissingData


def run(place, *statements):
    """Run statements behind the log's back."""
    if "://" in place:
        with sa.create_engine(place, poolclass=sa.NullPool).begin() as connection:
            for statement in ("SET search_path = recloop", *statements):
                connection.exec_driver_sql(statement)
        return
    connection = sqlite3.connect(place)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def set_version(place, version):
    in_postgres = "://" in place
    run(place, f"UPDATE about SET version = {version}" if in_postgres else
        f"PRAGMA user_version = {version}")  # fmt: skip


def test_a_log_that_is_not_there_is_made_only_if_that_is_wanted(place):
    with pytest.raises(MissingData, match=r"no (such )?decision log"):
        open_log(place, create=False)
    open_log(place).close()
    with open_log(place, create=False) as log:
        assert log.last_seq == 0


def test_a_log_of_a_newer_version_is_refused_and_left_alone(place):
    open_log(place).close()
    set_version(place, 99)
    with pytest.raises(DamagedFile, match=r"version 99; this recloop reads up to 2.*newer recloop"):
        open_log(place)
    set_version(place, schema.VERSION)
    open_log(place).close()


def test_a_version_without_a_way_to_this_one_is_refused(place, monkeypatch):
    open_log(place).close()
    monkeypatch.setattr(schema, "VERSION", 3)
    with pytest.raises(DamagedFile, match="version 2, and there is no way from it to version 3"):
        open_log(place)


def test_an_older_log_is_brought_to_this_version_step_by_step(place, monkeypatch):
    with open_log(place) as log:
        log.append_decisions(plain(2))
    steps = {
        2: ("ALTER TABLE control ADD COLUMN mood text",),
        3: ("UPDATE control SET mood = 'calm'", "CREATE INDEX moods ON control (mood)"),
    }
    monkeypatch.setattr(schema, "VERSION", 4)
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    for _ in range(2):  # the second time there is nothing to do
        with open_log(place) as log:
            assert log.database.select("SELECT count(mood) FROM control") == [(0,)]
            assert log.read().ids.tolist() == ["d0", "d1"]
    monkeypatch.setattr(schema, "VERSION", 2)
    with pytest.raises(DamagedFile, match="version 4"):
        open_log(place)


def test_a_log_of_the_first_version_gets_its_table_of_opinions(place):
    with open_log(place) as log:
        log.append_decisions(plain(2))
        with log.transaction():
            log.database.execute("DROP TABLE opinion")
    set_version(place, 1)
    with open_log(place) as log:
        log.append_opinions([2], "b", [np.array([0.25, 1 / 3])])
        assert log.opinions("a").decisions.tolist() == []
        found = log.opinions("b")
        assert found.decisions.tolist() == [2]
        assert found.propensities[0].tolist() == [0.25, 1 / 3]
        assert len(log.opinions("b", 1, 1).decisions) == 0
        assert log.read().ids.tolist() == ["d0", "d1"]


def test_a_migration_that_fails_changes_nothing(place, monkeypatch):
    open_log(place).close()
    steps = {2: ("ALTER TABLE control ADD COLUMN mood text", "UPDATE nothing SET x = 1")}
    with monkeypatch.context() as patch:
        patch.setattr(schema, "VERSION", 3)
        patch.setattr(schema, "MIGRATIONS", steps)
        with pytest.raises(Exception, match="nothing"):
            open_log(place)
    with open_log(place) as log:
        assert log.database.select("SELECT * FROM control") == []
        log.append_decisions(plain(1))


def test_a_file_of_another_application_is_not_touched(tmp_path):
    file = tmp_path / "other.db"
    run(str(file), "CREATE TABLE notes (text)", "PRAGMA application_id = 7")
    before = file.read_bytes()
    with pytest.raises(DamagedFile, match=r"another application \(id 7\).*was not touched"):
        open_log(file)
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("These are notes, and long enough to be taken for a page of a database." * 20)
    with pytest.raises(DamagedFile, match="not a readable decision log"):
        open_log(file)


def test_a_schema_of_another_application_is_not_touched(postgres):
    postgres.begin_test()
    place = postgres.empty_database()
    run(place, "CREATE SCHEMA recloop", "CREATE TABLE recloop.notes (text text)")
    with pytest.raises(DamagedFile, match="'recloop' belongs to another application"):
        open_log(place)


def test_places_that_cannot_be_a_log_are_named(tmp_path):
    with pytest.raises(
        InvalidParameter, match=r"must be a file or an address.* got one of 'mysql'"
    ):
        open_log("mysql://root@localhost/log")
    with pytest.raises(LogUnavailable, match="cannot be read or written"):
        open_log(tmp_path)
    with pytest.raises(LogUnavailable, match="the server did not answer") as told:
        open_log(f"postgresql://me:secret@/log?host={tmp_path}")
    assert "secret" not in str(told.value)


def test_a_writer_that_waits_too_long_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("recloop.decisions.sqlite.BUSY_TIMEOUT_MS", 50)
    with open_log(tmp_path / "log.db") as one, open_log(tmp_path / "log.db") as two:
        with one.transaction(), pytest.raises(LogUnavailable, match="another process has been"):
            two.append_decisions(plain(1))
        assert two.append_decisions(plain(1)).counts() == {"stored": 1}


def test_a_sqlite_log_forces_every_commit_to_the_disk(tmp_path):
    with open_log(f"sqlite:///{tmp_path / 'log.db'}") as log:
        settings = [log.database.select(f"PRAGMA {name}")[0][0] for name in
                    ("journal_mode", "synchronous", "application_id", "user_version")]  # fmt: skip
    assert settings == ["wal", 2, 0x52434C50, schema.VERSION]


def test_a_postgres_log_forces_every_commit_to_the_disk(postgres):
    postgres.begin_test()
    with open_log(postgres.empty_database()) as log:
        assert log.database.select("SHOW synchronous_commit") == [("on",)]
