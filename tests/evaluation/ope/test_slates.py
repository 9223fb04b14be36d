"""Slates: exact expectations over every slate, under click models of which each is made for one."""

from itertools import permutations, product

import numpy as np
import pytest

from recloop.evaluation.ope import slates
from recloop.evaluation.ope.diagnostics import conflict
from recloop.evaluation.ope.slates import SlateRounds

N_ITEMS, K = 4, 3
ALL = np.array(list(permutations(range(N_ITEMS), K)))
BEHAVIOUR = np.array([1.0, 2.0, 0.5, 1.5])
POLICY = np.array([3.0, 1.0, 2.0, 0.4])
EFFECT = np.array([[1.0, 0.2, 0.4, 0.7], [0.3, 0.9, 0.1, 0.5], [0.6, 0.6, 0.2, 0.8]])


def conditional(strengths):
    """(slates, K) Plackett-Luce: each slot given those above."""
    picked = strengths[ALL]
    left = strengths.sum() - np.concatenate(
        [np.zeros((len(ALL), 1)), picked.cumsum(axis=1)[:, :-1]], axis=1
    )
    return picked / left


B, P = conditional(BEHAVIOUR), conditional(POLICY)
CHANCE, TARGET_CHANCE = B.prod(axis=1), P.prod(axis=1)


def marginals(chances):
    """(K, N_ITEMS) each item at each slot."""
    table = np.zeros((K, N_ITEMS))
    for slot in range(K):
        np.add.at(table[slot], ALL[:, slot], chances)
    return table


def additive(slate):
    return np.array([EFFECT[slot, item] for slot, item in enumerate(slate)])


def cascade(slate):
    """Each slot earns less the more its neighbours above earn."""
    own = additive(slate)
    return own * np.concatenate([[1.0], 1 - own.cumsum()[:-1] / 3])


def whole(slate):
    """A slot earns by what stands below it too."""
    own = additive(slate)
    return own * (1 + own[::-1])


REWARDS = {f.__name__: np.array([f(s) for s in ALL]) for f in (additive, cascade, whole)}


def truth(kind):
    return float(TARGET_CHANCE @ REWARDS[kind].sum(axis=1))


def log_of(kind, marginal=False):
    """Every slate once; the mean of rows times CHANCE is the expectation."""
    given, target = (B, P)
    if marginal:
        slots = np.arange(K)
        given, target = marginals(CHANCE)[slots, ALL], marginals(TARGET_CHANCE)[slots, ALL]
    return SlateRounds(REWARDS[kind], given, target)


def expected(estimate):
    return float(CHANCE @ estimate.additive)


@pytest.mark.parametrize("kind", ["additive", "cascade", "whole"])
def test_standard_ips_is_exact_under_every_click_model(kind):
    assert expected(slates.standard_ips(log_of(kind))) == pytest.approx(truth(kind), abs=1e-12)


@pytest.mark.parametrize(("kind", "right"), [("additive", 1), ("cascade", 1), ("whole", 0)])
def test_reward_interaction_ips_is_exact_where_slots_depend_on_those_above(kind, right):
    gap = abs(expected(slates.reward_interaction_ips(log_of(kind))) - truth(kind))
    assert (gap < 1e-12) == bool(right)


@pytest.mark.parametrize(("kind", "right"), [("additive", 1), ("cascade", 0), ("whole", 0)])
def test_independent_ips_is_exact_where_slots_depend_on_themselves_alone(kind, right):
    gap = abs(expected(slates.independent_ips(log_of(kind, marginal=True))) - truth(kind))
    assert (gap < 1e-12) == bool(right)


def model_of(kind, wrong=0.0):
    """The exact reward from each slot downwards, and its average over the policy's slot."""
    q, v = np.zeros((len(ALL), K)), np.zeros((len(ALL), K))
    for row, slate in enumerate(ALL):
        for k in range(K):
            for start, table in ((k + 1, q), (k, v)):
                same = (ALL[:, :start] == slate[:start]).all(axis=1)
                share = TARGET_CHANCE[same] / TARGET_CHANCE[same].sum()
                table[row, k] = share @ (REWARDS[kind][same][:, k:].sum(axis=1) + wrong * (k + 1))
    return q, v


@pytest.mark.parametrize("wrong", [0.0, 2.5])
def test_cascade_dr_is_exact_with_any_model_of_a_constant_error(wrong):
    estimate = slates.cascade_dr(log_of("cascade"), *model_of("cascade", wrong))
    assert expected(estimate) == pytest.approx(truth("cascade"), abs=1e-12)


def test_cascade_dr_with_the_true_model_has_no_spread_but_the_slates():
    """Rewards are certain here, so that every row is the truth itself."""
    estimate = slates.cascade_dr(log_of("cascade"), *model_of("cascade"))
    assert estimate.additive == pytest.approx(np.full(len(ALL), truth("cascade")))


def test_cascade_dr_with_a_model_of_zeros_is_reward_interaction_ips():
    none = np.zeros((len(ALL), K))
    by_dr = slates.cascade_dr(log_of("whole"), none, none)
    assert by_dr.additive == pytest.approx(slates.reward_interaction_ips(log_of("whole")).additive)


def pi_weights():
    return slates.pseudo_inverse_weights(
        ALL, marginals(TARGET_CHANCE), slates.slate_moments(ALL, CHANCE, N_ITEMS)
    )


@pytest.mark.parametrize(("kind", "right"), [("additive", 1), ("cascade", 0)])
def test_the_pseudo_inverse_is_exact_for_sums_of_slots_alone(kind, right):
    estimate = slates.pseudo_inverse(REWARDS[kind].sum(axis=1), pi_weights())
    assert (abs(expected(estimate) - truth(kind)) < 1e-10) == bool(right)
    assert estimate.assumes == slates.ADDITIVE


def test_uniform_moments_are_those_of_the_listed_slates():
    flat = np.full(len(ALL), 1 / len(ALL))
    listed = slates.slate_moments(ALL, flat, N_ITEMS)
    assert slates.uniform_moments(K, N_ITEMS) == pytest.approx(listed)


def test_independent_slots_need_no_matrix():
    pairs = np.array(list(product(range(2), repeat=2)))
    by_slot = np.array([[0.3, 0.7], [0.6, 0.4]])
    wanted = np.array([[0.9, 0.1], [0.2, 0.8]])
    given, target = by_slot[[0, 1], pairs], wanted[[0, 1], pairs]
    log = SlateRounds(np.zeros((4, 2)), given, target)
    moments = slates.slate_moments(pairs, given.prod(axis=1), 2)
    assert slates.product_weights(log) == pytest.approx(
        slates.pseudo_inverse_weights(pairs, wanted, moments)
    )


def test_the_pseudo_inverse_is_flagged_where_a_slot_is_looked_at_after_a_click_alone(rng):
    rows = rng.choice(len(ALL), size=20_000, p=CHANCE)
    liked = np.isin(ALL[rows], [0, 2])
    found = {}
    for kind, clicks in (
        ("additive", liked),
        ("cascade", np.logical_and.accumulate(liked, axis=1)),
    ):
        log = SlateRounds(clicks.astype(float), B[rows], P[rows])
        by_pi = slates.pseudo_inverse(log.totals, pi_weights()[rows])
        found[kind] = abs(conflict(by_pi, slates.standard_ips(log)))
    assert found["additive"] < 4
    assert found["cascade"] > 4


def test_the_policy_that_logged_is_worth_the_logged_mean():
    log = SlateRounds(REWARDS["whole"], B, B)
    mean = REWARDS["whole"].sum(axis=1).mean()
    for estimator in (
        slates.standard_ips,
        slates.independent_ips,
        slates.reward_interaction_ips,
        lambda one: slates.standard_ips(one, normalise=True),
        lambda one: slates.reward_interaction_ips(one, normalise=True),
    ):
        assert estimator(log).value == pytest.approx(mean, abs=1e-12)


def test_slate_estimates_by_hand():
    log = SlateRounds(
        np.array([[1.0, 2.0], [4.0, 9.0]]),
        np.array([[0.5, 0.5], [0.25, 0.7]]),
        np.array([[0.25, 1.0], [0.5, 0.7]]),
        filled=np.array([[True, True], [True, False]]),
        slot_weights=np.array([1.0, 0.5]),
    )
    # ratios 0.5, 2 and 2, none; rewards 1, 1 and 4
    assert slates.standard_ips(log).value == pytest.approx((1 * 2 + 2 * 4) / 2)
    assert slates.independent_ips(log).value == pytest.approx((0.5 + 2 + 8) / 2)
    assert slates.reward_interaction_ips(log).value == pytest.approx((0.5 + 1 + 8) / 2)
    by_slot = slates.reward_interaction_ips(log, normalise=True)
    assert by_slot.value == pytest.approx((0.5 + 8) / 2.5 + 1.0 / 3)


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("rewards", (1, 0), np.nan, "rewards must be finite numbers, got nan at row 1, column 0"),
        ("propensities", (0, 1), 0.0, "propensities must be .* got 0.0 at row 0, column 1"),
        ("propensities", (0, 1), np.nan, "propensities must be finite .* row 0, column 1"),
        ("target_taken", (2, 2), 1.5, "target_taken must be .* got 1.5 at row 2, column 2"),
    ],
)
def test_bad_slates_are_refused(name, place, value, said):
    given = {"rewards": REWARDS["additive"].copy(), "propensities": B.copy(),
             "target_taken": P.copy()}  # fmt: skip
    given[name][place] = value
    with pytest.raises(ValueError, match=said):
        SlateRounds(**given)


def test_an_empty_log_of_slates_is_refused():
    with pytest.raises(ValueError, match="at least one of each"):
        SlateRounds(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3)))
