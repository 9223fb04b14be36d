"""A log read as sequences: who belongs together, and what a session is worth."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.ope.logs import log_of
from recloop.evaluation.ope import OffPolicyEvaluator, Trajectories, marginal, uniform_target
from recloop.evaluation.ope.sessions import sessions_of


def by_hand():
    """Person 0: rows 1, 0, 4, a long break, 3. Person 1: row 2."""
    return log_of(
        [0, 1, 1, 0, 1],
        [0.5, 0.25, 0.5, 0.5, 0.5],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        users=np.array([0, 0, 1, 0, 0]),
        timestamps=np.array([20.0, 10.0, 15.0, 2000.0, 120.0]),
    )


def test_a_session_is_what_a_person_did_without_a_break():
    assert sessions_of(by_hand(), 100.0).rows.tolist() == [[1, 0, 4], [3, -1, -1], [2, -1, -1]]
    assert sessions_of(by_hand(), 99.0).rows.tolist() == [[1, 0], [4, -1], [3, -1], [2, -1]]
    assert sessions_of(by_hand(), 1e9).rows[0].tolist() == [1, 0, 4, 3]


def test_equal_times_keep_the_order_of_the_log():
    log = replace(by_hand(), timestamps=np.zeros(5))
    assert sessions_of(log).rows.tolist() == [[0, 1, 3, 4], [2, -1, -1, -1]]


def test_the_value_of_a_session_by_hand():
    target = np.tile([0.25, 0.75], (5, 1))
    # ratios by row: 0.5, 3, 1.5, 0.5, 1.5; sessions of 100 s, discount 0.5
    first = 3 * 2 + 0.5 * 1.5 * 1 + 0.25 * 2.25 * 5
    judge = OffPolicyEvaluator(by_hand(), 2, force=True)
    rows = judge.evaluate_sessions(target, gap_s=100, discount=0.5)
    found = {row.estimator: row.value for row in rows}
    assert found["per_decision_is"] == pytest.approx((first + 0.5 * 4 + 1.5 * 3) / 3)
    whole = 2.25 * (2 + 0.5 + 1.25)
    assert found["trajectory_is"] == pytest.approx((whole + 2 + 4.5) / 3)
    assert found["weighted_trajectory_is"] == pytest.approx((whole + 2 + 4.5) / 4.25)
    later = 0.5 * 1.5 / (1.5 + 0.5 + 1.5) + 0.25 * 2.25 * 5 / (2.25 + 0.5 + 1.5)
    assert found["weighted_per_decision_is"] == pytest.approx((6 + 2 + 4.5) / 5 + later)


def test_slates_of_a_session_count_as_a_whole():
    log = log_of([0, 1, 1, 0], [0.5, 1, 0.5, 1], [1.0, 2.0, 3.0, 4.0], [2, 2])
    target = np.array([[0.25, 1.0], [0.75, 1.0]])
    judge = OffPolicyEvaluator(log, 2, force=True)
    (row,) = judge.evaluate_sessions(target, ["per_decision_is"])
    assert row.value == pytest.approx(0.5 * 3 + 0.75 * 7)


def process(rng, n=3000):
    """Three steps; item 1 earns 1 with chance 0.6, item 0 with 0.2; each logged half the time."""
    items = rng.integers(2, size=3 * n)
    rewards = (rng.random(3 * n) < np.where(items == 1, 0.6, 0.2)).astype(float)
    return log_of(items, np.full(3 * n, 0.5), rewards, users=np.repeat(np.arange(n), 3),
                  contexts=rng.random((3 * n, 1)), context_names=("x",))  # fmt: skip


def test_models_of_the_return_find_the_value_of_a_session(rng):
    """4.5 standard errors; fqe has no error of its own and is held to the width of the others."""
    log = process(rng)
    target = np.tile([0.3, 0.7], (len(log), 1))
    truth = 3 * (0.3 * 0.2 + 0.7 * 0.6)
    found = OffPolicyEvaluator(log, 2).evaluate_sessions(target, reward_model="ridge")
    assert [row.estimator for row in found][4:] == [
        "fqe",
        "sequential_dr",
        "weighted_sequential_dr",
    ]
    errors = {row.estimator: row.standard_error for row in found}
    for row in found:
        assert row.value is not None
        wide = errors["sequential_dr" if row.estimator == "fqe" else row.estimator]
        assert abs(row.value - truth) < 4.5 * wide
    assert errors["sequential_dr"] < errors["per_decision_is"]
    fqe = found[4]
    assert fqe.interval_name == "sampling interval (bias not included)"


def test_a_log_of_the_policy_itself_gives_the_mean_of_sessions(rng):
    log = process(rng, 60)
    rows = OffPolicyEvaluator(log, 2).evaluate_sessions(uniform_target(log, 2))
    for row in rows:
        assert row.value == pytest.approx(log.rewards.sum() / 60, abs=1e-12)


def test_no_sequence_is_judged_by_a_model_that_saw_it(rng):
    class Memory:
        def fit(self, x, y):
            self.seen = set(x[:, 0].tolist())

        def predict(self, x):
            return np.array([7.0 if key in self.seen else 0.0 for key in x[:, 0].tolist()])

    n = 12
    log = Trajectories(
        np.ones((n, 2)), np.full((n, 2), 0.5), np.full((n, 2), 0.5),
        actions=np.zeros((n, 2), int),
    )  # fmt: skip
    features = np.tile(np.arange(float(n))[:, None, None], (1, 2, 1))
    target = np.full((n, 2, 2), 0.5)
    found = marginal.cross_fitted_q(log, Memory(), features, target, 2, rng)
    assert (found.q_taken == 0).all()
    assert (found.v == 0).all()
    whole = marginal.fitted_q_with(log, Memory(), features, target, 2)
    assert (whole.q_taken == 7).all()


def test_mistakes_are_named(rng):
    log = process(rng, 20)
    judge = OffPolicyEvaluator(log, 2)
    with pytest.raises(ValueError, match="sequential_dr: needs reward_model beside a target"):
        judge.evaluate_sessions(uniform_target(log, 2), ["sequential_dr"])
    with pytest.raises(ValueError, match="No estimator of sessions named 'ips'"):
        judge.evaluate_sessions(uniform_target(log, 2), ["ips"])
    with pytest.raises(ValueError, match="gap_s must be"):
        judge.evaluate_sessions(uniform_target(log, 2), gap_s=-1)
    few = log.rows(slice(0, 6))
    with pytest.raises(ValueError, match=r"the number of sequences must be .* at least 3, got 2"):
        OffPolicyEvaluator(few, 2).evaluate_sessions(uniform_target(few, 2), reward_model="ridge")
