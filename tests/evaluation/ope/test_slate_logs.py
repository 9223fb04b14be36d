"""Logs of slates in the evaluator: models, pseudo-inverse, contradictions, places."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from evaluation.ope.logs import log_of
from recloop.evaluation.ope import Floors, OffPolicyEvaluator, slates, uniform_slots, uniform_target

ALL = np.array(list(permutations(range(4), 2)))
STRENGTH = np.array([1.0, 2.0, 0.5, 1.5])
FIRST = STRENGTH[ALL[:, 0]] / STRENGTH.sum()
SECOND = STRENGTH[ALL[:, 1]] / (STRENGTH.sum() - STRENGTH[ALL[:, 0]])
CHANCE = FIRST * SECOND
EFFECT = np.array([[0.9, 0.1, 0.5, 0.3], [0.2, 0.7, 0.4, 0.6]])
UNIFORM_TRUTH = float(EFFECT.mean(axis=1).sum())


def drawn(rng, n=4000, cascade=False):
    """Slates of two of four items by Plackett and Luce; clicks by slot, or until the first one."""
    rows = rng.choice(len(ALL), size=n, p=CHANCE)
    clicks = rng.random((n, 2)) < EFFECT[[0, 1], ALL[rows]]
    if cascade:
        clicks = np.logical_and.accumulate(np.isin(ALL[rows], [0, 2]), axis=1)
    chances = np.stack([FIRST, SECOND], axis=1)[rows]
    return log_of(
        ALL[rows].ravel(), chances.ravel(), clicks.astype(float).ravel(), np.full(n, 2)
    ), rows


def weights(rows):
    return slates.pseudo_inverse_weights(
        ALL, np.full((2, 4), 0.25), slates.slate_moments(ALL, CHANCE, 4)
    )[rows]


def test_uniform_by_slot_leaves_out_what_stands_above():
    log = log_of([0, 1, 2], [0.5] * 3, np.ones(3), [2, 1])
    table = uniform_slots(log, 3)
    assert table[0].tolist() == [[1 / 3, 1 / 3, 1 / 3], [0, 0.5, 0.5]]
    assert table[1, 0].tolist() == [1 / 3, 1 / 3, 1 / 3]
    assert table[1, 1].sum() == 1
    taken = table[[0, 0, 1], [0, 1, 0], [0, 1, 2]]
    assert taken.tolist() == uniform_target(log, 3)[[0, 0, 1], [0, 1, 0]].tolist()


def test_every_estimator_of_slates_finds_the_value_of_uniform(rng):
    """4.5 standard errors of eight estimates: a right one fails in one run of 15,000."""
    log, rows = drawn(rng)
    judge = OffPolicyEvaluator(log, 4)
    found = judge.evaluate(uniform_slots(log, 4), reward_model="ridge", slate_weights=weights(rows))
    assert [row.estimator for row in found] == [
        "standard_ips", "standard_snips", "reward_interaction_ips", "reward_interaction_snips",
        "cascade_dr", "pseudo_inverse",
    ]  # fmt: skip
    for row in found:
        assert row.value is not None, row.unreliable
        assert row.standard_error is not None
        assert abs(row.value - UNIFORM_TRUTH) < 4.5 * row.standard_error
    errors = {row.estimator: row.standard_error for row in found}
    assert errors["cascade_dr"] < errors["reward_interaction_ips"]


def test_cascade_dr_takes_the_model_that_it_is_given(rng):
    log, _ = drawn(rng, 50)
    q, v = rng.random((50, 2)), rng.random((50, 2))
    judge = OffPolicyEvaluator(log, 4, force=True)
    (row,) = judge.evaluate(uniform_target(log, 4), ["cascade_dr"], q=(q, v))
    plain = slates.SlateRounds(
        log.rewards.reshape(50, 2), log.propensities.reshape(50, 2), uniform_target(log, 4)
    )
    assert row.value == pytest.approx(slates.cascade_dr(plain, q, v).value, abs=1e-12)
    with pytest.raises(ValueError, match="cascade_dr: needs q, a model of the reward"):
        judge.evaluate(uniform_target(log, 4), ["cascade_dr"])


def test_the_model_of_a_slate_has_not_seen_the_slate(rng):
    """Rewards that no slate shares: a model that knows them would have no error left."""
    log, _ = drawn(rng, 60)
    log = replace(log, rewards=np.arange(120.0))

    class Memory:
        def fit(self, x, y):
            self.known = dict(zip(x[:, 0].tolist(), y.tolist(), strict=True))

        def predict(self, x):
            return np.array([self.known.get(key, 0.0) for key in x[:, 0].tolist()])

    log = replace(log, contexts=np.arange(60.0)[:, None], context_names=("row",))
    judge = OffPolicyEvaluator(log, 4, force=True)
    by_model, plain = judge.evaluate(
        uniform_slots(log, 4), ["cascade_dr", "reward_interaction_ips"], reward_model=Memory()
    )
    assert by_model.value == pytest.approx(plain.value)


def test_a_sum_of_slots_is_refused_where_clicks_hide_each_other(rng):
    log, rows = drawn(rng, 20_000, cascade=True)
    judge = OffPolicyEvaluator(log, 4)
    wanted = ["pseudo_inverse", "standard_ips"]
    lost, fine = judge.evaluate(uniform_target(log, 4), wanted, slate_weights=weights(rows))
    assert fine.value is not None
    assert lost.value is None
    assert lost.unreliable is not None
    assert "it contradicts standard_ips" in lost.unreliable.reasons[0]
    assert "a sum of effects of its slots" in lost.unreliable.reasons[0]
    patient = replace(judge, floors=Floors(largest_conflict=1e9))
    (kept,) = patient.evaluate(
        uniform_target(log, 4), ["pseudo_inverse"], slate_weights=weights(rows)
    )
    assert kept.value is not None
    assert kept.interval_name == f"confidence interval, if {slates.ADDITIVE}"


def test_marginal_propensities_allow_estimators_slot_by_slot():
    """Two independent slots, so that marginals are known: weights 1 + (w1 - 1) + (w2 - 1)."""
    log = log_of([0, 1, 1, 0], [0.5, 0.25, 0.5, 0.75], [1.0, 2.0, 3.0, 4.0], [2, 2], "marginal")
    target = np.array([[0.4, 0.5], [0.6, 0.5]])
    judge = OffPolicyEvaluator(log, 2, force=True)
    rows = judge.evaluate(target, [*judge.estimators, "pseudo_inverse"])
    found = {row.estimator: row.value for row in rows}
    ratios = np.array([[0.8, 2.0], [1.2, 2 / 3]])
    assert found["independent_ips"] == pytest.approx((0.8 + 4 + 3.6 + 8 / 3) / 2)
    assert found["independent_snips"] == pytest.approx(4.4 / 2 + (4 + 8 / 3) / (2 + 2 / 3))
    w = ratios.sum(axis=1) - 1
    assert found["pseudo_inverse"] == pytest.approx((w[0] * 3 + w[1] * 7) / 2)
    with pytest.raises(ValueError, match="standard_ips: the log's propensity_kind must be"):
        judge.evaluate(target, ["standard_ips"])


def test_each_place_of_a_slate_has_its_own_weights(rng):
    log, _ = drawn(rng, 500)
    (row,) = OffPolicyEvaluator(log, 4).evaluate(uniform_target(log, 4), ["standard_ips"])
    assert list(row.slots) == [0, 1]
    assert row.slots[0].max_weight == pytest.approx(0.25 / (0.5 / 5))
    assert row.to_json()["slots"]["1"]["n"] == 500


def test_places_of_single_items_are_told_apart_too(rng):
    places = np.arange(600) % 3
    log = log_of(np.zeros(600, int), np.where(places == 2, 0.25, 0.5), np.ones(600))
    log = replace(log, positions=places)
    (row,) = OffPolicyEvaluator(log, 2).evaluate(np.full((600, 2), 0.5), ["ips"])
    assert [one.max_weight for one in row.slots.values()] == [1, 1, 2]
    assert row.weights is not None
    assert row.weights.shape == (600,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t * 0.9, r"the sums of target must be 1 for each slot shown, got 0\.9"),
        (lambda t: t[:, :, :3], r"target must have shape \(50, 2, 4\), got \(50, 2, 3\)"),
        (lambda t: t - 0.5, r"target must be probabilities between 0 and 1, got -0\.25 at row 0"),
    ],
)
def test_a_target_by_slot_and_item_is_checked(rng, change, said):
    log, _ = drawn(rng, 50)
    with pytest.raises(ValueError, match=said):
        OffPolicyEvaluator(log, 4).evaluate(change(uniform_slots(log, 4)))
    with pytest.raises(ValueError, match="No estimator of slates named 'ips'"):
        OffPolicyEvaluator(log, 4).evaluate(uniform_slots(log, 4), ["ips"])
