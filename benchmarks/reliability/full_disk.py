"""The disk is full: feedback is refused and not lost, and all is well once there is room again.

    python -m benchmarks.reliability.full_disk
    python -m benchmarks.reliability.full_disk --no-mount    with a limit of file sizes instead

Under mixed load the disk of the log is filled. Whatever is answered 200 meanwhile must be in the
log; the rest is answered 503 with Retry-After, and /health/ready says so. After room was made the
service must become ready by itself, without a single write from outside. In the mode in which
decisions are written later, lists must go on being answered while the disk is full.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.reliability.client import Client, Heard, after, clients, settle_all, talk_all
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.room import LimitedRoom, MountedRoom, small_room
from benchmarks.reliability.servers import ServerProcess, save_bandit, serve_arguments
from benchmarks.reliability.truth import compare, digests, served_digest, settings_of
from recloop.serving.load import ask_once, run

N_ITEMS, WIDTH, N_LISTS = 50, 8, 50
WAIT_S, RECOVERY_S, STOP_S = 30.0, 10.0, 60.0
Room = MountedRoom | LimitedRoom


async def until(question: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Whether the answer became yes in time."""
    is_over = after(seconds)
    while not is_over():
        if await question():
            return True
        await asyncio.sleep(0.05)
    return False


async def fill_under_load(
    those: list[Client], heard: Heard, server: ServerProcess, room: Room, seconds: float
) -> bool:
    """Load, a full disk in the midst, load for some more; whether it said that it is not ready."""
    is_over = False
    talking = asyncio.create_task(talk_all(those, server.address, lambda: is_over))
    await asyncio.sleep(seconds)
    await asyncio.to_thread(room.fill, server)

    async def refused() -> bool:
        return heard.of(503) > 0

    async def is_not_ready() -> bool:
        return (await ask_once(server.address, "GET", "/health/ready")).status == 503

    await until(refused, WAIT_S)
    is_red = await until(is_not_ready, WAIT_S)
    await asyncio.sleep(seconds)
    is_over = True
    await talking
    return is_red


async def becomes_ready(address: str) -> bool:
    """Whether it is ready within `RECOVERY_S`, though nobody sends it anything."""

    async def ready() -> bool:
        return (await ask_once(address, "GET", "/health/ready")).status == 200

    return await until(ready, RECOVERY_S)


async def lists_of(address: str, n: int) -> int:
    """How many of n lists were answered."""
    body = {"user": "u1", "k": 5, "context": [0.5] * WIDTH}
    replies = [await ask_once(address, "POST", "/v1/recommend", body) for _ in range(n)]
    return sum(reply.status == 200 for reply in replies)


def measure(
    folder: Path,
    *,
    connections: int = 8,
    seconds: float = 2.0,
    seed: int = 0,
    may_mount: bool = True,
    planted: str | None = None,
) -> Report:
    """The test."""
    report = Report(f"full disk, {connections} connections, build {planted or 'own'}")
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    heard = Heard()
    those = clients(connections, heard, width=WIDTH, seed=seed)
    with small_room(folder, may_mount=may_mount) as room:
        report.figure("full by", room.kind)
        arguments = serve_arguments(room.folder, model)
        with ServerProcess(*arguments, planted=planted) as server:
            is_red = run(fill_under_load(those, heard, server, room, seconds))
            report.at_least("answers 503", heard.of(503), 1)
            report.equal("of them without Retry-After", heard.without_retry_after, 0)
            report.equal("not ready while full", is_red, True)
            room.free(server)
            report.equal("ready by itself", run(becomes_ready(server.address)), True)
            before = heard.of(503)
            run(talk_all(those, server.address, after(seconds)))
            run(settle_all(those, server.address))
            report.equal("answers 503 after that", heard.of(503) - before, 0)
            report.equal("exit code", server.stop(STOP_S), 0)
        answered = heard.of(200) + heard.of(503)
        report.equal("answers other than 200 and 503", len(heard.seconds) - answered, 0)
        report.equal("requests without an answer", heard.unanswered, 0)
        found = compare(room.folder / "log.db", heard)
        report.equal("acknowledged lists lost", len(found.lost_lists), 0)
        report.equal("acknowledged rewards lost", len(found.lost_rewards), 0)
        wrong = len(found.twice) + len(found.other_lists) + len(found.other_rewards)
        report.equal("written twice, or other than told", wrong, 0)
        report.equal("damage in the log", found.damage, [])
        settings = settings_of(arguments)
        report.equal("the state served last is the fold from record 1",
                     served_digest(settings), digests(settings)[1])  # fmt: skip
        report.figure("records acknowledged", len(heard.lists) + len(heard.rewards))
    return report


def measure_later(folder: Path, *, may_mount: bool = True, seed: int = 0) -> Report:
    """Lists go on where decisions are written later."""
    report = Report("full disk, decisions written later")
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    with small_room(folder, may_mount=may_mount) as room:
        arguments = serve_arguments(room.folder, model, "decisions=async")
        with ServerProcess(*arguments) as server:
            heard = Heard()
            those = clients(4, heard, width=WIDTH, seed=seed)
            run(fill_under_load(those, heard, server, room, 0.3))
            answered = run(lists_of(server.address, N_LISTS))
            report.equal("lists answered while full", answered, N_LISTS)
            report.equal("rewards acknowledged in another way than ok",
                         heard.results.total() - heard.results["ok"], 0)  # fmt: skip
            room.free(server)
            report.equal("ready by itself", run(becomes_ready(server.address)), True)
            report.equal("exit code", server.stop(), 0)
        found = compare(room.folder / "log.db", heard)
        report.equal("acknowledged rewards lost", len(found.lost_rewards), 0)
    return report


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--no-mount", action="store_true")
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(folder, seed=found.seed, may_mount=not found.no_mount, planted=planted)

    def later() -> Report:
        with scratch(found.folder) as folder:
            return measure_later(folder, may_mount=not found.no_mount, seed=found.seed)

    code = conclude(found, one, lambda: one("swallows_errors"), lambda: one("never_tries_again"))
    return code if found.planted else code | conclude(found, later)


if __name__ == "__main__":
    sys.exit(main())
