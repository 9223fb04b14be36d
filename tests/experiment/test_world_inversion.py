"""The bundled inversion: both judges with intervals, and a report that says that they disagree."""

from pathlib import Path

import pytest

from recloop.experiment import load_config, run_experiment
from recloop.experiment.world_inversion import inversion_of, inversion_section, inversion_statements
from recloop.simulators.build import build_world

BUNDLED = Path(__file__).parents[2] / "configs" / "worlds" / "inversion.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_experiment(load_config(BUNDLED), tmp_path_factory.mktemp("inversion") / "out")


def test_the_next_view_prefers_popularity_and_clicks_the_latent_factors_by_five_percent(run):
    found = run.metrics()["inversion"]
    hits, clicks = found["hit_rate"], found["click_rate"]
    assert found["is_inverted"]
    assert hits["popularity"]["low"] > hits["taste"]["high"]
    assert clicks["taste"]["low"] > clicks["popularity"]["high"]
    assert clicks["taste"]["value"] >= 1.05 * clicks["popularity"]["value"]
    for judged in (hits, clicks):
        for one in judged.values():
            assert one["low"] < one["value"] < one["high"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_other_seeds_and_worlds_are_inverted_too(seed):
    params = load_config(BUNDLED).world.params
    found = inversion_of(build_world("sessions", **params), 2000, seed)
    assert found is not None
    assert found["is_inverted"]
    assert found["click_rate"]["taste"]["low"] >= 1.05 * found["click_rate"]["popularity"]["high"]


def test_the_run_says_first_that_offline_and_online_disagree(run):
    numbers, verdict = run.metrics()["statements"][:2]
    found = run.metrics()["inversion"]
    for judge in ("hit_rate", "click_rate"):
        for one in found[judge].values():
            assert f"{one['value']:.4f} [{one['low']:.4f}, {one['high']:.4f}]" in numbers
    assert verdict.startswith("Offline and online disagree: predicting the next view prefers pop")
    assert verdict.endswith("Who chooses by the hit rate chooses the policy that earns less.")


def test_the_report_shows_both_numbers_with_intervals(run):
    page = (run.path / "report.html").read_text()
    found = run.metrics()["inversion"]
    assert "Offline against online" in page
    assert "Offline and online disagree" in page
    for judge in ("hit_rate", "click_rate"):
        for one in found[judge].values():
            assert f"{one['value']:.4f}<small>{one['low']:.4f} to {one['high']:.4f}" in page


def judged(hit_popularity, hit_taste, click_popularity, click_taste):
    def one(value):
        return {"value": value, "low": value - 0.01, "high": value + 0.01}

    return {
        "n_sessions": 100,
        "hit_rate": {"popularity": one(hit_popularity), "taste": one(hit_taste)},
        "click_rate": {"popularity": one(click_popularity), "taste": one(click_taste)},
    }


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (judged(0.3, 0.2, 0.2, 0.3), "people click what the taste model shows 50% more often"),
        (judged(0.2, 0.3, 0.3, 0.2), "prefers the taste model, people click what popularity shows"),
        (judged(0.2, 0.3, 0.2, 0.3), "agree here: both prefer the taste model."),
        (judged(0.3, 0.3, 0.2, 0.3), "The offline judge cannot tell the two apart"),
        (judged(0.2, 0.3, 0.2, 0.21), "The online judge cannot tell the two apart"),
    ],
)
def test_agreement_disagreement_and_ignorance_are_said(found, said):
    assert said in inversion_statements(found)[1]
    assert "hit rate" in inversion_section(found)


def test_a_world_without_views_has_nothing_to_invert():
    assert inversion_of(build_world("bait_trap"), 100, 0) is None
    assert inversion_of(build_world("sessions", n_views=1), 100, 0) is None
