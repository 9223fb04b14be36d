"""What every recommender promises about its file: whole, the same, or refused."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recloop.errors import DamagedFile
from recloop.testing.samples import (
    MakeModel,
    fresh,
    require,
    sample_moment,
    sample_steps,
    saved_bytes,
    taught,
    teach,
)
from recloop.utils.files import load_arrays, save_arrays

_PICKLE = b"\x80\x04N."  # of None


def reloaded(model: Any) -> Any:
    """The model that comes back from a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        model.save(path)
        return type(model).load(path)


def a_saved_model_comes_back_whole(make_model: MakeModel) -> None:
    """Same parameters, same bytes, same scores, and the same exploring choices from there on."""
    for model in (fresh(make_model), taught(make_model)):
        again = reloaded(model)
        require(
            again.params() == model.params(),
            f"saved {model.params()}, loaded {again.params()}",
        )
        require(
            saved_bytes(again) == saved_bytes(model), "saving what was loaded gives other bytes"
        )
        moment = sample_moment(model, 12)
        require(
            np.array_equal(
                again.scores(moment.users, **moment.given),
                model.scores(moment.users, **moment.given),
            ),
            "the loaded model has other scores",
        )
        for _ in range(3):
            require(
                np.array_equal(
                    again.recommend_batch(moment.users, 4, **moment.given),
                    model.recommend_batch(moment.users, 4, **moment.given),
                ),
                "the loaded model explores otherwise",
            )


def interrupted_training_continues_the_same(make_model: MakeModel) -> None:
    """Learn, choose, save, load, learn, choose ends in the bytes of never having stopped."""
    straight, stopped = taught(make_model), taught(make_model)
    for seed in (5, 6):
        for model in (straight, stopped):
            teach(model, sample_steps(model, 96, seed))
            model.update(1, 2, 1.0)
            moment = sample_moment(model, 5)
            model.recommend_batch(moment.users, 3, **moment.given)
        stopped = reloaded(stopped)
    require(
        saved_bytes(straight) == saved_bytes(stopped),
        "training that was saved and loaded half way ends in other bytes",
    )


def parameters_rebuild_the_model(make_model: MakeModel) -> None:
    """`params()` are plain JSON values that make a model with the same parameters and start."""
    model = fresh(make_model)
    params = model.params()
    text = json.dumps(params, allow_nan=False)
    again = type(model)(**json.loads(text))
    require(again.params() == params, f"{params} rebuilds a model of {again.params()}")
    moment = sample_moment(model, 5)
    require(
        np.array_equal(
            again.scores(moment.users, **moment.given), model.scores(moment.users, **moment.given)
        ),
        "a model rebuilt from its parameters starts with other scores",
    )


def damaged_files_are_refused(make_model: MakeModel) -> None:
    """A flipped bit, another type or version, a wrong or absent array, a pickle: DamagedFile."""
    model = taught(make_model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        model.save(path)
        header, arrays = load_arrays(path)
        for what, spoil in _damages(path, header, arrays):
            spoil()
            try:
                type(model).load(path)
            except DamagedFile as error:
                require(str(path) in str(error), f"the refusal of {what} must name the file")
            else:
                require(False, f"a file with {what} must be refused with DamagedFile")


def _damages(
    path: Path, header: dict[str, Any], arrays: dict[str, np.ndarray]
) -> list[tuple[str, Callable[[], Any]]]:
    whole = path.read_bytes()
    damages: list[tuple[str, Callable[[], Any]]] = [
        ("a flipped bit", lambda: path.write_bytes(_flipped(whole))),
        ("its end cut off", lambda: path.write_bytes(whole[:-10])),
        ("nothing in it", lambda: path.write_bytes(b"")),
        ("a pickle in it", lambda: path.write_bytes(_PICKLE)),
        ("another type", lambda: save_arrays(path, arrays, {**header, "type": "another"})),
        ("another version", lambda: save_arrays(path, arrays, {**header, "version": 0})),
        ("an array too many", lambda: save_arrays(path, {**arrays, "extra": np.ones(1)}, header)),
        (
            "a parameter too many",
            lambda: save_arrays(path, arrays, {**header, "params": {**header["params"], "x": 1}}),
        ),
    ]
    for name, array in arrays.items():
        without = {other: value for other, value in arrays.items() if other != name}
        if name != "_recent_items":
            damages.append((f"no array '{name}'", _saving(path, without, header)))
        deeper = {**arrays, name: array[None]}
        damages.append((f"an axis too many in '{name}'", _saving(path, deeper, header)))
        if array.ndim:
            longer = {**arrays, name: np.concatenate([array, array[-1:]])}
            is_longer = len(longer[name]) > len(array)
            if is_longer:
                damages.append((f"a row too many in '{name}'", _saving(path, longer, header)))
    return damages


def _saving(
    path: Path, arrays: Mapping[str, np.ndarray], header: dict[str, Any]
) -> Callable[[], Any]:
    return lambda: save_arrays(path, arrays, header)


def _flipped(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)
