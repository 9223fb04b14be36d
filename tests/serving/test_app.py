"""The HTTP face over the core: one person's round trip, told again after a restart."""

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from recloop.models.registry import build_model
from recloop.serving.create import create_app
from recloop.serving.keys import KeyRing
from recloop.serving.problems import Refused
from recloop.serving.settings import Keys
from recloop.serving.snapshots import digest_of
from serving.house import N_ITEMS, N_USERS, run

ADMIN = "an administrator's key"


@asynccontextmanager
async def client_of(app):
    """A client on the application in this process, between its start and its end."""
    inbox: asyncio.Queue = asyncio.Queue()
    outbox: asyncio.Queue = asyncio.Queue()
    state: dict = {}
    life = asyncio.ensure_future(
        app({"type": "lifespan", "state": state, "asgi": {"version": "3.0"}}, inbox.get, outbox.put)
    )
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await life


def application(tmp_path, monkeypatch, **changes):
    monkeypatch.delenv("RECLOOP_API_KEY", raising=False)
    monkeypatch.setenv("RECLOOP_ADMIN_KEY", ADMIN)
    model = build_model("q_learning", N_USERS, N_ITEMS, state="last_item")
    return create_app(
        model,
        users=[f"u{n}" for n in range(N_USERS)],
        items=[f"i{n}" for n in range(N_ITEMS)],
        log=str(tmp_path / "log.db"),
        data_dir=str(tmp_path / "data"),
        **changes,
    )


async def sent(client, path, status=200, **body):
    answer = await client.post(path, json=body, headers={"X-API-Key": ADMIN})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_what_is_recommended_and_answered_over_http_is_in_the_state_after_a_restart(
    tmp_path, monkeypatch
):
    async def test():
        app = application(tmp_path, monkeypatch)
        async with client_of(app) as client:
            shown = await sent(client, "/v1/recommend", user="u0", k=3, request_id="mine")
            assert [one["rank"] for one in shown["items"]] == [1, 2, 3]
            assert await sent(client, "/v1/recommend", user="u0", k=5, request_id="mine") == shown
            await sent(client, "/v1/recommend", 409, user="u1", request_id="mine")
            item = shown["items"][1]["item"]
            event = {"decision_id": "mine", "item": item, "event": "click"}
            told = await sent(client, "/v1/feedback", **event)
            assert told["status"] == "ok"
            assert (await sent(client, "/v1/feedback", **event))["status"] == "duplicate"
            await sent(client, "/v1/feedback", 409, **event, reward=0.5)
            await sent(client, "/v1/feedback", 404, **(event | {"decision_id": "nothing"}))
            known = (await client.get("/v1/decisions/mine")).json()
            assert known["rewards"] == [{"item": item, "reward": 1.0, "events": {"click": 1.0}}]
            assert known["items"] == shown["items"]
            service = app.state.serving.service
            history = service.state.people.history(0)
            assert history[0] == int(item[1:])
            digest = digest_of(service.state)
        app = application(tmp_path, monkeypatch)
        async with client_of(app) as client:
            assert digest_of(app.state.serving.service.state) == digest
            assert (await client.get("/health/ready")).json()["status"] == "ready"
            assert await sent(client, "/v1/recommend", user="u0", k=3, request_id="mine") == shown

    run(test())


def test_a_model_is_registered_activated_and_rolled_back_over_http(tmp_path, monkeypatch):
    async def test():
        app = application(tmp_path, monkeypatch)
        async with client_of(app) as client:
            service = app.state.serving.service
            first = service.state.active.version
            other = build_model("ucb1", N_USERS, N_ITEMS)
            version, _ = service.registry.add(
                other, users=[], items=[f"i{n}" for n in range(N_ITEMS)][::-1], name="other"
            )
            done = await sent(client, f"/v1/models/{version}:activate")
            assert done["active"] == version
            shown = await sent(client, "/v1/recommend", user="somebody", k=N_ITEMS)
            assert shown["version"] == version
            assert {one["item"] for one in shown["items"]} == set(service.state.catalogue.ids)
            np.testing.assert_array_less(0.0, [one["propensity"] for one in shown["items"]])
            await sent(client, f"/v1/models/{version}:freeze")
            models = (await client.get("/v1/models", headers={"X-API-Key": ADMIN})).json()
            told = {one["version"]: (one["role"], one["learns"]) for one in models["models"]}
            assert told == {version: ("active", False), first: ("previous", False)}
            assert (await sent(client, "/v1/rollback"))["active"] == first
            await sent(client, "/v1/rollback", 409)
            await sent(client, "/v1/models/not-there:activate", 404)

    run(test())


def test_what_the_service_cannot_do_now_is_answered_with_503(tmp_path, monkeypatch):
    async def test():
        app = application(tmp_path, monkeypatch, limits={"waiting": 1})
        async with client_of(app) as client:
            asks = [sent_raw(client, f"u{n}") for n in range(6)]
            codes = [answer.status_code for answer in await asyncio.gather(*asks)]
            assert set(codes) == {200, 503}
            looks = [client.get("/v1/decisions/one") for _ in range(6)]
            codes = [answer.status_code for answer in await asyncio.gather(*looks)]
            assert set(codes) == {404, 503}
            app.state.serving.service.broken = ValueError("a defect")
            assert (await client.get("/health/ready")).status_code == 503
            answer = await sent_raw(client, "u0")
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            app.state.serving.service.broken = None

    async def sent_raw(client, user):
        return await client.post("/v1/recommend", json={"user": user})

    run(test())


def test_whatever_id_a_caller_gives_names_its_decision(tmp_path, monkeypatch):
    async def test():
        app = application(tmp_path, monkeypatch)
        async with client_of(app) as client:
            for name in ("shop/7", "a?b#c", "50%", "é/activate"):
                asked = {"user": "u0", "request_id": name, "defer_activation": True}
                await sent(client, "/v1/recommend", **asked)
                place = f"/v1/decisions/{quote(name, safe='')}"
                assert (await client.get(place)).json()["decision_id"] == name
                await sent(client, f"{place}/activate")
                assert (await client.get(place)).json()["activated"]

    run(test())


def test_an_id_that_ends_with_a_line_feed_is_refused(tmp_path, monkeypatch):
    async def test():
        async with client_of(application(tmp_path, monkeypatch)) as client:
            await sent(client, "/v1/recommend", 422, user="u0\n")

    run(test())


def test_features_too_large_to_reckon_with_are_refused(tmp_path, monkeypatch):
    async def test():
        async with client_of(application(tmp_path, monkeypatch)) as client:
            item = {"id": "new", "features": [1e308]}
            await sent(client, "/v1/items", 422, add=[item])
            await sent(client, "/v1/items", add=[item | {"features": [1e6]}])

    run(test())


def test_a_key_of_any_letters_is_known_by_its_bytes():
    key = "Schlüssel für Ämter"
    ring = KeyRing(Keys(api="A"), {"A": key})
    ring.check({"x-api-key": key.encode().decode("latin-1")})  # as a server hands headers over
    with pytest.raises(Refused):
        ring.check({"x-api-key": "Schlussel fur Amter"})
