"""Tables of anybody's ids: any row order, text or numbers, every edge counted or refused."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation.definitions import Definitions
from recloop.evaluation.frames import columns
from recloop.evaluation.frames.columns import codes_in_order
from recloop.evaluation.frames.scoring import score_frames
from recloop.evaluation.metrics import RecommendationMetrics
from recloop.evaluation.ranking import accuracy
from recloop.evaluation.relevant import RelevantSets
from recloop.evaluation.summary import COLUMNS, Intervals


def lists(*rows, last="rank"):
    return pd.DataFrame(list(rows), columns=["user_id", "item_id", last])


def truth(*rows):
    return pd.DataFrame(list(rows), columns=["user_id", "item_id"])


TRUTH = truth(("b", "x"), ("a", "x"), ("a", "y"), ("c", "z"))
LISTS = lists(("a", "y", 2), ("a", "w", 1), ("b", "x", 1), ("d", "x", 1), ("d", "y", 2))


def value(frame, user, metric, k):
    row = frame[(frame.user_id == user) & (frame.metric == metric) & (frame.k == k)]
    assert len(row) == 1
    return row["value"].iloc[0]


def test_per_user_gives_a_row_for_everyone_metric_and_cut_off():
    frame = RecommendationMetrics().per_user(LISTS, TRUTH, [1, 2])
    assert list(frame.columns) == ["user_id", "metric", "k", "value"]
    assert len(frame) == 3 * 6 * 2
    assert frame["user_id"].tolist() == ["a"] * 12 + ["b"] * 12 + ["c"] * 12
    assert frame["metric"].tolist()[:4] == ["precision", "precision", "recall", "recall"]
    assert frame["k"].tolist()[:4] == [1, 2, 1, 2]
    assert frame["k"].dtype == np.int64
    assert value(frame, "a", "recall", 1) == 0.0
    assert value(frame, "a", "recall", 2) == 0.5
    assert value(frame, "a", "mrr", 2) == 0.5
    assert value(frame, "b", "precision", 2) == 0.5
    assert value(frame, "c", "hit_rate", 2) == 0.0


def test_people_rows_and_short_lists_are_counted():
    scored = score_frames(LISTS, TRUTH, [1, 2])
    assert scored.counts == {
        "n_users": 3,
        "n_users_undefined": 0,
        "n_users_without_recommendations": 1,
        "n_users_ignored": 1,
        "n_duplicates_recommended": 0,
        "n_duplicates_relevant": 0,
        "n_below_threshold": 0,
        "n_short_lists@1": 1,
        "n_short_lists@2": 2,
    }
    assert scored.per_user().attrs == scored.counts
    assert scored.summary().attrs == scored.counts
    assert scored.words() == [
        "3 people have a truth and count.",
        "1 of them got no recommendations: 0.",
        "1 people got recommendations but have no truth: ignored.",
        "1 lists are shorter than 1: the rest are misses.",
        "2 lists are shorter than 2: the rest are misses.",
    ]


def test_words_only_say_what_occurred():
    scored = score_frames(lists(("a", "x", 1)), truth(("a", "x")), [1])
    assert scored.words() == ["1 people have a truth and count."]


def test_the_summary_has_a_row_for_each_metric_and_cut_off():
    frame = RecommendationMetrics().summary(LISTS, TRUTH, [1, 2])
    assert list(frame.columns) == list(COLUMNS)
    assert frame["metric"].tolist() == [
        name for name in ("precision", "recall", "ndcg", "map", "hit_rate", "mrr") for _ in "12"
    ]
    row = frame[(frame.metric == "recall") & (frame.k == 2)].iloc[0]
    assert row["mean"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert (row["n"], row["n_undefined"]) == (3, 0)
    wide = RecommendationMetrics().summary(LISTS, TRUTH, [2], Intervals(confidence=0.5))
    assert wide["ci_low"].iloc[1] > row["ci_low"]


def test_alternatives_show_in_the_metric_column():
    metrics = RecommendationMetrics(Definitions(map_norm="rel"))
    assert "map(norm=rel)" in metrics.per_user(LISTS, TRUTH, [1])["metric"].tolist()
    assert "map(norm=rel)" in metrics.summary(LISTS, TRUTH, [1])["metric"].tolist()


@pytest.mark.parametrize("as_numbers", [False, True])
@pytest.mark.parametrize("by_score", [False, True])
def test_the_order_of_rows_and_the_kind_of_ids_change_nothing(rng, as_numbers, by_score):
    picks = np.argsort(rng.random((8, 12)), axis=1)[:, :4]
    wanted = rng.random((8, 12)) < 0.3
    wanted[0] = False
    wanted[0, 0] = True
    rows, items = np.nonzero(wanted)
    ranked = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(8), 4),
            "item_id": picks.ravel(),
            "rank": np.tile([1, 2, 3, 4], 8),
        }
    )
    relevant = pd.DataFrame({"user_id": rows, "item_id": items})
    if by_score:
        ranked["score"] = -2.0 * ranked.pop("rank")
    if not as_numbers:
        ranked["user_id"] = "u" + ranked["user_id"].astype(str)
        relevant["user_id"] = "u" + relevant["user_id"].astype(str)
        ranked["item_id"] = "i" + ranked["item_id"].astype(str)
        relevant["item_id"] = "i" + relevant["item_id"].astype(str)
    shuffled = score_frames(
        ranked.iloc[rng.permutation(len(ranked))], relevant.iloc[rng.permutation(len(rows))], [1, 3]
    )
    people = np.unique(rows)
    expected = accuracy(
        picks[people], RelevantSets.of_pairs(*np.nonzero(wanted[people]), len(people), 12), [1, 3]
    )
    for metric, table in expected.items():
        np.testing.assert_allclose(shuffled.values[metric], table, rtol=0, atol=1e-12)


def test_rank_wins_over_score():
    frame = lists(("a", "x", 1), ("a", "y", 2))
    frame["score"] = [0.1, 0.9]
    assert score_frames(frame, truth(("a", "x")), [1]).values["mrr"].tolist() == [[1.0]]


def test_a_rank_is_taken_literally():
    scored = score_frames(lists(("a", "x", 3)), truth(("a", "x")), [1, 3, 5])
    assert scored.values["mrr"].tolist() == [[0.0, 1 / 3, 1 / 3]]
    assert scored.counts["n_short_lists@3"] == 1


def test_ranks_beyond_the_largest_cut_off_are_left_out():
    scored = score_frames(lists(("a", "x", 2), ("a", "y", 1_000_000)), truth(("a", "y")), [1, 2])
    assert scored.values["hit_rate"].tolist() == [[0.0, 0.0]]
    assert scored.counts["n_users_without_recommendations"] == 0


def test_whole_numbers_as_floats_are_ranks():
    assert score_frames(lists(("a", "x", 2.0)), truth(("a", "x")), [2]).values["mrr"] == 0.5


def test_equal_scores_go_to_the_lower_item_id():
    frame = lists(("a", "10", 0.5), ("a", "9", 0.5), ("a", "11", 0.5), last="score")
    found = [
        score_frames(frame, truth(("a", item)), [3]).values["mrr"][0, 0]
        for item in ("9", "10", "11")
    ]
    assert found == pytest.approx([1, 1 / 2, 1 / 3])
    numbers = lists((1, 10, 0.5), (1, 9, 0.5), (1, 2, -1.0), last="score")
    found = [
        score_frames(numbers, truth((1, item)), [3]).values["mrr"][0, 0] for item in (9, 10, 2)
    ]
    assert found == pytest.approx([1, 1 / 2, 1 / 3])


def test_scores_are_ranked_for_each_person_alone():
    frame = lists(("a", "x", 0.1), ("b", "y", 0.9), ("a", "y", 0.2), ("b", "x", 0.3), last="score")
    scored = score_frames(frame, truth(("a", "x"), ("b", "y")), [1, 2])
    assert scored.values["mrr"].tolist() == [[0.0, 0.5], [1.0, 1.0]]


def test_an_infinite_score_is_a_score():
    frame = lists(("a", "x", -np.inf), ("a", "y", 0.0), ("a", "z", np.inf), last="score")
    assert score_frames(frame, truth(("a", "x")), [3]).values["mrr"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("ids", "ordered"),
    [
        (["10", "9", "007", "7"], ["007", "7", "9", "10"]),
        (["10", "9", "b", "B"], ["10", "9", "B", "b"]),
        (["10", "9", "²"], ["10", "9", "²"]),
        (["10", "9", "٣"], ["10", "9", "٣"]),
    ],
)
def test_text_is_ordered_as_numbers_if_all_are_digits_else_by_code_point(ids, ordered):
    scored = score_frames(lists((ids[0], "i", 1)), truth(*[(one, "i") for one in ids]), [1])
    assert scored.user_ids.tolist() == ordered


def test_numbers_kept_as_objects_are_ordered_by_value():
    relevant = truth((10, 1), (9, 1), (-2, 1)).astype({"user_id": object})
    scored = score_frames(lists((9, 1, 1)), relevant, [1])
    assert scored.user_ids.tolist() == [-2, 9, 10]
    assert scored.values["mrr"].tolist() == [[0.0], [1.0], [0.0]]


def test_numbers_are_ordered_by_value_wherever_they_start():
    scored = score_frames(lists((-5, 1, 1)), truth((10**12, 1), (-5, 1), (3, 2)), [1])
    assert scored.user_ids.tolist() == [-5, 3, 10**12]
    near = score_frames(lists((7, 1, 1)), truth((9, 1), (7, 1)), [1])
    assert near.user_ids.tolist() == [7, 9]
    assert near.values["mrr"].tolist() == [[1.0], [0.0]]


@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=12),
    st.lists(st.integers(-20, 20), max_size=12),
    st.sampled_from([1, 10**9]),
)
def test_codes_by_table_and_by_hash_are_the_same(first, other, spread):
    one = pd.Series(first, dtype=np.int64) * spread
    two = pd.Series(other, dtype=np.int64) * spread
    codes, ids = codes_in_order(one, two)
    expected = sorted({*one.tolist(), *two.tolist()})
    assert list(ids) == expected
    assert [expected[code] for code in codes[0]] == one.tolist()
    assert [expected[code] for code in codes[1]] == two.tolist()
    assert all(part.dtype == np.int64 for part in codes)


@pytest.mark.parametrize("table_rows", [0, 1, 2, 3])
def test_a_table_is_used_up_to_its_size(monkeypatch, table_rows):
    monkeypatch.setattr(columns, "TABLE_ROWS", table_rows)
    codes, ids = codes_in_order(pd.Series([0, 6]))
    assert (codes[0].tolist(), list(ids)) == ([0, 1], [0, 6])


def test_people_whose_rows_are_all_below_the_threshold_are_undefined():
    relevant = TRUTH.assign(weight=[5.0, 2.0, 4.0, 1.0])
    scored = score_frames(LISTS, relevant, [2], definitions=Definitions(threshold=4))
    assert scored.counts["n_below_threshold"] == 2
    assert scored.counts["n_users_undefined"] == 1
    assert scored.values["recall"][:2].tolist() == [[1.0], [1.0]]
    assert math.isnan(scored.values["recall"][2, 0])
    summary = scored.summary()
    assert (summary["n"] == 2).all()
    assert (summary["n_undefined"] == 1).all()
    assert "1 of them have nothing relevant above the threshold: undefined." in scored.words()
    assert "2 rows of the truth are below the threshold: not relevant." in scored.words()


def test_weights_are_gains_only_when_asked_for():
    relevant = truth(("a", "x"), ("a", "y")).assign(weight=[1.0, 3.0])
    ranked = lists(("a", "x", 1))
    best = 3 + 1 / math.log2(3)
    plain = score_frames(ranked, relevant, [1, 2])
    graded = score_frames(ranked, relevant, [1, 2], definitions=Definitions(ndcg_gain="linear"))
    assert plain.values["ndcg"] == pytest.approx(np.array([[1, 1 / (1 + 1 / math.log2(3))]]))
    assert graded.values["ndcg"] == pytest.approx(np.array([[1 / 3, 1 / best]]))
    kept = Definitions(ndcg_gain="linear", threshold=2)
    assert score_frames(ranked, relevant, [1], definitions=kept).values["ndcg"].tolist() == [[0.0]]


def test_a_truth_that_stands_twice_counts_once():
    scored = score_frames(LISTS, pd.concat([TRUTH, TRUTH.iloc[:2]]), [1])
    assert scored.counts["n_duplicates_relevant"] == 2
    assert scored.values["recall"].tolist() == [[0.0], [1.0], [0.0]]
    assert "2 rows of the truth stood there before: counted once." in scored.words()


def test_an_item_twice_in_a_list_is_refused_or_counted_once():
    ranked = lists(("a", "x", 1), ("a", "x", 2), ("a", "y", 3), ("b", "x", 1))
    with pytest.raises(InvalidParameter) as caught:
        score_frames(ranked, TRUTH, [3])
    assert str(caught.value) == (
        "recommended: user 'a' has item 'x' twice; 1 lists hold an item twice. Remove it, or use "
        "on_duplicates='first'."
    )
    scored = score_frames(ranked, TRUTH, [2, 3], definitions=Definitions(on_duplicates="first"))
    assert scored.counts["n_duplicates_recommended"] == 1
    assert scored.counts["n_short_lists@2"] == 3
    assert scored.values["precision"][0] == pytest.approx([1 / 2, 2 / 3])
    assert "1 items stood again in the same list: a miss there." in scored.words()


def test_only_the_metrics_asked_for_are_given():
    assert list(score_frames(LISTS, TRUTH, [1], metrics=["mrr"]).values) == ["mrr"]


def test_no_recommendations_at_all_are_zeros():
    scored = score_frames(LISTS.iloc[:0], TRUTH, [1])
    assert scored.counts["n_users_without_recommendations"] == 3
    assert (scored.values["ndcg"] == 0).all()


def test_categories_and_unsigned_numbers_are_ids():
    scored = score_frames(LISTS.astype({"user_id": "category", "item_id": "category"}), TRUTH, [1])
    assert scored.values["mrr"].tolist() == [[0.0], [1.0], [0.0]]
    small = score_frames(lists((1, 2, 1)).astype(np.uint16), truth((1, 2)).astype(np.int8), [1])
    assert small.values["mrr"].tolist() == [[1.0]]


def test_numbers_kept_as_objects_are_numbers():
    scored = score_frames(lists((1, 2, 1)).astype({"user_id": object}), truth((1, 2)), [1])
    assert scored.values["mrr"].tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("ranked", "relevant", "said"),
    [
        (LISTS, TRUTH.iloc[:0], "relevant: has no rows, so nobody can be scored."),
        (
            LISTS.drop(columns="item_id"),
            TRUTH,
            "recommended: column item_id is missing. Columns: user_id, rank.",
        ),
        (LISTS, TRUTH[["item_id"]], "relevant: column user_id is missing. Columns: item_id."),
        (LISTS, TRUTH.drop(columns=["user_id", "item_id"]), "is missing. Columns: none."),
        (
            LISTS.drop(columns="rank"),
            TRUTH,
            "needs a column rank (1 for the best) or score; columns: user_id, item_id.",
        ),
        (
            LISTS,
            truth(("a", "x"), ("b", None)),
            "relevant: row 1 (counted from 0): item_id is missing.",
        ),
        (
            LISTS,
            truth(("a", "x"), (3, "y")),
            "relevant: user_id must be all text or all whole numbers, got mixed-integer. Convert",
        ),
        (
            lists((1.5, "x", 1)),
            TRUTH,
            "recommended: user_id must be all text or all whole numbers, got floating.",
        ),
        (
            lists((1, "x", 1)),
            TRUTH,
            "user_id is text in relevant (such as 'b') but whole numbers in recommended (such as "
            "1). Convert one of them.",
        ),
        (
            lists(("q", "x", 1), ("r", "x", 1)),
            TRUTH,
            "no user_id of recommended (such as 'q') is in relevant (such as 'b'): these tables "
            "are not of the same people.",
        ),
        (
            lists(("a", "x", 1), ("a", "y", 0)),
            TRUTH,
            "recommended: row 1 (counted from 0): rank must be a whole number, 1 for the best, got "
            "0.",
        ),
        (
            lists(("a", "x", 1.5)),
            TRUTH,
            "recommended: row 0 (counted from 0): rank must be a whole number, 1 for the best, got "
            "1.5.",
        ),
        (
            lists(("a", "x", 1), ("a", "y", np.inf)),
            TRUTH,
            "recommended: row 1 (counted from 0): rank must be a whole number, 1 for the best, got "
            "inf.",
        ),
        (
            lists(("a", "x", 1e300)),
            TRUTH,
            "recommended: row 0 (counted from 0): rank must be a whole number, 1 for the best, got "
            "1e+300.",
        ),
        (
            lists(("a", "x", "best")),
            TRUTH,
            "recommended: row 0 (counted from 0): rank must be a number, got 'best'.",
        ),
        (
            lists(("b", "x", 2), ("b", "y", 2), ("a", "x", 1)),
            TRUTH,
            "recommended: user 'b' has two items at rank 2. Ranks must differ;",
        ),
        (
            lists(("a", "x", 0.5), ("a", "y", np.nan), last="score"),
            TRUTH,
            "recommended: row 1 (counted from 0): score must be a number, got nan.",
        ),
        (
            LISTS.assign(score=np.nan),
            TRUTH,
            "recommended: row 0 (counted from 0): score must be a number, got nan.",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(ranked, relevant, said):
    with pytest.raises(InvalidData) as caught:
        score_frames(ranked, relevant, [1, 2])
    assert said in str(caught.value)


@pytest.mark.parametrize("options", [{"threshold": 1.0}, {"ndcg_gain": "linear"}])
def test_weights_must_be_there_and_be_numbers_when_they_are_read(options):
    with pytest.raises(InvalidData, match="relevant: column weight is missing"):
        score_frames(LISTS, TRUTH, [1], definitions=Definitions(**options))
    with pytest.raises(InvalidData, match=r"relevant: row 2 .*: weight must be a number"):
        score_frames(
            LISTS,
            TRUTH.assign(weight=["1", "2", "many", "3"]),
            [1],
            definitions=Definitions(**options),
        )


def test_bad_cut_offs_are_refused():
    with pytest.raises(
        InvalidParameter, match="score_frames: k must be a whole number of at least"
    ):
        score_frames(LISTS, TRUTH, [0])
