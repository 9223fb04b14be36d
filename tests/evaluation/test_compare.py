"""Comparisons: by hand, in words, and at their stated false-alarm rate."""

import math

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.evaluation import intervals
from recloop.evaluation.compare import Comparison, compare, corrected, holm, sign_flip_p_value
from recloop.evaluation.intervals import bootstrap_interval
from recloop.utils.seeding import stream

NAN = float("nan")


def test_differences_are_taken_person_by_person():
    found = compare([0.5, 0.0, 1.0, NAN, 0.25], [0.25, 0.5, 0.5, 1.0, 0.25])
    assert (found.n, found.n_undefined) == (4, 1)
    assert found.mean == pytest.approx(1.75 / 4)
    assert found.control_mean == pytest.approx(1.5 / 4)
    assert found.difference == pytest.approx(0.0625)
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.p_holm == found.p_value
    assert (found.n_comparisons, found.confidence) == (1, 0.95)


def test_nan_on_either_side_leaves_a_person_out():
    found = compare([NAN, 1.0, 1.0], [1.0, NAN, 0.0])
    assert (found.n, found.n_undefined, found.difference) == (1, 2, 1.0)


def test_interval_and_p_value_come_from_streams_of_the_seed():
    ours, theirs = stream(0, "ours").random(40), stream(0, "theirs").random(40)
    found = compare(ours, theirs, seed=5, n_resamples=300, confidence=0.8)
    low, high = bootstrap_interval(
        ours - theirs, stream(5, "compare", "bootstrap"), confidence=0.8, n_resamples=300
    )
    assert (found.ci_low, found.ci_high) == (low, high)
    assert found.p_value == sign_flip_p_value(ours - theirs, stream(5, "compare", "signs"), 300)
    assert found == compare(ours, theirs, seed=5, n_resamples=300, confidence=0.8)
    assert found.confidence == 0.8
    usual = compare(ours, theirs)
    assert usual == compare(ours, theirs, seed=0, n_resamples=2000, confidence=0.95)
    assert usual.p_value == sign_flip_p_value(ours - theirs, stream(0, "compare", "signs"))


def test_signs_are_drawn_in_portions_and_all_of_them_count(monkeypatch):
    differences = np.array([1.0, 2.0, 4.0])
    at_once = sign_flip_p_value(differences, stream(0, "x"), 64)
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 24)  # eight at a time: int8 draws split evenly
    by_portions = sign_flip_p_value(differences, stream(0, "x"), 64)
    assert by_portions == pytest.approx(at_once, abs=0.2)
    assert by_portions > 8 / 65


def test_several_seeds_are_averaged_for_each_person_first():
    several = compare([[0.0, 1.0], [1.0, 1.0]], [[0.0, 0.0]])
    once = compare([0.5, 1.0], [0.0, 0.0])
    assert several == once


def test_a_person_undefined_in_any_seed_is_left_out():
    assert compare([[0.0, NAN], [1.0, 1.0]], [0.0, 0.0]).n_undefined == 1


@pytest.mark.parametrize(
    ("values", "control", "said"),
    [
        ([1.0], [1.0, 2.0], "values and control must be of the same people, got 1 and 2."),
        (np.zeros((1, 1, 1)), [1.0], r"values must have shape \(people,\) or \(seeds, people\)"),
        ([1.0], np.zeros((0, 1)), r"control must have shape .*, got \(0, 1\)"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(values, control, said):
    with pytest.raises(InvalidParameter, match=f"compare: {said}"):
        compare(values, control)


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_confidence_lies_between_zero_and_one(confidence):
    with pytest.raises(InvalidParameter, match="compare: confidence must be above 0 and below 1"):
        compare([1.0], [1.0], confidence=confidence)


def test_holm_raises_the_smallest_most_and_never_falls():
    # sorted .01 .02 .03 .04: times 4, 3, 2, 1 -> .04 .06 .06 .04, then never falling
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]).tolist() == []


def made(p_value=0.01, difference=0.1, low=0.05, high=0.15, n=10, ties=0, **more):
    return Comparison(
        mean=0.3,
        control_mean=0.2,
        difference=difference,
        ci_low=low,
        ci_high=high,
        p_value=p_value,
        p_holm=more.pop("p_holm", p_value),
        wins=n - ties,
        ties=ties,
        losses=0,
        n=n,
        n_undefined=0,
        confidence=more.pop("confidence", 0.95),
        **more,
    )


def test_correction_keeps_the_order_and_counts_the_comparisons():
    found = corrected([made(0.04), made(0.01), made(0.03)])
    assert [one.p_holm for one in found] == pytest.approx([0.06, 0.03, 0.06])
    assert [one.p_value for one in found] == [0.04, 0.01, 0.03]
    assert [one.n_comparisons for one in found] == [3, 3, 3]
    assert corrected([]) == []


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (made(), "better"),
        (made(difference=-0.1, low=-0.15, high=-0.05), "worse"),
        (made(low=-0.01), "no benefit: the interval holds 0"),
        (made(low=0.0), "no benefit: the interval holds 0"),
        (made(difference=-0.1, low=-0.2, high=0.0), "no benefit: the interval holds 0"),
        (
            made(n=10, ties=10, low=0.0, high=0.0),
            "no benefit: both have the same value for everyone",
        ),
        (made(n=1), "cannot be judged: fewer than two people count"),
        (made(n=0), "cannot be judged: fewer than two people count"),
        (made(n=2), "better"),
        (made(p_holm=0.0501), "no benefit shown: the interval leaves out 0, but p = 0.05"),
        (made(p_holm=0.05), "better"),
        (made(p_holm=0.1, confidence=0.9), "better"),
        (
            made(p_holm=0.049, confidence=0.99),
            "no benefit shown: the interval leaves out 0, but p = 0.049",
        ),
        (
            made(p_holm=0.12, n_comparisons=4),
            "no benefit shown: the interval leaves out 0, but p = 0.12 among 4 comparisons",
        ),
        (
            made(p_holm=0.12, difference=-0.1, low=-0.2, high=-0.05, n_comparisons=2),
            "no loss shown: the interval leaves out 0, but p = 0.12 among 2 comparisons",
        ),
    ],
)
def test_the_verdict_says_in_words_what_the_numbers_support(one, words):
    assert one.verdict == words


def test_a_clear_gain_is_better_and_the_same_lists_are_no_benefit(rng):
    control = rng.random(50)
    assert compare(control + 0.1 + 0.01 * rng.random(50), control).verdict == "better"
    assert compare(control, control + 0.1).verdict == "worse"
    same = compare(control, control)
    assert same.verdict == "no benefit: both have the same value for everyone"
    assert (same.p_value, same.ci_low, same.ci_high) == (1.0, 0.0, 0.0)


def test_nobody_to_compare_is_said_and_not_a_number():
    found = compare([NAN], [1.0])
    assert found.verdict == "cannot be judged: fewer than two people count"
    assert found.to_json()["difference"] is None
    assert found.to_json()["ci_low"] is None
    assert found.to_json()["n_undefined"] == 1


def test_json_holds_every_number_and_the_verdict():
    assert made(n=4).to_json() == {
        "mean": 0.3,
        "control_mean": 0.2,
        "difference": 0.1,
        "ci_low": 0.05,
        "ci_high": 0.15,
        "p_value": 0.01,
        "p_holm": 0.01,
        "wins": 4,
        "ties": 0,
        "losses": 0,
        "n": 4,
        "n_undefined": 0,
        "confidence": 0.95,
        "n_comparisons": 1,
        "verdict": "better",
    }


def test_a_p_value_is_never_zero_and_one_without_differences(rng):
    assert sign_flip_p_value(np.zeros(5), rng, 99) == 1.0
    assert sign_flip_p_value(np.full(60, 1.0), rng, 99) == 1 / 100
    # one person: both signs are equally far from 0
    assert sign_flip_p_value(np.array([0.3]), rng, 99) == 1.0


def test_a_p_value_is_near_that_of_all_sign_patterns(rng):
    # of the 8 sums of ±1 ±2 ±4, those as far as 1 + 2 + 4 are 7 and -7: 2 of 8
    p = sign_flip_p_value(np.array([1.0, 2.0, 4.0]), rng, 4000)
    assert p == pytest.approx(0.25, abs=0.03)  # 4 standard errors
    # as far as 1 - 2 + 4 = 3: 7, -7, 5, -5, 3, -3: 6 of 8
    p = sign_flip_p_value(np.array([1.0, -2.0, 4.0]), rng, 4000)
    assert p == pytest.approx(0.75, abs=0.03)


def test_sums_that_differ_by_rounding_count_as_equal(rng):
    differences = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]) / 3
    differences[0] = differences[1:].sum() + 1  # decides the sign: half of all are as far or less
    flipped = sign_flip_p_value(differences[:1].repeat(1), rng, 50)
    assert flipped == 1.0
    assert sign_flip_p_value(np.array([0.1, 0.2, 0.3]) * (1 / 3), rng, 999) == pytest.approx(
        0.25, abs=0.06
    )


def test_people_without_a_difference_change_no_p_value():
    moved = np.array([1.0, -2.0, 4.0, 0.5])
    with_ties = np.array([0.0, 1.0, -2.0, 0.0, 4.0, 0.5, 0.0])
    assert sign_flip_p_value(with_ties, stream(0, "x"), 500) == sign_flip_p_value(
        moved, stream(0, "x"), 500
    )


def test_two_equal_models_are_told_apart_no_more_often_than_stated(rng):
    """A/A: 400 pairs of equally good models for 60 people at a false-alarm rate of 5 %.

    p values of sign flips are exact, so more than 36 alarms of 400 has a probability below 5e-4;
    fewer than 7 below 5e-4: a test that never alarms would be broken too.
    """
    alarms = verdicts = 0
    for number in range(400):
        ability = rng.random((60, 1))
        hits = rng.random((60, 2)) < 0.5 * ability
        found = compare(hits[:, 0], hits[:, 1], n_resamples=400, seed=number)
        alarms += found.p_value < 0.05
        verdicts += found.verdict in ("better", "worse")
    assert 7 <= alarms <= 36
    assert verdicts <= alarms


def test_holm_keeps_the_rate_of_any_false_alarm(rng):
    """150 families of 5 A/A comparisons: at most 5 % with any alarm; 18 or more: p < 5e-4."""
    families = 0
    for number in range(150):
        control = rng.random(40)
        found = [
            compare(rng.random(40), control, n_resamples=400, seed=10 * number + i)
            for i in range(5)
        ]
        families += any(one.p_holm < 0.05 for one in corrected(found))
    assert families <= 17


def test_a_real_difference_is_found(rng):
    found = compare(rng.random(400) + 0.1, rng.random(400))
    assert found.verdict == "better"
    assert not math.isnan(found.ci_low)
    assert found.ci_low <= found.difference <= found.ci_high
