"""Click models: probabilities against hand-worked numbers, draws against probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.simulators import choice
from recloop.utils.seeding import stream

N = 1_000_000


def repeated(row):
    return np.tile(np.asarray(row, dtype=float), (N, 1))


def share(clicks):
    return clicks.mean(axis=0)


def within(found, wanted, n=N):
    wanted = np.asarray(wanted)
    assert (np.abs(found - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / n) + 1e-12).all()


def test_multinomial_logit_by_hand():
    found = choice.multinomial_logit(np.log([[1.0, 2.0]]), np.log(5.0))
    assert found[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    huge = choice.multinomial_logit(np.array([[1000.0, -1000.0]]), 999.0)
    assert huge[0] == pytest.approx([1 / (1 + np.exp(-1)), 0, 1 / (1 + np.e)])


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=8), st.floats(-30, 30))
def test_probabilities_of_a_logit_sum_to_one(utilities, no_click):
    found = choice.multinomial_logit(np.array([utilities]), no_click)
    assert found.shape == (1, len(utilities) + 1)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("mass", [0.05, 0.2, 0.9])
def test_no_click_has_the_mass_that_was_asked_for(mass):
    utility = choice.no_click_utility(mass, 0.7, 4)
    assert choice.multinomial_logit(np.full((1, 4), 0.7), utility)[0, -1] == pytest.approx(mass)


def test_a_slot_is_drawn_as_often_as_it_is_likely():
    chances = np.array([0.1, 0.3, 0.2, 0.4])
    slots = choice.draw_slot(repeated(chances), stream(0, "slots").random(N))
    within(np.array([(slots == slot).mean() for slot in (0, 1, 2, -1)]), chances)
    edge = choice.draw_slot(np.array([[0.5, 0.5]] * 3), np.array([0.0, 0.4999, 0.5]))
    assert edge.tolist() == [0, 0, -1]


def test_slots_are_looked_at_by_a_power_of_their_rank():
    assert choice.examination(3, 1.0).tolist() == pytest.approx([1, 1 / 2, 1 / 3])
    assert choice.examination(3, 0.0).tolist() == [1, 1, 1]


def test_position_based_clicks():
    attractions, examined = [0.5, 0.5, 0.9], choice.examination(3, 0.8)
    clicks = choice.draw_position_based(repeated(attractions), examined, stream(0).random((N, 3)))
    within(share(clicks), np.array(attractions) * examined)
    # slots are apart: both are clicked as often as the product says
    both = (clicks[:, 0] & clicks[:, 1]).mean()
    within(both, 0.5 * 0.5 * examined[1])


def test_a_cascade_ends_with_the_first_click():
    attractions = [0.2, 0.5, 0.4]
    wanted = [0.2, 0.8 * 0.9 * 0.5, 0.8 * 0.9 * 0.5 * 0.9 * 0.4]
    assert choice.cascade(np.array([attractions]), 0.9)[0] == pytest.approx(wanted)
    clicks = choice.draw_cascade(repeated(attractions), stream(1).random(N), 0.9)
    assert clicks.sum(axis=1).max() == 1
    within(share(clicks), wanted)


def test_after_a_click_reading_on_is_a_matter_of_the_slot():
    attractions, reads_on = [0.5, 0.4, 0.3], np.array([0.6, 0.2, 0.9])
    looked = [1.0, 0.5 * 0.6 + 0.5]
    looked.append(looked[1] * (0.4 * 0.2 + 0.6))
    wanted = np.array(looked) * attractions
    assert choice.dependent_clicks(np.array([attractions]), reads_on)[0] == pytest.approx(wanted)
    draws = stream(2).random((N, 6))
    clicks = choice.draw_dependent_clicks(repeated(attractions), reads_on, draws)
    within(share(clicks), wanted)
    never = choice.draw_dependent_clicks(repeated([1.0, 1.0, 1.0]), np.zeros(3), draws)
    assert share(never).tolist() == [1.0, 0.0, 0.0]


def test_inner_products_with_and_without_noise():
    people = np.array([[1.0, 2.0]])
    items = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    assert choice.inner_product(people, items).tolist() == [[1.0, 1.5]]
    noisy = choice.inner_product(people, items, 0.1, np.array([[1.0, -2.0]]))
    assert noisy[0] == pytest.approx([1.1, 1.3])
