"""A configuration that is wrong says where and what was meant."""

from pathlib import Path

import pytest

from recloop.errors import InvalidConfig, MissingData
from recloop.experiment.build import entries
from recloop.experiment.load import load_config

GOOD = """\
data:
  test_ratio: 0.2
training:
  mode: logged
  eval_freq: 100
models:
  - name: mine
    type: popular
    params:
      seed: 3
evaluation:
  baselines: [popular]
"""


@pytest.fixture
def config_file(tmp_path: Path):
    def write(text: str) -> Path:
        file = tmp_path / "run.yaml"
        file.write_text(text)
        return file

    return write


def problem(config_file, text: str, *overrides: str) -> str:
    with pytest.raises(InvalidConfig) as caught:
        load_config(config_file(text), list(overrides))
    return str(caught.value)


def test_a_good_file_is_read_with_defaults_filled_in(config_file):
    config = load_config(config_file(GOOD))
    assert (config.training.eval_freq, config.training.k, config.seed) == (100, 10, 0)
    assert config.models[0].params == {"seed": 3}


def test_an_empty_file_is_all_defaults(config_file):
    assert load_config(config_file("evaluation: {baselines: [popular]}")).data.test_ratio == 0.2


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("eval_freq", "eval_frq", 5, "unknown key 'training.eval_frq'. Did you mean 'eval_freq'?"),
        ("eval_freq: 100", "eval_freq: 0", 5, "training.eval_freq: input should be greater"),
        ("eval_freq: 100", "eval_freq: x", 5, "got 'x'"),
        ("mode: logged", "mode: loged", 4, "Did you mean 'logged'?"),
        ("training:", "trainin:", 3, "unknown key 'trainin'. Did you mean 'training'?"),
        ("type: popular", "type: populr", 8, "No model named 'populr'. Did you mean 'popular'?"),
        (
            "seed: 3",
            "sed: 3",
            10,
            "'models.0.params.sed'. Did you mean 'seed'? popular knows: seed",
        ),
        ("seed: 3", "seed: -3", 9, "PopularRecommender: seed must be a whole number"),
        ("[popular]", "[populr]", 12, "Did you mean 'popular'?"),
        ("name: mine", "name: my/model", 7, "models.0.name"),
        ("    params:\n      seed: 3", "    controls: [popula]", 9, "Did you mean 'popular'?"),
        ("test_ratio: 0.2", "test_ratio: 1.0", 2, "data.test_ratio: input should be less than 1"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_the_nearest_key(
    config_file, before, after, line, said
):
    message = problem(config_file, GOOD.replace(before, after))
    assert said in message
    assert f"run.yaml, line {line}:" in message


def test_the_same_key_twice_in_one_section_is_refused(config_file):
    assert "line 3: 'test_ratio' stands twice" in problem(
        config_file, "data:\n  test_ratio: 0.2\n  test_ratio: 0.3\n"
    )


def test_the_same_name_for_two_models_is_refused(config_file):
    two = GOOD.replace("evaluation:", "  - {name: mine, type: popular}\nevaluation:")
    assert "the name 'mine' stands twice" in problem(config_file, two)


def test_the_metric_must_be_one_that_is_measured(config_file):
    text = GOOD + "  metric: ndcg@20\n"
    assert "at one of ks, such as ndcg@10; got 'ndcg@20'" in problem(config_file, text)


def test_the_command_line_wins_over_environment_and_file(config_file, monkeypatch):
    monkeypatch.setenv("RECLOOP__TRAINING__EVAL_FREQ", "7")
    monkeypatch.setenv("RECLOOP__SEED", "4")
    config = load_config(config_file(GOOD), ["training.eval_freq=9"])
    assert (config.training.eval_freq, config.seed) == (9, 4)


def test_a_mistake_on_the_command_line_is_named_as_such(config_file):
    message = problem(config_file, GOOD, "training.patience=abc")
    assert message.startswith("--set training.patience=abc: training.patience:")
    assert "must read section.key=value" in problem(config_file, GOOD, "training.patience")


def test_a_file_that_is_not_there_or_not_yaml_is_named(tmp_path, config_file):
    with pytest.raises(MissingData, match=r"nowhere\.yaml: no such configuration file"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(InvalidConfig, match="is a folder"):
        load_config(tmp_path)
    assert "not readable as YAML" in problem(config_file, "data: [")
    assert "must hold sections" in problem(config_file, "- 1")


def test_baselines_join_by_themselves_and_a_named_one_takes_their_place(config_file):
    text = "models: [{name: popular, type: popular, params: {seed: 9}}]\n"
    rows = entries(load_config(config_file(text + "evaluation: {baselines: [popular, pure_svd]}")))
    assert [(row.name, row.is_baseline) for row in rows] == [("pure_svd", True), ("popular", True)]
    assert rows[1].params == {"seed": 9}


# names that a run derives


def models(*names: str, n_seeds: int = 1, mode: str = "logged") -> str:
    rows = "".join(f"  - {{name: {name}, type: dqn}}\n" for name in names)
    return (
        f"training: {{n_seeds: {n_seeds}, mode: {mode}, passes: 2}}\nmodels:\n{rows}"
        "evaluation: {baselines: [popular]}\n"
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (models("q", "q.seed1", n_seeds=2), 4, "'q.seed1' stands for two things: seed 1 of 'q'"),
        (models("q.seed1", "q", n_seeds=2), 4, "'q.seed1' stands for two things: the model 'q.s"),
        (models("q", "q-world", mode="both"), 4, "'q-world' stands for two things"),
        (models("world-model", mode="simulated"), 3, "'world-model' stands for two things"),
        (models("q", "q.best"), 4, "'q.best' stands for two things: the best so far of 'q'"),
        (models("q", "q.seed1.best", n_seeds=2), 4, "the best so far of 'q.seed1'"),
        (models("q").replace("[popular]", "[popular, popular]"), 4, "'popular' stands for two"),
    ],
)
def test_a_name_that_the_run_makes_itself_is_refused(config_file, text, line, said):
    message = problem(config_file, text)
    assert said in message
    assert f"run.yaml, line {line}:" in message
    assert "Rename one of the models." in message


@pytest.mark.parametrize(
    "text",
    [
        models("q", "q.seed1"),
        models("q", "q.seed2", n_seeds=2),
        models("q", "q-world"),
        models("world-model"),
        models("popular.best", "q-0.5"),
    ],
)
def test_a_name_that_nothing_else_has_may_hold_any_dot(config_file, text):
    assert load_config(config_file(text)).models


# world and synthetic data


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        (
            "training:",
            "world: {params: {n_factor: 4}}\ntraining:",
            3,
            "unknown key 'world.params.n_factor'. Did you mean 'n_factors'? Known here: horizon,",
        ),
        ("training:", "world: {params: {horizon: 0}}\ntraining:", 3, "horizon must be"),
        ("training:", "world: {params: {n_factors: x}}\ntraining:", 3, "n_factors must be"),
        (
            "  test_ratio: 0.2",
            "  synthetic:\n    n_user: 3",
            3,
            "unknown key 'data.synthetic.n_user'. Did you mean 'n_users'? Known here: n_cat",
        ),
        ("  test_ratio: 0.2", "  synthetic:\n    n_users: x", 2, "n_users must be a whole number"),
        ("  test_ratio: 0.2", "  sparsity: 0.9999", 1, "leaves less than one item a person"),
    ],
)
def test_parameters_of_the_world_and_of_the_data_are_checked_on_loading(
    config_file, before, after, line, said
):
    message = problem(config_file, GOOD.replace(before, after, 1))
    assert said in message
    assert f"run.yaml, line {line}:" in message


def test_good_parameters_of_the_world_and_of_the_data_are_taken(config_file):
    overrides = ["world.params={n_factors: 4, horizon: 7}", "data.synthetic={n_users: 9, seed: 3}"]
    config = load_config(config_file(GOOD), overrides)
    assert config.world.params == {"n_factors": 4, "horizon": 7}
    assert config.data.synthetic == {"n_users": 9, "seed": 3}


@pytest.mark.parametrize("text", ["[a", "{x", "2024-13-45", "'a"])
def test_a_value_that_is_not_yaml_is_named_with_its_place(config_file, monkeypatch, text):
    message = problem(config_file, GOOD, f"data.path={text}")
    assert message.startswith(f"--set data.path={text}: the value is not readable as YAML")
    monkeypatch.setenv("RECLOOP__DATA__PATH", text)
    message = problem(config_file, GOOD)
    assert message.startswith("environment variable RECLOOP__DATA__PATH: the value is not readable")


def test_a_file_with_an_impossible_date_is_named(config_file):
    assert "run.yaml: not readable as YAML" in problem(config_file, "data: {path: 2024-13-45}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evaluation: {baselines: [dqn]}", "'dqn' learns step by step; a baseline is fitted"),
        ("models: []\nevaluation: {baselines: []}", "nothing to train"),
        ("data: {val_ratio: 0}\ntraining: {patience: 2}", "needs a validation part"),
        ("models: [{name: popular, type: q_learning}]", "'popular' is the name of a baseline"),
        (
            "models: [{name: s, type: q_learning, params: {state: segment, n_segments: 3}}]",
            "n_segments must be 1 in a configuration",
        ),
        ("models: [{name: a, type: 'builtins:dict'}]", "'builtins:dict' is no model"),
        ("models: [{name: a, type: 'os.path:join'}]", "'os.path:join' is no model"),
        ("world: {type: 'builtins:dict'}", "'builtins:dict' is no world"),
    ],
)
def test_what_could_only_fail_later_is_refused_at_once(config_file, text, message):
    assert message in problem(config_file, text)
