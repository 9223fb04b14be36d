"""Load, counters and the end of a service, in short; long forms: benchmarks/reliability."""

import pytest

from benchmarks.reliability import drain, load, mixed
from serving.reliability.judging import is_found, keeps

pytestmark = pytest.mark.slow


def test_load_is_held(tmp_path, wide_limits):
    keeps(load.measure(tmp_path, seconds=4.0))


def test_a_build_that_wastes_time_is_found_out(tmp_path, wide_limits):
    is_found(
        load.measure(tmp_path, seconds=2.0, planted="wasteful"), "processor time a request, us"
    )


def test_a_build_that_fails_sometimes_is_found_out(tmp_path, wide_limits):
    is_found(load.measure(tmp_path, seconds=2.0, planted="fails_sometimes"), "errors")


def test_counters_agree_with_the_clients(tmp_path):
    keeps(mixed.measure(tmp_path, seconds=3.0))


@pytest.mark.parametrize(
    ("build", "broken"),
    [
        ("forgets_lessons", "rows in the learned state"),
        ("counts_twice", "recloop_decisions_total"),
    ],
)
def test_a_build_that_counts_wrongly_is_found_out(tmp_path, build, broken):
    is_found(mixed.measure(tmp_path, seconds=3.0, planted=build), broken)


def test_a_signal_to_stop_fails_no_request(tmp_path, wide_limits):
    keeps(drain.measure(tmp_path, seconds=1.0))


def test_what_is_in_flight_is_answered_after_a_signal_to_stop(tmp_path):
    keeps(drain.measure_in_flight(tmp_path))


def test_a_build_that_does_not_say_that_it_stops_is_found_out(tmp_path, wide_limits):
    is_found(
        drain.measure(tmp_path, seconds=1.0, planted="never_says"), "not ready after the signal, s"
    )


def test_a_build_that_ends_at_once_is_found_out(tmp_path):
    is_found(drain.measure_in_flight(tmp_path, planted="ends_at_once"), "without an answer")
