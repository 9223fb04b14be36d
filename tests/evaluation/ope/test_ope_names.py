"""Names lead where they say, messages name who asks, and chance comes from its own streams."""

from dataclasses import replace
from math import log as ln
from math import sqrt

import numpy as np
import pytest

from evaluation.ope.logs import log_of
from recloop.evaluation.cross_fitting import cross_fitted
from recloop.evaluation.ope import (
    OffPolicyEvaluator,
    Rounds,
    SlateRounds,
    Trajectories,
    embedded,
    intervals,
    marginal,
    methods,
    single,
    slates,
    uniform_slots,
)
from recloop.evaluation.ope.diagnostics import calibration
from recloop.evaluation.ope.estimate import average, ratio
from recloop.evaluation.reward_models import Ridge
from recloop.utils.seeding import stream

Q = np.array([[0.1, 0.9], [0.4, 0.2], [0.5, 0.5]])


def rounds(**more) -> Rounds:
    given = {
        "actions": np.array([0, 1, 1]),
        "rewards": np.array([1.0, 2.0, 4.0]),
        "propensities": np.full(3, 0.5),
        "target": np.array([[0.3, 0.7], [0.6, 0.4], [0.2, 0.8]]),
        "logging": np.full((3, 2), 0.5),
    } | more
    return Rounds(**given)


def test_every_estimator_of_single_items_answers_to_its_name():
    given = methods.Help(Q, Q, np.array([0, 1]))
    names = [
        "replay", "ips", "snips", "clipped_ips", "clipped_snips", "sub_gaussian_ips", "dm", "dr",
        "sndr", "mrdr", "switch_dr", "dros", "sub_gaussian_dr", "mips", "offcem",
    ]  # fmt: skip
    assert list(methods.OF_SINGLES) == names
    for name in names:
        found = methods.of_singles(name, rounds(), given, 0.5 if name in methods.CUT else None)
        assert found.estimate.name == name


def test_every_estimator_of_slates_and_sequences_answers_to_its_name():
    table = np.full((2, 2), 0.5)
    log, trips = SlateRounds(table, table, table), Trajectories(table, table, table)
    for name, build in methods.OF_SLATES.items():
        said = {"standard_snips": "standard_snips"}.get(name, name)
        assert build(log).name == said
    for name, build in methods.OF_SEQUENCES.items():
        assert build(trips).name == name
    values = marginal.Values(table, table)
    for name in methods.SEQUENCES_BY_MODEL:
        assert methods.of_sequences(name, trips, values).name == name
    assert slates.cascade_dr(log, table, table).name == "cascade_dr"
    assert slates.pseudo_inverse(log.totals, np.ones(2)).name == "pseudo_inverse"


BIAS = {
    "ips": "none", "dr": "none", "mrdr": "none", "snips": "vanishing", "sndr": "vanishing",
    "replay": "vanishing", "dm": "unknown", "clipped_ips": "unknown", "clipped_snips": "unknown",
    "sub_gaussian_ips": "unknown", "sub_gaussian_dr": "unknown", "switch_dr": "unknown",
    "dros": "unknown", "mips": "none", "offcem": "none",
}  # fmt: skip


@pytest.mark.parametrize("name", list(BIAS))
def test_every_estimator_says_what_bias_it_has(name):
    given = methods.Help(Q, Q, np.array([0, 1]))
    found = methods.of_singles(name, rounds(), given, 0.5 if name in methods.CUT else None)
    assert found.estimate.bias == BIAS[name]


WHOLE = {
    "dm": lambda log: single.dm(log, Q),
    "dr": lambda log: single.dr(log, Q),
    "sndr": lambda log: single.sndr(log, Q),
    "mrdr": lambda log: single.mrdr(log, Q),
    "switch_dr": lambda log: single.switch_dr(log, Q, at=1),
    "dros": lambda log: single.dros(log, Q, shrink=1),
    "sub_gaussian_dr": lambda log: single.sub_gaussian_dr(log, Q, power=0.5),
    "mips": lambda log: embedded.mips(log, chances=np.eye(2)),
    "offcem": lambda log: embedded.offcem(log, Q, [0, 1]),
}


@pytest.mark.parametrize("name", list(WHOLE))
def test_who_needs_every_item_of_the_target_says_so(name):
    alone = rounds(target=np.array([0.3, 0.4, 0.8]), logging=None)
    asks = "mips|the number of items" if name == "offcem" else name
    with pytest.raises(ValueError, match=rf"^({asks}): needs target of every item, shape"):
        WHOLE[name](alone)


def test_who_needs_the_logging_policy_says_so():
    for name, act in (
        ("calibration", calibration),
        ("mips", lambda log: embedded.mips(log, [0, 1])),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: needs logging, the probabilities"):
            act(rounds(logging=None))


SETTINGS = {
    "clipped_ips: at": lambda bad: single.clipped_ips(rounds(), at=bad),
    "clipped_snips: at": lambda bad: single.clipped_snips(rounds(), at=bad),
    "switch_dr: at": lambda bad: single.switch_dr(rounds(), Q, at=bad),
    "dros: shrink": lambda bad: single.dros(rounds(), Q, shrink=bad),
    "sub_gaussian_ips: power": lambda bad: single.sub_gaussian_ips(rounds(), power=bad),
    "sub_gaussian_dr: power": lambda bad: single.sub_gaussian_dr(rounds(), Q, power=bad),
}


@pytest.mark.parametrize("said", list(SETTINGS))
@pytest.mark.parametrize("bad", [-0.5, np.nan])
def test_a_bad_setting_names_its_estimator(said, bad):
    with pytest.raises(ValueError, match=rf"^{said} must be .* got {bad}"):
        SETTINGS[said](bad)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_items": 0}, "n_items"),
        ({"n_resamples": 0}, "n_resamples"),
        ({"confidence": 0}, "confidence"),
        ({"reward_range": (0, "x")}, "reward_range"),
    ],
)
def test_the_evaluator_speaks_for_itself(change, said):
    log = log_of([0, 1], [0.5, 0.5], [1.0, 2.0])
    with pytest.raises(ValueError, match=rf"^OffPolicyEvaluator: {said} must be"):
        OffPolicyEvaluator(**({"decisions": log, "n_items": 2} | change))


def test_replay_is_offered_for_even_logs_alone():
    even = log_of([0, 1], [0.5, 0.5], [1.0, 2.0])
    assert OffPolicyEvaluator(even, 2).estimators == ("replay", "ips", "snips")
    nearly = replace(even, propensities=np.array([0.5, 0.5 * (1 + 1e-9)]))
    assert OffPolicyEvaluator(nearly, 2).estimators == ("replay", "ips", "snips")
    uneven = replace(even, propensities=np.array([0.5, 0.5001]))
    assert OffPolicyEvaluator(uneven, 2).estimators == ("ips", "snips")


def test_folds_come_from_a_stream_of_their_own(rng):
    items = rng.integers(2, size=60)
    log = log_of(items, np.full(60, 0.5), rng.random(60))
    log = replace(log, contexts=rng.random((60, 2)), context_names=("a", "b"))
    target = np.tile([0.3, 0.7], (60, 1))
    (row,) = OffPolicyEvaluator(log, 2, seed=5, force=True).evaluate(
        target, ["dm"], reward_model="ridge"
    )
    q = cross_fitted(Ridge(), log.contexts, items, log.rewards, 2, stream(5, "ope", "folds"))
    plain = Rounds(items, log.rewards, log.propensities, target)
    assert row.value == pytest.approx(single.dm(plain, q).value, abs=1e-12)


def test_folds_of_slates_and_sessions_do_too(rng):
    n = 40
    first = rng.integers(2, size=n)
    items = np.stack([first, 1 - first], axis=1)
    log = log_of(items.ravel(), np.tile([0.5, 1.0], n), rng.random(2 * n), np.full(n, 2))
    log = replace(log, contexts=rng.random((n, 1)), context_names=("x",))
    target = uniform_slots(log, 2)
    judge = OffPolicyEvaluator(log, 2, seed=5, force=True)
    (row,) = judge.evaluate(target, ["cascade_dr"], reward_model="ridge")
    table = log.rewards.reshape(n, 2)
    given = np.tile([0.5, 1.0], (n, 1))
    steps = Trajectories(table, given, given, actions=items)
    features = np.repeat(log.contexts[:, None], 2, axis=1)
    folds = stream(5, "ope", "folds")
    values = marginal.cross_fitted_q(steps, Ridge(), features, target, 2, folds)
    expected = slates.cascade_dr(SlateRounds(table, given, given), *values)
    assert row.value == pytest.approx(expected.value, abs=1e-12)


def test_the_confidence_sequence_is_its_definition(rng):
    """Theorem 2 of Waudby-Smith and Ramdas, one row after the other."""
    x = rng.random(50) * 3
    low, high = intervals.confidence_sequence(average("x", x), 0.0, 4.0, 0.9)
    u, alpha = x / 4, 0.1
    means, spreads = [0.5], [0.25]
    bets, missed, lows, highs = [], [], [], []
    for t in range(1, 51):
        bet = min(sqrt(2 * ln(2 / alpha) / (spreads[-1] * t * ln(1 + t))), 0.5)
        bets.append(bet)
        missed.append((u[t - 1] - means[-1]) ** 2 * (-ln(1 - bet) - bet))
        centre = sum(b * v for b, v in zip(bets, u, strict=False)) / sum(bets)
        reach = (ln(2 / alpha) + sum(missed)) / sum(bets)
        lows.append(max([centre - reach, 0, *lows[-1:]]))
        highs.append(min([centre + reach, 1, *highs[-1:]]))
        means.append((0.5 + sum(u[:t])) / (t + 1))
        gaps = sum((u[i] - means[i + 1]) ** 2 for i in range(t))
        spreads.append((0.25 + gaps) / (t + 1))
    assert low == pytest.approx(4 * np.array(lows))
    assert high == pytest.approx(4 * np.array(highs))


def test_the_lower_bound_is_the_better_of_two_at_half_the_error():
    terms = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    flat = 2 * sqrt(ln(1 / 0.05) / 10)
    tight = sqrt(2 * terms.var(ddof=1) * ln(2 / 0.05) / 5) + 7 * 2 * ln(2 / 0.05) / 12
    found = intervals.lower_bound(average("x", terms), 0, 2, 0.9)
    assert found == pytest.approx(0.6 - min(flat, tight))


def test_a_ratio_keeps_what_it_is_made_of():
    w = np.array([1.0, 3.0])
    one = ratio("x", w * 2, w, additive=np.array([0.5, 1.5]), weights=w)
    assert one.value == pytest.approx(2 + 1)
    assert one.bias == "vanishing"
    assert one.weights is w
    assert one.interval_name == "confidence interval"


def test_every_estimate_with_weights_carries_them_for_the_floors():
    table = np.array([[0.5, 0.25], [0.25, 0.5]])
    log = SlateRounds(table, table, np.full((2, 2), 0.5))
    whole, own = np.array([2.0, 2.0]), np.array([2.0, 1.0])
    for name, build in methods.OF_SLATES.items():
        found = build(log).weights
        assert found == pytest.approx(own if name.startswith("independent") else whole)
    trips = Trajectories(table, table, np.full((2, 2), 0.5))
    for build in methods.OF_SEQUENCES.values():
        assert build(trips).weights == pytest.approx(whole)
    for name in ("ips", "snips", "dr", "sndr", "mrdr", "mips", "offcem"):
        given = methods.Help(Q, Q, np.array([0, 1]))
        one = methods.of_singles(name, rounds(), given).estimate
        assert one.weights == pytest.approx([0.6, 0.8, 1.6])


def test_what_an_estimator_assumes_is_said():
    table = np.full((2, 2), 0.5)
    log = SlateRounds(table, table, table)
    above = "a slot's reward depends on its item and those above"
    assert slates.standard_ips(log).assumes == ""
    assert slates.independent_ips(log).assumes == "a slot's reward depends on its item"
    assert slates.reward_interaction_ips(log).assumes == above
    assert slates.cascade_dr(log, table, table).assumes == above
    assert embedded.mips(rounds(), [0, 1]).assumes == embedded.ASSUMES
    within = "q is right about the differences between items of a cluster"
    assert embedded.offcem(rounds(), Q, [0, 1]).assumes == within
    values = marginal.Values(table, table)
    trips = Trajectories(table, table, table)
    assert marginal.fqe(trips, values).assumes == marginal.MARKOV


def test_lists_are_taken_as_arrays():
    log = Rounds([0, 1], [1, 2], [0.5, 0.25], [[0.5, 0.5], [0.5, 0.5]], positions=[0, 1])
    for values, kind in ((log.rewards, np.float64), (log.propensities, np.float64)):
        assert isinstance(values, np.ndarray)
        assert values.dtype == kind
    assert isinstance(log.actions, np.ndarray)
    assert isinstance(log.positions, np.ndarray)
    assert log.taken(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [1, 4]


@pytest.mark.parametrize(("gap", "is_even"), [(4e-7, True), (2e-6, False)])
def test_replay_takes_what_differs_by_rounding_alone(gap, is_even):
    small = 0.001
    log = rounds(propensities=np.array([small, small * (1 + gap), small]), logging=None)
    if is_even:
        assert single.replay(log).value > 0
    else:
        with pytest.raises(ValueError, match="equal in all rows for replay"):
            single.replay(log)


def test_bounds_and_folds_name_who_asks(rng):
    one = ratio("x", np.ones(3), np.ones(3))
    for name in ("hoeffding", "empirical_bernstein", "lower_bound", "confidence_sequence"):
        with pytest.raises(ValueError, match=f"^{name}: holds for plain averages"):
            getattr(intervals, name)(one, 0, 1)
    with pytest.raises(ValueError, match=r"^cross_fitted: n_folds must be"):
        cross_fitted(Ridge(), np.ones((4, 1)), [0, 1, 0, 1], np.ones(4), 2, rng, n_folds=1)
    with pytest.raises(ValueError, match="the sums of chances must be 1"):
        embedded.mips(rounds(), chances=np.full((2, 2), 0.7))


def test_offcem_has_its_groups_beside_a_fitted_model(rng):
    items = rng.integers(2, size=80)
    log = log_of(items, np.full(80, 0.5), rng.random(80))
    (row,) = OffPolicyEvaluator(log, 2).evaluate(
        np.full((80, 2), 0.5), ["offcem"], reward_model="ridge", clusters=np.array([0, 0]),
        logging=np.full((80, 2), 0.5),
    )  # fmt: skip
    assert row.value is not None


def test_sessions_may_break_after_less_than_a_second():
    from recloop.evaluation.ope.sessions import sessions_of

    log = log_of([0, 1], [0.5, 0.5], [1, 1], timestamps=np.array([0.0, 0.6]))
    assert len(sessions_of(log, 0.5).rows) == 2
    assert len(sessions_of(log, 0.6).rows) == 1
    assert len(sessions_of(log, 0).rows) == 2


def test_a_range_of_one_number_is_refused():
    from recloop.evaluation.ope import bias

    log = rounds(rewards=np.ones(3))
    with pytest.raises(ValueError, match="all rewards must lie within"):
        bias.ends(single.dm(log, Q), log, 1.0, 1.0)


def test_a_model_of_slates_may_be_one_that_looks_at_the_rewards(rng):
    """logistic refuses rewards other than 0 and 1, so that it must be shown them."""
    pytest.importorskip("sklearn")
    log = log_of([0, 1] * 6, [0.5, 1.0] * 6, np.full(12, 0.5), np.full(6, 2))
    with pytest.raises(ValueError, match=r"needs rewards of 0 and 1, got 0\.5"):
        OffPolicyEvaluator(log, 2).evaluate(
            uniform_slots(log, 2), ["cascade_dr"], reward_model="logistic"
        )
