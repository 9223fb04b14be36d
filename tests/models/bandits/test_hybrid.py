"""Hybrid LinUCB: against the paper's lines, one item at a time."""

import re

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import HybridLinUCBRecommender
from recloop.types import Interactions, Transitions
from recloop.utils.files import load_arrays, save_arrays

N_ITEMS, WIDTH = 6, 3


class Printed:
    """Algorithm 2 of Li et al. (2010), line by line; z = x (x) f, lambda on both priors."""

    def __init__(self, table, width, alpha, regularization):
        self.table, self.alpha = table, alpha
        k = width * table.shape[1]
        self.a_0, self.b_0 = regularization * np.eye(k), np.zeros(k)
        self.a = [regularization * np.eye(width) for _ in table]
        self.b = [np.zeros((width, k)) for _ in table]
        self.r = [np.zeros(width) for _ in table]

    def upper(self, x):
        """Lines 5 to 13."""
        found = []
        inv_0 = np.linalg.inv(self.a_0)
        beta = inv_0 @ self.b_0
        for a, b, r, f in zip(self.a, self.b, self.r, self.table, strict=True):
            z, inv = np.kron(x, f), np.linalg.inv(a)
            theta = inv @ (r - b @ beta)
            s = z @ inv_0 @ z - 2 * z @ inv_0 @ b.T @ inv @ x
            s += x @ inv @ x + x @ inv @ b @ inv_0 @ b.T @ inv @ x
            found.append((z @ beta + x @ theta, s))
        return np.array(found).T

    def learn(self, item, x, reward):
        """Lines 17 to 24."""
        z = np.kron(x, self.table[item])
        inv = np.linalg.inv(self.a[item])
        self.a_0 += self.b[item].T @ inv @ self.b[item]
        self.b_0 += self.b[item].T @ inv @ self.r[item]
        self.a[item] += np.outer(x, x)
        self.b[item] += np.outer(x, z)
        self.r[item] += reward * x
        inv = np.linalg.inv(self.a[item])
        self.a_0 += np.outer(z, z) - self.b[item].T @ inv @ self.b[item]
        self.b_0 += reward * z - self.b[item].T @ inv @ self.r[item]


@pytest.mark.parametrize("alpha", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("regularization", [1.0, 10.0])
def test_it_chooses_as_the_printed_algorithm(alpha, regularization, rng):
    model = HybridLinUCBRecommender(
        1, N_ITEMS, context_dim=WIDTH, alpha=alpha, regularization=regularization
    )
    model.fit_features(item_features=rng.normal(size=(N_ITEMS, 2)))
    printed = Printed(model.item_table, WIDTH, alpha, regularization)
    truth = rng.normal(size=(N_ITEMS, WIDTH))
    for number in range(300):
        x = rng.normal(size=WIDTH)
        means, squares = printed.upper(x)
        found = model.scores([0], context=x[None])[0]
        np.testing.assert_allclose(found, means, rtol=1e-8, atol=1e-9)
        deviations = model.deviations([0], context=x[None])[0]
        np.testing.assert_allclose(deviations, np.sqrt(squares), rtol=1e-8, atol=1e-9)
        upper = means + alpha * np.sqrt(squares)
        item = model.recommend(0, 1, context=x)[0]
        assert item == np.flatnonzero(upper >= upper.max() - 1e-11)[0], f"round {number}"
        reward = truth[item] @ x + 0.1 * rng.normal()
        model.update(0, item, reward, context=x)
        printed.learn(item, x, reward)


def test_predictions_are_those_of_one_ridge_regression_of_everything(rng):
    # shared and own weights together minimise squared errors plus lambda |.|^2
    model = HybridLinUCBRecommender(1, 4, context_dim=2, regularization=0.7)
    model.fit_features(item_features=rng.normal(size=(4, 1)))
    n = 80
    items, x, rewards = rng.integers(4, size=n), rng.normal(size=(n, 2)), rng.normal(size=n)
    weights = rng.uniform(0.0, 3.0, n)
    model.update_batch(Transitions(np.zeros(n, int), items, rewards, contexts=x, weights=weights))

    def phi(item, x):
        own = np.zeros((4, 2))
        own[item] = x
        return np.concatenate([np.kron(x, model.item_table[item]), own.ravel()])

    rows = np.array([phi(item, row) for item, row in zip(items, x, strict=True)])
    gram = rows.T @ (rows * weights[:, None]) + 0.7 * np.eye(rows.shape[1])
    theta = np.linalg.solve(gram, rows.T @ (weights * rewards))
    moment = rng.normal(size=(1, 2))
    every = np.array([phi(item, moment[0]) for item in range(4)])
    np.testing.assert_allclose(model.scores([0], context=moment)[0], every @ theta, atol=1e-9)
    variances = np.einsum("ni,ij,nj->n", every, np.linalg.inv(gram), every)
    found = model.deviations([0], context=moment)[0]
    np.testing.assert_allclose(found, np.sqrt(variances), atol=1e-9)


@pytest.mark.parametrize("n_items", [6, 7, 13, 101])
def test_items_that_are_alike_tie_exactly(n_items, rng):
    model = HybridLinUCBRecommender(1, n_items, context_dim=5)
    features = np.repeat([[1.0, -2.0, 0.3], [0.2, 0.5, -1.0]], [1, n_items - 1], axis=0)
    model.fit_features(item_features=features)
    for x in rng.normal(size=(40, 5)):
        upper = model.acting_scores(np.array([0]), x[None], None)[0]
        assert len(set(upper[1:])) == 1
        model.update(0, 0, rng.normal(), context=x)


def test_a_new_item_is_no_stranger(rng):
    model = HybridLinUCBRecommender(1, 20, context_dim=2, regularization=0.1)
    features = rng.normal(size=(20, 1))
    model.fit_features(item_features=features)
    n = 2000
    items, x = rng.integers(20, size=n), rng.normal(size=(n, 2))
    rewards = x[:, 0] * model.item_table[items, 1]
    model.update_batch(Transitions(np.zeros(n, int), items, rewards, contexts=x))
    code = model.add_items(1, features=np.array([[1.5]]))[0]
    found = model.scores([0], context=np.array([[2.0, 1.0]]))[0, code]
    assert found == pytest.approx(3.0, abs=0.2)
    stranger = model.add_items(1)[0]
    assert model.item_table[stranger].tolist() == [1.0, 0.0]


def test_popularity_of_a_log_is_a_feature():
    log = Interactions(
        np.array([0, 0, 1]), np.array([0, 1, 0]), np.ones(3), np.arange(3.0), n_users=2, n_items=3
    )
    model = HybridLinUCBRecommender(2, 3, context_dim=2).fit_features(log)
    assert model.item_table.shape[0] == 3
    assert (model.item_table[:, 0] == 1).all()
    assert model.item_table[0, 1] > model.item_table[2, 1]
    assert HybridLinUCBRecommender(2, 3).fit_features().item_table.tolist() == [[1.0]] * 3


def test_features_that_do_not_fit_leave_the_catalogue(rng):
    model = HybridLinUCBRecommender(1, 4, context_dim=2)
    model.fit_features(item_features=rng.normal(size=(4, 2)))
    for bad in (np.ones((1, 5)), np.ones((2, 2)), np.ones(2), np.full((1, 2), np.nan)):
        with pytest.raises(InvalidParameter, match="features"):
            model.add_items(1, features=bad)
    with pytest.raises(InvalidParameter, match="item_features must have one row of numbers"):
        model.fit_features(item_features=np.ones((3, 2)))
    log = Interactions(*(np.zeros(1, int),) * 2, *(np.ones(1),) * 2, n_users=1, n_items=3)
    with pytest.raises(InvalidParameter, match=re.escape("the log has 1 users and 3 items")):
        model.fit_features(log)
    assert model.n_items == 4 == len(model.evidence)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": -1.0}, "alpha must be a number of at least 0, got -1"),
        ({"regularization": 0.0}, "regularization must be a number above 0, got 0"),
    ],
)
def test_bad_hyperparameters_are_refused(params, message):
    with pytest.raises(InvalidParameter, match="HybridLinUCBRecommender: " + re.escape(message)):
        HybridLinUCBRecommender(2, 3, **params)


@pytest.mark.parametrize("name", ["shared_evidence", "shared_inverse", "shared_sums", "cross"])
def test_a_file_whose_shared_part_does_not_fit_its_features_is_refused(name, tmp_path):
    model, path = HybridLinUCBRecommender(2, 3, context_dim=2), tmp_path / "model.npz"
    model.save(path)
    header, arrays = load_arrays(path)
    header = {key: value for key, value in header.items() if key != "checksum"}
    arrays[name] = np.concatenate([arrays[name], arrays[name]], axis=-1)
    save_arrays(path, arrays, header)
    with pytest.raises(DamagedFile, match=f"array '{name}' has shape"):
        HybridLinUCBRecommender.load(path)
