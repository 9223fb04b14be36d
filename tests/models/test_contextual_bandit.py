"""The contextual bandit: ridge regression by hand, both layouts, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import ContextualBanditRecommender, LinUCBRecommender, packed
from recloop.models import contextual_bandit as module
from recloop.models.cooccurrence import counts_after
from recloop.models.features import item_table, user_table
from recloop.training.offline import logged_steps
from recloop.types import Interactions, Transitions
from recloop.utils.files import load_arrays, save_arrays
from recloop.utils.seeding import stream

LAYOUTS = ["disjoint", "shared"]
N_USERS, N_ITEMS = 6, 8


def random_log(rng: np.random.Generator) -> Interactions:
    users = np.repeat(np.arange(N_USERS), 7)
    items = np.concatenate([rng.permutation(N_ITEMS)[:7] for _ in range(N_USERS)])
    times = np.tile(np.arange(7.0), N_USERS)
    return Interactions(users, items, np.ones(len(users)), times, N_USERS, N_ITEMS)


def bandit(layout: str, rng: np.random.Generator, **params) -> ContextualBanditRecommender:
    """A small bandit with features of a random log."""
    params = {"context_dim": 3, "n_recent": 4, "window": 2, **params}
    model = ContextualBanditRecommender(N_USERS, N_ITEMS, layout=layout, **params)
    return model.fit_features(
        random_log(rng), rng.standard_normal((N_ITEMS, 2)), rng.standard_normal((N_USERS, 2))
    )


def answers(rng: np.random.Generator, n: int, feedback: str) -> Transitions:
    return Transitions(
        users=rng.integers(0, N_USERS, n),
        items=rng.integers(0, N_ITEMS, n),
        rewards=rng.random(n),
        histories=rng.integers(-1, N_ITEMS, (n, 4)),
        contexts=rng.standard_normal((n, 3)),
        feedback=feedback,  # pyright: ignore[reportArgumentType]
    )


def wide(model: ContextualBanditRecommender, name: str) -> np.ndarray:
    return getattr(model, name)[0]


def whole(model: ContextualBanditRecommender, name: str) -> np.ndarray:
    return packed.unpacked(getattr(model, name), model.weights.shape[1])


def require_inverse(model: ContextualBanditRecommender) -> None:
    eye = np.tile(np.eye(model.weights.shape[1]), (model.n_arms, 1, 1))
    assert whole(model, "evidence") @ whole(model, "inverse") == pytest.approx(eye, abs=1e-9)


# One regression for every item, by hand


def test_the_first_answer_moves_the_item_that_was_shown():
    model = ContextualBanditRecommender(2, 3, 2)
    model.update(0, 1, 3.0, context=np.array([1.0, 2.0]))
    # A = I + (1, 2)(1, 2)^T, b = 3 (1, 2): theta = (1/2, 1), worked out in test_arms.py
    assert model.weights == pytest.approx(np.array([[0, 0], [0.5, 1], [0, 0]]))
    scores = model.scores(np.array([0, 1]), context=np.array([[1.0, 2.0], [1.0, -1.0]]))
    assert scores == pytest.approx(np.array([[0, 2.5, 0], [0, -0.5, 0]]))


def test_acting_adds_alpha_deviations_and_looking_does_not():
    model = ContextualBanditRecommender(2, 2, 2, alpha=2.0)
    model.update(0, 1, 3.0, context=np.array([1.0, 2.0]))
    context = np.array([[1.0, 0.0]])
    acting = model.acting_scores(np.array([0]), context, None)
    # item 0: 2 sqrt(1). item 1: theta_0 = 1/2 and x^T A^-1 x = 5/6
    assert acting == pytest.approx(np.array([[2.0, 0.5 + 2 * (5 / 6) ** 0.5]]))
    assert model.scores(np.array([0]), context=context) == pytest.approx(np.array([[0, 0.5]]))


def test_forgetting_halves_the_evidence_and_restores_the_prior():
    model = ContextualBanditRecommender(1, 2, 1, learning_rate=0.5, regularization=1.0)
    two = np.array([2.0])
    model.update(0, 0, 1.0, context=two)
    # A: 1 -> 1/2 + 1/2 + 4 = 5, b: 0 -> 2
    assert model.evidence[0] == pytest.approx([5.0])
    model.update(0, 0, 1.0, context=two)
    # A: 5/2 + 1/2 + 4 = 7, b: 1 + 2
    assert model.evidence[0] == pytest.approx([7.0])
    assert model.weights[:, 0] == pytest.approx([3 / 7, 0])
    for _ in range(60):
        model.update(0, 0, 1.0, context=np.zeros(1))
    assert model.evidence[0] == pytest.approx([1.0])
    assert model.weights[:, 0] == pytest.approx([0, 0])


def test_a_choice_out_of_the_catalogue_is_evidence_on_every_item():
    model = ContextualBanditRecommender(1, 3, 1)
    choice = Transitions(
        users=np.array([0, 0]),
        items=np.array([1, 2]),
        rewards=np.array([1.0, 1.0]),
        contexts=np.array([[2.0], [1.0]]),
        feedback="chosen",
    )
    model.update_batch(choice)
    # A = 1 + 4 + 1 for all; b = 2 for item 1, 1 for item 2
    assert model.evidence[:, 0] == pytest.approx([6, 6, 6])
    assert model.weights[:, 0] == pytest.approx([0, 2 / 6, 1 / 6])


def test_the_last_change_is_how_far_the_predictions_of_the_rows_moved():
    model = ContextualBanditRecommender(1, 3, 1)
    assert np.isnan(model.last_change)
    rows = Transitions(
        np.array([0, 0]), np.array([0, 1]), np.array([1.0, -1.0]), contexts=np.array([[1.0], [2.0]])
    )
    model.update_batch(rows)
    # predictions: 1 * 1/2 and 2 * (-2/5), both were 0
    assert model.last_change == pytest.approx((0.5 + 0.8) / 2)
    model.update_batch(rows)
    # A = 3 and 9, b = 2 and -4: from 1/2 to 2/3 and from -4/5 to -8/9
    assert model.last_change == pytest.approx((2 / 3 - 1 / 2 + 8 / 9 - 4 / 5) / 2)
    model.update_batch(rows.rows(slice(0, 0)))
    assert model.last_change == 0


def test_a_prediction_is_the_sum_over_the_features_also_in_the_last_change():
    model = ContextualBanditRecommender(1, 1, 2)
    one = Transitions(
        np.array([0]), np.array([0]), np.array([3.0]), contexts=np.array([[1.0, 2.0]])
    )
    model.update_batch(one)
    assert model.last_change == pytest.approx(2.5)  # theta = (1/2, 1)
    model.update_batch(one)
    # A = I + 2 (1, 2)(1, 2)^T, b = 6 (1, 2): the prediction is 30/11
    assert model.last_change == pytest.approx(30 / 11 - 2.5)


def test_the_last_change_of_shared_parameters_is_that_of_the_pairs_that_were_shown(rng):
    model = bandit("shared", rng)
    rows = answers(rng, 6, "shown")
    for _ in range(2):
        features = model._features()
        seen = features.rows(rows.users, rows.histories, rows.contexts)
        pairs = features.pairs(seen, rows.items)
        before = pairs @ wide(model, "weights")
        model.update_batch(rows)
        moved = np.abs(pairs @ wide(model, "weights") - before)
        assert model.last_change == pytest.approx(moved.mean())


# One regression for all pairs


@pytest.mark.parametrize("learning_rate", [0.0, 0.1])
@pytest.mark.parametrize("feedback", ["shown", "chosen"])
def test_shared_parameters_are_the_ridge_regression_over_all_pairs(rng, feedback, learning_rate):
    model = bandit("shared", rng, regularization=0.7, learning_rate=learning_rate)
    rows = answers(rng, 9, feedback)
    model.update_batch(rows)
    features = model._features()
    evidence, rewards = 0.7 * np.eye(features.width), np.zeros(features.width)
    for row in range(9):
        one = rows.rows(slice(row, row + 1))
        if feedback == "chosen":
            seen = features.rows_without_own_step(one.users, one.histories, one.contexts, one.items)
            items = np.arange(N_ITEMS)
        else:
            seen = features.rows(one.users, one.histories, one.contexts)
            items = one.items
        pairs = np.concatenate([features.pairs(seen, np.array([item])) for item in items])
        earned = np.where(items == one.items[0], one.rewards[0], 0.0)
        keep = 1 - learning_rate
        evidence = keep * evidence + learning_rate * 0.7 * np.eye(len(evidence)) + pairs.T @ pairs
        rewards = keep * rewards + pairs.T @ earned
    assert whole(model, "evidence")[0] == pytest.approx(evidence)
    assert wide(model, "reward_sums") == pytest.approx(rewards)
    assert wide(model, "weights") == pytest.approx(np.linalg.solve(evidence, rewards))


def test_shared_scores_and_bonus_are_those_of_every_pair(rng):
    model = bandit("shared", rng, alpha=0.5)
    model.update_batch(answers(rng, 30, "shown"))
    seen = answers(rng, 4, "shown")
    features = model._features()
    rows = features.rows(seen.users, seen.histories, seen.contexts)
    pairs = np.stack([features.pairs(rows, np.full(4, item)) for item in range(N_ITEMS)], axis=1)
    mean = pairs @ wide(model, "weights")
    variance = np.einsum("bnp,pq,bnq->bn", pairs, whole(model, "inverse")[0], pairs)
    scores = model.scores(seen.users, context=seen.contexts, history=seen.histories)
    acting = model.acting_scores(seen.users, seen.contexts, seen.histories)
    assert scores == pytest.approx(mean)
    assert acting == pytest.approx(mean + 0.5 * np.sqrt(variance))


def test_shared_learns_a_cycle_from_a_log_and_does_not_move_with_more_passes():
    # everyone goes round 0 1 2 ... 19 from a place of their own
    users = np.repeat(np.arange(40), 8)
    items = (np.repeat(np.arange(40) * 7, 8) + np.tile(np.arange(8), 40)) % 20
    log = Interactions(users, items, np.ones(320), np.tile(np.arange(8.0), 40), 40, 20)
    model = ContextualBanditRecommender(40, 20, layout="shared").fit_features(log)
    steps = logged_steps(log, model.history_length).transitions(0.0)
    model.update_batch(steps)
    history = np.stack([(np.arange(20) - lag) % 20 for lag in range(model.history_length)], axis=1)
    found = model.recommend_batch(np.arange(20), 1, history=history, explore=False)
    assert found[:, 0].tolist() == ((np.arange(20) + 1) % 20).tolist()
    before = model.scores(np.arange(20), history=history)
    for _ in range(9):
        model.update_batch(steps)
    assert model.scores(np.arange(20), history=history) == pytest.approx(before, abs=0.01)


def test_a_row_of_the_log_does_not_see_its_own_answer():
    # nobody ever repeats a step: counts that held the own step would explain every choice
    users = np.repeat(np.arange(10), 2)
    items = np.arange(20)
    log = Interactions(users, items, np.ones(20), np.arange(20.0), 10, 20)
    model = ContextualBanditRecommender(10, 20, layout="shared").fit_features(log)
    model.update_batch(logged_steps(log, model.history_length).transitions(0.0))
    assert wide(model, "weights")[-2:] == pytest.approx([0, 0], abs=1e-12)


def test_the_features_are_those_of_the_log_and_the_tables_given(rng):
    log = random_log(rng)
    items, users = rng.standard_normal((N_ITEMS, 2)), rng.standard_normal((N_USERS, 3))
    model = ContextualBanditRecommender(
        N_USERS, N_ITEMS, 4, layout="shared", window=2, decay=0.6
    ).fit_features(log, items, users)
    features = model._features()
    assert (features.item_table == item_table(log, items)).all()
    assert (features.user_table == user_table(log, users)).all()
    assert (features.near.toarray() == counts_after(log, 2).toarray()).all()
    assert (features.context_dim, features.window, features.decay) == (4, 2, 0.6)
    assert features.width == (4 + 4) * 5 + 2


def test_features_are_renewed_by_fitting_them_again_and_evidence_begins_anew(rng):
    model = bandit("shared", rng)
    width = len(wide(model, "weights"))
    model.update_batch(answers(rng, 5, "shown"))
    model.fit_features(random_log(rng))
    assert len(wide(model, "weights")) < width
    assert not model.weights.any()
    assert not model.reward_sums.any()


# Both layouts


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("feedback", ["shown", "chosen"])
@pytest.mark.parametrize("learning_rate", [0.0, 0.05])
def test_a_batch_is_its_rows_one_by_one(rng, layout, feedback, learning_rate):
    rows = answers(rng, 40, feedback)
    seed = rng.integers(2**31)
    models = [
        bandit(layout, np.random.default_rng(seed), learning_rate=learning_rate) for _ in range(3)
    ]
    models[0].update_batch(rows)
    for row in range(40):
        models[1].update_batch(rows.rows(slice(row, row + 1)))
    for start in range(0, 40, 3):
        models[2].update_batch(rows.rows(slice(start, start + 3)))
    for other in models[1:]:
        for name in ("evidence", "inverse", "reward_sums", "weights", "n_updates"):
            got = getattr(other, name)
            assert got == pytest.approx(getattr(models[0], name), abs=1e-10), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_of_a_long_batch_are_one_batch(rng, layout, monkeypatch):
    rows = answers(rng, 40, "shown")
    seed = rng.integers(2**31)
    whole, blocks = (
        bandit(layout, np.random.default_rng(seed), learning_rate=0.1) for _ in range(2)
    )
    whole.update_batch(rows)
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 16)
    blocks.update_batch(rows)
    assert blocks.weights == pytest.approx(whole.weights, abs=1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("feedback", ["shown", "chosen"])
@pytest.mark.parametrize("learning_rate", [0.0, 0.05])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_inverse_stays_the_inverse(rng, layout, feedback, learning_rate, batch_size):
    model = bandit(layout, rng, learning_rate=learning_rate, regularization=0.3)
    for _ in range(12):
        require_inverse(model)
        model.update_batch(answers(rng, batch_size, feedback))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rounding_is_cleared_after_many_rank_updates(rng, layout):
    model = bandit(layout, rng)
    row = answers(rng, 1, "shown")
    arm = 0 if layout == "shared" else row.items[0]
    model.update_batch(row)
    assert model.n_updates[arm] == 1 == model.n_updates.sum()
    model.inverse *= 1.001  # as if rounding had added up
    model.n_updates[:] = packed.RANK_UPDATES_BEFORE_REFRESH - 2
    before = model.inverse[arm].copy()
    model.update_batch(row)
    assert whole(model, "evidence")[arm] @ whole(model, "inverse")[arm] != pytest.approx(
        np.eye(model.weights.shape[1]), abs=1e-6
    )
    assert (model.inverse[arm] != before).any()
    model.update_batch(row)
    assert whole(model, "evidence")[arm] @ whole(model, "inverse")[arm] == pytest.approx(
        np.eye(model.weights.shape[1]), abs=1e-9
    )
    assert model.n_updates[arm] == 0


def test_the_disjoint_layout_is_lin_ucb_row_by_row(rng):
    model = ContextualBanditRecommender(1, 5, 4, alpha=0.7, regularization=2.0)
    other = LinUCBRecommender(1, 5, context_dim=4, alpha=0.7, regularization=2.0)
    rows = Transitions(
        np.zeros(90, int), rng.integers(0, 5, 90), rng.normal(size=90), contexts=rng.random((90, 4))
    )
    for each in (model, other):
        each.update_batch(rows)
    for name in ("evidence", "inverse", "reward_sums", "weights", "n_updates"):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
    moment, users = rng.random((7, 4)), np.zeros(7, int)
    left, right = (each.acting_scores(users, moment, None) for each in (model, other))
    np.testing.assert_array_equal(left, right)


def test_later_rows_counts_those_of_the_same_item():
    assert module._later_rows(np.array([5, 1, 5, 5, 1])).tolist() == [2, 1, 1, 0, 0]
    assert module._later_rows(np.array([], dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_the_first_version_is_still_read(rng, layout, tmp_path):
    model, file = bandit(layout, rng), tmp_path / "bandit.npz"
    model.update_batch(answers(rng, 30, "shown"))
    model.save(file)
    header, arrays = load_arrays(file)
    del arrays["n_updates"]  # and whole matrices
    for name in ("evidence", "inverse"):
        arrays[name] = whole(model, name)
    counters = {"n_rank_updates": 30, "last_change": header["counters"]["last_change"]}
    save_arrays(file, arrays, {**header, "counters": counters})
    loaded = ContextualBanditRecommender.load(file)
    for name, value in model.arrays().items():
        if name != "n_updates":
            np.testing.assert_array_equal(loaded.arrays()[name], value, err_msg=name)
    for each in (model, loaded):
        each.update_batch(answers(np.random.default_rng(0), 9, "shown"))
    assert (loaded.weights == model.weights).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_looking_teaches_nothing(rng, layout):
    model = bandit(layout, rng)
    model.update_batch(answers(rng, 20, "shown"))
    before = {name: value.copy() for name, value in model.arrays().items()}
    model.recommend(0, 3)
    model.recommend(0, 3, explore=False, history=np.array([1, 2]), context=np.ones(3))
    model.decide(1, 2)
    for name, value in before.items():
        assert (model.arrays()[name] == value).all(), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_person_alone_gets_the_answer_of_the_batch(rng, layout):
    model = bandit(layout, rng)
    model.update_batch(answers(rng, 20, "shown"))
    seen = answers(rng, 5, "shown")
    scores = model.scores(seen.users, context=seen.contexts, history=seen.histories)
    acting = model.acting_scores(seen.users, seen.contexts, seen.histories)
    for row in range(5):
        one = seen.rows(slice(row, row + 1))
        alone = model.scores(one.users, context=one.contexts, history=one.histories)
        assert alone[0] == pytest.approx(scores[row], abs=1e-12)
        alone = model.acting_scores(one.users, one.contexts, one.histories)
        assert alone[0] == pytest.approx(acting[row], abs=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_items_tie_exactly_in_any_batch(layout):
    model = ContextualBanditRecommender(50, 60, 9, layout=layout)
    users = np.arange(50)
    acting = model.acting_scores(users, None, None)
    assert (acting == acting[:, :1]).all()
    assert (model.acting_scores(users[7:8], None, None) == acting[7]).all()
    assert (model.scores(users) == 0).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_saved_bandit_continues_as_the_same(rng, layout, tmp_path):
    model = bandit(layout, rng, epsilon=0.3)
    model.update_batch(answers(rng, 20, "shown"))
    model.update(3, 5, 1.0)
    model.save(tmp_path / "bandit.npz")
    loaded = ContextualBanditRecommender.load(tmp_path / "bandit.npz")
    assert loaded.last_change == model.last_change
    assert loaded.counters() == model.counters()
    assert loaded.history_length == (4 if layout == "shared" else 0)
    for each in (model, loaded):
        each.update(2, 4, 0.5)
    users = np.arange(N_USERS)
    assert (loaded.scores(users) == model.scores(users)).all()
    assert (loaded.recommend_batch(users, 3) == model.recommend_batch(users, 3)).all()


@pytest.mark.parametrize(
    ("layout", "array", "shape"),
    [
        ("disjoint", "evidence", (N_ITEMS, 3, 4)),
        ("disjoint", "inverse", (N_ITEMS, 2, 2)),
        ("disjoint", "inverse", (N_ITEMS, 5)),
        ("disjoint", "n_updates", (N_ITEMS + 1,)),
        ("disjoint", "weights", (N_ITEMS, 4)),
        ("disjoint", "reward_sums", (N_ITEMS + 1, 3)),
        ("disjoint", "user_codes", (N_USERS, 2)),
        ("shared", "evidence", (1, 3, 3)),
        ("shared", "inverse", (2, 32, 32)),
        ("shared", "reward_sums", (1, 4)),
        ("shared", "weights", (1, 33)),
        ("shared", "item_table", (N_ITEMS + 1, 5)),
        ("shared", "user_table", (N_USERS + 1, 3)),
        ("shared", "near_counts", (3,)),
        ("shared", "near_starts", (N_ITEMS,)),
    ],
)
def test_a_file_with_another_shape_is_refused(rng, layout, array, shape, tmp_path):
    file = tmp_path / "bandit.npz"
    bandit(layout, rng).save(file)
    header, arrays = load_arrays(file)
    assert arrays[array].shape != shape
    arrays[array] = np.zeros(shape, dtype=arrays[array].dtype)
    save_arrays(file, arrays, header)
    what = "sparse arrays of what is near" if array.startswith("near") else f"array '{array}' has"
    with pytest.raises(DamagedFile, match=rf"bandit\.npz: .*{what}"):
        ContextualBanditRecommender.load(file)


def test_a_file_without_its_counters_is_refused(rng, tmp_path):
    file = tmp_path / "bandit.npz"
    bandit("disjoint", rng).save(file)
    header, arrays = load_arrays(file)
    save_arrays(file, arrays, {**header, "counters": {"last_change": "much"}})
    with pytest.raises(DamagedFile, match="ContextualBanditRecommender: bad counters"):
        ContextualBanditRecommender.load(file)


# Who a person is without a context


def test_everyone_has_a_code_that_the_seed_decides():
    first, again, other = (
        ContextualBanditRecommender(500, 2, 10, seed=seed).user_codes for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert not (first[:, 1:] == other[:, 1:]).any()
    assert (first[:, 0] == 1).all()
    drawn = stream(1, "contextual_bandit", "codes").standard_normal((500, 9))
    assert first[:, 1:] == pytest.approx(drawn / 3)
    # the squared length of nine draws of variance 1/9: mean 1, deviation of the mean 0.021
    assert abs(np.square(first[:, 1:]).sum(axis=1).mean() - 1) < 0.1
    assert ContextualBanditRecommender(3, 2, 1).user_codes.tolist() == [[1]] * 3


def test_people_with_the_same_features_share_a_code(rng):
    model = ContextualBanditRecommender(4, 2, 5)
    nobody = np.empty(0, dtype=np.int64)
    log = Interactions(nobody, nobody, np.empty(0), np.empty(0), 4, 2)
    model.fit_features(log, None, np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]]))
    codes = model.user_codes
    assert codes.shape == (4, 5)
    assert (codes[0] == codes[2]).all()
    assert (codes[1] == codes[3]).all()
    # both columns are standardised to 1 and -1, and the drawn directions shortened to length 1
    drawn = stream(0, "contextual_bandit", "codes").standard_normal((2, 4)) / 2
    assert codes[0, 1:] == pytest.approx(drawn[0] - drawn[1])
    assert codes[1, 1:] == pytest.approx(drawn[1] - drawn[0])
    assert (codes[:, 0] == 1).all()


# What is refused


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_context_of_another_width_is_refused(rng, layout):
    model = bandit(layout, rng)
    message = r"context must have shape \(2, 3\), .* got \(2, 4\)"
    with pytest.raises(InvalidParameter, match=message):
        model.scores(np.array([0, 1]), context=np.ones((2, 4)))
    with pytest.raises(
        InvalidParameter, match="ContextualBanditRecommender: context must be finite"
    ):
        model.scores(np.array([0]), context=np.array([[1.0, np.inf, 0.0]]))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"context_dim": 0}, "context_dim must be a whole number of at least 1, got 0"),
        ({"n_recent": 0}, "n_recent must be a whole number of at least 1, got 0"),
        ({"window": 0}, "window must be a whole number of at least 1, got 0"),
        ({"learning_rate": 1}, "learning_rate must be at least 0 and below 1, got 1"),
        ({"learning_rate": -0.1}, "learning_rate must be at least 0 and below 1, got -0.1"),
        ({"alpha": -1}, "alpha must be a number of at least 0, got -1"),
        ({"regularization": 0}, "regularization must be a number above 0, got 0"),
        ({"epsilon": 2}, "epsilon must be between 0 and 1, got 2"),
        ({"decay": 0}, "decay must be above 0 and at most 1, got 0"),
        ({"decay": 1.1}, "decay must be above 0 and at most 1, got 1.1"),
        ({"layout": "hybrid"}, "layout must be one of 'disjoint', 'shared', got 'hybrid'"),
    ],
)
def test_a_bad_hyperparameter_is_named(params, message):
    with pytest.raises(InvalidParameter, match=f"ContextualBanditRecommender: {message}"):
        ContextualBanditRecommender(3, 4, **params)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_log_of_other_sizes_is_refused(rng, layout):
    with pytest.raises(InvalidParameter, match="the log has 6 users and 9 items, the model 6 and"):
        bandit(layout, rng).fit_features(replace(random_log(rng), n_items=9))


# That it learns


def test_the_arguments_stand_in_the_order_users_know():
    model = ContextualBanditRecommender(7, 9, 4, 0.01)
    assert (model.n_users, model.n_items, model.context_dim, model.learning_rate) == (7, 9, 4, 0.01)
    assert ContextualBanditRecommender(7, 9).context_dim == 10
    assert ContextualBanditRecommender(7, 9).learning_rate == 0


@pytest.mark.parametrize("learning_rate", [0.0, 0.01])
def test_the_familiar_loop_earns_four_times_random(rng, learning_rate):
    n_users, n_items = 12, 15
    liked = np.argsort(rng.random((n_users, n_items)), axis=1)[:, :2]
    bandit = ContextualBanditRecommender(
        n_users, n_items, context_dim=10, learning_rate=learning_rate
    )
    earned = []
    for _ in range(60):
        for user_id in range(n_users):
            recommendations = bandit.recommend(user_id, 10)
            reward = float(recommendations[0] in liked[user_id])
            bandit.update(user_id, recommendations[0], reward)
            earned.append(reward)
    assert np.mean(earned[-72:]) >= 4 * 2 / n_items


def test_exploring_finds_what_greedy_choices_never_try():
    # item 0 pays 1/2, item 2 pays 1: without a bonus the first that pays is kept for ever
    def total(alpha: float) -> float:
        model = ContextualBanditRecommender(1, 3, 1, alpha=alpha)
        model.update(0, 0, 0.5)
        earned = 0.0
        for _ in range(100):
            item = model.recommend(0, 1)[0]
            reward = (0.5, 0.0, 1.0)[item]
            model.update(0, item, reward)
            earned += reward
        return earned

    assert total(0.0) == 50
    assert total(1.0) > 85
