"""What every model shares: choosing, remembering, checking, keeping."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from plug_in import CountingRecommender
from recloop.errors import DamagedFile, InvalidParameter, MissingData
from recloop.models.base import FORMAT_VERSION, AbstractRecommender, learned
from recloop.models.baselines.popular import PopularRecommender
from recloop.types import Interactions, Recommender, Transitions
from recloop.utils.files import load_arrays, save_arrays
from recloop.utils.seeding import stream


@dataclass
class Recording(AbstractRecommender):
    """Scores by a table, remembers two items of everyone, and writes down what it was taught."""

    epsilon: float = 0.0
    bonus: float = 0.0

    table: np.ndarray = learned("n_users", "n_items")
    rows: np.ndarray = learned("?", 2)

    type_name = "recording"
    history_length = 2

    def _start(self):
        self.table = np.zeros((self.n_users, self.n_items))
        self.taught = []
        self.asked = []

    def scores(self, users, *, context=None, history=None):
        self.asked.append((context, history))
        return self.table[users]

    def acting_scores(self, users, context, history):
        bonus = np.zeros(self.n_items)
        bonus[0] = self.bonus
        return super().acting_scores(users, context, history) + bonus

    def update_batch(self, transitions):
        self.taught.append(self._checked(transitions))


@pytest.fixture
def model():
    """Two people and four items: the first likes 2, then 1, then 0 and 3 alike."""
    made = Recording(2, 4)
    made.table = np.array([[1.0, 2.0, 3.0, 1.0], [0.0, 0.0, 0.0, 5.0]])
    return made


# what it is made of


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 4), "Recording: n_users must be a whole number of at least 1, got 0."),
        ((2, -1), "Recording: n_items must be a whole number of at least 1, got -1."),
        ((2, 4.0), "Recording: n_items must be a whole number of at least 1, got 4.0."),
    ],
)
def test_sizes_are_positive_whole_numbers(sizes, message):
    with pytest.raises(InvalidParameter, match=re.escape(message)):
        Recording(*sizes)


def test_a_seed_is_a_whole_number_and_named():
    with pytest.raises(
        InvalidParameter, match=r"^Recording: seed must be a whole number of at lea"
    ):
        Recording(2, 4, seed=-1)
    with pytest.raises(TypeError):
        Recording(2, 4, 0.1, 0.0, 7)
    assert Recording(2, 4, seed=np.int64(0)).seed == 0


def test_numpy_sizes_become_plain_numbers():
    made = Recording(np.int64(2), np.int32(4), seed=np.int64(3))
    assert [type(value) for value in (made.n_users, made.n_items, made.seed)] == [int] * 3


def test_hyperparameters_show_and_learned_arrays_do_not():
    assert repr(Recording(2, 4, epsilon=0.5)) == (
        "Recording(n_users=2, n_items=4, seed=0, epsilon=0.5, bonus=0.0)"
    )
    assert Recording(2, 4, seed=3).params() == {
        "n_users": 2,
        "n_items": 4,
        "epsilon": 0.0,
        "bonus": 0.0,
        "seed": 3,
    }


def test_a_learned_array_is_not_an_argument():
    with pytest.raises(TypeError, match="table"):
        Recording(2, 4, table=np.zeros((2, 4)))


def test_a_model_is_a_recommender(model):
    assert isinstance(model, Recommender)


def test_the_exploration_stream_belongs_to_seed_and_type():
    draws = stream(5, "recording", "explore").random((12, 2))
    made = Recording(2, 4, epsilon=1.0, seed=5)
    # the second draw of a slot picks among four equal items
    assert [made.recommend(0, 1)[0] for _ in range(12)] == (draws[:, 1] * 4).astype(int).tolist()


def test_a_model_without_epsilon_never_explores():
    assert PopularRecommender(2, 4).exploration_rate == 0.0
    assert Recording(2, 4, epsilon=0.25).exploration_rate == 0.25


# choosing


def test_the_best_come_first_and_ties_go_to_the_lower_code(model):
    assert model.recommend(0, 3, explore=False) == [2, 1, 0]
    assert model.recommend(0, explore=False) == [2, 1, 0, 3]
    assert model.recommend_batch(np.array([1, 0]), 2, explore=False).tolist() == [[3, 0], [2, 1]]
    assert model.recommend_batch([1], explore=False).tolist() == [[3, 0, 1, 2, *[-1] * 6]]


def test_ten_items_are_recommended_unless_told_otherwise():
    made = Recording(1, 12)
    for explore in (False, True):
        assert len(made.recommend(0, explore=explore)) == 10
        assert made.recommend_batch([0], explore=explore).shape == (1, 10)
    assert len(made.decide(0).items) == 10
    assert made.choose_batch([0]).items.shape == (1, 1)


def test_exclusions_belong_to_their_rows(model):
    batch = model.recommend_batch([0, 0, 1], 2, exclude=[[2], [], (3, 0)], explore=False)
    assert batch.tolist() == [[1, 0], [2, 1], [1, 2]]
    assert model.recommend(0, 2, exclude={2, 1}, explore=False) == [0, 3]
    assert model.recommend(0, 2, exclude=np.array([2]), explore=False) == [1, 0]


@pytest.mark.parametrize("n_sets", [1, 3])
def test_there_is_one_set_of_exclusions_for_each_row(model, n_sets):
    with pytest.raises(InvalidParameter, match=rf"^Recording: exclude must hold .* got {n_sets}\."):
        model.recommend_batch([0, 1], 1, exclude=[[1]] * n_sets)


def test_exploring_choices_rank_by_acting_scores_and_looks_by_scores(model):
    model.bonus = 10.0
    assert model.recommend(0, 1) == [0]
    assert model.recommend(0, 1, explore=False) == [2]
    assert model.choose_batch([0], 1).items.tolist() == [[0]]
    assert model.choose_batch([0]).items.shape == (1, 1)
    assert model.decide(0, 1).items.tolist() == [0]
    assert model.probabilities([0]).tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert model.slate_propensities([0], [[0, 2]]).tolist() == [[1.0, 1.0]]


def test_recommending_explores_unless_told_otherwise(model):
    model.epsilon = 1.0
    first = [model.recommend(0, 1)[0] for _ in range(60)]
    assert set(first) == {0, 1, 2, 3}
    assert {model.recommend(0, 1, explore=False)[0] for _ in range(20)} == {2}
    batch = model.recommend_batch([0] * 60, 1)
    assert set(batch.ravel().tolist()) == {0, 1, 2, 3}


def test_context_and_history_of_one_person_become_rows(model):
    for ask in (model.recommend, model.decide):
        model.asked.clear()
        ask(0, 1, context=[0.5, 1.5], history=[3, 1])
        context, history = model.asked[-1]
        np.testing.assert_array_equal(context, [[0.5, 1.5]])
        np.testing.assert_array_equal(history, [[3, 1]])
        ask(0, 1)
        assert model.asked[-1] == (None, None)


def test_context_and_history_of_a_batch_are_passed_on(model):
    context, history = np.ones((1, 2)), np.zeros((1, 2), dtype=np.int64)
    for ask in (model.recommend_batch, model.choose_batch):
        ask([0], 1, context=context, history=history)
        assert model.asked[-1] == (context, history)
    model.recommend_batch([0], 1, context=context, history=history, explore=False)
    assert model.asked[-1] == (context, history)
    model.probabilities([0], context=context, history=history)
    assert model.asked[-1] == (context, history)
    model.slate_propensities([0], [[1]], context=context, history=history)
    assert model.asked[-1] == (context, history)


def test_a_decision_says_what_was_shown_how_likely_and_why(model):
    model.epsilon = 0.5
    drawn = np.array([[[0.1, 0.0], [0.9, 0.0]]])

    class Scripted:
        def random(self, shape):
            return drawn

    made = model.decide(0, 2, rng=Scripted())
    # slot 1 explores among four and takes item 0: 0.5 / 4; slot 2 takes the best of three
    assert made.user == 0
    assert made.items.tolist() == [0, 2]
    assert made.scores.tolist() == [1.0, 3.0]
    assert made.propensities.tolist() == pytest.approx([0.125, 0.5 / 3 + 0.5])
    assert made.propensity_kind == "conditional"
    assert made.sources == ["explore", "greedy"]


def test_a_decision_has_no_empty_slots(model):
    made = model.decide(0, 3, candidates=[1, 2, 3], exclude=[2])
    assert made.items.tolist() == [1, 3]
    assert len(made.scores) == len(made.propensities) == len(made.sources) == 2


def test_a_decision_with_a_generator_leaves_the_models_own(model):
    model.epsilon = 1.0
    twin = Recording(2, 4, epsilon=1.0)
    model.decide(0, 3, rng=stream(0, "another"))
    twin.table = model.table
    assert model.recommend(0, 4) == twin.recommend(0, 4)


def test_propensities_of_given_slates_respect_candidates(model):
    model.epsilon = 0.5
    found = model.slate_propensities([0, 0], [[1, 3], [1, 2]], candidates=[[1, 3], [1, 3]])
    # among 1 and 3 the best is 1: 0.5 / 2 + 0.5, then 3 alone; 2 is no candidate
    assert found.tolist() == [[0.75, 1.0], [0.75, 0.0]]


def test_propensities_of_given_slates_respect_exclusions(model):
    model.epsilon = 0.5
    slates, candidates = [[3, 1], [1, 3], [2, 1]], [[1, 2, 3], [1, 2, 3], [1, 2]]
    found = model.slate_propensities(
        [0, 0, 0], slates, candidates=candidates, exclude=[[2], [1], []]
    )
    # 3 of {1, 3}: 0.5 / 2, then 1 alone; no 1, 3 is worse than 2: 0.5 / 2; 2 is the best of {1, 2}
    assert found.tolist() == [[0.25, 1.0], [0.0, 0.25], [0.75, 1.0]]
    alone = model.slate_propensities([0], [[3, 1]], exclude=[[2, 0]])
    assert alone.tolist() == [[0.25, 1.0]]


@pytest.mark.parametrize("exclude", [[[0]], [[0], [4]], 5, [[0], 1]])
def test_exclusions_of_given_slates_are_checked(model, exclude):
    with pytest.raises(InvalidParameter, match="Recording: exclude must"):
        model.slate_propensities([0, 0], [[1], [2]], exclude=exclude)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.recommend(2), "Recording: users must be between 0 and 1, got 2."),
        (lambda m: m.recommend("ann"), "Recording: users must be whole numbers between 0 and 1"),
        (lambda m: m.recommend(0, 0), "Recording: k must be a whole number of at least 1, got 0."),
        (
            lambda m: m.recommend(0, exclude=[4]),
            "Recording: exclude must be between 0 and 3, got 4",
        ),
        (lambda m: m.recommend_batch([-1]), "Recording: users must be between 0 and 1, got -1."),
        (lambda m: m.choose_batch([5]), "Recording: users must be between 0 and 1, got 5."),
        (lambda m: m.choose_batch([0], True), "Recording: k must be a whole number of at least 1"),
        (lambda m: m.decide(2), "Recording: user_id must be between 0 and 1, got 2."),
        (lambda m: m.decide(0, 0), "Recording: k must be a whole number of at least 1, got 0."),
        (
            lambda m: m.decide(0, candidates=[9]),
            "Recording: candidates must be between 0 and 3, got 9.",
        ),
        (lambda m: m.probabilities([2]), "Recording: users must be between 0 and 1, got 2."),
        (
            lambda m: m.slate_propensities([0], [[-2]]),
            "Recording: slates must be between -1 and 3, got -2.",
        ),
        (
            lambda m: m.slate_propensities([2], [[0]]),
            "Recording: users must be between 0 and 1, got 2.",
        ),
        (lambda m: m.update(2, 0, 1.0), "Recording: user_id must be between 0 and 1, got 2."),
        (lambda m: m.update(0, 4, 1.0), "Recording: item_id must be between 0 and 3, got 4."),
        (
            lambda m: m.update(0, 0, float("nan")),
            "Recording: reward must be a finite number, got",
        ),
    ],
)
def test_what_is_asked_is_checked_where_it_enters(model, call, message):
    with pytest.raises(InvalidParameter, match=re.escape(message)):
        call(model)


# learning one answer


def test_an_answer_becomes_a_batch_of_one(model):
    model.update(1, 3, 0.5, context=[1, 2], next_context=[3, 4], next_item=2, discount=1)
    (told,) = model.taught
    for name in ("rewards", "discounts", "contexts", "next_contexts"):
        assert getattr(told, name).dtype == np.float64
    assert told.users.tolist() == [1]
    assert told.items.tolist() == [3]
    assert told.rewards.tolist() == [0.5]
    assert told.discounts.tolist() == [1.0]
    assert told.next_items.tolist() == [2]
    assert told.contexts.tolist() == [[1.0, 2.0]]
    assert told.next_contexts.tolist() == [[3.0, 4.0]]
    assert told.histories.tolist() == [[-1, -1]]
    assert told.next_histories.tolist() == [[3, -1]]
    assert told.feedback == "shown"


def test_what_is_not_told_stays_unknown(model):
    model.update(1, 3, 0)
    (told,) = model.taught
    assert told.discounts is told.next_items is told.contexts is told.next_contexts is None
    assert told.rewards.dtype == np.float64
    counting = CountingRecommender(2, 4)
    counting.update_batch = lambda told: setattr(counting, "told", told)
    counting.update(0, 1, 1.0)
    assert counting.told.histories is None
    assert counting.told.next_histories is None


def test_the_short_memory_holds_what_was_liked_newest_first(model):
    for item, reward in [(0, 1.0), (1, 0.0), (2, 0.1), (3, -1.0)]:
        model.update(0, item, reward)
    before = [told.histories.tolist() for told in model.taught]
    after = [told.next_histories.tolist() for told in model.taught]
    assert before == [[[-1, -1]], [[0, -1]], [[0, -1]], [[2, 0]]]
    assert after == [[[0, -1]], [[0, -1]], [[2, 0]], [[2, 0]]]
    assert model._own_history(np.array([1, 0])).tolist() == [[-1, -1], [2, 0]]


def test_a_refused_answer_is_not_remembered(model):
    model.update(0, 1, 1.0)
    with pytest.raises(InvalidParameter):
        model.update(0, 2, float("inf"))
    assert model._own_history(np.array([0])).tolist() == [[1, -1]]


def test_looking_makes_no_memory(model):
    assert model._own_history(np.array([0, 1])).tolist() == [[-1, -1], [-1, -1]]
    assert "_recent_items" not in model.arrays()
    model.update(0, 1, 0.0)
    assert "_recent_items" not in model.arrays()
    model.update(0, 1, 1.0)
    assert model.arrays()["_recent_items"].tolist() == [[1, -1], [-1, -1]]


# histories that are passed


@pytest.mark.parametrize(
    ("passed", "used"),
    [
        ([[3, 1]], [[3, 1]]),
        ([[3, 1, 0, 2]], [[3, 1]]),
        ([[3]], [[3, -1]]),
        (np.empty((1, 0), dtype=np.int64), [[-1, -1]]),
    ],
)
def test_histories_are_cut_and_padded_to_what_the_model_needs(model, passed, used):
    assert model._histories(np.array([0]), np.array(passed)).tolist() == used


def test_without_a_history_the_models_own_is_used(model):
    model.update(0, 2, 1.0)
    assert model._histories(np.array([1, 0]), None).tolist() == [[-1, -1], [2, -1]]


@pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 2), (2, 1, 2)])
def test_there_is_one_history_for_each_user(model, shape):
    with pytest.raises(InvalidParameter) as caught:
        model._histories(np.array([0, 1]), np.zeros(shape, dtype=np.int64))
    assert str(caught.value) == (
        "Recording: history must have one row for each of 2 users, newest item first, got shape "
        f"{shape}."
    )


@pytest.mark.parametrize("item", [-2, 4])
def test_histories_hold_known_items(model, item):
    with pytest.raises(InvalidParameter, match=r"^Recording: history must be between -1 and 3"):
        model._histories(np.array([0]), np.array([[item, 0]]))


# batches that are taught


def _steps(**changed):
    columns = {
        "users": np.array([0, 1]),
        "items": np.array([3, 0]),
        "rewards": np.array([1.0, 0.0]),
    }
    return Transitions(**{**columns, **changed})


def test_a_sound_batch_passes_as_it_is(model):
    steps = _steps(
        discounts=np.zeros(2),
        histories=np.array([[-1], [3]]),
        next_histories=np.array([[-1], [3]]),
        next_items=np.array([-1, 3]),
    )
    model.update_batch(steps)
    assert model.taught == [steps]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"users": np.array([0, 2])}, "users must be between 0 and 1, got 2."),
        ({"items": np.array([0, -1])}, "items must be between 0 and 3, got -1."),
        ({"items": np.array([0.0, 1.0])}, "items must be whole numbers between 0 and 3"),
        ({"rewards": np.array([0, np.inf])}, "rewards must be finite numbers, got inf at row 1."),
        ({"discounts": np.array([np.nan, 0])}, "discounts must be finite numbers, got nan."),
        ({"discounts": np.array([0.5, 1.5])}, "discounts must be between 0 and 1, got 1.5."),
        ({"discounts": np.array([-0.5, 0.5])}, "discounts must be between 0 and 1, got -0.5."),
        ({"feedback": "choosen"}, "feedback must be 'shown' or 'chosen', got 'choosen'."),
        ({"next_items": np.array([-2, 0])}, "next_items must be between -1 and 3, got -2."),
        ({"histories": np.array([[4], [0]])}, "histories must be between -1 and 3, got 4."),
        (
            {"next_histories": np.array([[0], [9]])},
            "next_histories must be between -1 and 3, got 9.",
        ),
        (
            {"rewards": np.ones(3)},
            "rewards must have one row for each of 2 steps, (B,); got shape (3,).",
        ),
        (
            {"rewards": [1.0]},
            "rewards must have one row for each of 2 steps, (B,); got shape (1,).",
        ),
        (
            {"rewards": np.ones((2, 1))},
            "rewards must have one row for each of 2 steps, (B,); got shape (2, 1).",
        ),
        ({"next_items": np.array([1])}, "next_items must have one row for each of 2 steps, (B,)"),
        (
            {"contexts": np.ones((1, 5))},
            "contexts must have one row for each of 2 steps, (B, width); got shape (1, 5).",
        ),
    ],
)
def test_a_batch_with_a_wrong_value_is_refused(model, changed, message):
    with pytest.raises(InvalidParameter, match=re.escape(f"Recording: {message}")):
        model.update_batch(_steps(**changed))


def test_a_log_of_other_sizes_is_refused(model):
    nobody, nothing = np.empty(0, dtype=np.int64), np.empty(0)
    fits = Interactions(nobody, nobody, nothing, nothing, 2, 4)
    assert model._checked_log(fits) is fits
    for sizes in [(3, 4), (2, 5)]:
        log = Interactions(nobody, nobody, nothing, nothing, *sizes)
        with pytest.raises(InvalidParameter) as caught:
            model._checked_log(log)
        assert str(caught.value) == (
            f"Recording: the log has {sizes[0]} users and {sizes[1]} items, the model 2 and 4. "
            "Build the model with the log's sizes."
        )


# keeping


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "model.npz"
    model.update(0, 1, 1.0)
    model.save(path, note="of the run")
    return path


def test_a_file_holds_what_was_learned_and_how_it_was_made(saved, model):
    header, arrays = load_arrays(saved)
    assert header.keys() == {"type", "version", "params", "explore_stream", "counters", "note"}
    assert header["note"] == "of the run"
    assert header["type"] == "recording"
    assert header["version"] == FORMAT_VERSION == 1
    assert header["params"] == model.params()
    assert header["counters"] == {}
    assert arrays.keys() == {"table", "_recent_items"}


def test_extra_words_cannot_replace_the_header(model, tmp_path):
    model.save(tmp_path / "model.npz", type="another", version=0)
    header, _ = load_arrays(tmp_path / "model.npz")
    assert header["type"] == "recording"
    assert header["version"] == 1


def test_the_loaded_model_has_table_memory_and_stream(saved, model):
    again = Recording.load(saved)
    np.testing.assert_array_equal(again.table, model.table)
    assert again._own_history(np.array([0])).tolist() == [[1, -1]]
    assert again.rows is None
    again.epsilon = model.epsilon = 1.0
    assert again.recommend(0, 4) == model.recommend(0, 4)


def _rewrite(path, *, drop=(), arrays=None, **header):
    told, kept = load_arrays(path)
    kept = {name: value for name, value in {**kept, **(arrays or {})}.items() if name not in drop}
    save_arrays(path, kept, {**told, **header})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            {"type": "popular"},
            "holds a model of type 'popular', not 'recording'. Load it with that class.",
        ),
        (
            {"version": 2},
            "written in format 2; this version of recloop reads format 1. Train again.",
        ),
        ({"params": {"n_users": 2}}, "its parameters do not fit Recording ("),
        ({"params": {"n_users": 2, "n_items": 4, "x": 1}}, "unexpected keyword argument 'x'"),
        ({"params": {"n_users": 3, "n_items": 4}}, "array '_recent_items' has shape (2, 2)"),
        ({"drop": ["table"]}, "lacks the array 'table' of Recording."),
        ({"arrays": {"more": np.ones(1)}}, "has an array 'more' that Recording lacks."),
        (
            {"arrays": {"table": np.ones((2, 5))}},
            "array 'table' has shape (2, 5), Recording needs (2, 4).",
        ),
        (
            {"arrays": {"table": np.ones((3, 4))}},
            "array 'table' has shape (3, 4), Recording needs (2, 4).",
        ),
        (
            {"arrays": {"table": np.ones(2)}},
            "array 'table' has shape (2,), Recording needs (2, 4).",
        ),
        (
            {"arrays": {"rows": np.ones((7, 3))}},
            "array 'rows' has shape (7, 3), Recording needs (None, 2).",
        ),
        (
            {"arrays": {"_recent_items": np.ones((2, 3), dtype=np.int64)}},
            "array '_recent_items' has shape (2, 3), Recording needs (2, 2).",
        ),
        ({"counters": {"n": 1}}, "Recording: the file has counters it does not know."),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_a_sentence(saved, spoil, message):
    _rewrite(saved, **spoil)
    with pytest.raises(DamagedFile, match=re.escape(message)) as caught:
        Recording.load(saved)
    assert str(saved) in str(caught.value) or "counters" in spoil


def test_an_array_of_free_length_is_taken(saved):
    _rewrite(saved, arrays={"rows": np.ones((7, 2))})
    assert Recording.load(saved).rows.shape == (7, 2)


def test_a_file_without_a_memory_leaves_none(saved):
    _rewrite(saved, drop=["_recent_items"])
    assert "_recent_items" not in Recording.load(saved).arrays()


def test_a_file_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingData, match=r"model\.npz: no such file"):
        Recording.load(tmp_path / "model.npz")
