"""Errors as problem+json (RFC 9457): which status, which words, and never a traceback."""

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from recloop.errors import (
    DamagedFile,
    InvalidParameter,
    LogUnavailable,
    MissingData,
    RecloopError,
)
from recloop.serving.messages import Problem, encode
from recloop.serving.service import Closing, Conflict, Overloaded

TITLES = {
    400: "Bad request",
    401: "Not authorised",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Not acceptable",
    431: "Headers too large",
    500: "Internal error",
    503: "Unavailable",
}
RETRY_AFTER_S = "1"


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def problem(status: int, detail: str, request_id: str = "") -> Response:
    """An error as an answer."""
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else {}
    if request_id:
        headers["X-Request-Id"] = request_id
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    title = TITLES.get(status, "Error")
    return Response(
        encode(Problem(title, status, detail, request_id=request_id)),
        status,
        headers,
        "application/problem+json",
    )


def status_of(error: BaseException) -> tuple[int, str]:
    """The status and the words for an error; 500 without details for what nobody foresaw."""
    if isinstance(error, Refused):
        return error.status, error.detail
    if isinstance(error, ClientDisconnect):
        return 400, "the body ended before it was whole"
    if isinstance(error, msgspec.ValidationError):
        return 422, f"body: {error}"
    if isinstance(error, (msgspec.DecodeError, UnicodeDecodeError)):
        return 400, f"body: not readable as JSON ({error})"
    if isinstance(error, Overloaded):
        return 503, f"overloaded: {error}; try again"
    if isinstance(error, Closing):
        return 503, str(error)
    if isinstance(error, LogUnavailable):
        return 503, "the log cannot be written now; nothing was stored; try again"
    if isinstance(error, Conflict):
        return 409, str(error)
    if isinstance(error, MissingData):
        return 404, str(error)
    if isinstance(error, (InvalidParameter, DamagedFile, RecloopError)):
        return 422, str(error)
    return 500, "something went wrong inside; the service's own log says what"
