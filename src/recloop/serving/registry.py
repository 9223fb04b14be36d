"""Registered models: a folder each, named by its content, checked whole before it is served.

    DATA_DIR/models/VERSION/model.npz     the model, as `save` wrote it
                            ids.json      its users' and items' ids in the order of its codes
                            manifest.json sha256 of both

Nothing in a file is ever run: arrays without pickle, types from the table of models alone.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recloop.errors import DamagedFile, InvalidParameter, MissingData, RecloopError
from recloop.models import MODELS
from recloop.models.base import AbstractRecommender
from recloop.models.packed import packed_size, smallest_eigenvalues
from recloop.models.registry import load_model
from recloop.serving.policy import Policy
from recloop.utils.files import (
    MANIFEST,
    checked_file,
    load_arrays,
    make_folder,
    read_json,
    sha256_of,
    write_json,
    write_manifest,
)

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
MODEL, IDS = "model.npz", "ids.json"


class Registry:
    """The models below one folder.

    plug_ins: types outside `MODELS` ("package.module:Class") that may be loaded.
    """

    def __init__(self, folder: str | Path, *, plug_ins: Collection[str] = ()) -> None:
        self.folder = make_folder(folder)
        self._plug_ins = frozenset(plug_ins)

    def add(
        self,
        model: AbstractRecommender,
        *,
        users: Sequence[str],
        items: Sequence[str],
        name: str | None = None,
    ) -> tuple[str, str]:
        """Keep a model; its version and the sha256 of its manifest. The same one is kept once."""
        check_servable(model, items=items, users=users)
        place = make_folder(self.folder / ".incoming")
        try:
            model.save(place / MODEL)
            write_json(place / IDS, {"users": list(users), "items": list(items)})
            write_manifest(place)
            digest = sha256_of(place / MANIFEST)
            version = f"{checked_name(name or model.type_name)}-{digest[:12]}"
            target = self.folder / version
            if not target.exists():
                place.rename(target)
            return version, digest
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def versions(self) -> list[str]:
        """All that are registered, by name."""
        return sorted(
            one.name for one in self.folder.iterdir() if one.is_dir() and NAME.match(one.name)
        )

    def digest(self, version: str) -> str:
        """The sha256 of a registered model's manifest."""
        return sha256_of(self._place(version) / MANIFEST)

    def load(self, version: str, sha256: str | None = None) -> Policy:
        """A registered model as a policy, after every byte, shape and number was checked.

        sha256: of its manifest, where the log says which one it was. DamagedFile otherwise.
        """
        folder = self._place(version)
        if not (folder / MANIFEST).is_file():
            raise DamagedFile(f"{folder}: has no {MANIFEST}; what it holds cannot be trusted.")
        digest = sha256_of(folder / MANIFEST)
        if sha256 is not None and digest != sha256:
            raise DamagedFile(f"{folder}: its manifest is not the one of the log (sha256 differs).")
        model = self._model(checked_file(folder, MODEL))
        ids = _ids(checked_file(folder, IDS))
        try:
            check_servable(model, items=ids["items"], users=ids["users"])
        except InvalidParameter as error:
            raise DamagedFile(f"{folder}: {error}") from None
        return Policy(
            model,
            name=version.rsplit("-", 1)[0],
            version=version,
            sha256=digest,
            items=ids["items"],
            users={user: code for code, user in enumerate(ids["users"])},
        )

    def _place(self, version: str) -> Path:
        folder = self.folder / checked_name(version)
        if folder.is_symlink() or not folder.is_dir():
            known = ", ".join(self.versions()) or "none"
            raise MissingData(f"model '{version}': not registered. Registered are: {known}.")
        return folder

    def _model(self, file: Path) -> AbstractRecommender:
        if file.is_symlink():
            raise DamagedFile(f"{file}: is a link; a registered model is a file.")
        header, arrays = load_arrays(file)
        kind = str(header.get("type"))
        if kind not in MODELS and kind not in self._plug_ins:
            raise DamagedFile(
                f"{file}: holds a '{kind}', which is no model of recloop. Name it under plug_ins "
                "of the settings if it is yours."
            )
        try:
            model = load_model(file, kind)
            check_arrays(str(file), arrays, type(model)(**header["params"]).arrays())
            return model
        except RecloopError:
            raise
        except Exception as error:  # whatever a header can say wrong
            raise DamagedFile(f"{file}: cannot be loaded as a '{kind}' ({error}).") from error


def checked_name(name: str) -> str:
    """`name` if it can name a folder and nothing else."""
    if not isinstance(name, str) or not NAME.match(name):
        raise InvalidParameter(
            f"model name: must be 1 to 100 letters, digits, '.', '_' or '-', the first a letter or "
            f"digit, got {name!r}."
        )
    return name


def _ids(file: Path) -> dict[str, list[str]]:
    found = read_json(file)
    for kind in ("users", "items"):
        ids = found.get(kind) if isinstance(found, dict) else None
        texts = [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []
        if not isinstance(ids, list) or len(set(texts)) != len(ids):
            raise DamagedFile(f"{file}: must hold a list '{kind}' of distinct ids.")
    return found


def check_arrays(place: str, arrays: dict[str, np.ndarray], expected: dict[str, Any]) -> None:
    """Raise DamagedFile unless every array holds finite numbers of the kind that is `expected`."""
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise DamagedFile(f"{place}: array '{name}' holds {array.dtype}, not numbers.")
        if array.dtype.kind != "f":
            continue
        wanted = expected[name].dtype if name in expected else array.dtype
        if wanted.kind == "f" and array.dtype != wanted:
            raise DamagedFile(
                f"{place}: array '{name}' holds {array.dtype}, the model learns in {wanted}."
            )
        if np.isnan(array).any():
            raise DamagedFile(f"{place}: array '{name}' holds NaN.")


def check_servable(
    model: AbstractRecommender, *, items: Sequence[str], users: Sequence[str]
) -> None:
    """Raise InvalidParameter where a model does not fit its ids, or is no state of a bandit."""
    if len(items) != model.n_items:
        raise InvalidParameter(
            f"model: has {model.n_items} items, its ids name {len(items)}. Give an id for each."
        )
    if len(users) > model.n_users:
        raise InvalidParameter(
            f"model: has {model.n_users} users, its ids name {len(users)}. Give one for each."
        )
    arrays = model.arrays()
    for name in ("evidence", "inverse"):
        width = getattr(model, "context_dim", 0)
        array = arrays.get(name)
        if array is not None and width and array.shape[1:] == (packed_size(width),):
            if not np.isfinite(array).all():
                raise InvalidParameter(f"model: array '{name}' is not finite.")
            lowest = smallest_eigenvalues(array, width)
            if not (lowest > 0).all():
                raise InvalidParameter(
                    f"model: array '{name}' of item {int(np.argmin(lowest))} is not positive "
                    "definite; no such state can be learned."
                )


def fingerprint(policy: Policy) -> str:
    """A sha256 of everything a policy has learned: equal for equal states, bit by bit."""
    digest = hashlib.sha256(json.dumps(policy.model.counters(), sort_keys=True).encode())
    for name, array in sorted(policy.model.arrays().items()):
        digest.update(name.encode())
        digest.update(str(array.dtype).encode())
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for person in sorted(policy.waiting):
        digest.update(repr((person, policy.waiting[person])).encode())
    return digest.hexdigest()
