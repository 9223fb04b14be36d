"""What a service must refuse or survive, as bytes on the wire, and what is wrong with its answers.

`complaints(server)` sends everything and lists what broke a promise: a 5xx, an answer with another
status than the right ones, a list that is not one.
"""

import json
import math
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from serving.http.process import ADMIN_KEY, API_KEY, ServerProcess

N_ITEMS, WIDTH = 100, 8
TIMEOUT_S = 20.0
MOST_GROWTH = 50 << 20

REFUSED = {400, 401, 404, 405, 408, 413, 415, 422, 431}


@dataclass
class Probe:
    """Bytes to send, the statuses that are right, and how many seconds to wait between parts."""

    name: str
    parts: list[bytes]
    right: set[int]
    pause_s: float = 0.0
    k: int | None = None  # how long an accepted list must be


def request(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    key: str | None = API_KEY,
    headers: Iterable[str] = (),
    length: int | None = None,
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if body or method == "POST":
        lines += ["Content-Type: application/json"]
        lines += [f"Content-Length: {len(body) if length is None else length}"]
    if key is not None:
        lines.append(f"X-API-Key: {key}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("utf-8", "surrogateescape") + body


def recommend(body: bytes, **details: Any) -> list[bytes]:
    """A body for /v1/recommend."""
    return [request("POST", "/v1/recommend", body, **details)]


def probes(*, slow_s: float) -> Iterator[Probe]:
    """All of them; slow_s: a time longer than the service waits for a body."""
    yield from _numbers_of_items()
    yield from _contexts()
    yield from _bodies(slow_s)
    yield from _headers(slow_s)
    yield from _keys()
    yield from _paths()


def _numbers_of_items() -> Iterator[Probe]:
    good = {"1": 1, "100": 100, "3.0": 3, "1e1": 10}
    for text, k in good.items():
        yield Probe(f"k={text}", recommend(b'{"user": "u", "k": %s}' % text.encode()), {200}, k=k)
    for text in ("0", "-1", "1e9", "101", "1.5", "true", "null", '"3"', "[]", "9" * 400, "1e999",
                 "-0.0", "NaN"):  # fmt: skip
        yield Probe(f"k={text[:9]}", recommend(b'{"user": "u", "k": %s}' % text.encode()), REFUSED)


def _contexts() -> Iterator[Probe]:
    def body(number: str, n: int = WIDTH) -> list[bytes]:
        numbers = ", ".join(["0.5"] * (n - 1) + [number])
        return recommend(b'{"user": "u", "k": 3, "context": [%s]}' % numbers.encode())

    for number in ("0", "-0.0", "1000", "-1000", "1e-320"):
        yield Probe(f"context {number}", body(number), {200}, k=3)
    for number in ("NaN", "Infinity", "-Infinity", "1e308", "-1e308", "1e999", "1000.0001", "true",
                   '"1"', "null", "[1]", "1" * 400):  # fmt: skip
        yield Probe(f"context {number[:9]}", body(number), REFUSED)
    for n in (1, WIDTH - 1, WIDTH + 1, 1000):
        yield Probe(f"context of {n} numbers", body("1", n), REFUSED)
    yield Probe("context of none", recommend(b'{"user": "u", "context": []}'), REFUSED)
    yield Probe("context by name", recommend(b'{"user": "u", "context": {"a": 1}}'), REFUSED)


def _bodies(slow_s: float) -> Iterator[Probe]:
    good = b'{"user": "u", "k": 3}'
    for name, body in {
        "no body": b"",
        "no JSON": b"user=u",
        "half": good[:-1],
        "two": good + good,
        "a list": b"[1]",
        "bad UTF-8": b'{"user": "\xff\xfe"}',
        "half a surrogate": rb'{"user": "\ud800"}',
        "a zero character": rb'{"user": "a\u0000b"}',
        "deep nesting": b'{"user": "u", "context": ' + b"[" * 8000,
        "deep and whole": b'{"user": "u", "x": ' + b"[" * 8000 + b"]" * 8000 + b"}",
        "deep objects": b'{"user": "u", "x": ' + b'{"a":' * 1500 + b"1" + b"}" * 1500 + b"}",
        "unknown field": b'{"user": "u", "admin": true}',
        "user of 129": b'{"user": "%s"}' % (b"u" * 129),
        "user of many bytes": b'{"user": "%s"}' % ("\U0001f600" * 129).encode(),
        "user as a number": b'{"user": 7}',
        "no user": b'{"k": 3}',
        "candidates unknown": b'{"user": "u", "candidates": ["nope"]}',
        "candidates of 1,001": b'{"user": "u", "candidates": [%s]}'
        % b",".join([b'"item_1"'] * 1001),
    }.items():
        yield Probe(name, recommend(body), REFUSED)
    yield Probe("user twice", recommend(b'{"user": "u", "user": "v", "k": 3}'), {200, 422}, k=3)
    large = b'{"user": "u", "pad": "' + b"x" * (10 << 20) + b'"}'
    yield Probe("10 MB", recommend(large), {413})
    yield Probe("10 MB announced", [request("POST", "/v1/recommend", good, length=10 << 20)], {413})
    lies = request("POST", "/v1/recommend", good + b"x" * 20_000, length=len(good))
    yield Probe("more than announced", [lies], {200}, k=3)
    chunked = request("POST", "/v1/recommend", headers=["Transfer-Encoding: chunked"])
    chunked = chunked.replace(b"Content-Length: 0\r\n", b"")
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(good), good)
    yield Probe("chunked", [chunked + whole], {200}, k=3)
    many = b"".join([b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 256)
    yield Probe("chunked, 1 MB", [chunked + many + b"0\r\n\r\n"], {413})
    yield Probe("chunked, wrong", [chunked + b"zz\r\n" + good], {400})
    head = request("POST", "/v1/recommend", length=len(good))
    yield Probe("slow", [head, good[:5], good[5:]], {408}, pause_s=slow_s)
    for kind, right in (("text/plain", {415}), ("application/json; charset=utf-8", {200}),
                        ("", {200, 415}), ("a" * 5000, {415})):  # fmt: skip
        sent = recommend(good)[0].replace(b"Type: application/json", b"Type: " + kind.encode())
        yield Probe(f"type {kind[:20]}", [sent], right, k=3)
    events = b'{"decision_id": "d", "item": "item_1", "reward": 1}'
    for name, body in {
        "feedback without": b"{}",
        "feedback, no events": b'{"events": []}',
        "feedback of 501": b'{"events": [%s]}' % b",".join([events] * 501),
        "feedback of both": b'{"decision_id": "d", "item": "item_1", "events": [%s]}' % events,
        "reward NaN": b'{"decision_id": "d", "item": "item_1", "reward": NaN}',
        "reward 1e308": b'{"decision_id": "d", "item": "item_1", "reward": 1e308}',
        "reward true": b'{"decision_id": "d", "item": "item_1", "reward": true}',
        "event unknown": b'{"decision_id": "d", "item": "item_1", "event": "dance"}',
        "decision unknown": events,
        "key of 129": b'{"decision_id": "d", "item": "item_1", "key": "%s"}' % (b"k" * 129),
    }.items():
        yield Probe(name, [request("POST", "/v1/feedback", body)], REFUSED)


def _headers(slow_s: float) -> Iterator[Probe]:
    good = b'{"user": "u", "k": 3}'
    many = [f"X-{i}: y" for i in range(100_000)]
    yield Probe("100,000 headers", recommend(good, headers=many), {431})
    yield Probe("a header of 1 MB", recommend(good, headers=["X-A: " + "y" * (1 << 20)]), {431})
    yield Probe("a path of 1 MB", [request("GET", "/" + "y" * (1 << 20))], {431})
    head = recommend(good)[0]
    yield Probe("slow headers", [head[:20], head[20:]], {408}, pause_s=slow_s)
    yield Probe("strange header", recommend(good, headers=["X-A: \udcff\udc80"]), {200, 400}, k=3)
    yield Probe("length twice", recommend(good, headers=["Content-Length: 9"]), {400})
    yield Probe("length below 0", [request("POST", "/v1/recommend", good, length=-5)], {400})
    ids = recommend(good, headers=["X-Request-Id: " + "z" * 300])
    yield Probe("long request id", ids, {200}, k=3)


def _keys() -> Iterator[Probe]:
    good = b'{"user": "u", "k": 3}'
    wrong = {
        "no key": None, "empty key": "", "wrong key": "wrong-key-of-some-length",
        "half a key": API_KEY[:-1], "a longer key": API_KEY + "x",
        "key in bytes": "\udcff" * 20, "key in hiragana": "かぎ",
    }  # fmt: skip
    for name, key in wrong.items():
        yield Probe(name, recommend(good, key=key), {401})
        hiding = request("POST", "/v1/items", b'{"hide": ["item_1"]}', key=key)
        yield Probe(f"{name} of an administrator", [hiding], {401})
    yield Probe("administrator asks", recommend(good, key=ADMIN_KEY), {200}, k=3)
    for method, path in (("POST", "/v1/items"), ("GET", "/v1/models"), ("POST", "/v1/rollback"),
                         ("POST", "/v1/models/x:activate"), ("GET", "/v1/audit")):  # fmt: skip
        yield Probe(f"application asks {path}", [request(method, path, b"{}")], {401})
    large = request("POST", "/v1/recommend", good, key=None, length=10 << 20)
    yield Probe("key before body", [large], {401})


TRICKS = (
    "..", "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e", "%00", "a%00b",
    "x" * 5000, "%ff%fe", "a/b", "a%2fb", "%0d%0aX-Evil:1", "' OR 1=1 --", "~", "-", "$(id)",
    "{version}", "%25", "a\\..\\b", "con", "\u202e", "%F0%9F%98%80",
)  # fmt: skip


def _paths() -> Iterator[Probe]:
    right = {400, 404, 405, 409, 414, 422, 431}
    for trick in TRICKS:
        raw = quote(trick, safe="/%.~\\$(){}-'")
        for method, path in (
            ("GET", f"/v1/decisions/{raw}"),
            ("POST", f"/v1/decisions/{raw}/activate"),
            ("POST", f"/v1/models/{raw}:activate"),
            ("POST", f"/v1/models/{raw}:shadow"),
            ("POST", f"/v1/models/{raw}:freeze"),
            ("DELETE", f"/v1/roles/{raw}"),
            ("GET", f"/v1/items?first={raw}&limit={raw}"),
            ("GET", f"/{raw}"),
        ):
            body = b"{}" if method == "POST" else b""
            sent = [request(method, path, body, key=ADMIN_KEY)]
            yield Probe(f"{method} {path[:60]}", sent, right)
    yield Probe("no such method", [request("BREW", "/v1/recommend")], {400, 405})
    yield Probe("not allowed", [request("GET", "/v1/recommend")], {405})


# Sending and judging


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: str
    body: bytes


def send(port: int, probe: Probe) -> Reply | None:
    """The answer; None where the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        data = b""
        try:
            for number, part in enumerate(probe.parts):
                if number:
                    time.sleep(probe.pause_s)
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it answered before it had read all
        try:
            while True:
                more = connection.recv(1 << 16)
                if not more:
                    break
                data += more
                if b"\r\n\r\n" in data and probe.name == "more than announced":
                    time.sleep(0.2)
        except ConnectionResetError:
            pass
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return None
    return Reply(int(head[9:12]), head.decode("latin-1"), body)


def complaints(server: ServerProcess, *, slow_s: float) -> list[str]:
    """What is wrong, in words; empty where nothing is."""
    found = []
    good = Probe("a good one", recommend(b'{"user": "u", "k": 3}'), {200}, k=3)
    for _ in range(10):  # what is compiled and loaded once is no growth
        found += wrong_with(good, send(server.port, good))
    before = server.resident_bytes()
    for probe in probes(slow_s=slow_s):
        reply = send(server.port, probe)
        found += [f"{probe.name}: {one}" for one in wrong_with(probe, reply)]
        if not server.is_alive:
            return [*found, f"{probe.name}: the server ended"]
    found += [f"afterwards: {one}" for one in wrong_with(good, send(server.port, good))]
    growth = server.resident_bytes() - before
    if growth >= MOST_GROWTH:
        found.append(f"memory grew by {growth >> 20} MB")
    return found


def wrong_with(probe: Probe, reply: Reply | None) -> list[str]:
    """What is wrong with one answer."""
    if reply is None:
        early = {400, 401, 408, 413, 431}  # the server may hang up on those who do not stop
        return [] if probe.right & early else ["no answer"]
    if reply.status not in probe.right:
        return [f"status {reply.status}, not {sorted(probe.right)}: {reply.body[:200]!r}"]
    if any(secret in reply.headers + reply.body.decode("utf-8", "replace")
           for secret in (API_KEY, ADMIN_KEY)):  # fmt: skip
        return ["shows a key"]
    if reply.status == 200 and probe.k is not None:
        return wrong_with_list(json.loads(reply.body), probe.k)
    return []


def wrong_with_list(answer: dict[str, Any], k: int) -> list[str]:
    """What is wrong with an accepted list of k."""
    items = [one["item"] for one in answer["items"]]
    found = []
    if len(items) != min(k, N_ITEMS) or len(set(items)) != len(items):
        found.append(f"{len(items)} items, {len(set(items))} distinct, asked for {k}")
    for one in answer["items"]:
        p = one["propensity"]
        if not (isinstance(p, float | int) and math.isfinite(p) and 0 < p <= 1):
            found.append(f"propensity {p}")
    return found
