"""What is registered is checked whole: nothing bad is served, and nothing in a file is run."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter, MissingData, RecloopError
from recloop.models.registry import build_model
from recloop.serving.opening import swap_control
from recloop.serving.registry import IDS, MODEL, Registry, fingerprint
from recloop.serving.snapshots import digest_of
from recloop.testing import sample_log
from recloop.testing.samples import sample_steps, teach
from recloop.utils.files import load_arrays, save_arrays, write_json, write_manifest
from serving.house import N_ITEMS, N_USERS, Visits, run, serving, settings_in, small
from serving.test_fold import CASES, made

USERS = [f"u{n}" for n in range(N_USERS)]
ITEMS = [f"i{n}" for n in range(N_ITEMS)]


def added(registry, name="lin_ucb", **params):
    """A registered model that has learned, and its folder."""
    model = build_model(name, N_USERS, N_ITEMS, **params)
    teach(model, sample_steps(model, 40))
    version, digest = registry.add(model, users=USERS, items=ITEMS, name="bad")
    return version, digest, registry.folder / version


def rewritten(folder: Path, change, *, sealed=True):
    """Change header and arrays; sealed: as somebody who knows how checksums are made."""
    header, arrays = load_arrays(folder / MODEL)
    change(header, arrays)
    save_arrays(folder / MODEL, arrays, header)
    if sealed:
        write_manifest(folder)


def flipped(folder, name=MODEL, place=0.5):
    data = bytearray((folder / name).read_bytes())
    data[int(len(data) * place)] ^= 4
    (folder / name).write_bytes(data)


def with_array(name, change):
    return lambda folder: rewritten(folder, lambda _, arrays: arrays.update(
        {name: change(arrays[name])}))  # fmt: skip


def put(array, value):
    array = array.copy()
    array.flat[0] = value
    return array


def with_header(**changes):
    return lambda folder: rewritten(folder, lambda header, _: header.update(changes))


def with_params(**changes):
    return lambda folder: rewritten(folder, lambda header, _: header["params"].update(changes))


def with_ids(**changes):
    def change(folder):
        found = json.loads((folder / IDS).read_text())
        write_json(folder / IDS, found | changes)
        write_manifest(folder)

    return change


def truncated(folder):
    data = (folder / MODEL).read_bytes()
    (folder / MODEL).write_bytes(data[: len(data) // 2])
    write_manifest(folder)


def linked(name):
    def change(folder):
        elsewhere = folder.parent.parent / f"elsewhere-{name}"
        os.replace(folder / name, elsewhere)
        (folder / name).symlink_to(elsewhere)

    return change


def pickled(folder):
    _, arrays = load_arrays(folder / MODEL)
    kept = {name: arrays[name] for name in arrays if name != "weights"}
    np.savez(folder / "x.npz", **kept, weights=np.array([os.system, {}], dtype=object))
    os.replace(folder / "x.npz", folder / MODEL)
    write_manifest(folder)


BAD = {
    "a flipped bit in the arrays": flipped,
    "a flipped bit near the end": lambda folder: flipped(folder, place=0.999),
    "a flipped bit in the ids": lambda folder: flipped(folder, IDS),
    "a flipped bit and a manifest that fits": lambda folder: (
        flipped(folder),
        write_manifest(folder),
    ),
    "half a file": truncated,
    "no file": lambda folder: (folder / MODEL).unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a manifest that lists nothing": lambda folder: write_json(folder / "manifest.json", {}),
    "another shape": with_array("weights", lambda array: array[:, :-1]),
    "an item too few": with_array("weights", lambda array: array[:-1]),
    "an array too few": lambda folder: rewritten(folder, lambda _, arrays: arrays.pop("weights")),
    "an array too many": lambda folder: rewritten(
        folder, lambda _, arrays: arrays.update(more=np.zeros(2))
    ),
    "NaN": with_array("weights", lambda array: put(array, np.nan)),
    "an infinite number": with_array("reward_sums", lambda array: put(array, np.inf)),
    "minus infinity": with_array("reward_sums", lambda array: put(array, -np.inf)),
    "evidence that is not positive definite": with_array("evidence", lambda array: -array),
    "an inverse that is not positive definite": with_array(
        "inverse", lambda array: put(array, -5.0)
    ),
    "single precision": with_array("weights", lambda array: array.astype(np.float32)),
    "whole numbers for numbers": with_array("weights", lambda array: array.astype(np.int64)),
    "numbers for whole numbers": with_array("n_updates", lambda array: array.astype(float)),
    "text for numbers": with_array("weights", lambda array: array.astype(np.str_)),
    "complex numbers": with_array("weights", lambda array: array.astype(complex)),
    "pickled objects": pickled,
    "another type": with_header(type="ucb1"),
    "a type that is none": with_header(type="no_such_model"),
    "a type that is code": with_header(type="os:system"),
    "a type that would be imported": with_header(type="antigravity:fly"),
    "no type": with_header(type=None),
    "another version": with_header(version=99),
    "a parameter it does not have": with_params(surprise=1),
    "a parameter out of range": with_params(alpha=-1.0),
    "a parameter of another type": with_params(context_dim="many"),
    "another number of items": with_params(n_items=N_ITEMS + 1),
    "parameters that are none": with_header(params=[1, 2]),
    "ids for other items": with_ids(items=[*ITEMS, "one more"]),
    "too few ids": with_ids(items=ITEMS[:-1]),
    "an id twice": with_ids(items=[*ITEMS[:-1], ITEMS[0]]),
    "a person twice": with_ids(users=[*USERS[:-1], USERS[0]]),
    "too many people": with_ids(users=[*USERS, "one more"]),
    "ids that are numbers": with_ids(items=list(range(N_ITEMS))),
    "an empty id": with_ids(items=[*ITEMS[:-1], ""]),
    "an id with a zero character": with_ids(items=[*ITEMS[:-1], "a\0b"]),
    "no ids": with_ids(items=None),
    "ids that are no object": lambda folder: (
        write_json(folder / IDS, [1]),
        write_manifest(folder),
    ),
    "a linked model": linked(MODEL),
    "linked ids": linked(IDS),
    "a linked manifest": linked("manifest.json"),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD.keys())
def test_a_bad_model_is_refused(spoil, tmp_path):
    registry = Registry(tmp_path / "models")
    version, digest, folder = added(registry, context_dim=3)
    registry.load(version, digest)
    before = set(sys.modules)
    spoil(folder)
    with pytest.raises(RecloopError):
        registry.load(version)
    assert "antigravity" not in set(sys.modules) - before


@pytest.mark.parametrize(
    ("name", "params", "array"),
    [
        ("contextual_bandit", {"context_dim": 3}, "evidence"),
        ("contextual_bandit", {"context_dim": 3}, "inverse"),
        ("hybrid_lin_ucb", {"context_dim": 3}, "evidence"),
        ("hybrid_lin_ucb", {"context_dim": 3}, "shared_inverse"),
        ("logistic_ucb", {"context_dim": 3}, "inverse"),
        ("neural_linear", {"context_dim": 3, "hidden": (4,)}, "inverse"),
    ],
)
def test_every_bandit_with_a_matrix_is_refused_when_it_is_not_positive_definite(
    name, params, array, tmp_path
):
    registry = Registry(tmp_path / "models")
    version, _, folder = added(registry, name, **params)
    registry.load(version)
    with_array(array, lambda found: -found)(folder)
    with pytest.raises(DamagedFile, match="not positive definite"):
        registry.load(version)


def test_a_networks_class_is_not_imported_because_a_file_names_it(tmp_path):
    registry = Registry(tmp_path / "models")
    version, _, folder = added(registry, "dqn", embedding_dim=4, hidden=(4,), n_recent=2)
    registry.load(version)
    for network in ("antigravity:fly", "os:system"):
        with_params(network=network)(folder)
        with pytest.raises(DamagedFile, match="names code"):
            registry.load(version)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\0b", "a\n", "x" * 101, "ä", "a b"]
)
def test_a_name_that_is_a_way_elsewhere_is_refused(name, tmp_path):
    registry = Registry(tmp_path / "models")
    with pytest.raises(InvalidParameter):
        registry.load(name)
    with pytest.raises(RecloopError):
        registry.add(build_model("random", 1, 1), users=["a"], items=["b"], name=name or "..")


def test_a_linked_folder_is_none(tmp_path):
    registry = Registry(tmp_path / "models")
    version, _, folder = added(registry)
    (registry.folder / "link").symlink_to(folder)
    with pytest.raises(MissingData):
        registry.load("link")
    with pytest.raises(MissingData, match=version):
        registry.load("not-there")


def test_a_model_that_is_not_the_one_of_the_log_is_refused(tmp_path):
    registry = Registry(tmp_path / "models")
    version, digest, folder = added(registry)
    with_params(alpha=2.0)(folder)
    registry.load(version)
    with pytest.raises(DamagedFile, match="not the one of the log"):
        registry.load(version, digest)


@pytest.mark.parametrize(("name", "params"), CASES)
def test_every_model_is_loaded_as_it_was_registered(name, params, tmp_path):
    registry = Registry(tmp_path / "models")
    model = made(name, params)
    teach(model, sample_steps(model, 64))
    version, digest = registry.add(model, users=USERS, items=ITEMS)
    assert registry.versions() == [version]
    assert registry.digest(version) == digest
    assert registry.add(model, users=USERS, items=ITEMS) == (version, digest)
    policy = registry.load(version, digest)
    other = registry.load(version, digest)
    assert policy.model is not other.model
    assert policy.sha256 == digest
    wanted = fingerprint(policy)
    policy.model = model
    assert fingerprint(policy) == wanted
    assert [one.name for one in registry.folder.iterdir()] == [version]


def test_a_model_that_fits_its_ids_but_not_its_kind_is_not_registered(tmp_path):
    registry = Registry(tmp_path / "models")
    model = build_model("popular", N_USERS, N_ITEMS).fit(sample_log(N_USERS, N_ITEMS))
    with pytest.raises(InvalidParameter):
        registry.add(model, users=USERS, items=ITEMS[:-1])
    with pytest.raises(InvalidParameter):
        registry.add(model, users=[*USERS, "x"], items=ITEMS)
    assert list(registry.folder.iterdir()) == []


def test_a_refused_swap_leaves_the_log_and_the_state_as_they_were(tmp_path):
    """As the route does it: read and checked whole before a word of it is written."""

    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small()) as service:
            visits = Visits(service)
            await visits.tell(await visits.ask("u0"), value=1.0)
            before, n = digest_of(service.state), service.log.last_seq
            for number, spoil in enumerate(BAD.values()):
                version, digest, folder = added(service.registry, alpha=1.0 + number)
                spoil(folder)
                with pytest.raises(RecloopError):
                    await service.control(
                        swap_control(version, service.registry.load(version).sha256)
                    )
                assert digest
            assert digest_of(service.state) == before
            assert service.log.last_seq == n
            assert service.is_ready[0]
            assert len((await visits.ask("u0", 2)).items) == 2

    run(test())


def test_a_model_that_was_spoilt_between_check_and_swap_changes_nothing(tmp_path):
    """The swap is refused before it is written, not found out when it is applied."""

    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small(), crash=True) as service:
            before, n = digest_of(service.state), service.log.last_seq
            version, digest, folder = added(service.registry)
            flipped(folder)
            with pytest.raises(RecloopError):
                await service.control(swap_control(version, digest))
            assert service.broken is None
            assert digest_of(service.state) == before
            assert service.log.last_seq == n
        async with serving(told) as service:
            assert digest_of(service.state) == before

    run(test())
