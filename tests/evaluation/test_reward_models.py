"""Models of the reward by name: right on what they are made for, and clear about what they need."""

import sys

import numpy as np
import pytest

from recloop.evaluation.reward_models import REWARD_MODELS, Ridge, reward_model


def test_ridge_solves_its_equations_by_hand():
    """x = -1, 1 and y = 1, 5: slope 4 / (2 + penalty), intercept 3."""
    x, y = np.array([[-1.0], [1.0]]), np.array([1.0, 5.0])
    for penalty, slope in ((0.0, 2.0), (2.0, 1.0)):
        model = Ridge(penalty).fit(x, y)
        assert model.coefficients == pytest.approx([slope])
        assert model.intercept == pytest.approx(3)
        assert model.predict(np.array([[0.5]])) == pytest.approx([3 + slope / 2])


def test_the_intercept_of_ridge_is_not_penalised():
    x, y = np.array([[9.0], [11.0]]), np.array([101.0, 103.0])
    model = Ridge(1e9).fit(x, y)
    assert model.predict(x) == pytest.approx([102, 102], abs=1e-6)


def test_a_weight_of_two_is_a_row_twice(rng):
    x, y = rng.normal(size=(6, 2)), rng.normal(size=6)
    weights = np.array([2, 1, 0, 1, 3, 1])
    again = np.repeat(np.arange(6), weights)
    weighted = Ridge().fit(x, y, sample_weight=weights)
    assert weighted.predict(x) == pytest.approx(Ridge().fit(x[again], y[again]).predict(x))


def test_rows_without_any_weight_count_the_same(rng):
    x, y = rng.normal(size=(6, 2)), rng.normal(size=6)
    none = Ridge().fit(x, y, sample_weight=np.zeros(6))
    assert none.predict(x) == pytest.approx(Ridge().fit(x, y).predict(x))


def test_the_penalty_is_one_unless_told_otherwise():
    assert Ridge().penalty == 1
    assert isinstance(reward_model("ridge", np.ones(3)), Ridge)


def clicks(rng, n=2000):
    x = rng.normal(size=(n, 2))
    chance = 1 / (1 + np.exp(-2 * x[:, 0]))
    return x, (rng.random(n) < chance).astype(float), chance


@pytest.mark.parametrize("name", list(REWARD_MODELS))
def test_every_model_learns_what_moves_the_reward(rng, name):
    pytest.importorskip("sklearn")
    x, y, chance = clicks(rng)
    model = reward_model(name, y)
    model.fit(x, y)
    found = model.predict(x)
    assert found.shape == (2000,)
    assert np.corrcoef(found, chance)[0, 1] > 0.9
    if name != "ridge":
        assert found.min() >= 0
        assert found.max() <= 1


@pytest.mark.parametrize("name", ["logistic", "trees"])
def test_rows_of_one_answer_are_answered_with_it(rng, name):
    pytest.importorskip("sklearn")
    x = rng.normal(size=(30, 2))
    for answer in (0.0, 1.0):
        model = reward_model(name, np.array([0.0, 1.0]))
        model.fit(x, np.full(30, answer))
        assert model.predict(x[:4]).tolist() == [answer] * 4


@pytest.mark.parametrize("name", ["logistic", "trees"])
def test_weights_move_a_classifier(rng, name):
    pytest.importorskip("sklearn")
    x, y, _ = clicks(rng, 400)
    heavy = reward_model(name, y)
    heavy.fit(x, y, sample_weight=np.where(y == 1, 50.0, 1.0))
    plain = reward_model(name, y)
    plain.fit(x, y)
    assert heavy.predict(x).mean() > plain.predict(x).mean() + 0.1


def test_trees_take_any_reward(rng):
    pytest.importorskip("sklearn")
    x = rng.normal(size=(500, 1))
    y = np.where(x[:, 0] > 0, 7.0, -7.0)
    model = reward_model("trees", y)
    model.fit(x, y, sample_weight=np.ones(500))
    assert np.abs(model.predict(x) - y).mean() < 1


def test_the_same_rows_give_the_same_trees(rng):
    pytest.importorskip("sklearn")
    x, y, _ = clicks(rng, 300)
    answers = []
    for _ in range(2):
        model = reward_model("trees", y)
        model.fit(x, y)
        answers.append(model.predict(x))
    assert (answers[0] == answers[1]).all()


def test_what_is_missing_or_does_not_fit_is_said(monkeypatch):
    with pytest.raises(ValueError, match=r"No model of the reward named 'tree'.*mean 'trees'"):
        reward_model("tree", np.ones(2))
    with pytest.raises(ValueError, match=r"logistic .* rewards of 0 and 1, got 0\.5\. Take ridge"):
        reward_model("logistic", np.array([0.0, 0.5, 0.7]))
    for module in ("sklearn.linear_model", "sklearn.ensemble"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in ("logistic", "trees"):
        with pytest.raises(ImportError, match=rf"The {name} model .* Install recloop\[proof\], or"):
            reward_model(name, np.array([0.0, 1.0]))
    assert isinstance(reward_model("ridge", np.ones(2)), Ridge)
