"""The state on disk: what a restart begins with instead of the first record.

    DATA_DIR/snapshots/SEQ/state.json    what is not arrays
                           people.npz    histories, what was shown, counts of items
                           POLICY.npz    each policy, with what of it waits
                           manifest.json sha256 of each

A snapshot is a shortcut and never the truth: one that is damaged, of another log or of another
version is passed over, and the log is folded from an older one or from its beginning.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from recloop.decisions import DecisionLog
from recloop.serving.catalogue import Catalogue
from recloop.serving.experiments import Tally
from recloop.serving.people import People
from recloop.serving.policy import Policy, joined_steps
from recloop.serving.registry import fingerprint
from recloop.serving.settings import LearningRules
from recloop.serving.state import Canary, Loader, ServiceState
from recloop.types import Transitions
from recloop.utils.files import (
    checked_file,
    load_arrays,
    make_folder,
    read_json,
    save_arrays,
    sync_folder,
    write_json,
    write_manifest,
)

VERSION = 2


class Frozen:
    """A state as it was at one moment, to be written while the service goes on."""

    def __init__(self, state: ServiceState) -> None:
        self.seq = state.seq
        policies = [*state.previous, *state.policies]
        self.policies = {f"policy{i}": _copied(one) for i, one in enumerate(policies)}
        names = {id(one): f"policy{i}" for i, one in enumerate(policies)}
        named: Callable[[Policy | None], str | None] = lambda one: names.get(id(one))  # noqa: E731
        self._people = state.people.frozen()
        self._counts = {"likes_of": state.likes.copy(), "shows_of": state.shows.copy()}
        canary = state.canary
        self.json: dict[str, Any] = {
            "version": VERSION,
            "log": state.log_id,
            "seq": state.seq,
            "anchor": list(state.anchor),
            "learns": state.learns,
            "prepared": dict(state.prepared),
            "settled_seq": state.settled_seq,
            "learned": dict(state.learned),
            "origins": dict(state.origins),
            "unsettled": [[seq, *what] for seq, what in sorted(state.unsettled.items())],
            "tallies": {name: astuple(one) for name, one in state.tallies.items()},
            "catalogue": state.catalogue.to_json(),
            "rules": [[seq, rules.model_dump()] for seq, rules in state.rules_since],
            "history_length": state.people.history_length,
            "keeps_shown": state.people.keeps_shown,
            "previous": [names[id(one)] for one in state.previous],
            "active": named(state.active),
            "shadow": named(state.shadow),
            "canary": None if canary is None else [names[id(canary.policy)], canary.share],
            "policies": {
                names[id(one)]: {
                    "name": one.name,
                    "version": one.version,
                    "origin": one.origin,
                    "since": one.since,
                    "sha256": one.sha256,
                    "learns": one.learns,
                    "turns": list(one.turns),
                    "grown": sorted(one.grown.items()),
                    "n_published": one.n_published,
                    "items": list(one.items),
                }
                for one in policies
            },
        }

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """People and counts; made when they are written, which takes long where they are many."""
        return self._people.arrays() | self._counts

    def write(self, folder: Path, keep: int) -> Path:
        """Write it whole below `folder`, and remove all but the newest `keep`."""
        target = folder / f"{self.seq:020d}"
        place = make_folder(folder / f".{target.name}")
        try:
            write_json(place / "state.json", self.json)
            save_arrays(place / "people.npz", self.arrays, {})
            for name, policy in self.policies.items():
                policy.model.save(place / f"{name}.npz")
                save_arrays(place / f"{name}.waiting.npz", *_waiting_arrays(policy))
                save_arrays(place / f"{name}.unpublished.npz", joined_steps(policy.unpublished), {})
                write_json(place / f"{name}.users.json", policy.users)
            write_manifest(place)
            sync_folder(place)
            shutil.rmtree(target, ignore_errors=True)  # one that was passed over
            place.rename(target)
            sync_folder(folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        ahead = [one for one in kept(folder) if int(one.name) > self.seq]  # of another history
        good = [one for one in kept(folder) if int(one.name) <= self.seq]
        for old in [*ahead, *good[keep:]]:
            shutil.rmtree(old, ignore_errors=True)
        return target


def _copied(policy: Policy) -> Policy:
    twin = copy(policy)
    twin.model = deepcopy(policy.model)
    twin.items = list(policy.items)
    twin.waiting = dict(policy.waiting)  # steps are never changed in place
    twin.unpublished = list(policy.unpublished)
    twin.listener = None
    return twin


def remove_before(folder: Path, seq: int) -> None:
    """Remove the snapshots of records before `seq`, which know what is to be known no more."""
    for old in kept(folder):
        if int(old.name) < seq:
            shutil.rmtree(old)


def kept(folder: Path) -> list[Path]:
    """The snapshots below `folder`, newest first."""
    if not folder.is_dir():
        return []
    return sorted((one for one in folder.iterdir() if one.name.isdigit()), reverse=True)


def newest(
    folder: Path,
    log: DecisionLog,
    empty: ServiceState,
    load: Loader,
    read_policy: Callable[[Path], Any],
    remark: Callable[[str], None],
) -> ServiceState | None:
    """The newest snapshot that is whole and of this log; None where there is none.

    empty: a state of the log before its first record, with what is to be kept. remark: is told of
    each snapshot that is passed over, and why.
    """
    for place in kept(folder):
        try:
            state = read(place, load, read_policy, empty.remembered)
            seq, name = state.anchor
            if state.log_id != empty.log_id:
                raise ValueError("is of another log")
            if state.seq > log.last_seq:
                raise ValueError(f"is ahead of the log: record {state.seq} of {log.last_seq}")
            if log.name_at(seq) != name:
                raise ValueError(f"record {seq} of the log is another one")
            if empty.people.keeps_shown and not state.people.keeps_shown:
                raise ValueError("does not hold what people were shown")
            if empty.people.history_length != state.people.history_length:
                raise ValueError("holds histories of another length")
            return state
        except Exception as error:  # whatever it is: the log says the same
            remark(f"{place}: passed over ({error}).")
    return None


def read(
    place: Path, load: Loader, read_policy: Callable[[Path], Any], remembered: int
) -> ServiceState:
    """The state in a snapshot, after every byte was checked."""
    found = read_json(checked_file(place, "state.json"))
    if found["version"] != VERSION:
        raise ValueError(f"is of version {found['version']}, not {VERSION}")
    catalogue = Catalogue.from_json(found["catalogue"])
    people = People(found["history_length"], keeps_shown=found["keeps_shown"])
    _, arrays = load_arrays(checked_file(place, "people.npz"))
    people.take(arrays)
    state = ServiceState(catalogue, people, load, remembered=remembered)
    state.likes, state.shows = arrays["likes_of"], arrays["shows_of"]
    state.log_id, state.learns = str(found["log"]), bool(found["learns"])
    state.seq, state.settled_seq = int(found["seq"]), int(found["settled_seq"])
    state.anchor, state.folded_from = (int(found["anchor"][0]), found["anchor"][1]), state.seq
    state.prepared = {str(name): float(when) for name, when in found["prepared"].items()}
    state.learned = {name: int(n) for name, n in found["learned"].items()}
    state.tallies = {name: Tally(*row) for name, row in found["tallies"].items()}
    state.origins = dict(found["origins"])
    state.hold_unsettled({seq: (version, total) for seq, version, total in found["unsettled"]})
    state.rules_since = [(int(seq), LearningRules(**rules)) for seq, rules in found["rules"]]
    policies = {
        name: _policy(place, name, about, catalogue, read_policy)
        for name, about in found["policies"].items()
    }
    state.previous = [policies[name] for name in found["previous"]]
    state.active = policies.get(found["active"])
    state.shadow = policies.get(found["shadow"])
    if found["canary"] is not None:
        name, share = found["canary"]
        state.canary = Canary(policies[name], float(share))
    return state


def digest_of(state: ServiceState) -> str:
    """A sha256 of everything the state holds: equal for equal states, bit by bit."""
    frozen = Frozen(state)
    digest = hashlib.sha256(json.dumps(frozen.json, sort_keys=True).encode())
    for name, array in sorted(frozen.arrays.items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for policy in frozen.policies.values():
        digest.update(fingerprint(policy).encode())
        digest.update(json.dumps(policy.users, sort_keys=True).encode())
    return digest.hexdigest()


def _policy(
    place: Path,
    name: str,
    about: dict[str, Any],
    catalogue: Catalogue,
    read_policy: Callable[[Path], Any],
) -> Policy:
    policy = Policy(
        read_policy(checked_file(place, f"{name}.npz")),
        name=about["name"],
        version=about["version"],
        sha256=about["sha256"],
        items=about["items"],
        users=read_json(checked_file(place, f"{name}.users.json")),
    )
    policy.origin, policy.since = str(about["origin"]), int(about["since"])
    policy.learns = bool(about["learns"])
    policy.turns = [int(seq) for seq in about["turns"]]
    policy.grown = {int(item): int(seq) for item, seq in about["grown"]}
    policy.waiting = _waiting(*load_arrays(checked_file(place, f"{name}.waiting.npz")))
    _, steps = load_arrays(checked_file(place, f"{name}.unpublished.npz"))
    policy.n_published = int(about["n_published"])
    policy.unpublished = [Transitions(**steps)] if steps else []  # pyright: ignore[reportArgumentType]
    policy.align(catalogue.ids)
    return policy


def _waiting_arrays(policy: Policy) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    people = sorted(policy.waiting)
    arrays = joined_steps([policy.waiting[person] for person in people])
    return arrays | {"people": np.array(people, dtype=np.int64)}, {}


def _waiting(_: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[int, Transitions]:
    people = arrays.pop("people").tolist()
    if not people:
        return {}
    steps = Transitions(**arrays)  # pyright: ignore[reportArgumentType]
    return {person: steps.rows(slice(row, row + 1)) for row, person in enumerate(people)}
