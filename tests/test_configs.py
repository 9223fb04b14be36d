"""Every configuration that ships can be read, and its models can be built and trained."""

from pathlib import Path

import pytest

from recloop.experiment import load_config, run_experiment
from recloop.experiment.build import entries
from recloop.experiment.tuning.tune import run_tuning
from recloop.models.registry import model_class
from recloop.serving.reading import load_settings
from recloop.serving.settings import LearningRules, Lists
from recloop.simulators import WORLDS
from recloop.simulators.build import build_world

FOLDER = Path(__file__).parents[1] / "configs"
SERVICE = FOLDER / "serving.yaml"
CONFIGS = sorted(set(FOLDER.glob("*.yaml")) - {SERVICE})
LEADERBOARD = {"random", "popular", "item_knn", "ease", "als", "markov"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_builds_its_models_beside_every_baseline(path):
    rows = entries(load_config(path))
    assert {row.name for row in rows} >= LEADERBOARD
    assert all(row.build(3, 4, 0).n_items == 4 for row in rows)


def test_the_settings_of_the_service_are_read_and_say_its_defaults():
    found = load_settings(SERVICE)
    assert found.rewards == {"click": 1.0, "purchase": 5.0}
    assert (found.floor, found.rules, found.lists) == (0.05, LearningRules(), Lists())


def test_the_default_compares_every_kind_of_agent():
    kinds = {row.type for row in entries(load_config(CONFIGS[0].parent / "default.yaml"))}
    assert kinds >= LEADERBOARD | {"q_learning", "sarsa", "dqn", "contextual_bandit"}


TOUR = (
    {"contextual_bandit", "lin_ucb", "lin_thompson", "lin_epsilon_greedy", "lin_square_cb"}
    | {"logistic_thompson", "neural_linear"}
    | {"epsilon_greedy", "ucb1", "kl_ucb", "beta_thompson", "gaussian_thompson", "exp3"}
)


def test_the_tour_of_the_bandits_sets_every_family_beside_what_knows_nobody():
    config = load_config(CONFIGS[0].parent / "bandits.yaml")
    assert {section.type for section in config.models} == TOUR
    blind = {"epsilon_greedy", "ucb1", "kl_ucb", "beta_thompson", "gaussian_thompson", "exp3"}
    for section in config.models:
        assert bool(section.controls) == (section.type not in blind), section.name
    layouts = {section.params.get("layout") for section in config.models}
    assert layouts >= {"shared", "disjoint"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "bandits", "dqn"])
def test_a_configuration_runs_on_a_tiny_setting(name, tmp_path):
    small = [
        "data.synthetic={n_users: 40, n_items: 30, sparsity: 0.6}",
        "training.n_episodes=3",
        "training.eval_freq=2",
        "evaluation.n_resamples=100",
    ]
    config = load_config(CONFIGS[0].parent / f"{name}.yaml", small)
    models = [
        section.model_copy(update={"n_episodes": section.n_episodes and 3})
        for section in config.models
    ]
    config = config.model_copy(update={"models": models})
    folder = run_experiment(config, tmp_path / "out", data_dir=tmp_path / "data")
    assert len(folder.metrics()["models"]) == len(entries(config))


@pytest.mark.slow
def test_the_example_of_tuning_gives_everybody_its_trials(tmp_path):
    small = ["tuning.n_trials=2", "training.n_seeds=1", "evaluation.n_resamples=100"]
    config = load_config(CONFIGS[0].parent / "tune.yaml", small)
    board = run_tuning(config, tmp_path / "out", data_dir=tmp_path / "data")
    trials = {row["name"]: row["n_trials"] for row in board["tuned"]}
    assert trials == {name: 1 if name in ("random", "popular") else 2 for name in trials}
    assert set(trials) >= LEADERBOARD


@pytest.mark.slow
@pytest.mark.real
def test_movielens_meets_the_reference_figures(real_data, tmp_path):
    overrides = [f"data.path={real_data / 'ml-100k' / 'raw'}", "training.n_seeds=1"]
    config = load_config(CONFIGS[0].parent / "movielens-100k.yaml", overrides)
    folder = run_experiment(config, tmp_path / "out", data_dir=tmp_path / "data")
    found = {row["name"]: row["metrics"]["ndcg@10"] for row in folder.metrics()["models"]}
    assert found["ease"]["mean"] == pytest.approx(0.0740, abs=0.003)
    assert found["markov"]["mean"] == pytest.approx(0.0795, abs=0.003)
    assert found["popular"]["mean"] == pytest.approx(0.0451, abs=0.003)
    assert found["item_knn"]["mean"] == pytest.approx(0.0556, abs=0.003)
    assert found["q-last"]["mean"] == found["markov"]["mean"]
    assert found["q-recent"]["mean"] >= 0.095
    assert found["dqn"]["mean"] >= 0.095
    assert found["bandit"]["mean"] >= 0.095
    assert found["ease"]["n"] == 940


IN_WORLDS = sorted((Path(__file__).parents[1] / "configs" / "worlds").glob("*.yaml"))


def test_every_world_has_a_configuration():
    assert {load_config(path).world.type for path in IN_WORLDS} == set(WORLDS)


@pytest.mark.parametrize("path", IN_WORLDS, ids=lambda path: path.stem)
def test_a_configuration_of_a_world_builds_it_and_agents_that_see_what_is_shown(path):
    config = load_config(path)
    world = build_world(config.world.type, **config.world.params)
    for section in config.models:
        model = model_class(section.type)(world.n_users, world.n_items, **section.params)
        assert model.n_observed in (0, world.n_observed), section.name
        assert set(section.controls) <= {other.name for other in config.models}
    assert not config.models or any(section.controls for section in config.models)


@pytest.mark.slow
@pytest.mark.parametrize("path", IN_WORLDS, ids=lambda path: path.stem)
def test_a_configuration_of_a_world_runs_on_a_tiny_setting(path, tmp_path):
    small = [
        "training.n_seeds=1",
        "training.n_episodes=2",
        "training.eval_freq=2",
        "world.n_sessions=10",
        "evaluation.n_resamples=100",
    ]
    config = load_config(path, small)
    models = [section.model_copy(update={"n_episodes": None}) for section in config.models]
    config = config.model_copy(update={"models": models})
    results = run_experiment(config, tmp_path / "out").metrics()
    assert len(results["models"]) == len(config.models)


STREAMS = sorted((Path(__file__).parents[1] / "configs" / "streams").glob("*.yaml"))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_builds_its_models(path):
    rows = entries(load_config(path))
    assert rows
    assert all(row.build(3, 4, 0).n_items == 4 for row in rows)


def test_the_news_are_learned_online(tmp_path):
    config = load_config(STREAMS[0].parent / "news.yaml", ["training.n_steps=60"])
    folder = run_experiment(config, tmp_path / "out")
    assert [row["n"] for row in folder.metrics()["models"]] == [60] * len(config.models)


@pytest.mark.real
def test_replaying_the_open_bandit_sample_says_that_nothing_can_be_concluded(real_data, tmp_path):
    overrides = [f"data.path={real_data / 'obd' / 'random' / 'all'}", "training.n_seeds=1"]
    config = load_config(STREAMS[0].parent / "replay.yaml", overrides)
    results = run_experiment(config, tmp_path / "out").metrics()
    assert all(70 < row["n"] < 190 for row in results["models"])  # 10,000 rows, 80 items
    assert any(
        text.startswith("Nothing can be concluded: at most 1") and "fewer than 30" in text
        for text in results["statements"]
    )
    assert not any("earns" in text or "against" in text for text in results["statements"])
    assert {row["verdict"].partition(":")[0] for row in results["comparisons"]} == {"not known"}


@pytest.mark.real
def test_a_classification_set_is_learned_as_a_bandit_problem(real_data, tmp_path):
    overrides = [
        f"data.path={real_data / 'uci-classification' / 'ecoli.csv.gz'}",
        "training.n_steps=250",
        "training.n_seeds=6",
    ]
    config = load_config(STREAMS[0].parent / "labelled.yaml", overrides)
    cheap = [m for m in config.models if m.type in ("lin_ucb", "lin_epsilon_greedy")]
    cheap += [m for m in config.models if m.type == "epsilon_greedy"]
    config = config.model_copy(update={"models": cheap})
    results = run_experiment(config, tmp_path / "out").metrics()
    found = {row["name"]: row["mean_reward"] for row in results["models"]}
    assert found["lin_ucb"] > 0.55 > results["stream"]["majority"]
    assert found["lin_ucb"] < results["stream"]["full_information"]
    told = {(r["model"], r["control"]): r["verdict"] for r in results["comparisons"]}
    assert told["lin_ucb", "epsilon_greedy"] == "better"
