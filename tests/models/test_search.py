"""What a model declares to be searched is what its constructor takes."""

from inspect import signature
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.errors import InvalidParameter
from recloop.models import MODELS
from recloop.models.registry import model_class
from recloop.models.search import Choice, Integer, Parameter, Real, SearchSpace

WITHOUT = {"popular", "random"}


def ends(one: Parameter) -> tuple:
    return one.values if isinstance(one, Choice) else (one.low, one.high)


def draw(one: Parameter) -> st.SearchStrategy:
    if isinstance(one, Real):
        return st.floats(one.low, one.high)
    if isinstance(one, Integer):
        return st.integers(one.low, one.high)
    return st.sampled_from(one.values)


@pytest.mark.parametrize("name", sorted(MODELS))
class TestEveryModel:
    def test_says_what_is_searched_or_that_nothing_is(self, name):
        space = model_class(name).search_space
        assert isinstance(space, SearchSpace)
        assert (len(space) == 0) == (name in WITHOUT)

    def test_searches_parameters_that_its_constructor_has_around_their_defaults(self, name):
        made = model_class(name)
        defaults = {key: one.default for key, one in signature(made).parameters.items()}
        for key, one in made.search_space.items():
            assert key in defaults, f"{name} has no parameter {key}"
            assert defaults[key] in one, f"{name}: {key}={defaults[key]} lies outside {one}"

    def test_takes_every_corner_of_its_space(self, name):
        made = model_class(name)
        for corner in product(*(ends(one) for one in made.search_space.values())):
            params = dict(zip(made.search_space, corner, strict=True))
            assert {key: getattr(made(2, 3, **params), key) for key in params} == params

    @settings(max_examples=20)
    @given(data=st.data())
    def test_takes_every_point_of_its_space(self, name, data):
        made = model_class(name)
        made(2, 3, **{key: data.draw(draw(one), key) for key, one in made.search_space.items()})


def test_a_model_that_acts_on_a_log_alone_is_not_searched_for_how_it_explores():
    space = model_class("lin_ucb").search_space
    assert list(space.searched((), acting=False)) == ["regularization", "discount"]
    assert list(space.searched((), acting=True)) == ["regularization", "discount", "alpha"]
    assert list(space.searched(["discount"], acting=False)) == ["regularization"]


@pytest.mark.parametrize(
    ("one", "value", "edge"),
    [
        (Real(0.0, 10.0), 0.2, "low"),
        (Real(0.0, 10.0), 0.21, None),
        (Real(0.0, 10.0), 9.8, "high"),
        (Real(0.0, 10.0, limits=("low",)), 0.0, None),
        (Real(0.0, 10.0, limits=("low",)), 10.0, "high"),
        (Real(1.0, 1e4, log=True), 1.2, "low"),  # ln 1.2 = .182 < .02 ln 1e4 = .184
        (Real(1.0, 1e4, log=True), 1.21, None),
        (Real(1.0, 1e4, log=True), 8400.0, "high"),
        (Integer(1, 10), 1, "low"),
        (Integer(1, 10), 2, None),
        (Integer(8, 256, log=True), 255, "high"),
        (Choice(("a", "b")), "a", None),
    ],
)
def test_the_outer_two_percent_of_a_range_are_its_edge(one, value, edge):
    assert one.edge(value) == edge
    assert SearchSpace(it=one).edges({"it": value}) == ({} if edge is None else {"it": edge})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Real(1.0, 1.0), "Real: low must be below high, got 1.0 and 1.0"),
        (lambda: Real(0.0, 1.0, log=True), "Real: low must be above 0 where log is True, got 0.0"),
        (lambda: Real(0.0, float("inf")), "Real: high must be a finite number, got inf"),
        (lambda: Integer(1, 2.5), "Integer: high must be a whole number of at least 1, got 2.5"),
        (lambda: Choice(("a", "a")), "Choice: values must be at least two different ones"),
    ],
)
def test_a_range_that_is_none_is_refused(make, said):
    with pytest.raises(InvalidParameter, match=said):
        make()
