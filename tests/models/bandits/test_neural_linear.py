"""Neural-linear bandit: gradient, training, regressions on fresh features, growing."""

import re

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import LinUCBRecommender, NeuralLinearRecommender
from recloop.models.packed import unpacked
from recloop.types import Transitions
from recloop.utils.files import load_arrays, save_arrays

SMALL = {"context_dim": 3, "hidden": (5, 4), "train_every": 40, "n_steps": 15, "rows_per_step": 16}


def _rows(rng, n, n_items=4, width=3):
    return Transitions(
        np.zeros(n, int),
        rng.integers(n_items, size=n),
        rng.normal(size=n),
        contexts=rng.normal(size=(n, width)),
        weights=rng.uniform(0.2, 2.0, n),
    )


def _loss(model, rows):
    outputs = model._forward(model.kept_contexts[rows])[-1]
    error = outputs[np.arange(len(rows)), model.kept_items[rows]] - model.kept_rewards[rows]
    return 0.5 * np.mean(model.kept_weights[rows] * error**2)


def test_the_gradient_is_that_of_small_differences(rng):
    model = NeuralLinearRecommender(1, 4, **{**SMALL, "train_every": 1000})
    model.update_batch(_rows(rng, 60))
    rows = rng.integers(60, size=30)
    gradient, start = model._gradient(rows), model.network.copy()
    straight = np.empty(len(start))
    for number in range(len(start)):
        step = np.zeros(len(start))
        step[number] = 1e-6
        model.network = start + step
        above = _loss(model, rows)
        model.network = start - step
        straight[number] = (above - _loss(model, rows)) / 2e-6
    np.testing.assert_allclose(gradient, straight, rtol=1e-5, atol=1e-8)


def test_features_are_one_and_the_last_hidden_layer(rng):
    model = NeuralLinearRecommender(1, 2, context_dim=2, hidden=(3,))
    x = rng.normal(size=(5, 2))
    weights, bias = model.network[:6].reshape(2, 3), model.network[6:9]
    straight = np.maximum(x @ weights + bias, 0.0) / np.sqrt(3)
    np.testing.assert_allclose(model.features(x), np.column_stack([np.ones(5), straight]))


@pytest.mark.parametrize("n_rows", [25, 40, 95])
def test_regressions_are_ridge_on_the_present_features(n_rows, rng):
    model = NeuralLinearRecommender(1, 4, **SMALL, regularization=2.0)
    rows = _rows(rng, n_rows)
    model.update_batch(rows)
    phi = model.features(rows.contexts)
    for item in range(4):
        own = rows.items == item
        evidence = 2.0 * np.eye(5) + phi[own].T @ (phi[own] * rows.weights[own, None])
        sums = phi[own].T @ (rows.weights[own] * rows.rewards[own])
        np.testing.assert_allclose(unpacked(model.evidence, 5)[item], evidence, atol=1e-10)
        theta = np.linalg.solve(evidence, sums)
        np.testing.assert_allclose(model.weights[item], theta, atol=1e-9)
    assert model.n_trained == 15 * (n_rows // 40)


def test_memory_keeps_the_last_rows_newest_last(rng):
    model = NeuralLinearRecommender(1, 4, **SMALL, memory=30)
    rows = _rows(rng, 50)
    model.update_batch(rows)
    np.testing.assert_array_equal(model.kept_items, rows.items[20:])
    np.testing.assert_array_equal(model.kept_contexts, rows.contexts[20:])


def test_training_follows_adam(rng):
    model = NeuralLinearRecommender(1, 4, **SMALL, learning_rate=0.01)
    start = model.network.copy()
    gradient = rng.normal(size=len(start))
    model._step(gradient)  # the first step of Adam is the sign of the gradient
    np.testing.assert_allclose(model.network, start - 0.01 * np.sign(gradient), atol=1e-6)


def test_it_learns_what_no_line_can_say(rng):
    # item 0 earns 1 where both numbers have the same sign, item 1 elsewhere
    n = 4000
    x = rng.choice([-1.0, 1.0], size=(n, 2))
    same = x[:, 0] == x[:, 1]
    items = rng.integers(2, size=n)
    rows = Transitions(np.zeros(n, int), items, (same == (items == 0)).astype(float), contexts=x)
    model = NeuralLinearRecommender(
        1, 2, context_dim=2, hidden=(16,), train_every=1000, n_steps=300, learning_rate=0.01
    )
    line = LinUCBRecommender(1, 2, context_dim=2)
    corners = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    for one in (model, line):
        one.update_batch(rows)
    found = model.scores(np.zeros(4, int), context=corners)
    assert found[:, 0] == pytest.approx([1, 1, 0, 0], abs=0.15)
    assert found[:, 1] == pytest.approx([0, 0, 1, 1], abs=0.15)
    assert np.abs(line.scores(np.zeros(4, int), context=corners) - 0.5).max() > 0.35
    chances = model.probabilities(np.zeros(4, int), context=corners)
    assert chances[:2, 0].min() > 0.95
    assert chances[2:, 1].min() > 0.95


def test_a_new_item_has_an_output_of_zero_and_old_outputs_stay(rng):
    model = NeuralLinearRecommender(1, 4, **SMALL)
    model.update_batch(_rows(rng, 50))
    x = rng.normal(size=(6, 3))
    before, phi = model._forward(x)[-1], model.features(x)
    model.add_items(2)
    after = model._forward(x)[-1]
    np.testing.assert_array_equal(after[:, :4], before)
    np.testing.assert_array_equal(after[:, 4:], 0.0)
    np.testing.assert_array_equal(model.features(x), phi)
    assert model.network.shape == (model.n_numbers,) == model.moments[0].shape


def test_a_saved_model_trains_on_as_if_it_had_never_been_away(rng, tmp_path):
    model, path = NeuralLinearRecommender(1, 4, **SMALL), tmp_path / "model.npz"
    model.update_batch(_rows(rng, 59))
    model.save(path)
    loaded, more = NeuralLinearRecommender.load(path), _rows(rng, 70)
    for one in (model, loaded):
        one.update_batch(more)
    for name, value in model.arrays().items():
        np.testing.assert_array_equal(getattr(loaded, name), value, err_msg=name)
    assert loaded.hidden == (5, 4)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden": ()}, "number of hidden layers must be a whole number of at least 1, got 0"),
        ({"hidden": (4, 0)}, "hidden must be a whole number of at least 1, got 0"),
        ({"train_every": 0}, "train_every must be a whole number of at least 1, got 0"),
        ({"n_steps": 1.5}, "n_steps must be a whole number of at least 1, got 1.5"),
        ({"memory": -3}, "memory must be a whole number of at least 1, got -3"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0 and at most 1, got 0"),
        ({"regularization": 0.0}, "regularization must be a number above 0, got 0"),
        ({"scale": -1.0}, "scale must be a number of at least 0, got -1"),
    ],
)
def test_bad_hyperparameters_are_refused(params, message):
    with pytest.raises(InvalidParameter, match="NeuralLinearRecommender: " + re.escape(message)):
        NeuralLinearRecommender(2, 3, **params)


@pytest.mark.parametrize("name", ["kept_rewards", "kept_weights", "kept_contexts"])
def test_a_file_whose_kept_rows_do_not_match_is_refused(name, rng, tmp_path):
    model, path = NeuralLinearRecommender(1, 4, **SMALL), tmp_path / "model.npz"
    model.update_batch(_rows(rng, 10))
    model.save(path)
    header, arrays = load_arrays(path)
    header = {key: value for key, value in header.items() if key != "checksum"}
    save_arrays(path, {**arrays, name: arrays[name][:-1]}, header)
    with pytest.raises(DamagedFile, match=f"array '{name}' has shape"):
        NeuralLinearRecommender.load(path)
