"""A trained model is judged by a log in the ids of both."""

import numpy as np
import pytest

from recloop.decisions import add_decisions, logged_slates, open_log
from recloop.evaluation.ope import Floors
from recloop.experiment import RunFolder, load_config, run_experiment
from recloop.experiment.off_policy import judge_policy

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
    for row in found.rows:
        assert row["value"] == pytest.approx(rewards.sum(axis=1).mean(), abs=1e-12)
        assert row["diagnostics"]["max_weight"] == pytest.approx(1)


def test_uniform_is_judged_over_the_whole_catalogue(run, tmp_path):
    write(run, tmp_path / "log.db", 1, n=3000)
    found = judge_policy(tmp_path / "log.db", floors=Floors(largest_weight=0.5))
    truth = np.mean(np.arange(len(run.ids()["items"])) % 3 == 0)
    for row in found.rows:
        assert abs(row["value"] - truth) < 4 * row["standard_error"]


def test_mistakes_are_named(run, tmp_path):
    write(run, tmp_path / "log.db", 1)
    with pytest.raises(ValueError, match="No model in this run named 'p'"):
        judge_policy(tmp_path / "log.db", "p", models_dir=run.path)
    with pytest.raises(ValueError, match="'last' chooses by what a person did last"):
        judge_policy(tmp_path / "log.db", "last", models_dir=run.path)
    write(run, tmp_path / "other.db", 1, extra_item=True)
    with pytest.raises(ValueError, match=r"shows 1 items that the run does not know.*'new'"):
        judge_policy(tmp_path / "other.db", "q", models_dir=run.path)
