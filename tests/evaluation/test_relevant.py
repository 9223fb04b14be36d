"""Relevant sets: each item once, found at the right places, whatever the order and the sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recloop.errors import InvalidParameter
from recloop.evaluation import relevant
from recloop.evaluation.relevant import RelevantSets


def test_a_pair_that_stands_twice_counts_once():
    sets = RelevantSets.of_pairs([1, 0, 1, 1], [2, 0, 2, 1], 3, 4)
    assert sets.sizes.tolist() == [1, 2, 0]
    assert sets.items.tolist() == [0, 1, 2]
    assert sets.bounds.tolist() == [0, 1, 3, 3]
    assert (len(sets), sets.n_items, sets.width) == (3, 4, 5)
    assert sets.gains is None


def test_pairs_already_in_order_are_taken_as_they_are():
    sets = RelevantSets.of_pairs([0, 0, 1], [1, 3, 0], 2, 4)
    assert sets.keys.tolist() == [1, 3, 5]


def test_adjacent_repeats_in_ordered_pairs_count_once():
    sets = RelevantSets.of_pairs([0, 0, 0], [1, 1, 3], 1, 4)
    assert sets.items.tolist() == [1, 3]


def test_rows_of_a_csr_matrix_give_the_same_sets_as_pairs():
    by_rows = RelevantSets.of_rows([0, 2, 2, 3], [3, 1, 0], 4, gains=[1.0, 2.0, 3.0])
    by_pairs = RelevantSets.of_pairs([0, 0, 2], [3, 1, 0], 3, 4, gains=[1.0, 2.0, 3.0])
    assert by_rows.keys.tolist() == by_pairs.keys.tolist() == [1, 3, 10]
    assert by_rows.gains.tolist() == [2.0, 1.0, 3.0]
    assert by_rows.sizes.tolist() == [2, 0, 1]


def test_of_a_pair_with_two_gains_the_best_is_kept():
    sets = RelevantSets.of_pairs([0, 0, 0], [1, 1, 0], 1, 2, gains=[2.0, 5.0, 1.0])
    assert (sets.items.tolist(), sets.gains.tolist()) == ([0, 1], [1.0, 5.0])
    sets = RelevantSets.of_pairs([0, 0, 0], [1, 1, 0], 1, 2, gains=[5.0, 2.0, 1.0])
    assert sets.gains.tolist() == [1.0, 5.0]


def test_hits_and_gains_stand_where_the_items_stand_and_padding_never_hits():
    sets = RelevantSets.of_pairs([0, 0, 1], [0, 3, 3], 2, 4, gains=[2.0, 7.0, 1.5])
    lists = np.array([[3, -1, 0, 1], [0, 3, -1, -1]])
    assert sets.hits(lists).tolist() == [[True, False, True, False], [False, True, False, False]]
    assert sets.hits(lists).dtype == np.bool_
    assert sets.gains_of(lists).tolist() == [[7.0, 0.0, 2.0, 0.0], [0.0, 1.5, 0.0, 0.0]]


def test_without_gains_every_relevant_item_gains_one():
    sets = RelevantSets.of_pairs([0], [1], 1, 2)
    assert sets.gains_of(np.array([[0, 1]])).tolist() == [[0.0, 1.0]]


def test_padding_does_not_hit_the_last_item_of_the_row_before():
    sets = RelevantSets.of_pairs([0, 1, 2], [2, 2, 2], 3, 3)
    assert not sets.hits(np.full((3, 2), -1)).any()


@pytest.mark.parametrize("cells", [1, 4, 5, 9, 10, 11, 1 << 20])
def test_blocks_of_any_size_find_the_same(monkeypatch, rng, cells):
    monkeypatch.setattr(relevant, "TABLE_CELLS", cells)
    wanted = rng.random((7, 4)) < 0.5
    sets = RelevantSets.of_pairs(*np.nonzero(wanted), 7, 4)
    lists = np.argsort(rng.random((7, 4)), axis=1)[:, :3]
    assert (sets.hits(lists) == np.take_along_axis(wanted, lists, axis=1)).all()
    assert (sets.gains_of(lists) == np.take_along_axis(wanted, lists, axis=1)).all()


def test_blocks_are_as_large_as_the_table_allows():
    assert relevant.TABLE_CELLS == 1 << 20


def test_nobody_and_nothing_are_allowed():
    sets = RelevantSets.of_pairs([], [], 2, 0)
    assert sets.sizes.tolist() == [0, 0]
    assert sets.hits(np.array([[-1], [-1]])).tolist() == [[False], [False]]
    nobody = RelevantSets.of_pairs([], [], 0, 3)
    assert len(nobody) == 0
    assert nobody.hits(np.empty((0, 2), dtype=np.int64)).shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (([2], [0], 2, 1), {}, "RelevantSets: rows must be between 0 and 1, got 2."),
        (([0], [1], 2, 1), {}, "RelevantSets: items must be between 0 and 0, got 1."),
        (([0], [-1], 2, 1), {}, "RelevantSets: items must be between 0 and 0, got -1."),
        (([], [], -1, 1), {}, "RelevantSets: n_rows must be a whole number of at least 0, got -1."),
        (([], [], 1, -1), {}, "RelevantSets: n_items must be a whole number of at least 0"),
        (([0], [0], 1, 1), {"gains": [np.nan]}, "RelevantSets: gains must be finite"),
        (
            ([0, 0], [0, 1], 1, 2),
            {"gains": [1.0, -2.5]},
            "RelevantSets: gains must be 0 or more, got -2.5. Give a threshold, or count every row "
            "as relevant with ndcg_gain='binary'.",
        ),
    ],
)
def test_codes_and_gains_outside_their_range_are_refused(arguments, options, said):
    with pytest.raises(InvalidParameter) as caught:
        RelevantSets.of_pairs(*arguments, **options)
    assert said in str(caught.value)


def test_a_gain_of_zero_is_allowed():
    assert RelevantSets.of_pairs([0], [0], 1, 1, gains=[0.0]).gains.tolist() == [0.0]


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 6))), st.randoms())
def test_sets_are_the_same_whatever_the_order_of_their_pairs(wanted, random):
    rows, items = np.nonzero(wanted)
    order = list(range(len(rows)))
    random.shuffle(order)
    sets = RelevantSets.of_pairs(rows, items, *wanted.shape)
    shuffled = RelevantSets.of_pairs(rows[order], items[order], *wanted.shape)
    assert sets.keys.tolist() == shuffled.keys.tolist()
    assert sets.sizes.tolist() == wanted.sum(axis=1).tolist()
