"""A row's reward model has not seen the row."""

import numpy as np
import pytest

from recloop.evaluation.cross_fitting import cross_fitted


class Memory:
    """Answers with the rewards it was fitted on, by the first column of the row; else -1."""

    def fit(self, x, y, sample_weight=None):
        self.known = dict(zip(x[:, 0].tolist(), y.tolist(), strict=True))
        self.weight = sample_weight

    def predict(self, x):
        return np.array([self.known.get(key, -1.0) for key in x[:, 0].tolist()])


def test_no_row_is_judged_by_a_model_that_saw_it(rng):
    n = 30
    q = cross_fitted(
        Memory(), np.arange(n)[:, None], np.arange(n) % 3, np.ones(n), 3, rng, n_folds=5
    )
    assert (q == -1).all()


def test_the_expected_reward_is_found_with_scikit_learn(rng):
    linear = pytest.importorskip("sklearn.linear_model")
    n = 600
    contexts, actions = rng.normal(size=(n, 2)), rng.integers(4, size=n)
    means = contexts[:, :1] + np.arange(4.0)
    given = linear.Ridge(alpha=1e-6)
    q = cross_fitted(given, contexts, actions, means[np.arange(n), actions], 4, rng)
    assert q == pytest.approx(means, abs=1e-3)
    assert not hasattr(given, "coef_")
    clicks = (rng.random(n) < 1 / (1 + np.exp(-means[np.arange(n), actions]))).astype(int)
    by_chance = cross_fitted(linear.LogisticRegression(), contexts, actions, clicks, 4, rng)
    assert by_chance.min() >= 0
    assert by_chance.max() <= 1
    assert np.abs(by_chance - 1 / (1 + np.exp(-means))).mean() < 0.08


def test_features_of_items_take_the_place_of_columns_and_weights_arrive(rng):
    seen = []

    class Sizes(Memory):
        def fit(self, x, y, sample_weight=None):
            seen.append((x.shape[1], sample_weight.sum()))
            super().fit(x, y)

    cross_fitted(
        Sizes(), np.zeros((8, 3)), np.zeros(8, int), np.ones(8), 5, rng, n_folds=2,
        item_features=np.ones((5, 2)), sample_weights=np.full(8, 2.0),
    )  # fmt: skip
    assert seen == [(5, 8.0), (5, 8.0)]


def test_too_few_rows_or_uneven_ones_are_refused(rng):
    with pytest.raises(ValueError, match="3 folds need as many rows, got 2"):
        cross_fitted(Memory(), np.zeros((2, 1)), np.zeros(2, int), np.ones(2), 1, rng)
    with pytest.raises(ValueError, match="must have as many rows"):
        cross_fitted(Memory(), np.zeros((4, 1)), np.zeros(3, int), np.ones(4), 1, rng)
    with pytest.raises(ValueError, match="rewards must be finite numbers, got nan"):
        cross_fitted(Memory(), np.zeros((4, 1)), np.zeros(4, int), np.full(4, np.nan), 1, rng)
