"""Beyond accuracy: worked by hand, against plain loops, and intervals that hold the truth."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidParameter
from recloop.evaluation import beyond_accuracy as beyond
from recloop.evaluation.intervals import jackknife_interval

# three people, six items; nobody is shown item 5, the last list is short
LISTS = np.array([[0, 1, 2], [0, 1, 3], [4, -1, -1]])
ALL = np.ones(6, dtype=np.bool_)


def test_exposures_count_people_and_skip_padding():
    assert beyond.exposures(LISTS, 6).tolist() == [2, 2, 1, 1, 1, 0]


def test_coverage_is_the_share_of_the_catalogue_that_anyone_is_shown():
    value, left_out = beyond.coverage(LISTS, [1, 3, 9], ALL)
    assert value == pytest.approx([2 / 6, 5 / 6, 5 / 6])
    # at 1: without the third person item 4 is gone; at 3: each person alone shows one item
    assert left_out == pytest.approx(
        np.array([[2 / 6, 4 / 6, 4 / 6], [2 / 6, 4 / 6, 4 / 6], [1 / 6, 4 / 6, 4 / 6]])
    )


def test_coverage_counts_only_what_is_in_the_catalogue():
    catalogue = np.array([True, True, False, False, False, True])
    value, left_out = beyond.coverage(LISTS, [3], catalogue)
    assert value == pytest.approx([2 / 3])
    assert left_out == pytest.approx(np.full((3, 1), 2 / 3))


def test_gini_is_worked_out_over_the_whole_catalogue():
    # ordered exposures 0 1 1 1 2 2, weights 2i - 7: -5 -3 -1 1 3 5; sum -3 - 1 + 1 + 6 + 10 = 13
    value, _ = beyond.gini(LISTS, [3], ALL)
    assert value == pytest.approx([13 / (6 * 7)])


def test_gini_is_zero_when_all_are_shown_equally_and_near_one_when_one_item_has_it_all():
    everyone = np.array([[0, 1], [2, 3]])
    assert beyond.gini(everyone, [2], np.ones(4, dtype=np.bool_)).value.tolist() == [0.0]
    same = np.array([[3], [3], [3]])
    assert beyond.gini(same, [1], np.ones(4, dtype=np.bool_)).value == pytest.approx([3 / 4])


def test_gini_skips_items_outside_the_catalogue():
    catalogue = np.array([True, True, False, False, False, True])
    # exposures 2 2 0 -> ordered 0 2 2, weights -2 0 2: 4 / (3 * 4)
    value, left_out = beyond.gini(LISTS, [3], catalogue)
    assert value == pytest.approx([1 / 3])
    assert left_out[2, 0] == pytest.approx(1 / 3)


def test_gini_without_any_list_is_undefined():
    value, left_out = beyond.gini(np.array([[-1], [-1]]), [1], ALL)
    assert np.isnan(value).all()
    assert np.isnan(left_out).all()


def gini_by_pairs(counts):
    """Half the mean absolute difference over the mean."""
    n = len(counts)
    return sum(abs(a - b) for a in counts for b in counts) / (2 * n * n * (sum(counts) / n))


def test_group_values_are_those_of_plain_loops(rng):
    lists = np.argsort(rng.random((15, 9)), axis=1)[:, :4]
    lists[3, 2:] = -1
    catalogue = rng.random(9) < 0.7
    for k in (1, 2, 4):
        coverage, coverage_left = beyond.coverage(lists, [k], catalogue)
        gini, _ = beyond.gini(lists, [k], catalogue)
        rows = [[i for i in row[:k].tolist() if i >= 0 and catalogue[i]] for row in lists]
        flat = [item for row in rows for item in row]
        assert coverage[0] == pytest.approx(len(set(flat)) / catalogue.sum())
        counts = [flat.count(item) for item in np.flatnonzero(catalogue)]
        assert gini[0] == pytest.approx(gini_by_pairs(counts))
        for user in range(len(rows)):
            others = {i for u, row in enumerate(rows) if u != user for i in row}
            assert coverage_left[user, 0] == pytest.approx(len(others) / catalogue.sum())


def test_without_their_only_follower_the_most_shown_item_stays_first():
    # exposures 1 and 2 of three items: without a person of item 1, 1 1 0; without that of 0, 0 2 0
    _, left_out = beyond.gini(np.array([[1], [1], [0]]), [1], np.ones(3, dtype=np.bool_))
    assert left_out[:, 0] == pytest.approx([2 / 6, 2 / 6, 4 / 6])


def test_gini_without_a_person_leaves_out_only_what_they_were_shown():
    # exposures 2 1 1, total 4; without the short list of item 0: 1 1 1, without the other: 1 0 0
    lists = np.array([[0, -1, -1], [0, 1, 2]])
    _, left_out = beyond.gini(lists, [3], np.ones(3, dtype=np.bool_))
    # weights -2 0 2 of 1 1 2 give 2; item 0 weighs 2, items 1 and 2, the lowest, -2 each
    assert left_out[:, 0] == pytest.approx([(2 - 2) / (3 * 3), (2 - 2 + 4) / (3 * 1)])


def test_gini_without_a_person_is_exact_for_lists_of_one(rng):
    lists = rng.integers(0, 5, size=(12, 1))
    _, left_out = beyond.gini(lists, [1], np.ones(6, dtype=np.bool_))
    for user in range(12):
        counts = np.bincount(np.delete(lists, user), minlength=6)
        assert left_out[user, 0] == pytest.approx(gini_by_pairs(counts.tolist()))


FEATURES = np.array([[1.0, 0], [2, 0], [0, 3], [0, 0], [-1, 0], [1, 1]])


def test_diversity_is_the_mean_distance_over_pairs():
    lists = np.array([[0, 1, 2], [2, 0, 5]])
    r = 1 / math.sqrt(2)
    # 0 and 1 point the same way: distance 0; 2 stands across: 1; 5 lies between: 1 - r
    assert beyond.diversity(lists, [2, 3, 9], FEATURES) == pytest.approx(
        np.array([[0, 2 / 3, 2 / 3], [1, (1 + 2 * (1 - r)) / 3, (1 + 2 * (1 - r)) / 3]])
    )


def test_a_hole_in_a_list_does_not_touch_its_diversity():
    assert beyond.diversity(np.array([[0, -1, 2]]), [3], FEATURES).tolist() == [[1.0]]


def test_diversity_of_opposite_items_is_two():
    assert beyond.diversity(np.array([[0, 4]]), [2], FEATURES).tolist() == [[2.0]]


def test_an_item_without_features_is_at_distance_one_from_any_other():
    assert beyond.diversity(np.array([[0, 3], [3, 0]]), [2], FEATURES).tolist() == [[1.0], [1.0]]
    assert beyond.diversity(np.array([[0, 1, 3]]), [3], FEATURES) == pytest.approx(
        np.array([[2 / 3]])
    )


def test_diversity_needs_two_items():
    values = beyond.diversity(
        np.array([[0, -1, 1], [0, -1, -1], [-1, -1, -1]]), [1, 2, 3], FEATURES
    )
    assert np.isnan(values).tolist() == [[True, True, False], [True] * 3, [True] * 3]
    assert values[0, 2] == 0.0


def test_diversity_is_never_below_zero_by_rounding():
    features = np.array([[0.1, 0.7], [0.1, 0.7], [0.1, 0.7]])
    values = beyond.diversity(np.array([[0, 1, 2]]), [2, 3], features)
    assert (values >= 0).all()
    assert values == pytest.approx(np.zeros((1, 2)), abs=1e-12)


def test_diversity_refuses_features_that_are_no_numbers():
    with pytest.raises(InvalidParameter, match="diversity: features must be finite numbers"):
        beyond.diversity(np.array([[0]]), [1], np.array([[np.nan]]))


@given(st.integers(0, 2**32 - 1))
def test_diversity_is_that_of_a_loop_over_pairs(seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    features = rng.normal(size=(7, 3)) * (rng.random((7, 1)) < 0.8)
    row = rng.permutation(7)[: rng.integers(2, 7)]

    def distance(a, b):
        size = np.linalg.norm(a) * np.linalg.norm(b)
        return 1 - (a @ b / size if size else 0.0)

    pairs = [distance(features[a], features[b]) for a, b in combinations(row, 2)]
    got = beyond.diversity(row[None], [len(row)], features)
    assert got[0, 0] == pytest.approx(np.mean(pairs), abs=1e-12)


TAKERS = np.array([4, 2, 1, 0, 2, 0])


def test_novelty_is_the_mean_self_information_and_a_new_item_counts_as_taken_once():
    # of 4 people: 0, 1 and 2 bits, and 2 bits for item 3, which nobody took
    values = beyond.novelty(LISTS, [1, 2, 3, 9], TAKERS, 4)
    assert values == pytest.approx(
        np.array([[0, 0.5, 1, 1], [0, 0.5, 1, 1], [1, 1, 1, 1]], dtype=float)
    )


def test_mean_popularity_is_over_the_items_shown():
    assert beyond.mean_popularity(LISTS, [1, 3], TAKERS) == pytest.approx(
        np.array([[4, 7 / 3], [4, 2], [2, 2]])
    )


def test_an_empty_list_has_no_novelty_and_no_popularity():
    lists = np.array([[-1, -1]])
    assert np.isnan(beyond.novelty(lists, [1, 2], TAKERS, 4)).all()
    assert np.isnan(beyond.mean_popularity(lists, [2], TAKERS)).all()


def test_serendipity_pays_for_hits_that_stand_higher_than_their_popularity():
    # six items; popularity ranks: item 0 first, 1 and 4 share the second, 2 third; 3 and 5 unknown
    # p_anyone = 6/6, 5/6, 4/6, 0; p_person = 6/6, 5/6, 4/6 by rank
    lists = np.array([[1, 0, 3], [2, 4, -1], [3, 2, 1]])
    hits = np.array([[True, True, True], [True, True, False], [False, True, True]])
    values = beyond.serendipity(lists, hits, [1, 2, 3], TAKERS, 6)
    assert values == pytest.approx(
        np.array(
            [
                [1 / 6, 1 / 12, (1 / 6 + 4 / 6) / 3],
                [2 / 6, 1 / 6, 1 / 6],
                [0, 1 / 12, 1 / 18],
            ]
        )
    )


def test_serendipity_of_a_smaller_catalogue_uses_its_size():
    # of a catalogue of 4: p_person = 4/4, p_anyone of the most popular 4/4, of the second 3/4
    assert beyond.serendipity(np.array([[1]]), np.array([[True]]), [1], TAKERS, 4) == pytest.approx(
        np.array([[1 / 4]])
    )


def test_sufficient_reco_says_who_got_k_items():
    assert beyond.sufficient_reco(LISTS, [1, 2, 3, 4]).tolist() == [
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [1, 0, 0, 0],
    ]


def test_people_who_took_an_item_are_counted_once_each():
    users, items = np.array([0, 0, 1, 2, 2]), np.array([1, 1, 1, 0, 3])
    assert beyond.users_of_items(users, items, 5).tolist() == [1, 2, 0, 1, 0]
    nobody = np.empty(0, dtype=np.int64)
    assert beyond.users_of_items(nobody, nobody, 2).tolist() == [0, 0]


@pytest.mark.parametrize("metric", [beyond.coverage, beyond.gini])
def test_intervals_of_group_values_hold_the_truth_at_their_stated_rate(rng, metric):
    """The truth: the mean over many groups of the same size. 120 intervals of 95 %.

    At a rate of 0.95, fewer than 104 of 120 that hold it has a probability below 1e-3.
    """
    popularity = np.log(1 / np.arange(1, 61))

    def draw():
        noise = rng.gumbel(size=(60, 60))
        return np.argsort(-(popularity + noise), axis=1)[:, :5]

    found = [metric(draw(), [5], np.ones(60, dtype=np.bool_)) for _ in range(120)]
    truth = np.mean([value[0] for value, _ in found])
    intervals = [jackknife_interval(value[0], left_out[:, 0]) for value, left_out in found]
    assert sum(low <= truth <= high for low, high in intervals) >= 104
