"""Keys, what is written about requests, who may ask from where, and that nothing is unpickled."""

import hmac
import json
import logging
import re
from pathlib import Path

import pytest

from recloop.errors import InvalidConfig
from recloop.serving import keys as keys_module
from recloop.serving import logs
from recloop.serving.keys import KeyRing
from recloop.serving.problems import Refused
from recloop.serving.running import is_loopback, run
from recloop.serving.settings import Keys, ServingSettings
from serving.http.bad_inputs import Probe, Reply, request, send
from serving.http.process import ADMIN_KEY, API_KEY, ROOT, ServerProcess

API, ADMIN = "a" * 16, "b" * 16
PERSON = "jane.doe@example.org"


def ring(**environment: str) -> KeyRing:
    return KeyRing(Keys(), environment)


def status(keys: KeyRing, headers: dict[str, str], *, admin: bool = False) -> int:
    try:
        keys.check(headers, admin=admin)
    except Refused as refused:
        return refused.status
    return 200


@pytest.mark.parametrize(
    ("given", "admin", "expected"),
    [
        ({}, False, 401), ({"x-api-key": API}, False, 200), ({"x-api-key": API}, True, 401),
        ({"x-api-key": ADMIN}, False, 200), ({"x-api-key": ADMIN}, True, 200),
        ({"x-api-key": API + "a"}, False, 401), ({"x-api-key": API[:-1]}, False, 401),
        ({"authorization": f"Bearer {API}"}, False, 200), ({"authorization": API}, False, 401),
        ({"x-api-key": ""}, False, 401), ({"x-api-key": "\udcff"}, False, 401),
    ],
)  # fmt: skip
def test_a_key_opens_what_it_is_for(given: dict[str, str], admin: bool, expected: int) -> None:
    keys = ring(RECLOOP_API_KEY=API, RECLOOP_ADMIN_KEY=ADMIN)
    assert status(keys, given, admin=admin) == expected


def test_without_an_admin_key_nobody_may_change_anything() -> None:
    assert status(ring(RECLOOP_API_KEY=API), {"x-api-key": API}, admin=True) == 403
    assert status(ring(), {}, admin=True) == 403


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    same = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return same(one, other)

    monkeypatch.setattr(keys_module.hmac, "compare_digest", compare)
    ring(RECLOOP_API_KEY=API, RECLOOP_ADMIN_KEY=ADMIN).check({"x-api-key": API})
    assert compared == [(API.encode(), API.encode()), (API.encode(), ADMIN.encode())]


def test_a_short_key_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidConfig, match="at least 16 characters, got 15") as caught:
        ring(RECLOOP_API_KEY="short-and-known")
    assert "short-and-known" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_open_service_listens_on_loopback_alone(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECLOOP_API_KEY", raising=False)
    assert not is_loopback(host)
    with pytest.raises(InvalidConfig, match="no key is set"):
        run(ServingSettings(host=host))


# What is written


def record(**details: object) -> logging.LogRecord:
    made = logging.LogRecord("recloop.serving", logging.ERROR, "f", 1, "a request failed", (), None)
    vars(made).update(details)
    return made


def test_a_line_says_where_an_error_came_from_and_not_its_words() -> None:
    try:
        raise KeyError(PERSON)
    except KeyError as error:
        failed = record(request_id="r1", exc_info=(KeyError, error, error.__traceback__))
    line = json.loads(logs.JsonLines().format(failed))
    assert (line["request_id"], line["error"], line["level"]) == ("r1", "KeyError", "error")
    assert len(line["at"]) == 1
    assert "test_security.py" in line["at"][0]
    assert PERSON not in logs.JsonLines().format(failed) + logs.TextLines().format(failed)


def test_of_the_event_loop_the_first_line_is_written() -> None:
    said = record(name="asyncio", msg=f"Exception in callback f()\nhandle: <Handle f('{PERSON}')>")
    assert json.loads(logs.JsonLines().format(said))["message"] == "Exception in callback f()"


def ask(
    server: ServerProcess, method: str, path: str, body: bytes = b"", **details: object
) -> Reply:
    probe = Probe(path, [request(method, path, body, **details)], set())  # type: ignore[arg-type]
    reply = send(server.port, probe)
    assert reply is not None
    return reply


def test_lines_are_json_and_hold_neither_people_nor_keys_nor_bodies(tmp_path: Path) -> None:
    arguments = ("--log-format", "json", "--set", "log_requests=true")
    body = json.dumps({"user": PERSON, "context": [0.123456] * 8}).encode()
    with ServerProcess(tmp_path, *arguments, planted="explodes") as server:
        failed = ask(server, "POST", "/v1/recommend", body, headers=["X-Request-Id: r-17"])
        ask(server, "POST", "/v1/recommend", body, key="a-wrong-key-for-the-log")
        ask(server, "POST", "/v1/recommend", body[:-1])
        ask(server, "GET", f"/v1/decisions/{PERSON}")
        ask(server, "GET", f"/nowhere/{PERSON}")
    assert failed.status == 500
    assert PERSON not in failed.body.decode()
    lines = [json.loads(line) for line in server.lines]
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["status"] for line in requests] == [500, 401, 400, 404]
    assert {line["request_id"] for line in lines if line["level"] == "error"} == {"r-17"}
    for secret in (PERSON, "jane", "0.123456", API_KEY, ADMIN_KEY, "a-wrong-key", "127.0.0.1:5"):
        assert secret not in server.words.replace(server.address, "")


def test_pages_of_other_sites_get_no_leave_to_ask(tmp_path: Path) -> None:
    origin = ["Origin: https://elsewhere.example", "Access-Control-Request-Method: POST"]
    with ServerProcess(tmp_path) as server:
        asked = ask(server, "POST", "/v1/recommend", b'{"user": "u"}', headers=origin)
        preflight = ask(server, "OPTIONS", "/v1/recommend", headers=origin)
        plain = ask(server, "POST", "/v1/recommend", b'{"user": "u"}', key=None)
    assert (asked.status, preflight.status, plain.status) == (200, 405, 401)
    assert "access-control" not in (asked.headers + preflight.headers).lower()


READS_CODE = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\b"
    r"|allow_pickle\s*=\s*True|weights_only\s*=\s*False|read_pickle|yaml\.(?:unsafe_)?load\("
    r"|\btorch\.load\((?!.*weights_only=True)|(?<!\.)\beval\([^)]|(?<!\.)\bexec\(",
    re.MULTILINE,
)


def test_nothing_is_unpickled_or_run_that_comes_from_a_file() -> None:
    found = []
    for file in sorted((ROOT / "src").rglob("*.py")):
        text = file.read_text()
        found += [f"{file.name}: {one[0]}" for one in READS_CODE.finditer(text)]
    assert found == []
    assert READS_CODE.search("import pickle\n")
    assert READS_CODE.search("torch.load(path)")
