"""A world's file is read as it was written, or not at all."""

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidData
from recloop.simulators.preference import PreferenceWorld, drawn_preferences
from recloop.training.fitting import load_world, save_world
from recloop.utils.files import load_arrays, save_arrays


@pytest.fixture
def world():
    params = drawn_preferences(
        n_users=3, n_items=4, n_factors=2, lengths=np.array([0.25, 0.75]), drift=0.1, slate_size=2
    )
    return PreferenceWorld(params)


def test_a_world_is_read_as_it_was_written(world, tmp_path):
    file = tmp_path / "world.npz"
    ids = {"user_ids": ["ann", "ben", "eve"], "item_ids": ["a", "b", "c", "d"]}
    save_world(file, world, **ids, about={"taste": 0.5})
    read = load_world(file)
    for name, value in vars(world.params).items():
        np.testing.assert_array_equal(getattr(read.world.params, name), value)
    assert (read.user_ids, read.item_ids) == (ids["user_ids"], ids["item_ids"])
    assert read.about == {"taste": 0.5}
    again = tmp_path / "again.npz"
    save_world(again, world, **ids, about={"taste": 0.5})
    assert file.read_bytes() == again.read_bytes()


def test_ids_must_name_every_code(world, tmp_path):
    with pytest.raises(InvalidData, match="item_ids must name each of the 4 codes once"):
        save_world(tmp_path / "world.npz", world, item_ids=["a"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, arrays: header.update(type="model"), "holds a 'model'"),
        (lambda header, arrays: header["params"].update(colour=1), "does not hold a whole world"),
        (lambda header, arrays: header.pop("params"), "does not hold a whole world"),
        (lambda header, arrays: header.update(item_ids=["a"]), "item_ids must name"),
        (lambda header, arrays: arrays.pop("item_factors"), "does not hold a whole world"),
        (
            lambda header, arrays: arrays.update(item_factors=np.ones((4, 7))),
            "user_factors have 2 columns",
        ),
        (
            lambda header, arrays: arrays.update(popularity=np.full(4, np.nan)),
            "popularity must be finite",
        ),
    ],
)
def test_another_file_is_refused(world, tmp_path, change, message):
    file = tmp_path / "world.npz"
    save_world(file, world)
    header, arrays = load_arrays(file)
    change(header, arrays)
    save_arrays(file, arrays, header)
    with pytest.raises(DamagedFile, match=message):
        load_world(file)
