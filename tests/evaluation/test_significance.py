"""P values by hand and by all sign patterns; numbers of people by formula and by simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidParameter
from recloop.evaluation import intervals
from recloop.evaluation.significance import (
    detectable,
    fewest,
    holm,
    n_needed,
    sign_flip_p_value,
)
from recloop.utils.seeding import stream


def test_signs_are_drawn_in_portions_and_all_of_them_count(monkeypatch):
    differences = np.array([1.0, 2.0, 4.0])
    at_once = sign_flip_p_value(differences, stream(0, "x"), 64)
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 24)  # eight at a time: int8 draws split evenly
    by_portions = sign_flip_p_value(differences, stream(0, "x"), 64)
    assert by_portions == pytest.approx(at_once, abs=0.2)
    assert by_portions > 8 / 65


def test_holm_raises_the_smallest_most_and_never_falls():
    # sorted .01 .02 .03 .04: times 4, 3, 2, 1 -> .04 .06 .06 .04, then never falling
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]).tolist() == []


def test_a_p_value_is_never_zero_and_one_without_differences(rng):
    assert sign_flip_p_value(np.zeros(5), rng, 99) == 1.0
    assert sign_flip_p_value(np.full(60, 1.0), rng, 99) == 1 / 100
    # one person: both signs are equally far from 0, and count half
    assert sign_flip_p_value(np.array([0.3]), rng, 99) == (99 / 2 + 1) / 100


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.25, 0.5, 1.0, 1 / 3]), min_size=1, max_size=9))
def test_a_p_value_is_near_that_of_all_sign_patterns(differences):
    """Farther sums count whole, equally far ones half; 1e-7 or less of five standard errors."""
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product([-1, 1], repeat=len(differences))
    ]
    seen, m = abs(sum(differences)), 2000
    share = sum((one > seen + 1e-9) + (abs(one - seen) < 1e-9) / 2 for one in sums) / len(sums)
    found = sign_flip_p_value(np.array(differences), stream(0, "signs"), m)
    wanted = (share * m + 1) / (m + 1)
    assert found == pytest.approx(wanted, abs=5 * math.sqrt(share * (1 - share) / m) + 1e-12)


def test_sums_that_differ_by_rounding_count_as_equal(rng):
    # farther than 0.1 + 0.2 + 0.3 is none of 8, as far are 2: half of a quarter
    found = sign_flip_p_value(np.array([0.1, 0.2, 0.3]) * (1 / 3), rng, 4000)
    assert found == pytest.approx(0.125, abs=0.02)


def test_people_without_a_difference_change_no_p_value():
    moved = np.array([1.0, -2.0, 4.0, 0.5])
    with_ties = np.array([0.0, 1.0, -2.0, 0.0, 4.0, 0.5, 0.0])
    assert sign_flip_p_value(with_ties, stream(0, "x"), 500) == sign_flip_p_value(
        moved, stream(0, "x"), 500
    )


# Numbers of people


def test_numbers_of_people_as_worked_by_hand():
    # z 1.959964 and 0.841621: (2.801585 * 1 / 0.5)^2 + 3.841459 / 2 = 31.395 + 1.921 = 33.3
    assert n_needed(1.0, 0.5) == 34
    assert n_needed(1.0, -0.5) == 34
    assert n_needed(2.0, 1.0) == 34
    # at 1 % and 90 %: z 2.575829 and 1.281552: (3.857381 / 0.5)^2 + 6.634897 / 2 = 62.83
    assert n_needed(1.0, 0.5, 0.01, 0.9) == 63
    # the 34th person more than fills it: a little less than 0.5 can be seen
    assert detectable(1.0, 34) == pytest.approx(2.801585 / math.sqrt(34 - 1.920729), rel=1e-6)


def test_numbers_of_people_at_the_ends():
    assert n_needed(1.0, 0.0) == math.inf
    assert n_needed(0.0, 0.1) == 6
    assert n_needed(1e300, 1e-300) == math.inf
    assert math.isnan(n_needed(math.nan, 0.1))
    assert math.isnan(n_needed(1.0, math.nan))
    assert math.isnan(detectable(1.0, 5))
    assert detectable(1.0, 6) > 1.0


@pytest.mark.parametrize(("level", "least"), [(0.5, 2), (0.25, 3), (0.05, 6), (0.01, 8)])
def test_of_fewer_people_no_p_value_falls_to_the_level(level, least):
    assert fewest(level) == least
    assert 2 ** (1 - least) <= level < 2 ** (2 - least)


@pytest.mark.parametrize("bad", [0.0, 1.0])
def test_level_and_power_lie_between_zero_and_one(bad):
    with pytest.raises(InvalidParameter, match="n_needed: level must be above 0 and below 1"):
        n_needed(1.0, 0.5, bad)
    with pytest.raises(InvalidParameter, match="n_needed: power must be above 0 and below 1"):
        n_needed(1.0, 0.5, 0.05, bad)


@given(st.floats(0.1, 10), st.floats(0.01, 1), st.floats(0.001, 0.2), st.floats(0.5, 0.99))
def test_what_needs_n_people_is_seen_by_them_and_not_by_one_less(spread, effect, level, power):
    n = n_needed(spread, effect, level, power)
    assert detectable(spread, n, level, power) <= effect * (1 + 1e-9)
    if n > fewest(level):
        assert not detectable(spread, n - 1, level, power) <= effect * (1 - 1e-9)


def normal(rng, shape):
    return 0.5 + rng.standard_normal(shape), 1.0, 0.5


def hits(rng, shape):
    """Differences of hit rates: 20 % gained, 10 % lost, the rest the same."""
    drawn = rng.choice([1.0, 0.0, -1.0], size=shape, p=[0.2, 0.7, 0.1])
    return drawn, math.sqrt(0.3 - 0.01), 0.1


def skewed(rng, shape):
    """Differences of two exponentials of unequal means: long tails, to one side more."""
    drawn = 1.3 * rng.standard_exponential(shape) - rng.standard_exponential(shape)
    return drawn, math.sqrt(1.3**2 + 1), 0.3


@pytest.mark.slow
@pytest.mark.parametrize("differences", [normal, hits, skewed])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_so_many_people_show_the_effect_in_four_of_five_cases(rng, differences, level):
    """2,000 simulated studies each: 0.80 to within 0.035, which is 3.9 standard errors, or 1e-4."""
    _, spread, effect = differences(rng, 1)
    n = int(n_needed(spread, effect, level))
    drawn = differences(rng, (2000, n))[0]
    shown = np.mean([sign_flip_p_value(row, rng, 999) <= level for row in drawn])
    assert shown == pytest.approx(0.8, abs=0.035)
