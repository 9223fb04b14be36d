"""Recent items stand newest first and are padded with -1."""

import numpy as np
import pytest

from recloop.types import Interactions
from recloop.utils.history import RecentItems, last_items, pushed


def test_a_new_history_is_empty():
    assert RecentItems(2, 3).of(np.array([1, 0])).tolist() == [[-1, -1, -1], [-1, -1, -1]]


def test_the_newest_item_stands_first_and_the_oldest_falls_out():
    recent = RecentItems(2, 2)
    for item in (5, 6, 7):
        recent.push(np.array([1]), np.array([item]))
    assert recent.of(np.array([0, 1])).tolist() == [[-1, -1], [7, 6]]


def test_several_people_are_pushed_in_one_call():
    recent = RecentItems(3, 2)
    recent.push(np.array([2, 0]), np.array([4, 8]))
    recent.push(np.array([2]), np.array([5]))
    assert recent.items.tolist() == [[8, -1], [-1, -1], [5, 4]]


def test_what_was_given_out_does_not_change_later():
    recent = RecentItems(1, 1)
    before = recent.of(np.array([0]))
    recent.push(np.array([0]), np.array([3]))
    assert before.tolist() == [[-1]]


def test_codes_are_int64():
    assert RecentItems(1, 1).items.dtype == np.int64


def test_a_history_of_length_zero_stays_empty():
    recent = RecentItems(2, 0)
    recent.push(np.array([0]), np.array([3]))
    assert recent.of(np.array([0])).shape == (1, 0)


def test_pushed_gives_a_new_array_and_leaves_the_old_one():
    before = np.array([[1, 2, -1], [3, -1, -1]])
    after = pushed(before, np.array([8, 9]))
    assert after.tolist() == [[8, 1, 2], [9, 3, -1]]
    assert before.tolist() == [[1, 2, -1], [3, -1, -1]]


@pytest.mark.parametrize("rows", [0, 2])
def test_pushed_onto_no_length_is_an_equal_copy(rows):
    before = np.empty((rows, 0), dtype=np.int64)
    after = pushed(before, np.zeros(rows, dtype=np.int64))
    assert after.shape == (rows, 0)
    assert after is not before


def test_pushed_and_push_agree(rng):
    recent = RecentItems(4, 3)
    users = np.arange(4)
    for _ in range(5):
        items = rng.integers(0, 9, 4)
        expected = pushed(recent.of(users), items)
        recent.push(users, items)
        assert recent.of(users).tolist() == expected.tolist()


def a_log(users, items, n_users):
    n = len(users)
    return Interactions(
        users=np.array(users, dtype=np.int64),
        items=np.array(items, dtype=np.int64),
        weights=np.ones(n),
        timestamps=np.arange(n, dtype=np.float64),
        n_users=n_users,
        n_items=10,
    )


def test_the_last_items_of_a_log_stand_newest_first():
    log = a_log([0, 0, 0, 2, 3], [4, 5, 6, 7, 8], n_users=5)
    assert last_items(log, 2).tolist() == [[6, 5], [-1, -1], [7, -1], [8, -1], [-1, -1]]


def test_the_first_row_of_a_log_belongs_to_its_user_only():
    assert last_items(a_log([0, 1], [4, 5], n_users=2), 3).tolist() == [[4, -1, -1], [5, -1, -1]]
    assert last_items(a_log([1], [4], n_users=2), 2).tolist() == [[-1, -1], [4, -1]]


def test_an_empty_log_leaves_everyone_without_items():
    assert last_items(a_log([], [], n_users=2), 3).tolist() == [[-1, -1, -1]] * 2


def test_no_length_asks_for_no_items():
    assert last_items(a_log([0, 1], [4, 5], n_users=2), 0).shape == (2, 0)


def test_the_last_items_are_what_pushing_them_one_by_one_leaves(rng):
    log = a_log(np.sort(rng.integers(0, 5, 40)), rng.integers(0, 10, 40), n_users=6)
    recent = RecentItems(6, 4)
    for user, item in zip(log.users, log.items, strict=True):
        recent.push(np.array([user]), np.array([item]))
    assert last_items(log, 4).tolist() == recent.items.tolist()
