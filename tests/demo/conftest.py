"""A run folder and caches of a test's own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st

from demo.small_run import make_run
from recloop.experiment.folder import RunFolder


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def _same_main() -> Iterator[None]:
    """A page that ran leaves itself as `__main__`, which a process that is spawned later reads."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run of a test's own."""
    return make_run(tmp_path / "run")


@pytest.fixture
def damage() -> Callable[[Path], None]:
    """Flip one byte in the middle of a file."""

    def flip(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.write_bytes(bytes(data))

    return flip
