"""The category `evaluation`: from a model and a test part to numbers that mean what they say.

The tests of each part are in tests/evaluation.
"""

import numpy as np
import pandas as pd
import pytest

from recloop.evaluation import RecommendationMetrics, RLRecommenderEvaluator
from recloop.models import PopularRecommender, QLearningRecommender


@pytest.fixture
def popular():
    model = PopularRecommender(3, 4)
    for item in (0, 0, 0, 1, 1, 2):
        model.update(0, item, 1.0)
    return model


def test_a_comparison_runs_as_users_know_it(popular):
    test_interactions = {0: [0], 1: [1, 3], 2: [2]}
    models = {"Popular": popular, "Q-Learning": QLearningRecommender(3, 4)}
    evaluator = RLRecommenderEvaluator(RecommendationMetrics(), ks=[2, 10])
    found = {name: evaluator.evaluate_offline(m, test_interactions) for name, m in models.items()}
    # the list is 0 1 2 3 for everyone: of two, user 0 finds 1, user 1 finds 1, user 2 none
    assert found["Popular"]["precision@2"] == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert found["Popular"]["recall@2"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["Popular"]["hit_rate@2"] == pytest.approx(2 / 3)
    assert found["Popular"]["precision@10"] == pytest.approx((0.1 + 0.2 + 0.1) / 3)
    assert found["Popular"]["coverage@2"] == 0.5
    assert found["Popular"]["n_users"] == 3


def test_matrix_table_and_mapping_say_the_same(popular):
    evaluator = RLRecommenderEvaluator(RecommendationMetrics(), ks=[3])
    matrix = np.zeros((3, 4))
    matrix[0, 2] = matrix[1, 3] = matrix[2, 0] = 1
    table = pd.DataFrame({"user_id": [0, 1, 2], "item_id": [2, 3, 0]})
    found = [evaluator.evaluate_offline(popular, one) for one in
             (matrix, table, {0: [2], 1: [3], 2: [0]})]  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_ids_need_their_vocabularies(popular):
    table = pd.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "w"]})
    with pytest.raises(ValueError, match="user_ids= and item_ids="):
        RLRecommenderEvaluator(RecommendationMetrics()).evaluate_offline(popular, table)
    evaluator = RLRecommenderEvaluator(
        RecommendationMetrics(), ks=[1], user_ids=["a", "b", "c"], item_ids=["x", "y", "z", "w"]
    )
    assert evaluator.evaluate_offline(popular, table)["hit_rate@1"] == 0.5


def test_evaluation_leaves_the_model_as_it_was():
    model = QLearningRecommender(3, 4, epsilon=0.5)
    model.update(0, 1, 1.0)
    before = {name: array.copy() for name, array in model.arrays().items()}
    twin = QLearningRecommender(3, 4, epsilon=0.5)
    twin.update(0, 1, 1.0)
    RLRecommenderEvaluator(RecommendationMetrics()).evaluate_offline(model, {0: [1], 2: [3]})
    assert all((before[name] == array).all() for name, array in model.arrays().items())
    assert [model.recommend(0, 3) for _ in range(9)] == [twin.recommend(0, 3) for _ in range(9)]
