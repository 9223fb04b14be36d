"""HTTP as uvicorn speaks it, with a bound on what comes before a body: its size and its time.

The parser itself would keep any number of headers, and wait for the rest of them for ever.
"""

from asyncio import BaseTransport, TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from recloop.serving.problems import TITLES, problem

LARGEST_HEAD = 65_536  # bytes, and what came with the last of them


def bounded(seconds: float) -> "type[BoundedProtocol]":
    """The protocol that waits so long for the headers of a request."""
    return type("BoundedProtocol", (BoundedProtocol,), {"head_s": seconds})


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose request line and headers are too large (431) or too slow (408)."""

    head_s = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head = True
        self._n_bytes = 0
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # pyright: ignore[reportArgumentType]
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            self._n_bytes += len(data)
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            self._wait_no_more()
        elif self._n_bytes > LARGEST_HEAD:
            self._end(431, f"request line and headers may have at most {LARGEST_HEAD} bytes")
        elif self._timer is None:
            self._wait()

    def on_message_begin(self) -> None:
        self._is_in_head, self._n_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_s, self._too_slow)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._end(408, f"the headers did not come within {self.head_s:g} seconds")

    def _end(self, status: int, detail: str) -> None:
        self._wait_no_more()
        answer = problem(status, detail)
        lines = [f"HTTP/1.1 {status} {TITLES[status]}", "connection: close"]
        lines += [f"{name.decode()}: {value.decode()}" for name, value in answer.raw_headers]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + bytes(answer.body))
        self.transport.close()
