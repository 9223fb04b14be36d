"""`recloop bench-serve`: a bounded load on a service of this machine, and how it was answered."""

import json
import os
from typing import Annotated, Any

import typer

from recloop.cli.options import Json
from recloop.errors import InvalidParameter, MissingExtra
from recloop.utils.checks import check_between

MOST_CONNECTIONS, MOST_SECONDS = 256, 120.0
N_BODIES = 997


def bench_serve(
    url: Annotated[str, typer.Argument(help="Such as http://127.0.0.1:8000; this machine alone.")],
    seconds: Annotated[float, typer.Option(help=f"At most {MOST_SECONDS:g}.")] = 10.0,
    connections: Annotated[int, typer.Option(help=f"At most {MOST_CONNECTIONS}.")] = 32,
    k: Annotated[int, typer.Option("-k", help="Items a list.")] = 10,
    width: Annotated[int, typer.Option(help="Numbers a context; 0: none.")] = 0,
    users: Annotated[int, typer.Option(help="Invented people who ask.")] = 500,
    seed: Annotated[int, typer.Option(help="Of people and contexts.")] = 0,
    as_json: Json = False,
) -> None:
    """Ask for lists as fast as they are answered. What is asked stands in the service's log.

    The key is read from RECLOOP_API_KEY. Exit code 1 where an answer was not 200.
    """
    check_between("recloop bench-serve", "--seconds", seconds, 0.1, MOST_SECONDS)
    check_between("recloop bench-serve", "--connections", connections, 1, MOST_CONNECTIONS)
    try:
        from recloop.serving import load
        from recloop.serving.running import is_loopback
    except ImportError as error:
        raise MissingExtra(
            f"The load needs an extra ({error}): pip install 'recloop[serve]'."
        ) from error
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    if not (is_loopback(host) and port.isdigit()):
        raise InvalidParameter(
            f"recloop bench-serve: URL must be http://127.0.0.1:PORT, this machine, got '{url}'."
        )
    bodies = _bodies(k, width, users, seed)
    request = lambda i: bodies[i % len(bodies)]  # noqa: E731
    measured = load.run(load.closed_loop(f"http://{host}:{port}", connections, seconds, request))
    found = {
        "answers": measured.n,
        "errors": measured.errors,
        "statuses": {str(status): n for status, n in sorted(measured.statuses.items())},
        "requests_a_second": measured.rate,
        "p50_ms": measured.milliseconds(0.5),
        "p99_ms": measured.milliseconds(0.99),
    }
    _print(found, as_json)
    if measured.errors or not measured.n:
        raise SystemExit(1)


def _bodies(k: int, width: int, users: int, seed: int) -> list[bytes]:
    from recloop.serving.load import request_bytes
    from recloop.utils.seeding import stream

    rng = stream(seed, "bench serve")
    key = os.environ.get("RECLOOP_API_KEY", "")
    made = []
    for _ in range(N_BODIES):
        body: dict[str, Any] = {"user": f"bench_{rng.integers(users)}", "k": k}
        if width:
            body["context"] = rng.normal(size=width).tolist()
        headers = {"X-API-Key": key} if key else None
        made.append(request_bytes("POST", "/v1/recommend", json.dumps(body).encode(), headers))
    return made


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        shown = f"{value:,.2f}" if isinstance(value, float) else value
        print(f"{name:<18} {shown}")
