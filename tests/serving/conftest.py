"""No test here cuts the power: nothing waits for the disk."""

import os
from collections.abc import Iterator

import pytest

from decisions.conftest import postgres  # noqa: F401 (a fixture)
from recloop.decisions import DecisionLog
from recloop.serving import ledger


@pytest.fixture(scope="session", autouse=True)
def impatient() -> Iterator[None]:
    """Commits and files are written as always, and not forced to the disk."""
    opened = ledger.open_log

    def open_log(place: str) -> DecisionLog:
        log = opened(place)
        if "://" not in place:
            log.database.execute("PRAGMA synchronous = off")
        return log

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "open_log", open_log)
        patch.setattr(os, "fsync", lambda _: None)
        yield
