"""Sequences: exact values of a tiny decision process, by enumeration and by many episodes."""

from itertools import product

import numpy as np
import pytest

from recloop.evaluation.ope import Trajectories, marginal, sequential

# Two states, two actions, three steps: where an action leads, what it earns
NEXT = np.array([[[0.8, 0.2], [0.3, 0.7]], [[0.5, 0.5], [0.1, 0.9]]])  # s, a, s'
REWARD = np.array([[1.0, 0.0], [0.0, 2.0]])
START = np.array([0.6, 0.4])
LOGGING = np.array([[0.5, 0.5], [0.7, 0.3]])
TARGET = np.array([[0.2, 0.8], [0.4, 0.6]])
DISCOUNT, STEPS = 0.9, 3


def exact(policy=TARGET, reward=REWARD, nxt=NEXT, start=START, steps=STEPS):
    """q (steps, S, A) and the value at the start, backwards."""
    v, tables = np.zeros(len(start)), []
    for _ in range(steps):
        q = reward + DISCOUNT * nxt @ v
        v = (policy * q).sum(axis=1)
        tables.append(q)
    return np.array(tables[::-1]), float(start @ v)


Q, TRUTH = exact()


def everything():
    """Every way in which three steps can go, and its probability under the logging policy."""
    paths, chances = [], []
    for s0, a0, s1, a1, s2, a2 in product(range(2), repeat=6):
        p = START[s0] * LOGGING[s0, a0] * NEXT[s0, a0, s1] * LOGGING[s1, a1]
        chances.append(p * NEXT[s1, a1, s2] * LOGGING[s2, a2])
        paths.append([(s0, a0), (s1, a1), (s2, a2)])
    return np.array(paths), np.array(chances)


PATHS, CHANCES = everything()


def trajectories(paths, target=TARGET, **more):
    s, a = paths[:, :, 0], paths[:, :, 1]
    given = {"rewards": REWARD[s, a], "propensities": LOGGING[s, a], "target_taken": target[s, a],
             "states": s, "actions": a, "discount": DISCOUNT} | more  # fmt: skip
    return Trajectories(**given)


ALL = trajectories(PATHS)
S, A = PATHS[:, :, 0], PATHS[:, :, 1]
Q_TAKEN = Q[np.arange(STEPS), S, A]
V = (TARGET * Q).sum(axis=2)[np.arange(STEPS), S]


@pytest.mark.parametrize(
    "estimator",
    [
        sequential.trajectory_is,
        sequential.per_decision_is,
        lambda log: sequential.sequential_dr(log, Q_TAKEN, V),
        lambda log: sequential.sequential_dr(log, Q_TAKEN + 3.0, V + 3.0),
    ],
)
def test_the_expectation_over_all_sequences_is_the_truth(estimator):
    assert CHANCES @ estimator(ALL).additive == pytest.approx(TRUTH, abs=1e-12)


def test_models_and_weights_that_are_both_wrong_are_noticed():
    log = trajectories(PATHS, propensities=np.full(S.shape, 0.5))
    assert abs(CHANCES @ sequential.per_decision_is(log).additive - TRUTH) > 0.05


def test_sequential_dr_with_a_wrong_policy_is_right_where_the_model_is():
    log = trajectories(PATHS, propensities=np.full(S.shape, 0.5))
    following = np.concatenate([V[:, 1:], np.zeros((len(V), 1))], axis=1)
    weights = np.full(S.shape, 1.7)
    by_drl = marginal.drl(log, marginal.Values(Q_TAKEN, V), weights)
    assert CHANCES @ by_drl.additive == pytest.approx(TRUTH, abs=1e-12)
    assert following.shape == V.shape


def by_hand():
    return Trajectories(
        rewards=np.array([[1.0, 2.0], [3.0, 4.0]]),
        propensities=np.array([[0.5, 0.5], [0.25, 0.5]]),
        target_taken=np.array([[0.25, 1.0], [0.5, 0.25]]),
        discount=0.5,
    )


def test_estimates_by_hand():
    log = by_hand()  # W: 0.5, 1 and 2, 1; returns 2 and 5
    assert sequential.trajectory_is(log).value == pytest.approx((2 + 5) / 2)
    assert sequential.weighted_trajectory_is(log).value == pytest.approx(7 / 2)
    assert sequential.per_decision_is(log).value == pytest.approx((0.5 + 1 + 6 + 2) / 2)
    weighted = sequential.weighted_per_decision_is(log)
    assert weighted.value == pytest.approx(6.5 / 2.5 + 0.5 * 6 / 2)
    q, v = np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[2.0, 3.0], [1.0, 1.0]])
    # row 0: 2 + .5*0 + .5*(1*(2-1) + .5*3); row 1: 1 + 2*(3-2) + .5*(1*4 + 2*1)
    assert sequential.sequential_dr(log, q, v).value == pytest.approx((3.25 + 6) / 2)
    # 1.5 + (.5*0 + 2*1)/2.5 + .5*(1*1 + 1*4)/2 + .5*(.5*3 + 2*1)/2.5
    doubly = sequential.weighted_sequential_dr(log, q, v)
    assert doubly.value == pytest.approx(1.5 + 0.8 + 1.25 + 0.7)


def test_steps_after_the_end_do_not_count_whatever_stands_there():
    long = by_hand()
    cut = Trajectories(
        rewards=np.array([[1.0, np.nan], [3.0, 4.0]]),
        propensities=np.array([[0.5, 0.0], [0.25, 0.5]]),
        target_taken=np.array([[0.25, 7.0], [0.5, 0.25]]),
        active=np.array([[True, False], [True, True]]),
        discount=0.5,
    )
    assert cut.weights.tolist() == [[0.5, 0.5], [2.0, 1.0]]
    assert sequential.per_decision_is(cut).value == pytest.approx((0.5 + 6 + 2) / 2)
    assert len(long) == 2


def test_the_policy_that_logged_is_worth_the_logged_mean():
    log = trajectories(PATHS, target=LOGGING)
    mean = log.returns.mean()
    for estimator in (
        sequential.trajectory_is,
        sequential.weighted_trajectory_is,
        sequential.per_decision_is,
        sequential.weighted_per_decision_is,
        lambda one: marginal.marginal_is(one, LOGGING),
        lambda one: sequential.sequential_dr(one, np.full(S.shape, 2.0), np.full(S.shape, 2.0)),
    ):
        assert estimator(log).value == pytest.approx(mean, abs=1e-12)
    q, v = Q_TAKEN, V
    gap = ((v - q) @ log.discounts).mean()
    found = sequential.sequential_dr(log, q, v).value
    assert found - mean == pytest.approx(gap, abs=1e-12)


def exact_log(n=100_000):
    """Sequences in the very proportions of their probabilities, so that averages are exact."""
    counts = np.rint(CHANCES * n).astype(int)
    return trajectories(np.repeat(PATHS, counts, axis=0))


def test_tabular_estimators_give_the_exact_value_of_a_log_in_exact_proportions():
    log = exact_log()
    values = marginal.fitted_q(log, TARGET)
    weights = marginal.marginal_weights(log, TARGET)
    assert marginal.fqe(log, values).value == pytest.approx(TRUTH, abs=1e-4)
    assert marginal.marginal_is(log, TARGET).value == pytest.approx(TRUTH, abs=1e-4)
    assert marginal.drl(log, values, weights).value == pytest.approx(TRUTH, abs=1e-4)
    assert values.q_taken == pytest.approx(Q[np.arange(3), log.states, log.actions], abs=1e-3)
    assert np.mean(weights, axis=0) == pytest.approx(np.ones(3), abs=1e-4)


def test_fitted_q_of_two_steps_by_hand():
    log = Trajectories(
        rewards=np.array([[0.0, 4.0], [0.0, 2.0], [1.0, 0.0]]),
        propensities=np.full((3, 2), 0.5),
        target_taken=np.full((3, 2), 0.5),
        active=np.array([[True, True], [True, True], [True, False]]),
        states=np.array([[0, 1], [0, 1], [0, 0]]),
        actions=np.array([[0, 1], [0, 0], [1, 0]]),
        discount=0.5,
    )
    found = marginal.fitted_q(log, np.array([[0.25, 0.75], [0.5, 0.5]]))
    # last step: q(1, 1) = 4, q(1, 0) = 2, v(1) = 3; first: q(0, 0) = 1.5, q(0, 1) = 1
    assert found.q_taken.tolist() == [[1.5, 4.0], [1.5, 2.0], [1.0, 0.0]]
    assert found.v.tolist() == [[1.125, 3.0], [1.125, 3.0], [1.125, 0.0]]


def test_fitted_q_with_a_regressor_that_keeps_a_mean_for_each_input_is_the_tabular_one(rng):
    sklearn = pytest.importorskip("sklearn.tree")
    log = trajectories(PATHS[rng.choice(len(PATHS), size=2000, p=CHANCES)])
    by_table = marginal.fitted_q(log, TARGET)
    states = np.eye(2)[log.states]
    tree = sklearn.DecisionTreeRegressor(random_state=0)
    by_tree = marginal.fitted_q_with(log, tree, states, TARGET[log.states], 2)
    assert by_tree.q_taken == pytest.approx(by_table.q_taken)
    assert by_tree.v == pytest.approx(by_table.v)
    assert not hasattr(tree, "tree_")  # the one given stays as it was


def test_marginal_weights_do_not_grow_with_the_length_of_a_sequence(rng):
    """20 steps: products of ratios have a few effective rows left, the marginal ones most."""
    n, steps = 3000, 20
    paths = walk(rng, n, steps, LOGGING, START, NEXT)
    log = trajectories(paths)
    product_rows = log.weights[:, -1].sum() ** 2 / (log.weights[:, -1] ** 2).sum()
    w = marginal.marginal_weights(log, TARGET)[:, -1]
    assert w.sum() ** 2 / (w**2).sum() > 10 * product_rows


def walk(rng, n, steps, policy, start, nxt):
    s = rng.choice(len(start), size=n, p=start)
    path = np.empty((n, steps, 2), dtype=np.int64)
    for t in range(steps):
        a = (policy[s].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        path[:, t, 0], path[:, t, 1] = s, a
        s = (nxt[s, a].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return path


def test_four_states_and_20000_episodes_give_the_exact_value_within_two_percent(rng):
    global_next = rng.dirichlet(np.ones(4), size=(4, 3))
    reward = rng.random((4, 3)) + 0.5
    start = np.array([0.4, 0.3, 0.2, 0.1])
    logging, target = rng.dirichlet(np.full(3, 4), size=4), rng.dirichlet(np.full(3, 4), size=4)
    q, value = exact(target, reward, global_next, start, steps=4)
    paths = walk(rng, 20_000, 4, logging, start, global_next)
    s, a = paths[:, :, 0], paths[:, :, 1]
    log = Trajectories(
        reward[s, a] + rng.normal(0, 0.5, size=s.shape),
        logging[s, a], target[s, a], states=s, actions=a, discount=DISCOUNT,
    )  # fmt: skip
    halves = np.arange(4), s
    v = (target * q).sum(axis=2)[halves]
    good = sequential.sequential_dr(log, q[np.arange(4), s, a] * 0.9, v * 0.9)
    assert good.value == pytest.approx(value, rel=0.02)
    assert good.standard_error < sequential.trajectory_is(log).standard_error / 2
    values, weights = marginal.fitted_q(log, target), marginal.marginal_weights(log, target)
    for found in (
        sequential.sequential_dr(log, *values),
        sequential.weighted_sequential_dr(log, *values),
        marginal.fqe(log, values),
        marginal.marginal_is(log, target),
        marginal.drl(log, values, weights),
    ):
        assert found.value == pytest.approx(value, rel=0.02)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rewards": np.empty((0, 2))}, "at least one of each"),
        ({"discount": 1.5}, "discount must be between 0 and 1"),
        ({"active": np.array([[False, True], [True, True]])}, "True up to the end"),
        ({"propensities": np.zeros((2, 2))}, r"propensities .* got 0\.0 at row 0, column 0"),
        ({"target_taken": np.full((2, 2), -1.0)}, r"target_taken must be .* got -1\.0 at row 0"),
        ({"rewards": np.array([[1.0, np.nan], [0, 0]])}, r"got nan at row 0, column 1"),
        ({"propensities": np.ones((2, 3))}, r"propensities must have shape \(2, 2\)"),
        ({"states": np.full((2, 2), -1)}, r"states must be .* got -1"),
    ],
)  # fmt: skip
def test_bad_sequences_are_refused(changed, said):
    given = {
        "rewards": np.ones((2, 2)),
        "propensities": np.full((2, 2), 0.5),
        "target_taken": np.full((2, 2), 0.5),
    } | changed
    with pytest.raises(ValueError, match=said):
        Trajectories(**given)


def test_tabular_estimators_ask_for_states():
    with pytest.raises(ValueError, match="fitted_q: needs states and actions"):
        marginal.fitted_q(by_hand(), TARGET)
