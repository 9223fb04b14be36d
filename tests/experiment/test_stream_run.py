"""A run of online learning: counted, compared, and silent where nothing can be concluded."""

import json

import numpy as np
import pytest

from recloop.data.classification import read_labelled
from recloop.decisions import logged_slates, write_decisions
from recloop.errors import InvalidConfig, InvalidData, MissingData
from recloop.experiment import load_config, run_experiment
from recloop.experiment.evaluate import evaluate_folder
from recloop.experiment.stream_run import open_stream
from recloop.types import Ragged, Slates

CONFIG = """\
training: {mode: stream, n_steps: 400, n_seeds: 2}
models:
  - name: lin
    type: lin_ucb
    controls: [blind]
  - name: blind
    type: epsilon_greedy
"""


@pytest.fixture
def config_file(tmp_path):
    file = tmp_path / "stream.yaml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def table(tmp_path, rng):
    labels = rng.integers(3, size=400)
    points = np.eye(3)[labels] + 0.1 * rng.standard_normal((400, 3))
    lines = ["label,name,x,y,z"]
    lines += [f"{'abc'[c]},n,{p[0]},{p[1]},{p[2]}" for c, p in zip(labels, points, strict=True)]
    file = tmp_path / "table.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def run(config_file, *overrides):
    config = load_config(config_file, list(overrides))
    return run_experiment(config, config_file.parent / "out")


def test_who_sees_the_context_earns_more_and_the_run_says_so(config_file, table):
    folder = run(config_file, f"data.path={json.dumps(str(table))}")
    results = folder.metrics()
    rows = {row["name"]: row for row in results["models"]}
    assert rows["lin"]["mean_reward"] > 0.8 > 0.6 > rows["blind"]["mean_reward"]
    assert rows["lin"]["params"] == {}  # the width of the context is the table's
    (comparison,) = results["comparisons"]
    assert comparison["verdict"] == "better"
    assert results["stream"]["full_information"] > 0.95
    assert any("Logistic regression told every answer" in text for text in results["statements"])
    report = (folder.path / "report.html").read_text()
    assert "lin" in report
    assert "told every answer" in report
    log = [json.loads(line) for line in (folder.path / "log.jsonl").read_text().splitlines()]
    assert {line["model"] for line in log} == {"lin", "blind"}
    with pytest.raises(MissingData, match="online learning"):
        evaluate_folder(folder.path, table)


def test_the_same_stream_gives_the_same_results(config_file, table, tmp_path):
    first = run(config_file, f"data.path={json.dumps(str(table))}").metrics()
    config = load_config(config_file, [f"data.path={json.dumps(str(table))}"])
    again = run_experiment(config, tmp_path / "other").metrics()
    assert first == again


def test_a_world_answers_online(config_file):
    results = run(config_file, "world.type=linear").metrics()
    assert all(row["regret"] > 0 for row in results["models"])
    assert results["stream"]["kind"] == "world"


@pytest.mark.real
def test_replay_of_the_open_bandit_sample_concludes_nothing(config_file, real_data):
    path = json.dumps(str(real_data / "obd" / "random" / "men"))
    results = run(config_file, f"data.path={path}").metrics()
    assert results["stream"]["kind"] == "replay"
    assert 100 < min(row["n"] for row in results["models"]) < 500
    assert any(text.startswith("Nothing can be concluded") for text in results["statements"])
    assert not any("against" in text for text in results["statements"])


def test_replay_knows_the_items_that_a_log_offered_and_never_showed(config_file, tmp_path):
    n = 40
    shown = np.arange(n)[:, None] % 3
    decisions = logged_slates(
        np.zeros(n, dtype=int),
        Slates(shown, np.full((n, 1), 0.2), shown < 0),
        policy="uniform",
        ids="run",
        timestamps=0.0,
        rewards=np.ones((n, 1)),
        candidates=Ragged.of([[0, 1, 2, 3, 4]] * n),
    )
    file = tmp_path / "log.decisions.parquet"
    write_decisions(file, decisions)
    stream, _ = open_stream(load_config(config_file, [f"data.path={json.dumps(str(file))}"]))
    assert stream.n_items == 5
    run(config_file, f"data.path={json.dumps(str(file))}")


def test_a_stream_without_a_source_is_refused(config_file):
    with pytest.raises(InvalidConfig, match="needs something to answer"):
        run(config_file)


def test_a_table_without_labels_or_with_holes_is_refused(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("kind,x\na,1\n")
    with pytest.raises(InvalidData, match="no column 'label'"):
        read_labelled(file)
    file.write_text("label,x\na,1\nb,\n")
    with pytest.raises(InvalidData, match="row 3, column 'x'"):
        read_labelled(file)
    file.write_text("label,x\na,1\n,2\n")
    with pytest.raises(InvalidData, match="row 3, column 'label': needs a class, got nothing"):
        read_labelled(file)
    file.write_text("label,x\na,1\na,2\n")
    with pytest.raises(InvalidData, match="must hold at least 2 classes, got a"):
        read_labelled(file)


def test_what_a_run_leaves_out_is_said(config_file, table, tmp_path):
    told = run(config_file, f"data.path={json.dumps(str(table))}").metrics()["statements"]
    assert "Left out, as no numbers or the label in other words: name." in told
    n = 30
    decisions = logged_slates(
        np.zeros(n, dtype=int),
        Slates(np.arange(n)[:, None] % 3, np.full((n, 1), 1 / 3), np.zeros((n, 1), dtype=bool)),
        policy="uniform",
        ids="run",
        timestamps=0.0,
        rewards=np.where(np.arange(n)[:, None] < 4, np.nan, 1.0),
    )
    file = tmp_path / "log.decisions.parquet"
    write_decisions(file, decisions)
    config = load_config(config_file, [f"data.path={json.dumps(str(file))}"])
    told = run_experiment(config, tmp_path / "replayed").metrics()["statements"]
    assert "Left out: 4 decisions without one slot and a known reward." in told


def test_a_column_that_is_the_label_in_other_words_is_no_feature(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("label,label_name,x\na,0,1\nb,1,1\na,0,2\nb,1,2\n")
    read = read_labelled(file)
    assert (read.columns, read.left_out) == (["x"], ["label_name"])
