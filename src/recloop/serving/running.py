"""The server process: says where it listens, drains when it is told to stop, and exits with 0."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import uvicorn

from recloop.errors import InvalidConfig
from recloop.serving.app import make_app
from recloop.serving.keys import KeyRing
from recloop.serving.logs import set_up
from recloop.serving.opening import FirstModel, open_service
from recloop.serving.protocol import bounded
from recloop.serving.service import Service
from recloop.serving.settings import ServingSettings

GRACE_S = 30
_logger = logging.getLogger("recloop.serving")


def run(settings: ServingSettings, *, example: bool = False) -> None:
    """Serve until a signal comes; raises what kept the service from starting.

    example: an empty log begins with invented people and items instead of `settings.model`.
    """
    keys = KeyRing(settings.keys)
    if keys.is_open and not is_loopback(settings.host):
        raise InvalidConfig(
            f"serve: {settings.host} is open to others, and no key is set. Set the variable "
            f"{settings.keys.api or 'that keys.api names'} to a key of at least 16 characters, or "
            "listen on 127.0.0.1."
        )
    set_up(settings.log_format, requests=settings.log_requests)
    app = make_app(lambda: open_service(settings, _first(settings, example)), keys)
    server = Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=GRACE_S,
            http=bounded(settings.limits.seconds),
            ws="none",
            server_header=False,
            backlog=2048,
        ),
        settings.drain_s,
    )
    with suppress(SystemExit):  # what uvicorn ends with where it could not start
        server.run()
    error = getattr(app.state, "failed_to_open", None)
    if error is not None:
        raise error
    if not server.started:
        raise InvalidConfig(
            f"serve: cannot listen on {settings.host}:{settings.port}; is another server there? "
            "Name another --port."
        )


def _first(settings: ServingSettings, example: bool) -> FirstModel | None:
    if not example:
        return None
    from recloop.serving.example import example_model

    return example_model(settings.seed)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    return host in ("localhost", "::1") or host.startswith("127.")


class Server(uvicorn.Server):
    """At the first signal the service says that it is not ready, and goes on for `drain_s`.

    A balancer stops sending meanwhile. Then what is in flight is answered, and the process ends
    with 0. A second signal does not wait.
    """

    def __init__(self, config: uvicorn.Config, drain_s: float) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._is_draining = False

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say where."""
        self._loop = asyncio.get_running_loop()
        words = logging.getLogger("uvicorn.error")
        words.disabled = True  # what keeps it from starting is raised by `run`
        try:
            await super().startup(sockets)
        finally:
            words.disabled = False
        for server in self.servers if self.started else []:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                _logger.info("recloop serves on http://%s:%s", host, port)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Drain, then stop; the signal is not raised again, so that the exit code is 0."""
        if self._is_draining:
            self.should_exit = True
            return
        self._is_draining = True
        serving = getattr(self.config.app.state, "serving", None)  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]
        service: Service | None = None if serving is None else serving.service
        if service is None or not self._drain_s:
            self.should_exit = True
            return
        service.is_draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True
