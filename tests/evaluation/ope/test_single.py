"""Single choices: hand-worked numbers, exact expectations by enumeration, the public anchors."""

from itertools import product

import numpy as np
import pytest

from recloop.evaluation.ope import Rounds, embedded, single
from recloop.evaluation.ope.estimate import Estimate

LOGGING = np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
TARGET = np.array([[0.1, 0.6, 0.3], [0.5, 0.4, 0.1]])
MEANS = np.array([[1.0, 2.0, 4.0], [0.5, -1.0, 3.0]])
Q = np.array([[0.0, 1.0, 1.0], [2.0, 0.0, -1.0]])
TRUTH = float((TARGET * MEANS).sum(axis=1).mean())


def rounds(actions=(1, 0), rewards=(2.0, 6.0), **more) -> Rounds:
    actions = np.array(actions)
    given = {
        "propensities": LOGGING[[0, 1], actions],
        "target": TARGET,
        "logging": LOGGING,
    } | more
    return Rounds(actions, np.array(rewards), **given)


def expectation(estimator) -> float:
    """Over every way in which two rows, one a context, can come out; each reward is mean ± 1."""
    total = 0.0
    for a, b in product(range(3), repeat=2):
        for up, down in product((-1.0, 1.0), repeat=2):
            log = rounds((a, b), (MEANS[0, a] + up, MEANS[1, b] + down))
            total += LOGGING[0, a] * LOGGING[1, b] / 4 * estimator(log).value
    return total


# weights 0.6 / 0.25 = 2.4 and 0.5 / 0.2 = 2.5; E_pi q = 0.6 + 0.3 = 0.9 and 1.0 - 0.1 = 0.9;
# r - q = 1 and 4
@pytest.mark.parametrize(
    ("estimator", "value"),
    [
        (single.ips, (2.4 * 2 + 2.5 * 6) / 2),
        (lambda log: single.clipped_ips(log, at=2.45), (2.4 * 2 + 2.45 * 6) / 2),
        (single.snips, (4.8 + 15) / 4.9),
        (lambda log: single.clipped_snips(log, at=2.45), (4.8 + 14.7) / 4.85),
        (lambda log: single.dm(log, Q), 0.9),
        (lambda log: single.dr(log, Q), 0.9 + (2.4 + 10) / 2),
        (lambda log: single.sndr(log, Q), 0.9 + 12.4 / 4.9),
        (lambda log: single.switch_dr(log, Q, at=2.4), 0.9 + 2.4 / 2),
        (lambda log: single.dros(log, Q, shrink=2.0),
         0.9 + (4.8 / 7.76 + 4 * 5 / 8.25) / 2),
        (lambda log: single.sub_gaussian_ips(log, power=0.5),
         (2.4 / 1.7 * 2 + 2.5 / 1.75 * 6) / 2),
        (lambda log: single.sub_gaussian_dr(log, Q, power=0.5),
         0.9 + (2.4 / 1.7 + 4 * 2.5 / 1.75) / 2),
        (lambda log: single.mrdr(log, Q), 0.9 + 6.2),
        # items 0 and 2 together: row 0 shows item 1, row 1 item 0: 0.6 / 0.25 and 0.6 / 0.8
        (lambda log: embedded.mips(log, [0, 1, 0]), (2.4 * 2 + 0.75 * 6) / 2),
        (lambda log: embedded.offcem(log, Q, [0, 1, 0]), 0.9 + (2.4 + 0.75 * 4) / 2),
    ],
)  # fmt: skip
def test_an_estimate_is_what_the_formula_gives_by_hand(estimator, value):
    assert estimator(rounds()).value == pytest.approx(value, abs=1e-12)


def test_replay_averages_the_rows_in_which_the_policy_does_the_same():
    log = Rounds(
        np.array([0, 1, 1]),
        np.array([5.0, 2.0, 8.0]),
        np.full(3, 0.5),
        np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
    )
    assert single.replay(log).value == pytest.approx(3.5)


def test_replay_refuses_a_log_of_uneven_choices():
    with pytest.raises(ValueError, match=r"propensities must be equal in all rows.*0\.2 at row 1"):
        single.replay(rounds())


@pytest.mark.parametrize(
    "estimator",
    [
        single.ips,
        lambda log: single.dr(log, Q),
        lambda log: single.mrdr(log, Q),
        lambda log: single.switch_dr(log, Q, at=np.inf),
        lambda log: single.dros(log, Q, shrink=np.inf),
        lambda log: single.sub_gaussian_dr(log, Q, power=0.0),
    ],
)
def test_the_expectation_over_all_logs_is_the_truth(estimator):
    assert expectation(estimator) == pytest.approx(TRUTH, abs=1e-12)


def test_the_enumeration_notices_an_estimator_that_is_biased():
    assert abs(expectation(lambda log: single.clipped_ips(log, at=1.5)) - TRUTH) > 0.1


@pytest.mark.parametrize(
    "estimator",
    [
        lambda log: single.dm(log, MEANS),
        lambda log: single.switch_dr(log, MEANS, at=0.7),
        lambda log: single.dros(log, MEANS, shrink=1.0),
        lambda log: single.sub_gaussian_dr(log, MEANS, power=0.3),
    ],
)
def test_a_right_model_makes_biased_weights_right_in_expectation(estimator):
    assert expectation(estimator) == pytest.approx(TRUTH, abs=1e-12)


def test_mips_is_exact_where_the_reward_depends_on_the_cluster_alone():
    flat = np.array([[1.0, 2.0, 1.0], [0.5, -1.0, 0.5]])
    total = sum(
        LOGGING[0, a] * LOGGING[1, b]
        * embedded.mips(rounds((a, b), (flat[0, a], flat[1, b])), [0, 1, 0]).value
        for a, b in product(range(3), repeat=2)
    )  # fmt: skip
    assert total == pytest.approx((TARGET * flat).sum(axis=1).mean(), abs=1e-12)


def test_offcem_is_exact_where_the_model_knows_differences_within_a_cluster():
    wrong_by_cluster = MEANS + np.array([[3.0, -2.0, 3.0], [1.0, 7.0, 1.0]])
    value = expectation(lambda log: embedded.offcem(log, wrong_by_cluster, [0, 1, 0]))
    assert value == pytest.approx(TRUTH, abs=1e-12)


def test_embeddings_of_several_dimensions_are_weighed_jointly():
    """Two dimensions that always go together are one: a product of ratios would square it."""
    codes = embedded.joint_codes([[0, 5], [1, 7], [0, 5]])
    assert codes.tolist() == [0, 1, 0]
    log = rounds()
    by_joint = embedded.mips(log, codes).weights
    assert by_joint == pytest.approx(np.array([2.4, 0.75]))


def test_drawn_embeddings_weigh_by_their_own_chance():
    chances = np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    weights = embedded.embedding_weights(rounds(), chances, np.array([0, 1]))
    # row 0, e = 0: pi 0.05 + 0.6, b 0.25 + 0.25; row 1, e = 1: pi 0.25 + 0.1, b 0.1 + 0.6
    assert weights == pytest.approx(np.array([0.65 / 0.5, 0.35 / 0.7]))


def test_mrdr_weights_are_the_squared_ratio_times_the_chance_of_another_item():
    assert single.mrdr_weights(rounds()) == pytest.approx(np.array([2.4**2 * 0.75, 2.5**2 * 0.8]))


def test_the_policy_that_logged_is_worth_the_logged_mean(rng):
    n = 500
    logging = rng.dirichlet(np.ones(6), size=n)
    actions = np.array([rng.choice(6, p=p) for p in logging])
    rewards = rng.normal(size=n)
    q = rng.normal(size=(n, 6))
    log = Rounds(actions, rewards, logging[np.arange(n), actions], logging, logging)
    mean = rewards.mean()
    assert single.ips(log).value == pytest.approx(mean, abs=1e-12)
    assert single.snips(log).value == pytest.approx(mean, abs=1e-12)
    gap = ((logging * q).sum(axis=1) - q[np.arange(n), actions]).mean()
    assert single.dr(log, q).value - mean == pytest.approx(gap, abs=1e-12)
    assert single.dr(log, np.full((n, 6), 3.0)).value == pytest.approx(mean, abs=1e-12)


def test_a_target_of_the_items_taken_alone_gives_the_same_weights():
    alone = rounds(target=TARGET[[0, 1], [1, 0]], logging=None)
    assert single.ips(alone).value == pytest.approx(single.ips(rounds()).value)
    with pytest.raises(ValueError, match="dm: needs target of every item"):
        single.dm(alone, Q)


def test_a_target_by_position_is_read_at_the_place_of_the_row():
    by_place = np.stack([np.full((2, 3), 1 / 3), TARGET], axis=2)
    log = rounds(target=by_place, positions=np.array([1, 0]))
    assert log.weights == pytest.approx(np.array([0.6 / 0.25, 1 / 3 / 0.2]))


def test_terms_average_to_the_value_and_a_ratio_has_linearised_ones():
    plain, by_ratio = single.ips(rounds()), single.snips(rounds())
    assert plain.terms == pytest.approx(np.array([4.8, 15.0]))
    assert by_ratio.terms.mean() == pytest.approx(by_ratio.value)
    r = by_ratio.value  # term = r + w (reward - r) / mean(w)
    assert by_ratio.terms == pytest.approx(r + np.array([2.4 * (2 - r), 2.5 * (6 - r)]) / 2.45)


def test_biased_estimators_say_what_their_interval_is():
    assert single.dm(rounds(), Q).interval_name == "sampling interval (bias not included)"
    assert single.switch_dr(rounds(), Q, at=2).bias == "unknown"
    assert single.ips(rounds()).interval_name == "confidence interval"


def test_the_clipped_mass_is_the_share_of_weight_above_the_cut():
    assert single.clipped_mass(rounds(), 2.0) == pytest.approx(0.9 / 4.9)


def test_no_estimator_changes_what_it_is_given():
    target, q, given = TARGET.copy(), Q.copy(), LOGGING.copy()
    log = rounds(target=target, logging=given)
    for estimate in (single.dr(log, q), single.switch_dr(log, q, at=1), single.sndr(log, q)):
        assert isinstance(estimate, Estimate)
    assert (target == TARGET).all()
    assert (q == Q).all()
    assert (given == LOGGING).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rewards": [1.0, np.nan]}, r"rewards must be finite numbers, got nan at row 1"),
        ({"rewards": [np.inf, 1.0]}, r"rewards must be finite numbers, got inf at row 0"),
        ({"rewards": [1.0]}, r"actions must have shape \(1\), got \(2,\)"),
        ({"rewards": []}, r"at least one row, got 0"),
        ({"rewards": ["a", "b"]}, r"rewards must be numbers"),
        ({"rewards": [[1.0, 2.0]]}, r"rewards must have shape \(any\)"),
        ({"propensities": [0.5, np.nan]}, r"propensities must be finite numbers, got nan at row 1"),
        ({"propensities": [0.0, 0.5]}, r"propensities must be .* above 0.*0\.0 at row 0"),
        ({"propensities": [0.5, 1.7]}, r"propensities must be .* above 0.*1\.7 at row 1"),
        ({"propensities": [-0.2, 0.5]}, r"got -0\.2 at row 0"),
        ({"propensities": [0.5]}, r"propensities must have shape \(2\)"),
        ({"target": [[0.5, 0.6, 0.1], [1, 0, 0]]}, r"sums of target must be 1.*1\.2.* at row 0"),
        ({"target": [[1.2, -0.2, 0], [1, 0, 0]]}, r"target must be probabilities.*row 0, column 0"),
        ({"target": [[1, 0, 0], [1, np.nan, 0]]}, r"target must be finite.*row 1, column 1"),
        ({"target": [[1, 0, 0]]}, r"target must have shape \(2, any\)"),
        ({"target": 0.5}, r"target must have shape \(rows,\)"),
        ({"target": [0.5, 1.5]}, r"target must be probabilities.*1\.5 at row 1"),
        ({"target": np.full((2, 3, 2), 1 / 3)}, r"needs positions"),
        ({"target": np.full((2, 3, 2), 1 / 3), "positions": [0, 2]},
         r"positions must be a code between 0 and 1, got 2 at row 1"),
        ({"actions": [0, 3]}, r"actions must be a code between 0 and 2, got 3 at row 1"),
        ({"actions": [-1, 0]}, r"actions must be .* got -1 at row 0"),
        ({"actions": [0.0, 1.0]}, r"actions must be whole numbers"),
        ({"actions": ["x", "y"]}, r"actions must be whole numbers"),
        ({"logging": [[0.5, 0.5, 0.5], [1, 0, 0]]}, r"sums of logging must be 1"),
        ({"logging": [[0.8, 0.1, 0.1], [0.2, 0.2, 0.6]]},
         r"propensities must be what logging says of the item shown, got 0\.25 at row 0"),
        ({"ids": ["d", "d"]}, r"ids must be different in every row, got d at row 1"),
        ({"positions": [-1, 0]}, r"positions must be a code of at least 0, got -1 at row 0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_field_row_and_value(changed, said):
    given = {
        "actions": [1, 0],
        "rewards": [2.0, 6.0],
        "propensities": [0.25, 0.2],
        "target": TARGET,
    } | changed
    with pytest.raises(ValueError, match=said):
        Rounds(**{name: np.asarray(value) for name, value in given.items()})


@pytest.mark.parametrize(
    ("q", "said"),
    [
        (Q[:1], r"q must have shape \(2, 3\)"),
        (np.array([[0, 0, 0], [0, np.nan, 0]]), r"q must be finite numbers, got nan at row 1"),
    ],
)
def test_a_bad_model_is_refused(q, said):
    with pytest.raises(ValueError, match=said):
        single.dr(rounds(), q)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: single.clipped_ips(rounds(), at=0), r"clipped_ips: at must be a number above 0"),
        (lambda: single.switch_dr(rounds(), Q, at=-1), r"switch_dr: at must be .* at least 0"),
        (lambda: single.dros(rounds(), Q, shrink=np.nan), r"dros: shrink must be"),
        (lambda: single.sub_gaussian_ips(rounds(), power=2), r"power must be between 0 and 1"),
    ],
)
def test_a_bad_setting_is_refused(act, said):
    with pytest.raises(ValueError, match=said):
        act()


def test_a_ratio_without_any_weight_is_refused():
    log = rounds(target=np.array([[1.0, 0, 0], [0, 0, 1.0]]))
    with pytest.raises(ValueError, match="snips: the weights must have a sum above 0"):
        single.snips(log)


@pytest.mark.real
@pytest.mark.parametrize(
    ("campaign", "n_items", "ips", "snips", "error", "clipped"),
    [
        ("all", 80, "0.002360", "0.002334", "0.000871", "0.002418"),
        ("men", 34, "0.003009", "0.003189", "0.000774", "0.003217"),
    ],
)
def test_the_uniform_policy_on_the_open_bandit_sample_equals_the_anchors(
    real_data, campaign, n_items, ips, snips, error, clipped
):
    from recloop.decisions import read_open_bandit
    from recloop.evaluation.ope import diagnose, judged

    log = read_open_bandit(real_data / "obd" / "bts" / campaign).decisions
    uniform = np.full((len(log), n_items), 1 / n_items)
    found = Rounds(log.items, log.rewards, log.propensities, uniform)  # type: ignore[arg-type]
    estimate = judged(single.ips(found), rounds=found)
    assert isinstance(estimate, Estimate)
    assert f"{estimate.value:.6f}" == ips
    assert f"{found.weights.std() and (found.weights * found.rewards).std() / 100:.6f}" == error
    assert f"{single.snips(found).value:.6f}" == snips
    assert f"{single.clipped_snips(found, at=100).value:.6f}" == clipped
    assert f"{single.clipped_ips(found, at=100).value:.6f}" == ips
    assert diagnose(found.weights).effective_rows == pytest.approx(
        {"all": 340.4, "men": 655.7}[campaign], abs=0.05
    )
