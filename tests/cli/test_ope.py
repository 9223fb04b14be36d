"""`recloop ope`: numbers where the log can answer, exit code 3 where it cannot."""

import json

import numpy as np
import pytest

from recloop.cli.app import app, outcome


@pytest.fixture
def call(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = outcome(lambda: app(list(map(str, arguments)), standalone_mode=True))
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def log(call, tmp_path, rng):
    def make(n, chances):
        items = rng.choice(len(chances), size=n, p=chances)
        lines = [
            f"{row},u{row % 7},{item},{chances[item]},{int(rng.random() < 0.2 + 0.1 * item)},{row}"
            for row, item in enumerate(items.tolist())
        ]
        file = tmp_path / "shown.csv"
        head = "decision_id,user_id,item_id,propensity,reward,timestamp"
        file.write_text("\n".join([head, *lines]) + "\n")
        place = tmp_path / "log.db"
        assert call("log", "import", place, file)[0] == 0
        return place

    return make


def test_a_log_that_can_answer_gives_a_table(call, log):
    place = log(3000, [0.5, 0.3, 0.2])
    code, printed, said = call("ope", place, "--json")
    assert (code, said) == (0, "")
    found = json.loads(printed)
    assert [row["estimator"] for row in found["estimates"]] == ["ips", "snips"]
    for row in found["estimates"]:
        assert abs(row["value"] - 0.3) < 4 * row["standard_error"]
    code, printed, _ = call("ope", place, "--estimator", "snips")
    assert code == 0
    assert "uniform on 3,000 decisions" in printed
    assert "snips" in printed


def test_a_log_that_cannot_answer_has_no_number_and_exit_code_3(call, log):
    place = log(30, [0.5, 0.3, 0.2])
    code, printed, said = call("ope", place)
    assert code == 3
    assert "unreliable" in printed
    assert "the effective sample size is" in said
    assert "What would help: " in said
    code, printed, _ = call("ope", place, "--force", "--json")
    assert code == 0
    assert all(isinstance(row["value"], float) for row in json.loads(printed)["estimates"])


def test_mistakes_are_sentences(call, log, tmp_path):
    place = log(30, [0.5, 0.5])
    code, _, said = call("ope", place, "--estimator", "ipss")
    assert code == 2
    assert "Did you mean 'ips'?" in said
    code, _, said = call("ope", place, "--policy", "q_learning")
    assert code == 2
    assert "name its run folder with --models-dir" in said
    code, _, _ = call("ope", tmp_path / "nowhere.db")
    assert code == 2


@pytest.mark.real
def test_open_bandit_is_judged_as_it_lies(call, real_data):
    code, printed, _ = call("ope", real_data / "obd" / "bts" / "men", "--json")
    assert code == 0
    values = [round(row["value"], 6) for row in json.loads(printed)["estimates"]]
    assert np.allclose(values, [0.003009, 0.003189])
