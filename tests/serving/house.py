"""A small service for tests: opened, visited and closed without HTTP and without sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from recloop.models.registry import build_model
from recloop.serving.catalogue import Item
from recloop.serving.deciding import Request
from recloop.serving.opening import FirstModel, open_service
from recloop.serving.records import Answer, Reward, Shown
from recloop.serving.service import Service
from recloop.serving.settings import ServingSettings

N_USERS, N_ITEMS = 6, 8
START = 1_000_000.0  # seconds; every test says itself when things happen


def settings_in(folder: Path, **changes: Any) -> ServingSettings:
    """Settings whose log and snapshots lie in `folder`."""
    return ServingSettings(log=str(folder / "log.db"), data_dir=str(folder / "data"), **changes)


def first_of(model: Any, items: Sequence[str] | None = None) -> FirstModel:
    """A model whose people are u0, u1, ... and whose items are i0, i1, ..."""
    names = [f"i{code}" for code in range(model.n_items)] if items is None else items
    things = [Item(one, category="even" if code % 2 == 0 else "odd")
              for code, one in enumerate(names)]  # fmt: skip
    return FirstModel(model, model.type_name, [f"u{n}" for n in range(model.n_users)], things)


def small(name: str = "epsilon_greedy", **params: Any) -> FirstModel:
    """A fresh model of a few people and items."""
    return first_of(build_model(name, N_USERS, N_ITEMS, **params))


def said(_: str) -> None:
    """Takes remarks that a test does not look at."""


@asynccontextmanager
async def serving(
    settings: ServingSettings,
    first: FirstModel | None = None,
    *,
    remark: Callable[[str], None] = said,
    crash: bool = False,
) -> AsyncIterator[Service]:
    """A service that runs; crash: it ends without a snapshot, as a killed process would."""
    service = open_service(settings, first, remark=remark)
    service.start()
    service.stop_settling()
    try:
        yield service
    finally:
        if crash:
            await asyncio.to_thread(service.ledger.stop)
            service.log.close()
        else:
            await service.close()


class Visits:
    """Requests and feedback with ids and times of their own, one second apart."""

    def __init__(self, service: Service, *, now: float = START, name: str = "d") -> None:
        self.service = service
        self.now = now
        self.n = 0
        self._name = name

    def request(self, user: str, k: int = 3, **details: Any) -> Request:
        """A request with a fresh id."""
        self.n += 1
        self.now += 1.0
        details.setdefault("id", f"{self._name}{self.n}")
        return Request(user=user, k=k, timestamp=self.now, **details)

    async def ask(self, user: str, k: int = 3, **details: Any) -> Shown:
        """A decision."""
        return await self.service.recommend(self.request(user, k, **details))

    def reward(
        self, shown: Shown, slot: int = 0, value: float = 1.0, event: str = "click", **details: Any
    ) -> Reward:
        """A reward of a slot."""
        self.n += 1
        details.setdefault("key", f"{self._name}{self.n}")
        details.setdefault("timestamp", self.now)
        return Reward(shown.id, int(shown.items[slot]), value, event=event, **details)

    async def tell(self, *args: Any, **details: Any) -> Answer:
        """What became of one reward."""
        return (await self.service.feedback([self.reward(*args, **details)]))[0]


async def wander(visits: Visits, rng: np.random.Generator, n_rounds: int) -> list[Shown]:
    """Everything that happens in a day, a few times over: lists, clicks, purchases, corrections."""
    service, met = visits.service, []
    assert service.state.active is not None
    width = service.state.active.context_dim
    must = service.state.active.model.n_observed > 0
    for _ in range(n_rounds):
        requests = []
        for _ in range(6):
            context = rng.random(width) if width and (must or rng.random() < 0.7) else None
            user = "stranger" if rng.random() < 0.2 else f"u{rng.integers(N_USERS)}"
            activated = bool(rng.random() < 0.8)
            requests.append(visits.request(user, int(rng.integers(1, 4)), context=context,
                                           activated=activated))  # fmt: skip
        met += await asyncio.gather(*(service.recommend(one) for one in requests))
        told = []
        for shown in [met[int(place)] for place in rng.integers(len(met), size=5)]:
            slot = int(rng.integers(len(shown.items)))
            kind = "correction" if rng.random() < 0.3 else "observed"
            event = "click" if rng.random() < 0.7 else "purchase"
            value = float(rng.choice([0.0, 0.5, 1.0]))
            told.append(visits.reward(shown, slot, value, event, kind=kind))
        await asyncio.gather(*(service.feedback([one]) for one in told[:3]))
        await service.feedback(told[3:])
        await service.activate(met[int(rng.integers(len(met)))].id)
    return met


def run(test: Any) -> Any:
    """The result of a coroutine."""
    return asyncio.run(test)


async def gives_up(awaitable: Any, error: type[BaseException]) -> None:
    """Await what must fail, without a word."""
    with suppress(error):
        await awaitable
