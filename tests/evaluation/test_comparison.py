"""Comparisons: by hand, in words, and at their stated false-alarm rate."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation.comparison import Comparison, compare, corrected
from recloop.evaluation.intervals import bootstrap_interval
from recloop.evaluation.significance import n_needed, sign_flip_p_value
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
        ours - theirs,
        stream(5, "compare", "bootstrap"),
        confidence=0.8,
        n_resamples=300,
        widened=True,
    )
    assert (found.ci_low, found.ci_high) == (low, high)
    assert found.p_value == sign_flip_p_value(ours - theirs, stream(5, "compare", "signs"), 300)
    assert found == compare(ours, theirs, seed=5, n_resamples=300, confidence=0.8)
    assert found.confidence == 0.8
    usual = compare(ours, theirs)
    assert usual == compare(ours, theirs, seed=0, n_resamples=2000, confidence=0.95)
    assert usual.p_value == sign_flip_p_value(ours - theirs, stream(0, "compare", "signs"))


def test_several_seeds_are_averaged_for_each_person_first():
    several = compare([[0.0, 1.0], [1.0, 1.0]], [[0.0, 0.0]])
    once = compare([0.5, 1.0], [0.0, 0.0])
    assert several.seed_differences == (0.5, 1.0)
    assert replace(several, seed_differences=()) == once


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
        (made(n=1), "not known: fewer than two people count"),
        (made(n=0), "not known: fewer than two people count"),
        (made(n=5), "not known: 5 people are too few, p cannot fall to 0.05 below 6"),
        (made(n=6), "better"),
        (
            made(n=7, confidence=0.99, p_holm=0.001),
            "not known: 7 people are too few, p cannot fall to 0.01 below 8",
        ),
        (made(n=5, unit="seeds"), "not known: 5 seeds are too few, p cannot fall to 0.05 below 6"),
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
    assert found.verdict == "not known: fewer than two people count"
    assert found.to_json()["difference"] is None
    assert found.to_json()["ci_low"] is None
    assert found.to_json()["n_undefined"] == 1


def test_json_holds_every_number_and_the_verdict():
    assert made(n=6, spread=0.2, seed_differences=(0.1, NAN)).to_json() == {
        "mean": 0.3,
        "control_mean": 0.2,
        "difference": 0.1,
        "ci_low": 0.05,
        "ci_high": 0.15,
        "p_value": 0.01,
        "p_holm": 0.01,
        "wins": 6,
        "ties": 0,
        "losses": 0,
        "n": 6,
        "n_undefined": 0,
        "confidence": 0.95,
        "n_comparisons": 1,
        "spread": 0.2,
        "least": None,
        "unit": "people",
        "seed_differences": [0.1, None],
        "n_needed": 34,  # (1.96 + 0.8416)^2 0.2^2 / 0.1^2 + 1.96^2 / 2 = 33.3
        "detectable": pytest.approx(2.8016 * 0.2 / math.sqrt(6 - 1.9207), abs=1e-4),
        "verdict": "better",
    }


def hits(rng, n):
    """Hit rates of two models that are equally good, for people of different ability."""
    return (rng.random((2, n)) < 0.5 * rng.random(n)).astype(float)


def rare_hits(rng, n):
    """Hit rates near 0.1: four of five people are tied."""
    return (rng.random((2, n)) < 0.1).astype(float)


def skewed(rng, n):
    """Few people hold most of the value."""
    return rng.gamma(0.5, size=n) * rng.lognormal(0.0, 1.5, (2, n))


def ndcg(rng, n):
    """One relevant item each: 0, or 1 / log2(rank + 1)."""
    return (rng.random((2, n)) < 0.3) / np.log2(rng.integers(2, 12, (2, n)))


def alarms_of(rng, made, n, n_runs):
    """How often p <= 0.05, and how often a verdict, among comparisons of equally good models."""
    alarms = verdicts = 0
    for number in range(n_runs):
        found = compare(*made(rng, n), n_resamples=1000, seed=number)
        alarms += found.p_value <= 0.05
        verdicts += found.verdict in ("better", "worse")
    return alarms, verdicts


def test_two_equal_models_are_told_apart_no_more_often_than_stated(rng):
    """A/A: 400 pairs of equally good models for 60 people at a false-alarm rate of 5 %.

    More than 36 alarms of 400 has a probability below 5e-4; fewer than 7 below 5e-4: a test that
    never alarms would be broken too.
    """
    alarms, verdicts = alarms_of(rng, hits, 60, 400)
    assert 7 <= alarms <= 36
    assert verdicts <= alarms


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "n"), [(hits, 100), (rare_hits, 200), (skewed, 20), (skewed, 200), (ndcg, 30)]
)
def test_of_a_thousand_equal_pairs_three_to_seven_in_a_hundred_are_alarms(rng, made, n):
    """At a rate of 5 % the count is 50, with a standard error of 7: outside 30 to 70 is 0.4 %."""
    alarms, verdicts = alarms_of(rng, made, n, 1000)
    assert 30 <= alarms <= 70
    assert 25 <= verdicts <= alarms


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10, 20])
@pytest.mark.parametrize("made", [hits, rare_hits, skewed, ndcg])
def test_of_few_people_there_are_no_more_alarms_than_stated(rng, made, n):
    """With ties so few differ that alarms may be rarer; more than 78 of 1,000: below 1e-4."""
    alarms, verdicts = alarms_of(rng, made, n, 1000)
    assert verdicts <= alarms <= 78


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


@pytest.mark.slow
def test_holm_keeps_the_rate_of_a_large_family_with_ties(rng):
    """1,000 families of 4 hit rates: any alarm in at most 5 %; 74 or more have 5e-4."""
    families = 0
    for number in range(1000):
        control, *models = (rng.random((5, 100)) < 0.3).astype(float)
        found = [compare(one, control, n_resamples=1000, seed=number) for one in models]
        families += any(one.p_holm <= 0.05 for one in corrected(found))
    assert families <= 73


# The smallest difference worth having


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (made(least=0.05), "better"),
        (made(low=0.04, least=0.05), "better, but perhaps by less than 0.05"),
        (
            made(difference=-0.1, low=-0.15, high=-0.01, least=0.02),
            "worse, but perhaps by less than 0.02",
        ),
        (
            made(low=0.05, high=0.15, least=0.2),
            "no benefit: the whole interval is nearer to 0 than 0.2, the least worth having",
        ),
        (
            made(difference=0.0, low=-0.3, high=0.1, least=0.2),
            "no benefit: the interval holds 0 and stays below 0.2, the least worth having",
        ),
        (
            made(difference=0.0, low=-0.3, high=0.2, least=0.2, spread=1.0),
            # (2.801585 / 0.2)^2 + 1.92 = 198.1
            "not known: the interval holds 0 and reaches 0.2, the least worth having; it takes "
            "about 199 people to tell",
        ),
        (
            made(difference=0.0, low=0.0, high=0.0, n=9, ties=9, least=0.1),
            "no benefit: both have the same value for everyone",
        ),
    ],
)
def test_the_least_worth_having_decides_between_no_benefit_and_not_known(one, words):
    assert one.verdict == words
    assert one.is_known == (not words.startswith("not known"))


@pytest.mark.parametrize("least", [0.0, -0.1, NAN])
def test_the_least_worth_having_is_a_number_above_zero(least):
    with pytest.raises(InvalidParameter, match="compare: least must be"):
        compare([1.0], [1.0], least=least)


def test_the_least_worth_having_is_kept(rng):
    found = compare(rng.random(50), rng.random(50), least=0.3)
    assert found.least == 0.3
    assert found.verdict.startswith("no benefit")
    assert found.n_needed_for_least == n_needed(found.spread, 0.3)
    assert math.isnan(compare(rng.random(50), rng.random(50)).n_needed_for_least)


# Seeds


def test_seeds_as_the_unit_are_means_over_the_people_that_both_know():
    values = [[0.5, 1.0, NAN], [0.0, 1.0, 1.0]]
    control = [[0.0, NAN, 0.5], [0.0, 0.0, 0.5]]
    found = compare(values, control, unit="seeds")
    # seed 0: person 0 alone, 0.5; seed 1: (0 + 1 + 0.5) / 3
    assert found.seed_differences == pytest.approx((0.5, 0.5))
    assert (found.n, found.unit, found.wins) == (2, "seeds", 2)
    assert found.mean == pytest.approx((0.5 + 2 / 3) / 2)
    assert found.control_mean == pytest.approx((0.0 + 1 / 6) / 2)
    assert found.verdict.startswith("not known: 2 seeds are too few")


def test_a_seed_in_which_nobody_is_known_is_left_out():
    found = compare([[NAN, 1.0], [1.0, 1.0]], [[0.0, NAN], [0.0, 0.0]], unit="seeds")
    assert (found.n, found.n_undefined) == (1, 1)
    assert math.isnan(found.seed_differences[0])


def test_people_of_one_seed_share_its_luck_and_are_no_units_of_their_own(rng):
    """Seeds as the unit keep 5 % where every training is lucky or not; people as one do not.

    300 A/A runs of 8 seeds and 40 people: more than 30 alarms have a probability below 1e-4.
    """
    by_seeds = by_people = 0
    for number in range(300):
        luck = rng.standard_normal((2, 8, 1))
        values = luck + 0.3 * rng.standard_normal((2, 8, 40))
        by_seeds += compare(*values, unit="seeds", n_resamples=500, seed=number).p_value <= 0.05
        by_people += compare(*values, n_resamples=500, seed=number).p_value <= 0.05
    assert by_seeds <= 30
    assert by_people > 150  # these trained models do differ, for people of every kind


@pytest.mark.parametrize(
    ("values", "control"), [([1.0, 2.0], [1.0, 2.0]), (np.ones((3, 2)), np.ones((2, 2)))]
)
def test_seeds_are_compared_in_pairs(values, control):
    with pytest.raises(InvalidParameter, match="compare: unit='seeds' needs values of shape"):
        compare(values, control, unit="seeds")
    assert compare(values, control).seed_differences == ()


def test_the_unit_is_people_or_seeds():
    with pytest.raises(InvalidParameter, match="compare: unit must be one of"):
        compare([1.0], [1.0], unit="users")


# Tables


def table(rows, columns=("user_id", "value")):
    return pd.DataFrame(rows, columns=list(columns))


def test_tables_are_matched_by_id_whatever_the_order_of_rows():
    ours = table([("a", 0.5), ("b", 1.0), ("c", NAN)])
    theirs = table([("c", 0.0), ("b", 0.25), ("a", 0.0)])
    assert compare(ours, theirs) == compare([0.5, 1.0, NAN], [0.0, 0.25, 0.0])


def test_tables_with_seeds_are_seeds_by_people():
    ours = table([(1, "a", 0.5), (0, "b", 1.0), (0, "a", 0.0), (1, "b", 0.0)], ROWS)
    found = compare(ours, table([("b", 0.5), ("a", 0.0)]))
    assert found == compare([[0.0, 1.0], [0.5, 0.0]], [0.0, 0.5])
    assert found.seed_differences == (0.25, 0.0)


def test_seeds_with_people_of_their_own_are_compared_by_seeds_alone():
    ours = table([(0, "a", 1.0), (0, "b", 0.0), (1, "c", 1.0)], ROWS)
    theirs = table([(0, "a", 0.0), (0, "b", 0.5), (1, "c", 0.0)], ROWS)
    found = compare(ours, theirs, unit="seeds")
    assert found.seed_differences == (0.25, 1.0)
    with pytest.raises(InvalidData, match="not everybody has a row for every seed"):
        compare(ours, theirs)


ROWS = ("seed", "user_id", "value")


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([1.0], table([("a", 1.0)]), "values must be a table like the other side, got list"),
        (table([("a", 1.0)]), table([("b", 1.0)]), "1 people are in values and not in control, "),
        (
            table([("a", 1.0)]),
            table([("a", 1.0), ("b", 1.0)]),
            "1 people are in control and not in values, the first is 'b'",
        ),
        (table([("a", 1.0), ("a", 2.0)]), table([("a", 1.0)]), "values has user 'a' twice"),
        (table([("a", 1.0)], ("user_id", "x")), table([("a", 1.0)]), "column value is missing"),
        (
            table([(0, "a", 1.0), (1, "a", 1.0)], ROWS),
            table([(0, "a", 1.0), (2, "a", 1.0)], ROWS),
            r"must have the same seeds, got \[0, 1\] and \[0, 2\]",
        ),
        (
            table([("a", "ndcg", 1.0), ("a", "map", 1.0)], ("user_id", "metric", "value")),
            table([("a", 1.0)]),
            r"values has rows of more than one metric \(map, ndcg\)",
        ),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(ours, theirs, said):
    with pytest.raises(InvalidData, match=said):
        compare(ours, theirs)


def test_a_real_difference_is_found(rng):
    found = compare(rng.random(400) + 0.1, rng.random(400))
    assert found.verdict == "better"
    assert not math.isnan(found.ci_low)
    assert found.ci_low <= found.difference <= found.ci_high
