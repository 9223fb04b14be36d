"""Limits on time, wide enough for a machine that is busy with other things."""

import pytest

from benchmarks.reliability import drain, load, slow_disk, swap


@pytest.fixture
def wide_limits(monkeypatch):
    monkeypatch.setattr(load, "MOST_P99_MS", 2000.0)
    monkeypatch.setattr(slow_disk, "MOST_S", 10.0)
    monkeypatch.setattr(drain, "MOST_TO_TELL_S", 2.9)
    monkeypatch.setattr(swap, "MOST_S", 10.0)
