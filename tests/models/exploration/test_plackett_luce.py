"""Plackett-Luce: softmax without repetition by hand, and finite where shares are far apart."""

import math
from fractions import Fraction

import numpy as np
import pytest

from recloop.models.exploration import PlackettLuce


def test_slots_share_in_proportion_to_the_exponentials():
    # weights 1, 2, 5 at temperature 0.5; slot 1: 2 / 8, slot 2: 5 / 6, slot 3: 1
    values = 0.5 * np.log([[1.0, 2.0, 5.0]])
    how = PlackettLuce(values, 0.5)
    everything = np.ones((1, 3), dtype=np.bool_)
    assert how.probabilities(everything)[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    found = how.propensities(everything, np.array([[1, 2, 0]]))
    assert found[0] == pytest.approx([2 / 8, 5 / 6, 1.0])


def test_a_floor_is_uniform_over_what_is_left():
    how = PlackettLuce(np.log([[1.0, 2.0, 5.0]]), 1.0, floor=0.3)
    found = how.propensities(np.ones((1, 3), dtype=np.bool_), np.array([[1, 2, 0]]))
    assert found[0] == pytest.approx([0.1 + 0.7 * 2 / 8, 0.15 + 0.7 * 5 / 6, 1.0])


@pytest.mark.parametrize("scale", [1.0, 3.0, 10.0, 100.0, 1000.0])
def test_drawn_slots_are_finite_and_positive_at_every_score_scale(scale, rng):
    values = scale * rng.normal(size=(500, 30))
    drawn = PlackettLuce(values, 0.05).slates(np.ones((500, 30), dtype=np.bool_), 30, rng)
    assert np.isfinite(drawn.propensities).all()
    assert (drawn.propensities > 0).all()
    assert (drawn.propensities <= 1).all()
    np.testing.assert_array_equal(np.sort(drawn.items, axis=1), np.tile(np.arange(30), (500, 1)))


def test_what_is_left_after_a_dominating_item_keeps_its_full_precision():
    # the first item holds all but 1e-200 of the mass; "1 - what it took" would be 0
    logits = np.array([[0.0, -461.0, -462.0, -463.0]])
    found = PlackettLuce(logits, 1.0).propensities(
        np.ones((1, 4), dtype=np.bool_), np.array([[0, 2, 1, 3]])
    )[0]
    left = [math.exp(-1.0 * j) for j in range(3)]
    assert found[1] == pytest.approx(left[1] / sum(left), rel=1e-12)
    assert found[2] == pytest.approx(left[0] / (left[0] + left[2]), rel=1e-12)
    assert found[3] == 1.0


def test_propensities_are_those_of_exact_fractions(rng):
    weights = rng.integers(1, 50, size=6)
    how = PlackettLuce(np.log(weights.astype(float))[None], 1.0)
    slate = rng.permutation(6)
    exact, total = [], Fraction(int(weights.sum()))
    for item in slate:
        exact.append(float(Fraction(int(weights[item])) / total))
        total -= int(weights[item])
    found = how.propensities(np.ones((1, 6), dtype=np.bool_), slate[None])[0]
    np.testing.assert_allclose(found, exact, rtol=1e-13)


def test_a_closed_item_of_any_size_does_not_blur_the_others():
    values = np.array([[1e20, 1.0, 2.0]])
    found = PlackettLuce(values, 1.0).probabilities(np.array([[False, True, True]]))[0]
    assert found == pytest.approx([0.0, 1 / (1 + math.e), math.e / (1 + math.e)])


def test_lower_values_than_the_best_count_as_explored(rng):
    values = np.tile([[0.0, 1.0]], (200, 1))
    drawn = PlackettLuce(values, 1.0).slates(np.ones((200, 2), dtype=np.bool_), 1, rng)
    np.testing.assert_array_equal(drawn.explored, drawn.items == 0)
    assert 0 < drawn.explored.sum() < 200
