"""A run of online learning: counted, compared, and silent where nothing can be concluded."""

import json

import numpy as np
import pandas as pd
import pytest

from recloop.data.classification import read_labelled
from recloop.decisions import (
    add_decisions,
    export_log,
    logged_slates,
    open_log,
    write_decisions,
)
from recloop.errors import InvalidConfig, InvalidData, MissingData
from recloop.experiment import load_config, run_experiment
from recloop.experiment.evaluate import evaluate_folder
from recloop.experiment.stream_results import Rounds, compared, row_of
from recloop.experiment.stream_sources import open_stream
from recloop.experiment.stream_words import stream_statements
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
    assert all(row["verdict"].startswith("not known") for row in results["comparisons"])


def uniform_log(n, rewards, n_items=2):
    """n choices shown evenly in turn; rewards (n,)."""
    shown = np.arange(n)[:, None] % n_items
    return logged_slates(
        np.zeros(n, dtype=int),
        Slates(shown, np.full((n, 1), 1.0 / n_items), shown < 0),
        policy="uniform",
        ids="run",
        timestamps=0.0,
        rewards=rewards[:, None],
    )


def replayed(tmp_path, decisions, models):
    file, log = tmp_path / "c.yaml", tmp_path / "log.decisions.parquet"
    write_decisions(log, decisions)
    file.write_text(f"training: {{mode: stream, n_seeds: 2}}\nmodels:\n{models}")
    config = load_config(file, [f"data.path={json.dumps(str(log))}"])
    return run_experiment(config, tmp_path / "replayed")


def test_a_pair_is_not_known_where_either_side_has_too_few_rewards():
    def seeds(n_rewards):
        earned = np.zeros(200)
        earned[:n_rewards] = 1.0
        return [Rounds(np.arange(200), np.zeros(200, int), earned, None, 200)] * 2

    rounds = {"many": seeds(90), "few": seeds(29), "enough": seeds(30)}
    pairs = [("many", "few"), ("few", "many"), ("many", "enough")]
    rows = compared(pairs, rounds, 0.95, replays=True)
    told = "not known: few has 29 rewards, fewer than 30"
    assert [row["verdict"] for row in rows] == [told, told, "better"]
    assert rows[0]["difference"] == pytest.approx(61 / 200)
    assert [row["p_holm"] is None for row in rows] == [True, True, False]
    assert rows[2]["p_holm"] == rows[2]["p_value"]  # of one that is known


def test_rewards_of_seeds_with_visitors_of_their_own_count_together():
    seeds = [Rounds(np.arange(20), np.zeros(20, int), np.ones(20), 0.0, 20)] * 2
    assert row_of(seeds, 0.95, replays=False)["n_rewards"] == 40
    assert row_of(seeds, 0.95, replays=True)["n_rewards"] == 20


def test_a_pair_takes_the_difference_in_each_run():
    def seeds(*means):
        return [Rounds(np.arange(9), np.zeros(9, int), np.full(9, m), 0.0, 9) for m in means]

    rounds = {"a": seeds(1.0, 2.0, 3.0, 4.0), "b": seeds(0.9, 1.9, 2.8, 3.8)}
    (row,) = compared([("a", "b")], rounds, 0.95, replays=False)
    # differences 0.1, 0.1, 0.2, 0.2: mean 0.15, sd sqrt(1/300), t(3) = 3.182446
    reach = 3.182446 * np.sqrt(1 / 300) / 2
    assert row["ci_low"] == pytest.approx(0.15 - reach)
    assert row["ci_high"] == pytest.approx(0.15 + reach)
    assert (row["design"], row["verdict"]) == ("runs", "better")
    one = {name: seeds[:1] for name, seeds in rounds.items()}
    (row,) = compared([("a", "b")], one, 0.95, replays=False)
    assert row["design"] == "rounds"


def test_of_several_pairs_p_values_are_corrected_together():
    rng = np.random.default_rng(1)
    control = rng.random((6, 1))
    rounds = {
        name: [Rounds(np.arange(40), np.zeros(40, int), np.full(40, m), 0.0, 40) for m in means]
        for name, means in {
            "c": control[:, 0],
            "a": control[:, 0] + 0.02 * rng.standard_normal(6) + 0.022,
            "b": control[:, 0] + 0.02 * rng.standard_normal(6) + 0.022,
        }.items()
    }
    alone = compared([("a", "c")], rounds, 0.95, replays=False)[0]
    both = compared([("a", "c"), ("b", "c")], rounds, 0.95, replays=False)
    assert alone["p_value"] == alone["p_holm"]
    assert max(row["p_holm"] for row in both) > max(row["p_value"] for row in both) - 1e-15
    assert min(row["p_holm"] for row in both) == 2 * min(row["p_value"] for row in both)


def test_a_log_that_no_model_matches_is_a_run_without_a_conclusion(tmp_path):
    decisions = uniform_log(3, np.ones(3), n_items=2)
    only = "  - {name: a, type: ucb1, params: {epsilon: 0}}\n"
    decisions.items[:] = 1  # without evidence UCB1 shows the first item
    results = replayed(tmp_path, decisions, only).metrics()
    assert results["models"][0]["mean_reward"] is None
    assert results["models"][0]["n"] == 0
    assert any(text.startswith("Nothing can be concluded") for text in results["statements"])


def test_the_report_says_how_models_were_paired(config_file, table, tmp_path):
    path = f"data.path={json.dumps(str(table))}"
    folder = run(config_file, path)
    told = "takes the difference in each run, where both models meet the same visitors"
    assert any(told in text for text in folder.metrics()["statements"])
    assert "What each model gains over its control" in (folder.path / "report.html").read_text()
    config = load_config(config_file, [path, "training.n_seeds=1"])
    alone = run_experiment(config, tmp_path / "alone").metrics()
    assert any("over the visitors of one run" in text for text in alone["statements"])
    assert alone["comparisons"][0]["design"] == "rounds"
    models = "  - {name: a, type: epsilon_greedy, controls: [b]}\n  - {name: b, type: ucb1}\n"
    decisions = uniform_log(400, np.ones(400))
    log = replayed(tmp_path, decisions, models)
    assert any("over the logged rows" in text for text in log.metrics()["statements"])


def test_rounds_that_were_damaged_are_learned_anew(config_file, table):
    path = f"data.path={json.dumps(str(table))}"
    folder = run(config_file, path)
    file = folder.rounds_path("lin", 1)
    before = file.read_bytes()
    frame = pd.read_parquet(file)
    assert list(frame["place"]) == list(range(400))
    assert frame["reward"].mean() == folder.metrics()["models"][0]["seed_means"][1]
    file.write_bytes(b"damaged")
    assert run(config_file, path).rounds_path("lin", 1).read_bytes() == before


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


def test_every_kind_of_log_is_replayed_to_the_same_end(config_file, tmp_path, rng):
    read = uniform_log(300, (rng.random(300) < 0.5).astype(float))
    with open_log(tmp_path / "log.db") as log:
        add_decisions(log, read)
        export_log(log, tmp_path / "exported")
    write_decisions(tmp_path / "shown.parquet", read)
    lines = ["user_id,item_id,propensity,reward", *(
        f"0,{i},0.5,{r}" for i, r in zip(read.items.tolist(), read.rewards.tolist(), strict=True)
    )]  # fmt: skip
    (tmp_path / "shown.csv").write_text("\n".join(lines) + "\n")
    found = []
    for name in ("log.db", "exported", "shown.parquet", "shown.csv", "exported/decisions.parquet"):
        config = load_config(config_file, [f"data.path={json.dumps(str(tmp_path / name))}"])
        results = run_experiment(config, tmp_path / f"of-{len(found)}").metrics()
        assert results["stream"].pop("name") == name.rpartition("/")[2]
        found.append(results)
    assert found[0]["models"][1]["n"] > 100
    assert all(results == found[0] for results in found)


def test_what_is_neither_log_nor_labelled_table_is_told_both(config_file, tmp_path):
    def opened(path):
        return open_stream(load_config(config_file, [f"data.path={json.dumps(str(path))}"]))

    (tmp_path / "t.csv").write_text("kind,x\na,1\n")
    with pytest.raises(InvalidData, match=r"no column 'label'.* A decision log is a SQLite file"):
        opened(tmp_path / "t.csv")
    with pytest.raises(InvalidData, match=r"is no decision log.* A labelled table is a file\."):
        opened(tmp_path)
    with pytest.raises(MissingData, match="no such decision log"):
        opened(tmp_path / "nothing.csv")


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


def test_two_runs_that_agree_by_chance_say_that_it_is_not_known():
    """Both runs 6 clicks apart: a spread of 0 is no certainty, least of all a p value of 0."""

    def earned(n_clicks):
        return Rounds(np.arange(300), np.zeros(300, int), np.arange(300) < n_clicks, None, 300)

    rounds = {"a": [earned(46), earned(50)], "b": [earned(40), earned(44)]}
    (row,) = compared([("a", "b")], rounds, 0.95, replays=False)
    assert row["difference"] == pytest.approx(0.02)
    assert row["verdict"] == "not known: all 2 runs show the same, more of them are needed"
    assert (row["ci_low"], row["ci_high"], row["p_value"]) == (None, None, None)
    told = row_of([earned(40), earned(40)], 0.95, replays=False)
    (said,) = [
        one
        for one in stream_statements(
            {"stream": {"kind": "world"}, "models": [{"name": "b", **told}], "comparisons": []}
        )
        if one.startswith("b ")
    ]
    assert said == (
        "b earns 0.1333 a visitor in all of 2 runs: how far that could be off is not known."
    )
