"""The category `utils`: what everything else stands on, end to end and in a few lines.

The tests of each part are in tests/utils.
"""

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter, RecloopError
from recloop.utils.checks import check_between
from recloop.utils.files import checked_file, load_arrays, save_arrays, write_manifest
from recloop.utils.history import RecentItems
from recloop.utils.names import unknown_name
from recloop.utils.seeding import generator_state, restored_generator, stream
from recloop.utils.topk import top_k


def test_same_seed_same_numbers_another_name_other_numbers():
    assert stream(1, "explore").random() == stream(1, "explore").random()
    assert stream(1, "explore").random() != stream(1, "replay").random()


def test_a_generator_can_be_put_away_and_taken_up_again():
    rng = stream(1, "explore")
    rng.random(10)
    assert restored_generator(generator_state(rng)).random() == rng.random()


def test_arrays_survive_a_file_and_a_flipped_bit_does_not(tmp_path):
    path = tmp_path / "model.npz"
    save_arrays(path, {"q_table": np.eye(3)}, {"type": "q_learning"})
    write_manifest(tmp_path)
    header, arrays = load_arrays(checked_file(tmp_path, "model.npz"))
    assert header["type"] == "q_learning"
    np.testing.assert_array_equal(arrays["q_table"], np.eye(3))

    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile):
        load_arrays(path)
    with pytest.raises(DamagedFile):
        checked_file(tmp_path, "model.npz")


def test_the_best_items_come_first_and_ties_go_to_the_lower_code():
    assert top_k(np.array([[0.1, 0.9, 0.9]]), 2).tolist() == [[1, 2]]


def test_recent_items_stand_newest_first():
    recent = RecentItems(1, 3)
    for item in (4, 2):
        recent.push(np.array([0]), np.array([item]))
    assert recent.of(np.array([0])).tolist() == [[2, 4, -1]]


def test_a_typo_is_answered_with_the_nearest_name():
    assert "Did you mean 'dqn'?" in str(unknown_name("model", "dqm", ["dqn", "sarsa"]))


def test_our_errors_are_also_the_builtin_ones():
    with pytest.raises(InvalidParameter) as caught:
        check_between("QLearningRecommender", "epsilon", 1.5, 0, 1)
    assert isinstance(caught.value, RecloopError)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == "QLearningRecommender: epsilon must be between 0 and 1, got 1.5."
