"""The administrator's routes: catalogue, models, and the log as a file."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from recloop.decisions import Control, open_log
from recloop.decisions.parquet import write_decision_batches
from recloop.errors import InvalidParameter, MissingData
from recloop.serving import messages
from recloop.serving.audit import audit
from recloop.serving.experiments import Tally, compared
from recloop.serving.opening import HISTORY, swap_control
from recloop.serving.policy import Policy
from recloop.serving.service import Conflict, Service, config_control
from recloop.utils.checks import finite_or_none

PARQUET = "application/vnd.apache.parquet"
_PLACE = {"type": "integer", "minimum": 1, "maximum": 1 << 53}
_RANGE = {"first": _PLACE, "last": _PLACE}

if TYPE_CHECKING:
    from recloop.serving.app import Serving


async def change_items(
    serving: "Serving", request: HttpRequest, asked: messages.ItemsRequest
) -> messages.Done:
    service = serving.service
    catalogue, active = service.state.catalogue, service.state.active
    assert active is not None
    added = {one.id: one for one in asked.add}  # of one that stands twice the last one counts
    for name in ("hide", "show"):
        for one in getattr(asked, name):
            if one not in catalogue.codes and one not in added:
                raise MissingData(f"{name}: item '{one}' is not in the catalogue.")
    if not (asked.add or asked.hide or asked.show):
        return messages.Done(service.state.seq, active.version)
    details: dict[str, Any] = {"hide": asked.hide, "show": asked.show}
    details["add"] = [
        {"id": one.id, "title": one.title, "category": one.category, "features": one.features}
        for one in added.values()
    ]
    return await _in_force(service, config_control("items", **details))


async def models(serving: "Serving", request: HttpRequest, _: None) -> messages.Models:
    service = serving.service
    state = service.state
    roles: dict[str, tuple[str, Policy, float | None]] = {}
    for one in state.previous:
        roles[one.version] = ("previous", one, None)
    if state.shadow is not None:
        roles[state.shadow.version] = ("shadow", state.shadow, None)
    if state.canary is not None:
        policy = state.canary.policy
        roles[policy.version] = ("canary", policy, state.canary.share)
    assert state.active is not None
    roles[state.active.version] = ("active", state.active, None)
    known = sorted(set(service.registry.versions()) | set(roles))
    rows = []
    for version in known:
        role, policy, share = roles.get(version, ("", None, None))
        learns = policy is not None and state.is_learning(policy)
        rows.append(messages.KnownModel(version, role, learns, share))
    return messages.Models(rows, state.active.version, bool(state.previous))


async def activate(
    serving: "Serving", request: HttpRequest, asked: messages.ModelRequest
) -> messages.Done:
    return await _take_role(serving, request, "active", asked.learns, asked.name)


async def shadow(
    serving: "Serving", request: HttpRequest, asked: messages.ModelRequest
) -> messages.Done:
    return await _take_role(serving, request, "shadow", asked.learns, asked.name)


async def canary(
    serving: "Serving", request: HttpRequest, asked: messages.CanaryRequest
) -> messages.Done:
    return await _take_role(serving, request, "canary", asked.learns, asked.name, share=asked.share)


async def _take_role(
    serving: "Serving",
    request: HttpRequest,
    role: str,
    learns: bool,
    name: str | None,
    **details: Any,
) -> messages.Done:
    """The model is read and checked whole before a word of it is written."""
    service = serving.service
    version = request.path_params["version"]
    load = partial(service.registry.load, version)
    policy = await asyncio.get_running_loop().run_in_executor(None, load)
    _fits(service, policy)
    if name is not None:
        details["name"] = name
    control = swap_control(version, policy.sha256, role=role, learns=learns, **details)
    return await _in_force(service, control)


async def freeze(serving: "Serving", request: HttpRequest, _: None) -> messages.Done:
    return await _set_frozen(serving, request, True)


async def thaw(serving: "Serving", request: HttpRequest, _: None) -> messages.Done:
    return await _set_frozen(serving, request, False)


async def _set_frozen(serving: "Serving", request: HttpRequest, frozen: bool) -> messages.Done:
    service, version = serving.service, request.path_params["version"]
    if not any(one.is_called(version) for one in service.state.policies):
        raise MissingData(f"models: '{version[:100]}' is not being served.")
    details = json.dumps({"version": version, "frozen": frozen})
    control = Control(uuid.uuid4().hex, time.time(), "freeze", details=details)
    return await _in_force(service, control)


def _fits(service: Service, policy: Policy) -> None:
    """Raise unless the model can serve what the active one serves."""
    active = service.state.active
    assert active is not None
    if policy.context_dim != active.context_dim and active.context_dim:
        raise InvalidParameter(
            f"model '{policy.version}': takes contexts of {policy.context_dim} numbers, the "
            f"service gets {active.context_dim}."
        )
    if policy.model.history_length > HISTORY:
        raise InvalidParameter(
            f"model '{policy.version}': looks at {policy.model.history_length} recent items, a "
            f"service keeps {HISTORY}."
        )
    if not set(policy.items) & set(service.state.catalogue.codes):
        raise InvalidParameter(
            f"model '{policy.version}': knows none of the items of the catalogue."
        )


async def roll_back(serving: "Serving", request: HttpRequest, _: None) -> messages.Done:
    service = serving.service
    if not service.state.previous:
        raise Conflict("rollback: there is no policy before the active one.")
    control = Control(uuid.uuid4().hex, time.time(), "rollback")
    return await _in_force(service, control)


MOST_EXPORTED = 10_000  # records; others wait for the log meanwhile


async def export(serving: "Serving", request: HttpRequest, _: None) -> Response:
    """Decisions of a range with what they earned, as a Parquet file; X-Last-Seq says how far."""
    from recloop.serving.routes import number_of

    service = serving.service
    first = number_of(request, "first", 1, least=1, most=1 << 53)
    last = number_of(request, "last", first + MOST_EXPORTED - 1, least=1, most=1 << 53)
    last = min(last, first + MOST_EXPORTED - 1, service.state.seq)
    batches = await service.ask(lambda log: list(log.decisions(first, last)))

    def written() -> bytes:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "decisions.parquet"
            write_decision_batches(file, batches)
            return file.read_bytes()

    data = await asyncio.to_thread(written)
    name = f'attachment; filename="decisions-{first}-{last}.parquet"'
    return Response(data, 200, {"Content-Disposition": name, "X-Last-Seq": str(last)}, PARQUET)


async def forget(serving: "Serving", request: HttpRequest, _: None) -> messages.Done:
    written = await serving.service.forget(request.path_params["user"])
    active = serving.service.state.active
    assert active is not None
    return messages.Done(written.seq, active.version)


async def end_role(serving: "Serving", request: HttpRequest, _: None) -> messages.Done:
    service, role = serving.service, request.path_params["role"]
    if role not in ("shadow", "canary"):
        raise MissingData(f"models: no role '{role[:40]}' can be ended; shadow and canary can.")
    if getattr(service.state, role) is None:
        raise Conflict(f"{role}: there is none.")
    return await _in_force(service, config_control("end", role=role))


async def experiments(serving: "Serving", request: HttpRequest, _: None) -> messages.Experiments:
    state = serving.service.state
    canary, active = state.canary, state.active
    assert active is not None
    rows = []
    for version, tally in sorted(state.tallies.items()):
        role, share = "", None
        if version == active.origin:
            role, share = "active", 1.0 if canary is None else 1.0 - canary.share
        elif canary is not None and version == canary.policy.origin:
            role, share = "canary", canary.share
        radius = tally.radius()
        rows.append(
            messages.Variant(
                version,
                role,
                share,
                tally.n,
                tally.mean if tally.n else None,
                finite_or_none(tally.mean - radius),
                finite_or_none(tally.mean + radius),
            )
        )
    if canary is None:
        return messages.Experiments(rows, None)
    found = compared(
        state.tallies.get(canary.policy.origin, Tally()),
        state.tallies.get(active.origin, Tally()),
    )
    against = messages.ComparedVariants(
        found.difference, finite_or_none(found.low), finite_or_none(found.high), found.verdict
    )
    return messages.Experiments(rows, against)


async def judge(serving: "Serving", request: HttpRequest, _: None) -> Response:
    """The log is read beside the ledger, on a connection of its own."""
    service = serving.service
    rules, shadow = service.state.rules, service.state.shadow
    n_items, sizes = len(service.state.catalogue), dict(service.state.catalogue.sizes)

    def look() -> dict[str, Any]:
        with open_log(service.settings.log, create=False) as log:
            return audit(
                log,
                n_items=n_items,
                sizes=sizes,
                shadow=None if shadow is None else shadow.version,
                decided_before=time.time() - rules.reward_wait_s,
                default=rules.default_reward,
            )

    found = await asyncio.get_running_loop().run_in_executor(None, look)
    return Response(messages.encode(found), 200, None, "application/json")


async def alarms(serving: "Serving", request: HttpRequest, _: None) -> messages.Alarms:
    watch = serving.service.watch
    return messages.Alarms(
        watch.ringing(),
        watch.propensities.mean,
        watch.propensities.n,
        watch.exploration,
        watch.entropy,
        finite_or_none(watch.contexts.largest_z),
    )


async def _in_force(service: Service, control: Control) -> messages.Done:
    written = await service.control(control)
    active = service.state.active
    assert active is not None
    return messages.Done(written.seq, active.version)


def operations(operation: Callable[..., Any]) -> list[Any]:
    """The rows of these routes."""
    done = {200: messages.Done}
    return [
        operation("change_items", "POST", "/v1/items", "Add, change, hide or show items",
                  change_items, key="admin", body=messages.ItemsRequest, answers=done, large=True,
                  example={"add": [{"id": "i99", "title": "New"}], "hide": ["i3"]}),
        operation("models", "GET", "/v1/models", "Registered models and their roles", models,
                  key="admin", answers={200: messages.Models}),
        operation("activate", "POST", "/v1/models/{version}:activate",
                  "Serve a registered model", activate, key="admin", body=messages.ModelRequest,
                  answers=done, example={"learns": True}),
        operation("shadow", "POST", "/v1/models/{version}:shadow",
                  "Let a model learn and be judged without being shown", shadow, key="admin",
                  body=messages.ModelRequest, answers=done, example={"learns": True}),
        operation("canary", "POST", "/v1/models/{version}:canary",
                  "Serve a model to a share of the people", canary, key="admin",
                  body=messages.CanaryRequest, answers=done, example={"share": 0.05}),
        operation("freeze", "POST", "/v1/models/{version}:freeze", "Let a policy learn no more",
                  freeze, key="admin", answers=done),
        operation("thaw", "POST", "/v1/models/{version}:thaw", "Let a policy learn again", thaw,
                  key="admin", answers=done),
        operation("experiments", "GET", "/v1/experiments", "How each version does", experiments,
                  answers={200: messages.Experiments}),
        operation("audit", "GET", "/v1/audit", "What active, uniform and shadow policy earn",
                  judge, key="admin", answers={200: dict[str, Any]}),
        operation("alarms", "GET", "/v1/alarms", "Which alarms ring", alarms,
                  answers={200: messages.Alarms}),
        operation("roll_back", "POST", "/v1/rollback", "Serve the policy before this one again",
                  roll_back, key="admin", answers=done),
        operation("export", "GET", "/v1/log/export", "Decisions and what they earned, as Parquet",
                  export, key="admin", answers={200: PARQUET}, query=_RANGE),
        operation("forget", "POST", "/v1/users/{user}:forget",
                  "Erase who a person is; their records stay without a name", forget, key="admin",
                  answers=done),
        operation("end_role", "DELETE", "/v1/roles/{role}", "End the shadow or the canary",
                  end_role, key="admin", answers=done),
    ]  # fmt: skip
