"""Snapshots are a shortcut: one that is damaged, foreign, ahead or otherwise wrong is left."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from recloop.decisions import open_log
from recloop.models.registry import load_model
from recloop.serving.opening import recovered
from recloop.serving.people import People
from recloop.serving.registry import Registry
from recloop.serving.snapshots import Frozen, digest_of, kept, read
from recloop.utils.files import write_json, write_manifest
from recloop.utils.seeding import stream
from serving.house import Visits, run, serving, settings_in, small, wander
from serving.test_fold import folded


async def live(told, first=None, *, rounds=1, seed=0, crash=False, now=None):
    """One life; the digest at its end, and what time it was."""
    async with serving(told, first, crash=crash) as service:
        visits = Visits(service, name=f"s{seed}-", **({} if now is None else {"now": now}))
        await wander(visits, stream(seed, "snapshots"), rounds)
        await service.settle(visits.now + 1795.0)
    return digest_of(service.state), visits.now


def restarted(told):
    """The state of a restart, and the remarks it made."""
    remarks = []
    with open_log(told.log) as log:
        state = recovered(told, log, Registry(f"{told.data_dir}/models"), remarks.append)
    return state, remarks


def snapshots(told):
    return kept(Path(told.data_dir) / "snapshots")


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def edited(change):
    def spoil(place):
        found = json.loads((place / "state.json").read_text())
        change(found)
        write_json(place / "state.json", found)
        write_manifest(place)

    return spoil


SPOILT = {
    "a flipped bit in the state": lambda place: flip(place / "state.json"),
    "a flipped bit in a policy": lambda place: flip(place / "policy0.npz"),
    "a flipped bit in the people": lambda place: flip(place / "people.npz"),
    "a policy is gone": lambda place: (place / "policy0.npz").unlink(),
    "no manifest": lambda place: (place / "manifest.json").unlink(),
    "a manifest that is a list": lambda place: (place / "manifest.json").write_text("[1]"),
    "an empty folder": lambda place: (shutil.rmtree(place), place.mkdir()),
    "another version": edited(lambda found: found.update(version=99)),
    "another log": edited(lambda found: found.update(log="another")),
    "a part is missing": edited(lambda found: found.pop("rules")),
    "a part is nonsense": edited(lambda found: found.update(catalogue=[1])),
    "ahead": edited(lambda found: found.update(seq=10**6)),
    "another record at its end": edited(lambda found: found["anchor"].__setitem__(1, "other")),
    "histories of another length": edited(lambda found: found.update(history_length=3)),
}


@pytest.fixture(scope="module")
def two_lives(tmp_path_factory):
    """A log with two snapshots, and its digest."""

    async def test():
        told = settings_in(tmp_path_factory.mktemp("lives"), snapshots_kept=5)
        _, now = await live(told, small("lin_ucb", context_dim=3))
        digest, _ = await live(told, seed=1, now=now)
        return told, digest

    return run(test())


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_snapshot_that_is_no_good_is_passed_over_with_a_remark(spoil, two_lives, tmp_path):
    whole, digest = two_lives
    shutil.copytree(whole.data_dir, tmp_path / "data")
    told = whole.model_copy(update={"data_dir": str(tmp_path / "data")})
    newest, older = snapshots(told)
    spoil(newest)
    state, remarks = restarted(told)
    assert digest_of(state) == digest
    assert state.folded_from == int(older.name)
    assert len(remarks) == 1
    assert str(newest) in remarks[0]
    spoil(older)
    state, remarks = restarted(told)
    assert digest_of(state) == digest
    assert state.folded_from == 0
    assert len(remarks) == 2


def test_a_good_snapshot_needs_no_remark_and_saves_the_fold(two_lives):
    told, digest = two_lives
    state, remarks = restarted(told)
    assert remarks == []
    assert digest_of(state) == digest
    assert state.folded_from == state.seq


def test_a_snapshot_that_was_passed_over_is_written_anew(tmp_path):
    async def test():
        told = settings_in(tmp_path)
        digest, _ = await live(told, small())
        [place] = snapshots(told)
        flip(place / "people.npz")
        async with serving(told):
            pass
        state, remarks = restarted(told)
        assert remarks == []
        assert digest_of(state) == digest

    run(test())


def test_a_log_from_a_backup_that_goes_on_otherwise_does_not_take_the_old_snapshots(tmp_path):
    """They are of the same log, and no longer ahead of it."""

    async def test():
        told = settings_in(tmp_path)
        _, now = await live(told, small())
        shutil.copy(told.log, tmp_path / "backup.db")
        await live(told, rounds=2, seed=1, now=now)
        [ahead, *_] = snapshots(told)
        shutil.copy(tmp_path / "backup.db", told.log)
        for end in ("-wal", "-shm"):
            (tmp_path / f"log.db{end}").unlink(missing_ok=True)
        digest, _ = await live(told, rounds=4, seed=2, now=now, crash=True)
        with open_log(told.log) as log:
            assert log.last_seq > int(ahead.name)
        state, remarks = restarted(told)
        assert str(ahead) in remarks[0]
        assert digest_of(state) == digest == digest_of(folded(told))
        async with serving(told):
            pass
        state, remarks = restarted(told)
        assert remarks == []
        assert digest_of(state) == digest

    run(test())


def test_snapshots_of_a_future_that_never_was_do_not_crowd_out_new_ones(tmp_path):
    async def test():
        told = settings_in(tmp_path, snapshots_kept=2)
        _, now = await live(told, small())
        shutil.copy(told.log, tmp_path / "backup.db")
        for seed in (1, 2, 3):
            _, now = await live(told, rounds=2, seed=seed, now=now)
        assert len(snapshots(told)) == 2
        shutil.copy(tmp_path / "backup.db", told.log)
        for end in ("-wal", "-shm"):
            (tmp_path / f"log.db{end}").unlink(missing_ok=True)
        digest, _ = await live(told, rounds=1, seed=4, now=now)
        state, remarks = restarted(told)
        assert (digest_of(state), remarks) == (digest, [])
        assert state.folded_from == state.seq

    run(test())


def test_a_rule_that_needs_what_was_shown_folds_the_log_again(tmp_path):
    async def test():
        await live(settings_in(tmp_path), small())
        state, remarks = restarted(settings_in(tmp_path, lists={"seen": "never"}))
        assert "does not hold what people were shown" in remarks[0]
        assert state.people.shown

    run(test())


def test_snapshots_are_written_while_serving_and_the_oldest_removed(tmp_path):
    async def test():
        told = settings_in(tmp_path, snapshot_every=20, snapshots_kept=2)
        async with serving(told, small(), crash=True) as service:
            visits, rng = Visits(service), stream(0, "snapshots while serving")
            for _ in range(8):
                await wander(visits, rng, 1)
                while service._saving is not None:
                    await asyncio.sleep(0.001)
            digest = digest_of(service.state)
            assert service.counts["snapshots"] >= 4
            assert "snapshots_failed" not in service.counts
        assert len(snapshots(told)) == 2
        state, _ = restarted(told)
        assert digest_of(state) == digest
        assert 0 < state.folded_from < state.seq

    run(test())


def test_a_snapshot_walks_through_nobodys_memory_before_it_is_written(tmp_path, monkeypatch):
    async def test():
        told = settings_in(tmp_path, lists={"seen": "never"})
        async with serving(told, small("q_learning", state="last_item"), crash=True) as service:
            visits, walked = Visits(service), []
            await wander(visits, stream(0, "walks"), 2)
            arrays, then = People.arrays, digest_of(service.state)
            monkeypatch.setattr(People, "arrays", lambda one: walked.append(one) or arrays(one))
            frozen = Frozen(service.state)
            assert walked == []
            await wander(visits, stream(1, "walks"), 2)
            state = read(frozen.write(tmp_path / "aside", 1), service.registry.load, load_model, 10)
            assert len(walked) == 1
            assert digest_of(state) == then != digest_of(service.state)

    run(test())


def test_a_snapshot_is_of_one_moment_whatever_is_learned_while_it_is_written(tmp_path):
    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small("lin_ucb", context_dim=3), crash=True) as service:
            visits, rng = Visits(service), stream(0, "one moment")
            await wander(visits, rng, 2)
            frozen, then = Frozen(service.state), digest_of(service.state)
            await wander(visits, rng, 2)
            await service.settle(visits.now + 1795.0)
            now = digest_of(service.state)
        frozen.write(tmp_path / "data" / "snapshots", 3)
        assert digest_of(folded(told)) == now
        state, remarks = restarted(told)
        assert remarks == []
        assert digest_of(state) == now != then
        with open_log(told.log) as log:
            registry = Registry(f"{told.data_dir}/models")
            assert digest_of(recovered(told, log, registry, last=frozen.seq)) == then

    run(test())


def test_an_item_that_comes_while_a_snapshot_is_written_is_not_in_it(tmp_path):
    async def test():
        async with serving(settings_in(tmp_path), small()) as service:
            frozen = Frozen(service.state)
            seq = service.state.seq
            added = {"id": "new", "title": "", "category": "", "features": []}
            await service.configure("items", add=[added], hide=[], show=[])
            place = frozen.write(tmp_path / "aside", 1)
            state = read(place, service.registry.load, load_model, 10)
            assert state.seq == seq
            assert len(state.catalogue) == len(state.active.items) == 8

    run(test())


def test_a_snapshot_that_cannot_be_written_is_counted_and_stops_nothing(tmp_path):
    async def test():
        told = settings_in(tmp_path, snapshot_every=5)
        async with serving(told, small()) as service:
            (tmp_path / "data" / "snapshots").write_text("in the way")
            await wander(Visits(service), stream(0, "in the way"), 2)
            while service._saving is not None:
                await asyncio.sleep(0.001)
            assert service.counts["snapshots_failed"] > 0
            assert service.is_ready[0]

    run(test())
