"""The metrics under the names users know, on single lists of any ids."""

import math

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.evaluation import RecommendationMetrics
from recloop.evaluation.definitions import Definitions

METRICS = RecommendationMetrics()
SHOWN, WANTED = ["b", "x", "a"], {"a", "b", "c"}


@pytest.mark.parametrize(
    ("name", "at_one", "at_three", "at_five"),
    [
        ("precision_at_k", 1, 2 / 3, 2 / 5),
        ("recall_at_k", 1 / 3, 2 / 3, 2 / 3),
        ("ndcg_at_k", 1, 1.5 / (1.5 + 1 / math.log2(3)), 1.5 / (1.5 + 1 / math.log2(3))),
        ("map_at_k", 1, (1 + 2 / 3) / 3, (1 + 2 / 3) / 3),
        ("hit_rate_at_k", 1, 1, 1),
        ("mrr_at_k", 1, 1, 1),
    ],
)
def test_single_lists_are_scored_as_worked_by_hand(name, at_one, at_three, at_five):
    metric = getattr(METRICS, name)
    values = [metric(SHOWN, WANTED, k) for k in (1, 3, 5)]
    assert values == pytest.approx([at_one, at_three, at_five])
    assert all(isinstance(value, float) for value in values)


@pytest.mark.parametrize(
    "name",
    ["precision_at_k", "recall_at_k", "ndcg_at_k", "map_at_k", "hit_rate_at_k", "mrr_at_k"],
)
def test_edges_of_single_lists(name):
    metric = getattr(METRICS, name)
    assert math.isnan(metric([1, 2], [], 2))
    assert math.isnan(metric([], [], 2))
    assert metric([], [1], 2) == 0.0
    assert metric([3, 2, 1], (1,), 2) == 0.0
    with pytest.raises(InvalidParameter, match="an item must stand once in a list"):
        metric([1, 1], [1], 2)
    with pytest.raises(InvalidParameter, match="k must be a whole number of at least 1, got 0"):
        metric([1], [1], 0)


def test_a_relevant_item_that_stands_twice_counts_once():
    assert METRICS.recall_at_k(["a"], ["a", "a", "b"], 1) == 0.5


def test_definitions_decide():
    assert RecommendationMetrics(Definitions(map_norm="k")).map_at_k(["a"], ["a"], 2) == 0.5
    assert RecommendationMetrics(Definitions(undefined="zero")).mrr_at_k([1], [], 1) == 0.0


def test_a_mapping_gives_gains_to_graded_ndcg_only():
    graded = RecommendationMetrics(Definitions(ndcg_gain="linear"))
    gains = {"a": 3.0, "b": 1.0}
    assert graded.ndcg_at_k(["b"], gains, 1) == pytest.approx(1 / 3)
    assert METRICS.ndcg_at_k(["b"], gains, 1) == 1.0
    assert graded.ndcg_at_k(["b"], {"a", "b"}, 1) == 1.0


def test_numpy_lists_are_lists():
    assert METRICS.precision_at_k(np.array([4, 7]), np.array([7]), 2) == 0.5


def test_coverage_is_of_the_catalogue_given():
    assert METRICS.coverage([["a", "b"], ["b", "z"]], ["a", "b", "c", "d"]) == 0.5
    assert METRICS.coverage([], ["a"]) == 0.0
    assert math.isnan(METRICS.coverage([["a"]], []))


def test_diversity_and_novelty_of_one_list():
    features = [[1, 0], [0, 1], [2, 0]]
    assert METRICS.diversity([0, 1, 2], features) == pytest.approx(2 / 3)
    assert math.isnan(METRICS.diversity([0], features))
    assert METRICS.novelty([0, 1], [4, 1], 4) == pytest.approx(1.0)
    assert math.isnan(METRICS.novelty([], [4, 1], 4))


def test_the_package_lists_its_names_and_loads_them():
    import recloop.evaluation as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    assert {"RecommendationMetrics", "RLRecommenderEvaluator", "Comparison"} <= set(package.__all__)
