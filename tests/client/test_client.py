"""The client against a service that is written out here: what it sends, and when it tries again."""

import asyncio
import json

import httpx
import pytest

from recloop.client import AsyncClient, Client, Feedback, ServiceError, calls
from recloop.errors import InvalidParameter

LIST = {
    "decision_id": "d1", "user": "u", "policy": "p", "version": "v", "activated": True,
    "items": [{"item": "a", "rank": 1, "score": None, "propensity": 0.5, "source": "greedy",
               "reason": "best", "title": "A", "new_in_a_later_version": 3}],
}  # fmt: skip


class Service:
    """Answers from a list, the last one for ever, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = (*answer, {}, {})[:3]
        return httpx.Response(status, json=body, headers=headers)

    def bodies(self):
        return [json.loads(request.content) for request in self.asked]


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The pauses that would have been made."""
    made = []

    async def wait(seconds):
        made.append(seconds)

    monkeypatch.setattr(calls.time, "sleep", made.append)
    monkeypatch.setattr(calls.asyncio, "sleep", wait)
    return made


def both(service, act, **options):
    """What a call of either client gives; they must agree."""
    with Client("http://s/", transport=httpx.MockTransport(service), **options) as client:
        waited = outcome(lambda: act(client))
    n = len(service.asked)
    service.asked.clear()

    async def run():
        transport = httpx.MockTransport(service)
        async with AsyncClient("http://s", transport=transport, **options) as client:
            return await act(client)

    awaited = outcome(lambda: asyncio.run(run()))
    assert str(waited) == str(awaited)
    assert len(service.asked) == n
    if isinstance(waited, Exception):
        raise waited
    return waited


def outcome(act):
    try:
        return act()
    except ServiceError as error:
        return error


def test_a_list_comes_as_values_and_what_is_unknown_is_left_out():
    service = Service((200, LIST))
    found = both(service, lambda c: c.recommend("u", 1, context=(1.0, 2.0), exclude={"b"},
                                                request_id="r"))  # fmt: skip
    assert found.item_ids == ["a"]
    assert found.items[0].title == "A"
    assert service.bodies() == [
        {"user": "u", "k": 1, "request_id": "r", "context": [1.0, 2.0], "exclude": ["b"]}
    ]


def test_every_attempt_of_a_call_carries_the_same_request_id(pauses):
    service = Service(httpx.ConnectError("gone"), (503, {}), (200, LIST))
    with Client(transport=httpx.MockTransport(service)) as client:
        assert client.recommend("u").decision_id == "d1"
    names = {body["request_id"] for body in service.bodies()}
    assert len(service.asked) == 3
    assert len(names) == 1
    assert len(pauses) == 2
    assert 0.05 <= pauses[0] <= 0.1
    assert 0.1 <= pauses[1] <= 0.2


def test_a_pause_that_the_service_names_is_kept(pauses):
    service = Service((503, {}, {"Retry-After": "2"}), (200, LIST))
    with Client(transport=httpx.MockTransport(service)) as client:
        client.recommend("u")
    assert 2.0 <= pauses[0] <= 2.01


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 500])
def test_a_refusal_is_not_tried_again_and_says_why(status, pauses):
    service = Service((status, {"detail": "no such decision", "request_id": "q7"}))
    with pytest.raises(ServiceError, match="no such decision") as told:
        both(service, lambda c: c.feedback("d", "a", "click"))
    assert (told.value.status, told.value.request_id) == (status, "q7")
    assert pauses == []


def test_a_service_that_is_away_is_given_up_after_the_last_attempt(pauses):
    service = Service(httpx.ConnectError("nobody listens"))
    with pytest.raises(ServiceError, match=r"http://s cannot be reached \(nobody listens\)"):
        both(service, lambda c: c.decision("d"), retries=2)
    assert len(service.asked) == 3


def test_many_events_are_sent_in_parts_and_answered_in_order():
    def answer(request):
        rows = json.loads(request.content)["events"]
        sent.append(len(rows))
        results = [{"status": "ok", "key": row["item"], "seq": 1} for row in rows]
        return httpx.Response(200, json={"results": results, "counts": {"ok": len(rows)}})

    sent = []
    events = [Feedback("d", str(item), reward=0.5) for item in range(1200)]
    with Client(transport=httpx.MockTransport(answer)) as client:
        found = client.feedback_batch(events)
    assert sent == [500, 500, 200]
    assert [one.key for one in found] == [str(item) for item in range(1200)]
    assert found[0].is_stored


def test_the_keys_are_sent_where_they_belong():
    service = Service((200, {}))
    with Client(api_key="user", admin_key="boss",
                transport=httpx.MockTransport(service)) as client:  # fmt: skip
        client.activate("d")
        client.call("GET", "/v1/models", admin=True)
    assert [one.headers["x-api-key"] for one in service.asked] == ["user", "boss"]


def test_an_answer_that_is_no_json_is_told_as_it_is():
    def answer(request):
        return httpx.Response(500, text="<html>proxy</html>")

    client = Client(transport=httpx.MockTransport(answer))
    with client, pytest.raises(ServiceError, match="<html>proxy"):
        client.decision("d")


def test_impossible_settings_are_refused():
    with pytest.raises(InvalidParameter, match="retries must be a whole number of at least 0"):
        Client(retries=-1)
    with pytest.raises(InvalidParameter, match="timeout_s must be"):
        AsyncClient(timeout_s=0)


def test_readiness_is_a_plain_yes_or_no():
    assert both(Service((200, {})), lambda c: c.is_ready()) is True
    assert both(Service((503, {})), lambda c: c.is_ready()) is False
    assert both(Service(httpx.ConnectError("x")), lambda c: c.is_ready()) is False


@pytest.mark.parametrize("act", ["activate", "decision"])
def test_an_id_of_any_characters_is_one_step_of_the_path(act):
    service = Service((200, {"activated": True}))
    both(service, lambda client: getattr(client, act)("shop/7?a#b"))
    place = b"/v1/decisions/shop%2F7%3Fa%23b"
    assert service.asked[0].url.raw_path.removesuffix(b"/activate") == place
