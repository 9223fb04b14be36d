"""Temporal-difference equations, worked out by hand."""

import pytest

from recloop.models import td


def test_the_expected_value_mixes_maximum_and_mean():
    # 0.8 * 5 + 0.2 * 2
    assert td.expected_value(5.0, 2.0, 0.2) == pytest.approx(4.4)


@pytest.mark.parametrize(
    ("rule", "is_named", "value"),
    [
        (td.GREEDY, True, 5.0),
        (td.GREEDY, False, 5.0),
        (td.SAMPLED, True, 3.0),
        (td.SAMPLED, False, 4.4),  # the action is not known: the policy's average
        (td.EXPECTED, True, 4.4),
        (td.DOUBLE, True, 3.0),
    ],
)
def test_what_follows_is_worth_what_the_rule_says(rule, is_named, value):
    found = td.next_value(rule, 5.0, 2.0, 3.0, is_named, 0.2)
    assert found == pytest.approx(value)


def test_the_target_is_reward_plus_discounted_value_and_the_error_its_distance():
    assert td.td_target(1.0, 0.5, 3.0) == 2.5
    assert td.td_target(1.0, 0.0, 3.0) == 1.0
    assert td.td_error(2.5, 4.0) == -1.5


def test_the_rules_are_four_different_ones():
    assert len({td.GREEDY, td.SAMPLED, td.EXPECTED, td.DOUBLE}) == 4
