"""Two writers, and events in every wrong order.

    python -m benchmarks.reliability.orders

A second process on the same log must not start. Feedback for what was never decided or never shown
is refused and counted; the same reward from 16 connections at once is stored once; another value
under its name is a conflict. Ten thousand rewards in any order, most of them after the default
reward was learned in their place, leave the sums that no order can be seen in.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.reliability import metrics
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import (
    DidNotStart,
    ServerProcess,
    save_bandit,
    serve_arguments,
)
from benchmarks.reliability.truth import digests, served_digest, settings_of
from recloop.decisions import open_log
from recloop.models.bandits.linear import LinUCBRecommender
from recloop.models.packed import packed
from recloop.serving.load import Connection, ask_once, connect, run
from recloop.serving.opening import recovered
from recloop.serving.registry import Registry
from recloop.types import FloatArray
from recloop.utils.seeding import stream

N_ITEMS, WIDTH, K = 100, 8, 10
N_CONNECTIONS, N_TOGETHER = 16, 20
MOST_ERROR = 1e-8
MOST_TRIES = 600  # a tenth of a second each


async def recommended(address: str, context: list[float], user: str = "u1") -> dict[str, Any]:
    """A list of ten."""
    body = {"user": user, "k": K, "context": context}
    return (await ask_once(address, "POST", "/v1/recommend", body)).json()


async def refusals(address: str, report: Report) -> None:
    """What was never decided, and what was never shown."""
    told = await recommended(address, [0.1] * WIDTH)
    shown = {one["item"] for one in told["items"]}
    other = next(str(code) for code in range(N_ITEMS) if str(code) not in shown)
    good = {"decision_id": told["decision_id"], "item": min(shown), "reward": 1.0}
    for name, change, status in (
        ("an unknown decision", {"decision_id": "nobody"}, 404),
        ("an item that was not shown", {"item": other}, 422),
        ("an item that nobody knows", {"item": "none"}, 404),
    ):
        reply = await ask_once(address, "POST", "/v1/feedback", good | change)
        report.equal(f"status for {name}", reply.status, status)
    several = {"events": [good, good | {"decision_id": "nobody"}, good | {"item": other}]}
    reply = await ask_once(address, "POST", "/v1/feedback", several)
    found = [one["status"] for one in reply.json()["results"]]
    report.equal("the same in one body", found, ["ok", "unknown", "not_shown"])


async def together(address: str, bodies: list[dict[str, Any]]) -> Counter[str]:
    """Each body on a connection of its own, all at once; how they were answered."""
    connections = [await connect(address) for _ in bodies]
    sent = [msgspec.json.encode(body) for body in bodies]
    replies = await asyncio.gather(
        *(
            one.ask("POST", "/v1/feedback", body)
            for one, body in zip(connections, sent, strict=True)
        )
    )
    for one in connections:
        one.close()
    return Counter(
        reply.json()["status"] if reply.status == 200 else str(reply.status) for reply in replies
    )


async def at_once(address: str, report: Report) -> None:
    """The same reward from many connections, then two values under one name."""
    same = Counter[str]()
    different = Counter[str]()
    for number in range(N_TOGETHER):
        told = await recommended(address, [0.01 * number] * WIDTH)
        items = [one["item"] for one in told["items"]]
        body = {"decision_id": told["decision_id"], "item": items[0], "reward": 1.0}
        found = await together(address, [body] * N_CONNECTIONS)
        same[f"{found['ok']} ok, {found['duplicate']} duplicate"] += 1
        other = body | {"item": items[1], "key": f"key {number}"}
        found = await together(address, [other, other | {"reward": 0.5}])
        different[f"{found['ok']} ok, {found['409']} conflict"] += 1
    expected = f"1 ok, {N_CONNECTIONS - 1} duplicate"
    report.equal("the same reward at once", dict(same), {expected: N_TOGETHER})
    report.equal("two values at once", dict(different), {"1 ok, 1 conflict": N_TOGETHER})


async def shuffled(address: str, n: int, rng: np.random.Generator) -> tuple[Counter[str], Any]:
    """n rewards in any order, most of them late; how they were answered, and each slot's value."""
    contexts = rng.normal(size=(n // K, WIDTH))
    events, slots = [], []
    for row, context in enumerate(contexts):
        told = await recommended(address, context.tolist(), f"u{row % 50}")
        for slot in told["items"]:
            reward = float(rng.normal())
            events.append(
                {"decision_id": told["decision_id"], "item": slot["item"], "reward": reward}
            )
            slots.append((int(slot["item"]), context, reward))
    order = rng.permutation(len(events))
    early = order[: len(order) // 10]
    counts = await _sent(address, events, early)
    await _defaults(address, len(events) - len(early))
    counts += await _sent(address, events, order[len(early) :])
    return counts, slots


async def _sent(address: str, events: list[Any], order: np.ndarray) -> Counter[str]:
    parts = [order[start : start + 100] for start in range(0, len(order), 100)]
    counts = Counter[str]()

    async def send(connection: Connection) -> None:
        while parts:
            body = {"events": [events[place] for place in parts.pop()]}
            reply = await connection.ask("POST", "/v1/feedback", msgspec.json.encode(body))
            counts.update(reply.json()["counts"])

    connections = [await connect(address) for _ in range(8)]
    await asyncio.gather(*map(send, connections))
    for one in connections:
        one.close()
    return counts


async def _defaults(address: str, n: int) -> None:
    """Wait until default rewards were learned for so many slots."""
    for _ in range(MOST_TRIES):
        if (await metrics.read(address))["recloop_learned_total{what=rows}"] >= n:
            return
        await asyncio.sleep(0.1)


def farthest(model: Path, learned: LinUCBRecommender, slots: list[Any]) -> float:
    """The greatest relative distance of A and b from the sums in which no order can be seen."""
    start = LinUCBRecommender.load(model).arrays()
    evidence, sums = start["evidence"].copy(), start["reward_sums"].copy()
    for item, context, reward in slots:
        evidence[item] += packed(np.outer(context, context)[None])[0]
        sums[item] += reward * context
    found = learned.arrays()
    return max(_distance(found["evidence"], evidence), _distance(found["reward_sums"], sums))


def _distance(one: FloatArray, other: FloatArray) -> float:
    return float(np.max(np.abs(one - other) / np.maximum(1.0, np.abs(other))))


def measure(folder: Path, *, seed: int = 0, planted: str | None = None) -> Report:
    """The second process, the refusals, and rewards at once."""
    report = Report(f"two writers and wrong orders, build {planted or 'own'}")
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    arguments = serve_arguments(folder, model)
    with ServerProcess(*arguments, planted=planted) as server:
        try:
            ServerProcess(*arguments, planted=planted).kill()
            report.equal("a second process on the log", "serves", "refused")
        except DidNotStart as error:
            report.equal("exit code of a second process on the log", error.code, 2)
            says = "another process serves this log" in error.words
            report.equal("it says why, in a sentence",
                         says and "Traceback" not in error.words, True)  # fmt: skip
        run(refusals(server.address, report))
        run(at_once(server.address, report))
        told = run(metrics.read(server.address))
        for what, n in {"unknown": 2, "not_shown": 2, "conflict": N_TOGETHER}.items():
            report.equal(f"counted as {what}", told[f"recloop_rewards_total{{result={what}}}"], n)
        report.equal("learned", told["recloop_learned_total{what=rows}"], 1 + 2 * N_TOGETHER)
        server.stop()
    return report


def measure_late(
    folder: Path, *, n: int = 10_000, seed: int = 0, planted: str | None = None
) -> Report:
    """Rewards in any order."""
    report = Report(f"{n} late rewards in any order, build {planted or 'own'}")
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    arguments = serve_arguments(
        folder, model, "rules.reward_wait_s=1.0", "remembered_decisions=100"
    )
    rng = stream(seed, "reliability orders")
    with ServerProcess(*arguments, planted=planted) as server:
        counts, slots = run(shuffled(server.address, n, rng))
        told = run(metrics.read(server.address))
        server.stop()
    report.equal("rewards stored", counts["ok"] + counts["late"], n)
    report.figure("of them late, after a default reward", counts["late"])
    report.figure("corrections learned", told["recloop_learned_total{what=corrections}"])
    settings = settings_of(arguments)
    registry = Registry(Path(settings.data_dir) / "models")
    with open_log(settings.log) as log:
        state = recovered(settings, log, registry)
    assert state.active is not None
    assert isinstance(state.active.model, LinUCBRecommender)
    report.at_most("distance of A and b from the sums without an order",
                   farthest(model, state.active.model, slots), MOST_ERROR)  # fmt: skip
    report.equal("the state served last is the fold from record 1",
                 served_digest(settings), digests(settings)[1])  # fmt: skip
    return report


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--rewards", type=int, default=10_000)
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(folder, seed=found.seed, planted=planted)

    def late(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure_late(folder, n=found.rewards, seed=found.seed, planted=planted)

    code = conclude(found, one, lambda: one("shares_its_log"), lambda: one("forgets_keys"))
    return code | conclude(found, late, lambda: late("learns_in_order_only"))


if __name__ == "__main__":
    sys.exit(main())
