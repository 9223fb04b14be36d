"""`recloop log`: in, out, and looked at."""

import json

import pytest

from recloop.cli.app import app, outcome
from recloop.decisions import open_log, read_csv_log, write_decisions

SHOWN = (
    "decision_id,user_id,item_id,propensity,reward,timestamp,campaign\n"
    "a,ann,1,0.5,1,10,x\n"
    "a,ann,2,0.25,,10,x\n"
    "b,bob,1,0.75,0,20,x\n"
)


@pytest.fixture
def call(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = outcome(lambda: app(["log", *map(str, arguments)], standalone_mode=True))
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def shown(tmp_path):
    file = tmp_path / "shown.csv"
    file.write_text(SHOWN)
    return file


def test_a_csv_log_goes_in_once_and_out_whole(call, shown, tmp_path):
    log, out = tmp_path / "log.db", tmp_path / "out"
    code, printed, said = call("import", log, shown, "--policy", "old", "--json")
    assert (code, json.loads(printed)) == (0, {"decision.stored": 2, "reward.stored": 2})
    assert said == f"{shown}: columns left out: campaign.\n"
    code, printed, _ = call("import", log, shown, "--policy", "old")
    assert printed.split() == ["decision.duplicate", "2", "reward.duplicate", "2"]
    code, printed, _ = call("describe", log, "--json")
    assert json.loads(printed)["policies"] == {"old": 2}
    code, printed, _ = call("describe", log)
    assert "policies             old 2" in printed
    assert "last_timestamp       20.000" in printed
    code, printed, _ = call("verify", log)
    assert (code, printed) == (0, f"{log}: whole, up to seq 4.\n")
    code, printed, _ = call("export", log, out, "--last", 3)
    assert printed.split() == ["decisions", "2", "rewards", "1", "controls", "0"]
    code, printed, _ = call("import", tmp_path / "copy.db", out)
    assert code == 0
    with open_log(tmp_path / "copy.db") as copy:
        assert (copy.last_seq, copy.ids("user")) == (3, ["ann", "bob"])


def test_a_parquet_file_goes_in(call, shown, tmp_path):
    write_decisions(tmp_path / "shown.parquet", read_csv_log(shown).decisions)
    code, printed, _ = call("import", tmp_path / "log.db", tmp_path / "shown.parquet", "--json")
    assert (code, json.loads(printed)) == (0, {"decision.stored": 2, "reward.stored": 2})


@pytest.mark.real
def test_two_open_bandit_logs_go_in_together(call, tmp_path, real_data):
    places = [real_data / "obd" / policy / "men" for policy in ("random", "bts")]
    code, printed, _ = call("import", tmp_path / "log.db", *places, "--json")
    assert (code, json.loads(printed)) == (0, {"decision.stored": 20000, "reward.stored": 20000})
    with open_log(tmp_path / "log.db") as log:
        read = log.read()
    assert read.contexts.shape == (20_000, 3 + 5 + 9 + 9 + 34)
    assert sorted(set(read.policies.texts())) == ["bts", "random"]


@pytest.fixture
def family(call, shown, tmp_path):
    """The same decisions in every kind of log."""
    call("import", tmp_path / "log.db", shown)
    call("export", tmp_path / "log.db", tmp_path / "exported")
    write_decisions(tmp_path / "some.parquet", read_csv_log(shown).decisions)
    return {
        "database": tmp_path / "log.db",
        "export": tmp_path / "exported",
        "parquet": tmp_path / "some.parquet",
        "csv": shown,
    }


@pytest.mark.parametrize("kind", ["database", "export", "parquet", "csv"])
def test_every_kind_of_log_is_described_verified_and_imported(call, family, tmp_path, kind):
    place = family[kind]
    code, printed, _ = call("describe", place, "--json")
    found = json.loads(printed)
    assert (code, found["kind"], found["log"]) == (0, kind, str(place))
    assert (found["decisions"], found["rewards"]) == (2, 2)
    assert (found["first_timestamp"], found["last_timestamp"]) == (10, 20)
    if place.is_file() and kind != "database":
        assert found["bytes"] == place.stat().st_size
    code, printed, _ = call("verify", place)
    assert (code, printed) == (0, f"{place}: whole, up to seq 4.\n")
    code, printed, _ = call("import", tmp_path / "new.db", place, "--json")
    assert (code, json.loads(printed)) == (0, {"decision.stored": 2, "reward.stored": 2})
    with open_log(tmp_path / "new.db") as log:
        read = log.read()
        assert list(read.propensities) == [0.5, 0.25, 0.75]
        assert log.ids("user") == ([] if kind == "parquet" else ["ann", "bob"])


def test_a_database_goes_into_another_with_every_reward_as_it_was_sent(call, family, tmp_path):
    call("import", tmp_path / "new.db", family["database"])
    with open_log(tmp_path / "new.db") as new, open_log(family["database"]) as old:
        (one,), (other,) = list(new.rewards()), list(old.rewards())
        assert list(one.keys) == list(other.keys)
        assert list(one.seqs) == list(other.seqs)
    _, printed, _ = call("import", tmp_path / "new.db", family["database"], "--json")
    assert json.loads(printed) == {"decision.duplicate": 2, "reward.duplicate": 2}


def test_a_file_that_was_changed_fails_the_command(call, family):
    file = family["export"] / "rewards.parquet"
    file.write_bytes(file.read_bytes() + b" ")
    code, printed, _ = call("verify", family["export"])
    assert (code, "its bytes are not those of the manifest" in printed) == (1, True)
    family["csv"].write_text(SHOWN.replace("0.25", "25"))
    code, printed, _ = call("verify", family["csv"], "--json")
    assert code == 1
    assert "got 25.0" in json.loads(printed)["problems"][0]


def test_looking_at_a_log_changes_nothing(call, family):
    before = {file: file.read_bytes() for file in family["export"].iterdir()}
    call("describe", family["export"])
    call("verify", family["export"])
    assert {file: file.read_bytes() for file in family["export"].iterdir()} == before


@pytest.mark.real
def test_a_folder_of_logs_is_no_log_and_the_error_names_them(call, real_data):
    code, _, said = call("describe", real_data / "obd")
    assert code == 2
    assert "obd: is no decision log. A decision log is" in said
    assert "folders bts/all, bts/men, random/all, random/men: name one of them." in said
    code, printed, _ = call("describe", real_data / "obd" / "random" / "men", "--json")
    assert (code, json.loads(printed)["kind"]) == (0, "open-bandit")


def test_what_is_no_log_is_told_what_would_be_one(call, tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1,2\n")
    for command in ("describe", "verify"):
        code, _, said = call(command, file)
        assert (code, f"{file}: is no decision log. A decision log is" in said) == (2, True)
    code, _, said = call("import", tmp_path / "log.db", file)
    assert (code, "is no decision log" in said) == (2, True)
    assert not (tmp_path / "log.db").exists()


def test_a_log_that_does_not_hold_together_fails_the_command(call, shown, tmp_path):
    log = tmp_path / "log.db"
    call("import", log, shown)
    with open_log(log) as opened, opened.transaction():
        opened.database.execute("DELETE FROM reward WHERE seq = 3")
    code, printed, _ = call("verify", log, "--json")
    assert code == 1
    assert json.loads(printed)["problems"] == [
        "rewards: 1 are there, 2 were counted when they were written."
    ]


def test_mistakes_are_sentences(call, shown, tmp_path):
    for command in (("describe", tmp_path / "no.db"), ("verify", tmp_path / "no.db")):
        code, _, said = call(*command)
        told = f"recloop: {tmp_path / 'no.db'}: no such decision log. A decision log is a SQLite"
        assert (code, said.startswith(told)) == (2, True)
    code, _, said = call("import", tmp_path / "log.db", tmp_path / "nothing.csv")
    assert (code, "no such decision log" in said) == (2, True)
    code, _, said = call("import", tmp_path / "log.db", shown, "--format", "excel")
    assert (code, "--format must be one of 'auto'" in said) == (2, True)
    assert not (tmp_path / "log.db").exists()
    shown.write_text(SHOWN.replace("0.25", "25"))
    code, _, said = call("import", tmp_path / "log.db", shown)
    assert (code, "row 2 (line 3), column 'propensities'" in said) == (2, True)
    assert "got 25.0" in said
