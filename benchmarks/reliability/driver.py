"""A load generator for loopback: HTTP/1.1 with keep-alive, one request at a time a connection.

What is measured is from the last byte sent to the last byte of the answer.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httptools
import msgspec
import numpy as np

from recloop.serving.running import is_loopback

TIMEOUT_S = 60.0


class Unanswered(ConnectionError):
    """The connection ended before the answer did: whether the request was done is unknown."""


class Reply(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float

    def json(self) -> Any:
        """The body decoded."""
        return msgspec.json.decode(self.body)


class Connection(asyncio.Protocol):
    """One connection; made by `connect`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[None] | None = None
        self.is_closed = False

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send one request and wait for its answer; Unanswered where none comes."""
        return await self.send(request_bytes(method, path, body, headers))

    async def send(self, request: bytes) -> Reply:
        """Send a request as it stands."""
        if self.is_closed or self._transport is None:
            raise Unanswered("the connection is closed")
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._waiting = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._transport.write(request)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._waiting
        except TimeoutError:
            self.close()
            raise Unanswered(f"no answer within {TIMEOUT_S:g} s") from None
        seconds = time.perf_counter() - began
        return Reply(self._parser.get_status_code(), b"".join(self._body), self._headers, seconds)

    def close(self) -> None:
        """End the connection."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    # What asyncio and the parser say

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]

    def data_received(self, data: bytes) -> None:
        if self._waiting is not None:
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Unanswered("the connection was lost"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._headers.get("connection") == "close":
            self.is_closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def request_bytes(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def connect(address: str) -> Connection:
    """A connection to "http://127.0.0.1:PORT"; other machines are refused."""
    host, _, port = address.removeprefix("http://").partition(":")
    if not is_loopback(host):
        raise ValueError(f"load is for loopback alone, not for {host}")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, host, int(port))
    return connection


async def ask_once(
    address: str,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own; body: what is to be sent as JSON."""
    connection = await connect(address)
    try:
        data = b"" if body is None else msgspec.json.encode(body)
        return await connection.ask(method, path, data, headers)
    finally:
        connection.close()


@dataclass
class Measured:
    """What a load met."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of each answer
    unanswered: int = 0
    wall: float = 0.0

    @property
    def n(self) -> int:
        """How many answers came."""
        return self.statuses.total()

    @property
    def errors(self) -> int:
        """Answers other than 200, and requests without one."""
        return self.n - self.statuses[200] + self.unanswered

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.n / self.wall

    def milliseconds(self, share: float) -> float:
        """The latency that `share` of the answers keep."""
        return 1e3 * float(np.quantile(self.seconds, share)) if self.seconds else float("nan")


async def closed_loop(
    address: str, n_connections: int, seconds: float, request: Callable[[int], bytes]
) -> Measured:
    """Each connection sends its next request as soon as the last one is answered.

    request: the bytes of the i-th request.
    """
    measured = Measured()
    began = time.perf_counter()
    number = 0

    async def one(connection: Connection) -> None:
        nonlocal number
        while time.perf_counter() - began < seconds:
            number += 1
            try:
                reply = await connection.send(request(number))
            except Unanswered:
                measured.unanswered += 1
                return
            measured.statuses[reply.status] += 1
            measured.seconds.append(reply.seconds)

    connections = [await connect(address) for _ in range(n_connections)]
    await asyncio.gather(*map(one, connections))
    measured.wall = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return measured


def run(main: Awaitable[Any]) -> Any:
    """Run a load with the quickest loop there is."""

    async def whole() -> Any:
        return await main

    try:
        import uvloop
    except ImportError:
        return asyncio.run(whole())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())
