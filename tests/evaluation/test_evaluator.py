"""The evaluator: any form of truth, any recommender, nothing taught, every number by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation import asking
from recloop.evaluation.definitions import Definitions
from recloop.evaluation.evaluator import RLRecommenderEvaluator
from recloop.evaluation.metrics import RecommendationMetrics
from recloop.evaluation.summary import Intervals
from recloop.models.baselines.popular import PopularRecommender
from recloop.types import Interactions, Recommender

NAN = float("nan")


def log(rows, n_users=4, n_items=5, weights=None):
    users, items = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    weights = np.ones(len(users)) if weights is None else np.array(weights, dtype=np.float64)
    return Interactions(users, items, weights, np.arange(len(users), dtype=float), n_users, n_items)


class Fixed:
    """Recommends given items to each person, by batch, and remembers how it was asked."""

    n_users, n_items, history_length = 4, 5, 0

    def __init__(self, orders):
        self.orders = orders
        self.asked = []

    def recommend_batch(self, users, k, *, history=None, exclude=None, explore=True, context=None):
        self.asked.append(
            {"users": users, "history": history, "exclude": exclude, "explore": explore}
            | {"context": context, "k": k}
        )
        lists = np.full((len(users), k), -1, dtype=np.int64)
        for row, user in enumerate(users):
            hidden = set() if exclude is None else set(np.asarray(exclude[row]).tolist())
            items = [item for item in self.orders[user] if item not in hidden][:k]
            lists[row, : len(items)] = items
        return lists


ORDERS = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 1, 3, 4], [1]]
TEST = log([(0, 1), (1, 3), (1, 0), (3, 0)])


def evaluator(**options):
    return RLRecommenderEvaluator(RecommendationMetrics(), **{"ks": (1, 2), **options})


def test_means_are_those_worked_by_hand():
    # user 0: 1 at rank 2 of [0, 1]; user 1: 3 at rank 2 of [4, 3], 0 missed; user 3: missed
    found = evaluator().evaluate_offline(Fixed(ORDERS), TEST)
    assert found["hit_rate@1"] == 0.0
    assert found["hit_rate@2"] == pytest.approx(2 / 3)
    assert found["precision@2"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert found["recall@2"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["mrr@2"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert found["coverage@1"] == pytest.approx(3 / 5)  # items 0, 4 and 1
    assert found["sufficient_reco@2"] == pytest.approx(2 / 3)
    assert (found["n_users"], found["n_undefined"]) == (3, 0)
    assert {name.partition("@")[0] for name in found} == {
        *("precision", "recall", "ndcg", "map", "hit_rate", "mrr"),
        *("coverage", "gini", "sufficient_reco", "n_users", "n_undefined"),
    }


def test_the_default_cut_offs_hold_ten():
    found = RLRecommenderEvaluator().evaluate_offline(Fixed(ORDERS), TEST)
    assert {"precision@5", "precision@10", "ndcg@10"} <= set(found)


def test_an_evaluation_holds_people_lists_and_values_of_each():
    found = evaluator().evaluate(Fixed(ORDERS), TEST)
    assert found.users.tolist() == [0, 1, 3]
    assert found.lists.tolist() == [[0, 1], [4, 3], [1, -1]]
    assert found.per_user["recall@2"].tolist() == [1.0, 0.5, 0.0]
    assert found.per_user["sufficient_reco@2"].tolist() == [1.0, 1.0, 0.0]
    assert found.ks == [1, 2]
    row = found.by_name()["recall@2"]
    assert (row["metric"], row["k"], row["n"], row["n_undefined"]) == ("recall", 2, 3, 0)
    assert row["mean"] == found.means()["recall@2"] == pytest.approx(0.5)
    assert row["ci_low"] < 0.5 < row["ci_high"]
    assert found.counts == {
        "n_users": 3,
        "n_undefined": 0,
        "n_relevant": 4,
        "n_rows_of_strangers": 0,
        "n_relevant_outside_catalogue": 0,
        "n_relevant_dropped": 0,
        "n_relevant_seen": 0,
    }
    assert found.counts_in_words() == [
        "3 people were evaluated.",
        "1 lists are shorter than 2: the rest are misses.",
    ]


def test_an_evaluation_is_plain_json():
    found = evaluator().evaluate(Fixed(ORDERS), TEST).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["metrics"]["coverage@1"]["std"] is None
    assert found["counts"]["n_users"] == 3
    assert found["definitions"] == Definitions().words()


TRAIN = log([(0, 0), (0, 1), (0, 1), (1, 3), (1, 4), (2, 1), (2, 2)])


def test_training_items_are_hidden_and_histories_are_theirs():
    model = Fixed(ORDERS)
    model.history_length = 2
    found = evaluator(train=TRAIN).evaluate(model, TEST)
    assert found.lists.tolist() == [[2, 3], [2, 1], [1, -1]]
    (asked,) = model.asked
    assert asked["users"].tolist() == [0, 1, 3]
    assert asked["k"] == 2
    assert asked["history"].tolist() == [[1, 1], [4, 3], [-1, -1]]
    assert [sorted(items.tolist()) for items in asked["exclude"]] == [[0, 1, 1], [3, 4], []]
    assert asked["explore"] is False
    assert asked["context"] is None
    assert found.counts["n_relevant_seen"] == 2
    assert "2 relevant items were seen in training and cannot be recommended." in (
        found.counts_in_words()
    )


def test_train_can_be_given_with_each_call():
    own = evaluator(train=TRAIN).evaluate(Fixed(ORDERS), TEST)
    given = evaluator().evaluate(Fixed(ORDERS), TEST, TRAIN)
    assert own.means() == given.means()
    other = log([(0, 2)])
    assert evaluator(train=TRAIN).evaluate(Fixed(ORDERS), TEST, other).lists[0].tolist() == [0, 1]


def test_hiding_can_be_turned_off_or_given():
    lists = evaluator(train=TRAIN, mask_seen=False).evaluate(Fixed(ORDERS), TEST).lists
    assert lists[0].tolist() == [0, 1]
    found = evaluator(seen=[[0], [], [], [1]]).evaluate(Fixed(ORDERS), TEST)
    assert found.lists.tolist() == [[1, 2], [4, 3], [-1, -1]]
    assert found.counts["n_relevant_seen"] == 0


def test_histories_and_contexts_can_be_given():
    model = Fixed(ORDERS)
    model.history_length = 1
    histories = np.array([[7, 8], [3, 4], [5, 6], [1, 2]])
    contexts = np.arange(8.0).reshape(4, 2)
    evaluator(histories=histories, contexts=contexts).evaluate(model, TEST)
    assert model.asked[0]["history"].tolist() == [[7], [3], [1]]
    assert model.asked[0]["context"].tolist() == [[0, 1], [2, 3], [6, 7]]


def test_a_model_that_asks_for_no_history_gets_none():
    model = Fixed(ORDERS)
    evaluator(train=TRAIN).evaluate(model, TEST)
    assert model.asked[0]["history"] is None
    model.history_length = 3
    evaluator().evaluate(model, TEST)
    assert model.asked[1]["history"] is None


def test_the_catalogue_is_what_training_holds_unless_given():
    found = evaluator(train=log([(0, 0), (1, 2)]), mask_seen=False).evaluate(Fixed(ORDERS), TEST)
    # shown at 1: 0, 4 and 1; of the catalogue {0, 2} only 0
    assert found.means()["coverage@1"] == 0.5
    assert found.counts["n_relevant_outside_catalogue"] == 2
    assert "2 relevant items are outside the catalogue and count as missed." in (
        found.counts_in_words()
    )
    found = evaluator(train=TRAIN, catalogue=[4, 3], mask_seen=False).evaluate(Fixed(ORDERS), TEST)
    assert found.means()["coverage@1"] == 0.5
    assert found.means()["coverage@2"] == 1.0


def test_relevant_items_outside_the_catalogue_can_be_dropped():
    found = evaluator(catalogue=[0, 3], drop_outside=True).evaluate(Fixed(ORDERS), TEST)
    assert found.counts["n_relevant_dropped"] == 1
    assert found.counts["n_relevant_outside_catalogue"] == 0
    assert found.counts["n_undefined"] == 1
    assert found.per_user["recall@2"].tolist()[1:] == [0.5, 0.0]
    assert math.isnan(found.per_user["recall@2"][0])
    said = found.counts_in_words()
    assert "1 relevant items outside the catalogue were dropped." in said
    assert "1 of them have nothing relevant: undefined, not in the means." in said


def test_beyond_accuracy_comes_from_training_and_features():
    features = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 1]])
    train = log([(0, 0), (1, 0), (2, 0), (2, 0), (2, 1)])
    found = evaluator(train=train, mask_seen=False, item_features=features).evaluate(
        Fixed(ORDERS), TEST
    )
    # three people in training; item 0 taken by 3, item 1 by 1, others by nobody (as if by 1)
    bits = math.log2(3)
    assert found.per_user["novelty@2"] == pytest.approx([bits / 2, bits, bits])
    assert found.per_user["mean_popularity@2"].tolist() == [2.0, 0.0, 1.0]
    assert found.per_user["diversity@2"][:2].tolist() == [0.0, 0.0]
    assert math.isnan(found.per_user["diversity@2"][2])
    assert found.by_name()["diversity@2"]["n_undefined"] == 1
    # catalogue {0, 1}: rank 2 of 2 gives 1/2; item 1 has popularity rank 2: 1/2; item 3 none: 0
    assert found.per_user["serendipity@2"].tolist() == [0.0, 0.25, 0.0]
    assert found.by_name()["gini@1"]["mean"] == 0.0  # items 0 and 1 are first once each


def test_intervals_follow_the_settings():
    wide = evaluator(intervals=Intervals("bootstrap", seed=1)).evaluate(Fixed(ORDERS), TEST)
    assert wide.by_name()["recall@2"]["ci_low"] == 0.0
    assert wide.by_name()["recall@2"]["ci_high"] == 1.0


def test_definitions_of_the_metrics_are_used_and_named():
    metrics = RecommendationMetrics(Definitions(map_norm="rel", threshold=2))
    judge = RLRecommenderEvaluator(metrics, ks=[2])
    found = judge.evaluate(Fixed(ORDERS), log([(0, 1), (1, 3), (1, 0)], weights=[1, 2, 2]))
    assert found.per_user["map@2(norm=rel)"][1] == pytest.approx(0.25)
    assert math.isnan(found.per_user["map@2(norm=rel)"][0])
    graded = RLRecommenderEvaluator(RecommendationMetrics(Definitions(ndcg_gain="linear")), ks=[2])
    found = graded.evaluate(Fixed(ORDERS), log([(1, 3), (1, 0)], weights=[1, 3]))
    assert found.per_user["ndcg@2(gain=linear)"][0] == pytest.approx(
        (1 / math.log2(3)) / (3 + 1 / math.log2(3))
    )


def test_means_alone_are_those_of_the_whole_evaluation():
    judge = evaluator(train=TRAIN)
    whole = judge.evaluate(Fixed(ORDERS), TEST).means()
    alone = judge.means(Fixed(ORDERS), TEST)
    assert alone == {name: whole[name] for name in alone}
    assert len(alone) == 12
    nothing = evaluator().means(Fixed(ORDERS), {0: [], 1: []})
    assert all(math.isnan(value) for value in nothing.values())
    half = evaluator().means(Fixed(ORDERS), {0: [], 1: [4]})
    assert half["mrr@1"] == 1.0


# Forms of the truth


FORMS = {
    "interactions": TEST,
    "dense matrix": np.array([[0, 1, 0, 0, 0], [1, 0, 0, 2, 0], [0, 0, 0, -1, 0], [3, 0, 0, 0, 0]]),
    "sparse matrix": sparse.csr_matrix(([1, 1, 2, 3], ([0, 1, 1, 3], [1, 0, 3, 0])), shape=(4, 5)),
    "sparse array": sparse.coo_array(([1, 1, 2, 3], ([0, 1, 1, 3], [1, 0, 3, 0])), shape=(4, 5)),
    "dict": {0: [1], 3: {0}, 1: (3, 0)},
    "dict of gains": {0: {1: 2.0}, 3: {0: 1.0}, 1: {3: 1.0, 0: 1.0}},
    "codes": pd.DataFrame({"user_id": [3, 1, 1, 0], "item_id": [0, 3, 0, 1]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_truth_gives_the_same(form):
    found = evaluator().evaluate(Fixed(ORDERS), FORMS[form])
    assert found.users.tolist() == [0, 1, 3]
    assert found.per_user["recall@2"].tolist() == [1.0, 0.5, 0.0]


def test_people_listed_with_nothing_are_undefined_and_counted():
    found = evaluator().evaluate(Fixed(ORDERS), {0: [1], 2: []})
    assert (found.counts["n_users"], found.counts["n_undefined"]) == (2, 1)
    assert np.isnan(found.per_user["mrr@1"]).tolist() == [False, True]


def test_gains_come_with_every_form_that_has_weights():
    graded = RLRecommenderEvaluator(RecommendationMetrics(Definitions(ndcg_gain="linear")), ks=[1])
    expected = 1 / 3
    table = pd.DataFrame({"user_id": [0, 0], "item_id": [0, 1], "weight": [1.0, 3.0]})
    for truth in (
        table,
        {0: {0: 1.0, 1: 3.0}},
        log([(0, 0), (0, 1)], weights=[1, 3]),
        np.array([[1, 3, 0, 0, 0]] + [[0] * 5] * 3),
    ):
        found = graded.evaluate(Fixed(ORDERS), truth)
        assert found.per_user["ndcg@1(gain=linear)"].tolist() == pytest.approx([expected])


IDS = {"user_ids": ["u0", "u1", "u2", "u3"], "item_ids": ["a", "b", "c", "d", "e"]}


def test_ids_are_translated_unknown_items_stay_missed_and_strangers_are_counted():
    table = pd.DataFrame(
        {
            "user_id": ["u1", "u1", "u0", "u0", "zz", "u1"],
            "item_id": ["d", "new", "b", "other", "a", "new"],
        }
    )
    found = evaluator(**IDS).evaluate(Fixed(ORDERS), table)
    assert found.users.tolist() == [0, 1]
    assert found.per_user["recall@2"].tolist() == [0.5, 0.5]
    assert found.counts["n_rows_of_strangers"] == 1
    assert found.counts["n_relevant"] == 4
    assert found.counts["n_relevant_outside_catalogue"] == 3
    assert (
        "1 rows of the test part belong to people nobody knows: left out."
        in found.counts_in_words()
    )
    dropped = evaluator(**IDS, drop_outside=True).evaluate(Fixed(ORDERS), table)
    assert dropped.per_user["recall@2"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("test", "options", "error", "said"),
    [
        (
            pd.DataFrame({"user_id": ["u1"], "item_id": ["a"]}),
            {},
            InvalidParameter,
            "test_interactions: user_id holds ids such as 'u1', but models speak codes. Pass "
            "user_ids= and item_ids= to the evaluator, as create_interaction_matrix returns them.",
        ),
        (
            pd.DataFrame({"user_id": [1], "item_id": ["a"]}),
            {},
            InvalidParameter,
            "test_interactions: item_id holds ids such as 'a'",
        ),
        (
            pd.DataFrame({"user_id": [4], "item_id": [0]}),
            {},
            InvalidParameter,
            "test_interactions: user_id must be between 0 and 3, got 4.",
        ),
        (
            pd.DataFrame({"user_id": [0], "item_id": [5]}),
            {},
            InvalidParameter,
            "test_interactions: item_id must be between 0 and 4, got 5.",
        ),
        (
            pd.DataFrame({"user_id": ["q"], "item_id": ["a"]}),
            IDS,
            InvalidData,
            "test_interactions: no user_id (such as 'q') is among the given user_ids",
        ),
        (
            pd.DataFrame({"user_id": ["u0"], "item_id": ["a"]}),
            {**IDS, "user_ids": ["u0", "u0", "u1", "u2"]},
            InvalidParameter,
            "test_interactions: user_ids must be the 4 different ids of the model's users, got 3.",
        ),
        (
            pd.DataFrame({"user": [1], "item_id": [1]}),
            {},
            InvalidData,
            "test_interactions: column user_id is missing. Columns: user, item_id.",
        ),
        (
            pd.DataFrame({"user_id": [1], "item": [1]}),
            {},
            InvalidData,
            "test_interactions: column item_id is missing.",
        ),
        (
            np.ones((4, 4)),
            {},
            InvalidParameter,
            "test_interactions: the matrix must have shape (4, 5), users x items of the model, got "
            "(4, 4).",
        ),
        (
            {7: [0]},
            {},
            InvalidParameter,
            "test_interactions: users must be between 0 and 3, got 7.",
        ),
        (
            {0: [9]},
            {},
            InvalidParameter,
            "test_interactions: items must be between 0 and 4, got 9.",
        ),
        (
            [1, 2],
            {},
            InvalidParameter,
            "test_interactions: must be Interactions, a table with user_id and item_id, a matrix "
            "of users x items, or a dict of user -> items, got list.",
        ),
        (np.ones(3), {}, InvalidParameter, "test_interactions: must be Interactions, a table"),
        ({}, {}, InvalidParameter, "the test part holds nobody, so nothing is measured."),
        (np.zeros((4, 5)), {}, InvalidParameter, "the test part holds nobody"),
        (
            TEST,
            {"train": log([(0, 0)], n_items=6)},
            InvalidParameter,
            "train has n_items = 6, the model 5; both must speak the same codes.",
        ),
        (
            TEST,
            {"train": log([(0, 0)], n_users=5)},
            InvalidParameter,
            "train has n_users = 5, the model 4;",
        ),
        (TEST, {"catalogue": []}, InvalidParameter, "the catalogue is empty"),
        (TEST, {"catalogue": [5]}, InvalidParameter, "catalogue must be between 0 and 4, got 5."),
        (
            TEST,
            {"item_features": np.ones((4, 2))},
            InvalidParameter,
            "item_features must have shape (5, F), a row for every item, got (4, 2).",
        ),
        (
            TEST,
            {"item_features": np.full((5, 2), NAN)},
            InvalidParameter,
            "item_features must be finite numbers",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(test, options, error, said):
    with pytest.raises(error) as caught:
        evaluator(**options).evaluate(Fixed(ORDERS), test)
    assert said in str(caught.value)


def test_bad_cut_offs_are_refused_at_once():
    with pytest.raises(InvalidParameter, match="RLRecommenderEvaluator: k must be a whole number"):
        RLRecommenderEvaluator(ks=[0])


# Who can be asked


class OneByOne:
    """Knows only the familiar call."""

    def __init__(self):
        self.calls = []

    def recommend(self, user_id, k):
        self.calls.append((user_id, k))
        return ORDERS[user_id][:k]


class OneByOneWithAll(OneByOne):
    def recommend(self, user_id, k, *, exclude=(), explore=True, history=None):
        self.calls.append((user_id, k, sorted(exclude), explore, history))
        return [item for item in ORDERS[user_id] if item not in exclude][:k]


class Anything(OneByOne):
    def recommend(self, user_id, k, **more):
        self.calls.append((user_id, k, sorted(more)))
        return ORDERS[user_id][:k]


def test_an_object_with_only_recommend_is_asked_for_enough_to_hide_what_was_seen():
    model = OneByOne()
    found = evaluator(train=TRAIN).evaluate(model, TEST)
    assert found.lists.tolist() == [[2, 3], [2, 1], [1, -1]]
    assert model.calls == [(0, 5), (1, 4), (3, 2)]
    assert all(isinstance(user, int) for user, _ in model.calls)


def test_what_recommend_takes_is_passed():
    model = OneByOneWithAll()
    model.history_length = 1
    found = evaluator(train=TRAIN).evaluate(model, TEST)
    assert found.lists.tolist() == [[2, 3], [2, 1], [1, -1]]
    user, k, exclude, explore, history = model.calls[0]
    assert (user, k, exclude, explore, history.tolist()) == (0, 2, [0, 1, 1], False, [1])
    anything = Anything()
    evaluator(train=TRAIN).evaluate(anything, TEST)
    assert anything.calls[0] == (0, 2, ["exclude", "explore"])


def test_a_batch_without_exclude_is_asked_for_longer_lists():
    class Plain:
        n_users, n_items = 4, 5

        def recommend_batch(self, users, k):
            assert k == min(5, 2 + 3)
            return [ORDERS[user][:k] for user in users]

    found = evaluator(train=TRAIN).evaluate(Plain(), TEST)
    assert found.lists.tolist() == [[2, 3], [2, 1], [1, -1]]


def test_sizes_come_from_whoever_knows_them():
    table = pd.DataFrame({"user_id": ["u0"], "item_id": ["b"]})
    assert evaluator(**IDS).evaluate(OneByOne(), table).users.tolist() == [0]
    assert evaluator().evaluate(OneByOne(), FORMS["sparse matrix"]).users.tolist() == [0, 1, 3]
    with pytest.raises(InvalidParameter, match="OneByOne has no n_users; pass train=, or user_ids"):
        evaluator().evaluate(OneByOne(), {0: [1]})
    with pytest.raises(InvalidParameter, match="OneByOne has no n_items; pass train=, or user_ids"):
        evaluator(user_ids=IDS["user_ids"]).evaluate(OneByOne(), FORMS["codes"])


def test_something_that_does_not_recommend_is_refused():
    with pytest.raises(InvalidParameter, match="object has neither recommend_batch nor recommend"):
        evaluator(train=TRAIN).evaluate(object(), TEST)


@pytest.mark.parametrize("items", [[0, 5], [-2]])
def test_items_that_do_not_exist_are_refused(items):
    model = OneByOne()
    model.recommend = lambda user_id, k: items
    with pytest.raises(
        InvalidParameter, match="OneByOne: recommended items must be between -1 and"
    ):
        evaluator(train=TRAIN).evaluate(model, TEST)


def test_an_item_recommended_twice_is_refused():
    model = OneByOne()
    model.recommend = lambda user_id, k: [3, 3]
    with pytest.raises(InvalidParameter, match="OneByOne: an item must stand once in a list"):
        evaluator(train=TRAIN, mask_seen=False).evaluate(model, TEST)


@pytest.mark.parametrize(("scores_at_once", "blocks"), [(1, 3), (9, 3), (10, 2), (15, 1)])
def test_people_are_asked_for_in_blocks_that_fit(monkeypatch, scores_at_once, blocks):
    monkeypatch.setattr(asking, "SCORES_AT_ONCE", scores_at_once)
    model = Fixed(ORDERS)
    found = evaluator(train=TRAIN).evaluate(model, TEST)
    assert len(model.asked) == blocks
    assert found.lists.tolist() == [[2, 3], [2, 1], [1, -1]]


def test_a_block_holds_four_million_scores():
    assert asking.SCORES_AT_ONCE == 1 << 22


def test_evaluation_leaves_the_model_as_it_was():
    model = PopularRecommender(4, 5, seed=3).fit(TRAIN)
    assert isinstance(model, Recommender)
    before = {name: array.copy() for name, array in model.arrays().items()}
    state = json.dumps(model._rng.bit_generator.state, sort_keys=True)
    first = evaluator(train=TRAIN).evaluate(model, TEST)
    assert evaluator(train=TRAIN).evaluate(model, TEST).means() == first.means()
    assert json.dumps(model._rng.bit_generator.state, sort_keys=True) == state
    assert model.arrays().keys() == before.keys()
    for name, array in model.arrays().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.real
def test_popular_on_movielens_is_at_its_reference_figure(real_data):
    """Leave-last-one, all ratings positive: NDCG@10 0.0451, Recall@10 0.0862, 940 people."""
    rows = pd.read_csv(real_data / "ml-100k" / "interactions.csv.gz")
    rows = rows.sort_values(["user_id", "timestamp"], kind="stable")
    is_last = ~rows.duplicated("user_id", keep="last")
    items = np.sort(rows[~is_last]["item_id"].unique())
    rows = rows[rows["item_id"].isin(items)]
    is_last = is_last[rows.index]

    def part(some):
        return log(
            np.stack([some["user_id"] - 1, np.searchsorted(items, some["item_id"])], axis=1),
            n_users=943,
            n_items=len(items),
        )

    train, test = part(rows[~is_last]), part(rows[is_last])
    model = PopularRecommender(943, len(items)).fit(train)
    found = RLRecommenderEvaluator(ks=[10], train=train).evaluate(model, test)
    assert found.counts["n_users"] == 940
    assert found.means()["ndcg@10"] == pytest.approx(0.0451, abs=5e-5)
    assert found.means()["recall@10"] == pytest.approx(0.0862, abs=5e-5)
    assert found.means()["precision@10"] == pytest.approx(0.0086, abs=5e-5)
    assert found.means()["mrr@10"] == pytest.approx(0.0327, abs=5e-5)
