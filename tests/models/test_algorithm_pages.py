"""Each algorithm's page: what it says of parameters is what the code does."""

import re
from pathlib import Path

import pytest

from recloop.models import MODELS
from recloop.models.registry import model_class

PAGES = Path(__file__).resolve().parents[2] / "docs" / "algorithms"
PAGED = [name for name in MODELS if (PAGES / f"{name}.md").exists()]
FITTED = ["als", "ease", "item_knn", "markov", "popular", "random"]
ROW = re.compile(r"^\| `(?P<name>[^|]+)` \| (?P<default>[^|]+) \| ", re.MULTILINE)


def documented(text: str) -> dict[str, float | str]:
    """Parameter -> default, from the first table of a page; a row may name several."""
    found = {}
    for row in ROW.finditer(text):
        default = row["default"].strip().replace(",", "")
        for name in row["name"].split("`, `"):
            found[name] = default.strip("`") if default.startswith("`") else float(default)
    return found


@pytest.mark.parametrize("name", [*FITTED, "contextual_bandit"])
def test_the_page_lists_every_parameter_with_its_default(name):
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    params = model_class(name)(3, 4).params()
    expected = {key: params[key] for key in params if key not in ("n_users", "n_items", "seed")}
    assert documented(text) == expected
    assert f"`type: {name}`" in text


@pytest.mark.parametrize("name", PAGED)
def test_a_model_is_saved_under_the_name_by_which_it_is_asked_for(name):
    assert model_class(name).type_name == name


@pytest.mark.parametrize("name", FITTED)
def test_baselines_are_fitted_and_those_that_draw_say_so(name):
    made = model_class(name)
    assert made.learns == "fit"
    assert made(3, 4).draws is (name in ("als", "random"))
