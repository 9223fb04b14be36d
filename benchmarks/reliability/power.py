"""Power cuts under the whole service: a disk that forgets, or tears, what was not forced to it.

    python -m benchmarks.reliability.power --cuts 40

The service decides, hears and learns on a log whose disk is cut at random writes and syncs. Each
time, what a machine would find is opened by another service: everything acknowledged until then
must be there, the file whole, and the state the fold of the log. The planted build is SQLite's
weaker mode, synchronous=NORMAL, which kill -9 never shows to be weaker: it must lose something.
"""

import asyncio
import shutil
import sys
import uuid
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.reliability.client import Given, Heard, List
from benchmarks.reliability.disks import Disk
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import bandit
from benchmarks.reliability.truth import compare, digests
from recloop.decisions import DecisionLog
from recloop.decisions.sqlite import SQLiteDatabase
from recloop.errors import RecloopError
from recloop.serving import opening
from recloop.serving.deciding import Request
from recloop.serving.records import Reward
from recloop.serving.service import Service, new_decision_id
from recloop.serving.settings import LearningRules, ServingSettings
from recloop.utils.seeding import stream

N_ITEMS, WIDTH, K = 50, 8, 5
CUTS_PER_SERVICE = 10
MOST_BETWEEN_CUTS = 400  # writes and syncs


@dataclass
class Cut:
    """What was left, and what had been acknowledged by then."""

    folder: Path
    heard: Heard


def settings_in(folder: Path) -> ServingSettings:
    """A service with short waits, so that defaults and snapshots happen too."""
    return ServingSettings(
        log=str(folder / "log.db"),
        data_dir=str(folder / "data"),
        snapshot_every=400,
        remembered_decisions=100,
        rules=LearningRules(reward_wait_s=0.3),
    )


def open_on(disk: Disk, settings: ServingSettings, synchronous: str, seed: int) -> Service:
    """A new service whose log is on that disk."""
    log = DecisionLog(SQLiteDatabase(settings.log, vfs=disk.name))
    log.database.select(f"PRAGMA synchronous = {synchronous}")
    log.database.select("PRAGMA wal_autocheckpoint = 20")  # so that cuts meet checkpoints too
    usual = opening.open_alone
    opening.open_alone = lambda place: log
    try:
        model = bandit(n_items=N_ITEMS, width=WIDTH, seed=seed)
        return opening.open_service(settings, opening.with_numbers(model))
    finally:
        opening.open_alone = usual


async def talk(service: Service, heard: Heard, rng: np.random.Generator) -> None:
    """Recommend, feedback, recommend, ... for ever."""
    items = service.state.catalogue.ids
    while True:
        request = Request(
            new_decision_id(), f"u{rng.integers(20)}", K, context=rng.normal(size=WIDTH)
        )
        shown = await service.recommend(request)
        slots = [items[code] for code in shown.items]
        heard.lists[shown.id] = List(shown.user, slots, shown.propensities.tolist())
        code, value = int(rng.choice(shown.items)), float(rng.normal())
        key = f"{shown.id}/{code}"
        reward = Reward(shown.id, code, value, request.timestamp, key, "click")
        answers = await service.feedback([reward])
        heard.rewards[key] = Given(shown.id, items[code], value, answers[0].result)


async def cut_often(
    folder: Path, n_cuts: int, synchronous: str, rng: np.random.Generator, seed: int
) -> list[Cut]:
    """One service, cut so many times at random moments of its disk."""
    disk = Disk(f"power-{uuid.uuid4().hex}")
    settings = settings_in(folder)
    service = open_on(disk, settings, synchronous, seed)
    heard, cuts = Heard(), list[Cut]()
    left = int(rng.integers(1, MOST_BETWEEN_CUTS))

    def watch() -> None:  # on the ledger's thread, in the middle of what it does to the disk
        nonlocal left
        left -= 1
        if left or len(cuts) >= n_cuts:
            return
        left = int(rng.integers(1, MOST_BETWEEN_CUTS))
        known = copy(heard)
        known.lists, known.rewards = dict(heard.lists), dict(heard.rewards)
        place = folder / f"cut{len(cuts)}"
        place.mkdir()
        disk.cut(place, rng)
        with suppress(OSError, shutil.Error):  # a snapshot may be on its way
            shutil.copytree(settings.data_dir, place / "data")
        cuts.append(Cut(place, known))

    service.start()
    disk.watch = watch
    talkers = [
        asyncio.create_task(talk(service, heard, stream(seed, "power talker", number)))
        for number in range(4)
    ]
    while len(cuts) < n_cuts and not any(one.done() for one in talkers):
        await asyncio.sleep(0.01)
    for one in talkers:
        one.cancel()
    ends = await asyncio.gather(*talkers, return_exceptions=True)
    await service.close()
    for end in ends:
        if not isinstance(end, asyncio.CancelledError):
            raise end if isinstance(end, BaseException) else AssertionError("a talker ended")
    return cuts


def measure(folder: Path, *, cuts: int = 40, seed: int = 0, synchronous: str = "FULL") -> Report:
    """The test."""
    report = Report(f"power cut, {cuts} times, synchronous={synchronous}")
    rng = stream(seed, "reliability power")
    lost = damaged = other = differ = twice = n = 0
    for number, start in enumerate(range(0, cuts, CUTS_PER_SERVICE)):
        place = folder / f"service{number}"
        place.mkdir()
        n_cuts = min(CUTS_PER_SERVICE, cuts - start)
        for cut in asyncio.run(cut_often(place, n_cuts, synchronous, rng, seed + number)):
            n += len(cut.heard.lists) + len(cut.heard.rewards)
            try:
                found = compare(cut.folder / "log.db", cut.heard)
            except RecloopError:
                damaged += 1
                lost += len(cut.heard.lists) + len(cut.heard.rewards)
                continue
            quick, whole = digests(settings_in(cut.folder))
            lost += len(found.lost_lists) + len(found.lost_rewards)
            other += len(found.other_lists) + len(found.other_rewards)
            twice += len(found.twice)
            damaged += bool(found.damage)
            differ += quick != whole
        shutil.rmtree(place)
    report.at_least("acknowledged records, over all cuts", n, 10 * cuts)
    report.equal("acknowledged records lost", lost, 0)
    report.equal("logs that are damaged", damaged, 0)
    report.equal("records that differ from what was told", other, 0)
    report.equal("records written twice", twice, 0)
    report.equal("states that are not the fold from record 1", differ, 0)
    return report


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--cuts", type=int, default=40)
    found = options.parse_args(arguments)

    def one(synchronous: str = "FULL") -> Report:
        with scratch(found.folder) as folder:
            return measure(folder, cuts=found.cuts, seed=found.seed, synchronous=synchronous)

    return conclude(found, one, lambda: one("NORMAL"))


if __name__ == "__main__":
    sys.exit(main())
