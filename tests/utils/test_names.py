"""A typo is answered with the nearest known name."""

import pytest

from recloop.errors import UnknownName
from recloop.utils.names import nearest, unknown_name

MODELS = ["sarsa", "q_learning", "dqn"]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("q_lerning", "q_learning"), ("Q_LEARNING", "q_learning"), ("sarsaa", "sarsa")],
)
def test_a_typo_finds_what_was_meant(typo, meant):
    assert nearest(typo, MODELS) == meant


def test_nothing_near_is_none():
    assert nearest("xyz", MODELS) is None
    assert nearest("dqn", []) is None


def test_the_nearest_of_several_is_taken_and_keeps_its_case():
    assert nearest("rest_ratio", ["test_ratios", "Test_Ratio", "ratio"]) == "Test_Ratio"


def test_a_name_that_is_no_text_is_compared_as_text():
    assert nearest(12, ["123", "abc"]) == "123"  # type: ignore[arg-type]


def test_a_name_half_alike_is_not_suggested_and_one_a_little_nearer_is():
    """Similarity is 2 x matching letters / all letters: ab-- has 4 / 8, abc- 6 / 8 of abcd."""
    assert nearest("abxx", ["abcd"]) is None
    assert nearest("abcx", ["abcd"]) == "abcd"
    assert nearest("abcxx", ["abcyy"]) == "abcyy"  # 6 / 10, just enough


def test_the_error_names_the_nearest_and_all_that_are_known_in_order():
    error = unknown_name("model", "q_lerning", MODELS)
    assert isinstance(error, UnknownName)
    assert str(error) == (
        "No model named 'q_lerning'. Did you mean 'q_learning'? Known: dqn, q_learning, sarsa."
    )


def test_the_error_makes_no_guess_when_nothing_is_near():
    assert str(unknown_name("metric", "xyz", iter(["map", "ndcg"]))) == (
        "No metric named 'xyz'. Known: map, ndcg."
    )
