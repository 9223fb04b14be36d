"""Forgetting a person while no service runs: it is opened, forgets, and is closed."""

import asyncio
from pathlib import Path

from recloop.decisions import open_log
from recloop.serving.opening import open_service, settings_of


def forget_offline(place: str, data_dir: Path, user: str) -> None:
    """As `Service.forget`. LogUnavailable where a service runs, which is then the one to ask."""

    async def forget() -> None:
        with open_log(place, create=False) as log:
            settings = settings_of(log, data_dir)
        service = open_service(settings.model_copy(update={"log": place}))
        service.start()
        service.stop_settling()
        try:
            await service.forget(user)
        finally:
            await service.close()

    asyncio.run(forget())
