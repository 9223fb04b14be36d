"""Registered models: a folder each, named by its content, checked whole before it is served.

    DATA_DIR/models/VERSION/model.npz     the model, as `save` wrote it
                            ids.json      its users' and items' ids in the order of its codes
                            manifest.json sha256 of both

Nothing in a file is ever run: arrays without pickle, types from the table of models alone.
"""

import contextlib
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recloop.errors import DamagedFile, InvalidParameter, MissingData, RecloopError
from recloop.models import MODELS
from recloop.models.base import AbstractRecommender
from recloop.models.packed import packed_size, unpacked
from recloop.models.registry import load_model
from recloop.serving.policy import Policy, joined_steps
from recloop.utils.files import (
    MANIFEST,
    checked_file,
    load_arrays,
    make_folder,
    read_json,
    sha256_of,
    sync_folder,
    write_json,
    write_manifest,
)

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
ID = re.compile(r"^[^\x00-\x1f\x7f]{1,4096}\Z")
MATRICES = {"evidence", "inverse", "shared_evidence", "shared_inverse"}
MAY_BE_EMPTY = {"table_values", "table_heads"}
MODEL, IDS = "model.npz", "ids.json"
KEPT = ".kept"  # no part of the model: the manifest does not list it


class Registry:
    """The models below one folder.

    plug_ins: types outside `MODELS` ("package.module:Class") that may be loaded.
    """

    def __init__(self, folder: str | Path, *, plug_ins: Collection[str] = ()) -> None:
        self.folder = make_folder(folder)
        self._plug_ins = frozenset(plug_ins)
        self._ready: dict[tuple[str, str], Policy] = {}

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
        place = make_folder(self.folder / f".incoming-{uuid.uuid4().hex}")
        try:
            model.save(place / MODEL)
            write_json(place / IDS, {"users": list(users), "items": list(items)})
            write_manifest(place)
            digest = sha256_of(place / MANIFEST)
            version = f"{checked_name(name or model.type_name)}-{digest[:12]}"
            target = self.folder / version
            if not target.exists():
                sync_folder(place)
                with contextlib.suppress(FileExistsError, OSError):  # another was quicker
                    place.rename(target)
                sync_folder(self.folder)
            if self.digest(version) != digest:
                raise DamagedFile(f"{target}: is there, and not as it was written. Remove it.")
            return version, digest
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def prune(self, name: str, keep: int) -> None:
        """Remove all but the newest `keep` models of a name, and those that a record swapped in."""
        old = sorted(
            (one for one in self.folder.glob(f"{name}-*") if not (one / KEPT).exists()),
            key=lambda one: one.stat().st_mtime_ns,
            reverse=True,
        )
        for folder in old[keep:]:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, version: str) -> None:
        """Never prune a model: a record of the log names it."""
        (self._place(version) / KEPT).touch()

    def versions(self) -> list[str]:
        """All that are registered, by name."""
        return sorted(
            one.name for one in self.folder.iterdir() if one.is_dir() and NAME.fullmatch(one.name)
        )

    def codes_of_user(self, user: str) -> dict[str, int]:
        """The code that each registered model has of a person; those that know them alone."""
        found = {}
        for version in self.versions():
            try:
                users = _ids(checked_file(self.folder / version, IDS))["users"]
            except RecloopError:
                continue  # it cannot be served either
            if user in users:
                found[version] = users.index(user)
        return found

    def digest(self, version: str) -> str:
        """The sha256 of a registered model's manifest."""
        return sha256_of(self._place(version) / MANIFEST)

    def make_ready(self, version: str, sha256: str) -> None:
        """Load a model before a record says that it is served: that one must not fail then."""
        self._ready[version, sha256] = self.load(version, sha256)

    def load(self, version: str, sha256: str | None = None) -> Policy:
        """A registered model as a policy, after every byte, shape and number was checked.

        sha256: of its manifest, where the log says which one it was. DamagedFile otherwise.
        """
        ready = self._ready.pop((version, sha256 or ""), None)
        if ready is not None:
            return ready
        folder = self._place(version)
        for name in (MANIFEST, MODEL, IDS):
            if (folder / name).is_symlink():
                raise DamagedFile(f"{folder / name}: is a link; a registered model is a file.")
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
        header, arrays = load_arrays(file)
        kind = str(header.get("type"))
        if kind not in MODELS and kind not in self._plug_ins:
            raise DamagedFile(
                f"{file}: holds a '{kind}', which is no model of recloop. Name it under plug_ins "
                "of the settings if it is yours."
            )
        self._check_params(file, header.get("params"))
        try:
            model = load_model(file, kind)
            check_arrays(str(file), arrays, type(model)(**header["params"]).arrays())
            return model
        except RecloopError:
            raise
        except Exception as error:  # whatever a header can say wrong
            raise DamagedFile(f"{file}: cannot be loaded as a '{kind}' ({error}).") from error

    def _check_params(self, file: Path, params: Any) -> None:
        """Raise where a parameter names code that would be imported, such as a network's class."""
        named = params.values() if isinstance(params, dict) else ()
        for one in named:
            if isinstance(one, str) and ":" in one and one not in self._plug_ins:
                raise DamagedFile(
                    f"{file}: a parameter names code, '{one[:100]}'. Name it under plug_ins of the "
                    "settings if it is yours."
                )


def checked_name(name: str) -> str:
    """`name` if it can name a folder and nothing else."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
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
        if not all(ID.match(one) for one in texts):
            raise DamagedFile(f"{file}: an id of '{kind}' is empty or holds control characters.")
    return found


def check_arrays(place: str, arrays: dict[str, np.ndarray], expected: dict[str, Any]) -> None:
    """Raise DamagedFile unless every array holds finite numbers of the kind that is `expected`.

    Minus infinity is allowed where a fresh model has it: in places of a table that are empty.
    """
    for name, array in arrays.items():
        wanted = expected.get(name)
        kind = array.dtype if wanted is None else wanted.dtype
        if array.dtype.kind not in "fiub" and array.dtype != kind:
            raise DamagedFile(f"{place}: array '{name}' holds {array.dtype}, not numbers.")
        if array.dtype.kind != kind.kind or (kind.kind == "f" and array.dtype != kind):
            raise DamagedFile(
                f"{place}: array '{name}' holds {array.dtype}, the model learns in {kind}."
            )
        for part in [array[field] for field in array.dtype.names or ()] or [array]:
            if part.dtype.kind != "f":
                continue
            empty = np.isneginf(part) if name in MAY_BE_EMPTY else np.zeros(1, dtype=np.bool_)
            if not (np.isfinite(part) | empty).all():
                raise DamagedFile(f"{place}: array '{name}' holds NaN or an infinite number.")


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
    for name in MATRICES & arrays.keys():
        matrices = _matrices(arrays[name])
        if matrices is None:
            continue
        if not np.isfinite(matrices).all():
            raise InvalidParameter(f"model: array '{name}' is not finite.")
        lowest = np.linalg.eigvalsh(matrices)[:, 0]
        if not (lowest > 0).all():
            raise InvalidParameter(
                f"model: array '{name}' of item {int(np.argmin(lowest))} is not positive "
                "definite; no such state can be learned."
            )


def _matrices(array: np.ndarray) -> np.ndarray | None:
    """(n, d, d) of packed evidence or its inverse; None where it is something else."""
    width = int(np.sqrt(2 * array.shape[-1]))
    if array.ndim != 2 or packed_size(width) != array.shape[1]:
        return None
    return unpacked(array, width)


def fingerprint(policy: Policy) -> str:
    """A sha256 of everything a policy has learned: equal for equal states, bit by bit.

    How far the last batch moved is no state, and differs by how rows were cut into batches.
    """
    counters = {key: one for key, one in policy.model.counters().items() if key != "last_change"}
    digest = hashlib.sha256(json.dumps(counters, sort_keys=True).encode())
    _digest_arrays(digest, policy.model.arrays())
    if policy.unpublished:
        _digest_arrays(digest, joined_steps(policy.unpublished))
    for person in sorted(policy.waiting):
        digest.update(str(person).encode())
        columns = vars(policy.waiting[person]).items()
        _digest_arrays(digest, {name: one for name, one in columns if isinstance(one, np.ndarray)})
    return digest.hexdigest()


def _digest_arrays(digest: Any, arrays: dict[str, np.ndarray]) -> None:
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
