"""Tuning: equal budgets, no look at the test part, the same bytes whatever happens on the way."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import recloop
from recloop.errors import InvalidConfig, MissingData, RunFolderBusy, RunFolderInUse
from recloop.experiment import load_config, run_experiment
from recloop.experiment.training import Silent
from recloop.experiment.tuning import objective, tune
from recloop.experiment.tuning.trials import SEED_SHIFT
from recloop.experiment.tuning.tune import run_tuning
from recloop.utils.files import alone_in

CONFIG = """\
data: {synthetic: {n_users: 60, n_items: 40}, val_ratio: 0.2}
training: {mode: logged, passes: 3, k: 5, n_seeds: 2}
models:
  - {name: q, type: q_learning, params: {state: last_item, double: true}, controls: [popular]}
evaluation: {baselines: [popular, ease], ks: [1, 5], metric: ndcg@5, n_resamples: 100}
tuning: {n_trials: 7}
"""
IN_WORLD = """\
world: {type: linear, n_sessions: 40, params: {n_users: 20, n_items: 30, horizon: 10}}
training: {n_episodes: 4, eval_freq: 2, sessions_per_episode: 8, n_seeds: 2}
models:
  - {name: ucb, type: lin_ucb}
  - {name: none, type: exp3, params: {epsilon: 0.2}}
evaluation: {n_resamples: 100}
tuning: {n_trials: 3}
"""
TRIED = {"ucb": 3, "none": 1}.items()
TIMES = ("timings.json", "manifest.json", "trials.db")


def write(folder: Path, text: str = CONFIG) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tune.yaml").write_text(text)
    return folder / "tune.yaml"


def tuned(folder: Path, name: str = "out", *, text: str = CONFIG, overrides=(), **more) -> dict:
    config = load_config(write(folder, text), list(overrides))
    return run_tuning(config, folder / name, data_dir=folder / "data", **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in TIMES
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a tuning that nothing interrupted."""
    folder = tmp_path_factory.mktemp("tuning")
    tuned(folder)
    return folder / "out"


def test_the_folder_holds_everything(whole):
    names = {file.name for file in whole.iterdir()}
    assert names == {
        "tuning.yaml", "environment.json", "trials.db", "trials.csv", "tuning.json", "best.yaml",
        "benchmark", "leaderboard.csv", "leaderboard.json", "report.html",
    }  # fmt: skip


def test_every_method_has_the_same_number_of_trials_and_the_table_says_how_many(whole):
    trials = pd.read_csv(whole / "trials.csv")
    assert trials.groupby("method").size().to_dict() == {"popular": 1, "ease": 7, "q": 7}
    assert not trials.duplicated(["method", "trial"]).any()
    board = json.loads((whole / "leaderboard.json").read_text())
    rows = {row["name"]: row for row in board["rows"]}
    assert {name: row["n_trials"] for name, row in rows.items()} == {
        "popular": 1, "ease": 7, "q": 7, **{name: 0 for name in rows if name.endswith("-untuned")}
    }  # fmt: skip
    assert board["statements"][0].startswith(
        "7 trials for each method that has something to tune: ease, q."
    )
    assert "Nothing to tune, one trial: popular." in board["statements"]
    assert "7 trials for each method" in (whole / "report.html").read_text()
    assert "from the log, 2 seeds, 7 trials" in (whole / "benchmark/report.html").read_text()


def test_the_table_is_what_the_run_of_the_best_settings_measured(whole):
    metrics = json.loads((whole / "benchmark/metrics.json").read_text())
    measured = {row["name"]: row["metrics"]["ndcg@5"] for row in metrics["models"]}
    with (whole / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["name"]: float(row["test"]) for row in rows} == {
        name: value["mean"] for name, value in measured.items()
    }
    values = [float(row["test"]) for row in rows]
    assert values == sorted(values, reverse=True)
    trials = pd.read_csv(whole / "trials.csv")
    best = trials[trials["state"] == "complete"].groupby("method")["value"].max()
    assert {row["name"]: float(row["validation"]) for row in rows if row["name"] in best} == (
        best.to_dict()
    )


def test_a_trial_can_be_worked_out_again_by_hand(whole, tmp_path):
    """EASE of trial 3: fitted to train.parquet, scored by the public evaluator on validation."""
    from recloop.evaluation import RecommendationMetrics, RLRecommenderEvaluator
    from recloop.experiment import RunFolder
    from recloop.models import EASERecommender

    trials = pd.read_csv(whole / "trials.csv").query("method == 'ease' and trial == 3").iloc[0]
    run = RunFolder(whole / "benchmark")
    train, validation = run.read_interactions("train"), run.read_interactions("validation")
    model = EASERecommender(train.n_users, train.n_items, **json.loads(trials["params"])).fit(train)
    evaluator = RLRecommenderEvaluator(RecommendationMetrics(), ks=[5], train=train)
    assert evaluator.means(model, validation)["ndcg@5"] == trials["value"]


def test_no_trial_sees_the_test_part(tmp_path, whole):
    """Other test rows, the same trials to the byte; other validation rows, other trials."""
    write(tmp_path)
    run_experiment(load_config(tmp_path / "tune.yaml"), tmp_path / "r", data_dir=tmp_path / "made")
    files = {name: pd.read_csv(tmp_path / "made" / f"{name}.csv") for name in ("test", "val")}
    for name, part in files.items():
        data = pd.read_csv(tmp_path / "made/interactions.csv")
        keys = ["user_id", "item_id", "timestamp"]
        hit = data.set_index(keys).index.isin(part.set_index(keys).index)
        assert hit.sum() >= len(part) > 20
        data.loc[hit, "item_id"] = data.loc[hit, "item_id"].to_numpy()[::-1]
        folder = tmp_path / name
        shutil.copytree(tmp_path / "made", folder)
        (folder / ".synthetic.json").unlink()
        for part_file in ("train", "val", "test"):
            (folder / f"{part_file}.csv").unlink()
        data.to_csv(folder / "interactions.csv", index=False)
        config = load_config(tmp_path / "tune.yaml")
        run_tuning(config, tmp_path / f"out-{name}", data_dir=folder, measured=False)
    before = (whole / "trials.csv").read_bytes()
    assert (tmp_path / "out-test/trials.csv").read_bytes() == before
    assert (tmp_path / "out-val/trials.csv").read_bytes() != before


def test_what_a_trial_is_given_has_no_test_part():
    assert set(objective.LogParts.__dataclass_fields__) == {
        "train", "validation", "item_features", "user_features"
    }  # fmt: skip


def test_a_second_tuning_gives_the_same_bytes(whole, tmp_path):
    tuned(tmp_path)
    assert contents(tmp_path / "out") == contents(whole)


def test_more_workers_find_the_same_bytes(whole, tmp_path):
    tuned(tmp_path, n_workers=2)
    assert contents(tmp_path / "out") == contents(whole)


class StopsAt(Silent):
    """Interrupts at the n-th report of progress, as Ctrl-C would."""

    def __init__(self, left: int) -> None:
        self.left = left

    def advance(self, name, n_done, values):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("left", [3, 9, 20])
def test_an_interrupted_tuning_goes_on_to_the_same_bytes(whole, tmp_path, left):
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, progress=StopsAt(left))
    assert not (tmp_path / "out/leaderboard.csv").exists()
    tuned(tmp_path, resume=True)
    assert contents(tmp_path / "out") == contents(whole)


def test_a_finished_tuning_runs_no_trial_again(whole, tmp_path, monkeypatch):
    shutil.copytree(whole.parent, tmp_path / "copy")
    monkeypatch.setattr(tune, "workers", lambda *_: pytest.fail("a trial was run"))
    tuned(tmp_path / "copy")
    assert contents(tmp_path / "copy/out") == contents(whole)


def test_another_seed_or_budget_needs_another_folder(whole):
    with pytest.raises(RunFolderInUse, match=r"of another kind \(there 'seed: 0', now 'seed: 1'\)"):
        tuned(whole.parent, overrides=["seed=1"])
    with pytest.raises(RunFolderInUse, match="now 'n_trials: 8'"):
        tuned(whole.parent, overrides=["tuning.n_trials=8"])
    with pytest.raises(RunFolderInUse, match="must be new or empty, or hold a tuning"):
        tuned(whole.parent, "data")


def test_other_data_need_another_folder(whole, tmp_path):
    shutil.copytree(whole.parent, tmp_path / "copy")
    rows = pd.read_csv(tmp_path / "copy/data/interactions.csv").iloc[1:]
    rows.to_csv(tmp_path / "copy/data/interactions.csv", index=False)
    with pytest.raises(RunFolderInUse, match="holds the same tuning on other data"):
        tuned(tmp_path / "copy")


def test_to_resume_there_must_be_something(tmp_path):
    with pytest.raises(MissingData, match=r"no tuning to go on with \(no tuning.yaml\)"):
        tuned(tmp_path, resume=True)
    assert not (tmp_path / "out").exists()


def test_one_process_tunes_in_a_folder(whole):
    with alone_in(whole), pytest.raises(RunFolderBusy, match="another process is tuning here"):
        tuned(whole.parent)


def test_unequal_budgets_are_refused(whole, tmp_path):
    shutil.copytree(whole.parent, tmp_path / "copy")
    config = load_config(write(tmp_path / "copy"))
    rows, *_ = tune._given(config, tmp_path / "copy/data", Silent())
    methods = tune.methods_of(config, rows)
    store = tune.Store(tmp_path / "copy/out/trials.db", methods)
    done = store.trials()
    store.close()
    del done["q"][4]
    with pytest.raises(ValueError, match=r"q must have trials 0 to 6, each once, and has \[0, 1, "):
        tune.found_by_tuning(config, methods, done)


def test_settings_that_fail_are_counted_and_told(tmp_path, monkeypatch):
    worked = objective.OnValidation.score

    def sometimes(self, entry, seed, checkpoints, observe):
        if entry.params.get("regularization", 500.0) != 500.0:
            raise np.linalg.LinAlgError("Singular matrix")
        return worked(self, entry, seed, checkpoints, observe)

    monkeypatch.setattr(objective.OnValidation, "score", sometimes)
    found = tuned(tmp_path, measured=False)
    row = {row["name"]: row for row in found["methods"]}["ease"]
    assert (row["n_trials"], row["n_failed"], row["best_trial"]) == (7, 6, 0)
    assert "Failed: 6." in found["statements"][0]
    why = pd.read_csv(tmp_path / "out/trials.csv").query("method == 'ease'")["why"]
    assert why.iloc[1] == "LinAlgError: Singular matrix"
    assert not (tmp_path / "out/benchmark").exists()
    monkeypatch.setattr(objective.OnValidation, "score", lambda *_: 1 / 0)
    with pytest.raises(ValueError, match="no trial of popular worked: ZeroDivisionError"):
        tuned(tmp_path, "all-fail")


def test_hopeless_trials_stop_and_count(whole):
    trials = pd.read_csv(whole / "trials.csv")
    pruned = trials[trials["state"] == "pruned"]
    # with two at once, trial 6 is the first that knows five complete ones
    assert set(pruned["trial"]) <= {6}
    assert (pruned["n_rounds"] < 3).all()


def test_trials_and_final_runs_never_share_a_seed(whole):
    found = json.loads((whole / "tuning.json").read_text())
    finals = {0, 1}  # seed 0, two of them
    assert found["trial_seeds"] == [SEED_SHIFT]
    assert not finals & set(found["trial_seeds"])


def test_best_settings_run_by_themselves(whole, tmp_path):
    best = yaml.safe_load((whole / "best.yaml").read_text())
    by_name = {one["name"]: one for one in best["models"]}
    assert by_name["q"]["params"]["state"] == "last_item"
    assert by_name["q"]["n_trials"] == 7
    run = run_experiment(
        load_config(whole / "best.yaml"), tmp_path / "r", data_dir=tmp_path / "data"
    )
    assert run.metrics() == json.loads((whole / "benchmark/metrics.json").read_text())


# Worlds and streams


def test_in_a_world_trials_meet_other_people(tmp_path):
    board = tuned(tmp_path, text=IN_WORLD)
    assert board["metric"] == "session_reward"
    assert "Trials met other people than the final runs" in " ".join(board["statements"])
    assert {row["name"]: row["n_trials"] for row in board["rows"]}.items() >= TRIED
    config = load_config(tmp_path / "tune.yaml")
    judged = objective.build_world("linear", **config.world.params)
    met = objective.InWorld(config)._world
    assert not np.array_equal(judged.thetas, met.thetas)
    assert met.n_users == judged.n_users


def test_a_stream_of_a_world_is_tuned(tmp_path):
    stream = IN_WORLD.replace("training: {", "training: {mode: stream, n_steps: 50, ")
    board = tuned(tmp_path, text=stream)
    assert board["metric"] == "mean_reward"
    assert all(row["test"] is not None for row in board["rows"])
    assert {row["name"]: row["n_trials"] for row in board["rows"]}.items() >= TRIED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "training: {mode: stream}\ndata: {path: table.csv}\nmodels: [{name: u, type: ucb1}]\n",
            "tuning: a stream of a table or of a decision log has no part to tune on",
        ),
        (
            "world: {type: replay, params: {n_rows: 100}}\nmodels: [{name: u, type: ucb1}]\n",
            "sessions of the world replay repeat a log exactly",
        ),
        ("data: {val_ratio: 0}\n", "needs a validation part to score trials on"),
        (
            CONFIG.replace("models:", "models:\n  - {name: q-untuned, type: pure_svd}"),
            "the name 'q-untuned' is needed for q as it was before tuning",
        ),
    ],
    ids=["stream of a table", "replay", "no validation", "name"],
)
def test_what_cannot_be_tuned_is_refused_in_words(tmp_path, text, said):
    with pytest.raises(InvalidConfig, match=said):
        tuned(tmp_path, text=text)
    assert not (tmp_path / "out").exists()


# A kill at any moment


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [1, 2])
def test_killed_ten_times_it_loses_no_finished_trial_and_repeats_none(tmp_path, n_workers, rng):
    """Seven kills fall among the trials, three anywhere from start to end, the benchmark too."""
    text = CONFIG.replace("n_trials: 7", "n_trials: 40").replace("passes: 3", "passes: 6")
    started = time.perf_counter()
    assert command(tmp_path, "whole", text, n_workers).wait() == 0
    took = time.perf_counter() - started
    file = tmp_path / "broken/trials.db"
    seen: dict[tuple[str, int], tuple] = {}
    counts, n_killed = [], 0
    for among_trials in [True] * 7 + [False] * 3:
        process = command(tmp_path, "broken", text, n_workers)
        if among_trials:
            wait_for_changes(file, int(rng.integers(1, 9)), process)
            time.sleep(float(rng.uniform(0, 0.03)))
        else:
            time.sleep(float(rng.uniform(0.2, 1.0) * took))
        process.kill()
        n_killed += process.wait() == -signal.SIGKILL
        now = finished_trials(file)
        assert {key: now.get(key) for key in seen} == seen, "a trial was lost or repeated"
        seen = now
        counts.append(len(now))
    assert n_killed >= 7
    assert len(set(counts)) >= 5, counts
    assert command(tmp_path, "broken", text, n_workers).wait() == 0
    now = finished_trials(file)
    assert {key: now[key] for key in seen} == seen
    assert len(now) == 40 + 40 + 1
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def wait_for_changes(file: Path, n: int, process: subprocess.Popen) -> None:
    """Return when the file has changed n times, or the process has ended."""
    last = file.stat().st_mtime_ns if file.exists() else None
    while n and process.poll() is None:
        now = file.stat().st_mtime_ns if file.exists() else None
        n, last = n - (now != last), now
        time.sleep(0.0005)


def command(folder: Path, name: str, text: str, n_workers: int) -> subprocess.Popen:
    config = write(folder, text)
    arguments = ["tune", "-c", str(config), "-o", name, "--workers", str(n_workers)]
    return subprocess.Popen(
        [sys.executable, "-m", "recloop.cli", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(recloop.__file__).parents[1])},
    )


def finished_trials(file: Path) -> dict[tuple[str, int], tuple]:
    """By study and number: row, state and time of every trial in the file, read without Optuna."""
    if not file.exists():
        return {}
    base = sqlite3.connect(file)
    rows = base.execute(
        "SELECT s.study_name, CAST(a.value_json AS INTEGER), t.trial_id, t.state, "
        "t.datetime_complete FROM trials t JOIN studies s ON s.study_id = t.study_id "
        "JOIN trial_user_attributes a ON a.trial_id = t.trial_id AND a.key = 'number'"
    ).fetchall()
    n_trials = base.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
    base.close()
    found = {(name, number): tuple(rest) for name, number, *rest in rows}
    assert len(found) == len(rows) == n_trials
    return found
