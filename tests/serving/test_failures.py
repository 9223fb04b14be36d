"""What goes wrong: the disk, one request among many, a defect, another process, too much."""

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from recloop.decisions.sqlite import SQLiteDatabase
from recloop.errors import InvalidData, LogUnavailable
from recloop.serving.ledger import Ledger, Unit
from recloop.serving.opening import open_service, swap_control
from recloop.serving.records import Reward
from recloop.serving.service import Closing, Overloaded, config_control, key_of
from recloop.serving.settings import ServingSettings
from recloop.serving.snapshots import digest_of, kept
from recloop.utils.seeding import stream
from serving.house import START, Visits, run, serving, settings_in, small, wander
from serving.test_fold import folded


class Disk:
    """A disk that can be full: every insert and update then fails as SQLite says it does."""

    def __init__(self, monkeypatch):
        self.full = False
        self.refused = 0
        for name in ("insert", "execute"):
            monkeypatch.setattr(SQLiteDatabase, name, self._or_full(getattr(SQLiteDatabase, name)))

    def _or_full(self, write):
        def written(database, *arguments):
            if self.full:
                self.refused += 1
                raise LogUnavailable("the disk is full")
            return write(database, *arguments)

        return written


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_a_commit_that_fails_is_answered_with_the_error_and_changes_nothing(disk, tmp_path):
    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small(), crash=True) as service:
            visits = Visits(service)
            shown = await visits.ask("u0")
            await visits.tell(shown, value=1.0)
            before, n = digest_of(service.state), service.log.last_seq
            disk.full = True
            told_all = await asyncio.gather(
                *(visits.ask(f"u{n % 6}") for n in range(4)),
                *(service.feedback([visits.reward(shown)]) for _ in range(4)),
                service.control(config_control("items", hide=["i0"])),
                return_exceptions=True,
            )
            assert [type(one) for one in told_all] == [LogUnavailable] * 9
            assert service.is_ready == (False, "the log cannot be written")
            assert digest_of(service.state) == before
            assert service.ledger.n_waiting == 0
            assert await service.find(shown.id) is not None  # it can be read all the same
            disk.full = False
            again = await visits.ask("u0", id="again")
            await visits.tell(again, value=1.0)
            assert service.is_ready == (True, "ready")
            assert service.log.last_seq == n + 2
            assert sum(shown.pins for shown in service.state.recent.values()) == 0
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest

    run(test())


def test_readiness_comes_back_without_traffic(disk, tmp_path, monkeypatch):
    monkeypatch.setattr("recloop.serving.service.SETTLE_EVERY_S", 0.01)

    async def test():
        service = open_service(settings_in(tmp_path), small())
        service.start()
        visits = Visits(service, now=time.time())
        await visits.ask("u0")
        n = service.log.last_seq
        disk.full = True
        with pytest.raises(LogUnavailable):
            await visits.ask("u0")
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not service.is_ready[0]
        assert disk.refused > 3
        disk.full = False
        for _ in range(200):
            await asyncio.sleep(0.01)
            if service.is_ready[0]:
                break
        assert service.is_ready[0]
        assert service.log.last_seq == n
        assert "probe" not in service.log.counts()
        await service.close()

    run(test())


def test_defaults_are_given_when_the_disk_is_back(disk, tmp_path):
    async def test():
        async with serving(settings_in(tmp_path), small()) as service:
            visits = Visits(service)
            await visits.ask("u0", 3)
            await visits.ask("u1", 2, activated=False, id="p")
            await service.activate("p")
            when = service.state.prepared["p"] + 1800.0
            disk.full = True
            with pytest.raises(LogUnavailable):
                await service.settle(when)
            disk.full = False
            assert await service.settle(when) == 5
            assert await service.settle(when) == 0

    run(test())


def test_the_settling_outlives_whatever_befalls_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("recloop.serving.service.SETTLE_EVERY_S", 0.005)
    befalls = [Overloaded("full"), ValueError("a defect"), LogUnavailable("gone")]

    async def test():
        service = open_service(settings_in(tmp_path), small())
        settled = asyncio.Event()

        async def settle(now=None):
            if befalls:
                raise befalls.pop(0)
            settled.set()

        service.settle = settle
        service.start()
        await asyncio.wait_for(settled.wait(), 5)
        assert service.counts["settling_failed"] == 1
        await service.close()

    run(test())
    assert "default rewards could not be given" in caplog.text


# One among many


def test_one_bad_unit_does_not_fail_those_that_are_committed_with_it(tmp_path, monkeypatch):
    """All are put before the ledger's thread begins, so that they are one group."""
    monkeypatch.setattr(Ledger, "start", lambda self: None)

    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small(), crash=True) as service:
            visits = Visits(service)
            done = [
                asyncio.ensure_future(visits.ask("u0", 2)),
                asyncio.ensure_future(
                    service.feedback([Reward("no", 1, 1.0, START, "k", "click")])
                ),
            ]
            await asyncio.sleep(0.01)
            bad = Unit(asyncio.get_running_loop().create_future(),
                       controls=[config_control("log", id="again")], activated=[None])  # fmt: skip
            service.ledger.put(bad)
            asks = Unit(asyncio.get_running_loop().create_future(), ask=lambda log: 1 / 0)
            service.ledger.put(asks)
            done.append(asyncio.ensure_future(visits.ask("u1", 2)))
            await asyncio.sleep(0.01)
            service.ledger._thread.start()
            answers = await asyncio.gather(*done)
            with pytest.raises(InvalidData):
                await bad.done
            with pytest.raises(ZeroDivisionError):
                await asks.done
            assert [len(answers[0].items), len(answers[2].items)] == [2, 2]
            assert answers[1][0].result == "unknown"
            assert service.ledger.is_alive
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest

    run(test())


def test_one_bad_request_does_not_fail_those_of_the_same_turn(tmp_path):
    """A person with a zero character, a number that is none: the routes refuse them, if asked."""

    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small(), crash=True) as service:
            visits = Visits(service)
            asked = ["u0", "bad\0", "u1", "bad\0too", "u2"]
            found = await asyncio.gather(
                *(visits.ask(one) for one in asked), return_exceptions=True
            )
            assert [isinstance(one, Exception) for one in found] == [
                False,
                True,
                False,
                True,
                False,
            ]
            values = [1.0, float("nan"), 0.5]
            told_all = await asyncio.gather(
                *(service.feedback([visits.reward(found[0], slot, value)])
                  for slot, value in enumerate(values)),
                return_exceptions=True,
            )  # fmt: skip
            assert [isinstance(one, Exception) for one in told_all] == [False, True, False]
            assert service.state.active.model.sums.sum() == 1.5
            assert all(shown.pins == 0 for shown in service.state.recent.values())
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest

    run(test())


def test_a_request_that_cannot_be_decided_does_not_fail_others(tmp_path):
    async def test():
        async with serving(settings_in(tmp_path), small()) as service:
            decide = service._decider.decide

            def picky(requests, codes):
                if any(one.user == "bad" for one in requests):
                    raise ValueError("no")
                return decide(requests, codes)

            service._decider.decide = picky
            visits = Visits(service)
            found = await asyncio.gather(
                *(visits.ask(one) for one in ("u0", "bad", "u1")), return_exceptions=True
            )
            assert [isinstance(one, ValueError) for one in found] == [False, True, False]

    run(test())


# Too much, and the end


def test_more_than_may_wait_is_refused_and_what_waits_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(Ledger, "start", lambda self: None)

    async def test():
        told = settings_in(tmp_path, limits={"waiting": 10})
        async with serving(told, small()) as service:
            visits = Visits(service)
            waits = [asyncio.ensure_future(visits.ask(f"u{n % 6}")) for n in range(8)]
            await asyncio.sleep(0.01)
            rewards = [Reward("no", 1, 1.0, START, f"k{n}", "click") for n in range(3)]
            with pytest.raises(Overloaded):
                await service.feedback(rewards)
            waits.append(asyncio.ensure_future(service.feedback(rewards[:2])))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):  # also before they are passed on
                await visits.ask("u0")
            with pytest.raises(Overloaded):
                await service.control(config_control("items", hide=["i0"]))
            service.ledger._thread.start()
            await asyncio.gather(*waits)
            assert service.ledger.n_waiting == 0
            await visits.ask("u0")

    run(test())


def test_many_rewards_of_one_turn_are_applied_in_many(tmp_path, monkeypatch):
    async def test():
        async with serving(settings_in(tmp_path), small(), crash=True) as service:
            visits, applied = Visits(service), []
            shown = await visits.ask("u0")
            apply = service.state.apply_rewards
            monkeypatch.setattr(
                service.state, "apply_rewards", lambda r, d: applied.append(len(r)) or apply(r, d)
            )
            parts = [[visits.reward(shown) for _ in range(n)] for n in (40, 40, 24, 100, 1, 1)]
            await asyncio.gather(*(service.feedback(part) for part in parts))
            assert applied == [40, 64, 100, 2]
            assert service.ledger.n_commits <= 4

    run(test())


def test_closing_answers_what_came_in_and_writes_a_snapshot(tmp_path):
    async def test():
        told = settings_in(tmp_path)
        service = open_service(told, small())
        service.start()
        visits = Visits(service)
        shown = await visits.ask("u0")
        waits = [asyncio.ensure_future(visits.ask(f"u{n % 6}")) for n in range(20)]
        waits += [
            asyncio.ensure_future(service.feedback([visits.reward(shown)])) for _ in range(20)
        ]
        bad = asyncio.ensure_future(visits.ask("bad\0"))
        await asyncio.sleep(0)
        await service.close()
        assert all(one.done() for one in [*waits, bad])
        await asyncio.gather(*waits)
        with pytest.raises(InvalidData):
            await bad
        for late in (visits.ask("u0"), service.feedback([visits.reward(shown)]),
                     service.control(config_control("items", hide=["i0"]))):  # fmt: skip
            with pytest.raises(Closing):
                await late
        digest = digest_of(service.state)
        [snapshot] = kept(tmp_path / "data" / "snapshots")
        assert int(snapshot.name) == service.state.seq
        async with serving(told) as service:
            assert service.state.folded_from == service.state.seq
            assert digest_of(service.state) == digest

    run(test())


def test_a_record_that_cannot_be_applied_stops_the_service_and_is_not_snapshot(tmp_path, caplog):
    """A defect: the log has it, the state has not. Nothing more is decided by such a state."""

    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small()) as service:
            visits = Visits(service)
            shown = await visits.ask("u0")
            apply, service.state.apply_rewards = service.state.apply_rewards, None
            found = await asyncio.gather(
                service.feedback([visits.reward(shown)]), visits.ask("u1"), return_exceptions=True
            )
            assert isinstance(found[0], TypeError)
            assert not service.is_ready[0]
            service.state.apply_rewards = apply
            with pytest.raises(Closing):
                await visits.ask("u0")
            assert service.ledger.n_waiting == 0
        assert kept(tmp_path / "data" / "snapshots") == []
        async with serving(told) as service:
            assert service.state.learned["rows"] == 1
            assert service.is_ready[0]

    run(test())
    assert "could not be applied" in caplog.text


# Two at once


def test_a_second_service_on_one_log_is_refused(tmp_path):
    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small()) as service:
            await Visits(service).ask("u0")
            with pytest.raises(LogUnavailable, match="another process serves this log"):
                open_service(told, small())
            code = textwrap.dedent(f"""
                from recloop.errors import LogUnavailable
                from recloop.serving.opening import open_service, swap_control
                from recloop.serving.settings import ServingSettings
                try:
                    open_service(ServingSettings(log={told.log!r}, data_dir={told.data_dir!r}))
                except LogUnavailable as error:
                    print("refused", error)
            """)
            ran = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
            )
            assert ran.stdout.startswith("refused")
        async with serving(told):
            pass

    run(test())


def test_a_log_that_no_service_began_is_refused(tmp_path):
    from recloop.decisions import open_log

    told = settings_in(tmp_path)
    with open_log(told.log) as log:
        log.codes("item", ["a"])
        log.append_controls([config_control("something")])
    with pytest.raises(InvalidData, match="not begun by a service"):
        open_service(told)
    with open_log(str(tmp_path / "named.db")) as log:
        log.codes("item", ["a"])
    with pytest.raises(InvalidData, match="knows ids already"):
        open_service(told.model_copy(update={"log": str(tmp_path / "named.db")}), small())


# PostgreSQL


def test_a_service_on_postgresql_is_alone_and_comes_back_after_its_connection_broke(
    postgres, tmp_path
):
    postgres.begin_test()
    place = postgres.empty_database()
    told = ServingSettings(log=place, data_dir=str(tmp_path / "data"))

    async def test():
        async with serving(told, small()) as service:
            visits = Visits(service)
            await wander(visits, stream(0, "postgres"), 2)
            with pytest.raises(LogUnavailable, match="another process serves this log"):
                open_service(told)
            postgres.break_connections(place)
            with pytest.raises(LogUnavailable):
                await visits.ask("u0")
            assert not service.is_ready[0]
            await service._probe()
            assert service.is_ready[0]
            await wander(visits, stream(1, "postgres"), 2)
            with pytest.raises(LogUnavailable, match="another process serves this log"):
                open_service(told)
            await service.settle(visits.now + 1e5)
            digest = digest_of(service.state)
        async with serving(told) as service:
            assert digest_of(service.state) == digest
            assert service.state.folded_from == service.state.seq

    run(test())


def test_keys_of_different_slots_differ():
    names = [("a/b", "c", "d"), ("a", "b/c", "d"), ("a", "b", "c/d"), ("a%2Fb", "c", "d")]
    assert len({key_of(*one) for one in names}) == 4
    assert key_of("d1", "i3", "click") == "d1/i3/click"
    assert len(key_of("x" * 128, "y" * 128, "click")) <= 128
    assert np.array([key_of("d", "i", "e")]).dtype.kind == "U"


def test_what_a_unit_holds_is_not_forgotten_while_it_waits(tmp_path, monkeypatch):
    """One decision is remembered; another reward of it is applied from the log in between."""
    gate, write = threading.Semaphore(100), Ledger._write

    def slowly(ledger, units):
        gate.acquire()
        write(ledger, units)

    monkeypatch.setattr(Ledger, "_write", slowly)

    async def put(waits, awaitable):
        waits.append(asyncio.ensure_future(awaitable))
        await asyncio.sleep(0.01)

    async def test():
        told = settings_in(tmp_path, remembered_decisions=1)
        async with serving(told, small(), crash=True) as service:
            visits, waits = Visits(service), []
            shown = await visits.ask("u0", 1)
            await visits.ask("u1", 1)
            while gate.acquire(blocking=False):
                pass
            await put(waits, service.feedback([visits.reward(shown)]))  # not at hand: is found
            await put(waits, visits.ask("u2", 1))
            await put(waits, service.feedback([visits.reward(shown)]))  # nor now
            await put(waits, visits.ask("u3", 1))
            gate.release()
            await waits[0]
            await put(waits, service.feedback([visits.reward(shown)]))  # at hand, of the first
            gate.release(100)
            await asyncio.gather(*waits)
            assert service.state.active.model.sums.sum() == 3.0
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest

    run(test())


def test_what_a_shadow_thinks_of_a_decision_that_was_not_stored_is_said_of_no_other(
    tmp_path, monkeypatch
):
    commit, fails = SQLiteDatabase.transaction, []

    @contextmanager
    def transaction(database):
        with commit(database):
            yield
            if fails:
                raise LogUnavailable(fails.pop())

    monkeypatch.setattr(SQLiteDatabase, "transaction", transaction)

    async def test():
        async with serving(settings_in(tmp_path), small(), crash=True) as service:
            visits, model = Visits(service), small().model
            users, items = [f"u{n}" for n in range(6)], [f"i{n}" for n in range(8)]
            version, digest = service.registry.add(model, users=users, items=items)
            await service.control(swap_control(version, digest, role="shadow"))
            think, thinks = service._ask_shadow, []
            service._ask_shadow = thinks.append
            fails.append("the disk is full")
            with pytest.raises(LogUnavailable):
                await visits.ask("u0")
            await visits.ask("u1")
            think(thinks[0])
            assert len((await service.ask(lambda log: log.opinions(version))).decisions) == 0
            think(thinks[1])
            assert len((await service.ask(lambda log: log.opinions(version))).decisions) == 1

    run(test())
