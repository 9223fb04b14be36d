"""From a decision log to a table of results."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.ope.logs import log_of
from recloop.errors import RecloopError
from recloop.evaluation.ope import OffPolicyEvaluator, uniform_target
from recloop.types import Ragged


@pytest.fixture
def singles(rng):
    items = rng.choice(3, size=2000, p=[0.5, 0.3, 0.2])
    rewards = (rng.random(2000) < np.array([0.2, 0.4, 0.6])[items]).astype(float)
    return log_of(items, np.array([0.5, 0.3, 0.2])[items], rewards)


def test_uniform_is_judged_near_its_true_value(singles):
    """A 99.9 % interval: a right one misses in one run of a thousand."""
    judge = OffPolicyEvaluator(singles, 3, confidence=0.999, n_resamples=4000)
    found = judge.evaluate(uniform_target(singles, 3))
    assert [row.estimator for row in found] == ["ips", "snips"]
    for row in found:
        assert row.interval is not None
        assert row.interval.low < 0.4 < row.interval.high
        assert row.unreliable is None
        assert row.to_json()["unreliable"] is False


def test_a_model_brings_the_estimators_that_use_it(singles):
    q = np.broadcast_to([0.2, 0.4, 0.6], (2000, 3))
    found = OffPolicyEvaluator(singles, 3).evaluate(uniform_target(singles, 3), q=q)
    names = {row.estimator: row.interval_name for row in found}
    assert names["dm"] == "sampling interval (bias not included)"
    assert names["dr"] == "confidence interval"


def test_a_refused_estimate_has_no_number_unless_forced(singles):
    few = singles.rows(slice(0, 20))
    (row,) = OffPolicyEvaluator(few, 3).evaluate(uniform_target(few, 3), ["ips"])
    assert row.value is None
    assert row.interval is None
    assert row.unreliable is not None
    assert row.to_json()["reasons"]
    (forced,) = OffPolicyEvaluator(few, 3, force=True).evaluate(uniform_target(few, 3), ["ips"])
    assert forced.value is not None
    assert forced.unreliable is not None


@pytest.mark.parametrize("force", [False, True])
def test_a_policy_that_never_does_what_the_log_shows_is_refused_and_has_no_number(singles, force):
    """Every estimator answers in its row: a ratio without weight is no mistake of who asks."""
    never = np.tile([0.0, 0.0, 0.0, 1.0], (len(singles), 1))
    judge = OffPolicyEvaluator(singles, 4, force=force)
    names = ["ips", "snips", "clipped_snips", "dm", "dr", "sndr", "mrdr", "switch_dr", "dros"]
    found = judge.evaluate(never, names, reward_model="ridge")
    assert [row.estimator for row in found] == names
    for row in found:
        assert row.unreliable is not None
        if row.estimator != "dm":
            assert row.unreliable.reasons[0] == "the policy never does what the log shows"
            assert not any("one row has" in reason for reason in row.unreliable.reasons)
    by_name = {row.estimator: row for row in found}
    for name in ("snips", "clipped_snips", "sndr"):
        assert by_name[name].value is None
        assert by_name[name].interval is None
        assert by_name[name].to_json()["standard_error"] is None
    assert (by_name["ips"].value is not None) == force


def test_slates_and_sessions_without_overlap_are_refused_too(rng):
    items = np.array([rng.permutation(4)[:2] for _ in range(200)])
    log = log_of(items.ravel(), np.tile([1 / 4, 1 / 3], 200), rng.random(400), sizes=[2] * 200)
    judge = OffPolicyEvaluator(log, 4)
    for found in (judge.evaluate(np.zeros((200, 2))), judge.evaluate_sessions(np.zeros((200, 2)))):
        assert len(found) >= 4
        for row in found:
            assert row.value is None
            assert row.unreliable is not None


def test_slates_and_sessions_too_need_a_log_that_shows_what_the_policy_would_do(rng):
    """3 % on an item that no row shows: too little for the mean of uneven weights to tell."""
    items = np.array([rng.permutation(4)[:2] for _ in range(300)])
    given = np.tile([1 / 4, 1 / 3], (300, 1))
    log = log_of(items.ravel(), given.ravel(), rng.random(600), sizes=[2] * 300)
    target = np.zeros((300, 2, 5))
    for slot, left in ((0, 4), (1, 3)):
        for row in range(300):
            open_items = np.setdiff1d(np.arange(4), items[row, :slot])
            target[row, slot, open_items] = 0.97 / left * rng.dirichlet(np.full(left, 5.0)) * left
        target[:, slot, 4] = 0.03
    judge = OffPolicyEvaluator(log, 5)
    reason = "3.0% of what the policy would do is never in the log"
    for found in (judge.evaluate(target), judge.evaluate_sessions(target)):
        for row in found:
            assert row.unreliable is not None
            assert reason in row.unreliable.reasons
            assert row.diagnostics.unsupported == pytest.approx(0.03)
    single = log_of(items[:, 0], given[:, 0], rng.random(300))
    for row in OffPolicyEvaluator(single, 5).evaluate_sessions(target[:, 0]):
        assert row.unreliable is not None
        assert reason in row.unreliable.reasons
    taken = np.take_along_axis(target, items[:, :, None], axis=2)[:, :, 0]
    assert np.isnan(judge.evaluate(taken)[0].diagnostics.unsupported)  # not known


def test_the_same_seed_gives_the_same_table(singles):
    once = OffPolicyEvaluator(singles, 3).evaluate(uniform_target(singles, 3))
    again = OffPolicyEvaluator(singles, 3).evaluate(uniform_target(singles, 3))
    assert [r.to_json() for r in once] == [r.to_json() for r in again]


def test_slates_are_weighed_as_slates(rng):
    first = rng.integers(2, size=200)
    items = np.stack([first, 1 - first], axis=1).ravel()
    log = log_of(items, np.tile([0.5, 1.0], 200), np.ones(400), np.full(200, 2))
    target = uniform_target(log, 2)
    assert target.tolist() == [[0.5, 1.0]] * 200
    found = OffPolicyEvaluator(log, 2).evaluate(target)
    assert {row.estimator: row.value for row in found} == pytest.approx(
        {
            "standard_ips": 2.0,
            "standard_snips": 2.0,
            "reward_interaction_ips": 2.0,
            "reward_interaction_snips": 2.0,
        }
    )
    with pytest.raises(ValueError, match="independent_ips: the log's propensity_kind must be"):
        OffPolicyEvaluator(log, 2).evaluate(target, ["independent_ips"])


def test_uniform_knows_candidates_exclusions_and_shorter_slates():
    log = log_of([0, 1, 2], [0.5, 0.5, 0.5], np.ones(3), [2, 1])
    limited = replace(log, candidates=Ragged.of([[0, 1, 3], []]), excluded=Ragged.of([[3], [0]]))
    assert uniform_target(limited, 4).tolist() == [[1 / 2, 1.0], [1 / 3, 1.0]]
    one = limited.rows(slice(1, 2))
    assert uniform_target(one, 4).tolist() == [[0.0, 1 / 3, 1 / 3, 1 / 3]]


def test_what_was_not_shown_does_not_count(singles):
    half = replace(singles, activated=np.arange(2000) < 1000)
    assert len(OffPolicyEvaluator(half, 3).decisions) == 1000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rewards": np.full(2000, np.nan)}, "rewards must be finite numbers, got nan at row 0"),
        ({"rewards": None}, "the log has no rewards"),
        ({"activated": np.zeros(2000, np.bool_)}, "a decision that was shown"),
        ({"ids": np.full(2000, "same")}, "ids must be different in every row, got same at row 1"),
    ],
)
def test_a_log_that_cannot_be_judged_is_refused(singles, change, said):
    target = uniform_target(singles, 3)
    with pytest.raises(ValueError, match=said):
        OffPolicyEvaluator(replace(singles, **change), 3).evaluate(target)


def test_unknown_rewards_count_as_the_number_one_states(singles):
    unknown = replace(singles, rewards=np.where(singles.rewards == 0, np.nan, 1.0))
    target = uniform_target(singles, 3)
    told = OffPolicyEvaluator(unknown, 3, missing=0.0).evaluate(target, ["ips"])
    with pytest.raises(RecloopError, match=r"got nan at row \d+ .*missing=0, --missing 0"):
        OffPolicyEvaluator(unknown, 3).evaluate(target, ["ips"])
    assert told[0].value == OffPolicyEvaluator(singles, 3).evaluate(target, ["ips"])[0].value


def test_unknown_estimators_are_answered_with_the_nearest(singles):
    with pytest.raises(ValueError, match="Did you mean 'snips'"):
        OffPolicyEvaluator(singles, 3).evaluate(uniform_target(singles, 3), ["snip"])
    with pytest.raises(ValueError, match="dr: needs q"):
        OffPolicyEvaluator(singles, 3).evaluate(uniform_target(singles, 3), ["dr"])


@pytest.mark.real
def test_the_random_policy_of_open_bandit_is_answered_and_bts_from_it_too(real_data):
    from recloop.decisions import read_open_bandit

    for policy in ("random", "bts"):
        log = read_open_bandit(real_data / "obd" / policy / "all").decisions
        found = OffPolicyEvaluator(log, 80).evaluate(uniform_target(log, 80))
        assert all(row.value is not None for row in found)
        if policy == "random":
            assert [row.estimator for row in found] == ["replay", "ips", "snips"]
            assert [row.value for row in found] == pytest.approx([0.0038] * 3)
