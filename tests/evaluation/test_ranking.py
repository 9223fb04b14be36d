"""Ranking metrics: worked by hand, against a slow reading of the definitions, and by invariants."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidParameter, UnknownName
from recloop.evaluation import ranking
from recloop.evaluation.definitions import ACCURACY, Definitions
from recloop.evaluation.ranking import accuracy
from recloop.evaluation.relevant import RelevantSets

LOG3 = math.log2(3)
# five items; relevant to this one person: 0, 2 and 4; shown 2, 1, 0, 3
ONE = RelevantSets.of_pairs([0, 0, 0], [0, 2, 4], 1, 5)
SHOWN = [[2, 1, 0, 3]]


def values_of(metric, ks=(1, 2, 3, 4, 10), lists=SHOWN, sets=ONE, **options):
    table = accuracy(lists, sets, list(ks), Definitions(**options), [metric])[metric]
    assert table.shape == (len(sets), len(ks))
    assert table.dtype == np.float64
    return table[0].tolist() if len(sets) == 1 else table.tolist()


def test_precision_divides_by_k_even_when_the_list_is_shorter():
    assert values_of("precision") == pytest.approx([1, 1 / 2, 2 / 3, 2 / 4, 2 / 10])


def test_precision_by_list_divides_by_the_length_of_a_short_list():
    assert values_of("precision", precision_norm="list") == pytest.approx(
        [1, 1 / 2, 2 / 3, 2 / 4, 2 / 4]
    )


def test_recall_divides_by_all_that_is_relevant():
    assert values_of("recall") == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3])


def test_capped_recall_divides_by_what_k_places_can_hold():
    assert values_of("recall", recall_capped=True) == pytest.approx([1, 1 / 2, 2 / 3, 2 / 3, 2 / 3])


def test_hit_rate_is_one_from_the_first_hit_on():
    assert values_of("hit_rate", lists=[[1, 3, 4]]) == [0, 0, 1, 1, 1]


def test_mrr_is_one_over_the_rank_of_the_first_hit_and_zero_above_it():
    assert values_of("mrr", lists=[[1, 3, 4, 0]]) == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])
    assert values_of("mrr") == [1, 1, 1, 1, 1]
    assert values_of("mrr", lists=[[1, 3]]) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("norm", "divisors"),
    [
        ("min", [1, 2, 3, 3, 3]),
        ("rel", [3, 3, 3, 3, 3]),
        ("k", [1, 2, 3, 4, 10]),
        ("list", [1, 2, 3, 3, 3]),
        ("hits", [1, 1, 2, 2, 2]),
    ],
)
def test_map_sums_the_precision_at_every_hit_and_divides_as_its_norm_says(norm, divisors):
    sums = np.array([1, 1, 1 + 2 / 3, 1 + 2 / 3, 1 + 2 / 3])
    assert values_of("map", map_norm=norm) == pytest.approx((sums / divisors).tolist())


def test_map_by_list_divides_by_a_list_shorter_than_the_relevant_set():
    assert values_of("map", lists=[[1, 2]], map_norm="list") == pytest.approx(
        [0, 0.5 / 2, 0.5 / 2, 0.5 / 2, 0.5 / 2]
    )
    # without the lengths, every place of the array counts
    hits = np.array([[False, True]])
    assert ranking.average_precision(hits, np.array([3]), [3], norm="list") == 0.25
    assert (
        ranking.average_precision(hits, np.array([3]), [3], norm="list", n_listed=np.array([1]))
        == 0.5
    )


def test_map_by_hits_is_zero_without_hits():
    assert values_of("map", lists=[[1, 3]], map_norm="hits") == [0, 0, 0, 0, 0]


def test_ndcg_divides_by_the_best_list_of_at_most_k_relevant_items():
    gained = [1, 1, 1.5, 1.5, 1.5]
    best = [1, 1 + 1 / LOG3, 1.5 + 1 / LOG3, 1.5 + 1 / LOG3, 1.5 + 1 / LOG3]
    assert values_of("ndcg") == pytest.approx((np.array(gained) / best).tolist())


def test_ndcg_with_ideal_k_divides_by_a_list_full_of_hits():
    best = np.cumsum([1 / math.log2(r + 1) for r in range(1, 11)])
    assert values_of("ndcg", ndcg_ideal="k") == pytest.approx(
        [1, 1 / best[1], 1.5 / best[2], 1.5 / best[3], 1.5 / best[9]]
    )


def test_ndcg_with_ideal_rel_divides_by_the_best_list_of_everything_relevant():
    best = 1.5 + 1 / LOG3
    assert values_of("ndcg", ndcg_ideal="rel") == pytest.approx(
        [1 / best, 1 / best, 1.5 / best, 1.5 / best, 1.5 / best]
    )


def graded_set():
    return RelevantSets.of_pairs([0, 0, 0], [0, 2, 4], 1, 5, gains=[1.0, 3.0, 2.0])


def test_graded_ndcg_is_linear_in_gains():
    gained = np.array([3, 3, 3.5, 3.5, 3.5])
    best = np.array([3, 3 + 2 / LOG3] + [3 + 2 / LOG3 + 0.5] * 3)
    assert values_of("ndcg", sets=graded_set(), ndcg_gain="linear") == pytest.approx(
        (gained / best).tolist()
    )


def test_graded_ndcg_can_grow_exponentially():
    gained = np.array([7, 7, 7.5, 7.5, 7.5])
    best = np.array([7, 7 + 3 / LOG3] + [7 + 3 / LOG3 + 0.5] * 3)
    assert values_of("ndcg", sets=graded_set(), ndcg_gain="exp") == pytest.approx(
        (gained / best).tolist()
    )


def test_exponents_that_would_overflow_are_refused():
    def sets(*gains):
        return RelevantSets.of_pairs([0, 0], [0, 2], 1, 5, gains=gains)

    assert values_of("ndcg", ks=[1], lists=[[2]], sets=sets(1.0, 1000.0), ndcg_gain="exp") == [1.0]
    for gains in ((1.0, 1000.5), (1000.5, 1.0)):
        with pytest.raises(InvalidParameter, match=r"gains must be at most 1000 .* got 1000\.5\."):
            values_of("ndcg", sets=sets(*gains), ndcg_gain="exp")
        assert np.isfinite(values_of("ndcg", sets=sets(*gains), ndcg_gain="linear")).all()
    nobody = RelevantSets.of_pairs([], [], 1, 5, gains=[])
    assert np.isnan(values_of("ndcg", sets=nobody, ndcg_gain="exp")).all()


def test_graded_ndcg_with_ideal_rel_uses_all_gains_at_every_k():
    best = 3 + 2 / LOG3 + 0.5
    assert values_of(
        "ndcg", sets=graded_set(), ndcg_gain="linear", ndcg_ideal="rel"
    ) == pytest.approx([3 / best, 3 / best, 3.5 / best, 3.5 / best, 3.5 / best])


def test_gains_are_ignored_unless_asked_for():
    assert values_of("ndcg", sets=graded_set()) == values_of("ndcg")


def test_equal_gains_make_graded_ndcg_binary():
    ones = RelevantSets.of_pairs([0, 0, 0], [0, 2, 4], 1, 5)
    assert values_of("ndcg", sets=ones, ndcg_gain="linear") == pytest.approx(values_of("ndcg"))
    assert values_of("ndcg", sets=ones, ndcg_gain="exp") == pytest.approx(values_of("ndcg"))


def test_graded_ndcg_is_undefined_where_every_gain_is_zero():
    sets = RelevantSets.of_pairs([0, 1], [0, 0], 2, 2, gains=[0.0, 1.0])
    table = values_of("ndcg", ks=[1], lists=[[0], [0]], sets=sets, ndcg_gain="linear")
    assert math.isnan(table[0][0])
    assert table[1] == [1.0]


def test_graded_ideals_of_several_people_do_not_mix():
    sets = RelevantSets.of_pairs([0, 1, 1], [0, 0, 1], 2, 2, gains=[4.0, 1.0, 2.0])
    table = values_of("ndcg", ks=[2], lists=[[1, 0], [1, 0]], sets=sets, ndcg_gain="linear")
    assert table[0] == pytest.approx([1 / LOG3])
    assert table[1] == pytest.approx([1.0])


@pytest.mark.parametrize("metric", ACCURACY)
def test_exactly_one_relevant_item_at_each_rank(metric):
    sets = RelevantSets.of_pairs([0], [0], 1, 4)
    for rank in (1, 2, 3):
        row = [1, 2, 3]
        row.insert(rank - 1, 0)
        found = {
            "precision": 1 / 3,
            "recall": 1,
            "ndcg": 1 / math.log2(rank + 1),
            "map": 1 / rank,
            "hit_rate": 1,
            "mrr": 1 / rank,
        }
        assert values_of(metric, ks=[3], lists=[row], sets=sets) == pytest.approx([found[metric]])
    assert values_of(metric, ks=[3], lists=[[1, 2, 3, 0]], sets=sets) == [0.0]


@pytest.mark.parametrize("metric", ACCURACY)
def test_nothing_relevant_is_undefined_and_no_recommendations_are_zero(metric):
    sets = RelevantSets.of_pairs([1, 2], [0, 0], 3, 2)
    lists = [[0, 1], [-1, -1], [0, 1]]
    table = values_of(metric, ks=[1, 2], lists=lists, sets=sets)
    assert all(math.isnan(value) for value in table[0])
    assert table[1] == [0.0, 0.0]
    assert table[2][0] == 1.0
    zeros = values_of(metric, ks=[1, 2], lists=lists, sets=sets, undefined="zero")
    assert (zeros[0], zeros[1:]) == ([0.0, 0.0], table[1:])


def test_undefined_can_be_an_error_that_counts_people():
    sets = RelevantSets.of_pairs([0], [0], 3, 1)
    with pytest.raises(InvalidParameter) as caught:
        accuracy([[0], [0], [0]], sets, [1], Definitions(undefined="raise"))
    assert str(caught.value) == (
        "accuracy: precision is undefined for 2 of 3 people (the first is row 1): nothing is "
        "relevant to them. Leave them out, or use undefined='skip' or 'zero'."
    )
    fine = accuracy(
        [[0]], RelevantSets.of_pairs([0], [0], 1, 1), [1], Definitions(undefined="raise")
    )
    assert fine["mrr"].tolist() == [[1.0]]


def test_lists_without_any_place_are_all_misses():
    table = accuracy(np.empty((1, 0), dtype=np.int64), ONE, [1, 3])
    assert {name: value.tolist() for name, value in table.items()} == {
        name: [[0.0, 0.0]] for name in ACCURACY
    }


def test_a_duplicate_is_refused_by_default_and_a_miss_on_request():
    lists = [[2, 2, 0, 1]]
    with pytest.raises(InvalidParameter, match="accuracy: an item must stand once in a list"):
        accuracy(lists, ONE, [3])
    assert values_of("precision", lists=lists, on_duplicates="first") == pytest.approx(
        [1, 1 / 2, 2 / 3, 2 / 4, 2 / 10]
    )
    # three different items are listed
    assert values_of(
        "precision", ks=[4], lists=lists, on_duplicates="first", precision_norm="list"
    ) == [pytest.approx(2 / 3)]


def test_a_hole_is_a_miss_at_its_rank():
    assert values_of("mrr", ks=[1, 2], lists=[[-1, 0]]) == [0.0, 0.5]


def test_cut_offs_may_stand_in_any_order():
    assert values_of("recall", ks=[4, 1]) == pytest.approx([2 / 3, 1 / 3])


def test_only_what_is_asked_for_is_given():
    assert list(accuracy(SHOWN, ONE, [1], metrics=["mrr", "recall"])) == ["mrr", "recall"]
    assert list(accuracy(SHOWN, ONE, [1])) == list(ACCURACY)


def test_an_unknown_metric_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"No metric named 'ndgc'\. Did you mean 'ndcg'\?"):
        accuracy(SHOWN, ONE, [1], metrics=["ndgc"])


def test_bad_cut_offs_and_shapes_are_refused():
    with pytest.raises(InvalidParameter, match="accuracy: k must be a whole number of at least 1"):
        accuracy(SHOWN, ONE, [0])
    with pytest.raises(InvalidParameter, match=r"accuracy: recommended must have shape \(1, K\)"):
        accuracy([[1], [2]], ONE, [1])


def test_formulas_have_the_defaults_of_the_definitions():
    hits, sizes, ks = np.array([[True, False, True]]), np.array([5]), [2, 3]
    found = ranking.hits_within(hits, ks)
    assert ranking.recall(found, sizes, ks).tolist() == [[1 / 5, 2 / 5]]
    assert ranking.average_precision(hits, sizes, ks) == pytest.approx(
        np.array([[1 / 2, (1 + 2 / 3) / 3]])
    )
    best = 1 + 1 / LOG3
    assert ranking.ndcg(hits, sizes, ks) == pytest.approx(
        np.array([[1 / best, 1.5 / (best + 0.5)]])
    )
    sets = RelevantSets.of_pairs([0, 0], [0, 1], 1, 2, gains=[1.0, 3.0])
    assert ranking.graded_ndcg(np.array([[0]]), sets, [1]) == pytest.approx(np.array([[1 / 3]]))


def test_graded_values_of_nobody_are_empty():
    nobody = RelevantSets.of_pairs([], [], 0, 1, gains=[])
    assert ranking.graded_ndcg(np.empty((0, 2), dtype=np.int64), nobody, [1, 2]).shape == (0, 2)


def test_hits_within_counts_and_stays_beyond_the_list():
    hits = np.array([[True, False, True], [False, False, False]])
    assert ranking.hits_within(hits, [1, 2, 3, 7]).tolist() == [[1, 1, 2, 2], [0, 0, 0, 0]]


# Against a slow reading of the definitions


def slowly(shown, wanted, k, options):
    """Every metric of one person by loops; wanted: item -> gain."""
    if not wanted:
        return dict.fromkeys(ACCURACY, math.nan)
    hits = []
    for place, item in enumerate(shown[:k]):
        hits.append(item >= 0 and item in wanted and item not in shown[:place])
    hits += [False] * (k - len(hits))
    n_listed = len({item for item in shown[:k] if item >= 0})
    n_relevant = len(wanted)
    n_hits = sum(hits)
    summed, rank_of_first = 0.0, 0
    for rank in range(1, k + 1):
        if hits[rank - 1]:
            summed += sum(hits[:rank]) / rank
            rank_of_first = rank_of_first or rank
    map_divisor = {
        "min": min(k, n_relevant),
        "rel": n_relevant,
        "k": k,
        "list": max(1, min(k, n_relevant, n_listed)),
        "hits": max(1, n_hits),
    }[options["map_norm"]]
    worth = {
        "binary": lambda gain: 1.0,
        "linear": lambda gain: gain,
        "exp": lambda gain: 2**gain - 1,
    }[options["ndcg_gain"]]
    gained = sum(
        worth(wanted[shown[rank - 1]]) / math.log2(rank + 1)
        for rank in range(1, k + 1)
        if hits[rank - 1]
    )
    best = sorted((worth(gain) for gain in wanted.values()), reverse=True)
    if options["ndcg_ideal"] == "min":
        best = best[:k]
    elif options["ndcg_ideal"] == "k":
        best = [1.0] * k
    ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, 1))
    return {
        "precision": n_hits / (k if options["precision_norm"] == "k" else max(1, min(k, n_listed))),
        "recall": n_hits / (min(k, n_relevant) if options["recall_capped"] else n_relevant),
        "ndcg": gained / ideal if ideal > 0 else math.nan,
        "map": summed / map_divisor,
        "hit_rate": float(n_hits > 0),
        "mrr": 1 / rank_of_first if rank_of_first else 0.0,
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"map_norm": "rel", "ndcg_ideal": "k", "recall_capped": True},
        {"map_norm": "k", "ndcg_ideal": "rel", "precision_norm": "list"},
        {"map_norm": "list", "ndcg_gain": "linear"},
        {"map_norm": "hits", "ndcg_gain": "exp", "ndcg_ideal": "rel"},
    ],
)
@pytest.mark.parametrize("width", [1, 3, 8])
def test_values_are_those_of_a_slow_reading_of_the_definitions(rng, options, width):
    n_users, n_items, ks = 60, 12, [1, 2, 3, 5, 8, 20]
    lists = np.argsort(rng.random((n_users, n_items)), axis=1)[:, :width]
    lists = np.where(np.arange(width) < rng.integers(0, width + 1, size=(n_users, 1)), lists, -1)
    wanted = rng.random((n_users, n_items)) < rng.choice([0.0, 0.1, 0.5, 1.0], size=(n_users, 1))
    rows, items = np.nonzero(wanted)
    gains = rng.integers(0, 4, size=len(rows)).astype(np.float64)
    sets = RelevantSets.of_pairs(rows, items, n_users, n_items, gains=gains)
    got = accuracy(lists, sets, ks, Definitions(**options))
    full = {f: getattr(Definitions(**options), f) for f in Definitions.__dataclass_fields__}
    for user in range(n_users):
        truth = {
            int(i): float(g) for i, g in zip(items[rows == user], gains[rows == user], strict=True)
        }
        for column, k in enumerate(ks):
            expected = slowly(lists[user].tolist(), truth, k, full)
            for metric in ACCURACY:
                np.testing.assert_allclose(
                    got[metric][user, column], expected[metric], rtol=0, atol=1e-12
                )


# Invariants


@st.composite
def cases(draw):
    """A list without repeats, relevant items with gains (at least one above 0), a cut-off."""
    n_items = draw(st.integers(1, 9))
    shown = draw(st.permutations(range(n_items)))[: draw(st.integers(0, n_items))]
    wanted = draw(st.sets(st.integers(0, n_items - 1), min_size=1))
    gains = {item: draw(st.sampled_from([0.5, 1.0, 2.0, 3.0])) for item in sorted(wanted)}
    return n_items, list(shown), gains, draw(st.integers(1, 12))


OPTIONS = st.fixed_dictionaries(
    {
        "precision_norm": st.sampled_from(["k", "list"]),
        "recall_capped": st.booleans(),
        "map_norm": st.sampled_from(["min", "rel", "k", "list", "hits"]),
        "ndcg_gain": st.sampled_from(["binary", "linear", "exp"]),
        "ndcg_ideal": st.sampled_from(["min", "rel"]),
    }
)


def values_at(n_items, shown, gains, k, options):
    sets = RelevantSets.of_pairs(
        [0] * len(gains), list(gains), 1, n_items, gains=list(gains.values())
    )
    row = np.array([shown], dtype=np.int64).reshape(1, -1)
    table = accuracy(row, sets, [k], Definitions(**options))
    return {metric: float(value[0, 0]) for metric, value in table.items()}


@given(cases(), OPTIONS)
def test_every_value_lies_between_zero_and_one(case, options):
    assert all(0 <= value <= 1 + 1e-12 for value in values_at(*case, options).values())


@given(cases())
def test_a_list_of_the_best_in_order_is_perfect(case):
    n_items, _, gains, k = case
    best = sorted(gains, key=lambda item: -gains[item])
    for gain in ("binary", "linear", "exp"):
        values = values_at(n_items, best, gains, k, {"recall_capped": True, "ndcg_gain": gain})
        for metric in ("recall", "ndcg", "map", "hit_rate", "mrr"):
            assert values[metric] == pytest.approx(1.0)
        assert values["precision"] == pytest.approx(min(k, len(gains)) / k)


@given(cases(), st.integers(1, 5))
def test_irrelevant_items_after_the_last_hit_change_nothing(case, n_more):
    n_items, shown, gains, k = case
    longer = shown + list(range(n_items, n_items + n_more))
    assert values_at(n_items + n_more, longer, gains, k, {}) == values_at(
        n_items + n_more, shown, gains, k, {}
    )


@given(cases())
def test_a_hit_moved_up_never_lowers_a_value(case):
    n_items, shown, gains, k = case
    for place in range(1, len(shown)):
        if shown[place] in gains and shown[place - 1] not in gains:
            better = [*shown]
            better[place - 1], better[place] = shown[place], shown[place - 1]
            before = values_at(n_items, shown, gains, k, {})
            after = values_at(n_items, better, gains, k, {})
            assert all(after[metric] >= before[metric] - 1e-12 for metric in ACCURACY)


@given(st.randoms())
def test_the_order_of_people_does_not_matter(random):
    wanted = np.array([[random.random() < 0.4 for _ in range(5)] for _ in range(6)])
    lists = np.array([random.sample(range(5), 3) for _ in range(6)])
    order = random.sample(range(6), 6)
    plain = accuracy(lists, RelevantSets.of_pairs(*np.nonzero(wanted), 6, 5), [1, 3])
    moved = accuracy(lists[order], RelevantSets.of_pairs(*np.nonzero(wanted[order]), 6, 5), [1, 3])
    for metric in ACCURACY:
        np.testing.assert_array_equal(plain[metric][order], moved[metric])
