"""Load held: recommendations of ten out of 1,000 arms in 32 numbers, every decision on the disk.

    python -m benchmarks.reliability.load
    python -m benchmarks.reliability.load --connections 16 --seconds 60

32 connections ask as fast as they are answered. Processor time of the server is its own, read from
/proc, and next to it stands that of a route which answers constant bytes on the same server
software, in the same minute. Requests a second depend on the machine and on who else uses it.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import ServerProcess, save_bandit, serve_arguments
from recloop.serving.load import Measured, closed_loop, request_bytes, run
from recloop.utils.seeding import stream

N_ITEMS, WIDTH, K = 1000, 32, 10
MOST_CPU_US, MOST_P99_MS = 500.0, 100.0
N_BODIES = 997


def requests(seed: int, *, n_users: int = 500) -> Callable[[int], bytes]:
    """The i-th request for a list: many people, many contexts, again from the start at the end."""
    rng = stream(seed, "reliability load")
    made = []
    for context in rng.normal(size=(N_BODIES, WIDTH)):
        body = {"user": f"u{rng.integers(n_users)}", "k": K, "context": context.tolist()}
        made.append(request_bytes("POST", "/v1/recommend", msgspec.json.encode(body)))
    return lambda i: made[i % N_BODIES]


def asked(server: ServerProcess, n: int, seconds: float, seed: int) -> tuple[Measured, float]:
    """The load, and processor time a request in microseconds."""
    request = requests(seed)
    run(closed_loop(server.address, n, min(1.0, seconds / 4), request))  # not measured
    before = server.cpu_seconds()
    measured = run(closed_loop(server.address, n, seconds, request))
    return measured, 1e6 * (server.cpu_seconds() - before) / max(1, measured.n)


def floor(n: int, seconds: float, seed: int) -> tuple[Measured, float]:
    """The same load on a route that does nothing."""
    with ServerProcess(planted="noop") as server:
        return asked(server, n, seconds, seed)


def measure(
    folder: Path,
    *,
    connections: int = 32,
    seconds: float = 20.0,
    seed: int = 0,
    planted: str | None = None,
) -> Report:
    """The test."""
    report = Report(
        f"load held: {connections} connections, {seconds:g} s, build {planted or 'own'}"
    )
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    with ServerProcess(*serve_arguments(folder, model), planted=planted) as server:
        measured, cpu_us = asked(server, connections, seconds, seed)
        peak = server.resident_bytes(peak=True)
        server.stop()
    nothing, floor_us = floor(connections, seconds / 4, seed)
    report.equal("errors", measured.errors, 0)
    report.at_most("processor time a request, us", cpu_us, MOST_CPU_US)
    report.at_most("p99, ms", measured.milliseconds(0.99), MOST_P99_MS)
    report.figure("requests a second", measured.rate)
    report.figure("p50, ms", measured.milliseconds(0.5))
    report.figure("processor time above the floor, us", cpu_us - floor_us)
    report.figure("floor: processor time a request, us", floor_us)
    report.figure("floor: requests a second", nothing.rate)
    report.figure("most memory, MB", peak / 1e6)
    return report


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--seconds", type=float, default=20.0)
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(
                folder, connections=found.connections, seconds=found.seconds, seed=found.seed,
                planted=planted,
            )  # fmt: skip

    return conclude(found, one, lambda: one("wasteful"), lambda: one("fails_sometimes"))


if __name__ == "__main__":
    sys.exit(main())
