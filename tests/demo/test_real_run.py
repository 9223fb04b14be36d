"""Both pages over what `run` really writes: the numbers on them are the folder's."""

from pathlib import Path

import pytest

from demo.test_pages import _leaderboard, _recommend, html, opened, words
from recloop.experiment.config import ExperimentConfig
from recloop.experiment.folder import RunFolder
from recloop.experiment.run import run_experiment


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run over forty synthetic people."""
    folder: Path = tmp_path_factory.mktemp("real")
    config = ExperimentConfig.model_validate(
        {
            "data": {"synthetic": {"n_users": 40, "n_items": 30, "n_categories": 3}},
            "models": [
                {
                    "name": "tastes",
                    "type": "pure_svd",
                    "params": {"n_factors": 4},
                    "controls": ["popular"],
                }
            ],
            "evaluation": {"ks": [1, 5], "metric": "ndcg@5", "baselines": ["popular", "random"]},
        }
    )
    return run_experiment(config, folder / "run", data_dir=folder / "data")


def test_every_number_of_the_run_is_on_the_leaderboard(real_run: RunFolder):
    test = opened(_leaderboard, real_run.path)
    assert not test.exception
    assert not test.error
    metrics, body = real_run.metrics(), html(test)
    for row in metrics["models"]:
        for name, found in row["metrics"].items():
            if name.endswith("@5") and found["mean"] is not None:
                digits = 4 if abs(found["mean"]) < 10 else 1
                assert f"{name}</th>" in body
                assert f">{found['mean']:.{digits}f}<" in body
    for row in metrics["comparisons"]:
        assert f"{row['difference']:+.4f}" in body
        assert row["verdict"] in body
    assert len(metrics["comparisons"]) > 0
    assert len(test.get("plotly_chart")) == 3


def test_every_metric_of_the_run_is_explained(real_run: RunFolder):
    body = html(opened(_leaderboard, real_run.path))
    assert "see how it was measured, below" not in body
    assert "Here: binary gains" in body


def test_the_lists_of_a_real_run_are_those_of_its_models(real_run: RunFolder):
    person = real_run.ids()["users"][3]
    test = opened(_recommend, real_run.path, user=person)
    assert not test.exception
    assert not test.error
    seen = [real_run.read_interactions(part) for part in ("train", "validation")]
    known = [int(item) for log in seen for item in log.items[log.users == 3]]
    assert f"{len(known)} interactions in the training and validation parts" in words(test)
    wanted = real_run.load_model("tastes").recommend(3, 10, exclude=known, explore=False)
    titles = real_run.frame("items")["title"]
    shown = html(test).split("Recommendations of tastes")[1].split("</ol>")[0]
    places = [shown.index(f">{titles[item]}<") for item in wanted]
    assert places == sorted(places)
    assert shown.count("<li>") == len(wanted)
