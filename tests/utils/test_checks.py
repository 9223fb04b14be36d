"""Bad arguments are refused in one wording: who, what, what is allowed, what was got."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidParameter
from recloop.utils.checks import (
    check_between,
    check_choice,
    check_codes,
    check_count,
    check_finite,
)


def refuses(message: str):
    return pytest.raises(InvalidParameter, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(200)])
def test_a_count_comes_back_as_a_plain_int(value):
    count = check_count("Loader", "k", value)
    assert count == value
    assert type(count) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, "3", True, None, np.float64(2)])
def test_what_is_no_count_is_refused(value):
    with refuses(f"Loader: k must be a whole number of at least 1, got {value!r}."):
        check_count("Loader", "k", value)


def test_a_count_may_start_elsewhere():
    assert check_count("Loader", "seed", 0, least=0) == 0
    assert check_count("Loader", "n", 5, least=5) == 5
    with refuses("Loader: n must be a whole number of at least 5, got 4."):
        check_count("Loader", "n", 4, least=5)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.25), np.int64(1)])
def test_a_number_within_closed_bounds_comes_back_as_a_float(value):
    number = check_between("Model", "epsilon", value, 0, 1)
    assert number == value
    assert type(number) is float


@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf, -math.inf, "0.5", True, None])
def test_a_number_outside_closed_bounds_is_refused(value):
    with refuses(f"Model: epsilon must be between 0 and 1, got {value!r}."):
        check_between("Model", "epsilon", value, 0, 1)


def test_an_open_bound_excludes_itself_and_nothing_else():
    assert check_between("Model", "rate", 1, 0, 1, low_open=True) == 1.0
    assert check_between("Model", "rate", 0, 0, 1, high_open=True) == 0.0
    assert check_between("Model", "rate", 1e-300, 0, 1, low_open=True) == 1e-300
    with refuses("Model: rate must be above 0 and at most 1, got 0."):
        check_between("Model", "rate", 0, 0, 1, low_open=True)
    with refuses("Model: rate must be at least 0 and below 1, got 1."):
        check_between("Model", "rate", 1, 0, 1, high_open=True)
    with refuses("Model: rate must be above 0 and below 1, got 1.5."):
        check_between("Model", "rate", 1.5, 0, 1, low_open=True, high_open=True)


def test_no_upper_bound_is_said_in_words():
    assert check_between("Model", "penalty", 1e9, 0, math.inf) == 1e9
    with refuses("Model: penalty must be a number of at least 0, got -1."):
        check_between("Model", "penalty", -1, 0, math.inf)
    with refuses("Model: penalty must be a number above 0.5, got 0.5."):
        check_between("Model", "penalty", 0.5, 0.5, math.inf, low_open=True)
    with refuses("Model: penalty must be a number of at least 0, got inf."):
        check_between("Model", "penalty", math.inf, 0, math.inf)


@given(st.floats(), st.floats(-5, 5), st.floats(0, 5))
def test_a_number_passes_exactly_when_it_lies_between(value, low, width):
    if low <= value <= low + width:
        assert check_between("Model", "x", value, low, low + width) == value
    else:
        with pytest.raises(InvalidParameter):
            check_between("Model", "x", value, low, low + width)


def test_a_choice_comes_back_and_another_word_is_refused():
    assert check_choice("Model", "state", "user", ["user", "last_item"]) == "user"
    with refuses("Model: state must be one of 'user', 'last_item', got 'usr'."):
        check_choice("Model", "state", "usr", ["user", "last_item"])


def test_codes_come_back_as_int64():
    codes = check_codes("Model", "users", np.array([0, 4], dtype=np.uint8), 5)
    assert codes.dtype == np.int64
    assert codes.tolist() == [0, 4]


def test_int64_codes_are_not_copied():
    users = np.array([1, 2])
    assert check_codes("Model", "users", users, 3) is users


def test_codes_keep_their_shape():
    assert check_codes("Model", "slates", [[0, 1], [2, -1]], 3, least=-1).shape == (2, 2)


def test_no_codes_at_all_are_allowed():
    assert check_codes("Model", "users", [], 3).tolist() == []


@pytest.mark.parametrize(
    ("values", "first"), [([0, 3, 9], 3), ([2, -1], -1), ([[0, 1], [4, 5]], 4)]
)
def test_the_first_code_outside_is_named(values, first):
    with refuses(f"Model: users must be between 0 and 2, got {first}."):
        check_codes("Model", "users", values, 3)


def test_least_moves_the_lower_bound():
    assert check_codes("Model", "slates", [-1, 2], 3, least=-1).tolist() == [-1, 2]
    with refuses("Model: slates must be between -1 and 2, got -2."):
        check_codes("Model", "slates", [-2], 3, least=-1)


@pytest.mark.parametrize(("values", "kind"), [([1.0], "float64"), (["a"], "<U1"), ([True], "bool")])
def test_what_is_no_integer_is_no_code(values, kind):
    with refuses(
        f"Model: users must be whole numbers between 0 and 2, got an array of {kind}. "
        "Codes are integers; ids belong to the faces."
    ):
        check_codes("Model", "users", values, 3)


def test_finite_numbers_come_back_as_float64():
    values = check_finite("Model", "rewards", [1, 2])
    assert values.dtype == np.float64
    assert values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("values", "bad"), [([1, math.nan, math.inf], "nan"), ([[0, -math.inf]], "-inf")]
)
def test_the_first_value_that_is_not_finite_is_named(values, bad):
    with refuses(f"Model: rewards must be finite numbers, got {bad}."):
        check_finite("Model", "rewards", values)
