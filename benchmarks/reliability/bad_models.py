"""Fourteen and more ways in which a registered model can be bad, and names that lead elsewhere."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.servers import bandit
from recloop.serving.registry import IDS, MODEL
from recloop.utils.files import MANIFEST, load_arrays, save_arrays, write_json, write_manifest

Spoil = Callable[[Path], None]


def _bytes(change: Callable[[bytearray], None]) -> Spoil:
    """The bytes of the model file changed behind the manifest's back."""

    def spoil(folder: Path) -> None:
        data = bytearray((folder / MODEL).read_bytes())
        change(data)
        (folder / MODEL).write_bytes(bytes(data))

    return spoil


def _flip(data: bytearray) -> None:
    data[len(data) // 2] ^= 1


def _cut(data: bytearray) -> None:
    del data[len(data) // 2 :]


def _arrays(change: Callable[[dict[str, np.ndarray], dict[str, Any]], None]) -> Spoil:
    """A file that is whole, signed, and wrong."""

    def spoil(folder: Path) -> None:
        header, arrays = load_arrays(folder / MODEL)
        arrays = {name: array.copy() for name, array in arrays.items()}
        change(arrays, header)
        save_arrays(folder / MODEL, arrays, header)
        write_manifest(folder)

    return spoil


def _set(name: str, value: float) -> Spoil:
    def change(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> None:
        arrays[name].flat[3] = value

    return _arrays(change)


def _single(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> None:
    for name in ("evidence", "inverse", "weights"):
        arrays[name] = arrays[name].astype(np.float32)


def _narrow(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> None:
    arrays["evidence"] = arrays["evidence"][:, :-1]


def _minus(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> None:
    arrays["evidence"][0] *= -1.0


def _foreign(_: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    header["type"] = "os:system"


def _pickle(folder: Path) -> None:
    """Arrays of objects, which numpy would run code to read."""
    np.savez(folder / MODEL, weights=np.array([{"a": 1}, print], dtype=object), allow_pickle=True)
    write_manifest(folder)


def _other_width(folder: Path) -> None:
    ids = json.loads((folder / IDS).read_text())
    bandit(n_items=len(ids["items"]), width=3).save(folder / MODEL)
    write_manifest(folder)


def _ids(change: Callable[[dict[str, list[str]]], None]) -> Spoil:
    def spoil(folder: Path) -> None:
        ids = json.loads((folder / IDS).read_text())
        change(ids)
        write_json(folder / IDS, ids)
        write_manifest(folder)

    return spoil


def _linked(folder: Path) -> None:
    elsewhere = folder.parent.parent / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


SPOILED: dict[str, Spoil] = {
    "one bit flipped": _bytes(_flip),
    "cut in half": _bytes(_cut),
    "empty": _bytes(bytearray.clear),
    "an array of another shape": _arrays(_narrow),
    "NaN": _set("weights", np.nan),
    "infinity": _set("evidence", np.inf),
    "not positive definite": _arrays(_minus),
    "single precision": _arrays(_single),
    "objects in place of numbers": _pickle,
    "a type that is no model": _arrays(_foreign),
    "contexts of another width": _other_width,
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
    "an id too few": _ids(lambda ids: ids["items"].pop()),
    "an id twice": _ids(lambda ids: ids["items"].__setitem__(0, ids["items"][1])),
    "items that nobody knows": _ids(
        lambda ids: ids.__setitem__("items", [f"other {one}" for one in ids["items"]])
    ),
    "a link in place of a folder": _linked,
}
NAMES = ["..", "%2e%2e%2fmodels", "..%2f..%2fetc", ".incoming", "nobody-000000000000", "a%00b"]


def spoil_all(models: Path, good: str) -> list[str]:
    """A bad copy of a good registered model for each way; their names."""
    made = []
    for number, spoil in enumerate(SPOILED.values()):
        name = f"bad{number}-{good.rpartition('-')[2]}"
        shutil.copytree(models / good, models / name)
        spoil(models / name)
        made.append(name)
    return made
