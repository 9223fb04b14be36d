"""Logistic bandits: the mode against scipy's, Laplace's deviation, what a million rows leave."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, ndtr

from recloop.errors import InvalidParameter
from recloop.models import LogisticThompsonRecommender, LogisticUCBRecommender
from recloop.models.packed import unpacked
from recloop.types import Transitions


def _rows(items, x, rewards, weights=None):
    return Transitions(np.zeros(len(items), int), items, rewards, contexts=x, weights=weights)


def _map(x, rewards, weights, regularization):
    """The maximum of the posterior by scipy."""

    def loss(theta):
        z = x @ theta
        fit = weights @ (np.logaddexp(0.0, z) - rewards * z)
        return fit + 0.5 * regularization * theta @ theta

    def slope(theta):
        return x.T @ (weights * (expit(x @ theta) - rewards)) + regularization * theta

    start = np.zeros(x.shape[1])
    return minimize(loss, start, jac=slope, method="BFGS", options={"gtol": 1e-11}).x


@pytest.mark.parametrize("reward", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("regularization", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("weight", [0.1, 1.0, 50.0])
def test_the_mode_of_one_row_is_exact(reward, regularization, weight, rng):
    x = rng.normal(size=(1, 4))
    model = LogisticUCBRecommender(1, 2, context_dim=4, regularization=regularization)
    model.update_batch(_rows(np.array([1]), x, np.array([reward]), np.array([weight])))
    exact = _map(x, np.array([reward]), np.array([weight]), regularization)
    np.testing.assert_allclose(model.weights[1], exact, atol=1e-6)
    # w = weight (r - sigma(x . w)) x / lambda; the right side magnifies rounding of the left
    p = expit(x[0] @ model.weights[1])
    moved = weight * (reward - p) * x[0] / regularization
    np.testing.assert_allclose(model.weights[1], moved, rtol=1e-7, atol=1e-12)
    curvature = weight * p * (1 - p)
    evidence = regularization * np.eye(4) + curvature * np.outer(x[0], x[0])
    np.testing.assert_allclose(unpacked(model.evidence, 4)[1], evidence, rtol=1e-12)
    np.testing.assert_allclose(unpacked(model.inverse, 4)[1], np.linalg.inv(evidence), atol=1e-10)
    assert (model.weights[0] == 0).all()


def test_many_rows_come_near_the_mode_and_the_truth(rng):
    n, truth = 4000, np.array([0.8, -1.2, 0.4])
    x = rng.normal(size=(n, 3))
    rewards = (rng.random(n) < expit(x @ truth)).astype(float)
    model = LogisticUCBRecommender(1, 1, context_dim=3)
    model.update_batch(_rows(np.zeros(n, int), x, rewards))
    exact = _map(x, rewards, np.ones(n), 1.0)
    spread = np.sqrt(np.diagonal(unpacked(model.inverse, 3)[0]))
    assert (np.abs(model.weights[0] - exact) < 0.5 * spread).all()
    assert (np.abs(model.weights[0] - truth) < 4.0 * spread).all()
    p = expit(x @ exact)
    hessian = np.eye(3) + x.T @ (x * (p * (1 - p))[:, None])
    np.testing.assert_allclose(
        unpacked(model.inverse, 3)[0], np.linalg.inv(hessian), rtol=0.1, atol=1e-4
    )


def test_a_late_reward_moves_the_mode_by_less_than_a_deviation(rng):
    n, x = 400, rng.normal(size=(400, 3))
    rewards = (rng.random(n) < expit(x[:, 0])).astype(float)
    early, late = (LogisticUCBRecommender(1, 1, context_dim=3) for _ in range(2))
    rows = _rows(np.zeros(n, int), x, rewards)
    early.update_batch(rows)
    late.update_batch(rows.rows(rng.permutation(n)))
    spread = np.sqrt(np.diagonal(unpacked(early.inverse, 3)[0]))
    assert (np.abs(early.weights[0] - late.weights[0]) < 0.5 * spread).all()


def test_scores_are_probabilities_at_the_mode():
    model = LogisticUCBRecommender(1, 2, context_dim=2)
    model.weights = np.array([[1.0, 0.5], [-1000.0, 0.0]])
    moment = np.array([[2.0, -2.0]])
    assert model.scores([0], context=moment)[0] == pytest.approx([expit(1.0), 0.0])


def test_the_upper_end_is_that_of_the_logit():
    model = LogisticUCBRecommender(1, 2, context_dim=2, alpha=2.0, regularization=4.0)
    how = model.exploration(np.array([0]), context=np.array([[3.0, 4.0]]))
    assert how.values[0] == pytest.approx([2.0 * 5.0 / 2.0] * 2)
    assert model.recommend(0, 2, context=np.array([3.0, 4.0])) == [0, 1]


def test_thompson_compares_gaussian_logits():
    model = LogisticThompsonRecommender(1, 2, context_dim=1, scale=2.0)
    model.weights = np.array([[1.5], [0.0]])
    # N(1.5, 4) against N(0, 4)
    chance = ndtr(1.5 / np.sqrt(8.0))
    found = model.probabilities(np.array([0]), context=np.ones((1, 1)))[0]
    assert found == pytest.approx([chance, 1 - chance], rel=1e-8)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_clear_answers_and_large_contexts_leave_finite_numbers(scale, rng):
    n = 2000
    x = scale * rng.normal(size=(n, 3))
    model = LogisticUCBRecommender(1, 2, context_dim=3, regularization=1e-3)
    model.update_batch(_rows(np.zeros(n, int), x, (x[:, 0] > 0).astype(float)))
    for name, value in model.arrays().items():
        assert np.isfinite(value).all(), name
    found = model.scores(np.zeros(n, int), context=x)[:, 0]
    assert ((found > 0.5) == (x[:, 0] > 0)).mean() > 0.95


def _stays_exact(n_rows, width, rng):
    codes = np.eye(width - 1)[rng.integers(width - 1, size=n_rows)]
    x = np.concatenate([np.ones((n_rows, 1)), codes], axis=1)
    rewards = (rng.random(n_rows) < 0.05).astype(float)
    model = LogisticThompsonRecommender(1, 2, context_dim=width)
    model.update_batch(_rows(np.zeros(n_rows, int), x, rewards))
    product = unpacked(model.evidence, width) @ unpacked(model.inverse, width)
    np.testing.assert_allclose(product, np.tile(np.eye(width), (2, 1, 1)), rtol=0, atol=1e-8)


def test_evidence_times_inverse_is_one_after_twenty_thousand_rows(rng):
    _stays_exact(20_000, 6, rng)


@pytest.mark.slow
def test_evidence_times_inverse_is_one_after_a_million_rows(rng):
    _stays_exact(1_000_000, 6, rng)


@pytest.mark.parametrize(
    ("model", "params", "message"),
    [
        (LogisticUCBRecommender, {"alpha": -1.0}, "alpha must be a number of at least 0"),
        (LogisticUCBRecommender, {"regularization": 0.0}, "regularization must be a number above"),
        (LogisticThompsonRecommender, {"scale": np.nan}, "scale must be a number of at least 0"),
    ],
)
def test_bad_hyperparameters_are_refused(model, params, message):
    with pytest.raises(InvalidParameter, match=f"{model.__name__}: " + re.escape(message)):
        model(2, 3, **params)
