"""Summaries: rows by hand, who counts, intervals cut to what a metric can be."""

import math

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.evaluation.beyond_accuracy import GroupValue
from recloop.evaluation.intervals import bootstrap_interval, jackknife_interval, normal_interval
from recloop.evaluation.summary import (
    COLUMNS,
    Intervals,
    group_rows,
    person_rows,
    without_nan,
)
from recloop.utils.seeding import stream

NAN = float("nan")
VALUES = np.array([[0.2, NAN], [0.4, NAN], [0.9, 1.0], [NAN, NAN]])


def test_a_row_has_mean_spread_and_who_counts():
    first, second = person_rows({"ndcg": VALUES}, [1, 5], Intervals())
    assert tuple(first) == COLUMNS
    assert (first["metric"], first["k"], second["k"]) == ("ndcg", 1, 5)
    assert first["mean"] == pytest.approx(0.5)
    assert first["std"] == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2))
    assert (first["n"], first["n_undefined"]) == (3, 1)
    assert (first["ci_low"], first["ci_high"]) == pytest.approx(
        normal_interval(np.array([0.2, 0.4, 0.9]))
    )
    assert (second["n"], second["n_undefined"], second["mean"]) == (1, 3, 1.0)
    assert math.isnan(second["std"])
    assert math.isnan(second["ci_low"])


def test_two_people_have_a_spread():
    (row,) = person_rows({"mrr": np.array([[0.0], [1.0]])}, [1], Intervals())
    assert row["std"] == pytest.approx(math.sqrt(0.5))


def test_nobody_who_counts_gives_no_mean():
    (row,) = person_rows({"map": np.full((2, 1), NAN)}, [3], Intervals())
    assert math.isnan(row["mean"])
    assert (row["n"], row["n_undefined"]) == (0, 2)


def test_rows_stand_in_the_order_of_metrics_then_cut_offs():
    rows = person_rows({"a": np.zeros((2, 2)), "b": np.ones((2, 2))}, [5, 1], Intervals())
    assert [(row["metric"], row["k"]) for row in rows] == [("a", 5), ("a", 1), ("b", 5), ("b", 1)]


def test_the_bootstrap_uses_the_stream_of_the_seed():
    values = stream(0, "values").random(25)
    chosen = Intervals("bootstrap", confidence=0.8, n_resamples=70, seed=4)
    (row,) = person_rows({"mrr": values[:, None]}, [1], chosen)
    expected = bootstrap_interval(
        values,
        stream(4, "evaluation", "bootstrap"),
        confidence=0.8,
        n_resamples=70,
    )
    assert (row["ci_low"], row["ci_high"]) == expected


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [
        ("ndcg", 0.0, 1.0),
        ("diversity", 0.0, 2.0),
        ("novelty", 0.0, 6.0),
        ("mean_popularity", 0.0, 6.0),
    ],
)
def test_normal_intervals_are_cut_to_what_the_metric_can_be(metric, low, high):
    # mean 0, standard error 3.06: far beyond any bound on both sides
    values = np.array([-3.0615, 3.0615])
    row = person_rows({metric: values[:, None]}, [1], Intervals())[0]
    assert row["ci_low"] == low
    assert row["ci_high"] == pytest.approx(high, abs=1e-3)


def test_an_interval_beyond_the_range_shrinks_to_its_end():
    row = person_rows({"mrr": np.array([[1.5], [1.6]])}, [1], Intervals())[0]
    assert (row["ci_low"], row["ci_high"]) == (1.0, 1.0)
    row = person_rows({"mrr": np.array([[-1.5], [-1.6]])}, [1], Intervals())[0]
    assert (row["ci_low"], row["ci_high"]) == (0.0, 0.0)


def test_confidence_widens_a_normal_interval():
    wide = person_rows({"mrr": VALUES[:, :1]}, [1], Intervals(confidence=0.5))[0]
    assert (wide["ci_low"], wide["ci_high"]) == pytest.approx(
        normal_interval(np.array([0.2, 0.4, 0.9]), 0.5)
    )


def test_a_number_of_the_group_has_a_jackknife_interval_and_no_spread():
    left_out = np.array([[0.40, 0.5], [0.45, 0.6], [0.5, 0.7]])
    value = GroupValue(np.array([0.5, 0.75]), left_out)
    first, second = group_rows({"coverage": value}, [5, 10], Intervals(confidence=0.5))
    assert tuple(first) == COLUMNS
    assert (first["metric"], first["k"], first["mean"]) == ("coverage", 5, 0.5)
    assert math.isnan(first["std"])
    assert (first["n"], first["n_undefined"]) == (3, 0)
    assert (first["ci_low"], first["ci_high"]) == pytest.approx(
        jackknife_interval(0.5, left_out[:, 0], 0.5)
    )
    assert (second["k"], second["mean"]) == (10, 0.75)
    assert (second["ci_low"], second["ci_high"]) == pytest.approx(
        jackknife_interval(0.75, left_out[:, 1], 0.5)
    )


def test_group_intervals_stay_between_zero_and_one():
    value = GroupValue(np.array([0.5]), np.array([[0.0], [1.0]]))
    row = group_rows({"coverage": value}, [5], Intervals())[0]
    assert (row["ci_low"], row["ci_high"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "student"}, "method must be one of 'normal', 'bootstrap', got 'student'"),
        ({"confidence": 0}, "confidence must be above 0 and below 1, got 0"),
        ({"confidence": 1}, "confidence must be above 0 and below 1, got 1"),
        ({"n_resamples": 0}, "n_resamples must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
    ],
)
def test_settings_outside_their_range_are_refused(options, said):
    with pytest.raises(InvalidParameter, match=f"Intervals: {said}"):
        Intervals(**options)


def test_defaults_are_normal_95_percent():
    assert Intervals() == Intervals("normal", 0.95, 1000, 0)
    assert Intervals(n_resamples=1, seed=0).n_resamples == 1


def test_without_nan_keeps_everything_else():
    assert without_nan({"a": NAN, "b": 0.0, "c": "x", "d": 3}) == {
        "a": None,
        "b": 0.0,
        "c": "x",
        "d": 3,
    }
