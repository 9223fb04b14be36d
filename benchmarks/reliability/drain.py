"""SIGTERM under load: it says that it is not ready, answers what is in flight, and ends with 0.

    python -m benchmarks.reliability.drain

First the way of a balancer: it sends until /health/ready says 503, and nothing fails. Then the
hard way, on a disk whose syncs take a second and without a time to drain: the signal comes while 32
requests are in flight, and each must be answered. Afterwards nothing is left to fold: the last
snapshot is of the last record.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.reliability import metrics
from benchmarks.reliability.client import Client, Heard, clients, talk_all
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import ServerProcess, save_bandit, serve_arguments
from benchmarks.reliability.truth import compare, digests, served_digest, settings_of
from recloop.serving.load import Reply, Unanswered, ask_once, connect, run

N_ITEMS, WIDTH = 50, 8
MOST_TO_TELL_S, MOST_TO_END_S = 2.0, 15.0


async def balanced(those: list[Client], server: ServerProcess, seconds: float) -> float:
    """Load until the server says that it is not ready; seconds from the signal until it said so."""
    is_over = False
    talking = asyncio.create_task(talk_all(those, server.address, lambda: is_over))
    await asyncio.sleep(seconds)
    began = time.perf_counter()
    server.terminate()
    told = float("inf")
    while told == float("inf") and server.is_alive:
        try:
            reply = await ask_once(server.address, "GET", "/health/ready")
        except OSError:
            break
        if reply.status == 503:
            told = time.perf_counter() - began
        await asyncio.sleep(0.01)
    is_over = True
    await talking
    return told


async def in_flight(server: ServerProcess, n: int) -> list[Reply | BaseException]:
    """n requests at once, and the signal while they wait for the disk."""
    connections = [await connect(server.address) for _ in range(n)]
    bodies = [
        msgspec.json.encode(
            {"user": f"u{i}", "k": 5, "context": [0.1] * WIDTH, "request_id": f"flight.{i}"}
        )
        for i in range(n)
    ]
    asked = [
        asyncio.create_task(one.ask("POST", "/v1/recommend", body))
        for one, body in zip(connections, bodies, strict=True)
    ]
    for _ in range(200):
        if (await metrics.read(server.address))["recloop_waiting"] >= n:
            break
        await asyncio.sleep(0.01)
    server.terminate()
    found = await asyncio.gather(*asked, return_exceptions=True)
    for one in connections:
        one.close()
    return found


def measure(
    folder: Path,
    *,
    connections: int = 16,
    seconds: float = 3.0,
    seed: int = 0,
    planted: str | None = None,
) -> Report:
    """The way of a balancer."""
    report = Report(f"SIGTERM under load, {connections} connections, build {planted or 'own'}")
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    arguments = serve_arguments(folder, model, "drain_s=3.0")
    heard = Heard()
    with ServerProcess(*arguments, planted=planted) as server:
        those = clients(connections, heard, width=WIDTH, seed=seed)
        told = run(balanced(those, server, seconds))
        began = time.perf_counter()
        code = server.ended()
        took = time.perf_counter() - began
    report.at_most("not ready after the signal, s", told, MOST_TO_TELL_S)
    report.equal("failed requests", heard.failed() + heard.unanswered, 0)
    report.figure("requests", len(heard.seconds))
    report.equal("exit code", code, 0)
    report.at_most("ended after that, s", took, MOST_TO_END_S)
    _afterwards(report, folder, arguments, heard)
    return report


def measure_in_flight(
    folder: Path, *, n: int = 32, seed: int = 0, planted: str | None = None
) -> Report:
    """The hard way."""
    report = Report(f"SIGTERM with {n} requests in flight, build {planted or 'own'}")
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    arguments = serve_arguments(folder, model, "drain_s=0")
    builds = "very_slow_disk" if planted is None else f"very_slow_disk+{planted}"
    with ServerProcess(*arguments, planted=builds) as server:
        found = run(in_flight(server, n))
        code = server.ended()
    replies = [one for one in found if isinstance(one, Reply)]
    report.equal("answered", sum(one.status == 200 for one in replies), n)
    report.equal("without an answer", sum(isinstance(one, Unanswered) for one in found), 0)
    report.equal("exit code", code, 0)
    heard = Heard()
    heard.lists = {reply.json()["decision_id"]: _list(reply) for reply in replies}
    _afterwards(report, folder, arguments, heard)
    return report


def _list(reply: Reply):
    from benchmarks.reliability.client import List

    told = reply.json()
    slots = told["items"]
    return List(told["user"], [i["item"] for i in slots], [i["propensity"] for i in slots])


def _afterwards(report: Report, folder: Path, arguments: list[str], heard: Heard) -> None:
    settings = settings_of(arguments)
    found = compare(folder / "log.db", heard)
    report.equal("acknowledged and lost", len(found.lost_lists) + len(found.lost_rewards), 0)
    report.equal("nothing is left to fold, and the state is the fold from record 1",
                 served_digest(settings), digests(settings)[1])  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(folder, seed=found.seed, planted=planted)

    def hard(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure_in_flight(folder, seed=found.seed, planted=planted)

    code = conclude(found, one, lambda: one("never_says"), lambda: one("ends_at_once"))
    return code | conclude(found, hard, lambda: hard("ends_at_once"))


if __name__ == "__main__":
    sys.exit(main())
