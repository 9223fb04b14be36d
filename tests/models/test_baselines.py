"""The honest baselines, by hand on a log of three people and four items.

person 0 took 0, 1, 2    person 1 took 0, 1    person 2 took 1, 3
"""

import os
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import (
    ALSRecommender,
    EASERecommender,
    ItemKNNRecommender,
    MarkovRecommender,
    PopularRecommender,
    RandomRecommender,
)
from recloop.models.baselines.als import folded_in
from recloop.models.baselines.ease import ease_weights
from recloop.training.offline import logged_steps
from recloop.types import Interactions, Transitions
from recloop.utils.files import load_arrays, save_arrays
from recloop.utils.seeding import stream

EVERYBODY = np.arange(3)
BASELINES = [
    RandomRecommender,
    PopularRecommender,
    ItemKNNRecommender,
    EASERecommender,
    ALSRecommender,
    MarkovRecommender,
]
PROFILE_BASELINES = [ItemKNNRecommender, EASERecommender, ALSRecommender]


def log_of(*sequences: list[int], n_items: int) -> Interactions:
    """One person for each sequence of items, a second apart."""
    users = np.repeat(np.arange(len(sequences)), [len(items) for items in sequences])
    items = np.array([item for sequence in sequences for item in sequence], dtype=np.int64)
    times = np.arange(len(items), dtype=np.float64)
    return Interactions(users, items, np.ones(len(items)), times, len(sequences), n_items)


LOG = log_of([0, 1, 2], [0, 1], [1, 3], n_items=4)


def random_log(rng: np.random.Generator, n_users: int = 30, n_items: int = 12) -> Interactions:
    sequences = [list(rng.permutation(n_items)[: rng.integers(2, 8)]) for _ in range(n_users)]
    return log_of(*sequences, n_items=n_items)


def fitted(made, log: Interactions = LOG, **params):
    return made(log.n_users, log.n_items, **params).fit(log)


def answers(users, items, rewards=1.0, **more) -> Transitions:
    users, items = np.array(users), np.array(items)
    return Transitions(users, items, np.full(len(users), 1.0) * rewards, **more)


# Random


def test_random_scores_are_uniform_and_belong_to_the_person():
    model = RandomRecommender(500, 40)
    scores = model.scores(np.arange(500))
    assert (scores[7] == stream(0, "random scores", 7).random(40)).all()
    assert 0 <= scores.min() < 0.001
    assert 0.999 < scores.max() < 1
    # the mean of 20,000 uniform draws: deviation 0.00204, so five of them
    assert abs(scores.mean() - 0.5) < 0.0102
    assert (model.scores(np.array([7, 3])) == scores[[7, 3]]).all()
    assert not (scores[0] == scores[1]).any()


def test_another_seed_is_another_order_and_no_answer_changes_it():
    model = RandomRecommender(3, 50, seed=1)
    before = model.scores(EVERYBODY)
    assert not (before == RandomRecommender(3, 50, seed=2).scores(EVERYBODY)).any()
    model.fit(replace(LOG, n_items=50)).update_batch(answers([0], [4]))
    assert (model.scores(EVERYBODY) == before).all()


# Popular


def test_popular_counts_who_took_an_item():
    model = fitted(PopularRecommender)
    assert model.scores(EVERYBODY).tolist() == [[2, 3, 1, 1]] * 3
    model.update_batch(answers([0, 1, 2], [3, 3, 0], np.array([1.0, 0.5, 0.0])))
    assert model.scores(np.array([1])).tolist() == [[2, 3, 1, 3]]


# ItemKNN

NEAR_01, NEAR_02, NEAR_12, NEAR_13 = 2 / 6**0.5, 1 / 2**0.5, 1 / 3**0.5, 1 / 3**0.5


def test_item_knn_adds_the_cosines_of_the_profile():
    scores = fitted(ItemKNNRecommender).scores(EVERYBODY)
    assert scores[2] == pytest.approx([NEAR_01, NEAR_13, NEAR_12, NEAR_13])
    assert scores[1] == pytest.approx([NEAR_01, NEAR_01, NEAR_02 + NEAR_12, NEAR_13])


def test_each_item_speaks_for_its_nearest_neighbours_only():
    # nearest: 0 -> 1, 1 -> 0, 2 -> 0, 3 -> 1
    scores = fitted(ItemKNNRecommender, n_neighbours=1).scores(EVERYBODY)
    assert scores[0] == pytest.approx([NEAR_01 + NEAR_02, NEAR_01, 0, 0])
    # two for item 1: 0, and of the equally near 2 and 3 the lower code
    scores = fitted(ItemKNNRecommender, n_neighbours=2).scores(EVERYBODY)
    assert scores[2] == pytest.approx([NEAR_01, NEAR_13, NEAR_12, 0])


def test_item_knn_in_blocks_equals_item_knn_at_once(rng, monkeypatch):
    log = random_log(rng)
    whole = fitted(ItemKNNRecommender, log, n_neighbours=4)
    monkeypatch.setattr("recloop.models.baselines.item_knn._ROWS_AT_ONCE", 5)
    blocks = fitted(ItemKNNRecommender, log, n_neighbours=4)
    assert (whole.scores(np.arange(30)) == blocks.scores(np.arange(30))).all()


# EASE


def test_ease_on_two_items_by_hand():
    # X^T X + I = [[3, 1], [1, 2]], P = [[2, -1], [-1, 3]] / 5, B = [[0, 1/3], [1/2, 0]]
    model = fitted(EASERecommender, log_of([0, 1], [0], n_items=2), regularization=1)
    assert model.item_weights == pytest.approx(np.array([[0, 1 / 3], [1 / 2, 0]]))
    assert model.scores(np.arange(2)) == pytest.approx(np.array([[1 / 2, 1 / 3], [0, 1 / 3]]))


def test_ease_is_the_ridge_regression_of_each_item_from_the_others(rng):
    taken = (rng.random((40, 6)) < 0.4).astype(np.float64)
    weights = ease_weights(taken.T @ taken, 3.0)
    for item in range(6):
        others = np.delete(np.arange(6), item)
        x = taken[:, others]
        ridge = np.linalg.solve(x.T @ x + 3.0 * np.eye(5), x.T @ taken[:, item])
        assert weights[others, item] == pytest.approx(ridge)
    assert (np.diag(weights) == 0).all()
    assert weights.flags.c_contiguous


def test_ease_refuses_a_catalogue_that_would_eat_the_machine():
    message = (
        r"EASERecommender: n_items must be at most 10000 \(max_items\), got 54542: .* would take "
        r"47\.6 GB to fit\. Use item_knn or als"
    )
    with pytest.raises(InvalidParameter, match=message):
        EASERecommender(10, 54_542)
    with pytest.raises(InvalidParameter, match=r"at most 5 \(max_items\), got 6"):
        EASERecommender(10, 6, max_items=5)
    EASERecommender(10, 5, max_items=5)


# ALS


def test_folding_in_by_hand():
    # items 1 and 2 as numbers, the person took the second: (5 + 2 * 4 + 1) x = 3 * 2
    factors = folded_in(np.array([[2.0]]), np.array([[5.0]]), alpha=3.0, regularization=1.0)
    assert factors == pytest.approx([6 / 14])


def test_folding_in_finds_the_factors_that_the_library_converged_to(rng):
    log = random_log(rng)
    model = fitted(ALSRecommender, log, factors=3, alpha=4.0, regularization=0.5, iterations=300)
    gram = model.item_factors.T @ model.item_factors
    for user in range(log.n_users):
        taken = model.item_factors[log.items[log.users == user]]
        assert folded_in(taken, gram, 4.0, 0.5) == pytest.approx(model.user_factors[user], abs=2e-3)


def test_als_finds_two_groups_of_taste():
    log = log_of(*[[0, 1, 2]] * 6, [0, 1], *[[3, 4, 5]] * 6, [3, 5], n_items=6)
    scores = fitted(ALSRecommender, log, factors=2).scores(np.array([6, 13]))
    assert scores[0, 2] > 0.4 > scores[0, 3:].max() + 0.3
    assert scores[1, 4] > 0.4 > scores[1, :3].max() + 0.3


def test_als_is_the_same_for_the_same_seed_only(rng):
    log = random_log(rng)
    first, again, other = (fitted(ALSRecommender, log, seed=seed) for seed in (0, 0, 1))
    assert (first.user_factors == again.user_factors).all()
    assert not (first.user_factors == other.user_factors).any()
    assert first.user_factors.shape == (30, 32)


def test_als_is_the_library_on_the_profiles_with_our_seed(rng):
    log = random_log(rng)
    model = fitted(ALSRecommender, log, factors=3, alpha=2.0, regularization=0.5, iterations=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = AlternatingLeastSquares(
            3,
            regularization=0.5,
            alpha=2.0,
            iterations=4,
            num_threads=1,
            random_state=int(stream(0, "als", "start").integers(2**31)),
        )
    taken = csr_matrix((np.ones(len(log), dtype=np.float32), (log.users, log.items)))
    library.fit(taken, show_progress=False)
    assert (model.user_factors == library.user_factors).all()
    assert (model.item_factors == library.item_factors).all()
    assert model.item_factors.dtype == np.float64


def test_als_learns_silently_whatever_the_threads_of_the_machine():
    script = (
        "import warnings; warnings.simplefilter('error')\n"
        "import sys, numpy as np\n"
        "from recloop.models import ALSRecommender\n"
        "from recloop.types import Interactions\n"
        "n = np.arange(4); log = Interactions(n, n, n * 1.0, n * 1.0, 4, 4)\n"
        "model = ALSRecommender(4, 4)\n"
        "assert 'implicit' not in sys.modules\n"
        "model.fit(log)\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Markov


def test_markov_ranks_by_transitions_and_then_by_popularity():
    model = fitted(MarkovRecommender)
    scores = model.scores(EVERYBODY, history=np.array([[0], [1], [-1]]))
    share = np.array([2, 3, 1, 1]) / 7 / 1000
    assert scores == pytest.approx(np.array([[0, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0, 0]]) + share)


def test_markov_of_several_items_mixes_their_rows_with_decay():
    model = fitted(MarkovRecommender, n_recent=2, decay=0.5)
    scores = model.scores(np.array([0]), history=np.array([[1, 0, 2]]))
    share = np.array([2, 3, 1, 1]) / 7 / 1000
    assert scores == pytest.approx(np.array([[0, 0.5, 0.5, 0.5]]) + share)


def test_markov_remembers_the_end_of_the_log_for_the_familiar_calls():
    model = fitted(MarkovRecommender, n_recent=2)
    history = np.array([[2, 1], [1, 0], [3, 1]])
    assert (model.scores(EVERYBODY) == model.scores(EVERYBODY, history=history)).all()
    model.update(2, 0, 1.0)
    history[2] = [0, 3]
    assert (model.scores(EVERYBODY) == model.scores(EVERYBODY, history=history)).all()
    model.update(2, 1, 0.0)  # what was refused is not remembered
    assert (model.scores(EVERYBODY) == model.scores(EVERYBODY, history=history)).all()


@pytest.mark.parametrize("n_recent", [1, 3])
def test_markov_learns_step_by_step_what_it_learns_at_once(rng, n_recent):
    log = random_log(rng)
    at_once = fitted(MarkovRecommender, log, n_recent=n_recent)
    stepwise = MarkovRecommender(log.n_users, log.n_items, n_recent=n_recent)
    steps = logged_steps(log, n_recent).transitions(0.0)
    for start in range(0, len(steps), 7):
        stepwise.update_batch(steps.rows(slice(start, start + 7)))
    history = rng.integers(-1, log.n_items, (log.n_users, n_recent))
    users = np.arange(log.n_users)
    got = stepwise.scores(users, history=history)
    assert (got == at_once.scores(users, history=history)).all()


def test_markov_counts_only_what_earned_something():
    model = MarkovRecommender(1, 3)
    before = np.array([[0], [0], [-1]])
    model.update_batch(answers([0, 0, 0], [1, 2, 2], np.array([0.0, 0.5, 1.0]), histories=before))
    assert model.popularity.tolist() == [0, 0, 2]
    assert model.scores(np.array([0]), history=np.array([[0]])) == pytest.approx(
        np.array([[0, 0, 1.001]])
    )
    first = MarkovRecommender(1, 2)
    first.update(0, 1, 1.0)
    assert first.scores(np.array([0]), history=np.array([[0]])).tolist() == [[0, 0.001]]


def test_markov_takes_a_history_that_is_longer_or_shorter_than_it_needs():
    model = fitted(MarkovRecommender, n_recent=2)
    one = np.array([0])
    longer = model.scores(one, history=np.array([[1, 0, 2]]))
    assert (longer == model.scores(one, history=np.array([[1, 0]]))).all()
    shorter = model.scores(one, history=np.array([[1]]))
    assert (shorter == model.scores(one, history=np.array([[1, -1]]))).all()


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (np.array([[4]]), "history must be between -1 and 3, got 4"),
        (np.array([1]), r"history must have one row for each of 1 users.*got shape \(1,\)"),
        (np.array([[1], [2]]), r"one row for each of 1 users.*got shape \(2, 1\)"),
    ],
)
def test_a_history_that_is_none_is_refused(history, message):
    with pytest.raises(InvalidParameter, match=message):
        fitted(MarkovRecommender).scores(np.array([0]), history=history)


# What they share


@pytest.mark.parametrize("made", BASELINES)
def test_one_person_alone_gets_the_answer_of_the_batch(made, rng):
    log = random_log(rng)
    model = fitted(made, log)
    together = model.scores(np.arange(30))
    assert together.shape == (30, 12)
    for user in (0, 17, 29):
        alone = model.scores(np.array([user]))
        assert alone[0] == pytest.approx(together[user], abs=1e-12)


@pytest.mark.parametrize("made", [ItemKNNRecommender, EASERecommender, PopularRecommender])
def test_naming_the_items_otherwise_changes_nothing_else(made, rng):
    log = random_log(rng)
    names = rng.permutation(12)
    renamed = replace(log, items=names[log.items])
    scores = fitted(made, log).scores(np.arange(30))
    assert fitted(made, renamed).scores(np.arange(30))[:, names] == pytest.approx(scores)


@pytest.mark.parametrize("made", BASELINES)
def test_weights_do_not_count(made, rng):
    log = random_log(rng)
    weighted = replace(log, weights=rng.random(len(log)) * 5)
    users = np.arange(30)
    assert (fitted(made, log).scores(users) == fitted(made, weighted).scores(users)).all()


@pytest.mark.parametrize("made", PROFILE_BASELINES)
def test_a_pair_that_occurs_twice_counts_once(made):
    twice = log_of([0, 1, 0, 2, 1], [0, 1, 1], [1, 3], n_items=4)
    assert fitted(made, twice).scores(EVERYBODY) == pytest.approx(fitted(made).scores(EVERYBODY))


@pytest.mark.parametrize("made", BASELINES)
def test_a_log_of_other_sizes_is_refused(made):
    message = r"the log has 3 users and 4 items, the model 3 and 5\. Build the model with"
    with pytest.raises(InvalidParameter, match=message):
        made(3, 5).fit(LOG)


@pytest.mark.parametrize("made", BASELINES)
def test_an_unfitted_model_and_one_of_an_empty_log_still_answer(made):
    empty = log_of([], [], [], n_items=4)
    for model in (made(3, 4), made(3, 4).fit(empty)):
        assert model.scores(EVERYBODY).shape == (3, 4)
        assert len(model.recommend(0, 2)) == 2
        if made is not RandomRecommender:
            assert not model.scores(EVERYBODY).any()


@pytest.mark.parametrize("made", BASELINES)
def test_a_saved_model_continues_as_the_same(made, tmp_path, rng):
    log = random_log(rng)
    model = fitted(made, log)
    model.save(tmp_path / "model.npz")
    loaded = made.load(tmp_path / "model.npz")
    for each in (model, loaded):
        each.update(3, 5, 1.0)
    users = np.arange(30)
    assert (loaded.scores(users) == model.scores(users)).all()
    assert loaded.params() == model.params()


@pytest.mark.parametrize("made", PROFILE_BASELINES)
def test_new_answers_join_the_profile_and_leave_the_items_as_fitted(made, rng):
    # person 2 takes 0: the profile is that of a person who took 0, 1, 3 from the start
    model = fitted(made)
    kept = {name: value.copy() for name, value in model.arrays().items()}
    users, items = [2, 2, 0, 1, 1], [0, 0, 1, 2, 3]
    model.update_batch(answers(users, items, np.array([0.5, 1.0, 1.0, 0.0, -1.0])))
    assert model._profiles(EVERYBODY).toarray().tolist() == [
        [1, 1, 1, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 1],
    ]
    for name, value in model.arrays().items():
        if not name.startswith(("profile", "user")):
            assert (value == kept[name]).all(), name
    assert model.scores(np.array([1])) == pytest.approx(fitted(made).scores(np.array([1])))
    assert not np.allclose(model.scores(np.array([2])), fitted(made).scores(np.array([2])))


def test_a_profile_that_grew_scores_as_one_that_was_fitted():
    model = fitted(ItemKNNRecommender)
    model.update_batch(answers([2], [0]))
    cosines = [NEAR_01, NEAR_01 + NEAR_13, NEAR_02 + NEAR_12, NEAR_13]
    assert model.scores(np.array([2]))[0] == pytest.approx(cosines)


def test_als_solves_the_factors_of_those_who_answered_anew():
    model = fitted(ALSRecommender, factors=2, alpha=2.0)
    before = model.user_factors.copy()
    model.update_batch(answers([2, 0], [0, 3], np.array([1.0, 0.0])))
    gram = model.item_factors.T @ model.item_factors
    expected = folded_in(model.item_factors[[0, 1, 3]], gram, 2.0, 1.0)
    assert model.user_factors[2] == pytest.approx(expected)
    assert (model.user_factors[:2] == before[:2]).all()


@pytest.mark.parametrize("made", BASELINES)
def test_codes_outside_the_model_are_refused(made):
    model = fitted(made)
    with pytest.raises(InvalidParameter, match="items must be between 0 and 3, got 4"):
        model.update_batch(answers([0], [4]))
    with pytest.raises(InvalidParameter, match="users must be between 0 and 2, got 3"):
        model.recommend(3, 1)


@pytest.mark.parametrize(
    ("made", "array", "value", "message"),
    [
        (ItemKNNRecommender, "profile_starts", np.array([0, 3, 5]), "sparse arrays of the profile"),
        (EASERecommender, "profile_items", np.array([0, 1, 2, 0, 1, 1, 4]), "of the profiles"),
        (ALSRecommender, "profile_items", np.array([0, 1, 2]), "sparse arrays of the profiles"),
        (ItemKNNRecommender, "neighbour_items", np.array([0]), "sparse arrays of the neighbours"),
        (ItemKNNRecommender, "neighbour_starts", np.zeros(4, dtype=int), "of the neighbours"),
        (EASERecommender, "item_weights", np.zeros((4, 3)), "array 'item_weights' has shape"),
        (ALSRecommender, "user_factors", np.zeros((3, 31)), "array 'user_factors' has shape"),
        (MarkovRecommender, "next_counts", np.ones(9), "sparse arrays of the transitions"),
        (MarkovRecommender, "next_starts", np.array([0, 1, 3, 2, 3]), "of the transitions"),
        (MarkovRecommender, "popularity", np.zeros(3), "array 'popularity' has shape"),
        (PopularRecommender, "counts", np.zeros(5), "array 'counts' has shape"),
    ],
)
def test_a_file_with_another_shape_is_refused(made, array, value, message, tmp_path):
    file = tmp_path / "model.npz"
    fitted(made).save(file)
    header, arrays = load_arrays(file)
    assert array in arrays
    save_arrays(file, {**arrays, array: value}, header)
    with pytest.raises(DamagedFile, match=rf"model\.npz: .*{message}"):
        made.load(file)


@pytest.mark.parametrize(
    ("made", "params", "message"),
    [
        (ItemKNNRecommender, {"n_neighbours": 0}, "n_neighbours must be a whole number of at"),
        (EASERecommender, {"regularization": 0}, "regularization must be a number above 0, got 0"),
        (EASERecommender, {"max_items": 0}, "max_items must be a whole number of at least 1"),
        (ALSRecommender, {"factors": 0}, "factors must be a whole number of at least 1, got 0"),
        (ALSRecommender, {"iterations": 0}, "iterations must be a whole number of at least 1"),
        (ALSRecommender, {"threads": 0}, "threads must be a whole number of at least 1"),
        (ALSRecommender, {"alpha": 0}, "alpha must be a number above 0, got 0"),
        (ALSRecommender, {"regularization": -1}, "regularization must be a number above 0"),
        (MarkovRecommender, {"n_recent": 0}, "n_recent must be a whole number of at least 1"),
        (MarkovRecommender, {"decay": 0}, "decay must be above 0 and at most 1, got 0"),
        (MarkovRecommender, {"decay": 1.5}, "decay must be above 0 and at most 1, got 1.5"),
    ],
)
def test_a_bad_hyperparameter_is_named(made, params, message):
    with pytest.raises(InvalidParameter, match=f"{made.__name__}: {message}"):
        made(3, 4, **params)


def test_a_catalogue_of_many_items_stays_sparse():
    n_items = 60_000
    log = log_of([5, 59_999], [5, 59_999, 17], n_items=n_items)
    markov = fitted(MarkovRecommender, log)
    knn = fitted(ItemKNNRecommender, log)
    for model in (markov, knn):
        assert sum(array.nbytes for array in model.arrays().values()) < 30 * n_items
    assert markov.recommend(0, 1, history=np.array([59_999]), explore=False) == [17]
    assert knn.recommend(0, 1, exclude=[5, 59_999], explore=False) == [17]
