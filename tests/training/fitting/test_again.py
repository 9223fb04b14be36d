"""People who take nothing twice: how much liking is left, and how items must be liked for it."""

from dataclasses import replace

import numpy as np
import pytest

from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.training.fitting import ImpressionLog, fidelity_report, fit_world
from recloop.training.fitting.again import liking_left, taken_before
from recloop.training.fitting.inclusion import item_factors_for
from recloop.training.fitting.replay import answered_again
from recloop.utils.seeding import stream

N_USERS, N_ITEMS = 80, 30


def _world(again, n_steps=10):
    rng = stream(0, "hidden interactions")
    lengths = np.zeros(n_steps)
    lengths[-1] = 1.0
    return PreferenceWorld(
        PreferenceParams(
            rng.uniform(0.2, 1.0, (N_USERS, 2)), rng.uniform(0.0, 0.45, (N_ITEMS, 2)),
            lengths=lengths, horizon=n_steps, again=again,
        )
    )  # fmt: skip


def _log(world, seed=0):
    """Two sessions of everybody."""
    users = np.repeat(np.arange(N_USERS), 2)
    two = ImpressionLog.interactions(
        users=users, items=np.zeros(len(users), dtype=np.int64),
        timestamps=np.arange(len(users)) * 1e6, n_users=N_USERS, n_items=N_ITEMS,
    )  # fmt: skip
    written = answered_again(world, two, stream(seed, "takings"))
    return replace(written, knows_no_click=False)


def test_repeats_are_rows_whose_person_has_an_earlier_one_with_the_item():
    users, items = np.array([0, 0, 1, 0, 1]), np.array([2, 1, 2, 2, 2])
    assert taken_before(users, items, 3).tolist() == [False, False, False, True, True]


def test_who_takes_nothing_twice_does_not_in_another_session_either():
    log = _log(_world(0.0))
    assert not taken_before(log.users, log.items, N_ITEMS).any()
    assert len(log) == N_USERS * 20


@pytest.mark.parametrize("again", [0.0, 0.25, 0.6])
def test_what_is_left_of_the_liking_is_found(again):
    world = _world(again)
    found = liking_left(_log(world), lambda user: world.click_probabilities(np.array([user]))[0])
    # about 600 repeats at 0.6, 300 at 0.25: three standard errors are below 0.1
    assert abs(found - again) < 0.1


def test_without_a_memory_none_is_found():
    # false alarms: three standard deviations to one side, about 1 in 700 each
    world = _world(1.0)
    for seed in range(5):
        log = _log(world, seed)
        chances = world.click_probabilities(np.arange(N_USERS))
        assert liking_left(log, lambda user, known=chances: known[user]) == 1.0


def test_too_few_rows_tell_nothing():
    world = _world(0.0, n_steps=2)
    log = _log(world)
    some = log.users < 10
    few = replace(
        log, users=log.users[some], items=log.items[some], sessions=log.sessions[some],
        steps=log.steps[some], slots=log.slots[some], clicks=log.clicks[some],
        randomised=log.randomised[some],
    )  # fmt: skip
    assert liking_left(few, lambda user: world.click_probabilities(np.array([user]))[0]) == 1.0


def test_items_are_taken_as_often_as_wanted_by_people_who_take_nothing_twice(rng):
    likings = rng.uniform(0.1, 0.6, (200, 15))
    hidden = np.exp(rng.uniform(-1.0, 1.0, 15))
    n_taken = np.tile([3, 8], 100)

    def taken(weights, n_times):
        """How often items are among the first to ring, as clocks of rate `weights`."""
        counts = np.zeros(15)
        for _ in range(n_times):
            first = np.argsort(rng.exponential(size=weights.shape) / weights, axis=1)
            for row, n in enumerate(n_taken):
                counts[first[row, :n]] += 1.0
        return counts / n_times

    wanted = taken(likings * hidden, 60)
    factors = item_factors_for(likings, n_taken * 1.0, wanted, 1e-6, 1e6)
    again = taken(likings * factors, 60)
    assert np.abs(again / wanted - 1.0).max() < 0.06
    assert np.abs(taken(likings, 60) / wanted - 1.0).max() > 0.2


def test_a_world_fitted_to_takings_without_repeats_passes():
    log = _log(_world(0.0))
    fitted = fit_world(log, n_factors=2)
    assert fitted.world.params.again == 0.0
    assert "0 of the liking is left" in "\n".join(fitted.estimates.words())
    report = fidelity_report(fitted.world, log)
    assert report.passes
    assert {line.name: line.verdict for line in report.lines}["repeat rate"] == "agrees"
    forgetful = PreferenceWorld(replace(fitted.world.params, again=1.0))
    wrong = fidelity_report(forgetful, log)
    assert {line.name: line.verdict for line in wrong.lines}["repeat rate"] == "differs"
