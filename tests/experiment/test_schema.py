"""The schema that editors read: what it lets through is what `load_config` lets through."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from recloop.experiment.config import FITTED
from recloop.experiment.schema import config_schema
from recloop.models import MODELS
from recloop.simulators import WORLDS

FOLDER = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(set(FOLDER.rglob("*.yaml")) - {FOLDER / "serving.yaml"})


@pytest.fixture(scope="module")
def schema():
    return config_schema()


@pytest.fixture(scope="module")
def complaints(schema):
    checker = jsonschema.Draft202012Validator(schema)

    def of(config):
        return [error.message for error in checker.iter_errors(config)]

    return of


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_configuration_that_ships_fits_the_schema(complaints, file):
    assert complaints(yaml.safe_load(file.read_text())) == []


@pytest.mark.parametrize(
    ("config", "word"),
    [
        (
            {"models": [{"name": "q", "type": "q_learning", "params": {"epsilonn": 0.1}}]},
            "epsilonn",
        ),
        ({"models": [{"name": "q", "type": "q_learning", "params": {"epsilon": "a"}}]}, "number"),
        ({"models": [{"name": "s", "type": "sarsa", "params": {"double": True}}]}, "double"),
        ({"models": [{"name": "d", "type": "dqn", "params": {"n_users": 3}}]}, "n_users"),
        ({"models": [{"name": "d", "type": "dqn", "params": {"hidden": [64, 0.5]}}]}, "integer"),
        ({"world": {"type": "bait_trap", "params": {"slate_sise": 1}}}, "slate_sise"),
        ({"world": {"params": {"n_factor": 1}}}, "n_factor"),
        ({"data": {"synthetic": {"n_user": 10}}}, "n_user"),
        ({"data": {"synthetic": {"n_users": "ten"}}}, "integer"),
    ],
)
def test_a_misspelt_or_mistyped_setting_does_not_fit(complaints, config, word):
    assert any(word in one for one in complaints(config))


def test_params_that_exist_fit_and_those_of_a_plug_in_are_open(complaints):
    params = {"hidden": [64, 32], "n_negatives": None, "double": False, "seed": 3}
    assert complaints({"models": [{"name": "d", "type": "dqn", "params": params}]}) == []
    plug_in = {"name": "p", "type": "my.module:Mine", "params": {"anything": [1]}}
    assert complaints({"models": [plug_in]}) == []
    assert complaints({"world": {"type": "my.module:World", "params": {"size": 2}}}) == []
    assert complaints({"world": {"params": {"n_factors": 8}}}) == []


def test_every_type_says_its_params_with_their_defaults(schema):
    def by_type(section):
        return {
            one["if"]["properties"]["type"]["const"]: one["then"]["properties"]["params"]
            for one in schema["$defs"][section]["allOf"]
        }

    models = by_type("ModelSection")
    assert set(models) == set(MODELS)
    assert models["dqn"]["properties"]["hidden"] == {
        "type": "array",
        "items": {"type": "integer"},
        "default": [64],
    }
    assert models["q_learning"]["properties"]["double"] == {"type": "boolean", "default": False}
    assert set(by_type("WorldSection")) == {*WORLDS, FITTED}
