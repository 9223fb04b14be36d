"""The HTTP face: routes, limits, keys and the mapping of errors; what it does stands elsewhere.

Bodies are read with a limit and decoded into typed messages; every answer is encoded from one.
The routes are plain Starlette ones under FastAPI, which brings the documentation: on the hot path
it would cost more than the model.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from recloop import __version__
from recloop.serving import routes
from recloop.serving.exposition import Exposition
from recloop.serving.keys import KeyRing
from recloop.serving.messages import encode
from recloop.serving.openapi import description
from recloop.serving.problems import Refused, problem, status_of
from recloop.serving.routes import Operation
from recloop.serving.service import Service

REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_logger = logging.getLogger("recloop.serving")
_requests = logging.getLogger("recloop.serving.requests")


@dataclass
class Serving:
    """What the routes need at hand."""

    service: Service
    keys: KeyRing
    exposition: Exposition


def make_app(open_service: Callable[[], Service], keys: KeyRing | None = None) -> FastAPI:
    """The application; the service is opened when it starts, and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            service = open_service()
        except BaseException as error:
            app.state.failed_to_open = error  # the server itself only says that it failed
            raise
        ring = KeyRing(service.settings.keys) if keys is None else keys
        service.start()
        app.state.serving = Serving(service, ring, Exposition(service))
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(
        title="recloop",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    for path in dict.fromkeys(one.path for one in routes.OPERATIONS):
        here = {one.method: _endpoint(one) for one in routes.OPERATIONS if one.path == path}
        place = path.replace("{decision}", "{decision:path}")  # a caller's id may hold slashes
        app.router.routes.append(Route(place, _by_method(here), methods=list(here)))
    app.openapi = lambda: _description(app.state.serving)  # pyright: ignore[reportAttributeAccessIssue]
    app.router.routes.append(Route("/openapi.json", _openapi, methods=["GET"]))
    app.router.routes.append(Route("/docs", _docs, methods=["GET"]))
    app.add_exception_handler(HTTPException, _http_error)
    return app


def _description(serving: Serving) -> dict[str, Any]:
    return description(routes.OPERATIONS, serving.service, needs_key=not serving.keys.is_open)


Endpoint = Callable[[HttpRequest], Awaitable[Response]]


def _by_method(endpoints: dict[str, Endpoint]) -> Endpoint:
    """One endpoint for all methods of a path, so that a 405 names every one that is allowed."""
    if len(endpoints) == 1:
        return next(iter(endpoints.values()))
    also = {"HEAD": endpoints["GET"]} if "GET" in endpoints else {}
    of = endpoints | also

    async def endpoint(request: HttpRequest) -> Response:
        return await of[request.method](request)

    return endpoint


def _endpoint(operation: Operation) -> Endpoint:
    decoder = None if operation.body is None else msgspec.json.Decoder(operation.body)

    async def endpoint(request: HttpRequest) -> Response:
        began = time.perf_counter()
        serving: Serving = request.app.state.serving
        request_id = _request_id(request)
        status = 500
        try:
            if operation.key is not None:
                serving.keys.check(request.headers, admin=operation.key == "admin")
            message = None
            if decoder is not None:
                body = await _body(request, operation.body_limit(serving.service.settings.limits))
                message = decoder.decode(body)
            answer = await operation.handle(serving, request, message)
            if isinstance(answer, Response):
                response = answer
            else:
                value, code = answer if isinstance(answer, tuple) else (answer, 200)
                response = Response(encode(value), code, None, "application/json")
            response.headers["X-Request-Id"] = request_id
            status = response.status_code
            return response
        except Exception as error:
            status, detail = status_of(error)
            if status == 500:
                known = {"request_id": request_id, "route": operation.name}
                _logger.exception("a request failed", extra=known)
            return problem(status, detail, request_id)
        finally:
            seconds = time.perf_counter() - began
            serving.exposition.seen(operation.name, status, seconds)
            if _requests.isEnabledFor(logging.INFO):
                known = {
                    "request_id": request_id, "route": operation.name, "method": operation.method,
                    "status": status, "ms": round(1e3 * seconds, 3),
                }  # fmt: skip
                _requests.info("request", extra=known)

    return endpoint


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.match(given) else uuid.uuid4().hex[:16]


async def _body(request: HttpRequest, limit: int) -> bytes:
    """The whole body, refused as soon as it is too large or too slow, whatever its header says."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise Refused(413, f"the body may have at most {limit} bytes, got {declared[:20]}")
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() not in ("application/json", ""):
        raise Refused(
            415, f"the body must be JSON: send Content-Type: application/json, got {kind[:80]}"
        )
    seconds = request.app.state.serving.service.settings.limits.seconds
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise Refused(413, f"the body may have at most {limit} bytes")
                parts.append(part)
    except TimeoutError:
        raise Refused(408, f"the body did not come within {seconds:g} seconds") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _openapi(request: HttpRequest) -> Response:
    return Response(encode(request.app.openapi()), 200, None, "application/json")


async def _docs(request: HttpRequest) -> Response:
    from recloop.serving.documentation import page

    return Response(page(request.app.openapi()), 200, None, "text/html; charset=utf-8")


async def _http_error(request: HttpRequest, error: Any) -> Response:
    """No such route, or not with this method."""
    response = problem(error.status_code, str(error.detail), _request_id(request))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response
