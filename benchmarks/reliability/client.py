"""A client that remembers every answer, and sends again what was not answered.

It asks for a list under an id of its own, says what came of one of its items, and so on. Whatever
the service acknowledged stands in `Heard`, to be compared with the log and with its counters.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np

from recloop.serving.load import Connection, Reply, Unanswered, connect, request_bytes
from recloop.utils.seeding import stream

RETRY_S = 0.02
SETTLE_S = 15.0


class List(NamedTuple):
    """A list that was answered."""

    user: str
    items: list[str]
    propensities: list[float]


class Given(NamedTuple):
    """A reward that was acknowledged."""

    decision: str
    item: str
    value: float
    status: str


@dataclass
class Heard:
    """Everything that was answered to all clients together."""

    lists: dict[str, List] = field(default_factory=dict)  # by decision id
    rewards: dict[str, Given] = field(default_factory=dict)  # by key
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  # by route and status
    results: Counter[str] = field(default_factory=Counter)  # of rewards, by status
    seconds: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    unanswered: int = 0
    resent: int = 0

    def failed(self) -> int:
        """Answers other than 200."""
        return sum(n for (_, status), n in self.answers.items() if status != 200)

    def of(self, status: int) -> int:
        """Answers with that status."""
        return sum(n for (_, found), n in self.answers.items() if found == status)

    def count(self, route: str, reply: Reply) -> None:
        """Note one answer."""
        self.answers[route, reply.status] += 1
        self.seconds.append(reply.seconds)
        if reply.status == 503 and "retry-after" not in reply.headers:
            self.without_retry_after += 1


class Client:
    """One connection's worth of recommend, feedback, recommend, ...; survives restarts."""

    def __init__(
        self, name: str, heard: Heard, *, width: int, k: int = 5, seed: int = 0, n_users: int = 200
    ) -> None:
        self._name = name
        self._heard = heard
        self._width = width
        self._k = k
        self._n_users = n_users
        self._rng = stream(seed, "reliability client", name)
        self._number = 0
        self._todo: tuple[str, dict[str, Any]] | None = None  # sent until it is answered
        self._last: List | None = None

    async def talk(self, address: str, until: Callable[[], bool]) -> None:
        """Talk until that is so, or the server is gone; what is unanswered is sent next time."""
        try:
            connection = await connect(address)
        except OSError:
            return
        try:
            while not until():
                if connection.is_closed:
                    connection = await connect(address)
                await self._step(connection)
        except (Unanswered, OSError):
            self._heard.unanswered += self._todo is not None
        finally:
            connection.close()

    @property
    def waits(self) -> bool:
        """Whether it sent something that is not answered yet."""
        return self._todo is not None

    async def settle(self, address: str) -> None:
        """Send again what is not answered yet, for a while."""
        is_over = after(SETTLE_S)
        if self.waits:
            await self.talk(address, lambda: not self.waits or is_over())

    async def _step(self, connection: Connection) -> None:
        if self._todo is None:
            self._todo = self._feedback() if self._last is not None else self._request()
        else:
            self._heard.resent += 1
        route, body = self._todo
        sent = request_bytes("POST", f"/v1/{route}", msgspec.json.encode(body))
        reply = await connection.send(sent)
        self._heard.count(route, reply)
        if reply.status == 503:
            await asyncio.sleep(RETRY_S)
            return
        self._todo = None
        if route == "recommend":
            self._take_list(body, reply)
        else:
            self._take_reward(body, reply)

    def _request(self) -> tuple[str, dict[str, Any]]:
        self._number += 1
        return "recommend", {
            "user": f"u{self._rng.integers(self._n_users)}",
            "k": self._k,
            "context": self._rng.normal(size=self._width).tolist(),
            "request_id": f"{self._name}.{self._number}",
        }

    def _feedback(self) -> tuple[str, dict[str, Any]]:
        assert self._last is not None
        decision = f"{self._name}.{self._number}"
        item = self._last.items[int(self._rng.integers(len(self._last.items)))]
        reward = float(np.round(self._rng.normal(), 3))
        key = f"{decision}/{item}"
        return "feedback", {"decision_id": decision, "item": item, "reward": reward, "key": key}

    def _take_list(self, body: dict[str, Any], reply: Reply) -> None:
        if reply.status != 200:
            return
        told = reply.json()
        self._last = List(
            told["user"],
            [one["item"] for one in told["items"]],
            [one["propensity"] for one in told["items"]],
        )
        self._heard.lists[told["decision_id"]] = self._last

    def _take_reward(self, body: dict[str, Any], reply: Reply) -> None:
        self._last = None
        if reply.status != 200:
            return
        told = reply.json()
        self._heard.results[told["status"]] += 1
        given = Given(body["decision_id"], body["item"], body["reward"], told["status"])
        self._heard.rewards[body["key"]] = given


def clients(n: int, heard: Heard, *, width: int, seed: int = 0, k: int = 5) -> list[Client]:
    """Clients with names and random streams of their own."""
    return [Client(f"c{seed}.{i}", heard, width=width, k=k, seed=seed) for i in range(n)]


async def settle_all(those: list[Client], address: str) -> None:
    """What no answer came to is sent again until one comes."""
    await asyncio.gather(*(one.settle(address) for one in those))


async def talk_all(those: list[Client], address: str, until: Callable[[], bool]) -> None:
    """All at once, until that is so."""
    await asyncio.gather(*(one.talk(address, until) for one in those))


def after(seconds: float) -> Callable[[], bool]:
    """Whether so long has passed since this call."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end
