"""Kills, power cuts and swaps, in short; the long forms stand in benchmarks/reliability."""

import pytest

from benchmarks.reliability import kill, power, swap
from serving.reliability.judging import is_found, keeps

pytestmark = pytest.mark.slow


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path):
    keeps(kill.measure(tmp_path, kills=3))


def test_a_build_that_acknowledges_early_is_found_out(tmp_path):
    """Lists or rewards: which of them a kill meets is chance, that it meets some is not."""
    report = kill.measure(tmp_path, kills=3, planted="acknowledges_early")
    assert any("lost" in one for one in report.broken), report.text()


def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path):
    keeps(power.measure(tmp_path, cuts=20))


def test_the_weaker_mode_of_the_log_is_found_out(tmp_path):
    is_found(power.measure(tmp_path, cuts=20, synchronous="NORMAL"), "acknowledged records lost")


def test_models_are_swapped_under_load_and_bad_ones_refused(tmp_path, wide_limits):
    keeps(swap.measure(tmp_path, n_items=100, connections=4))


@pytest.mark.parametrize(
    ("build", "broken"),
    [
        ("trusts_models", "bad models not refused (by 404 or 422)"),
        ("forgets_swaps", "active after the restart"),
    ],
)
def test_a_build_that_handles_models_wrongly_is_found_out(tmp_path, build, broken):
    is_found(swap.measure(tmp_path, n_items=100, connections=4, planted=build), broken)
