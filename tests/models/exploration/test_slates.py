"""Slates of every way to explore: enumerated, counted, row by row, with a floor.

`first`, the distribution of one slot, is tested against independent figures in the file of each
strategy; here everything else is held to it.
"""

from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pytest

from recloop.models.exploration import (
    BetaThompson,
    EnsembleVotes,
    EpsilonGreedy,
    GaussianThompson,
    InverseGap,
    PlackettLuce,
)
from recloop.testing import chi_square_p_value
from recloop.utils.seeding import stream

N_ITEMS = 5
KINDS = (
    "beta thompson",
    "ensemble",
    "epsilon greedy",
    "first of the best",
    "gaussian thompson",
    "inverse gap",
    "plackett luce",
)
every_kind = pytest.mark.parametrize("kind", KINDS)


def _made(kind, n_rows=3, floor=0.0, seed=0):
    rng = stream(seed, "strategies")
    values = rng.normal(size=(n_rows, N_ITEMS)).round(1)
    spread = np.exp(rng.normal(size=(n_rows, N_ITEMS)))
    if kind == "beta thompson":
        a, b = rng.uniform(0.5, 9.0, N_ITEMS), rng.uniform(0.5, 9.0, N_ITEMS)
        return BetaThompson(np.tile(a / (a + b), (n_rows, 1)), a, b, floor=floor)
    if kind == "ensemble":
        members = values + spread * rng.normal(size=(9, 1, 1))
        return EnsembleVotes(values, lambda rows: members[:, rows], 9, floor=floor)
    if kind == "gaussian thompson":
        return GaussianThompson(values, spread, floor=floor)
    if kind == "inverse gap":
        return InverseGap(values, 3.0, floor=floor)
    if kind == "plackett luce":
        return PlackettLuce(values, 0.7, floor=floor)
    return EpsilonGreedy(values, floor=floor, ties="even" if kind == "epsilon greedy" else "first")


def _row(how, row):
    """The strategy of one row of the batch."""
    picked = {"values": how.values[row : row + 1]}
    for f in fields(how):
        if f.name == "deviations":
            picked[f.name] = how.deviations[row : row + 1]
        if f.name == "members":
            picked[f.name] = _always(how.members(slice(row, row + 1)))
    return replace(how, **picked)


def _always(members):
    return lambda rows: np.repeat(members, rows.stop - rows.start, axis=1)


def _repeated(how, row, n_rows):
    one = _row(how, row)
    picked = {"values": np.repeat(one.values, n_rows, axis=0)}
    if hasattr(one, "deviations"):
        picked["deviations"] = np.repeat(one.deviations, n_rows, axis=0)
    return replace(one, **picked)


def _straight(how, floor, slate, is_open):
    """The propensities of one slate of a strategy with one row, slot by slot from `first`."""
    is_open, found = is_open.copy(), []
    for item in slate:
        own = how.first(slice(0, 1), is_open)[0, item]
        found.append(floor / is_open.sum() + (1.0 - floor) * own)
        is_open[0, item] = False
    return found


@every_kind
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_slot_propensities_are_those_of_enumeration(kind, floor):
    how = _row(_made(kind, floor=floor), 1)
    is_open = np.array([[True, True, False, True, True]])
    slates = np.array(list(permutations([0, 1, 3, 4], 3)))
    many, opens = _repeated(how, 0, len(slates)), np.repeat(is_open, len(slates), axis=0)
    found = many.propensities(opens, slates)
    straight = [_straight(how, floor, slate, is_open) for slate in slates]
    np.testing.assert_allclose(found, straight, rtol=0, atol=1e-9)
    assert found.prod(axis=1).sum() == pytest.approx(1.0, abs=1e-9)


@every_kind
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_first_slots_are_distributions_over_what_is_eligible(kind, floor):
    how = _made(kind, floor=floor)
    eligible = np.array([[True] * 5, [True, False, True, False, True], [False] * 5])
    found = how.probabilities(eligible)
    np.testing.assert_allclose(found.sum(axis=1), [1.0, 1.0, 0.0], rtol=0, atol=1e-9)
    assert (found[~eligible] == 0).all()
    assert (found >= floor * eligible / np.maximum(eligible.sum(axis=1, keepdims=True), 1)).all()


@every_kind
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_twenty_thousand_slates_are_drawn_as_often_as_they_say(kind, floor):
    n_draws = 20_000
    how = _repeated(_made(kind, floor=floor), 2, n_draws)
    eligible = np.tile([True, True, False, True, True], (n_draws, 1))
    drawn = how.slates(eligible, 2, stream(4, "draws", kind, str(floor)))
    slates = np.array(list(permutations([0, 1, 3, 4], 2)))
    said = _repeated(how, 0, len(slates)).propensities(eligible[: len(slates)], slates)
    counts = [int((drawn.items == slate).all(axis=1).sum()) for slate in slates]
    assert sum(counts) == n_draws
    assert chi_square_p_value(counts, said.prod(axis=1)) > 0.001
    firsts = np.bincount(drawn.items[:, 0], minlength=N_ITEMS)
    assert chi_square_p_value(firsts, _row(how, 0).probabilities(eligible[:1])[0]) > 0.001


@every_kind
def test_drawn_slates_carry_the_propensities_of_given_ones(kind, rng):
    how = _made(kind, n_rows=40, floor=0.2)
    eligible = rng.random((40, N_ITEMS)) < 0.6
    drawn = how.slates(eligible, 4, rng)
    shown = drawn.items >= 0
    np.testing.assert_array_equal(shown.sum(axis=1), np.minimum(eligible.sum(axis=1), 4))
    said = how.propensities(eligible, drawn.items)
    np.testing.assert_allclose(drawn.propensities, said, rtol=1e-12)
    assert ((drawn.propensities > 0) == shown).all()
    assert (drawn.propensities <= 1).all()
    for row in range(40):
        items = drawn.items[row][shown[row]]
        assert len(set(items)) == len(items)
        assert eligible[row, items].all()


@every_kind
def test_a_row_alone_draws_what_it_draws_in_a_batch(kind):
    how = _made(kind, n_rows=7, floor=0.2)
    eligible = stream(1, "eligible").random((7, N_ITEMS)) < 0.8
    together, rng = how.slates(eligible, 3, stream(2, "batch")), stream(2, "batch")
    for row in range(7):
        one = slice(row, row + 1)
        alone = _row(how, row).slates(eligible[one], 3, rng)
        np.testing.assert_array_equal(alone.items, together.items[one])
        np.testing.assert_allclose(alone.propensities, together.propensities[one], rtol=1e-13)
        np.testing.assert_array_equal(alone.explored, together.explored[one])


@every_kind
def test_a_floor_bounds_every_slot_from_below(kind, rng):
    how = _made(kind, n_rows=200, floor=0.3)
    drawn = how.slates(np.ones((200, N_ITEMS), dtype=np.bool_), N_ITEMS, rng)
    n_left = N_ITEMS - np.arange(N_ITEMS)
    assert (drawn.propensities >= 0.3 / n_left - 1e-15).all()
    np.testing.assert_allclose(drawn.propensities[:, -1], 1.0)


@every_kind
def test_a_floor_of_one_is_uniform(kind):
    how = _made(kind, floor=1.0)
    found = how.probabilities(np.ones((3, N_ITEMS), dtype=np.bool_))
    np.testing.assert_allclose(found, 0.2)


@every_kind
def test_the_mask_that_was_passed_stays_as_it_was(kind, rng):
    how, eligible = _made(kind), np.tile([True, True, False, True, True], (3, 1))
    drawn = how.slates(eligible, 2, rng)
    how.propensities(eligible, drawn.items)
    how.probabilities(eligible)
    assert eligible.tolist() == [[True, True, False, True, True]] * 3


@every_kind
def test_an_item_that_cannot_be_shown_has_no_chance_and_takes_no_place(kind):
    how = _row(_made(kind), 0)
    eligible = np.array([[True, True, False, True, False]])
    # item 2 is closed, -1 is no item, 1 cannot come twice
    found = how.propensities(eligible, np.array([[2, -1, 1, 1, 0, 3]]))[0]
    plain = how.propensities(eligible, np.array([[1, 0, 3]]))[0]
    np.testing.assert_array_equal(found, [0.0, 0.0, plain[0], 0.0, plain[1], plain[2]])


@every_kind
def test_a_single_item_is_certain_and_no_item_shows_nothing(kind, rng):
    how = _row(_made(kind), 0)
    for open_items, expected in (([3], ([3, -1], [1.0, 0.0])), ([], ([-1, -1], [0.0, 0.0]))):
        eligible = np.zeros((1, N_ITEMS), dtype=np.bool_)
        eligible[0, open_items] = True
        drawn = how.slates(eligible, 2, rng)
        assert drawn.items[0].tolist() == expected[0]
        assert drawn.propensities[0] == pytest.approx(expected[1], abs=1e-12)
        assert not drawn.explored.any()


@pytest.mark.parametrize("kind", ["gaussian thompson", "inverse gap", "plackett luce"])
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300, 1.7e308])
def test_propensities_are_finite_and_positive_at_any_scale(kind, scale, rng):
    how = _made(kind, n_rows=50)
    values = how.values / np.abs(how.values).max() * scale
    how = replace(how, values=values)
    drawn = how.slates(np.ones((50, N_ITEMS), dtype=np.bool_), N_ITEMS, rng)
    assert np.isfinite(drawn.propensities).all()
    assert (drawn.propensities > 0).all()
    assert (drawn.propensities <= 1).all()
    np.testing.assert_allclose(drawn.propensities[:, -1], 1.0)
    chances = how.probabilities(np.ones((50, N_ITEMS), dtype=np.bool_))
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=0, atol=1e-9)
