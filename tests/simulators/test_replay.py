"""A log as a world: by hand, against the known truth, and that it says what it cannot do."""

import re

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.simulators.certify import certify, interval_of, play, spread_users
from recloop.simulators.replay import ReplayParams, ReplayWorld, drawn_log, replayed
from recloop.utils.seeding import stream

# two people: 0 was shown 1, 0, 1 and person 1 was shown 2
USERS = np.array([0, 1, 0, 0])
ITEMS = np.array([1, 2, 0, 1])
REWARDS = np.array([1.0, 4.0, 2.0, 3.0])
PROPENSITIES = np.array([0.5, 0.25, 0.5, 0.2])
CONTEXTS = np.array([[3.0, 7.0], [1.0, 7.0], [5.0, 7.0], [2.0, 7.0]])


def world(**given):
    log = {"users": USERS, "items": ITEMS, "rewards": REWARDS, "propensities": PROPENSITIES}
    return ReplayWorld(ReplayParams(**{**log, "n_items": 3, **given}))


def begun(users, **given):
    made = world(**given)
    made.begin(np.array(users), np.zeros(len(users), dtype=np.uint64))
    return made


def always(item):
    return lambda at: np.full((len(at.users), 1), item)


# By hand


def test_a_session_goes_through_the_rows_of_its_person_in_their_order():
    made = begun([0], contexts=CONTEXTS)
    assert (made.n_users, made.n_items, made.horizon) == (2, 3, 3)
    seen = []
    for item in (1, 1, 1):
        seen.append(made.observations[0].tolist())
        rewards, terminated, truncated = made.step(np.array([item]))
        seen[-1] += [float(rewards[0]), bool(terminated[0]), bool(truncated[0])]
    # matched, progress, two contexts of which one never varies; reward, terminated, truncated
    assert seen == [
        [0.0, 0.0, 0.5, 1.0, 1.0, False, False],
        [1.0, 1 / 3, 1.0, 1.0, 0.0, False, False],
        [0.0, 2 / 3, 0.25, 1.0, 3.0, False, True],
    ]
    assert made.observations[0].tolist() == [1.0, 1.0, 0.25, 1.0]


def test_where_the_rows_of_a_person_end_the_session_is_cut_off_and_nobody_leaves():
    made = begun([0, 1])
    _, terminated, truncated = made.step(np.array([0, 2]))
    assert terminated.tolist() == [False, False]
    assert truncated.tolist() == [False, True]
    made.step(np.array([0, 2]))  # person 1 has nothing more to say
    assert made.state.n_rows.tolist() == [2, 1]
    assert made.state.n_matched.tolist() == [1, 1]
    assert made.state.earned.tolist() == [2.0, 4.0]


def test_replay_counts_matches_and_weighted_counts_rows():
    found = replayed(world(), always(1))
    assert (found.n_rows, found.n_matched, found.value) == (4, 2, 2.0)
    # rewards 1 and 3: standard error sqrt(2) / sqrt(2)
    assert (found.low, found.high) == pytest.approx((2 - 1.959964, 2 + 1.959964))
    assert found.effective_n == 2.0
    found = replayed(world(mode="weighted"), always(1))
    assert (found.n_rows, found.n_matched) == (4, 2)
    assert found.value == pytest.approx((1 / 0.5 + 3 / 0.2) / 4)
    gains = np.array([2.0, 0.0, 0.0, 15.0])
    width = 1.959964 * gains.std(ddof=1) / 2
    assert (found.low, found.high) == pytest.approx((4.25 - width, 4.25 + width))
    assert found.effective_n == pytest.approx((2 + 5) ** 2 / (2**2 + 5**2))


@pytest.mark.parametrize("mode", ["replay", "weighted"])
def test_too_few_matches_have_no_value(mode):
    found = replayed(world(mode=mode), always(2))
    assert found.n_matched == 1
    assert np.isnan([found.value, found.low, found.high]).all()
    empty = world(mode=mode, items=np.array([1, 1, 0, 1]))
    assert replayed(empty, always(2)).effective_n == 0.0


def test_expected_is_what_an_item_earns_a_row_when_shown_throughout():
    made = begun([0, 1])
    assert made.expected_rewards(made.state, made.users).tolist() == [[0.5, 1.0, 1.0]] * 2
    made = begun([0], mode="weighted")
    assert made.expected_rewards(made.state, made.users).tolist() == [[1.0, 4.25, 4.0]]
    for mode in ("replay", "weighted"):
        made = world(mode=mode)
        for item in range(3):
            replayed(made, always(item))
            expected = made.expected_rewards(made.state, made.users)[0, item]
            assert made.state.earned.sum() / 4 == pytest.approx(expected)


def test_the_limits_are_said():
    assert not replayed(world(), always(1)).is_unbiased
    assert "2 of 4 rows matched" in replayed(world(), always(1)).limits
    assert "biased, the log not being uniform. Use mode='weighted'" in (
        replayed(world(), always(1)).limits
    )
    uniform = replayed(world(propensities=np.full(4, 1 / 3)), always(1))
    assert uniform.is_unbiased
    assert "unbiased, the log being uniform" in uniform.limits
    weighted = replayed(world(mode="weighted"), always(1))
    assert weighted.is_unbiased
    assert "unbiased if the propensities are true" in weighted.limits


# Against the truth


WEIGHTS = np.array([[0.2, 0.0, 0.0], [-0.2, 0.1, 0.0], [0.0, 0.2, 0.1], [0.1, 0.0, 0.2]])
N_ROWS, N_LOGS = 1000, 200


def by_context(at):
    """Shows item 0 to those whose first context is high, and item 1 to the others."""
    return np.where(at.observations[:, 2] > 0.5, 0, 1)[:, None]


def rates_of(contexts):
    return 0.4 + contexts @ WEIGHTS.T  # within [0, 1] for contexts within [-1, 1]


def log_of(contexts, greed, mode, rng):
    """Rows of the best item with probability `greed`, else of any; two for each person."""
    n, rates = len(contexts), rates_of(contexts)
    best = rates.argmax(axis=1)
    items = np.where(rng.random(n) < greed, best, rng.integers(4, size=n))
    propensities = (1 - greed) / 4 + greed * (items == best)
    rewards = (rng.random(n) < rates[np.arange(n), items]).astype(float)
    users = np.arange(n) % (n // 2)
    return ReplayWorld(ReplayParams(users, items, rewards, propensities, 4, contexts, mode))


def errors(policy, greed, mode):
    """How far the values of a policy are from the truth in many logs, and how often it is inside.

    Contexts are the same in all of them; what is shown and earned is drawn anew.
    """
    rng = stream(0, "replay test")
    contexts = rng.uniform(-1, 1, (N_ROWS, 3))
    at = log_of(contexts, 0.0, mode, rng)
    at.begin(np.arange(at.n_users), np.zeros(at.n_users, dtype=np.uint64))
    earned = np.zeros(at.n_users)
    for _ in range(2):
        chosen = policy(at)
        earned += rates_of(contexts[at.rows(at.state, at.users)])[at.users, chosen[:, 0]]
        at.step(chosen)
    truth = earned.sum() / N_ROWS
    found = [replayed(log_of(contexts, greed, mode, rng), policy) for _ in range(N_LOGS)]
    off = np.array([one.value - truth for one in found])
    return off, np.mean([one.low <= truth <= one.high for one in found])


@pytest.mark.parametrize(("greed", "mode"), [(0.0, "replay"), (0.0, "weighted"), (0.6, "weighted")])
def test_values_are_unbiased_where_they_are_said_to_be(greed, mode):
    off, covered = errors(by_context, greed, mode)
    assert abs(off.mean()) <= 4.5 * off.std(ddof=1) / np.sqrt(N_LOGS)
    assert covered >= 0.88  # 0.95 less 4.5 standard errors


def test_replay_of_a_log_that_is_not_uniform_is_biased_as_it_says():
    off, covered = errors(always(0), 0.6, "replay")
    assert off.mean() > 10 * off.std(ddof=1) / np.sqrt(N_LOGS)  # matches where the item is best
    assert covered < 0.5
    assert abs(errors(always(0), 0.6, "weighted")[0].mean()) < off.mean() / 10


def test_a_uniform_log_matches_as_often_as_it_has_items():
    params = drawn_log(n_rows=100_000, n_items=10)
    found = replayed(ReplayWorld(params), always(3))
    assert found.is_unbiased
    share = found.n_matched / found.n_rows
    assert abs(share - 0.1) <= 5 * np.sqrt(0.1 * 0.9 / 100_000)


@pytest.mark.parametrize("greed", [0.0, 0.5])
def test_a_drawn_log_has_the_propensities_it_states(greed):
    params = drawn_log(n_rows=200_000, greed=greed, n_items=4)
    # E[1 / propensity of what was shown] is the number of items that may be shown
    inverse = 1 / params.propensities
    assert abs(inverse.mean() - 4) <= 5 * inverse.std() / np.sqrt(200_000) + 1e-9
    assert set(np.round(np.unique(params.propensities), 9)) == (
        {0.25} if greed == 0 else {0.125, 0.625}
    )


def test_certificates_play_and_hindsight_is_the_bound():
    made = ReplayWorld(drawn_log(n_users=20))
    lines = certify(made, n_sessions=20).lines
    assert lines["bound"].value == pytest.approx(made.params.rewards.sum() / 20)
    assert lines["random"].value < lines["bound"].value
    assert lines["best_constant"].value == lines["myopic"].value
    earned = made.expected_rewards(made.state, made.users)[0].max() * 100
    assert lines["myopic"].value == pytest.approx(earned)


@pytest.mark.parametrize("mode", ["replay", "weighted"])
def test_the_intervals_of_a_certificate_hold_the_chance_that_is_in_the_log(mode):
    n_logs, n_people, n_rows, n_items, rate = 300, 30, 40, 4, 0.3
    held = 0
    for seed in range(n_logs):
        rng = stream(seed, "logs")
        items = rng.integers(n_items, size=n_people * n_rows)
        rewards = (rng.random(len(items)) < rate).astype(np.float64)
        users = np.arange(len(items)) % n_people
        log = ReplayParams(users, items, rewards, np.full(len(items), 1 / n_items), n_items,
                           mode=mode)  # fmt: skip
        world = ReplayWorld(log)
        everybody = spread_users(world, 1000)
        assert len(everybody) == n_people
        first = play(world, lambda at: np.zeros((len(at.users), 1), dtype=np.int64), everybody, rng)
        _, low, high = interval_of(first)
        held += low <= n_rows * rate * (1.0 if mode == "weighted" else 1 / n_items) <= high
    # 95 % of 300: below 270 once in 10,000
    assert held >= 270


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "matched"}, "mode must be one of 'replay', 'weighted', got 'matched'."),
        ({"items": ITEMS[:3]}, "users, items, rewards and propensities must have the same number"),
        ({"items": np.array([1, 2, 0, 3])}, "items must be between 0 and 2, got 3."),
        ({"propensities": np.array([0.5, 0.0, 1, 1])}, "propensities must be above 0 and at most"),
        ({"users": np.array([0, 2, 0, 0])}, "every user from 0 to the highest must have a row, us"),
        ({"contexts": CONTEXTS[:3]}, "contexts must have a row for each of the 4 rows of the log"),
        ({"rewards": np.array([1, np.nan, 0, 0])}, "rewards must be finite numbers, got nan."),
    ],
)
def test_logs_that_cannot_be_replayed_are_refused(given, message):
    with pytest.raises(InvalidParameter, match=re.escape(f"ReplayWorld: {message}")):
        world(**given)
