"""`recloop compare`: one folder, two folders, a world; what is refused, and the exit codes."""

import json
import shutil

import pandas as pd
import pytest
import yaml

from recloop.cli.app import outcome
from recloop.cli.compare import compare as command
from recloop.errors import InvalidData, InvalidParameter, MissingData, UnknownName
from recloop.experiment import load_config, run_experiment
from recloop.experiment.run_comparison import compare_runs
from recloop.utils.files import read_json, write_json, write_manifest

CONFIG = """\
data:
  synthetic: {n_users: 60, n_items: 30}
training: {mode: logged, n_seeds: 2}
models:
  - {name: ease, type: ease, controls: [popular]}
evaluation: {baselines: [random, popular], ks: [1, 5], metric: ndcg@5, n_resamples: 200}
"""
WORLD = """\
world: {type: bait_trap, params: {slate_size: 1, horizon: 20}, n_sessions: 100}
training: {n_episodes: 10, eval_freq: 10, sessions_per_episode: 8, n_seeds: 2}
models:
  - name: q
    type: q_learning
    params: {state: observation, bins: [5], discount_factor: 0.9}
    controls: [q-myopic]
  - {name: q-myopic, type: q_learning, params: {state: observation, bins: [5]}}
"""


def made(folder, text, *changes):
    file = folder / "config.yaml"
    file.write_text(text)
    name = "out" + "".join(one for one in "-".join(changes) if one.isalnum())
    config = load_config(file, list(changes))
    return run_experiment(config, folder / name, data_dir=folder / f"data-{name}").path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made(tmp_path_factory.mktemp("over data"), CONFIG)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return made(tmp_path_factory.mktemp("in a world"), WORLD)


def copied(run, tmp_path, **changes):
    """The run folder once more, with `changes` of its JSON and YAML files."""
    folder = tmp_path / "other"
    shutil.copytree(run, folder)
    for name, change in changes.items():
        file = folder / name.replace("_", ".")
        value = yaml.safe_load(file.read_text()) if file.suffix == ".yaml" else read_json(file)
        change(value)
        write_json(file, value)
    write_manifest(folder)
    return folder


# One folder


def test_a_run_is_compared_as_it_compared_itself(run):
    found = compare_runs(run, n_resamples=200)
    written = read_json(run / "metrics.json")["comparisons"]
    assert found.metric == "ndcg@5"
    for row, own in zip(found.rows(), written, strict=True):
        for key in ("model", "control", "difference", "ci_low", "p_holm", "verdict"):
            assert row[key] == own[key]


def test_the_first_name_meets_the_others_and_pairs_meet_as_they_say(run):
    found = compare_runs(run, models=["popular", "ease", "random", "random:ease"])
    assert found.pairs == [("random", "ease"), ("popular", "ease"), ("popular", "random")]
    assert {one.n_comparisons for one in found.found} == {3}


def test_another_metric_is_read_from_the_values_of_people(run):
    (found,) = compare_runs(run, models=["ease:popular"], metric="recall@1").found
    values = pd.read_parquet(run / "per_user.parquet")
    values = values[(values["metric"] == "recall") & (values["k"] == 1)]
    means = values.groupby("model", observed=True)["value"].mean()
    assert found.difference == pytest.approx(means["ease"] - means["popular"])


def test_seeds_are_too_few_and_the_exit_code_says_so(run, capsys):
    with pytest.raises(SystemExit) as stopped:
        command(run, models="random:popular", unit="seeds")
    assert stopped.value.code == 3
    assert "not known: 2 seeds are too few" in capsys.readouterr().out
    with pytest.raises(InvalidData, match="'ease' has 1 seeds and its control 'popular' 1"):
        compare_runs(run, models=["ease:popular"], unit="seeds")


def test_the_table_holds_difference_interval_counts_people_and_words(run, capsys):
    command(run, models="ease:popular, random:popular")
    said = capsys.readouterr().out
    assert "ndcg@5" in said
    for text in ("95 % interval", "p (Holm)", "better/same/worse", "people needed"):
        assert text in said
    (row, _) = compare_runs(run, models=["ease:popular", "random:popular"]).rows()
    assert f"{row['difference']:+.4g}" in said
    assert f"{row['wins']}/{row['ties']}/{row['losses']}" in said
    assert f"- ease - popular: {row['verdict']}." in said


def test_json_holds_the_rows(run, capsys):
    command(run, models="ease:popular", least=0.5, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["metric"] == "ndcg@5"
    assert said["comparisons"] == compare_runs(run, models=["ease:popular"], least=0.5).rows()
    assert said["comparisons"][0]["verdict"].startswith("no benefit")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"models": ["eas:popular"]}, UnknownName, "Did you mean 'ease'"),
        ({"models": ["ease:popula"]}, UnknownName, "Did you mean 'popular'"),
        ({"models": ["ease"]}, InvalidParameter, "'ease' stands alone"),
        ({"metric": "coverage@5"}, UnknownName, "No metric of single people"),
        ({"unit": "users"}, InvalidParameter, "unit must be one of 'people', 'seeds'"),
    ],
)
def test_what_cannot_be_compared_is_refused(run, given, error, said):
    with pytest.raises(error, match=said):
        compare_runs(run, **given)


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(MissingData, match="no finished run here"):
        compare_runs(tmp_path)
    assert outcome(lambda: command(tmp_path)) == 2


# Two folders


def test_two_runs_of_the_same_are_no_benefit(run, tmp_path):
    found = compare_runs(run, copied(run, tmp_path))
    assert found.pairs == [(name, name) for name in ("random", "popular", "ease")]
    assert {one.verdict for one in found.found} == {
        "no benefit: both have the same value for everyone"
    }
    assert found.is_known


def test_models_of_two_runs_meet_by_pairs(run, tmp_path):
    here = compare_runs(run, models=["ease:popular"])
    there = compare_runs(run, copied(run, tmp_path), models=["ease:popular"])
    assert here == there


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "environment_json",
            lambda value: value.update(data_sha256="0123"),
            r"differ in data fingerprint \(sha256\): .* and 0123",
        ),
        (
            "config_yaml",
            lambda value: value["data"].update(split="leave_last"),
            r"differ in data\.split: temporal and leave_last",
        ),
        (
            "config_yaml",
            lambda value: value["data"].update(test_ratio=0.3),
            r"differ in data\.test_ratio: 0\.2 and 0\.3",
        ),
        (
            "metrics_json",
            lambda value: value["data"]["split_report"].update(n_test=1),
            r"differ in rows of the split: n_test is \d+ and 1\.",
        ),
        (
            "metrics_json",
            lambda value: value["protocol"].update(words=["MAP: divided by k."]),
            r"differ in definitions: '.*' and 'MAP: divided by k\.'",
        ),
    ],
)
def test_runs_that_judged_otherwise_are_refused_and_the_difference_is_named(
    run, tmp_path, file, change, said
):
    other = copied(run, tmp_path, **{file: change})
    with pytest.raises(InvalidData, match=said):
        compare_runs(run, other)


def test_runs_of_other_people_are_refused(run, tmp_path):
    other = copied(run, tmp_path)
    frame = pd.read_parquet(other / "per_user.parquet")
    first = str(frame["user_id"].iloc[0])
    frame["user_id"] = frame["user_id"].astype(str).replace(first, "somebody")
    frame.to_parquet(other / "per_user.parquet")
    write_manifest(other)
    with pytest.raises(InvalidData, match="differ in the people they judged: 2 are in one of them"):
        compare_runs(run, other)


def test_a_random_split_of_another_seed_is_another_test(run, tmp_path):
    def random(value):
        value["data"]["split"] = "random"

    first = copied(run, tmp_path / "a", config_yaml=random)
    other = copied(
        run, tmp_path / "b", config_yaml=random, metrics_json=lambda value: value.update(seed=5)
    )
    with pytest.raises(InvalidData, match="differ in seed: 0 and 5"):
        compare_runs(first, other)


# Worlds


def test_sessions_of_a_world_are_compared_one_by_one(world):
    (found,) = compare_runs(world).rows()
    (written,) = read_json(world / "metrics.json")["comparisons"]
    assert found["n"] == 100
    assert found["metric"] == "session_reward"
    for key in ("difference", "ci_low", "wins", "verdict"):
        assert found[key] == written[key]
    assert compare_runs(world, unit="seeds").rows()[0]["n"] == 2


def test_a_world_and_data_are_not_compared(run, world):
    with pytest.raises(InvalidData, match="one is a run in a world, the other over data"):
        compare_runs(run, world)


def test_worlds_of_other_settings_are_not_compared(world, tmp_path):
    other = made(tmp_path, WORLD, "world.params.horizon=10")
    with pytest.raises(InvalidData, match="differ in world settings: horizon is 20 and 10"):
        compare_runs(world, other)
