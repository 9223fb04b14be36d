"""A world of fixed tastes: chances by hand, clicks by counting."""

import re

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.simulators import PreferenceWorld
from recloop.simulators.certify import certify
from recloop.simulators.preference import PreferenceParams
from recloop.testing import chi_square_p_value
from recloop.types import World
from recloop.utils.seeding import stream

# Two people, three items, two factors: p . q = [[.5, 2, -1], [.25, 1, .5]]
USERS = np.array([[1.0, 0.0], [0.5, 1.0]])
ITEMS = np.array([[0.5, 0.0], [2.0, 0.0], [-1.0, 1.0]])


def _world(**given):
    return PreferenceWorld(PreferenceParams(USERS, ITEMS, **given))


def test_chances_are_affinities_between_floor_and_ceiling():
    world = _world()
    assert (world.n_users, world.n_items) == (2, 3)
    found = world.click_probabilities(np.array([0, 1]))
    assert found.tolist() == [[0.5, 0.95, 0.001], [0.25, 0.95, 0.5]]
    assert world.click_probabilities(np.array([1])).tolist() == [[0.25, 0.95, 0.5]]
    loose = _world(floor=0.0, ceiling=1.0).click_probabilities(np.array([0]))
    assert loose.tolist() == [[0.5, 1.0, 0.0]]


def test_people_click_as_often_as_they_say(rng):
    world = _world(horizon=1)
    n_draws = 4000
    for user, chances in enumerate(world.click_probabilities(np.array([0, 1]))):
        for item, chance in enumerate(chances):
            world.reset(np.full(n_draws, user), rng)
            n_clicks = int(world.step(np.full(n_draws, item))[0].sum())
            counts = [n_clicks, n_draws - n_clicks]
            assert chi_square_p_value(counts, [chance, 1 - chance]) > 0.001


def test_each_person_answers_by_their_own_taste(rng):
    world = _world(floor=0.0, ceiling=1.0)
    world.reset(np.array([1, 0, 0]), rng)
    # chances 1, 1 and 0
    rewards, _, _ = world.step(np.array([1, 1, 2]))
    assert rewards.tolist() == [1.0, 1.0, 0.0]
    assert rewards.dtype == np.float64


def test_sessions_are_cut_off_at_the_horizon_and_nobody_leaves(rng):
    world = _world(horizon=3)
    for _ in range(2):
        world.reset(np.array([0, 1]), rng)
        for step in (1, 2, 3):
            _, terminated, truncated = world.step(np.array([0, 1]))
            assert terminated.tolist() == [False, False]
            assert truncated.tolist() == [step == 3] * 2
            assert terminated.dtype == truncated.dtype == np.bool_


def test_the_default_session_has_twenty_steps():
    assert PreferenceParams(USERS, ITEMS).horizon == 20


def test_all_chance_comes_from_the_generator_that_was_given():
    def played(seed):
        world = _world()
        world.reset(np.zeros(50, dtype=np.int64), stream(seed, "session"))
        return [world.step(np.zeros(50, dtype=np.int64))[0].tolist() for _ in range(3)]

    assert played(1) == played(1)
    assert played(1) != played(2)
    assert played(1)[0] != played(1)[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"again": 1.5}, "again must be between 0 and 1, got 1.5."),
        ({"floor": -0.1}, "floor must be between 0 and 1, got -0.1."),
        ({"ceiling": 1.1}, "ceiling must be between 0.001 and 1, got 1.1."),
        ({"floor": 0.6, "ceiling": 0.5}, "ceiling must be between 0.6 and 1, got 0.5."),
        ({"horizon": 0}, "horizon must be a whole number of at least 1, got 0."),
    ],
)
def test_parameters_out_of_range_are_named(given, message):
    with pytest.raises(InvalidParameter, match=re.escape(f"PreferenceWorld: {message}")):
        _world(**given)


def test_unknown_people_and_items_are_refused(rng):
    world = _world()
    with pytest.raises(InvalidParameter, match=r"^PreferenceWorld: users must be between 0 and 1"):
        world.reset(np.array([2]), rng)
    world.reset(np.array([0]), rng)
    with pytest.raises(InvalidParameter, match=r"^PreferenceWorld: items must be between 0 and 2"):
        world.step(np.array([3]))


@pytest.mark.parametrize("people", [[], [0, 1], [0, 1, 0]])
def test_a_step_shows_one_item_to_each_person_of_the_session(rng, people):
    world = _world()
    if people:
        world.reset(np.array(people), rng)
    with pytest.raises(
        InvalidParameter, match=rf"shows 1 item to each of the {len(people)} people"
    ):
        world.step(np.array([0]))


def test_the_world_is_one_that_training_can_drive():
    typed: World = _world()
    assert typed.n_users == 2


# Leaving


def test_sessions_are_as_long_as_their_distribution_says(rng):
    # 1, 2 and 3 steps with chances .5, .2 and .3; the horizon is never reached
    world = _world(lengths=np.array([0.5, 0.2, 0.3]), horizon=9)
    world.reset(np.zeros(6000, dtype=np.int64), rng)
    left_before, counts = np.zeros(6000, dtype=np.bool_), []
    for _ in range(3):
        _, left, truncated = world.step(np.zeros(6000, dtype=np.int64))
        assert not truncated.any()
        counts.append(int((left & ~left_before).sum()))
        left_before |= left
    assert left_before.all()
    assert chi_square_p_value(counts, [0.5, 0.2, 0.3]) > 0.001


def test_a_session_that_would_outlast_the_horizon_is_cut_off(rng):
    world = _world(lengths=np.array([0.0, 0.0, 1.0]), horizon=2)
    world.reset(np.array([0, 1]), rng)
    assert world.step(np.array([0, 0]))[2].tolist() == [False, False]
    _, left, truncated = world.step(np.array([0, 0]))
    assert (left.tolist(), truncated.tolist()) == ([False, False], [True, True])


def test_leaving_shortens_the_bound_and_takes_the_table_away():
    staying = _world(horizon=4)
    leaving = _world(horizon=4, lengths=np.array([0.5, 0.0, 0.5]))
    # 2 steps on average instead of 4
    assert leaving.upper_bound()[0] == pytest.approx(staying.upper_bound()[0] / 2)
    assert staying.finite(0) is not None
    assert leaving.finite(0) is None


@pytest.mark.parametrize("lengths", [[0.5, 0.4], [1.5, -0.5], [[1.0]]])
def test_lengths_that_are_no_distribution_are_refused(lengths):
    with pytest.raises(InvalidParameter, match=r"lengths must be probabilities of 1, 2, \.\.\."):
        _world(lengths=np.array(lengths))


# Memory of what was clicked


@pytest.mark.parametrize("again", [0.0, 0.5])
def test_what_was_clicked_is_liked_as_much_less_for_the_rest_of_the_session(again, rng):
    world = _world(again=again, horizon=9, ceiling=1.0)  # person 0 surely clicks item 1
    world.reset(np.array([0, 0]), rng)
    before = world.expected_rewards(world.state, world.users)
    world.step(np.array([1, 2]))
    after = world.expected_rewards(world.state, world.users)
    assert after[0].tolist() == [before[0, 0], again * before[0, 1], before[0, 2]]
    world.reset(np.array([0]), rng)
    assert world.expected_rewards(world.state, world.users).tolist() == before[:1].tolist()


def test_clicks_come_as_often_as_the_memory_leaves(rng):
    world = _world(again=0.3, horizon=9, ceiling=1.0)
    world.reset(np.zeros(40_000, dtype=np.int64), rng)
    world.step(np.ones(40_000, dtype=np.int64))
    clicks, _, _ = world.step(np.ones(40_000, dtype=np.int64))
    assert abs(clicks.mean() - 0.3) < 4.5 * (0.21 / 40_000) ** 0.5  # 1 false alarm in 100,000


def test_a_memory_takes_the_table_away_and_keeps_the_bound(rng):
    world = _world(again=0.0, horizon=3)
    assert world.finite(0) is None
    lines = certify(world, n_sessions=400).lines
    assert lines["optimal"].high < lines["bound"].value
