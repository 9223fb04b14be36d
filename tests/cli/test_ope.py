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
    names = [row["estimator"] for row in found["estimates"]]
    assert names == ["ips", "snips", "dm", "dr", "sndr", "mrdr", "switch_dr", "dros"]
    for row in found["estimates"]:
        if row["bias"] == "unknown":
            assert row["interval"] == "sampling interval (bias not included)"
        else:
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


@pytest.mark.parametrize("model", ["ridge", "logistic", "trees"])
def test_a_model_of_the_reward_is_chosen_by_name(call, log, model):
    if model != "ridge":
        pytest.importorskip("sklearn")
    place = log(600, [0.5, 0.3, 0.2])
    code, printed, _ = call("ope", place, "--reward-model", model, "--estimator", "dr", "--json")
    assert code == 0
    (row,) = json.loads(printed)["estimates"]
    assert abs(row["value"] - 0.3) < 4 * row["standard_error"]


def test_none_leaves_the_estimators_that_need_no_model(call, log):
    place = log(600, [0.5, 0.3, 0.2])
    _, printed, _ = call("ope", place, "--reward-model", "none", "--json")
    names = [row["estimator"] for row in json.loads(printed)["estimates"]]
    assert names == ["ips", "snips"]


def test_a_range_of_rewards_puts_the_bias_into_the_intervals(call, log):
    place = log(3000, [0.5, 0.3, 0.2])
    _, printed, _ = call("ope", place, "--reward-range", 0, 1, "--setting", "switch_dr=1", "--json")
    rows = {row["estimator"]: row for row in json.loads(printed)["estimates"]}
    assert (rows["dm"]["low"], rows["dm"]["high"]) == (0, 1)
    assert rows["dm"]["interval"] == "confidence interval (bias within the range of rewards)"
    assert rows["switch_dr"]["setting"] == 1
    assert 0 < rows["switch_dr"]["low"] < 0.3 < rows["switch_dr"]["high"] < 1
    assert rows["dr"]["interval"] == "confidence interval"


def test_groups_of_items_bring_mips_and_offcem(call, log, tmp_path):
    place = log(3000, [1 / 3, 1 / 3, 1 / 3])
    groups = tmp_path / "groups.csv"
    groups.write_text("item_id,group\n0,low\n1,high\n2,high\n")
    code, printed, _ = call("ope", place, "--item-groups", groups, "--logging", "uniform", "--json")
    assert code == 0
    rows = {row["estimator"]: row for row in json.loads(printed)["estimates"]}
    assert {"mips", "offcem"} <= set(rows)
    assert rows["mips"]["value"] == pytest.approx(rows["ips"]["value"])
    groups.write_text("item_id,group\n0,low\n1,high\n")
    code, _, said = call("ope", place, "--item-groups", groups)
    assert code == 2
    assert "1 items have no group, the first is '2'" in said


def test_sessions_are_judged_as_sequences(call, log):
    place = log(400, [0.5, 0.5])
    code, printed, _ = call("ope", place, "--per", "session", "--gap", 1e9, "--force", "--json")
    assert code == 0
    rows = {row["estimator"]: row["value"] for row in json.loads(printed)["estimates"]}
    assert {"trajectory_is", "per_decision_is", "sequential_dr", "fqe"} <= set(rows)
    assert rows["trajectory_is"] == pytest.approx(rows["per_decision_is"])  # uniform logged


def test_floors_are_options(call, log):
    place = log(30, [0.5, 0.5])
    options = ["--floor", "least_rows=5", "--floor", "largest_weight=0.5", "--estimator", "ips"]
    assert call("ope", place, *options)[0] == 0
    code, _, said = call("ope", place, "--floor", "least_row=5")
    assert code == 2
    assert "Did you mean 'least_rows'?" in said
    code, _, said = call("ope", place, "--floor", "least_rows=five")
    assert (code, "must be NAME=NUMBER, got 'least_rows=five'" in said) == (2, True)


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
    values = [round(row["value"], 6) for row in json.loads(printed)["estimates"][:2]]
    assert np.allclose(values, [0.003009, 0.003189])
