"""Rows of the table: what each number is, and which settings stand behind it."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from evaluation.ope.logs import log_of
from recloop.evaluation.ope import (
    Floors,
    OffPolicyEvaluator,
    Rounds,
    Row,
    diagnose,
    intervals,
    methods,
    single,
)
from recloop.utils.seeding import stream

P = np.array([0.5, 0.3, 0.2])
TARGET = np.array([0.2, 0.2, 0.6])


@pytest.fixture
def log(rng):
    items = rng.choice(3, size=400, p=P)
    rewards = (rng.random(400) < np.array([0.2, 0.4, 0.6])[items]).astype(float)
    return log_of(items, P[items], rewards)


def target(n=400):
    return np.tile(TARGET, (n, 1))


def plain(log) -> Rounds:
    return Rounds(log.items, log.rewards, log.propensities, target(len(log)))


def test_a_row_says_all_of_its_estimate(log):
    judge = OffPolicyEvaluator(log, 3, confidence=0.9, n_resamples=300, seed=4)
    (row,) = judge.evaluate(target(), ["snips"])
    one = single.snips(plain(log))
    around = intervals.bootstrap_all(
        [one], stream(4, "ope", "bootstrap"), confidence=0.9, n_resamples=300
    )[0]
    assert isinstance(row, Row)
    assert row.to_json() == {
        "estimator": "snips",
        "value": one.value,
        "low": around.low,
        "high": around.high,
        "interval": "confidence interval",
        "standard_error": one.standard_error,
        "assumes": "",
        "bias": "vanishing",
        "setting": None,
        "unreliable": False,
        "reasons": [],
        "advice": [],
        "diagnostics": diagnose(one.weights, rounds=plain(log)).to_json(),
        "slots": {},
    }
    np.testing.assert_array_equal(row.weights, plain(log).weights)


def test_a_refused_row_says_why_and_what_would_help(log):
    few = log.rows(slice(0, 30))
    (row,) = OffPolicyEvaluator(few, 3).evaluate(target(30), ["ips"])
    found = row.to_json()
    empty = ("value", "low", "high", "interval", "standard_error")
    assert [found[name] for name in empty] == [None] * 5
    assert found["unreliable"] is True
    assert len(found["reasons"]) == len(row.unreliable.reasons) >= 1
    assert found["advice"] == list(row.unreliable.advice)


def test_the_same_estimator_has_the_same_interval_whatever_stands_beside_it(log):
    alone = OffPolicyEvaluator(log, 3).evaluate(target(), ["ips"])[0]
    beside = OffPolicyEvaluator(log, 3).evaluate(target(), ["snips", "ips"])[1]
    assert alone.interval == pytest.approx(beside.interval, abs=1e-12)


def test_another_seed_gives_another_interval_and_the_same_value(log):
    one, other = (
        OffPolicyEvaluator(log, 3, seed=seed).evaluate(target(), ["ips"])[0] for seed in (0, 1)
    )
    assert one.value == other.value
    assert one.interval != other.interval


def test_the_floors_are_those_that_were_given(log):
    few = log.rows(slice(0, 30))
    low = Floors(least_rows=1, largest_weight=1, largest_z=1e9)
    (row,) = OffPolicyEvaluator(few, 3, floors=low).evaluate(target(30), ["ips"])
    assert row.unreliable is None
    strict = Floors(largest_unsupported=0.0, least_rows=1e6)
    (row,) = OffPolicyEvaluator(log, 3, floors=strict).evaluate(target(), ["ips"])
    assert row.value is None


def test_a_cut_is_judged_by_the_weights_before_it(log):
    wild = replace(log, propensities=np.where(np.arange(400) < 2, 1e-4, log.propensities))
    judge = OffPolicyEvaluator(wild, 3, settings={"clipped_ips": 1.0})
    (row,) = judge.evaluate(target(), ["clipped_ips"])
    assert row.value is None
    assert row.diagnostics.max_weight > 1000
    assert row.setting == 1.0


@pytest.mark.parametrize("name", methods.CUT)
def test_a_setting_is_taken_as_given_or_chosen_among_all(log, name):
    q = np.tile([0.2, 0.4, 0.6], (400, 1))
    given = 0.3 if name.startswith("sub_gaussian") else 1.1
    (row,) = OffPolicyEvaluator(log, 3, settings={name: given}).evaluate(target(), [name], q=q)
    helped = methods.Help(q=q)
    assert row.setting == given
    assert row.value == methods.of_singles(name, plain(log), helped, given).estimate.value
    tried = methods.settings(name, plain(log))
    found = methods.of_singles(name, plain(log), helped, None)
    assert found.setting in tried
    if name.startswith("sub_gaussian"):
        assert tried == [0.0, 0.01, 0.03, 0.1, 0.3, 0.5]
    else:
        w = plain(log).weights
        levels = np.unique(np.quantile(w, [0.5, 0.8, 0.9, 0.95, 0.99]))[::-1]
        assert tried == [np.inf, *(levels**2 if name == "dros" else levels)]


def test_settings_of_a_log_without_overlap_are_still_numbers():
    log = Rounds([0, 0], [1.0, 2.0], [0.5, 0.5], np.array([[0.0, 1.0]] * 2))
    assert methods.settings("switch_dr", log) == [np.inf, 1.0]


def test_no_cut_is_said_in_words(log):
    judge = OffPolicyEvaluator(log, 3, settings={"switch_dr": np.inf})
    (row,) = judge.evaluate(target(), ["switch_dr"], q=np.zeros((400, 3)))
    assert row.to_json()["setting"] == "no cut"


def test_mrdr_has_a_model_of_its_own_where_one_is_fitted(log):
    """With a name the second fit is weighted; a given q serves both."""
    by_name = OffPolicyEvaluator(log, 3).evaluate(target(), ["dr", "mrdr"], reward_model="ridge")
    assert by_name[0].value != by_name[1].value
    q = np.tile([0.1, 0.9, 0.3], (400, 1))
    by_q = OffPolicyEvaluator(log, 3).evaluate(target(), ["dr", "mrdr"], q=q)
    assert by_q[0].value == by_q[1].value


def test_only_the_models_that_are_asked_for_are_fitted(log):
    class Counting:
        n_fits = 0

        def fit(self, x, y, sample_weight=None):
            Counting.n_fits += 1

        def predict(self, x):
            return np.zeros(len(x))

    judge = OffPolicyEvaluator(log, 3)
    for names, n_fits in ((["ips"], 0), (["dr"], 3), (["mrdr"], 3), (["dr", "mrdr", "dm"], 6)):
        Counting.n_fits = 0
        judge.evaluate(target(), names, reward_model=Counting())
        assert Counting.n_fits == n_fits


def test_a_model_sees_contexts_then_places_then_items(log):
    seen = []

    class Looking:
        def fit(self, x, y, sample_weight=None):
            seen.append(x)

        def predict(self, x):
            return np.zeros(len(x))

    told = replace(
        log, positions=np.arange(400) % 2 * 5, contexts=np.arange(400.0)[:, None],
        context_names=("x",),
    )  # fmt: skip
    OffPolicyEvaluator(told, 3).evaluate(target(), ["dr"], reward_model=Looking())
    rows = seen[0][:, 0].astype(int)
    assert seen[0].shape[1] == 1 + 2 + 3
    places = (told.positions[rows, None] == [0, 5]).astype(float)
    np.testing.assert_array_equal(seen[0][:, 1:3], places)
    np.testing.assert_array_equal(seen[0][:, 3:].argmax(axis=1), told.items[rows])
    seen.clear()
    same_place = replace(told, positions=np.full(400, 7))
    OffPolicyEvaluator(same_place, 3).evaluate(target(), ["dr"], reward_model=Looking())
    assert seen[0].shape[1] == 1 + 3


def test_groups_bring_mips_alone_or_with_a_model_offcem_too(log):
    logging = np.tile(P, (400, 1))
    judge = OffPolicyEvaluator(log, 3)
    given = {"clusters": np.array([0, 1, 1]), "logging": logging}
    names = [row.estimator for row in judge.evaluate(target(), **given)]
    assert names == ["ips", "snips", "mips"]
    names = [row.estimator for row in judge.evaluate(target(), q=np.zeros((400, 3)), **given)]
    assert names[-2:] == ["mips", "offcem"]
    names = [row.estimator for row in judge.evaluate(target(), clusters=given["clusters"])]
    assert names == ["ips", "snips"]
    (row,) = judge.evaluate(target(), ["mips"], **given)
    assert row.interval_name == "sampling interval (bias not included)"
    assert row.diagnostics.calibration_error < 0.2


def test_defaults_are_those_of_the_page():
    def default(function, name):
        return inspect.signature(function).parameters[name].default

    assert default(OffPolicyEvaluator.evaluate_sessions, "gap_s") == 1800
    assert default(OffPolicyEvaluator.evaluate_sessions, "discount") == 1
    assert default(OffPolicyEvaluator, "confidence") == 0.95
    assert default(OffPolicyEvaluator, "n_resamples") == 1000
    assert default(OffPolicyEvaluator, "seed") == 0
    assert default(OffPolicyEvaluator, "force") is False
    assert default(intervals.bootstrap_all, "confidence") == 0.95
    assert default(intervals.bootstrap_all, "n_resamples") == 1000
    floors = Floors()
    assert (floors.least_rows, floors.least_share, floors.largest_weight) == (50, 0.01, 0.1)
    assert (floors.largest_z, floors.largest_unsupported, floors.largest_conflict) == (4, 0.01, 4)


def test_one_row_has_no_interval(log):
    one = log.rows(slice(0, 1))
    (row,) = OffPolicyEvaluator(one, 3, force=True).evaluate(target(1), ["ips"])
    assert row.interval is not None
    assert np.isnan(row.interval).all()


def test_intervals_of_all_are_those_of_each(rng):
    """The same resamples: the shared intervals are what each has with the same generator."""
    items = rng.choice(3, size=300, p=P)
    log = Rounds(items, rng.random(300), P[items], np.tile(TARGET, (300, 1)))
    both = [single.ips(log), single.snips(log)]
    found = intervals.bootstrap_all(both, np.random.default_rng(3), n_resamples=200)
    for one, shared in zip(both, found, strict=True):
        own = intervals.bootstrap(one, np.random.default_rng(3), n_resamples=200)
        assert shared == pytest.approx(own, abs=1e-12)
    assert intervals.bootstrap_all([], np.random.default_rng(3)) == []
