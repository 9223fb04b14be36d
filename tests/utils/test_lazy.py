"""A package's names load their modules when they are asked for, and not before."""

import sys
import types

import pytest

from recloop.utils.lazy import lazy_names


@pytest.fixture
def package(monkeypatch):
    """A package that offers `sqrt` and `fsum` out of math, and one value of its own."""
    made = types.ModuleType("lazy_example")
    monkeypatch.setitem(sys.modules, "lazy_example", made)
    get, names, everything = lazy_names("lazy_example", {"sqrt": "math", "fsum": "math"})
    made.__dict__.update(__getattr__=get, __dir__=names, __all__=everything, own=1)
    return made


def test_a_name_loads_when_it_is_asked_for(package):
    assert "sqrt" not in vars(package)
    assert package.sqrt(9) == 3


def test_a_name_is_looked_up_once(package):
    assert package.sqrt is vars(package)["sqrt"]


def test_an_unknown_name_is_an_ordinary_attribute_error(package):
    with pytest.raises(AttributeError, match=r"^module 'lazy_example' has no attribute 'cbrt'$"):
        _ = package.cbrt


def test_all_names_are_listed_in_order(package):
    assert package.__all__ == ["fsum", "sqrt"]


def test_dir_shows_lazy_names_beside_the_packages_own(package):
    listed = dir(package)
    assert {"fsum", "sqrt", "own", "__name__"} <= set(listed)
    assert listed == sorted(listed)
    assert "fsum" not in vars(package)
