"""From a name to a model."""

import re

import pytest

from plug_in import CountingRecommender
from recloop.errors import DamagedFile, InvalidParameter, MissingData, UnknownName
from recloop.models import MODELS, PopularRecommender
from recloop.models.registry import build_model, load_model, model_class
from recloop.utils.files import save_arrays


@pytest.mark.parametrize("type_name", sorted(MODELS))
def test_every_name_of_the_table_leads_to_the_class_of_that_name(type_name):
    made = model_class(type_name)
    assert made.type_name == type_name
    assert MODELS[type_name] == f"{made.__module__}:{made.__qualname__}"
    assert made.learns in ("steps", "fit")
    assert hasattr(made, "fit") == (made.learns == "fit")


def test_the_package_offers_every_class_by_its_own_name():
    import recloop.models

    assert "PopularRecommender" in recloop.models.__all__
    assert recloop.models.PopularRecommender is model_class("popular")


def test_a_plug_in_is_named_by_its_path():
    assert model_class("plug_in:CountingRecommender") is CountingRecommender


def test_a_typo_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownName, match=r"^No model named 'populr'\. Did you mean 'popular'\?"):
        model_class("populr")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("no_such_module:Model", "No module named 'no_such_module'"),
        ("plug_in:Missing", "has no attribute 'Missing'"),
    ],
)
def test_a_path_that_leads_nowhere_says_how_a_plug_in_is_named(place, reason):
    with pytest.raises(UnknownName) as caught:
        model_class(place)
    message = str(caught.value)
    assert message.startswith(f"No model at '{place}' (")
    assert reason in message
    assert message.endswith(
        "A plug-in is named 'module.path:ClassName', and the module must be importable."
    )


def test_a_model_is_built_with_its_parameters():
    model = build_model("pure_svd", 3, 4, n_factors=2, seed=7)
    assert model.params() == {"n_users": 3, "n_items": 4, "n_factors": 2, "seed": 7}


def test_a_parameter_that_the_model_lacks_is_named():
    with pytest.raises(InvalidParameter, match=r"^PureSVDRecommender: .*'n_factor'"):
        build_model("pure_svd", 3, 4, n_factor=2)


def test_a_saved_file_knows_its_class(tmp_path):
    model = PopularRecommender(3, 4)
    model.update(0, 2, 1.0)
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert type(loaded) is PopularRecommender
    assert loaded.counts.tolist() == [0, 0, 1, 0]


def test_a_plug_ins_file_needs_its_path(tmp_path):
    path = tmp_path / "model.npz"
    CountingRecommender(3, 4).save(path)
    with pytest.raises(UnknownName, match="No model named 'counting'"):
        load_model(path)
    assert type(load_model(path, "plug_in:CountingRecommender")) is CountingRecommender


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(MissingData):
        load_model(tmp_path / "nothing.npz")
    save_arrays(tmp_path / "other.npz", {}, {})
    with pytest.raises(UnknownName, match=re.escape("No model named 'None'")):
        load_model(tmp_path / "other.npz")
    PopularRecommender(3, 4).save(tmp_path / "popular.npz")
    with pytest.raises(DamagedFile, match="holds a model of type 'popular', not 'pure_svd'"):
        load_model(tmp_path / "popular.npz", "pure_svd")
