"""`recloop ope`: numbers where the log can answer, exit code 3 where it cannot."""

import json
import re

import pytest

from recloop.cli.app import app, outcome

HEAD = (
    "timestamp,item_id,position,click,propensity_score,"
    "user_feature_0,user_feature_1,user_feature_2,user_feature_3"
)
ROW = {"timestamp": "2019-11-24 00:00:00+00:00", "item_id": "0", "position": "1", "click": "0",
       "propensity_score": "0.5", "user_feature_0": "a", "user_feature_1": "b",
       "user_feature_2": "c", "user_feature_3": "d"}  # fmt: skip


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
@pytest.mark.parametrize(
    ("campaign", "printed_values", "effective"),
    [("all", ["0.002360", "0.002334"], 340.4), ("men", ["0.003009", "0.003189"], 655.7)],
)
def test_uniform_on_open_bandit_passes_the_floors_with_every_printed_digit(
    call, real_data, campaign, printed_values, effective
):
    code, printed, said = call("ope", real_data / "obd" / "bts" / campaign, "--json")
    assert (code, said) == (0, "")
    rows = json.loads(printed)["estimates"]
    assert [f"{row['value']:.6f}" for row in rows[:2]] == printed_values
    assert round(rows[0]["diagnostics"]["effective_rows"], 1) == effective
    code, printed, _ = call("ope", real_data / "obd" / "bts" / campaign)
    assert code == 0
    assert all(value in printed for value in printed_values)


def test_a_log_worth_two_rows_of_ten_thousand_is_refused_with_the_reason(call, tmp_path):
    file = tmp_path / "all.csv"
    rare = {0: "0.00001", 1: "0.00001"}
    rows = (
        ROW | {"item_id": str(i % 20), "propensity_score": rare.get(i, "0.9")}
        for i in range(10_000)
    )
    lines = [",".join(row[name] for name in HEAD.split(",")) for row in rows]
    file.write_text("\n".join([HEAD, *lines]) + "\n")
    code, printed, said = call("ope", file, "--estimator", "ips", "--estimator", "dr")
    assert code == 3
    assert printed.count("unreliable") == 2
    assert "the effective sample size is 2." in said
    assert "of 10,000 rows, the floor 100" in said
    assert "log with more exploration" in said


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("propensity_score", "0", r"propensity_score.*0"),
        ("propensity_score", "1.7", r"propensity_score.*1\.7"),
        ("propensity_score", "-0.2", r"propensity_score.*-0\.2"),
        ("propensity_score", "nan", "propensity_score"),
        ("propensity_score", "", "propensity_score"),
        ("propensity_score", "inf", "propensity_score"),
        ("propensity_score", "often", "propensity_score.*often"),
        ("click", "nan", "click"),
        ("click", "", "click"),
        ("click", "yes", "click.*yes"),
        ("position", "0", "position.*0"),
        ("position", "1.5", "position.*1.5"),
        ("timestamp", "yesterday", "timestamp.*yesterday"),
    ],
)
def test_a_bad_cell_of_a_file_is_refused_with_row_column_and_value(
    call, tmp_path, column, value, said
):
    rows = [ROW, ROW | {column: value}, ROW]
    file = tmp_path / "all.csv"
    text = "\n".join([HEAD, *(",".join(row[name] for name in HEAD.split(",")) for row in rows)])
    file.write_text(text + "\n")
    code, printed, told = call("ope", file)
    assert (code, printed) == (2, "")
    assert re.search(said, told), told
    assert re.search(r"(row|line) [23]", told), told
    assert file.read_text() == text + "\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--reward-model", "forest"], "No model of the reward named 'forest'"),
        (["--estimator", "dm", "--reward-model", "none"], "dm: needs q"),
        (["--reward-range", "0", "0.5"], "rewards must lie within"),
        (["--reward-range", "1", "0"], "reward_range must be LOW below HIGH"),
        (["--confidence", "1.5"], "confidence must be"),
        (["--resamples", "0"], "n_resamples must be"),
        (["--setting", "switch_dr=-1"], "switch_dr: at must be"),
        (["--setting", "switch=1"], "Did you mean 'switch_dr'"),
        (["--floor", "largest_z=-1"], "largest_z must be"),
        (["--per", "page"], "--per must be one of 'decision', 'session'"),
        (["--per", "session", "--gap", "-1"], "gap_s must be"),
        (["--per", "session", "--discount", "2"], "discount must be"),
        (["--item-groups", "nowhere.csv"], "no such file of item_id,group"),
        (["--seed", "-1"], "seed must be"),
        (["--estimator", "mips"], "mips: needs clusters"),
    ],
)
def test_bad_options_are_sentences_and_exit_code_2(call, log, options, said):
    place = log(60, [0.5, 0.5])
    code, printed, told = call("ope", place, *options)
    assert (code, printed) == (2, "")
    assert said in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("item_id,group\n0,a\n1,b\n0,c\n", "item '0' has a second group 'c' at row 2"),
        ("item_id,kind\n0,a\n1,b\n", "must be a CSV with columns item_id,group"),
        ("", "must be a CSV with columns item_id,group"),
    ],
)
def test_a_bad_file_of_groups_is_refused(call, log, tmp_path, text, said):
    file = tmp_path / "groups.csv"
    file.write_text(text)
    code, _, told = call("ope", log(60, [0.5, 0.5]), "--item-groups", file)
    assert code == 2
    assert said in told
