"""Every test that asks for a place or a log runs on SQLite and on a PostgreSQL of its own."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from decisions.server import PostgresServer, programs
from recloop.decisions import DecisionLog, open_log


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of a process."""
    found = programs()
    if found is None:
        told = "PostgreSQL is not installed; on Debian and Ubuntu: apt install postgresql."
        if os.environ.get("CI"):
            pytest.fail(f"{told} In CI the tests of the decision log must run on it.")
        pytest.skip(told)
    server = PostgresServer(found)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Gives places where logs may be made: files, or addresses of empty databases."""
    if request.param == "sqlite":
        numbers = count()
        return lambda: str(tmp_path / f"log{next(numbers)}.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    server.begin_test()
    return server.empty_database


@pytest.fixture
def place(new_place: Callable[[], str]) -> str:
    """Where a log may be made."""
    return new_place()


@pytest.fixture
def log(place: str) -> Iterator[DecisionLog]:
    """An empty log."""
    with open_log(place) as opened:
        yield opened
