"""The command line: results on stdout, remarks on stderr, 2 for a user's mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from recloop import __version__
from recloop.cli.app import app, outcome

CONFIG = """\
data: {synthetic: {n_users: 60, n_items: 40}}
training: {mode: logged}
models: [{name: svd, type: pure_svd, params: {n_factors: 4}}]
evaluation: {baselines: [popular], n_resamples: 200}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def call(capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = outcome(lambda: app(list(arguments), standalone_mode=True))
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


STREAM = """\
training: {mode: stream, n_seeds: 2}
models: [{name: first, type: ucb1}, {name: any, type: epsilon_greedy, params: {epsilon: 1}}]
"""


def test_a_stream_prints_a_dash_where_nothing_is_known(here, call):
    (here / "stream.yaml").write_text(STREAM)
    lines = ["user_id,item_id,propensity,reward,candidates", *["a,2,0.5,1,1 2"] * 12]
    (here / "log.csv").write_text("\n".join(lines) + "\n")
    code, out, _ = call("run", "-c", "stream.yaml", "--data", "log.csv", "-o", "out")
    assert code == 0
    rows = [line.split() for line in out.splitlines()[1:3]]
    assert [row[0] for row in rows] == ["any", "first"]  # UCB1 waits for item 1, which never was
    assert rows[0][1] == "1"
    assert rows[1][1:] == ["-", "-", "0", "0"]
    assert "Nothing can be concluded" in out


def test_a_run_prints_the_leaderboard_and_where_the_report_lies(here, call):
    code, out, _ = call("run", "--config", "run.yaml", "--output_dir", "out")
    assert code == 0
    assert "ndcg@10" in out.splitlines()[0]
    assert {line.split()[0] for line in out.splitlines()[1:3]} == {"svd", "popular"}
    assert out.rstrip().endswith("Report: out/report.html")
    assert (here / "data" / "test.csv").exists()
    again, out_again, err = call("run", "--config", "run.yaml", "-o", "out")
    assert (again, out_again) == (0, out)
    assert "this run is finished" in err


def test_train_evaluate_and_recommend_work_together(here, call):
    assert call("train", "-c", "run.yaml", "--output-dir", "out")[0] == 0
    code, out, err = call("evaluate", "--models_dir", "out", "--test_data", "data/test.csv")
    assert code == 0
    assert "svd" in out
    assert "people were evaluated" in err
    code, out, _ = call(
        "recommend",
        "--models-dir",
        "out",
        "--model",
        "svd",
        "--user",
        "user_7",
        "-k",
        "3",
        "--json",
    )
    assert code == 0
    assert [row["rank"] for row in json.loads(out)] == [1, 2, 3]
    code, out, _ = call("recommend", "--models-dir", "out", "--model", "svd", "--user", "user_7")
    assert len(out.splitlines()) == 10


def test_results_as_json_are_only_json(here, call):
    _, out, _ = call("run", "-c", "run.yaml", "-o", "out", "--json")
    assert json.loads(out)["models"][0]["name"] == "popular"
    _, out, _ = call("evaluate", "--models-dir", "out", "--json")
    assert json.loads(out)["metric"] == "ndcg@10"


def test_seed_data_and_set_override_the_file(here, call):
    arguments = ("--seed", "5", "--set", "data.synthetic.n_users=50", "--json")
    _, out, _ = call("run", "-c", "run.yaml", "-o", "out", *arguments)
    assert json.loads(out)["seed"] == 5
    assert json.loads(out)["data"]["n_users"] == 50
    code, _, err = call("run", "-c", "run.yaml", "-o", "other", "--data", "nowhere")
    assert code == 2
    assert err.endswith(
        "recloop: nowhere: no such file or folder. Give the path of your data, or make "
        "some: recloop run without data.path.\n"
    )
    assert not (here / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "-c", "none.yaml"), "none.yaml: no such configuration file"),
        (("run", "-c", "run.yaml", "--set", "training.mod=logged"), "Did you mean 'mode'?"),
        (("evaluate", "--models-dir", "none"), "none: no finished run here"),
        (("recommend", "--models-dir", "none", "--model", "m", "--user", "u"), "no finished run"),
        (("config", "validate", "none.yaml"), "no such configuration file"),
        (("data", "describe", "none"), "none: no such file or folder"),
        (("data", "fetch", "ml-100"), "Did you mean 'ml-100k'?"),
        (("metrics", "--recommended", "a.csv", "--relevant", "b.csv"), "a.csv: no such file"),
        (
            ("metrics", "--recommended", "a", "--relevant", "b", "-k", "x"),
            "such as 1,5,10; got 'x'",
        ),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_2(here, call, arguments, said):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("recloop: ")
    assert "Traceback" not in err


def test_an_unknown_command_or_option_exits_2(call):
    assert call("rnu")[0] == 2
    assert call("run", "--confg", "x")[0] == 2


def test_configurations_are_checked_shown_and_described(here, call):
    assert call("config", "validate", "run.yaml")[:2] == (0, "run.yaml: valid.\n")
    code, out, _ = call("config", "show", "run.yaml", "--set", "seed=3")
    assert code == 0
    assert out.startswith("seed: 3\n")
    assert "eval_freq: 100" in out
    assert "properties" in json.loads(call("config", "schema")[1])


def test_lists_of_any_system_are_scored(here, call):
    Path("recs.csv").write_text("user_id,item_id,rank\na,1,1\na,2,2\nb,9,1\nz,1,1\n")
    Path("truth.csv").write_text("user_id,item_id\na,2\nb,1\nc,1\n")
    code, out, err = call(
        "metrics", "--recommended", "recs.csv", "--relevant", "truth.csv", "-k", "1,2",
        "--per-user", "values.csv", "--json",
    )  # fmt: skip
    rows = {(row["metric"], row["k"]): row for row in json.loads(out)}
    assert code == 0
    assert rows["recall", 1]["mean"] == 0
    assert rows["recall", 2]["mean"] == pytest.approx(1 / 3)
    assert rows["mrr", 2]["mean"] == pytest.approx(1 / 6)
    assert rows["recall", 2]["n"] == 3
    assert "1 people got recommendations but have no truth" in err
    values = pd.read_csv("values.csv")
    assert values.columns.tolist() == ["user_id", "metric", "k", "value"]
    assert len(values) == 3 * 6 * 2
    assert "recall" in call("metrics", "--recommended", "recs.csv", "--relevant", "truth.csv")[1]


def test_a_data_set_is_described(here, call):
    assert call("run", "-c", "run.yaml", "-o", "out")[0] == 0
    code, out, _ = call("data", "describe", "data")
    assert code == 0
    assert "60 users, 40 items" in out
    assert (
        json.loads(call("data", "describe", "data/test.csv", "--json")[1])["format"] == "canonical"
    )


def test_the_version_and_the_doctor(call):
    assert call("--version")[1].strip() == __version__
    code, out, _ = call("doctor")
    assert code == 0
    assert "compiled kernels agree with plain Python" in out
    assert json.loads(call("doctor", "--json")[1])["recloop"] == __version__


HEARS_INTERRUPTS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from recloop.cli import main; main()"
)
"""A process that a shell put into the background ignores them, and its children with it."""


def test_ctrl_c_leaves_a_folder_that_goes_on(here):
    text = CONFIG.replace("mode: logged", "mode: simulated, n_episodes: 3000, eval_freq: 20")
    svd = "{name: svd, type: pure_svd, params: {n_factors: 4}}"
    text = text.replace(svd, "{name: bandit, type: contextual_bandit, params: {context_dim: 4}}")
    Path("long.yaml").write_text(text)
    command = [sys.executable, "-c", HEARS_INTERRUPTS, "run", "-c", "long.yaml", "-o", "out"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    checkpoint = here / "out" / "checkpoints" / "bandit.npz"
    for _ in range(600):
        if checkpoint.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again to go on" in err
    assert "Traceback" not in err
    assert checkpoint.exists()
    assert not [file for file in (here / "out").rglob("*") if file.name.endswith(".tmp")]
    assert not (here / "out" / "manifest.json").exists()


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_the_scripts_say_how_they_are_used(script):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, root / "scripts" / script, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "--help" in done.stdout


def test_certify_prints_a_card_or_json(call):
    code, out, _ = call("certify", "bait_trap", "--set", "slate_size=1")
    assert code == 0
    assert "best_stationary" in out
    assert "optimal / myopic" in out
    code, out, _ = call("certify", "satisfaction", "--json")
    assert code == 0
    assert json.loads(out)["headroom"] == pytest.approx(4.37, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["satisfacton"], "satisfaction"),
        (["bait_trap", "--set", "levels=3"], "levels"),
        (["bait_trap", "--set", "n_levels"], "must read name=value"),
        (["bait_trap", "--set", "n_levels=[3"], "not readable as YAML"),
        (["bait_trap", "--discount", "1"], "discount must be"),
    ],
)
def test_certify_names_what_is_wrong(call, arguments, message):
    code, _, err = call("certify", *arguments)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "-c", "run.yaml", "-o", "run.yaml/out"], "run.yaml/out: cannot be written"),
        (["demo", "--port", "99999"], "65535"),
        (["demo", "--port", "0"], "equal to 1"),
        (["metrics", "--recommended", ".", "--relevant", "."], ".: is a folder"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_exit_code_2(here, call, arguments, message):
    code, _, err = call(*arguments)
    assert code == 2
    assert message in " ".join(err.split())


def test_a_file_that_the_system_refuses_is_named(capsys):
    def refused():
        raise PermissionError(13, "Permission denied", "secret.csv")

    assert outcome(refused) == 2
    assert capsys.readouterr().err == "recloop: secret.csv: Permission denied.\n"

    def nameless():
        raise OSError("out of handles")

    with pytest.raises(OSError, match="out of handles"):
        outcome(nameless)


def test_an_interrupt_inside_a_compiled_loop_is_an_interrupt(capsys):
    def interrupted():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    assert outcome(interrupted) == 130
    assert "interrupted" in capsys.readouterr().err

    def broken():
        raise SystemError("something else")

    with pytest.raises(SystemError, match="something else"):
        outcome(broken)
