"""Full and slow disks, in short; the long forms stand in benchmarks/reliability."""

import pytest

from benchmarks.reliability import full_disk, slow_disk
from serving.reliability.judging import is_found, keeps

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("may_mount", [True, False])
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path, may_mount):
    keeps(full_disk.measure(tmp_path, seconds=1.0, may_mount=may_mount))


def test_lists_go_on_while_the_disk_is_full_where_decisions_are_written_later(tmp_path):
    keeps(full_disk.measure_later(tmp_path))


@pytest.mark.parametrize(
    ("build", "broken"),
    [
        ("swallows_errors", "acknowledged rewards lost"),
        ("never_tries_again", "ready by itself"),
    ],
)
def test_a_build_that_bears_a_full_disk_badly_is_found_out(tmp_path, monkeypatch, build, broken):
    monkeypatch.setattr(full_disk, "RECOVERY_S", 3.0)
    monkeypatch.setattr(full_disk, "STOP_S", 5.0)
    monkeypatch.setattr("benchmarks.reliability.client.SETTLE_S", 2.0)
    is_found(full_disk.measure(tmp_path, seconds=1.0, planted=build), broken)


def test_a_slow_disk_makes_no_long_queue(tmp_path, wide_limits):
    keeps(slow_disk.measure(tmp_path, seconds=3.0))


def test_a_build_without_a_limit_is_found_out(tmp_path, wide_limits):
    is_found(slow_disk.measure(tmp_path, seconds=3.0, planted="unbounded"), "longest queue")
