"""Definitions: what may be asked for, how it shows in a name, what a report says."""

import pytest

from recloop.errors import InvalidParameter
from recloop.evaluation.definitions import ACCURACY, Definitions


def test_the_accuracy_metrics_are_the_six_known_ones():
    assert ACCURACY == ("precision", "recall", "ndcg", "map", "hit_rate", "mrr")


def test_default_definitions_leave_names_plain():
    assert [Definitions().key(metric, 10) for metric in ACCURACY] == [
        "precision@10",
        "recall@10",
        "ndcg@10",
        "map@10",
        "hit_rate@10",
        "mrr@10",
    ]


@pytest.mark.parametrize(
    ("options", "metric", "name"),
    [
        ({"precision_norm": "list"}, "precision", "precision@5(norm=list)"),
        ({"recall_capped": True}, "recall", "recall@5(capped=true)"),
        ({"map_norm": "rel"}, "map", "map@5(norm=rel)"),
        ({"ndcg_gain": "exp"}, "ndcg", "ndcg@5(gain=exp)"),
        ({"ndcg_ideal": "k"}, "ndcg", "ndcg@5(ideal=k)"),
        ({"ndcg_gain": "linear", "ndcg_ideal": "rel"}, "ndcg", "ndcg@5(gain=linear,ideal=rel)"),
        ({"map_norm": "rel"}, "recall", "recall@5"),
    ],
)
def test_an_alternative_shows_in_the_name_of_its_metric(options, metric, name):
    assert Definitions(**options).key(metric, 5) == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision_norm": "min"}, "precision_norm must be one of 'k', 'list', got 'min'"),
        ({"map_norm": "R"}, "map_norm must be one of 'min', 'rel', 'k', 'list', 'hits', got 'R'"),
        ({"ndcg_gain": "log"}, "ndcg_gain must be one of 'binary', 'linear', 'exp', got 'log'"),
        ({"ndcg_ideal": "list"}, "ndcg_ideal must be one of 'min', 'k', 'rel', got 'list'"),
        ({"undefined": "nan"}, "undefined must be one of 'skip', 'zero', 'raise', got 'nan'"),
        ({"on_duplicates": "last"}, "on_duplicates must be one of 'raise', 'first', got 'last'"),
        ({"threshold": float("nan")}, "threshold must be"),
        ({"threshold": "4"}, "threshold must be"),
        ({"ndcg_gain": "linear", "ndcg_ideal": "k"}, "ndcg_ideal='k' counts ranks, not gains"),
        ({"ndcg_gain": "exp", "ndcg_ideal": "k"}, "use 'min' or 'rel'"),
    ],
)
def test_an_unknown_option_is_refused_with_what_is_allowed(options, said):
    with pytest.raises(InvalidParameter, match=r"^Definitions: ") as caught:
        Definitions(**options)
    assert said in str(caught.value)


def test_only_graded_gains_read_weights():
    assert not Definitions().is_graded
    assert Definitions(ndcg_gain="linear").is_graded
    assert Definitions(ndcg_gain="exp").is_graded


def test_a_negative_threshold_is_allowed():
    assert Definitions(threshold=-0.5).threshold == -0.5


def test_words_state_every_formula_and_edge():
    assert Definitions().words() == [
        "R: the distinct items of a person's truth; h_r = 1 if the item at rank r is in R; "
        "hits = h_1 + ... + h_k; P@r: hits within r / r; means are over people.",
        "precision@k = hits / k.",
        "recall@k = hits / |R|.",
        "ndcg@k = sum over r of g_r / log2(r + 1), g_r: h_r, divided by the same sum over the "
        "first min(k, |R|) ranks of the best order.",
        "map@k = sum of h_r P@r / min(k, |R|).",
        "hit_rate@k = 1 if hits > 0, else 0.",
        "mrr@k = 1 / rank of the first hit within k, else 0.",
        "A person with nothing relevant is undefined (NaN) and left out of the mean; their number "
        "is shown; one without recommendations gets 0; a list shorter than k is filled up with "
        "misses.",
        "An item that stands twice in a list is an error.",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision_norm": "list"}, "precision@k = hits / min(k, |L|)."),
        ({"recall_capped": True}, "recall@k = hits / min(k, |R|)."),
        ({"map_norm": "rel"}, "map@k = sum of h_r P@r / |R|."),
        ({"map_norm": "k"}, "map@k = sum of h_r P@r / k."),
        ({"map_norm": "list"}, "map@k = sum of h_r P@r / min(k, |R|, |L|)."),
        ({"map_norm": "hits"}, "map@k = sum of h_r P@r / hits, 0 without hits."),
        (
            {"ndcg_gain": "linear"},
            "ndcg@k = sum over r of g_r / log2(r + 1), g_r: gain of the item at r, divided by the "
            "same sum over the first min(k, |R|) ranks of the best order.",
        ),
        (
            {"ndcg_gain": "exp", "ndcg_ideal": "rel"},
            "ndcg@k = sum over r of g_r / log2(r + 1), g_r: 2^gain - 1 of the item at r, divided "
            "by the same sum over the first |R| ranks of the best order.",
        ),
        (
            {"ndcg_ideal": "k"},
            "ndcg@k = sum over r of g_r / log2(r + 1), g_r: h_r, divided by the same sum over all "
            "of the first k ranks.",
        ),
        (
            {"threshold": 3.5},
            "R: the distinct items of a person's truth with a weight of at least 3.5; h_r = 1 if "
            "the item at rank r is in R; hits = h_1 + ... + h_k; P@r: hits within r / r; means "
            "are over people.",
        ),
        (
            {"undefined": "zero"},
            "A person with nothing relevant counts as 0; one without recommendations gets 0; a "
            "list shorter than k is filled up with misses.",
        ),
        (
            {"undefined": "raise"},
            "A person with nothing relevant is an error; one without recommendations gets 0; a "
            "list shorter than k is filled up with misses.",
        ),
        (
            {"on_duplicates": "first"},
            "An item that stands twice in a list counts where it stands first; every later place "
            "is a miss.",
        ),
    ],
)
def test_words_follow_the_options(options, said):
    assert said in Definitions(**options).words()
