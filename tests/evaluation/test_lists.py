"""Ranked lists: what is refused, and what an item that stands twice becomes."""

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.evaluation.lists import (
    checked_ks,
    checked_lists,
    has_repeats,
    repeats,
    without_repeats,
)
from recloop.evaluation.relevant import RelevantSets

TWO_PEOPLE = RelevantSets.of_pairs([0, 1], [0, 1], 2, 5)


def test_cut_offs_keep_their_order():
    assert checked_ks("x", (10, 1, 5)) == [10, 1, 5]


@pytest.mark.parametrize("ks", [[0], [-1], [1.5], [True], ["3"], [5, 0]])
def test_a_cut_off_below_one_or_no_whole_number_is_refused(ks):
    with pytest.raises(InvalidParameter, match="x: k must be a whole number of at least 1, got"):
        checked_ks("x", ks)


@pytest.mark.parametrize("ks", [[], [5, 5]])
def test_cut_offs_must_be_there_and_differ(ks):
    with pytest.raises(InvalidParameter, match="x: ks must be one or more different cut-offs, got"):
        checked_ks("x", ks)


@pytest.mark.parametrize("recommended", [[0, 1], [[0]], [[0], [1], [2]], [[[0]], [[1]]]])
def test_lists_need_a_row_for_everyone(recommended):
    with pytest.raises(
        InvalidParameter, match=r"x: recommended must have shape \(2, K\), a row for every person"
    ):
        checked_lists("x", recommended, TWO_PEOPLE)


@pytest.mark.parametrize("item", [5, -2])
def test_codes_outside_the_catalogue_are_refused(item):
    with pytest.raises(
        InvalidParameter, match=f"x: recommended must be between -1 and 4, got {item}"
    ):
        checked_lists("x", [[0], [item]], TWO_PEOPLE)


def test_empty_lists_become_one_empty_place():
    lists = checked_lists("x", np.empty((2, 0), dtype=np.int64), TWO_PEOPLE)
    assert lists.tolist() == [[-1], [-1]]


def test_without_repeats_every_row_is_looked_at_alone():
    assert not has_repeats(np.array([[0, 1], [1, 0]]))
    assert without_repeats("x", np.array([[0, 1], [0, 1]]), "raise").tolist() == [[0, 1], [0, 1]]


def test_lists_without_repeats_stay_as_they_are():
    assert checked_lists("x", [[4, 0], [-1, -1]], TWO_PEOPLE).tolist() == [[4, 0], [-1, -1]]


def test_an_item_that_stands_twice_is_an_error_that_says_where():
    lists = np.array([[0, 1, 2], [3, 1, 3], [2, 2, 2]])
    with pytest.raises(InvalidParameter) as caught:
        without_repeats("x", lists, "raise")
    assert str(caught.value) == (
        "x: an item must stand once in a list, but 2 lists hold one twice, the first in row 1: "
        "item 3. Remove it, or use on_duplicates='first'."
    )


def test_by_default_checked_lists_refuse_repeats():
    with pytest.raises(InvalidParameter, match="an item must stand once"):
        checked_lists("x", [[0, 0], [1, 2]], TWO_PEOPLE)


def test_with_first_only_the_best_place_stays():
    lists = np.array([[4, 1, 4, 1, 4], [0, -1, -1, 0, 2]])
    assert checked_lists("x", lists, TWO_PEOPLE, "first").tolist() == [
        [4, 1, -1, -1, -1],
        [0, -1, -1, -1, 2],
    ]
    assert lists[0].tolist() == [4, 1, 4, 1, 4]


def test_padding_is_no_repeat():
    lists = np.array([[-1, -1, 0]])
    assert not has_repeats(lists)
    assert not repeats(lists).any()


def test_repeats_are_found_wherever_they_stand():
    assert has_repeats(np.array([[0, 1], [3, 3]]))
    assert has_repeats(np.array([[0, 1, 0]]))
    assert not has_repeats(np.array([[0], [0]]))
    assert repeats(np.array([[0, 1, 0]])).tolist() == [[False, False, True]]
    assert repeats(np.array([[2], [2]])).tolist() == [[False], [False]]
