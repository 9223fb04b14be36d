"""Builds of the service with a known mistake each, and a server that does nothing.

    python -m benchmarks.reliability.planted NAME[+NAME] (arguments of recloop serve)

The mistakes stand here and nowhere else: the product has no switch for them.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Callable

from benchmarks.reliability import disks
from recloop.decisions.sqlite import SQLiteDatabase
from recloop.models.registry import load_model
from recloop.serving import registry, routes, running, service
from recloop.serving.ledger import Ledger
from recloop.serving.policy import Policy
from recloop.serving.records import Answer
from recloop.serving.state import ServiceState

BUILDS: dict[str, Callable[[], None]] = {}
_kept: list[object] = []


def build(make: Callable[[], None]) -> Callable[[], None]:
    """Enter a build into the table."""
    BUILDS[make.__name__] = make
    return make


@build
def wasteful() -> None:
    """Burns two milliseconds for every decision."""
    decide = service.Decider.decide

    def slow(self, requests, codes):
        until = time.thread_time() + 0.002 * len(requests)
        while time.thread_time() < until:
            pass
        return decide(self, requests, codes)

    service.Decider.decide = slow


@build
def fails_sometimes() -> None:
    """Every five hundredth request for a list raises."""
    recommend, n = service.Service.recommend, 0

    async def failing(self, request):
        nonlocal n
        n += 1
        if n % 500 == 0:
            raise ZeroDivisionError
        return await recommend(self, request)

    service.Service.recommend = failing


@build
def forgets_lessons() -> None:
    """Every hundredth reward is stored and not learned."""
    lesson, n = ServiceState._lesson, 0

    def forgetting(self, reward, decision):
        nonlocal n
        n += 1
        row = lesson(self, reward, decision)
        return None if n % 100 == 0 else row

    ServiceState._lesson = forgetting


@build
def counts_twice() -> None:
    """One of a hundred decisions is counted twice."""
    count, n = service.Service.count, 0

    def counting(self, what, more=1):
        nonlocal n
        n += 1
        count(self, what, more + (n % 100 == 0))

    service.Service.count = counting


@build
def trusts_models() -> None:
    """Checks nothing about a model but that it can be read."""

    def trusting(self, version, sha256=None):
        folder = self.folder / version
        ids = json.loads((folder / registry.IDS).read_text())
        model = load_model(folder / registry.MODEL)
        named = {"name": version, "version": version, "sha256": sha256 or ""}
        return Policy(model, items=ids["items"], learns=True, **named)

    registry.Registry.load = trusting


@build
def forgets_swaps() -> None:
    """Swaps happen, and are not written to the log."""
    control = service.Service.control

    async def forgetting(self, asked, *, shown=None):
        if asked.kind != "swap":
            return await control(self, asked, shown=shown)
        self.state.apply_control(asked, shown)
        return asked

    service.Service.control = forgetting


class EarlyLedger(Ledger):
    """Delivers before the commit, which comes a little later."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self._early, self._deliver = self._deliver, lambda units: None

    def _commit(self, units):
        for unit in units:
            unit.answers, unit.repeated, unit.found = [], {}, None
        with self._log.transaction():
            self._fill(units)
            self._call_soon(self._early, units)
            time.sleep(0.02)
        return


@build
def acknowledges_early() -> None:
    """Answers before the commit."""
    service.Ledger = EarlyLedger


class SwallowingLedger(Ledger):
    """Says that everything is stored, whatever the disk says."""

    def _commit(self, units):
        if super()._commit(units) is not None:
            for unit in units:
                unit.answers = [Answer("stored", 0)] * (len(unit.rewards) or len(unit.decisions))
                unit.rewards, unit.decided = [], []
        return


@build
def swallows_errors() -> None:
    """A commit that fails is taken for one that did not."""
    service.Ledger = SwallowingLedger


@build
def never_tries_again() -> None:
    """After a failed commit only a write from outside shows that the disk is well again."""

    async def nothing(self):
        return None

    service.Service._probe = nothing


@build
def shares_its_log() -> None:
    """Serves a log that another process serves already."""
    SQLiteDatabase.hold = lambda self: None


@build
def forgets_keys() -> None:
    """Takes each sending of a reward for a new one."""
    checked = routes.checked_rewards

    def renamed(service, events):
        return [one._replace(key=uuid.uuid4().hex) for one in checked(service, events)]

    routes.checked_rewards = renamed


@build
def learns_in_order_only() -> None:
    """Rewards of a decision before the newest one that was learned of teach nothing."""
    lesson, newest = ServiceState._lesson, 0

    def only_newer(self, reward, decision):
        nonlocal newest
        row = lesson(self, reward, decision)
        if row is None or decision.seq < newest:
            return None
        newest = decision.seq
        return row

    ServiceState._lesson = only_newer


@build
def slow_disk() -> None:
    """No mistake but a condition: each sync of the log takes 200 ms."""
    _kept.append(disks.SlowDisk("slow", 0.2))


@build
def very_slow_disk() -> None:
    """No mistake either: each takes a second."""
    _kept.append(disks.SlowDisk("very slow", 1.0))


@build
def unbounded() -> None:
    """Lets everything in, however much waits."""
    service.Service._let_in = lambda self, n: None


@build
def never_says() -> None:
    """Drains without saying that it is not ready."""
    service.Service.is_draining = property(lambda self: False, lambda self, value: None)


@build
def ends_at_once() -> None:
    """Takes the signal for kill -9."""
    running.Server.handle_exit = lambda self, sig, frame: os._exit(0)


def noop() -> None:
    """Serve constant bytes on the same server software, until a signal comes."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from recloop.serving.logs import set_up
    from recloop.serving.running import Server

    set_up("text")

    async def answer(request: Request) -> Response:
        return Response(b'{"items":[]}', 200, None, "application/json")

    app = Starlette(routes=[Route("/v1/recommend", answer, methods=["POST"])])
    config = uvicorn.Config(app, port=0, access_log=False, log_level="error", server_header=False)
    Server(config, 0.0).run()


def main(name: str, *arguments: str) -> None:
    if name == "noop":
        noop()
        return
    for one in name.split("+"):
        BUILDS[one]()
    from recloop.cli import main as recloop

    sys.argv = ["recloop", "serve", *arguments]
    recloop()


if __name__ == "__main__":
    main(*sys.argv[1:])
