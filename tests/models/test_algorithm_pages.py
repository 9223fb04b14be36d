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


FAMILIES = {
    "context_free": (
        "epsilon_greedy",
        "ucb1",
        "kl_ucb",
        "beta_thompson",
        "gaussian_thompson",
        "exp3",
    ),
    "hybrid_bandits": ("hybrid_lin_ucb", "hybrid_lin_thompson"),
    "linear_bandits": ("lin_ucb", "lin_thompson", "lin_epsilon_greedy", "lin_square_cb"),
    "logistic_bandits": ("logistic_thompson", "logistic_ucb"),
    "neural_linear": ("neural_linear",),
}
"""Pages that several models share, and whose."""


def test_every_model_has_a_page():
    shared = {name for names in FAMILIES.values() for name in names}
    assert set(MODELS) == set(PAGED) | shared


@pytest.mark.parametrize("page", FAMILIES)
def test_a_shared_page_lists_every_parameter_of_its_models_with_the_default(page):
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    rows = {row["name"]: row["default"] for row in ROW.finditer(text)}
    seen = set()
    for name in FAMILIES[page]:
        assert f"`type: {name}`" in text
        params = model_class(name)(3, 4).params()
        for key, value in params.items():
            if key not in ("n_users", "n_items", "seed"):
                seen.add(key)
                default = f"{value:g}" if isinstance(value, float) else str(value)
                assert default in re.findall(r"\(\d*,?\)|[\w.]+", rows[key]), (name, key)
    assert rows.keys() == seen
