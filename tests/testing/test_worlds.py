"""Probe worlds answer as they say, and their verdicts tell right values from wrong ones."""

from dataclasses import dataclass

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.testing import (
    PROBE_WORLDS,
    DelayedPurchaseWorld,
    DriftingTasteWorld,
    OneItemWorld,
    TwoByTwoWorld,
    TwoItemsWorld,
    TwoUsersWorld,
    mean_interval,
)
from recloop.types import World


@dataclass
class Told:
    """Values that somebody wrote down: by user, or by the item taken last (-1: none)."""

    by_user: list | None = None
    by_last_item: dict | None = None
    discount_factor: float = 0.0

    @property
    def history_length(self):
        return 0 if self.by_last_item is None else 1

    def scores(self, users, *, history):
        if self.by_last_item is None:
            assert history.shape == (len(users), 0)
            return np.array(self.by_user)[users]
        return np.array([self.by_last_item[int(last)] for last in history[:, 0]])


def _answers(world, rng, items, users=None, n_sessions=2000):
    """Rewards of showing `items` to `users`, session after session."""
    users = np.zeros(1, dtype=np.int64) if users is None else np.array(users)
    earned = []
    for _ in range(n_sessions):
        world.reset(users, rng)
        earned.append([world.step(np.array(shown))[0] for shown in items])
    return np.array(earned)  # (n_sessions, steps, B)


@pytest.mark.parametrize("make_world", PROBE_WORLDS)
def test_a_probe_world_keeps_the_protocol_and_says_what_it_means(make_world, rng):
    world = make_world()
    assert isinstance(world.n_users, int)
    typed: World = world
    typed.reset(np.arange(world.n_users), rng)
    for step in range(1, world.horizon + 1):
        rewards, terminated, truncated = typed.step(np.zeros(world.n_users, dtype=np.int64))
        assert rewards.shape == terminated.shape == truncated.shape == (world.n_users,)
        assert rewards.dtype == np.float64
        assert terminated.tolist() == [step == world.horizon] * world.n_users
        assert not truncated.any()
        assert terminated.dtype == truncated.dtype == np.bool_
    assert len(world.meaning.split()) > 5
    assert world.must_pass
    assert world.histories(3).tolist() == [[-1, -1, -1]] * world.n_users


def test_a_session_begins_anew(rng):
    world = DelayedPurchaseWorld()
    world.reset(np.array([0]), rng)
    world.step(np.array([world.TEASER]))
    world.reset(np.array([0]), rng)
    rewards, terminated, _ = world.step(np.array([world.PURCHASE]))
    assert rewards.tolist() == [0.0]
    assert terminated.tolist() == [False]


def test_unknown_people_and_items_are_refused(rng):
    world = TwoItemsWorld()
    with pytest.raises(InvalidParameter, match=r"^TwoItemsWorld: users must be between 0 and 0"):
        world.reset(np.array([1]), rng)
    world.reset(np.array([0]), rng)
    with pytest.raises(InvalidParameter, match=r"^TwoItemsWorld: items must be between 0 and 1"):
        world.step(np.array([2]))


def test_a_step_shows_one_item_to_each_person_of_the_session(rng):
    world = TwoUsersWorld()
    with pytest.raises(InvalidParameter, match="one item to each of the 0 people"):
        world.step(np.array([0]))
    world.reset(np.array([0, 1, 1]), rng)
    with pytest.raises(InvalidParameter, match=r"of the 3 people of the session, got 2\. Call res"):
        world.step(np.array([0, 0]))


# what they answer


def test_the_one_item_earns_seven_tenths(rng):
    earned = _answers(OneItemWorld(), rng, [[0]]).ravel()
    assert set(earned) == {0.6, 0.8}
    assert 0.7 in mean_interval(earned)


def test_only_the_first_of_two_users_gives_anything(rng):
    earned = _answers(TwoUsersWorld(), rng, [[0, 0, 0]], users=[1, 0, 1], n_sessions=3)
    assert earned[:, 0].tolist() == [[0.0, 1.0, 0.0]] * 3


@pytest.mark.parametrize(("item", "mean"), [(0, 0.2), (1, 0.8)])
def test_the_second_of_two_items_earns_four_times_the_first(rng, item, mean):
    assert mean in mean_interval(_answers(TwoItemsWorld(), rng, [[item]]).ravel())


def test_two_users_have_opposite_tastes(rng):
    earned = _answers(TwoByTwoWorld(), rng, [[0, 0], [1, 1]], users=[0, 1])[:, :1]
    assert 0.8 in mean_interval(earned[:, 0, 0])
    assert 0.2 in mean_interval(earned[:, 0, 1])


@pytest.mark.parametrize(
    ("shown", "earned"),
    [
        ([0, 2], [0.1, 2.0]),
        ([1, 2], [0.5, 0.0]),
        ([2, 2], [0.0, 0.0]),
        ([0, 1], [0.1, 0.5]),
        ([0, 0], [0.1, 0.1]),
    ],
)
def test_a_purchase_pays_only_right_after_the_teaser(rng, shown, earned):
    items = [[item] for item in shown]
    assert _answers(DelayedPurchaseWorld(), rng, items, n_sessions=1)[0, :, 0].tolist() == earned


def test_each_person_needs_a_teaser_of_their_own(rng):
    world = DelayedPurchaseWorld()
    world.n_users = 2
    world.reset(np.array([0, 1]), rng)
    world.step(np.array([world.TEASER, world.SNACK]))
    assert world.step(np.array([world.PURCHASE] * 2))[0].tolist() == [2.0, 0.0]


def test_taste_drifts_after_two_hundred_sessions(rng):
    world = DriftingTasteWorld()
    before = _answers(world, rng, [[0]], n_sessions=200).ravel()
    after = _answers(world, rng, [[0]], n_sessions=200).ravel()
    assert 0.9 in mean_interval(before)
    assert 0.1 in mean_interval(after)


def test_taste_changes_with_the_session_not_within_it():
    class Coin:
        def random(self, n):
            return np.full(n, 0.5)

    world = DriftingTasteWorld()
    earned = _answers(world, Coin(), [[0]], n_sessions=202).ravel()
    assert earned.tolist() == [1.0] * 200 + [0.0] * 2
    assert _answers(world, Coin(), [[1]], n_sessions=1).ravel().tolist() == [1.0]


@pytest.mark.parametrize(
    ("make_world", "sizes"),
    [
        (OneItemWorld, (1, 1, 1)),
        (TwoUsersWorld, (2, 1, 1)),
        (TwoItemsWorld, (1, 2, 1)),
        (TwoByTwoWorld, (2, 2, 1)),
        (DelayedPurchaseWorld, (1, 3, 2)),
        (DriftingTasteWorld, (1, 2, 1)),
    ],
)
def test_probe_worlds_are_as_small_as_their_names_say(make_world, sizes):
    world = make_world()
    assert (world.n_users, world.n_items, world.horizon) == sizes
    assert world.n_episodes in (300, 500, 600)


# what they make of a model


@pytest.mark.parametrize(
    ("make_world", "right", "wrong", "words"),
    [
        (OneItemWorld, [[0.79]], [[0.81]], r"its value is 0\.810"),
        (OneItemWorld, [[0.61]], [[0.59]], r"its value is 0\.590"),
        (TwoUsersWorld, [[0.8], [0.3]], [[0.8], [0.4]], r"values are 0\.800 and 0\.400"),
        (TwoItemsWorld, [[0.2, 0.3]], [[0.3, 0.3]], r"four times .* scores are \[0\.3, 0\.3\]"),
        (TwoByTwoWorld, [[0.9, 0.1], [0.1, 0.9]], [[0.9, 0.1], [0.9, 0.1]], "user 1 item 1"),
        (TwoByTwoWorld, [[0.9, 0.1], [0.1, 0.9]], [[0.1, 0.1], [0.1, 0.9]], "user 1 item 1"),
        (DriftingTasteWorld, [[0.1, 0.2]], [[0.2, 0.2]], "liked for long"),
    ],
)
def test_right_values_pass_and_wrong_ones_are_named(make_world, right, wrong, words):
    import re

    assert make_world().problem(Told(by_user=right)) is None
    assert re.search(words, make_world().problem(Told(by_user=wrong)))


TEASER_FIRST = {-1: [1.9, 0.95, 0.0], 0: [0.1, 0.5, 2.0]}
SNACK_FIRST = {-1: [0.1, 0.5, 0.0], 0: [0.1, 0.5, 2.0]}
NEVER_BOUGHT = {-1: [1.9, 0.95, 0.0], 0: [0.1, 0.5, 0.4]}


@pytest.mark.parametrize(
    ("values", "discount", "words"),
    [
        (TEASER_FIRST, 0.9, None),
        (TEASER_FIRST, 0.3, None),
        (SNACK_FIRST, 0.0, None),
        (SNACK_FIRST, 0.9, "at discount 0.9 the teaser comes first"),
        (TEASER_FIRST, 0.0, "at discount 0 the snack comes first"),
        (NEVER_BOUGHT, 0.9, "after the teaser the purchase earns most"),
    ],
)
def test_the_discount_decides_between_teaser_and_snack(values, discount, words):
    problem = DelayedPurchaseWorld().problem(Told(by_last_item=values, discount_factor=discount))
    if words is None:
        assert problem is None
    else:
        assert problem.startswith(words)
