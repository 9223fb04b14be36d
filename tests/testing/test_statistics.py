"""Statistics against published numbers, and the rates that they promise."""

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.testing import chi_square_p_value, mean_interval, sign_test_p_value
from recloop.testing.statistics import Interval
from recloop.utils.seeding import stream

# chi-square


def test_a_fair_die_that_gave_these_sixty_throws_has_this_p_value():
    # deviations 5, 2, 1, 2, 0, 10 of 10 expected: (25 + 4 + 1 + 4 + 0 + 100) / 10 = 13.4 with 5
    # degrees of freedom; tables give P(X > 13.388) = 0.02
    p_value = chi_square_p_value([5, 8, 9, 8, 10, 20], [1 / 6] * 6)
    assert p_value == pytest.approx(0.0199, abs=1e-4)


def test_counts_as_expected_have_a_p_value_of_one():
    assert chi_square_p_value([30, 70], [0.3, 0.7]) == 1.0


def test_one_degree_of_freedom_is_the_squared_normal():
    # 60 heads of 100: z = 2, and P(|Z| > 2) = 0.0455
    assert chi_square_p_value([60, 40], [0.5, 0.5]) == pytest.approx(0.0455, abs=1e-4)


def test_a_draw_that_cannot_happen_is_never_accepted():
    assert chi_square_p_value([100, 1], [1.0, 0.0]) == 0.0


def test_a_certain_draw_is_accepted():
    assert chi_square_p_value([100, 0], [1.0, 0.0]) == 1.0


def test_cells_that_expect_less_than_five_draws_are_joined():
    # 2 + 3 draws expected in the small cells, 95 in the large one: together (8 - 5)^2 / 5 +
    # (92 - 95)^2 / 95 = 1.8947 with one degree of freedom, P(X > 1.8947) = 0.1687
    assert chi_square_p_value([4, 4, 92], [0.02, 0.03, 0.95]) == pytest.approx(0.1687, abs=1e-4)


def test_joined_cells_that_still_expect_too_little_take_the_next_one_in():
    # 1 + 2 expected is still below 5, so that the cell of 17 joins: 20 against 80 expected
    # (25 - 20)^2 / 20 + (75 - 80)^2 / 80 = 1.5625, P(X > 1.5625) = 0.2113
    counts, chances = [2, 4, 19, 75], [0.01, 0.02, 0.17, 0.80]
    assert chi_square_p_value(counts, chances) == pytest.approx(0.2113, abs=1e-4)


def test_a_cell_that_expects_exactly_five_stands_alone():
    # (8 - 5)^2 / 5 + (92 - 95)^2 / 95 as two cells
    assert chi_square_p_value([8, 92], [0.05, 0.95]) == pytest.approx(0.1687, abs=1e-4)


def test_too_few_draws_say_nothing():
    assert chi_square_p_value([1, 0, 1], [0.5, 0.3, 0.2]) == 1.0


def test_correct_draws_raise_a_false_alarm_as_often_as_stated():
    rng = stream(0, "false alarms of chi-square")
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    alarms = [chi_square_p_value(rng.multinomial(500, chances), chances) < 0.05 for _ in range(400)]
    # 400 trials at 0.05: 20 expected, deviation 4.4; 4 deviations on either side
    assert 3 <= sum(alarms) <= 37


def test_wrong_draws_are_noticed():
    rng = stream(0, "power of chi-square")
    drawn = rng.multinomial(20_000, [0.52, 0.48])
    assert chi_square_p_value(drawn, [0.5, 0.5]) < 0.001


# mean


def test_the_interval_of_a_mean_is_students():
    # mean 3, deviation sqrt(2.5), n = 5: error 0.7071, t(0.975, 4) = 2.7764: 3 -/+ 1.9633
    low, high = mean_interval([1, 2, 3, 4, 5], 0.05)
    assert (low, high) == pytest.approx((1.0367, 4.9633), abs=1e-4)


def test_the_default_misses_the_mean_once_in_a_thousand():
    # t(0.9995, 4) = 8.6103: 3 -/+ 6.0884
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((-3.0884, 9.0884), abs=1e-4)


def test_the_mean_lies_within_as_often_as_stated():
    rng = stream(0, "false alarms of the mean")
    misses = sum(2.0 not in mean_interval(rng.exponential(2.0, 300), 0.05) for _ in range(400))
    assert 3 <= misses <= 37


def test_both_ends_belong_to_an_interval():
    interval = Interval(1.0, 2.0)
    assert 1.0 in interval
    assert 2 in interval
    assert 0.999 not in interval
    assert 2.001 not in interval
    assert "1.5" not in interval


@pytest.mark.parametrize("rate", [0.0, 1.0, float("nan")])
def test_a_false_alarm_rate_lies_between_zero_and_one(rate):
    with pytest.raises(InvalidParameter, match=r"^mean_interval: false_alarm_rate must be above 0"):
        mean_interval([1.0, 2.0], rate)


# signs


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        ([1] * 8 + [-1] * 2, 2 * (45 + 10 + 1) / 1024),  # at least 8 of 10 on either side
        ([0.5] * 5, 2 / 32),
        ([-0.5] * 5, 2 / 32),
        ([1, -1], 1.0),
        ([0, 0, 3, 3, 3, 3, 3], 2 / 32),  # ties drop out
        ([0, 0], 1.0),
        ([], 1.0),
    ],
)
def test_gains_and_losses_are_counted_exactly(differences, p_value):
    assert sign_test_p_value(differences) == pytest.approx(p_value, abs=1e-12)
