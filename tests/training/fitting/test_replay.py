"""What a log showed is shown again, and to the same people."""

import numpy as np

from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.training.fitting import ImpressionLog
from recloop.training.fitting.replay import answered_again


def _world(n_steps, chance=1.0):
    lengths = np.zeros(n_steps)
    lengths[-1] = 1.0
    return PreferenceWorld(
        PreferenceParams(
            np.zeros((2, 1)),
            np.zeros((6, 1)),
            popularity=np.full(6, chance),
            ceiling=1.0,
            slate_size=2,
            lengths=lengths,
            horizon=n_steps,
        )
    )


LOG = ImpressionLog.impressions(
    # person 0: items 0 over 1, then 2; in another session 3. person 1: item 4 in the lower slot
    users=np.array([0, 0, 0, 0, 1]),
    sessions=np.array([0, 0, 0, 1, 2]),
    times=np.array([0, 0, 1, 0, 0]),
    items=np.array([0, 1, 2, 3, 4]),
    slots=np.array([0, 1, 0, 0, 1]),
    clicks=np.ones(5),
    n_users=2,
    n_items=6,
)


def test_the_same_steps_are_shown_again(rng):
    again = answered_again(_world(1), LOG, rng)
    assert again.users.tolist() == [0, 0, 0, 1]
    assert again.items.tolist() == [0, 1, 3, 4]
    assert again.slots.tolist() == [0, 1, 0, 1]


def test_who_stays_longer_goes_on_with_what_they_were_shown_elsewhere(rng):
    again = answered_again(_world(3), LOG, rng)
    by_session = [again.items[again.sessions == n].tolist() for n in range(3)]
    assert by_session == [[0, 1, 2, 3], [3, 0, 1, 2], [4, 4, 4]]


def test_the_answers_are_the_worlds(rng):
    assert answered_again(_world(1), LOG, rng).clicks.tolist() == [1.0] * 4
    assert answered_again(_world(1, chance=0.0), LOG, rng).clicks.sum() == 0.0


def test_interactions_are_what_people_take_in_proportion_to_their_chances(rng):
    n = 3000
    log = ImpressionLog.interactions(
        users=np.zeros(n, dtype=np.int64), items=np.zeros(n, dtype=np.int64),
        timestamps=np.arange(n) * 1e4, n_users=1, n_items=2,
    )  # fmt: skip
    world = PreferenceWorld(
        PreferenceParams(
            np.ones((1, 1)), np.array([[0.6], [0.2]]), lengths=np.array([1.0]), horizon=1
        )
    )
    again = answered_again(world, log, rng)
    # .6 to .2: three quarters, standard error .008
    assert abs((again.items == 0).mean() - 0.75) < 0.035
    assert len(again) == n
