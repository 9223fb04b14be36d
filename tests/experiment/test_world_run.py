"""A run in a world: judged by what is earned, between certified lines, the same every time."""

import json

import numpy as np
import pytest

from recloop.demo.opened import OpenedRun
from recloop.errors import InvalidConfig, MissingData
from recloop.experiment import load_config, run_experiment
from recloop.experiment.evaluate import evaluate_folder
from recloop.experiment.recommend import recommend_for
from recloop.experiment.world_run import world_statements

CONFIG = """\
world: {type: bait_trap, params: {slate_size: 1, horizon: 20}, n_sessions: 200}
training: {n_episodes: 60, eval_freq: 20, sessions_per_episode: 32, n_seeds: 2}
models:
  - name: q
    type: q_learning
    params: {state: observation, bins: [5], learning_rate: 0.05, discount_factor: 0.9, epsilon: 0.2}
    controls: [q-myopic]
  - name: q-myopic
    type: q_learning
    params: {state: observation, bins: [5], learning_rate: 0.05, discount_factor: 0.0, epsilon: 0.2}
evaluation: {n_resamples: 200}
"""


@pytest.fixture
def config_file(tmp_path):
    file = tmp_path / "world.yaml"
    file.write_text(CONFIG)
    return file


def run(config_file, name="out", **changed):
    config = load_config(config_file, changed.pop("overrides", []))
    return run_experiment(config, config_file.parent / name, **changed)


def test_planning_is_found_to_help_where_it_does(config_file):
    folder = run(config_file)
    results = folder.metrics()
    rows = {row["name"]: row for row in results["models"]}
    lines = {name: line["value"] for name, line in results["world"]["lines"].items()}
    assert rows["q"]["gap_closed"] >= 0.8
    assert rows["q-myopic"]["session_reward"] == pytest.approx(lines["myopic"], rel=0.1)
    (comparison,) = results["comparisons"]
    assert comparison["verdict"] == "better"
    assert any("closes" in text for text in results["statements"])
    for row in rows.values():
        assert row["ci_low"] < row["session_reward"] < row["ci_high"]
        assert np.mean(row["seed_means"]) == pytest.approx(row["session_reward"])
        share = row["session_reward"] / lines["best_stationary"]
        assert row["share_of_optimum"] == pytest.approx(share)


def test_the_report_shows_agents_between_the_certified_lines(config_file):
    folder = run(config_file)
    page = (folder.path / "report.html").read_text()
    assert "<th class='words'>how</th>" in page  # on the side of the words below it
    for text in ("best stationary", "best constant", "q-myopic", "optimal", "How they learned"):
        assert text in page
    assert "http" not in page.split("</script>")[-1]


def test_two_runs_and_an_interrupted_one_leave_the_same_bytes(config_file):
    class Stop(Exception):
        pass

    class StopsAt:
        def __init__(self, name, round_number):
            self.at = (name, round_number)

        def begin(self, name, n_rounds):
            pass

        def note(self, text):
            pass

        def advance(self, name, n_done, values):
            if (name, n_done) == self.at:
                raise Stop

    whole = run(config_file)
    with pytest.raises(Stop):
        run(config_file, "cut", progress=StopsAt("q.seed1", 45))
    resumed = run(config_file, "cut")
    for file in ("metrics.json", "log.jsonl", "report.html", "models/q.npz", "models/q.seed1.npz"):
        assert (whole.path / file).read_bytes() == (resumed.path / file).read_bytes()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("world.type=bait_trp", r"bait_trap"),
        ("world.params={slate_sise: 1}", r"unknown key 'world.params.slate_sise'.*'slate_size'"),
        ("world.params={n_levels: 1}", r"n_levels must be"),
        ("world.params={slate_size: 99}", r"does not fit"),
    ],
)
def test_mistakes_in_the_world_are_named_when_the_configuration_is_read(
    config_file, override, message
):
    with pytest.raises(InvalidConfig, match=message):
        load_config(config_file, [override])


def test_models_that_need_a_log_have_no_place_in_a_world(config_file):
    config_file.write_text(CONFIG.replace("type: q_learning", "type: popular", 1).replace(
        "params: {state: observation, bins: [5], learning_rate: 0.05, discount_factor: 0.9, "
        "epsilon: 0.2}", "params: {}", 1))  # fmt: skip
    with pytest.raises(InvalidConfig, match="is fitted to a log, and the world bait_trap has none"):
        load_config(config_file)


def test_a_control_in_which_planning_gains_nothing_says_so(tmp_path):
    file = tmp_path / "control.yaml"
    file.write_text(
        "world: {type: preference, params: {n_users: 4, n_items: 5}, n_sessions: 200}\n"
        "training: {n_episodes: 40, eval_freq: 20}\n"
        "models:\n"
        "  - {name: q, type: q_learning, controls: [q0]}\n"
        "  - {name: q0, type: q_learning, params: {discount_factor: 0.0}}\n"
    )
    results = run_experiment(load_config(file), tmp_path / "out").metrics()
    said = " ".join(results["statements"])
    assert "planning gains nothing here" in said
    assert "proves nothing here" in said
    assert results["comparisons"][0]["verdict"] != "better"
    assert json.loads(json.dumps(results)) == results
    assert world_statements(results) == results["statements"]


def test_what_a_killed_process_left_is_cleared_and_its_seconds_are_kept(config_file):
    whole = run(config_file, "whole")
    out = config_file.parent / "out"
    (out / "checkpoints").mkdir(parents=True)
    (out / "config.yaml").write_bytes((whole.path / "config.yaml").read_bytes())
    (out / "checkpoints" / ".q.npz.123.tmp").write_bytes(b"half")
    (out / "timings.json").write_text('{"q": 1000.0}\n')
    folder = run(config_file)
    assert not (out / "checkpoints").exists()
    seconds = json.loads((out / "timings.json").read_text())
    assert set(seconds) == {"q", "q.seed1", "q-myopic", "q-myopic.seed1"}
    assert seconds["q"] > 1000.0
    assert folder.metrics() == whole.metrics()


def test_names_of_seeds_and_resamples_are_minded_in_a_world_as_well(config_file):
    text = CONFIG.replace("name: q-myopic", "name: q.seed1").replace("[q-myopic]", "[q.seed1]")
    config_file.write_text(text)
    with pytest.raises(InvalidConfig, match=r"line 8: the name 'q\.seed1' stands for two things"):
        load_config(config_file)
    config_file.write_text(CONFIG)
    overrides = ["evaluation.confidence=0.999", "training.n_episodes=2", "training.n_seeds=1"]
    (row,) = run(config_file, overrides=overrides).metrics()["comparisons"]
    assert row["n_resamples"] == 1000


def test_what_needs_people_of_a_data_set_says_what_the_folder_holds(config_file):
    folder = run(config_file, overrides=["training.n_episodes=2", "training.n_seeds=1"])
    words = "holds a run in the world 'bait_trap'"
    with pytest.raises(MissingData, match=words):
        recommend_for(folder.path, "q", "user_0")
    with pytest.raises(MissingData, match=words):
        evaluate_folder(folder.path, config_file)
    with pytest.raises(MissingData, match=words):
        OpenedRun.at(folder.path).results()


@pytest.mark.parametrize(
    ("gap_closed", "words"),
    [
        (-0.01, "50.0% of the best policy known, less than one and the same action forever."),
        (0.0, "50.0% of the best policy known, and closes 0% of the gap from the best constant"),
        (0.9, "50.0% of the best policy known, and closes 90% of the gap from the best constant"),
        (None, "50.0% of the best policy known."),
    ],
)
def test_an_agent_below_one_action_forever_closes_no_gap(config_file, gap_closed, words):
    results = run(config_file).metrics()
    for row in results["models"]:
        row |= {"gap_closed": gap_closed, "share_of_optimum": 0.5}
    lines = results["world"]["lines"]
    lines["best_constant"]["value"] = 0.5 * lines["optimal"]["value"]
    said = [one for one in world_statements(results) if " earns " in one]
    assert any(words in one for one in said)
