"""A trained model is judged by a log in the ids of both."""

import numpy as np
import pytest

from recloop.decisions import (
    add_decisions,
    export_log,
    logged_slates,
    open_log,
    write_decisions,
)
from recloop.evaluation.ope import Floors
from recloop.experiment import RunFolder, load_config, run_experiment
from recloop.experiment.off_policy import judge_policy
from recloop.types import Slates

CONFIG = """\
data:
  synthetic: {n_users: 20, n_items: 12}
training: {n_episodes: 2, eval_freq: 2, sessions_per_episode: 16, passes: 1}
models:
  - {name: q, type: q_learning, params: {epsilon: 0.6}}
  - {name: last, type: q_learning, params: {state: last_item}}
evaluation: {baselines: [popular], ks: [1], metric: ndcg@1, n_resamples: 100}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("judged")
    file = folder / "run.yaml"
    file.write_text(CONFIG)
    return run_experiment(load_config(file, []), folder / "out", data_dir=folder / "data")


def write(run, place, k, n=400, extra_item=False):
    """What the model q shows when it explores, with the ids of the log in another order."""
    model, ids = run.load_model("q"), run.ids()
    users = np.arange(n) % len(ids["users"])
    slates = model.choose_batch(users, k)
    rewards = (slates.items % 3 == 0).astype(float)
    with open_log(place) as log:
        items = log.codes(
            "item", [*ids["items"][::-1], *(["new"] if extra_item else [])], as_given=True
        )
        to_log = items[::-1] if not extra_item else items[-2::-1]
        of_users = log.codes("user", ids["users"][::-1], as_given=True)[::-1]
        decisions = logged_slates(
            of_users[users],
            slates._replace(items=to_log[slates.items]),
            policy="q",
            ids="d",
            timestamps=1.0,
            rewards=rewards,
        )
        if extra_item:
            decisions.items[0] = items[-1]
        add_decisions(log, decisions)
    return rewards


@pytest.mark.parametrize("k", [1, 3])
def test_the_model_that_logged_is_worth_the_logged_mean(run, tmp_path, k):
    rewards = write(run, tmp_path / "log.db", k)
    found = judge_policy(tmp_path / "log.db", "q", models_dir=run.path)
    assert not found.is_unreliable
    by_weights = [row for row in found.rows if row["estimator"].endswith(("ips", "snips"))]
    assert len(by_weights) == (2 if k == 1 else 4)
    for row in by_weights:
        assert row["value"] == pytest.approx(rewards.sum(axis=1).mean(), abs=1e-12)
        assert row["diagnostics"]["max_weight"] == pytest.approx(1)
    assert ("cascade_dr" if k == 3 else "dr") in {row["estimator"] for row in found.rows}


def test_uniform_is_judged_over_the_whole_catalogue(run, tmp_path):
    write(run, tmp_path / "log.db", 1, n=3000)
    found = judge_policy(
        tmp_path / "log.db", estimators=["ips", "snips"], floors=Floors(largest_weight=0.5)
    )
    truth = np.mean(np.arange(len(run.ids()["items"])) % 3 == 0)
    for row in found.rows:
        assert abs(row["value"] - truth) < 4 * row["standard_error"]


def test_tables_too_large_leave_out_models_of_the_reward_and_say_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr("recloop.experiment.off_policy.LARGEST_TABLE", 100)
    for k, n_weighed in ((1, 2), (3, 4)):
        rewards = write(run, tmp_path / f"log{k}.db", k)
        found = judge_policy(tmp_path / f"log{k}.db", "q", models_dir=run.path)
        assert len(found.rows) == n_weighed
        assert found.rows[0]["value"] == pytest.approx(rewards.sum(axis=1).mean(), abs=1e-12)
        assert "too many for a model of the reward" in found.notes[0]


def test_what_the_model_would_show_beyond_the_log_s_catalogue_is_unsupported(run, tmp_path):
    model, ids = run.load_model("q"), run.ids()
    with open_log(tmp_path / "part.db") as log:
        items = log.codes("item", ids["items"][:2], as_given=True)
        users = log.codes("user", ids["users"], as_given=True)
        shown = np.arange(400) % 2
        slates = Slates(items[shown][:, None], np.full((400, 1), 0.5), np.ones((400, 1), bool))
        people = np.arange(400) % len(users)
        add_decisions(
            log,
            logged_slates(users[people], slates, policy="p", ids="d", timestamps=1.0,
                          rewards=np.ones((400, 1))),
        )  # fmt: skip
    found = judge_policy(tmp_path / "part.db", "q", models_dir=run.path, estimators=["ips"])
    outside = model.probabilities(people)[:, 2:].sum(axis=1).mean()
    assert found.rows[0]["diagnostics"]["unsupported"] == pytest.approx(outside)
    assert found.is_unreliable


def test_mistakes_are_named(run, tmp_path):
    write(run, tmp_path / "log.db", 1)
    with pytest.raises(ValueError, match="No model in this run named 'p'"):
        judge_policy(tmp_path / "log.db", "p", models_dir=run.path)
    with pytest.raises(ValueError, match="'last' chooses by what a person did last"):
        judge_policy(tmp_path / "log.db", "last", models_dir=run.path)
    write(run, tmp_path / "other.db", 1, extra_item=True)
    with pytest.raises(ValueError, match=r"shows 1 items that the run does not know.*'new'"):
        judge_policy(tmp_path / "other.db", "q", models_dir=run.path)


def test_every_kind_of_log_gives_the_same_estimates(run, tmp_path):
    write(run, tmp_path / "log.db", 1)
    with open_log(tmp_path / "log.db") as log:
        export_log(log, tmp_path / "out")
        write_decisions(tmp_path / "log.parquet", log.read())
        users, items, read = log.ids("user"), log.ids("item"), log.read()
    lines = ["user_id,item_id,propensity,reward"]
    lines += [
        f"{users[u]},{items[i]},{p!r},{r}"
        for u, i, p, r in zip(
            read.users.tolist(),
            read.items.tolist(),
            read.propensities.tolist(),
            read.rewards.tolist(),
            strict=True,
        )
    ]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    places = ["log.db", "out", "log.csv"]
    found = [judge_policy(tmp_path / one, "q", models_dir=run.path).rows for one in places]
    assert found[1] == found[0]
    assert [row["value"] for row in found[2]] == pytest.approx([r["value"] for r in found[0]])
    by_codes = judge_policy(tmp_path / "log.parquet", force=True)
    assert by_codes.rows == judge_policy(tmp_path / "out", force=True).rows
    with pytest.raises(ValueError, match=r"is no decision log\. A decision log is"):
        judge_policy(run.path)
