"""PureSVD against singular value decompositions that can be done by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidData, InvalidParameter
from recloop.models.baselines.pure_svd import PureSVDRecommender
from recloop.types import Interactions, Transitions
from recloop.utils.seeding import stream


def _log(pairs, n_users, n_items):
    users, items = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    return Interactions(
        users=users,
        items=items,
        weights=np.full(len(users), 5.0),
        timestamps=np.zeros(len(users)),
        n_users=n_users,
        n_items=n_items,
    )


# Users 0 and 1 took items 0, 1 and 2, users 2 and 3 took items 3 and 4: two blocks of ones, with
# singular values sqrt(2 * 3) and sqrt(2 * 2), so that the first factor is the block of users 0, 1.
GROUPS = [(u, i) for u in (0, 1) for i in (0, 1, 2)] + [(u, i) for u in (2, 3) for i in (3, 4)]


def test_one_factor_is_the_larger_group():
    model = PureSVDRecommender(4, 5, n_factors=1).fit(_log(GROUPS, 4, 5))
    expected = np.zeros((4, 5))
    expected[:2, :3] = 1.0
    np.testing.assert_allclose(model.scores(np.arange(4)), expected, atol=1e-10)
    assert model.user_factors.shape == (4, 1)
    # p_u = u sigma: |p_0| = sqrt(6) / sqrt(2); q_i = 1 / sqrt(3)
    assert abs(model.user_factors[0, 0]) == pytest.approx(np.sqrt(3))
    assert abs(model.item_factors[0, 0]) == pytest.approx(1 / np.sqrt(3))


def test_two_factors_are_both_groups():
    model = PureSVDRecommender(4, 5, n_factors=2).fit(_log(GROUPS, 4, 5))
    expected = np.zeros((4, 5))
    expected[:2, :3] = expected[2:, 3:] = 1.0
    np.testing.assert_allclose(model.scores(np.arange(4)), expected, atol=1e-10)
    np.testing.assert_allclose(model.scores(np.array([3, 0])), expected[[3, 0]], atol=1e-10)


def test_a_rank_beyond_the_matrix_gives_the_matrix():
    model = PureSVDRecommender(4, 5, n_factors=50).fit(_log(GROUPS, 4, 5))
    assert model.user_factors.shape == (4, 4)
    assert model.item_factors.shape == (5, 4)
    assert model.scores(np.arange(4))[0] == pytest.approx([1, 1, 1, 0, 0], abs=1e-10)


@pytest.mark.parametrize("n_factors", [3, 4, 5])
def test_sparse_and_dense_decompositions_meet_at_the_border(n_factors):
    rng = stream(0, "svd border")
    pairs = [(int(user), int(item)) for user, item in rng.integers([4, 6], size=(9, 2))]
    model = PureSVDRecommender(4, 6, n_factors=n_factors).fit(_log(pairs, 4, 6))
    taken = np.zeros((4, 6))
    taken[tuple(np.array(sorted(pairs)).T)] = 1.0
    left, values, right = np.linalg.svd(taken, full_matrices=False)
    best = (left[:, :n_factors] * values[:n_factors]) @ right[:n_factors]
    np.testing.assert_allclose(model.scores(np.arange(4)), best, atol=1e-9)


def test_a_pair_counts_once_whatever_its_weight():
    once = PureSVDRecommender(4, 5, n_factors=1).fit(_log(GROUPS, 4, 5))
    twice = PureSVDRecommender(4, 5, n_factors=1).fit(_log(GROUPS + GROUPS[6:], 4, 5))
    np.testing.assert_allclose(
        once.scores(np.arange(4)), twice.scores(np.arange(4)), rtol=0, atol=1e-10
    )


def test_people_and_items_that_the_log_does_not_name_are_there():
    model = PureSVDRecommender(6, 7, n_factors=2).fit(_log(GROUPS, 6, 7))
    scores = model.scores(np.arange(6))
    assert scores.shape == (6, 7)
    np.testing.assert_allclose(scores[4:], 0.0, atol=1e-10)
    np.testing.assert_allclose(scores[:, 5:], 0.0, atol=1e-10)


def test_fitting_twice_gives_the_same_bytes():
    first = PureSVDRecommender(4, 5, n_factors=2).fit(_log(GROUPS, 4, 5))
    second = PureSVDRecommender(4, 5, n_factors=2).fit(_log(GROUPS, 4, 5))
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name])


def test_the_rank_is_free_and_the_sizes_are_not():
    shapes = {f.name: f.metadata["shape"] for f in PureSVDRecommender._learned_fields()}
    assert shapes == {"user_factors": ("n_users", "?"), "item_factors": ("n_items", "?")}
    assert PureSVDRecommender(4, 5).n_factors == 50


def test_an_empty_log_is_refused():
    with pytest.raises(InvalidData, match=r"^PureSVDRecommender: the log is empty"):
        PureSVDRecommender(4, 5).fit(_log([], 4, 5))


def test_a_log_of_other_sizes_is_refused():
    with pytest.raises(
        InvalidParameter, match="the log has 5 users and 5 items, the model 4 and 5"
    ):
        PureSVDRecommender(4, 5).fit(_log(GROUPS, 5, 5))


@pytest.mark.parametrize("n_factors", [0, -1, 1.5])
def test_the_rank_is_a_positive_whole_number(n_factors):
    with pytest.raises(InvalidParameter, match=r"^PureSVDRecommender: n_factors must be a whole"):
        PureSVDRecommender(4, 5, n_factors=n_factors)


def test_before_fitting_everything_is_worth_nothing():
    assert PureSVDRecommender(2, 3).scores(np.array([0, 1])).tolist() == [[0.0] * 3] * 2


# one answer moves one person


def _with_factors(users, items):
    model = PureSVDRecommender(len(users), len(items), n_factors=2)
    model.user_factors, model.item_factors = np.array(users, float), np.array(items, float)
    return model


def _step(user, item, reward):
    return Transitions(np.array([user]), np.array([item]), np.array([float(reward)]))


def test_an_answer_moves_the_person_along_the_item():
    # |q|^2 = 4 and 1, mean 2.5; error 1 - p.q = 1; p moves by 1 * (2, 0) / (2.5 + 4)
    model = _with_factors([[0, 0], [1, 1]], [[2, 0], [0, 1]])
    model.update_batch(_step(0, 0, 1))
    assert model.user_factors[0] == pytest.approx([2 / 6.5, 0])
    assert model.user_factors[1].tolist() == [1, 1]
    assert model.item_factors.tolist() == [[2, 0], [0, 1]]


def test_a_second_answer_starts_where_the_first_ended():
    # user 1 at (1, 1), item 0: error 0 - 2; moves by -2 * (2, 0) / 6.5 to (1 - 4/6.5, 1);
    # then item 1: error 1 - 1 = 0: stays
    model = _with_factors([[0, 0], [1, 1]], [[2, 0], [0, 1]])
    model.update_batch(
        Transitions(np.array([1, 1]), np.array([0, 1]), np.array([0.0, 1.0])),
    )
    assert model.user_factors[1] == pytest.approx([1 - 4 / 6.5, 1])


def test_before_fitting_an_answer_changes_nothing():
    model = PureSVDRecommender(2, 3)
    model.update_batch(_step(0, 1, 1))
    assert not model.user_factors.any()


@given(st.floats(-3, 3), st.floats(0, 1), st.integers(0, 1))
def test_an_answer_brings_the_estimate_nearer(place, reward, item):
    model = _with_factors([[place, 1.0]], [[2, 0.5], [0, 1]])
    before = abs(reward - model.scores(np.array([0]))[0, item])
    model.update_batch(_step(0, item, reward))
    assert abs(reward - model.scores(np.array([0]))[0, item]) <= before + 1e-12
