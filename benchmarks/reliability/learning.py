"""Learning that can be seen over HTTP: against its frozen self, after a flip, and from the log.

    python -m benchmarks.reliability.learning --seeds 20

Learns     The same visitors come to a service that learns and to one that does not. After 5,000
           answers the difference of rewards per visit, pooled over seeds, has an interval above 0.
Recovers   All preferences change at once. Within 3,000 answers the learning service is back at 90 %
           of what the best policy earns; the frozen one is not.
At once    A person's click is in the next list within a second.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import ServerProcess
from recloop.evaluation.intervals import normal_interval
from recloop.models.bandits.linear import LinUCBRecommender
from recloop.serving.load import Connection, connect, request_bytes
from recloop.simulators.linear import LinearParams, LinearWorld
from recloop.types import FloatArray
from recloop.utils.seeding import stream

N_ITEMS = 10
CONNECTIONS = 16
LEARNS_IN, RECOVERS_IN, LAST = 5000, 3000, 1000
FLOOR = 0.02
DISCOUNT = 0.999


@dataclass(frozen=True)
class Visits:
    """Who comes when, and whether each would click on each item: the same for every service."""

    contexts: FloatArray  # (n, d)
    rates: FloatArray  # (n, n_items) click probabilities
    luck: FloatArray  # (n,)

    @classmethod
    def drawn(cls, seed: int, n: int, *, flips_at: int | None = None) -> "Visits":
        """n visits to a bundled linear world; from `flips_at` on, items swap their click rates."""
        world = LinearWorld(
            LinearParams(
                n_items=N_ITEMS, n_available=N_ITEMS, period=0, click_rate=0.35, spread=0.1,
                taste=0.2, seed=seed,
            )
        )  # fmt: skip
        rng = stream(seed, "visits")
        who = rng.integers(len(world.profiles), size=n)
        rates = world.rates[0][who]
        if flips_at is not None:
            rates[flips_at:] = np.roll(rates[flips_at:], N_ITEMS // 2, axis=1)
        return cls(world.profiles[who], rates, rng.random(n))

    @property
    def best(self) -> FloatArray:
        """(n,) what the best policy earns on average at each visit."""
        return self.rates.max(axis=1)


def first_model(place: Path, **params: float) -> str:
    """A model that knows nothing, in a file."""
    file = place / "first.npz"
    LinUCBRecommender(1, N_ITEMS, context_dim=6, alpha=0.5, **params).save(file)
    return str(file)


async def served(address: str, visits: Visits) -> tuple[FloatArray, FloatArray]:
    """(n,) clicks and (n,) click probabilities of what was shown, over some connections at once."""
    clicks, chances = np.zeros(len(visits.luck)), np.zeros(len(visits.luck))
    coming = iter(range(len(visits.luck)))

    async def one(connection: Connection) -> None:
        for visit in coming:
            asked = {"user": f"u{visit % 500}", "k": 1, "context": visits.contexts[visit].tolist()}
            answer = await _post(connection, "/v1/recommend", asked)
            item = answer["items"][0]["item"]
            chances[visit] = visits.rates[visit, int(item)]
            clicks[visit] = float(visits.luck[visit] < chances[visit])
            told = {
                "decision_id": answer["decision_id"], "item": item, "reward": float(clicks[visit])
            }  # fmt: skip
            await _post(connection, "/v1/feedback", told)

    connections = [await connect(address) for _ in range(CONNECTIONS)]
    await asyncio.gather(*map(one, connections))
    for connection in connections:
        connection.close()
    return clicks, chances


async def _post(connection: Connection, path: str, body: object) -> dict:
    reply = await connection.send(request_bytes("POST", path, msgspec.json.encode(body)))
    if reply.status != 200:
        raise RuntimeError(f"{path}: {reply.status} {reply.body[:200]!r}")
    return reply.json()


def visit_all(
    place: Path, name: str, visits: Visits, *, learns: bool, **params: float
) -> tuple[FloatArray, FloatArray]:
    """All visits to a service of its own."""
    room = place / name
    room.mkdir()
    options = [
        "--run", first_model(room, **params), "--log", str(room / "log.db"),
        "--data-dir", str(room / "data"), "--port", "0", "--set", f"floor={FLOOR}",
        "--set", f"learn={str(learns).lower()}", "--set", "drain_s=0",
    ]  # fmt: skip
    with ServerProcess(*options) as server:
        return asyncio.run(served(server.address, visits))


def learns(report: Report, place: Path, seeds: range) -> None:
    """The learning service against its frozen self."""
    gaps = []
    for seed in seeds:
        visits = Visits.drawn(seed, LEARNS_IN)
        own, _ = visit_all(place, f"learning-{seed}", visits, learns=True)
        frozen, _ = visit_all(place, f"frozen-{seed}", visits, learns=False)
        gaps.append(own.mean() - frozen.mean())
    interval = normal_interval(np.array(gaps))
    report.figure("difference of clicks per visit, each seed", [round(float(g), 3) for g in gaps])
    report.require(
        "pooled difference, 95 %", f"{np.mean(gaps):.4f} [{interval.low:.4f}, {interval.high:.4f}]",
        interval.low > 0.0, "above 0",
    )  # fmt: skip
    report.at_least("seeds in which learning wins", sum(g > 0 for g in gaps), 0.8 * len(gaps))


def recovers(report: Report, place: Path, seeds: range) -> None:
    """All preferences change at once, for a service that forgets and for one that stands still."""
    shares: dict[str, list[float]] = {"learning": [], "frozen": []}
    n = LEARNS_IN + RECOVERS_IN + LAST
    for seed in seeds:
        visits = Visits.drawn(seed, n, flips_at=LEARNS_IN)
        best = visits.best[-LAST:].mean()
        _, chances = visit_all(place, f"flip-{seed}", visits, learns=True, discount=DISCOUNT)
        shares["learning"].append(chances[-LAST:].mean() / best)
        shares["frozen"].append(_frozen_before_flip(place, seed, visits) / best)
    for name, found in shares.items():
        report.figure(
            f"{name}: share of the best after the flip", [round(float(s), 3) for s in found]
        )
    report.at_least("learning: mean share of the best", float(np.mean(shares["learning"])), 0.9)
    report.require(
        "frozen: mean share of the best", float(np.mean(shares["frozen"])),
        float(np.mean(shares["frozen"])) < 0.9, "below 0.9",
    )  # fmt: skip


def _frozen_before_flip(place: Path, seed: int, visits: Visits) -> float:
    """What was learned before the flip, and nothing after it."""
    before = Visits(*(part[:LEARNS_IN] for part in vars(visits).values()))
    after = Visits(*(part[-LAST:] for part in vars(visits).values()))
    room = place / f"still-{seed}"
    room.mkdir()
    options = [
        "--run", first_model(room, discount=DISCOUNT), "--log", str(room / "log.db"),
        "--data-dir", str(room / "data"), "--port", "0", "--set", f"floor={FLOOR}",
        "--set", "drain_s=0",
    ]  # fmt: skip
    with ServerProcess(*options) as server:
        asyncio.run(served(server.address, before))
        server.stop()
    with ServerProcess(*options, "--set", "learn=false") as server:
        return float(asyncio.run(served(server.address, after))[1].mean())


def at_once(report: Report, place: Path) -> None:
    """A click is in the next list of the person: the score of that item has moved."""
    room = place / "at-once"
    room.mkdir()
    options = ["--run", first_model(room), "--log", str(room / "log.db"),
               "--data-dir", str(room / "data"), "--port", "0"]  # fmt: skip

    async def ask(address: str) -> tuple[float, float, float]:
        connection = await connect(address)
        body = {"user": "u", "k": N_ITEMS, "context": [1.0, 0.5, 0.5, 0.5, 0.5, 0.5]}
        first = await _post(connection, "/v1/recommend", body)
        item, before = first["items"][3]["item"], first["items"][3]["score"]
        began = time.perf_counter()
        told = {"decision_id": first["decision_id"], "item": item, "event": "click"}
        await _post(connection, "/v1/feedback", told)
        again = await _post(connection, "/v1/recommend", body)
        took = time.perf_counter() - began
        after = next(one["score"] for one in again["items"] if one["item"] == item)
        connection.close()
        return before, after, took

    with ServerProcess(*options) as server:
        before, after, took = asyncio.run(ask(server.address))
    report.require("the score of a clicked item", f"{before:.3f} -> {after:.3f}",
                   after != before, "must move")  # fmt: skip
    report.at_most("seconds from click to the next list", took, 1.0)


def measure(folder: Path, *, seed: int = 0, seeds: int = 20, flips: int = 5) -> Report:
    """All three; seeds: of the first, flips: seeds of the second."""
    report = Report(f"learning over HTTP, {seeds} seeds, {flips} flips")
    at_once(report, folder)
    learns(report, folder, range(seed, seed + seeds))
    recovers(report, folder, range(seed, seed + flips))
    return report


def main(given: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--flips", type=int, default=5)
    found = options.parse_args(given)

    def one() -> Report:
        with scratch(found.folder) as folder:
            return measure(folder, seed=found.seed, seeds=found.seeds, flips=found.flips)

    return conclude(found, one)


if __name__ == "__main__":
    sys.exit(main())
