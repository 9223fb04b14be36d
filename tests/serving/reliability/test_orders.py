"""Two writers and wrong orders, in short; the long forms stand in benchmarks/reliability."""

import pytest

from benchmarks.reliability import orders
from serving.reliability.judging import is_found, keeps

pytestmark = pytest.mark.slow


def test_wrong_orders_are_refused_and_a_second_process_does_not_start(tmp_path):
    keeps(orders.measure(tmp_path))


@pytest.mark.parametrize(
    ("build", "broken"),
    [
        ("shares_its_log", "a second process on the log"),
        ("forgets_keys", "the same reward at once"),
    ],
)
def test_a_build_that_takes_wrong_orders_is_found_out(tmp_path, build, broken):
    is_found(orders.measure(tmp_path, planted=build), broken)


def test_late_rewards_in_any_order_leave_the_same_sums(tmp_path):
    keeps(orders.measure_late(tmp_path, n=1500))


def test_a_build_that_learns_in_order_only_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(orders, "MOST_TRIES", 20)
    report = orders.measure_late(tmp_path, n=500, planted="learns_in_order_only")
    is_found(report, "distance of A and b from the sums without an order")
