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
