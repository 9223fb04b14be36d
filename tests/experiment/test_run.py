"""A run leaves a folder that can be trusted: complete, checked, resumable, the same every time."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from recloop.errors import (
    DamagedFile,
    InvalidConfig,
    InvalidData,
    MissingData,
    RunFolderBusy,
    RunFolderInUse,
)
from recloop.errors import UnknownName as UnknownNameError
from recloop.experiment import ExperimentConfig, RunFolder, load_config, run_experiment
from recloop.experiment.evaluate import evaluate_folder
from recloop.experiment.recommend import recommend_for
from recloop.experiment.results import statements
from recloop.experiment.training import Silent
from recloop.models import EASERecommender, ItemKNNRecommender, PopularRecommender
from recloop.utils.files import MANIFEST, sha256_of

CONFIG = """\
data:
  synthetic: {n_users: 60, n_items: 40}
training: {n_episodes: 6, eval_freq: 2, sessions_per_episode: 16, passes: 2}
models:
  - {name: bandit, type: contextual_bandit, params: {context_dim: 4}, controls: [popular]}
  - {name: svd, type: pure_svd, params: {n_factors: 4}}
evaluation: {baselines: [random, popular], ks: [1, 5], metric: ndcg@5, n_resamples: 200}
"""
CONFIG = CONFIG.replace("passes: 2}", "passes: 2, k: 5}")


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "run.yaml"
    file.write_text(CONFIG)
    return file


def run(config_file: Path, name: str = "out", **changed):
    folder = config_file.parent
    config = load_config(config_file, changed.pop("overrides", []))
    return run_experiment(config, folder / name, data_dir=folder / "data", **changed)


def contents(folder: Path, *, without: tuple[str, ...] = ("timings.json", MANIFEST)) -> dict:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in without
    }


def test_the_folder_holds_everything_and_the_manifest_lists_it(config_file):
    folder = run(config_file)
    files = set(contents(folder.path, without=()))
    models = ["random", "popular", "bandit", "bandit-world", "svd", "world-model"]
    assert files == {
        "config.yaml", "environment.json", "ids.json", "items.parquet", "log.jsonl",
        "manifest.json", "metrics.json", "per_user.parquet", "report.html", "timings.json",
        "train.parquet", "validation.parquet", *(f"models/{name}.npz" for name in models),
    }  # fmt: skip
    manifest = json.loads((folder.path / MANIFEST).read_text())
    assert set(manifest) == files - {MANIFEST}
    assert all(sha256_of(folder.path / name) == digest for name, digest in manifest.items())
    assert folder.model_names() == models


def test_the_data_that_were_made_are_written_beside(config_file):
    run(config_file)
    data = config_file.parent / "data"
    rows = {name: len(pd.read_csv(data / f"{name}.csv")) for name in
            ("interactions", "items", "users", "train", "val", "test")}  # fmt: skip
    assert (rows["items"], rows["users"]) == (40, 60)
    assert rows["train"] + rows["val"] + rows["test"] <= rows["interactions"]
    assert min(rows.values()) > 0


def test_two_runs_give_the_same_bytes(config_file):
    one, two = run(config_file, "one"), run(config_file, "two")
    assert contents(one.path) == contents(two.path)


def test_another_seed_gives_other_numbers(config_file):
    one, two = run(config_file, "one"), run(config_file, "two", overrides=["seed=1"])
    assert one.metrics()["models"][2]["metrics"] != two.metrics()["models"][2]["metrics"]


class RunsAgain(Silent):
    """Starts the same run once more while the first is at work."""

    def __init__(self, again) -> None:
        self.again, self.said = again, ""

    def begin(self, name, n_rounds):
        with pytest.raises(RunFolderBusy) as caught:
            self.again()
        self.said = str(caught.value)


@pytest.mark.parametrize("beside", [False, True])
def test_two_runs_at_the_same_time_do_not_share_a_folder(config_file, beside):
    again = RunsAgain(lambda: run(config_file, "one", beside=beside))
    assert run(config_file, "one", progress=again, beside=beside).is_finished
    assert again.said.endswith(
        "one: another process is writing this run. Wait until it is done, or choose another "
        "--output-dir."
    )
    assert not (config_file.parent / "one-2").exists()


class StopsAt(Silent):
    """Interrupts a run at the n-th round, as Ctrl-C would."""

    def __init__(self, n_rounds: int) -> None:
        self.left = n_rounds

    def advance(self, name, n_done, values):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("n_rounds", [1, 3, 4, 6, 9])
def test_an_interrupted_run_goes_on_to_the_same_bytes(config_file, n_rounds):
    whole = run(config_file, "whole")
    with pytest.raises(KeyboardInterrupt):
        run(config_file, "broken", progress=StopsAt(n_rounds))
    broken = config_file.parent / "broken"
    assert not (broken / MANIFEST).exists()
    assert not list(broken.rglob("*.tmp"))
    with pytest.raises(MissingData, match="no finished run here"):
        RunFolder(broken).model_names()
    assert contents(run(config_file, "broken").path) == contents(whole.path)


def test_a_finished_run_is_not_trained_again(config_file):
    folder = run(config_file)
    before = contents(folder.path, without=())

    class Fails(Silent):
        def begin(self, name, n_rounds):
            raise AssertionError("nothing should be trained")

    assert contents(run(config_file, progress=Fails()).path, without=()) == before


def test_another_configuration_in_the_same_folder_is_refused(config_file):
    run(config_file)
    with pytest.raises(RunFolderInUse, match=r"there 'n_episodes: 6', now 'n_episodes: 7'"):
        run(config_file, overrides=["training.n_episodes=7"])


def test_other_data_in_the_same_folder_are_refused(config_file):
    data = config_file.parent / "mine"
    data.mkdir()
    rows = [f"u{u},i{i},{(i * 7 + u * 5) % 12},1" for u in range(12) for i in range(u % 3, 12)]
    log = data / "interactions.csv"
    log.write_text("user_id,item_id,timestamp,weight\n" + "\n".join(rows) + "\n")
    overrides = [f"data.path={data}", "data.split=leave_last", "training.mode=logged"]
    run(config_file, overrides=overrides)
    log.write_text(log.read_text() + "u1,i0,99,1\n")
    with pytest.raises(RunFolderInUse, match="same configuration on other data"):
        run(config_file, overrides=overrides)


def test_ones_own_data_in_the_data_folder_are_used_and_never_overwritten(config_file):
    data = config_file.parent / "data"
    data.mkdir()
    rows = [f"u{u},i{i},{(i * 7 + u * 5) % 12},1" for u in range(12) for i in range(u % 3, 12)]
    text = "user_id,item_id,timestamp,weight\n" + "\n".join(rows) + "\n"
    (data / "interactions.csv").write_text(text)
    folder = run(config_file, overrides=["data.split=leave_last", "training.mode=logged"])
    assert folder.metrics()["data"]["n_users"] == 12
    assert (data / "interactions.csv").read_text() == text
    assert [file.name for file in data.iterdir()] == ["interactions.csv"]


@pytest.mark.parametrize(
    "name", ["ids.json", "train.parquet", "metrics.json", "models/popular.npz", "config.yaml"]
)
def test_a_file_that_was_changed_is_refused_with_a_sentence(config_file, name):
    folder = run(config_file)
    content = bytearray((folder.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder.path / name).write_bytes(bytes(content))
    with pytest.raises(DamagedFile, match="not those of the manifest"):
        _ = [folder.ids(), folder.known_interactions(), folder.metrics(), folder.config(),
             folder.load_model("popular")]  # fmt: skip


def test_evaluating_the_saved_models_gives_the_numbers_of_the_run(config_file):
    folder = run(config_file)
    again = evaluate_folder(folder.path, config_file.parent / "data" / "test.csv")
    for one, other in zip(folder.metrics()["models"], again["models"], strict=True):
        for name in ("ndcg@5", "recall@1", "coverage@5", "diversity@5", "novelty@5"):
            got, wanted = other["metrics"][name]["mean"], one["metrics"][name]["mean"]
            assert got == pytest.approx(wanted, abs=1e-12)


def test_a_test_file_of_strangers_is_refused(config_file):
    folder = run(config_file)
    file = config_file.parent / "strangers.csv"
    file.write_text("user_id,item_id,timestamp,weight\nx,y,1,1\n")
    with pytest.raises(InvalidData, match="none of its 1 rows is of a person and an item"):
        evaluate_folder(folder.path, file)


def test_values_per_user_are_those_of_the_table(config_file):
    folder = run(config_file)
    frame = folder.frame("per_user")
    for row in folder.metrics()["models"]:
        mine = frame[(frame["model"] == row["name"]) & (frame["metric"] == "ndcg")]
        mean = mine.loc[mine["k"] == 5, "value"].mean()
        assert mean == pytest.approx(row["metrics"]["ndcg@5"]["mean"])


def test_recommendations_leave_out_what_the_person_has(config_file):
    folder = run(config_file)
    ids, known = folder.ids(), folder.known_interactions()
    has = {ids["items"][item] for item in known.items[known.users == 0]}
    rows = recommend_for(folder.path, "svd", ids["users"][0], 40)
    assert {row["item_id"] for row in rows} == set(ids["items"]) - has
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(a["score"] >= b["score"] for a, b in pairwise(rows))
    assert all(row["title"] for row in rows)
    everything = recommend_for(folder.path, "svd", ids["users"][0], 40, with_seen=True)
    assert len(everything) == len(ids["items"])
    with pytest.raises(UnknownNameError, match="Did you mean 'svd'"):
        recommend_for(folder.path, "sdv", ids["users"][0])


def test_every_seed_of_a_model_that_draws_is_trained_and_averaged(config_file):
    overrides = ["training.n_seeds=3", "training.mode=simulated"]
    folder = run(config_file, overrides=overrides)
    rows = {row["name"]: row for row in folder.metrics()["models"]}
    assert rows["bandit"]["n_seeds"] == 3
    assert rows["popular"]["n_seeds"] == 1
    seeds = rows["bandit"]["seed_means"]["ndcg@5"]
    assert len(set(seeds)) > 1
    assert rows["bandit"]["metrics"]["ndcg@5"]["mean"] == pytest.approx(np.mean(seeds))
    assert (folder.path / "models" / "bandit.seed2.npz").exists()
    assert {line["seed"] for line in folder.log() if line["model"] == "bandit"} == {0, 1, 2}


def test_the_world_is_bounded_by_the_model_it_is_made_of(config_file):
    results = run(config_file).metrics()
    values = {row["name"]: row["world_value"] for row in results["models"]}
    assert values["world-model"] == max(values.values())
    assert any("cannot beat the model that makes the clicks" in s for s in results["statements"])


def test_what_a_model_gains_is_said_in_words(config_file):
    results = run(config_file).metrics()
    pairs = [(row["model"], row["control"]) for row in results["comparisons"]]
    assert ("bandit", "popular") in pairs
    assert ("bandit-world", "world-model") in pairs
    assert all(row["verdict"] for row in results["comparisons"])
    assert "people of the test part count" in results["statements"][0]
    assert "differences below their own interval mean nothing" in results["statements"][0]


def test_the_report_is_one_file_without_addresses_to_load(config_file):
    folder = run(config_file)
    report = (folder.path / "report.html").read_text()
    for name, side in (("how", "words"), ("control", "left"), ("verdict", "words")):
        assert f"<th class='{side}'>{name}</th>" in report
    body = report[report.rindex("</script></head>") :]
    assert "src=" not in body
    assert "<link" not in body
    for text in ("Leaderboard", "bandit-world", "no benefit", "How they learned", "Novelty:"):
        assert text in body


def test_a_test_part_that_nothing_can_be_asked_of_is_an_error_before_training(config_file):
    data = config_file.parent / "mine"
    data.mkdir()
    rows = [f"u{u},i{i},{i},1" for u in range(9) for i in range(9)]  # the last item is always i8
    (data / "interactions.csv").write_text(
        "user_id,item_id,timestamp,weight\n" + "\n".join(rows) + "\n"
    )
    with pytest.raises(InvalidData, match="nobody is left to test on: of 9 test rows 9 are of ite"):
        run(config_file, overrides=[f"data.path={data}", "data.split=leave_last"])
    assert not (config_file.parent / "out").exists()


def test_a_misspelt_key_of_the_synthetic_settings_is_named(config_file):
    with pytest.raises(InvalidConfig, match=r"'data\.synthetic\.n_user'\. Did you mean 'n_users'"):
        run(config_file, overrides=["data.synthetic.n_user=3"])


def test_beside_finds_a_free_folder_and_finds_it_again(config_file):
    first = run(config_file)
    with pytest.raises(RunFolderInUse, match="--beside"):
        run(config_file, overrides=["seed=1"])
    second = run(config_file, overrides=["seed=1"], beside=True)
    third = run(config_file, overrides=["seed=2"], beside=True)
    assert [one.path.name for one in (first, second, third)] == ["out", "out-2", "out-3"]
    before = contents(second.path)
    assert run(config_file, overrides=["seed=1"], beside=True).path == second.path
    assert contents(second.path) == before
    assert run(config_file, beside=True).path == first.path


def test_linear_algebra_runs_on_as_many_threads_as_asked_for(config_file, monkeypatch):
    seen = []
    fit = PopularRecommender.fit

    def fit_and_look(self, log):
        seen.append(
            {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        )
        return fit(self, log)

    monkeypatch.setattr(PopularRecommender, "fit", fit_and_look)
    run(config_file, "one")
    run(config_file, "two", overrides=["training.threads=2"])
    assert seen == [{1}, {2}]


def test_every_model_that_is_only_fitted_is_a_baseline_and_keeps_its_controls(config_file):
    text = CONFIG.replace("params: {n_factors: 4}}", "params: {n_factors: 4}, controls: [random]}")
    config_file.write_text(text)
    results = run(config_file).metrics()
    rows = {row["name"]: row["is_baseline"] for row in results["models"]}
    assert rows == {"random": True, "popular": True, "svd": True, "world-model": True,
                    "bandit": False, "bandit-world": False}  # fmt: skip
    baselines = [row for row in results["models"] if row["is_baseline"]]
    best = max(baselines, key=lambda row: row["metrics"]["ndcg@5"]["mean"])["name"]
    pairs = [(row["model"], row["control"]) for row in results["comparisons"]]
    assert ("svd", "random") in pairs
    assert {model for model, control in pairs if control == best} >= {"bandit", "bandit-world"}
    assert not [model for model, _ in pairs if model in ("random", "popular", "world-model")]


def own_data(folder: Path, rows: list[str]) -> str:
    """An override that makes a run read `rows` (user, item, timestamp, weight)."""
    data = folder / "mine"
    data.mkdir()
    text = "user_id,item_id,timestamp,weight\n" + "\n".join(rows) + "\n"
    (data / "interactions.csv").write_text(text)
    return f"data.path={data}"


# what a model knows at the test


def test_profiles_reach_to_the_test_and_parameters_stop_at_training(config_file):
    baselines = "evaluation.baselines=[popular, ease, item_knn, als, markov]"
    folder = run(
        config_file, overrides=[baselines, "data.split=leave_last", "training.mode=logged"]
    )
    train, whole = folder.read_interactions("train"), folder.known_interactions()
    n_users, n_items = train.n_users, train.n_items
    assert len(whole) > len(train)

    def profiles(model):
        users = np.repeat(np.arange(n_users), np.diff(model.profile_starts))
        return set(zip(users.tolist(), model.profile_items.tolist(), strict=True))

    everything = set(zip(whole.users.tolist(), whole.items.tolist(), strict=True))
    ease, knn, als = (folder.load_model(name) for name in ("ease", "item_knn", "als"))
    assert profiles(ease) == profiles(knn) == profiles(als) == everything
    with threadpool_limits(1, "blas"):  # as in the run: other numbers of threads round otherwise
        fitted = EASERecommender(n_users, n_items).fit(train)
    np.testing.assert_array_equal(ease.item_weights, fitted.item_weights)
    near = ItemKNNRecommender(n_users, n_items).fit(train)
    np.testing.assert_array_equal(knn.neighbour_cosines, near.neighbour_cosines)
    counts = np.bincount(train.items, minlength=n_items)
    np.testing.assert_array_equal(folder.load_model("popular").counts, counts)
    np.testing.assert_array_equal(folder.load_model("markov").popularity, counts)
    assert any(
        "as profile (Item KNN, EASE, ALS)" in w for w in folder.metrics()["protocol"]["words"]
    )


def test_without_a_validation_part_profiles_are_as_they_were_fitted(config_file):
    overrides = ["evaluation.baselines=[ease, popular]", "data.val_ratio=0", "training.mode=logged"]
    folder = run(config_file, overrides=overrides)
    train = folder.read_interactions("train")
    fitted = EASERecommender(train.n_users, train.n_items).fit(train)
    np.testing.assert_array_equal(folder.load_model("ease").profile_items, fitted.profile_items)


# evaluating on another file


def test_another_file_is_judged_by_the_positives_of_the_run(config_file):
    rows = [f"u{u},i{(i * 7 + u) % 30},{i},{1 + (i + u) % 5}" for u in range(20) for i in range(14)]
    data = own_data(config_file.parent, rows)
    overrides = [data, "data.positives='>=3'", "data.split=leave_last", "training.mode=logged"]
    folder = run(config_file, overrides=overrides)
    ids, known = folder.ids(), folder.known_interactions()
    has = {
        (ids["users"][u], ids["items"][i]) for u, i in zip(known.users, known.items, strict=True)
    }
    new = [f"{u},{i}" for u in ids["users"] for i in ids["items"] if (u, i) not in has]
    old = [f"{u},{i}" for u, i in sorted(has)]
    head = "user_id,item_id,timestamp,weight\n"
    good, mixed = config_file.parent / "good.csv", config_file.parent / "mixed.csv"
    good.write_text(head + "".join(f"{pair},99,3\n" for pair in new[::2]))
    mixed.write_text(
        good.read_text()
        + "".join(f"{pair},99,2\n" for pair in new[1::2])
        + "".join(f"{pair},99,5\n" for pair in old)
    )
    wanted, got = evaluate_folder(folder.path, good), evaluate_folder(folder.path, mixed)
    assert got["models"] == wanted["models"]
    n = len(new) + len(old)
    assert (
        f"{len(new) // 2:,} of {n:,} rows do not count under positives '>=3': left out."
        in (got["notes"])
    )
    assert (
        f"{len(old):,} of {n:,} rows are of what the person already had: left out."
        in (got["notes"])
    )


def test_a_file_of_what_people_already_had_is_refused(config_file):
    folder = run(config_file)
    with pytest.raises(InvalidData, match="already had in training or validation"):
        evaluate_folder(folder.path, config_file.parent / "data" / "train.csv")


def test_evaluating_averages_every_seed(config_file):
    folder = run(config_file, overrides=["training.n_seeds=3", "training.mode=simulated"])
    again = evaluate_folder(folder.path, config_file.parent / "data" / "test.csv")
    for one, other in zip(folder.metrics()["models"], again["models"], strict=True):
        assert other["metrics"] == one["metrics"]
        assert other["seed_means"] == one["seed_means"]
    assert len(set(again["models"][2]["seed_means"]["ndcg@5"])) > 1


# the folder


def test_what_a_killed_process_left_does_not_stop_the_next_one(config_file):
    whole = run(config_file, "whole")
    with pytest.raises(KeyboardInterrupt):
        run(config_file, "broken", progress=StopsAt(3))
    broken = config_file.parent / "broken"
    left = [
        broken / "checkpoints" / ".bandit.npz.123.tmp",
        broken / "models" / ".popular.npz.123.tmp",
        broken / ".ids.json.123.tmp",
        broken / "checkpoints" / "popular.npz",
    ]
    for file in left:
        file.write_bytes(b"half")
    assert contents(run(config_file, "broken").path) == contents(whole.path)
    assert not (broken / "checkpoints").exists()


def test_a_folder_with_other_files_is_refused_and_left_alone(config_file):
    home = config_file.parent / "out"
    (home / "photos").mkdir(parents=True)
    (home / "letter.txt").write_text("dear")
    with pytest.raises(
        RunFolderInUse, match=r"it holds other files \(letter\.txt, photos\) and no"
    ):
        run(config_file)
    assert sorted(file.name for file in home.iterdir()) == ["letter.txt", "photos"]
    assert run(config_file, beside=True).path.name == "out-2"


def test_a_folder_with_hidden_files_alone_counts_as_empty(config_file):
    out = config_file.parent / "out"
    out.mkdir()
    (out / ".gitkeep").touch()
    assert run(config_file).is_finished


def test_a_run_that_was_killed_while_it_made_its_folder_goes_on(config_file):
    whole = run(config_file, "whole")
    out = config_file.parent / "out"
    out.mkdir()
    (out / "config.yaml").write_bytes((whole.path / "config.yaml").read_bytes())
    assert contents(run(config_file).path) == contents(whole.path)


def test_the_seconds_of_every_process_stand_in_the_timings(config_file):
    with pytest.raises(KeyboardInterrupt):
        run(config_file, progress=StopsAt(4))
    file = config_file.parent / "out" / "timings.json"
    before = json.loads(file.read_text())
    folder = run(config_file)
    after = json.loads(file.read_text())
    assert set(after) == set(folder.model_names())
    last = list(before)[-1] if len(before) > 1 else None
    assert len(before) >= 2
    assert last is not None
    assert all(after[name] >= seconds > 0 for name, seconds in before.items())
    assert after["random"] == before["random"]


# names and values


def test_names_that_a_run_would_mix_are_refused_without_a_file_as_well(tmp_path):
    config = ExperimentConfig.model_validate(
        {
            "training": {"n_seeds": 2, "mode": "logged"},
            "models": [
                {"name": "q", "type": "dqn"},
                {"name": "q.seed1", "type": "q_learning"},
            ],
        }
    )
    with pytest.raises(InvalidConfig, match=r"'q\.seed1' stands for two things: seed 1 of 'q'"):
        run_experiment(config, tmp_path / "out", data_dir=tmp_path / "data")
    assert not any(tmp_path.iterdir())


def test_the_values_of_people_are_stored_as_codes_model_by_model(config_file):
    folder = run(config_file)
    file = pq.ParquetFile(folder.path / "per_user.parquet")
    assert file.num_row_groups == len(folder.model_names())
    frame = folder.frame("per_user")
    assert list(frame.columns) == ["user_id", "model", "metric", "k", "value"]
    assert all(frame[name].dtype == "category" for name in ("user_id", "model", "metric"))
    assert (frame["k"].dtype, frame["value"].dtype) == (np.int32, np.float64)
    results = folder.metrics()
    n_values = sum("@" in name for name in results["models"][0]["seed_means"])
    n_people = results["data"]["split_report"]["n_test_users_counted"]
    assert len(frame) == len(folder.model_names()) * n_values * n_people
    assert frame.memory_usage(deep=True).sum() < 30 * len(frame) + 20_000
    assert frame.duplicated(["user_id", "model", "metric", "k"]).sum() == 0


# what a stranger found


def test_files_of_ones_own_are_neither_overwritten_nor_passed_over(config_file):
    data = config_file.parent / "data"
    data.mkdir()
    (data / "items.csv").write_text("item_id,title\ni1,one\n")
    with pytest.raises(
        InvalidData, match=r"items\.csv: lies where synthetic data would be written"
    ):
        run(config_file)
    assert (data / "items.csv").read_text() == "item_id,title\ni1,one\n"
    (data / "items.csv").unlink()
    rows = [
        [f"u{u}", f"i{i}", (i * 7 + u * 5) % 12, 1] for u in range(12) for i in range(u % 3, 12)
    ]
    own = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "weight"])
    own.to_parquet(data / "interactions.parquet")
    folder = run(config_file, overrides=["data.split=leave_last", "training.mode=logged"])
    assert folder.metrics()["data"]["n_users"] == 12
    assert not (data / "interactions.csv").exists()


def test_a_damaged_run_is_mended_by_running_it_again(config_file):
    folder = run(config_file)
    before = contents(folder.path)
    (folder.path / "models" / "bandit.npz").write_bytes(b"nothing")
    (folder.path / "models" / "svd.npz").unlink()
    with pytest.raises(DamagedFile):
        recommend_for(folder.path, "bandit", "user_0")

    class Watching(Silent):
        def __init__(self):
            self.begun, self.notes = [], []

        def begin(self, name, n_rounds):
            self.begun.append(name)

        def note(self, text):
            self.notes.append(text)

    watching = Watching()
    run(config_file, progress=watching)
    assert sorted(watching.begun) == ["bandit", "svd"]
    assert any("made anew: models/bandit.npz, models/svd.npz" in note for note in watching.notes)
    assert contents(folder.path) == before


def test_ease_steps_aside_where_the_catalogue_is_too_large(config_file, monkeypatch):
    monkeypatch.setattr(EASERecommender, "max_items", 20)
    watched = []

    class Watching(Silent):
        def note(self, text):
            watched.append(text)

    baselines = "evaluation.baselines=[popular, ease]"
    folder = run(config_file, overrides=[baselines], progress=Watching())
    assert "ease" not in folder.model_names()
    assert any("ease is left out: 40 items are more than its 20" in text for text in watched)


def test_the_folder_one_stands_in_has_a_place_beside_it(config_file, monkeypatch):
    place = config_file.parent / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    config = load_config(config_file, [])
    data = config_file.parent / "data"
    assert run_experiment(config, ".", data_dir=data).path == Path(".")
    other = run_experiment(load_config(config_file, ["seed=1"]), ".", data_dir=data, beside=True)
    assert other.path.absolute() == place.with_name("here-2")


def test_few_people_are_said_to_be_few():
    row = {"name": "a", "is_baseline": True, "mode": "fit", "world_value": None,
           "metrics": {"ndcg@5": {"mean": 0.5, "ci_low": None, "ci_high": None}}}  # fmt: skip
    results = {
        "models": [row], "comparisons": [], "protocol": {"metric": "ndcg@5"},
        "data": {"n_test_users": 1, "n_test_users_counted": 1},
    }  # fmt: skip
    assert "how well is unknown from so few" in statements(results)[0]
    assert "of the others" not in statements(results)[0]
    row["metrics"]["ndcg@5"] |= {"ci_low": 0.4, "ci_high": 0.6}
    results["data"] = {"n_test_users": 9, "n_test_users_counted": 3}
    assert "±0.100 at best: 3 people are too few" in statements(results)[0]
    assert "of the others nothing is left to test" in statements(results)[0]
    results["data"] = {"n_test_users": 900, "n_test_users_counted": 800}
    assert "known to about ±0.100;" in statements(results)[0]
