"""Models are swapped and rolled back under load; bad ones are refused and change nothing.

    python -m benchmarks.reliability.swap

Ten good models are activated one after the other, sixteen bad ones and six names that lead
elsewhere are tried in between, then it is rolled back, goes on to learn and is killed. No request
may fail meanwhile, each swap takes less than a second, and the state after the restart is the fold
of the log, through every swap.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from benchmarks.reliability.bad_models import NAMES, SPOILED, spoil_all
from benchmarks.reliability.client import Client, Heard, clients, settle_all, talk_all
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import (
    ADMIN_KEY,
    DidNotStart,
    ServerProcess,
    bandit,
    save_bandit,
    serve_arguments,
)
from benchmarks.reliability.truth import compare, digests, served_digest, settings_of
from recloop.serving.load import Reply, ask_once, run
from recloop.serving.registry import Registry

WIDTH, N_SWAPS, MOST_S = 32, 10, 1.0
KEY = {"X-API-Key": ADMIN_KEY}


class Swapping:
    """What an administrator did, and what was answered."""

    def __init__(self, address: str, good: list[str], bad: list[str]) -> None:
        self._address = address
        self._good = good
        self._bad = bad
        self.seconds: list[float] = []
        self.swaps: list[Reply] = []
        self.refusals: dict[str, int] = {}
        self.active: list[str] = []  # after each step of the rollback
        self.moved = 0  # times a refused model changed what is active

    async def all(self) -> None:
        """Swaps, and between them bad models; then back by two."""
        names = [*zip(SPOILED, self._bad, strict=True), *((f"name {one}", one) for one in NAMES)]
        for number, version in enumerate(self._good):
            await self._activate(version)
            for label, bad in names[number :: len(self._good)]:
                await self._try(label, bad, expected=version)
            await asyncio.sleep(0.1)
        for _ in range(2):
            reply = await ask_once(self._address, "POST", "/v1/rollback", headers=KEY)
            self.active.append(reply.json().get("active", ""))

    async def _activate(self, version: str) -> None:
        began = time.perf_counter()
        reply = await self._post(version)
        self.seconds.append(time.perf_counter() - began)
        self.swaps.append(reply)

    async def _try(self, label: str, version: str, expected: str) -> None:
        reply = await self._post(version)
        self.refusals[label] = reply.status
        known = await ask_once(self._address, "GET", "/v1/models", headers=KEY)
        self.moved += known.json()["active"] != expected

    def _post(self, version: str) -> Awaitable[Reply]:
        return ask_once(self._address, "POST", f"/v1/models/{version}:activate", {}, KEY)


async def under_load(those: list[Client], address: str, swapping: Swapping) -> None:
    """Clients talk from before the first swap until after the last rollback."""
    is_over = False
    talking = asyncio.create_task(talk_all(those, address, lambda: is_over))
    await asyncio.sleep(0.5)
    try:
        await swapping.all()
        await asyncio.sleep(0.5)
    finally:
        is_over = True
        await talking


async def more_and_kill(those: list[Client], server: ServerProcess, seconds: float) -> None:
    """A little more load, then kill -9."""
    talking = asyncio.create_task(talk_all(those, server.address, lambda: False))
    await asyncio.sleep(seconds)
    server.kill()
    await talking


def restarted(those: list[Client], arguments: list[str], planted: str | None) -> str:
    """What is active after a restart, in which the clients settle what is open."""
    with ServerProcess(*arguments, planted=planted) as server:
        known = run(ask_once(server.address, "GET", "/v1/models", headers=KEY)).json()
        run(settle_all(those, server.address))
        server.stop()
    return known["active"]


def measure(
    folder: Path,
    *,
    n_items: int = 1000,
    connections: int = 8,
    seed: int = 0,
    planted: str | None = None,
) -> Report:
    """The test."""
    report = Report(f"swap and rollback under load, {n_items} arms, build {planted or 'own'}")
    model = save_bandit(folder / "model.npz", n_items=n_items, width=WIDTH, seed=seed)
    arguments = serve_arguments(folder, model)
    settings = settings_of(arguments)
    registry = Registry(Path(settings.data_dir) / "models")
    items = [str(code) for code in range(n_items)]
    good = [
        registry.add(
            bandit(n_items=n_items, width=WIDTH, seed=seed + 1 + number), users=[], items=items
        )[0]
        for number in range(N_SWAPS)
    ]
    bad = spoil_all(registry.folder, good[0])
    heard = Heard()
    those = clients(connections, heard, width=WIDTH, seed=seed, k=10)
    with ServerProcess(*arguments, planted=planted) as server:
        swapping = Swapping(server.address, good, bad)
        run(under_load(those, server.address, swapping))
        report.equal("failed requests", heard.failed() + heard.unanswered, 0)
        report.figure("requests meanwhile", len(heard.seconds))
        report.figure("longest answer meanwhile, s", max(heard.seconds))
        run(more_and_kill(those, server, 1.0))
    accepted = [name for name, status in swapping.refusals.items() if status not in (404, 422)]
    report.equal("bad models not refused (by 404 or 422)", accepted, [])
    report.figure("bad models and names tried", len(swapping.refusals))
    report.equal("refusals that changed the active model", swapping.moved, 0)
    report.equal("good swaps refused", sum(one.status != 200 for one in swapping.swaps), 0)
    report.at_most("longest swap, s", max(swapping.seconds), MOST_S)
    report.figure("median swap, s", sorted(swapping.seconds)[N_SWAPS // 2])
    report.equal("active after each rollback", swapping.active, [good[-2], good[-3]])
    quick, whole = digests(settings)
    report.equal("state after kill -9 is the fold from record 1", quick == whole, True)
    try:
        active = restarted(those, arguments, planted)
    except DidNotStart as error:
        active = str(error)
    report.equal("active after the restart", active, good[-3])
    report.equal("the state served last is the fold from record 1",
                 served_digest(settings), digests(settings)[1])  # fmt: skip
    found = compare(folder / "log.db", heard)
    report.equal("lost", len(found.lost_lists) + len(found.lost_rewards), 0)
    report.equal("differ", len(found.other_lists) + len(found.other_rewards), 0)
    return report


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--connections", type=int, default=8)
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(folder, connections=found.connections, seed=found.seed, planted=planted)

    return conclude(found, one, lambda: one("trusts_models"), lambda: one("forgets_swaps"))


if __name__ == "__main__":
    sys.exit(main())
