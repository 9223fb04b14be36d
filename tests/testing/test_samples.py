"""The small world of the checks is what it says."""

import numpy as np
import pytest

from recloop.models.baselines.markov import MarkovRecommender
from recloop.models.baselines.popular import PopularRecommender
from recloop.models.contextual_bandit import ContextualBanditRecommender
from recloop.testing import ContractBroken, sample_log, sample_steps
from recloop.testing.samples import (
    close,
    fresh,
    learned_state,
    liked_item,
    sample_moment,
    saved_bytes,
    taught,
    teach,
)


@pytest.mark.parametrize(("n_users", "n_items"), [(4, 6), (12, 10), (7, 31)])
def test_everybody_takes_the_liked_item_in_turn_with_three_others(n_users, n_items):
    log = sample_log(n_users, n_items)
    liked = liked_item(n_items)
    assert len(log) == 6 * n_users
    assert (np.diff(log.users) >= 0).all()
    for user in range(n_users):
        items = log.items[log.users == user].tolist()
        assert items[::2] == [liked] * 3
        assert len({*items[1::2], liked}) == 4
    assert log.items.min() >= 0
    assert log.items.max() < n_items
    assert np.bincount(log.items).argmax() == liked


def test_the_liked_item_is_neither_first_nor_last():
    assert liked_item(10) == 8


def test_sample_steps_pay_for_the_liked_item_and_end_there():
    steps = sample_steps(PopularRecommender(12, 10), 4000)
    is_liked = steps.items == 8
    assert 0.85 < steps.rewards[is_liked].mean() < 0.95
    assert 0.02 < steps.rewards[~is_liked].mean() < 0.08
    assert set(steps.discounts) == {0.0}
    assert steps.histories.shape == (4000, 0)
    assert steps.contexts is None


def test_histories_of_sample_steps_grow_by_what_was_liked():
    steps = sample_steps(MarkovRecommender(12, 10, n_recent=3), 200)
    for row in range(200):
        before, after = steps.histories[row].tolist(), steps.next_histories[row].tolist()
        assert after == ([int(steps.items[row]), *before[:2]] if steps.rewards[row] else before)


def test_a_moment_has_the_widths_that_the_model_declares():
    plain = sample_moment(PopularRecommender(12, 10), 5)
    assert plain.history is None
    assert plain.context is None
    told = sample_moment(MarkovRecommender(12, 10, n_recent=3), 500)
    assert told.history.shape == (500, 3)
    n_known = (told.history >= 0).sum(axis=1)
    assert set(n_known) == {0, 1, 2, 3}
    assert all((row[:n] >= 0).all() for row, n in zip(told.history, n_known, strict=True))
    bandit = sample_moment(ContextualBanditRecommender(12, 10, context_dim=4), 5)
    assert bandit.context.shape == (5, 4)
    users, given = zip(*bandit.rows(), strict=True)
    assert list(users) == bandit.users.tolist()
    np.testing.assert_array_equal(given[2]["context"], bandit.context[2])
    assert given[2]["history"] is None


def test_a_fitted_model_is_taught_by_the_log_and_others_by_steps():
    assert taught(lambda seed: PopularRecommender(12, 10, seed=seed)).counts[8] == 36
    bandit = taught(lambda seed: ContextualBanditRecommender(12, 10, seed=seed), n_steps=64)
    assert bandit.n_updates.sum() == 64


def test_steps_are_given_32_at_a_time():
    sizes = []

    class Counts:
        def update_batch(self, steps):
            sizes.append(len(steps))

    teach(Counts(), sample_steps(PopularRecommender(12, 10), 70))
    assert sizes == [32, 32, 6]


@pytest.mark.parametrize(("n_users", "n_items"), [(3, 6), (4, 5)])
def test_a_factory_of_too_small_models_is_told(n_users, n_items):
    with pytest.raises(ContractBroken, match=rf"make_model gave {n_users} and {n_items}$"):
        fresh(lambda seed: PopularRecommender(n_users, n_items, seed=seed))


def test_a_factory_that_drops_the_seed_is_told():
    with pytest.raises(ContractBroken, match=r"make_model\(3\) must pass its seed on, got 0"):
        fresh(lambda seed: PopularRecommender(4, 6), 3)


def test_a_look_without_learning_leaves_the_learned_state_and_a_draw_changes_the_bytes():
    model = PopularRecommender(12, 10)
    state, content = learned_state(model), saved_bytes(model)
    assert saved_bytes(model) == content
    model.recommend(0)
    assert learned_state(model) == state
    assert saved_bytes(model) != content


def test_numbers_are_close_up_to_rounding_of_their_precision():
    exact = np.array([1000.0, 0.0])
    assert close(exact, exact + 1e-7)
    assert not close(exact, exact + 1e-5)
    assert close(exact.astype(np.float32), exact + 1e-2)
    assert not close(exact.astype(np.float32), exact + 1.0)
    assert not close(exact, exact[:1])
    assert close(np.zeros(2), np.zeros(2))
    assert not close(np.zeros(2), np.full(2, 1e-20))
