"""The OpenAPI description, made from the table of routes and the types of the messages.

Bounds that the settings and the active policy decide (k, the width of a context) are those of now.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from recloop import __version__
from recloop.serving import messages
from recloop.serving.problems import TITLES
from recloop.serving.registry import NAME
from recloop.serving.routes import Operation
from recloop.serving.service import Service

PATH_PARAMETER = re.compile(r"{(\w+)}")


def description(
    operations: Sequence[Operation], service: Service, *, needs_key: bool
) -> dict[str, Any]:
    """The whole description as JSON values; needs_key: whether an application must send a key."""
    types: list[Any] = [messages.Problem]
    for one in operations:
        for kind in (one.body, *one.answers.values()):
            types += (
                []
                if kind is None or isinstance(kind, str)
                else kind
                if isinstance(kind, tuple)
                else [kind]
            )
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    _narrow(components, service)
    of = dict(zip(types, schemas, strict=True))
    paths: dict[str, Any] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, of, needs_key)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "recloop",
            "version": __version__,
            "description": "Recommends, learns from every event, and logs exact propensities.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operation(one: Operation, of: dict[Any, Any], needs_key: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": one.name, "summary": one.summary}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)}
        for name in PATH_PARAMETER.findall(one.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in one.query.items()
    ]
    if parameters:
        found["parameters"] = parameters
    if one.body is not None:
        content: dict[str, Any] = {"schema": of[one.body]}
        if one.example is not None:
            content["example"] = one.example
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    responses: dict[str, Any] = {}
    for status, kind in one.answers.items():
        content = _content(kind, of)
        responses[str(status)] = {"description": TITLES.get(status, "Done"), "content": content}
    for status in _errors_of(one):
        schema = {"$ref": "#/components/schemas/Problem"}
        responses.setdefault(str(status), {
            "description": TITLES[status],
            "content": {"application/problem+json": {"schema": schema}},
        })  # fmt: skip
    found["responses"] = responses
    if one.key == "admin" or (one.key is not None and needs_key):
        found["security"] = [{"key": []}]
    return found


def _content(kind: Any, of: dict[Any, Any]) -> dict[str, Any]:
    """What an answer holds: text, bytes of a media type, or JSON of a type or of one of several."""
    if kind is None:
        return {"text/plain": {"schema": {"type": "string"}}}
    if isinstance(kind, str):
        return {kind: {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": _schema(kind, of)}}


def _schema(kind: Any, of: dict[Any, Any]) -> dict[str, Any]:
    """The schema of a type, or of one of several."""
    return {"anyOf": [of[one] for one in kind]} if isinstance(kind, tuple) else of[kind]


def _errors_of(one: Operation) -> list[int]:
    errors = [500, 503]
    if one.key is not None:
        errors += [401]
    if one.key == "admin":
        errors += [403]
    if one.body is not None:
        errors += [400, 404, 408, 409, 413, 415, 422]
    if "{" in one.path:
        errors += [404, 409, 422]
    if one.query:
        errors += [422]
    if one.method != "GET":
        errors += [409]
    return sorted(set(errors))


def _path_schema(name: str) -> dict[str, Any]:
    if name == "role":
        return {"type": "string", "enum": ["shadow", "canary"]}
    if name == "version":
        return {"type": "string", "pattern": NAME.pattern}
    return {"type": "string", "minLength": 1, "maxLength": 128}


def _narrow(components: dict[str, Any], service: Service) -> None:
    """Put the bounds of the settings into the schemas."""
    limits, active = service.settings.limits, service.state.active
    asked = components["RecommendRequest"]["properties"]
    asked["k"] = {"type": "integer", "minimum": 1, "maximum": limits.k, "default": 10}
    few = {"type": "integer", "minimum": 0, "maximum": limits.k}
    asked["most_per_category"] = {"anyOf": [few, {"type": "null"}], "default": None}
    for name in ("candidates", "exclude"):
        for part in asked[name]["anyOf"]:
            if part.get("type") == "array":
                part["maxItems"] = limits.listed_items
    width = 0 if active is None else active.context_dim
    number = {
        "type": "number",
        "minimum": -limits.context_magnitude,
        "maximum": limits.context_magnitude,
    }
    context: list[dict[str, Any]] = [{"type": "null"}]
    names = service.settings.context_names
    if width:
        context.append({"type": "array", "items": number, "minItems": width, "maxItems": width})
    if width and len(names) == width:
        context.append(
            {
                "type": "object",
                "properties": dict.fromkeys(names, number),
                "required": list(names),
                "additionalProperties": False,
            }
        )
    asked["context"] = {"anyOf": context, "default": None}
    if not service.state.people.keeps_shown:
        asked["seen"] = {"anyOf": [{"type": "null"}, {"enum": ["allowed"]}], "default": None}
    _narrow_feedback(components, service)


def _narrow_feedback(components: dict[str, Any], service: Service) -> None:
    """An event names a reward of the settings, or brings a number."""
    limits = service.settings.limits
    number = {
        "type": "number",
        "minimum": -limits.reward_magnitude,
        "maximum": limits.reward_magnitude,
    }
    event = components["FeedbackEvent"]
    event["properties"]["reward"] = number
    named = {"properties": {"event": {"enum": sorted(service.settings.rewards)}}}
    event["anyOf"] = [{"required": ["reward"]}, {**named, "required": ["event"]}]
    several = {
        "type": "object",
        "properties": {
            "events": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/FeedbackEvent"},
                "minItems": 1,
                "maxItems": limits.batch_events,
            }
        },
        "required": ["events"],
        "additionalProperties": False,
    }
    components["FeedbackRequest"] = {
        "title": "FeedbackRequest",
        "description": messages.FeedbackRequest.__doc__,
        "anyOf": [{"$ref": "#/components/schemas/FeedbackEvent"}, several],
    }
