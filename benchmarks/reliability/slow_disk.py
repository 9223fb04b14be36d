"""The disk is slow: the queue stays bounded, and what does not fit is answered 503 at once.

    python -m benchmarks.reliability.slow_disk

Each sync takes 200 ms (a VFS of SQLite that sleeps), 64 records may wait, and 128 connections ask.
"""

import asyncio
import sys
from pathlib import Path

from benchmarks.reliability import metrics
from benchmarks.reliability.client import Heard, after, clients, talk_all
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import ServerProcess, save_bandit, serve_arguments
from benchmarks.reliability.truth import compare
from recloop.serving.load import run

N_ITEMS, WIDTH, WAITING = 50, 8, 64
OWN = 4  # questions of the service to its own log, which have no limit to keep
MOST_S, MOST_GROWTH = 2.0, 50e6


async def watched(those: list, server: ServerProcess, seconds: float) -> float:
    """The load, and the longest queue that /metrics showed meanwhile."""
    talking = asyncio.create_task(talk_all(those, server.address, after(seconds)))
    longest = 0.0
    while not talking.done():
        longest = max(longest, (await metrics.read(server.address))["recloop_waiting"])
        await asyncio.sleep(0.05)
    await talking
    return longest


def measure(
    folder: Path,
    *,
    connections: int = 128,
    seconds: float = 20.0,
    seed: int = 0,
    planted: str | None = None,
) -> Report:
    """The test."""
    report = Report(
        f"slow disk, {connections} connections, {seconds:g} s, {planted or 'own'} build"
    )
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    arguments = serve_arguments(folder, model, f"limits.waiting={WAITING}")
    builds = "slow_disk" if planted is None else f"slow_disk+{planted}"
    heard = Heard()
    those = clients(connections, heard, width=WIDTH, seed=seed)
    with ServerProcess(*arguments, planted=builds) as server:
        run(talk_all(those, server.address, after(min(1.0, seconds / 4))))
        before = server.resident_bytes()
        longest = run(watched(those, server, seconds))
        growth = server.resident_bytes(peak=True) - before
        told = run(metrics.read(server.address))
        code = server.stop()
    report.at_least("p50 of commits, s: the disk is slow", told["recloop_commit_seconds_p50"], 0.2)
    report.at_least("answers 503", heard.of(503), 1)
    report.equal("of them without Retry-After", heard.without_retry_after, 0)
    answered = heard.of(200) + heard.of(503)
    report.equal("answers other than 200 and 503", len(heard.seconds) - answered, 0)
    report.equal("requests without an answer", heard.unanswered, 0)
    report.at_least("answers 200", heard.of(200), 1)
    report.at_most("longest queue", longest, WAITING + OWN)
    report.at_most("longest answer, s", max(heard.seconds), MOST_S)
    report.at_most("growth of memory, MB", growth / 1e6, MOST_GROWTH / 1e6)
    report.equal("exit code", code, 0)
    found = compare(folder / "log.db", heard)
    report.equal("lost", len(found.lost_lists) + len(found.lost_rewards), 0)
    return report


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--connections", type=int, default=128)
    options.add_argument("--seconds", type=float, default=20.0)
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(
                folder, connections=found.connections, seconds=found.seconds, seed=found.seed,
                planted=planted,
            )  # fmt: skip

    return conclude(found, one, lambda: one("unbounded"))


if __name__ == "__main__":
    sys.exit(main())
