"""The answer is no number where the log cannot give one, and says why."""

import numpy as np
import pytest

from recloop.evaluation.ope import Floors, Rounds, Unreliable, diagnose, judged, single
from recloop.evaluation.ope.diagnostics import (
    balance,
    by_slot,
    calibration,
    conflict,
    effective_rows,
    unsupported_mass,
)
from recloop.evaluation.ope.estimate import average


def test_the_effective_sample_size_by_hand():
    assert effective_rows(np.array([1.0, 1.0, 1.0, 1.0])) == 4
    assert effective_rows(np.array([1.0, 3.0])) == pytest.approx(16 / 10)
    assert effective_rows(np.zeros(3)) == 0


def test_the_numbers_of_the_weights_by_hand():
    found = diagnose(np.array([0.0, 1.0, 1.0, 4.0]))
    assert found.mean_weight == 1.5
    assert found.max_weight == 4
    assert found.max_share == pytest.approx(4 / 6)
    assert found.z == pytest.approx(0.5 / (np.sqrt(3.0) / 2))
    assert found.quantiles["50%"] == 1
    assert np.isnan(found.unsupported)


def log_of(propensities, target_taken) -> Rounds:
    n = len(propensities)
    return Rounds(np.zeros(n, np.int64), np.ones(n), np.array(propensities), np.array(target_taken))


def test_a_log_whose_effective_sample_size_is_two_of_ten_thousand_is_refused():
    propensities = np.full(10_000, 0.5)
    propensities[:2] = 1e-5
    found = judged(single.ips(log_of(propensities, np.full(10_000, 0.05))))
    assert isinstance(found, Unreliable)
    assert found.diagnostics.effective_rows == pytest.approx(2.4, abs=0.1)
    assert "effective sample size is 2.4 of 10,000 rows, the floor 100" in str(found)
    assert "more exploration" in str(found)
    assert not hasattr(found, "value")


def test_one_weight_above_a_tenth_of_the_sum_is_refused():
    propensities = np.full(1000, 0.5)
    propensities[0] = 0.5 / 150
    found = judged(single.ips(log_of(propensities, np.full(1000, 0.5))), Floors(least_rows=1))
    assert isinstance(found, Unreliable)
    assert any("one row has 13% of all weight" in reason for reason in found.reasons)


def test_propensities_that_are_wrong_are_noticed_by_the_mean_of_the_weights(rng):
    truth = np.array([0.7, 0.3])
    actions = rng.choice(2, size=3000, p=truth)
    target = np.broadcast_to([0.5, 0.5], (3000, 2))
    right = Rounds(actions, np.ones(3000), truth[actions], target)
    wrong = Rounds(actions, np.ones(3000), np.array([0.5, 0.5])[actions] * 0.8, target)
    assert not isinstance(judged(single.ips(right), rounds=right), Unreliable)
    found = judged(single.ips(wrong), rounds=wrong)
    assert isinstance(found, Unreliable)
    assert "check that the logged propensities" in str(found)


def test_mass_that_the_log_never_shows_is_refused_for_a_model_too():
    n = 400
    actions = np.arange(n) % 2
    logging = np.broadcast_to([0.5, 0.5, 0.0], (n, 3))
    target = np.broadcast_to([0.49, 0.49, 0.02], (n, 3))
    log = Rounds(actions, np.ones(n), np.full(n, 0.5), target, logging)
    assert unsupported_mass(log) == pytest.approx(0.02)
    found = judged(single.dm(log, np.zeros((n, 3))), rounds=log)
    assert isinstance(found, Unreliable)
    assert found.reasons == ("2.0% of what the policy would do is never in the log",)


def test_support_is_judged_by_what_was_shown_where_logging_is_not_known():
    log = Rounds(np.array([0, 1]), np.ones(2), np.full(2, 0.5), np.array([[0.2, 0.3, 0.5]] * 2))
    assert unsupported_mass(log) == pytest.approx(0.5)


def test_floors_can_be_lowered():
    log = log_of(np.full(10, 0.5), np.full(10, 0.5))
    assert isinstance(judged(single.ips(log)), Unreliable)
    assert judged(single.ips(log), Floors(least_rows=5)).value == 1  # type: ignore[union-attr]


def test_a_cut_of_the_weights_does_not_hide_what_was_cut():
    propensities = np.full(10_000, 0.5)
    propensities[:2] = 1e-5
    log = log_of(propensities, np.full(10_000, 0.05))
    cut = judged(single.clipped_ips(log, at=1.0), rounds=log, weights=log.weights)
    assert isinstance(cut, Unreliable)


def test_calibration_tells_right_from_wrong_probabilities(rng):
    logging = rng.dirichlet(np.ones(5), size=4000)
    actions = (logging.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    flat = np.full((4000, 5), 0.2)

    def error(probabilities):
        taken = probabilities[np.arange(4000), actions]
        return calibration(Rounds(actions, np.ones(4000), taken, flat, probabilities)).error

    assert error(logging) < 0.06
    sharper = logging**2 / (logging**2).sum(axis=1, keepdims=True)
    assert error(sharper) > 0.12


def test_calibration_by_hand():
    logging = np.array([[0.25, 0.75]] * 4)
    log = Rounds(np.array([1, 1, 1, 1]), np.ones(4), np.full(4, 0.75), logging, logging)
    found = calibration(log, n_bins=1)
    assert (found.predicted[0], found.observed[0], found.counts[0]) == (0.5, 0.5, 8)
    assert found.error == 0


def test_the_balance_of_items_by_hand():
    """Item 0 in two of four rows with 0.5, item 1 with 0.25 and 0.5, item 2 never."""
    log = Rounds(np.array([0, 0, 1, 1]), np.ones(4), np.array([0.5, 0.5, 0.25, 0.5]), np.ones(4))
    found = balance(log, 3)
    assert found.mean.tolist() == [1.0, 1.5, 0.0]
    assert found.z[0] == 0
    assert found.z[1] == pytest.approx(0.5 / (np.std([0, 0, 4, 2], ddof=1) / 2))
    assert np.isnan(found.z[2])
    assert found.worst == found.z[1]


def test_the_balance_tells_right_from_wrong_propensities(rng):
    """Five items: |z| of a right one is above 4 in one run of 3,000."""
    chances = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    actions = rng.choice(5, size=4000, p=chances)
    right = Rounds(actions, np.ones(4000), chances[actions], np.ones(4000))
    assert balance(right, 5).worst < 4
    swapped = chances[[0, 1, 2, 4, 3]]
    wrong = Rounds(actions, np.ones(4000), swapped[actions], np.ones(4000))
    assert balance(wrong, 5).worst > 4


def test_each_slot_has_its_own_diagnosis():
    found = by_slot(np.array([1.0, 1.0, 3.0]), np.array([0, 0, 2]))
    assert list(found) == [0, 2]
    assert found[2].max_weight == 3


def test_estimates_that_differ_beyond_chance_are_in_conflict(rng):
    rows = rng.normal(size=1000)
    assert abs(conflict(average("a", rows), average("b", rows + rng.normal(size=1000)))) < 4
    assert conflict(average("a", rows + 1), average("b", rows + rng.normal(size=1000))) > 4


def test_the_policy_that_logged_has_weights_of_one_and_no_z():
    found = diagnose(np.ones(100))
    assert (found.z, found.effective_rows) == (0, 100)
