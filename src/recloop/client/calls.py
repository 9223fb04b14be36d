"""The calls themselves, twice with one set of rules: `Client` waits, `AsyncClient` is awaited.

Everything may be sent again: a request carries an id under which the service keeps its answer, an
event has a key under which it counts once. So what fails on the way, or is answered 503, is tried
again after a pause that grows and is never the same, or that the service names.
"""

import asyncio
import time
import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

from recloop.client.messages import (
    Feedback,
    Outcome,
    Recommendation,
    ServiceError,
    recommend_body,
)
from recloop.errors import MissingExtra
from recloop.utils.checks import check_between, check_count

try:
    import httpx
except ImportError as error:
    raise MissingExtra("The client needs httpx: pip install 'recloop[client]'.") from error

AGAIN = frozenset({408, 425, 429, 502, 503, 504})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
EVENTS_AT_ONCE = 500

Context = Sequence[float] | Mapping[str, float]


class _Rules:
    """What both clients share."""

    def __init__(
        self, address: str, api_key: str | None, admin_key: str | None, timeout_s: float,
        retries: int,
    ) -> None:  # fmt: skip
        self._address = address.rstrip("/")
        self._timeout = check_between("Client", "timeout_s", timeout_s, 0.0, 1e6, low_open=True)
        self._retries = check_count("Client", "retries", retries, least=0)
        self._api_key, self._admin_key = api_key, admin_key

    def _headers(self, admin: bool) -> dict[str, str]:
        key = self._admin_key if admin else self._api_key or self._admin_key
        return {} if key is None else {"X-API-Key": key}

    def _pause(self, attempt: int, answer: httpx.Response | None) -> float | None:
        """Seconds until the next attempt; None if there is none."""
        if attempt >= self._retries or (answer is not None and answer.status_code not in AGAIN):
            return None
        grown = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**attempt)
        asked = "" if answer is None else answer.headers.get("retry-after", "")
        least = min(float(asked), LONGEST_PAUSE_S) if asked.isdigit() else 0.0
        share = uuid.uuid4().int / 2.0**128  # two clients never come back together
        return least + 0.1 * grown * share if least else grown * (0.5 + 0.5 * share)

    def _conversation(
        self, method: str, path: str, body: Any, admin: bool
    ) -> Generator[dict[str, Any] | float, httpx.Response | httpx.TransportError | None, Any]:
        """What to send, or how many seconds to wait, until there is a value to return."""
        request = {
            "method": method,
            "url": self._address + path,
            "json": body,
            "headers": self._headers(admin),
        }
        attempt = 0
        while True:
            met = yield request
            answer = met if isinstance(met, httpx.Response) else None
            if answer is not None and answer.is_success:
                return answer.json()
            pause = self._pause(attempt, answer)
            if pause is None:
                if answer is None:
                    raise ServiceError(0, f"{self._address} cannot be reached ({met})")
                raise _refusal(answer)
            yield pause
            attempt += 1


def _refusal(answer: httpx.Response) -> ServiceError:
    try:
        found = answer.json()
        detail, name = str(found.get("detail", "")), str(found.get("request_id", ""))
    except ValueError:
        detail, name = answer.text[:200], ""
    return ServiceError(answer.status_code, detail or answer.reason_phrase, name)


def _path_of(decision_id: str) -> str:
    return f"/v1/decisions/{quote(decision_id, safe='')}"


def _parts(events: Iterable[Feedback]) -> list[list[dict[str, Any]]]:
    rows = [one.to_json() for one in events]
    return [rows[start : start + EVENTS_AT_ONCE] for start in range(0, len(rows), EVENTS_AT_ONCE)]


def _outcomes(answers: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    return [Outcome(**row) for answer in answers for row in answer["results"]]


class Client(_Rules):
    """A connection to the service at `address`; for several threads at once.

    api_key, admin_key: as the service's environment holds them. timeout_s: for one attempt.
    retries: attempts after the first one.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        admin_key: str | None = None,
        timeout_s: float = 5.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(address, api_key, admin_key, timeout_s, retries)
        self._http = httpx.Client(timeout=self._timeout, transport=transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def recommend(
        self,
        user: str,
        k: int = 10,
        *,
        context: Context | None = None,
        request_id: str | None = None,
        defer_activation: bool = False,
        **more: Any,
    ) -> Recommendation:
        """A list for `user`; more: candidates, exclude, categories, seen, most_per_category.

        request_id: the same id gives the same stored answer; None: a new one for this call.
        """
        body = recommend_body(user, k, context, request_id or uuid.uuid4().hex, defer_activation,
                              more)  # fmt: skip
        return Recommendation.of(self.call("POST", "/v1/recommend", body))

    def feedback(
        self,
        decision_id: str,
        item: str,
        event: str | None = None,
        *,
        reward: float | None = None,
        key: str | None = None,
        kind: str = "observed",
    ) -> Outcome:
        """Say what came of one item; ServiceError 404, 409 or 422 where it cannot be stored."""
        body = Feedback(decision_id, item, event, reward, key, kind).to_json()
        return Outcome(**self.call("POST", "/v1/feedback", body))

    def feedback_batch(self, events: Iterable[Feedback]) -> list[Outcome]:
        """Say what came of many items; an outcome for each, in their order."""
        path = "/v1/feedback"
        return _outcomes(self.call("POST", path, {"events": part}) for part in _parts(events))

    def activate(self, decision_id: str) -> None:
        """Say that a prepared list was shown."""
        self.call("POST", f"{_path_of(decision_id)}/activate")

    def decision(self, decision_id: str) -> dict[str, Any]:
        """A decision and what it earned."""
        return self.call("GET", _path_of(decision_id))

    def is_ready(self) -> bool:
        """Whether the service can serve now."""
        try:
            return self._http.get(f"{self._address}/health/ready").is_success
        except httpx.TransportError:
            return False

    def call(self, method: str, path: str, body: Any = None, *, admin: bool = False) -> Any:
        """Any route; admin: send the administrator's key."""
        talk = self._conversation(method, path, body, admin)
        wanted = next(talk)
        try:
            while True:
                if isinstance(wanted, float):
                    time.sleep(wanted)
                    wanted = next(talk)
                    continue
                try:
                    met = self._http.request(**wanted)
                except httpx.TransportError as error:
                    met = error
                wanted = talk.send(met)
        except StopIteration as end:
            return end.value


class AsyncClient(_Rules):
    """As `Client`, for an event loop."""

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        admin_key: str | None = None,
        timeout_s: float = 5.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(address, api_key, admin_key, timeout_s, retries)
        self._http = httpx.AsyncClient(timeout=self._timeout, transport=transport)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def recommend(
        self,
        user: str,
        k: int = 10,
        *,
        context: Context | None = None,
        request_id: str | None = None,
        defer_activation: bool = False,
        **more: Any,
    ) -> Recommendation:
        """As `Client.recommend`."""
        body = recommend_body(user, k, context, request_id or uuid.uuid4().hex, defer_activation,
                              more)  # fmt: skip
        return Recommendation.of(await self.call("POST", "/v1/recommend", body))

    async def feedback(
        self,
        decision_id: str,
        item: str,
        event: str | None = None,
        *,
        reward: float | None = None,
        key: str | None = None,
        kind: str = "observed",
    ) -> Outcome:
        """As `Client.feedback`."""
        body = Feedback(decision_id, item, event, reward, key, kind).to_json()
        return Outcome(**await self.call("POST", "/v1/feedback", body))

    async def feedback_batch(self, events: Iterable[Feedback]) -> list[Outcome]:
        """As `Client.feedback_batch`."""
        path = "/v1/feedback"
        answers = [await self.call("POST", path, {"events": part}) for part in _parts(events)]
        return _outcomes(answers)

    async def activate(self, decision_id: str) -> None:
        """As `Client.activate`."""
        await self.call("POST", f"{_path_of(decision_id)}/activate")

    async def decision(self, decision_id: str) -> dict[str, Any]:
        """As `Client.decision`."""
        return await self.call("GET", _path_of(decision_id))

    async def is_ready(self) -> bool:
        """As `Client.is_ready`."""
        try:
            return (await self._http.get(f"{self._address}/health/ready")).is_success
        except httpx.TransportError:
            return False

    async def call(self, method: str, path: str, body: Any = None, *, admin: bool = False) -> Any:
        """As `Client.call`."""
        talk = self._conversation(method, path, body, admin)
        wanted = next(talk)
        try:
            while True:
                if isinstance(wanted, float):
                    await asyncio.sleep(wanted)
                    wanted = next(talk)
                    continue
                try:
                    met = await self._http.request(**wanted)
                except httpx.TransportError as error:
                    met = error
                wanted = talk.send(met)
        except StopIteration as end:
            return end.value
