"""What every model refuses before a kernel reads past an array or a file cannot be written."""

from typing import Any

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.models import (
    MODELS,
    ContextualBanditRecommender,
    DQNRecommender,
    EASERecommender,
    LinUCBRecommender,
    MarkovRecommender,
    QLearningRecommender,
    SARSARecommender,
)
from recloop.models.registry import model_class
from recloop.types import Interactions, Transitions
from recloop.utils.seeding import stream


def _log(users, items, n_users=3, n_items=4):
    n = len(users)
    return Interactions(
        np.array(users), np.array(items), np.ones(n), np.arange(n, dtype=float), n_users, n_items
    )


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("user", [-1, 3, 100_000])
def test_nobody_but_the_known_people_has_scores(name, user):
    model = model_class(name)(3, 4)
    with pytest.raises(InvalidParameter, match=f"users must be between 0 and 2, got {user}"):
        model.scores(np.array([user]))


def test_slates_have_a_row_for_each_user():
    model = QLearningRecommender(3, 4)
    for slates in (np.zeros((2, 2), dtype=int), np.zeros(1, dtype=int)):
        with pytest.raises(InvalidParameter, match=r"one row for each of 1 users, shape \(B, k\)"):
            model.slate_propensities(np.array([0]), slates)


def test_plain_lists_are_taken_for_arrays():
    model, other = QLearningRecommender(3, 4), QLearningRecommender(3, 4)
    model.update_batch(Transitions([0, 1], [1, 2], [1, 0.5]))  # pyright: ignore[reportArgumentType]
    other.update_batch(Transitions(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 0.5])))
    assert (model.scores(np.arange(3)) == other.scores(np.arange(3))).all()


@pytest.mark.parametrize("users", [[1, 0], [0, 3]])
def test_a_log_that_is_unsorted_or_of_others_is_refused(users):
    with pytest.raises(InvalidParameter, match=r"must be (sorted by user|between 0 and 2)"):
        MarkovRecommender(3, 4).fit(_log(users, [0, 1]))


def test_a_diverged_model_ranks_nothing_and_can_still_be_saved(tmp_path):
    model = DQNRecommender(3, 4, learning_starts=1)
    model.update_batch(Transitions(np.array([0]), np.array([1]), np.array([1.0])))
    model.last_change = float("nan")
    model._online.arrays()["items"][:] = np.nan
    with pytest.raises(InvalidParameter, match=r"scores hold NaN.*diverged"):
        model.recommend(0, 2, explore=False)
    with pytest.raises(InvalidParameter, match="scores hold NaN"):
        model.choose_batch(np.array([0, 1]), 2)
    with pytest.raises(InvalidParameter, match="scores hold NaN"):
        model.decide(0, 2)
    model.save(tmp_path / "m.npz")
    assert np.isnan(DQNRecommender.load(tmp_path / "m.npz").last_change)


def test_a_catalogue_of_one_item_can_be_learned_from_a_log():
    model = DQNRecommender(2, 1)
    model.update_batch(
        Transitions(np.array([0, 1]), np.array([0, 0]), np.ones(2), feedback="chosen")
    )
    assert np.isfinite(model.scores(np.array([0, 1]))).all()


@pytest.mark.parametrize(
    "given",
    [
        {"n_recent": np.int64(3), "state": "recent_items"},
        {"learning_rate": np.float32(0.1)},
        {"initial_value": np.float64(0.5)},
    ],
)
def test_numbers_of_numpy_can_be_saved(given, tmp_path):
    QLearningRecommender(3, 4, **given).save(tmp_path / "m.npz")
    loaded = QLearningRecommender.load(tmp_path / "m.npz")
    assert {name: loaded.params()[name] for name in given} == pytest.approx(given) or given.get(
        "state"
    ) == loaded.state


@pytest.mark.parametrize(
    ("made", "given"),
    [
        (QLearningRecommender, {"double": "false"}),
        (SARSARecommender, {"expected": 1}),
        (DQNRecommender, {"dueling": "no"}),
        (DQNRecommender, {"double": None}),
    ],
)
def test_a_flag_is_true_or_false(made, given):
    (name,) = given
    with pytest.raises(InvalidParameter, match=f"{name} must be True or False, got"):
        made(3, 4, **given)


def test_a_network_is_named_by_a_word():
    with pytest.raises(InvalidParameter, match="network must be"):
        DQNRecommender(3, 4, network=5)  # pyright: ignore[reportArgumentType]


def test_a_refused_step_teaches_nothing_and_what_waited_waits_on():
    model = SARSARecommender(2, 3)
    model.update(0, 1, 1.0)
    before = model.waiting_items.copy(), model.scores(np.arange(2))
    with pytest.raises(InvalidParameter, match="next_item must be between 0 and 2, got 99"):
        model.update(0, 2, 0.0, next_item=99)
    assert (model.waiting_items == before[0]).all()
    assert (model.scores(np.arange(2)) == before[1]).all()


@pytest.mark.parametrize(
    ("wrong", "given"),
    [
        ("reward must be a finite number, got 'x'", {"reward": "x"}),
        ("reward must be a finite number, got inf", {"reward": float("inf")}),
        ("discount must be numbers", {"discount": "x"}),
        ("discount must be finite numbers, got nan", {"discount": float("nan")}),
        ("discount must be between 0 and 1, got 1.5", {"discount": 1.5}),
        ("discount must be between 0 and 1, got -0.5", {"discount": -0.5}),
        ("context must be", {"context": [[0.5], [1.0, 2.0]]}),
        ("next_context must be", {"next_context": [[0.5], [1.0, 2.0]]}),
        ("next_context must", {"next_context": [0.5, 0.5, 0.5]}),
        ("item_id must be between 0 and 2, got 3", {"item_id": 3}),
        ("user_id must be whole numbers", {"user_id": "ann"}),
    ],
)
def test_sarsa_refuses_an_answer_before_what_waits_is_learned(wrong, given):
    model = SARSARecommender(2, 3, state="observation", bins=(2,))
    model.update(0, 1, 1.0, context=np.array([0.2]))
    waiting, values = model.waiting_items.copy(), model.scores([0], context=np.array([[0.2]]))
    whole = {"user_id": 0, "item_id": 2, "reward": 0.0, "context": [0.7], **given}
    with pytest.raises(InvalidParameter, match=f"SARSARecommender: {wrong}"):
        model.update(**whole)
    assert (model.waiting_items == waiting).all()
    assert (model.scores([0], context=np.array([[0.2]])) == values).all()


def test_sarsa_takes_true_for_a_click_as_the_others_do():
    models = [SARSARecommender(1, 3) for _ in range(2)]
    for model, click in zip(models, (True, 1.0), strict=True):
        model.update(0, 1, click, discount=0.0)
    assert models[0].scores([0])[0, 1] > 0
    assert (models[0].scores([0]) == models[1].scores([0])).all()


def test_a_window_that_would_leak_the_own_answer_is_refused():
    with pytest.raises(InvalidParameter, match="window must be at most n_recent, 1"):
        ContextualBanditRecommender(3, 4, layout="shared", n_recent=1, window=5)


def test_too_little_regularization_is_named():
    users, items = [0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1]
    with pytest.raises(InvalidParameter, match=r"regularization must be large enough"):
        EASERecommender(3, 4, regularization=1e-20).fit(_log(users, items))


@pytest.mark.parametrize("name", ["q_learning", "lin_ucb", "sarsa"])
@pytest.mark.parametrize(
    ("wrong", "call"),
    [
        ("reward must be a finite number, got 'x'", lambda m: m.update(0, 1, "x")),
        ("reward must be a finite number, got None", lambda m: m.update(0, 1, None)),
        ("discount must be numbers", lambda m: m.update(0, 1, 1.0, discount="x")),
        ("next_context must be numbers", lambda m: m.update(0, 1, 1.0, next_context=[[1], [1, 2]])),
        ("exclude must be a set of items, got 5", lambda m: m.decide(0, 1, exclude=5)),
        ("exclude must be a set of items, got None", lambda m: m.recommend(0, 1, exclude=None)),
        ("candidates must be a set of items, got 3", lambda m: m.decide(0, 1, candidates=3)),
        ("context must be an array", lambda m: m.decide(0, 1, context=[[1], [1, 2]])),
        ("withdraw_items must be an array", lambda m: m.withdraw_items([[1], [2, 3]])),
    ],
)
def test_garbage_is_refused_in_words_of_the_project(name, wrong, call):
    with pytest.raises(InvalidParameter, match=f"Recommender: {wrong}"):
        call(model_class(name)(3, 4))


def test_a_click_may_be_true_or_false():
    model, other = QLearningRecommender(3, 4), QLearningRecommender(3, 4)
    model.update(0, 1, True)
    other.update(0, 1, 1.0)
    assert (model.scores(np.arange(3)) == other.scores(np.arange(3))).all()


@pytest.mark.parametrize(
    ("wrong", "arguments"),
    [
        ("slates must be an array", {"slates": [[1], [2, 3]]}),
        ("rewards must be numbers", {"rewards": [["a", "b"]]}),
        ("propensities must be numbers", {"propensities": [["a", "b"]]}),
        ("context must be numbers", {"context": [["a"] * 10]}),
    ],
)
def test_slates_of_garbage_are_refused_in_words_of_the_project(wrong, arguments):
    whole = {"users": [0], "slates": [[1, 2]], "rewards": [[0.0, 1.0]], **arguments}
    with pytest.raises(InvalidParameter, match=f"LinUCBRecommender: {wrong}"):
        model_class("lin_ucb")(3, 4).update_slates(**whole)  # pyright: ignore[reportAttributeAccessIssue]


# Numbers too large to learn from

OF_CONTEXTS = sorted(name for name in MODELS if hasattr(model_class(name), "context_dim"))
OF_STEPS = sorted(name for name in MODELS if model_class(name).learns == "steps")


def _kept(model):
    return {name: value.copy() for name, value in model.arrays().items()} | model.counters()


def _require_kept(model, before):
    after = _kept(model)
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def _many(model, n_rows, feedback: Any = "shown", **changes):
    rng = stream(0, "many")
    columns = {
        "users": rng.integers(3, size=n_rows),
        "items": rng.integers(4, size=n_rows),
        "rewards": rng.random(n_rows),
        "contexts": rng.random((n_rows, model.context_dim))
        if "context_dim" in vars(model)
        else None,
    }
    for name, value in changes.items():
        columns[name] = np.ones(n_rows) if name == "weights" else columns[name]
        columns[name][-1] = value
    return Transitions(**columns, feedback=feedback)


def _of_contexts(name):
    return model_class(name)(3, 4, context_dim=3)


@pytest.mark.parametrize("name", OF_CONTEXTS)
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1e200, r"be between -1e\+06 and 1e\+06, got 1e\+200 at row"),
        (-1.1e6, r"be between -1e\+06 and 1e\+06, got -1\.1e\+06 at row"),
        (np.nan, "be finite numbers, got nan at row"),
        (-np.inf, "be finite numbers, got -inf at row"),
    ],
)
def test_a_context_too_large_is_refused_where_it_enters(name, number, words):
    model = _of_contexts(name)
    model.update_batch(_many(model, 8))
    before = _kept(model)
    wrong = np.array([0.0, number, 0.0])
    with pytest.raises(InvalidParameter, match=f"Recommender: contexts must {words} 0, column 1"):
        model.update(0, 1, 1.0, context=wrong)
    both = np.array([np.zeros(3), wrong])
    for look in (model.scores, model.choose_batch, model.probabilities):
        with pytest.raises(InvalidParameter, match=f"context must {words} 1, column 1"):
            look(np.array([0, 1]), context=both)
    _require_kept(model, before)


@pytest.mark.parametrize("name", OF_CONTEXTS)
@pytest.mark.parametrize("feedback", ["shown", "chosen"])
@pytest.mark.parametrize("number", [1e200, np.nan])
def test_the_last_row_of_a_long_batch_is_looked_at_before_the_first_is_learned(
    name, feedback, number, monkeypatch
):
    monkeypatch.setattr("recloop.models.bandits.base._PAIRS_AT_ONCE", 16)
    monkeypatch.setattr("recloop.models.contextual_bandit._ROWS_AT_ONCE", 4)
    model = _of_contexts(name)
    before = _kept(model)
    with pytest.raises(InvalidParameter, match=r"contexts must be .* at row 29, column 0"):
        model.update_batch(_many(model, 30, feedback, contexts=number))
    _require_kept(model, before)
    model.update_batch(_many(model, 30, feedback))  # without it they are learned


@pytest.mark.parametrize("name", OF_STEPS)
@pytest.mark.parametrize(
    ("column", "number", "words"),
    [
        ("rewards", 1e200, r"rewards must be between -1e\+12 and 1e\+12, got 1e\+200 at row 29"),
        ("rewards", -1e13, r"rewards must be between -1e\+12 and 1e\+12, got -1e\+13 at row 29"),
        ("weights", 1e200, r"weights must be between 0 and 1e\+06, got 1e\+200 at row 29"),
    ],
)
def test_a_reward_or_a_weight_too_large_teaches_nothing(name, column, number, words):
    model = model_class(name)(3, 4)
    before = _kept(model)
    with pytest.raises(InvalidParameter, match=f"Recommender: {words}"):
        model.update_batch(_many(model, 30, **{column: number}))
    _require_kept(model, before)


@pytest.mark.parametrize("name", ["lin_ucb", "lin_thompson", "hybrid_lin_ucb", "contextual_bandit"])
def test_the_largest_row_that_is_learned_leaves_the_other_directions_as_they_were(name):
    # of the prior's 16 digits about 4 are left beside (1e6)^2: far better than 1 %
    model = model_class(name)(1, 2, context_dim=3, regularization=1.0)
    model.update(0, 0, 1e12, context=np.array([1e6, 1e6, 1e6]))
    across = np.array([[1.0, -1.0, 0.0]]) / np.sqrt(2)
    along = np.ones((1, 3))
    before = model_class(name)(1, 2, context_dim=3, regularization=1.0)
    if name in ("lin_ucb", "contextual_bandit"):
        users = np.array([0])
        found = model.acting_scores(users, across, None) - model.scores(users, context=across)
        assert found[0, 0] == pytest.approx(1.0, rel=0.01)
    else:
        left, right = (m.deviations(np.array([0]), context=across)[0, 0] for m in (model, before))
        assert left == pytest.approx(right, rel=0.01)
    assert model.scores(np.array([0]), context=along)[0, 0] == pytest.approx(1e6, rel=0.01)
    assert model.probabilities(np.array([0]), context=along).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (r"context must be between .* got 1e\+200 at row 1, column 9", {"context": 1e200}),
        (r"rewards must be between .* got -1e\+13 at row 1, column 1", {"rewards": -1e13}),
        ("rewards must be finite numbers, got inf at row 1, column 1", {"rewards": np.inf}),
    ],
)
def test_a_slate_is_refused_by_its_own_row(words, changed):
    model = LinUCBRecommender(3, 4)
    before = _kept(model)
    whole = {"context": np.ones((2, 10)), "rewards": np.array([[1.0, np.nan], [0.0, 1.0]])}
    for name, number in changed.items():
        whole[name][-1, -1] = number
    slates = np.array([[0, 1], [2, 3]])
    with pytest.raises(InvalidParameter, match=f"LinUCBRecommender: {words}"):
        model.update_slates(np.array([0, 1]), slates, whole["rewards"], context=whole["context"])
    _require_kept(model, before)


@pytest.mark.parametrize("name", OF_STEPS)
def test_one_reward_too_large_does_not_wait_to_be_learned(name):
    model = model_class(name)(3, 4)
    before = _kept(model)
    with pytest.raises(InvalidParameter, match=r"reward must be between -1e\+12 and 1e\+12"):
        model.update(0, 1, 1e200)
    _require_kept(model, before)
