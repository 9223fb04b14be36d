"""A fitted world as one file: arrays and a JSON header, checked to the last byte when read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from recloop import __version__
from recloop.errors import DamagedFile, InvalidData, RecloopError
from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.utils.checks import check_finite
from recloop.utils.files import load_arrays, save_arrays

TYPE = "preference world"
ARRAYS = ("user_factors", "item_factors", "popularity", "lengths")


@dataclass(frozen=True)
class SavedWorld:
    """What a file holds: the world, the ids of its people and items, and what was said of it."""

    world: PreferenceWorld
    user_ids: list[str] = field(default_factory=list)
    item_ids: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


def save_world(
    path: str | Path,
    world: PreferenceWorld,
    *,
    user_ids: Sequence[str] = (),
    item_ids: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write `world`; the same world gives the same bytes.

    user_ids, item_ids: those of the codes, in order, or none. about: plain values to keep beside.
    """
    _check_ids(world, "user_ids", user_ids, world.n_users)
    _check_ids(world, "item_ids", item_ids, world.n_items)
    values = {each.name: getattr(world.params, each.name) for each in fields(PreferenceParams)}
    arrays = {name: values[name] for name in ARRAYS if values[name] is not None}
    header = {
        "type": TYPE,
        "version": __version__,
        "params": {name: value for name, value in values.items() if name not in ARRAYS},
        "user_ids": list(user_ids),
        "item_ids": list(item_ids),
        "about": dict(about or {}),
    }
    save_arrays(path, arrays, header)


def load_world(path: str | Path) -> SavedWorld:
    """The world of a file that `save_world` wrote; anything else is refused."""
    header, arrays = load_arrays(path)
    if header.get("type") != TYPE:
        raise DamagedFile(
            f"{path}: holds a {header.get('type')!r}, not a {TYPE!r}. Write one with fit-world."
        )
    try:
        values = {name: check_finite("load_world", name, each) for name, each in arrays.items()}
        world = PreferenceWorld(PreferenceParams(**values, **header["params"]))
        _check_ids(world, "user_ids", header["user_ids"], world.n_users)
        _check_ids(world, "item_ids", header["item_ids"], world.n_items)
    except (RecloopError, TypeError, KeyError, ValueError, IndexError) as error:
        raise DamagedFile(f"{path}: does not hold a whole world ({error}).") from error
    return SavedWorld(world, header["user_ids"], header["item_ids"], header["about"])


def _check_ids(world: PreferenceWorld, name: str, ids: Sequence[str], n: int) -> None:
    if len(ids) not in (0, n):
        raise InvalidData(
            f"save_world: {name} must name each of the {n} codes once, or be empty; got {len(ids)}."
        )
