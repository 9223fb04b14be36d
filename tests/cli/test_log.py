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
        assert (code, said) == (2, f"recloop: {tmp_path / 'no.db'}: no such decision log.\n")
    code, _, said = call("import", tmp_path / "log.db", tmp_path / "nothing.csv")
    assert (code, "no such file or folder" in said) == (2, True)
    code, _, said = call("import", tmp_path / "log.db", shown, "--format", "excel")
    assert (code, "--format must be one of 'auto'" in said) == (2, True)
    assert not (tmp_path / "log.db").exists()
    shown.write_text(SHOWN.replace("0.25", "25"))
    code, _, said = call("import", tmp_path / "log.db", shown)
    assert (code, "row 2 (line 3), column 'propensities'" in said) == (2, True)
    assert "got 25.0" in said
