"""Mistakes that estimators in use have made, each looked for in every estimator it could be in.

Left out are those that have a page of their own: intervals of ratios (`test_ope_intervals.py`),
propensities and rewards that are no numbers (`test_ope_refusals.py`), the place of an item on the
page and embeddings of several dimensions (`test_single.py`), names of biased intervals
(`test_bias.py`).
"""

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from evaluation.ope.logs import log_of
from recloop.errors import RecloopError
from recloop.evaluation.ope import (
    OffPolicyEvaluator,
    Rounds,
    SlateRounds,
    Trajectories,
    Unreliable,
    judged,
    marginal,
    methods,
    rank_policies,
    single,
    slates,
    tuned,
    uniform_target,
)
from recloop.evaluation.ope.estimate import Estimate
from recloop.models import EpsilonGreedyRecommender

N, N_ITEMS, STEPS = 60, 3, 3
LOGGING = np.array([0.5, 0.3, 0.2])
TARGET = np.array([0.2, 0.2, 0.6])


def singles(rng, n=N) -> dict[str, Any]:
    actions = rng.choice(N_ITEMS, size=n, p=LOGGING)
    return {
        "actions": actions,
        "rewards": rng.random(n),
        "propensities": LOGGING[actions],
        "target": np.tile(TARGET, (n, 1)),
        "logging": np.tile(LOGGING, (n, 1)),
        "q": rng.random((n, N_ITEMS)),
    }


def of_singles(name: str, given: dict[str, Any]) -> Estimate:
    given = dict(given)
    q = given.pop("q")
    if name == "replay":
        given = given | {"propensities": np.full(len(q), 1 / 3), "logging": None}
    setting = {"sub_gaussian_ips": 0.1, "sub_gaussian_dr": 0.1}.get(name, 1.5)
    given_help = methods.Help(q=q, clusters=np.array([0, 1, 0]))
    return methods.of_singles(name, Rounds(**given), given_help, setting).estimate


def sequences(rng, n=N) -> dict[str, Any]:
    actions = rng.choice(N_ITEMS, size=(n, STEPS), p=LOGGING)
    return {
        "rewards": rng.random((n, STEPS)),
        "propensities": LOGGING[actions],
        "target_taken": TARGET[actions],
        "q_taken": rng.random((n, STEPS)),
        "v": rng.random((n, STEPS)),
    }


def of_sequences(name: str, given: dict[str, Any]) -> Estimate:
    given = dict(given)
    values = marginal.Values(given.pop("q_taken"), given.pop("v"))
    return methods.of_sequences(name, Trajectories(**given), values)


def of_slates(name: str, given: dict[str, Any]) -> Estimate:
    given = dict(given)
    q_taken, v = given.pop("q_taken"), given.pop("v")
    log = SlateRounds(**given)
    if name == "cascade_dr":
        return slates.cascade_dr(log, q_taken, v)
    if name == "pseudo_inverse":
        return slates.pseudo_inverse(log.totals, slates.product_weights(log))
    return methods.OF_SLATES[name](log)


EVERY = [
    *[(of_singles, name, singles) for name in methods.OF_SINGLES],
    *[
        (of_sequences, name, sequences)
        for name in (*methods.OF_SEQUENCES, *methods.SEQUENCES_BY_MODEL)
    ],
    *[
        (of_slates, name, sequences)
        for name in dict.fromkeys((*methods.OF_SLATES, *methods.SLATES_BY_MORE))
    ],
]
every_estimator = pytest.mark.parametrize(
    ("estimate", "name", "drawn"), EVERY, ids=[f"{f.__name__}-{name}" for f, name, _ in EVERY]
)


@every_estimator
def test_asking_twice_gives_the_same_and_changes_nothing(estimate, name, drawn, rng):
    """An estimate that writes its intermediate steps into the rewards halves when asked again."""
    given = drawn(rng)
    before = {field: values.copy() for field, values in given.items()}
    once, again = estimate(name, given), estimate(name, given)
    assert once.value == again.value
    for field, values in before.items():
        np.testing.assert_array_equal(given[field], values)


@every_estimator
def test_a_value_is_a_mean_and_does_not_grow_with_the_number_of_rows(estimate, name, drawn, rng):
    """A sum that nobody divides by the number of rows passes every test of a single size."""
    given = drawn(rng)
    ten = {field: np.tile(v, (10,) + (1,) * (v.ndim - 1)) for field, v in given.items()}
    assert estimate(name, ten).value == pytest.approx(estimate(name, given).value, rel=1e-10)
    assert abs(estimate(name, given).value) < 20


@every_estimator
def test_the_order_of_rows_does_not_matter(estimate, name, drawn, rng):
    given = drawn(rng)
    order = rng.permutation(N)
    shuffled = {field: values[order] for field, values in given.items()}
    assert estimate(name, shuffled).value == pytest.approx(estimate(name, given).value, rel=1e-10)


@pytest.mark.parametrize("name", [*methods.USE_MODEL, "mrdr"])
def test_a_model_that_is_certain_is_taken_at_its_word(name, rng):
    """Models of 0 and 1 replaced by draws near them give another number every time."""
    given = singles(rng) | {"q": np.tile([0.0, 1.0, 1.0], (N, 1))}
    rewards = np.array([0.0, 1.0, 1.0])[given["actions"]]
    found = of_singles(name, given | {"rewards": rewards})
    assert found.value == pytest.approx(0.8, abs=1e-12)  # 0.2 + 0.6, no residual is left
    assert found.standard_error == pytest.approx(0.0, abs=1e-12)


def test_a_tiny_propensity_is_neither_raised_nor_believed(rng):
    """Raised to 1e-5 or so without a word, a log without overlap looks like one with some."""
    given = singles(rng, 2000)
    del given["q"], given["logging"]
    given["propensities"][7], given["rewards"][7] = 1e-12, 1.0
    given["target"] = given["target"][np.arange(2000), given["actions"]]
    log = Rounds(**given)
    assert log.weights[7] == given["target"][7] / 1e-12
    answer = judged(single.ips(log), rounds=log)
    assert isinstance(answer, Unreliable)
    assert any("one row has 100% of all weight" in reason for reason in answer.reasons)


@pytest.mark.parametrize("by", ["slope", "mse"])
def test_a_chosen_setting_passes_no_floor_that_the_log_does_not_pass(by, rng):
    """Choosing among cuts of wild weights ended at no cut and at a click rate below 0."""
    n = 10_000
    rewards = (rng.random(n) < 0.004).astype(float)
    propensities = np.full(n, 0.5)
    propensities[:2] = [1 / 40_000, 1 / 30_000]
    q = np.tile([0.9, 0.9], (n, 1))
    log = Rounds(np.zeros(n, np.int64), rewards, propensities, np.tile([0.5, 0.5], (n, 1)))
    candidates = {at: single.switch_dr(log, q, at=at) for at in (1.0, 10.0, np.inf)}
    chosen = tuned(candidates, by=by, reference=single.dr(log, q)).estimate
    assert isinstance(judged(chosen, rounds=log, weights=log.weights), Unreliable)
    items = log_of(log.actions, propensities, rewards)
    settings = {"switch_dr": np.inf}
    (row,) = OffPolicyEvaluator(items, 2, settings=settings).evaluate(
        log.target, ["switch_dr"], q=q
    )
    assert row.value is None


def test_policies_of_equal_worth_have_no_winner(rng):
    """A verdict from two numbers alone always finds one. 40 pairs at 95 %: at most 7 by chance."""
    told = 0
    for _ in range(40):
        given = singles(rng, 300)
        del given["q"]
        other = np.tile([0.45, 0.35, 0.2], (300, 1))
        pair = {
            "a": single.snips(Rounds(**given)),
            "b": single.snips(Rounds(**given | {"target": other})),
        }
        places = rank_policies(pair, rng, n_resamples=200)
        told += places[1].verdict == "worse than the first"
    assert told <= 7


def test_the_best_slates_are_worth_more_than_chance_and_the_worst_less(rng):
    """A ranking sorted the wrong way round stands out where all three are known."""
    worth = np.array([0.1, 0.3, 0.6, 0.9])
    looked_at = np.array([1.0, 0.5, 0.25])
    every = np.array(list(permutations(range(4), 3)))
    given = np.tile([1 / 4, 1 / 3, 1 / 2], (len(every), 1))
    rewards = worth[every] * looked_at

    def value(order):
        shown = (every == order).astype(float)
        return slates.reward_interaction_ips(SlateRounds(rewards, given, shown)).value

    best, worst = value([3, 2, 1]), value([0, 1, 2])
    assert best == pytest.approx(0.9 + 0.3 + 0.075)
    assert worst == pytest.approx(0.1 + 0.15 + 0.15)
    assert worst < rewards.sum(axis=1).mean() < best


def test_a_log_without_propensities_is_refused_and_not_taken_for_a_uniform_one():
    with pytest.raises(RecloopError, match="propensities must be numbers, got None"):
        Rounds(np.array([0, 1]), np.ones(2), None, np.full((2, 2), 0.5))  # type: ignore[arg-type]


def test_replay_of_choices_that_were_not_even_is_refused_by_the_evaluator_too(rng):
    """Matches counted with probability 1 are no fair sample of what the policy would do."""
    given = singles(rng)
    log = log_of(given["actions"], given["propensities"], given["rewards"])
    judge = OffPolicyEvaluator(log, N_ITEMS)
    assert "replay" not in judge.estimators
    with pytest.raises(RecloopError, match="equal in all rows for replay"):
        judge.evaluate(uniform_target(log, N_ITEMS), ["replay"])


def test_two_logs_of_one_policy_do_not_share_their_chance():
    """A generator made anew from the same seed in every call draws the same log twice."""
    policy = EpsilonGreedyRecommender(1, 5, epsilon=1.0, seed=3)
    first = [policy.recommend(0, k=1)[0] for _ in range(200)]
    second = [policy.recommend(0, k=1)[0] for _ in range(200)]
    n_equal = int(np.equal(first, second).sum())
    assert 15 <= n_equal <= 70  # 40 expected, deviation 5.7


def test_sequences_of_unequal_length_need_no_padding_that_counts(rng):
    """Steps that never were have the ratio 1 and earn nothing, whatever fills their places."""
    given = sequences(rng)
    del given["q_taken"], given["v"]
    lengths = rng.integers(1, STEPS + 1, size=N)
    active = np.arange(STEPS) < lengths[:, None]
    filled = {f: np.where(active, v, 0.0) for f, v in given.items()}
    for name in methods.OF_SEQUENCES:
        value = methods.OF_SEQUENCES[name](Trajectories(**filled, active=active)).value
        same = {f: np.where(active, v, 7.0) for f, v in given.items()}
        assert methods.OF_SEQUENCES[name](Trajectories(**same, active=active)).value == value
    straight = [
        sum(
            np.prod(given["target_taken"][i, : t + 1] / given["propensities"][i, : t + 1])
            * given["rewards"][i, t]
            for t in range(lengths[i])
        )
        for i in range(N)
    ]
    log = Trajectories(**filled, active=active)
    assert methods.OF_SEQUENCES["per_decision_is"](log).value == pytest.approx(np.mean(straight))


def test_a_log_is_judged_by_what_was_shown_and_not_by_what_was_prepared(rng):
    """Decisions that never reached a person have no reward: as zeros they lower every value."""
    given = singles(rng, 600)
    log = log_of(given["actions"], given["propensities"], given["rewards"])
    shown = np.arange(600) % 3 > 0
    half = replace(log, activated=shown, rewards=np.where(shown, given["rewards"], np.nan))
    judge = OffPolicyEvaluator(half, N_ITEMS)
    (row,) = judge.evaluate(uniform_target(judge.decisions, N_ITEMS), ["ips"])
    w = (1 / 3 / given["propensities"])[shown]
    assert row.value == pytest.approx((w * given["rewards"][shown]).mean())
