"""A world fitted to the log of a hidden world has what the hidden one has."""

from dataclasses import replace

import numpy as np
import pytest

from recloop.errors import InvalidData, InvalidParameter
from recloop.simulators.base import best_slates, random_slates
from recloop.simulators.certify import play
from recloop.simulators.preference import PreferenceWorld
from recloop.training.fitting import (
    FidelityLine,
    FidelityReport,
    ImpressionLog,
    fidelity_report,
    fit_world,
    played_log,
)
from recloop.training.fitting.popularity import shrunk_rates
from recloop.training.fitting.position import position_bias
from recloop.utils.seeding import stream
from training.fitting.hidden import (
    N_ITEMS,
    N_USERS,
    hidden_world,
    kendall_tau,
    liked,
    rank_correlation,
    shop_log,
)


@pytest.fixture(scope="module")
def world():
    return hidden_world(0)


@pytest.fixture(scope="module")
def log(world):
    return shop_log(world, 3000, 0)


@pytest.fixture(scope="module")
def fitted(log):
    return fit_world(log)


# The estimates


def test_popularity_is_ranked_as_in_the_hidden_world(world, fitted):
    people = np.arange(N_USERS)
    true = world.click_probabilities(people).mean(axis=0)
    found = fitted.world.click_probabilities(people).mean(axis=0)
    assert rank_correlation(true, found) >= 0.8


def test_taste_is_found_and_as_strong_as_it_is(world, fitted):
    people = np.arange(N_USERS)
    true, found = (each.click_probabilities(people) for each in (world, fitted.world))
    apart = [(each - each.mean(axis=0)).ravel() for each in (true, found)]
    assert np.corrcoef(*apart)[0, 1] > 0.6
    assert apart[1].std() == pytest.approx(apart[0].std(), rel=0.2)


def test_no_taste_is_found_where_there_is_none(world, rng):
    alike = PreferenceWorld(replace(world.params, user_factors=np.zeros((N_USERS, 4))))
    log = played_log(alike, lambda at: random_slates(at, rng), np.arange(600) % N_USERS, rng)
    found = fit_world(log)
    assert found.estimates.taste == 0.0
    assert found.estimates.drift.detected is None
    assert "no taste was found" in found.estimates.words()[-1]


def test_sessions_are_as_long_as_in_the_log(log, fitted):
    lengths = log.lengths()
    shares = np.array([(lengths == n).mean() for n in range(1, 21)])
    np.testing.assert_allclose(fitted.world.params.lengths, shares, atol=1e-12)
    assert fitted.world.horizon == 20


def test_drift_is_off_where_taste_stands_still(fitted):
    assert fitted.estimates.drift.detected is False
    assert fitted.world.params.drift == 0.0


def test_drift_is_found_and_measured():
    found = fit_world(shop_log(hidden_world(3, drift=0.4), 3000, 3))
    assert found.estimates.drift.detected is True
    assert found.world.params.drift == pytest.approx(0.4, rel=0.4)
    assert found.estimates.words()[-1].startswith("drift           on: 0.")


@pytest.mark.slow
def test_drift_is_found_seldom_where_there_is_none_and_always_where_there_is():
    # 40 worlds at a false-alarm rate of 0.01: 4 or more alarms have probability 0.0007
    off = [fit_world(shop_log(hidden_world(n), 1500, n)).estimates.drift for n in range(40)]
    assert sum(bool(each.detected) for each in off) <= 3
    on = [
        fit_world(shop_log(hidden_world(n, drift=0.4), 3000, n)).estimates.drift for n in range(10)
    ]
    assert all(each.detected for each in on)


# Position bias


def test_position_bias_by_hand():
    # one item, 100 looks in each of two slots, 40 clicks on top and 20 below: the rate halves, so
    # 2^-bias = 1/2
    slots = np.repeat([0, 1], 100)
    clicks = np.concatenate([np.arange(100) < 40, np.arange(100) < 20])
    found = position_bias(_rows(slots, clicks, np.ones(200, dtype=np.bool_)))
    assert found.value == pytest.approx(1.0)
    assert found.low < 1.0 < found.high


def test_position_bias_is_measured_on_random_slots_alone():
    # where slots were random the rate halves; a policy's rows say otherwise and do not count
    slots = np.tile(np.repeat([0, 1], 100), 2)
    clicks = np.concatenate(
        [np.arange(100) < 40, np.arange(100) < 20, np.arange(100) < 90, np.arange(100) < 1]
    )
    random = np.repeat([True, False], 200)
    assert position_bias(_rows(slots, clicks, random)).value == pytest.approx(1.0)
    assert position_bias(_rows(slots, clicks, np.ones(400, dtype=np.bool_))).value > 1.4


def _rows(slots, clicks, random):
    n = len(slots)
    return ImpressionLog.impressions(
        users=np.zeros(n, dtype=np.int64),
        sessions=np.zeros(n, dtype=np.int64),
        times=np.arange(n),
        items=np.zeros(n, dtype=np.int64),
        clicks=clicks,
        slots=slots,
        randomised=random,
        n_users=1,
        n_items=1,
    )


@pytest.mark.parametrize(("n_random", "is_known"), [(9, False), (10, True)])
def test_a_tenth_of_the_slots_must_have_been_random(n_random, is_known):
    slots = np.tile([0, 1], 500)
    clicks = np.ones(1000)
    random = np.arange(1000) < 10 * n_random
    found = position_bias(_rows(slots, clicks, random))
    assert (found.value is not None) is is_known
    assert found.reason == (
        "" if is_known else "slots were random in 9.0% of the rows, 10 % are needed"
    )


def test_without_random_slots_the_answer_is_not_identifiable(log):
    blind = replace(log, randomised=np.zeros(len(log), dtype=np.bool_))
    found = fit_world(blind, assumed_position_bias=0.5)
    assert found.estimates.position_bias.value is None
    assert "position bias   not identifiable" in "\n".join(found.estimates.words())
    assert found.world.params.position_bias == 0.5


def test_one_slot_few_clicks_and_items_of_one_slot_do_not_tell():
    n = 100
    one = position_bias(_rows(np.zeros(n, dtype=np.int64), np.ones(n), np.ones(n, dtype=np.bool_)))
    assert one.reason == "the log has one slot only"
    few = position_bias(_rows(np.tile([0, 1], 50), np.arange(n) < 19, np.ones(n, dtype=np.bool_)))
    assert few.reason == "19 clicks in random slots, 20 are needed"
    fixed = _rows(np.tile([0, 1], 50), np.ones(n), np.ones(n, dtype=np.bool_))
    fixed = replace(fixed, items=fixed.slots, n_items=2)
    assert position_bias(fixed).reason == "no item was shown in two slots"


@pytest.mark.slow
@pytest.mark.parametrize("bias", [0.5, 1.0])
def test_position_bias_is_within_a_tenth_where_a_tenth_was_random(bias):
    for seed in range(3):
        log = shop_log(hidden_world(seed, bias=bias), 15_000, seed, share_random=0.11)
        assert 0.1 <= log.randomised.mean() <= 0.13
        assert position_bias(log).value == pytest.approx(bias, rel=0.1)
        everywhere = replace(log, randomised=np.ones(len(log), dtype=np.bool_))
        assert position_bias(everywhere).low > bias  # sure of what is wrong


# Policies


def _values(world, log):
    rates = np.bincount(log.items, log.clicks, N_ITEMS) / np.bincount(log.items, minlength=N_ITEMS)
    scores = liked(log).scores(np.arange(N_USERS))

    def random(at):
        return random_slates(at, stream(1, "random", int(at.n_steps.max())))

    def half(at):
        odd = (at.users % 2 == 1)[:, None]
        return np.where(odd, random(at), best_slates(scores[at.users], at))

    rules = [
        random,
        half,
        lambda at: best_slates(np.tile(rates, (len(at.users), 1)), at),
        lambda at: best_slates(np.tile(-rates, (len(at.users), 1)), at),
        lambda at: best_slates(scores[at.users], at),
        lambda at: best_slates(-scores[at.users], at),
    ]
    users = np.arange(6000) % N_USERS
    return [float(play(world, rule, users, stream(9, "play")).mean()) for rule in rules]


@pytest.mark.slow
def test_six_policies_are_ranked_as_in_the_hidden_world():
    taus = []
    for seed in range(10):
        world = hidden_world(seed, drift=0.3 * (seed % 2))
        log = shop_log(world, 1500, seed)
        taus.append(kendall_tau(_values(world, log), _values(fit_world(log).world, log)))
    assert np.mean(taus) >= 0.7


# Fidelity


def test_the_fitted_world_passes(log, fitted):
    report = fidelity_report(fitted.world, log)
    assert [line.name for line in report.lines] == [
        "session length",
        "click rate by position",
        "popularity curve",
        "repeat rate",
        "taste",
    ]
    assert report.passes, report.table()


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"position_bias": 0.0}, "click rate by position"),
        ({"lengths": np.array([0.0, 1.0])}, "session length"),
        ({"popularity": "shuffled"}, "popularity curve"),
        ({"user_factors": "shuffled"}, "taste"),
    ],
)
def test_a_wrong_world_fails_in_the_line_that_is_wrong(log, fitted, wrong, line, rng):
    params = fitted.world.params
    changed = {
        name: rng.permutation(getattr(params, name)) if isinstance(value, str) else value
        for name, value in wrong.items()
    }
    report = fidelity_report(PreferenceWorld(replace(params, **changed)), log)
    assert not report.passes
    assert {each.name: each.verdict for each in report.lines}[line] == "differs"


def test_verdicts_by_hand():
    def verdict(low, high, distance=0.3, chance=0.2, **given):
        return FidelityLine("taste", distance, low, high, chance, 0.1, **given).verdict

    assert verdict(0.2, 0.4) == "differs"
    assert verdict(0.0, 0.1) == "agrees"
    assert verdict(0.0, 0.4) == "cannot tell"
    assert verdict(0.2, 0.4, chance=0.3) == "cannot tell"
    assert verdict(0.2, 0.4, has_enough=False) == "cannot tell"
    undecided = FidelityLine("taste", 0.3, 0.0, 0.4, 0.2, 0.1)
    assert FidelityReport((undecided,)).passes
    assert not FidelityReport((undecided, replace(undecided, low=0.2))).passes


def test_a_world_of_others_is_not_compared(log, fitted):
    other = replace(fitted.world.params, user_factors=fitted.world.params.user_factors[:5])
    with pytest.raises(InvalidData, match=r"^fidelity_report: the world has 5 people"):
        fidelity_report(PreferenceWorld(other), log)


# Plain interactions


def test_interactions_make_a_world_without_slots(rng):
    # two tastes: the first 30 people take items 0..9, the others 10..19
    users = np.repeat(np.arange(60), 8)
    items = np.concatenate([rng.permutation(10)[:8] + 10 * (user >= 30) for user in range(60)])
    log = ImpressionLog.interactions(
        users=users, items=items, timestamps=np.tile(np.arange(8.0), 60), n_users=60, n_items=20
    )
    found = fit_world(log, n_factors=2)
    chances = found.world.click_probabilities(np.array([0, 59]))
    assert chances[0, :10].min() > 0.2 > 0.1 > chances[0, 10:].max()
    assert chances[1, 10:].min() > 0.2 > 0.1 > chances[1, :10].max()
    assert found.world.params.again == 0.0  # nobody took anything twice
    assert found.estimates.position_bias.reason.startswith("interactions do not say")
    assert found.estimates.click_rate is None
    assert found.estimates.session_length == (8.0, 8.0, 8.0)
    names = [line.name for line in fidelity_report(found.world, log).lines]
    assert names == ["session length", "popularity curve", "repeat rate"]


# Parts


def test_rates_are_drawn_toward_the_mean_as_far_as_chance_explains_them():
    # equal rates: nothing but the mean; an item that was never looked at has it too
    np.testing.assert_allclose(
        shrunk_rates(np.array([10.0, 11.0, 0.0]), np.array([100.0, 110.0, 0.0])), 0.1
    )
    # rates .1 and .5 on 100 looks each: mean .3, spread 8 - .3 = 7.7 over 200 - 100,
    # strength .3 / .077
    strength = 0.3 / 0.077
    found = shrunk_rates(np.array([10.0, 50.0]), np.array([100.0, 100.0]))
    np.testing.assert_allclose(found, (np.array([10.0, 50.0]) + strength * 0.3) / (100 + strength))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"assumed_position_bias": -1.0}, "assumed_position_bias must be between 0 and 10"),
        ({"false_alarms": 0.0}, "false_alarms must be above 0"),
        ({"n_factors": 0}, "n_factors must be a whole number of at least 1"),
    ],
)
def test_settings_out_of_range_are_named(log, given, message):
    with pytest.raises(InvalidParameter, match=rf"^fit_world: {message}"):
        fit_world(log, **given)


def test_the_same_log_gives_the_same_world(log, fitted):
    again = fit_world(log)
    np.testing.assert_array_equal(again.world.params.user_factors, fitted.world.params.user_factors)
    assert again.estimates == fitted.estimates
