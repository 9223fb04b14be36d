"""A world fitted to a log holds what PureSVD sees in it."""

import numpy as np
import pytest

from recloop.errors import InvalidData
from recloop.models.baselines.pure_svd import PureSVDRecommender
from recloop.testing import sample_log
from recloop.training import fit_preference_world


def test_click_probabilities_are_the_models_estimates_within_floor_and_ceiling():
    log = sample_log(6, 8)
    world, model = fit_preference_world(log, n_factors=2, horizon=7, seed=4)
    expected = PureSVDRecommender(6, 8, n_factors=2, seed=4).fit(log).scores(np.arange(6))
    np.testing.assert_array_equal(model.scores(np.arange(6)), expected)
    np.testing.assert_array_equal(
        world.click_probabilities(np.arange(6)), np.clip(expected, 0.001, 0.95)
    )
    assert (world.n_users, world.n_items) == (6, 8)
    assert world.params.horizon == 7
    assert model.params() == {"n_users": 6, "n_items": 8, "seed": 4, "n_factors": 2}


def test_the_model_is_the_ceiling_of_its_world():
    world, model = fit_preference_world(sample_log(6, 8), n_factors=3)
    chances = world.click_probabilities(np.arange(6))
    best = model.recommend_batch(np.arange(6), 1, explore=False)[:, 0]
    np.testing.assert_array_equal(chances[np.arange(6), best], chances.max(axis=1))


def test_the_defaults_are_32_factors_and_sessions_of_20_steps():
    world, model = fit_preference_world(sample_log(6, 8))
    assert (model.n_factors, model.seed, world.params.horizon) == (32, 0, 20)


def test_an_empty_log_makes_no_world():
    log = sample_log(6, 8)
    with pytest.raises(InvalidData, match="the log is empty"):
        fit_preference_world(log.keep(np.zeros(len(log), dtype=np.bool_)))
