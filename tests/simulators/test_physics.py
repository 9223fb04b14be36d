"""Every mechanic of a world as an invariant: by hand, or by counting at a stated error."""

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.simulators.bait_trap import BaitTrapParams, BaitTrapWorld
from recloop.simulators.boredom import BoredomParams, BoredomWorld
from recloop.simulators.interest import InterestParams, InterestWorld
from recloop.simulators.preference import PreferenceParams, PreferenceWorld, drawn_preferences
from recloop.simulators.retention import RetentionParams, RetentionWorld
from recloop.simulators.satisfaction import SatisfactionParams, SatisfactionWorld
from recloop.utils.seeding import stream

N = 1_000_000


def begun(world, n=1, user=0):
    world.reset(np.full(n, user), stream(0, "physics"))
    return world


def within(found, wanted, n):
    assert abs(found - wanted) <= 5 * np.sqrt(max(wanted * (1 - wanted), 1e-12) / n)


# preference


def test_clicks_fall_with_the_slot_as_configured():
    params = PreferenceParams(
        np.ones((1, 1)), np.full((3, 1), 0.6), slate_size=3, position_bias=0.7, horizon=2
    )
    world = begun(PreferenceWorld(params), N)
    world.step(np.tile([0, 1, 2], (N, 1)))
    for slot, found in enumerate(world.slot_rewards.mean(axis=0)):
        within(found, 0.6 * (slot + 1) ** -0.7, N)


def test_popularity_has_the_curve_that_was_asked_for():
    params = drawn_preferences(n_items=100, click_rate=0.3, skew=0.2, seed=1)
    assert params.popularity is not None
    found = np.sort(params.popularity)[::-1]
    assert found[0] - found[-1] == pytest.approx(0.2)
    ranks = np.log(np.arange(1, 101))
    assert np.corrcoef(found, -ranks)[0, 1] == pytest.approx(1.0)
    assert found.mean() == pytest.approx(0.3)


def test_clicks_have_the_curve_of_the_popularity():
    # nobody has a taste of their own: 10,000 clicks or not for each item, a million together
    params = drawn_preferences(n_users=1, n_items=100, click_rate=0.3, taste=0.0, skew=0.2, seed=1)
    world = begun(PreferenceWorld(params), N)
    shown = np.arange(N) % 100
    clicks, _, _ = world.step(shown)
    found = np.bincount(shown, clicks) / (N / 100)
    ranks = np.log(np.arange(1.0, 101.0))
    curve = 0.3 + 0.2 * (ranks.mean() - ranks) / ranks[-1]
    asked = np.empty(100)
    asked[np.argsort(-params.popularity)] = curve
    for one, wanted in zip(found, asked, strict=True):
        within(one, wanted, N // 100)


def test_tastes_drift_by_the_step_that_was_asked_for_and_never_by_what_is_shown():
    params = drawn_preferences(n_users=1, n_factors=4, drift=0.05, horizon=100)
    worlds = [begun(PreferenceWorld(params), 5000) for _ in range(2)]
    for _ in range(10):
        worlds[0].step(np.zeros(5000, dtype=int))
        worlds[1].step(np.full(5000, 7))
    moved = worlds[0].state.tastes - params.user_factors[0]
    assert moved.std() == pytest.approx(0.05 * np.sqrt(10), rel=0.02)
    assert (worlds[0].state.tastes == worlds[1].state.tastes).all()


def test_without_drift_nothing_that_is_shown_changes_what_is_expected():
    world = begun(PreferenceWorld(drawn_preferences(seed=2)), 100)
    before = world.expected_rewards(world.state, world.users)
    for item in range(10):
        world.step(np.full(100, item))
    assert (world.expected_rewards(world.state, world.users) == before).all()


# satisfaction


def test_engagement_is_log_normal_around_the_equation():
    world = begun(SatisfactionWorld(SatisfactionParams(sensitivity=0.3)), N)
    earned, _, _ = world.step(np.full(N, 10))
    logs = np.log(earned)
    assert logs.mean() == pytest.approx(5 * 0.5, abs=5 / np.sqrt(N))
    assert logs.std() == pytest.approx(1.0, abs=0.01)
    assert earned.mean() == pytest.approx(world.expected_rewards(world.start(
        world.users[:1], None), world.users[:1])[0, 10], rel=0.01)  # fmt: skip


def test_clickbait_lowers_and_nourishment_raises_the_exposure():
    world = begun(SatisfactionWorld(SatisfactionParams()), 100_000)
    world.step(np.full(100_000, 10))
    assert world.state.exposure.mean() == pytest.approx(-1.0, abs=0.001)
    assert world.state.exposure.std() == pytest.approx(0.05, rel=0.02)
    world.step(np.zeros(100_000, dtype=int))
    assert world.state.exposure.mean() == pytest.approx(-0.7 + 1.0, abs=0.001)


# boredom


def flat(**given):
    """People who like every topic and every item alike, and click on all they look at."""
    world = BoredomWorld(
        BoredomParams(
            n_users=1, n_items=20, n_topics=2, slate_size=4, slope=0.0, skew=0.0,
            threshold=3, window=2, **given,
        )
    )  # fmt: skip
    world.quality[:] = 2.0  # quality / (1 + e^0) = 1
    return world


def test_a_topic_is_boring_until_its_clicks_have_left_the_window():
    world = begun(flat())
    even, odd = [[0, 2, 4, 6]], [[1, 3, 5, 7]]
    assert world.step(np.array(even))[0].tolist() == [4.0]
    assert world.is_boring(world.state).tolist() == [[True, False]]
    assert world.step(np.array(even))[0].tolist() == [0.0]  # bored
    assert world.is_boring(world.state)[0, 0]  # 4 clicks are 1 step old, still in the window
    assert world.step(np.array(odd))[0].tolist() == [4.0]
    assert not world.is_boring(world.state)[0, 0]
    assert world.step(np.array(even))[0].tolist() == [4.0]


def test_below_the_threshold_nobody_is_bored():
    world = begun(flat())
    for _ in range(10):
        assert world.step(np.array([[0, -1, 1, -1]]))[0].tolist() == [2.0]
    assert not world.is_boring(world.state).any()


def test_who_is_away_looks_at_nothing():
    world = begun(flat(boredom="away"))
    world.step(np.array([[0, 2, 4, 6]]))
    assert world.step(np.array([[1, 3, 5, 7]]))[0].tolist() == [0.0]
    assert world.expected_rewards(world.state, world.users).tolist() == [[0.0] * 20]
    world.step(np.array([[1, 3, 5, 7]]))
    assert world.step(np.array([[1, 3, 5, 7]]))[0].tolist() == [4.0]


@pytest.mark.parametrize("influence", [0.02, 0.3])
def test_every_click_moves_a_person_toward_the_item(influence):
    world = begun(BoredomWorld(BoredomParams(influence=influence, threshold=10**6)), 200)
    world.quality[:] = 1.0
    item = 13
    nearness = [world.state.tastes @ world.items[item]]
    slate = np.full((200, 10), -1)
    slate[:, 0] = item
    for _ in range(60):
        before = world.state.tastes.copy()
        world.step(slate)
        nearness.append(world.state.tastes @ world.items[item])
        clicked = world.slot_rewards[:, 0] > 0
        assert (world.state.tastes[~clicked] == before[~clicked]).all()
        moved = clicked & (nearness[-2] < 1.0 - 1e-9)  # nobody can come nearer than that
        assert (np.diff(nearness, axis=0)[-1][moved] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(world.state.tastes, axis=1), 1.0)
    assert (nearness[-1] >= nearness[0]).all()


def test_expected_clicks_are_the_clicks_that_come():
    n = 200_000
    world = begun(BoredomWorld(BoredomParams(n_users=1)))
    wanted = world.expected_rewards(world.state, world.users)[0]
    slate = np.argsort(-wanted)[:10]
    begun(world, n)
    world.step(np.tile(slate, (n, 1)))
    for slot, item in enumerate(slate):
        within(world.slot_rewards[:, slot].mean(), wanted[item], n)


# interest


def test_the_budget_pays_for_watching_and_idling_and_gets_something_back():
    world = begun(InterestWorld(InterestParams(n_users=1)), 2000)
    p = world.params
    slate = np.tile(np.arange(10), (2000, 1))
    world.step(slate)
    watched = world.state.watched >= 0
    assert 0 < watched.sum() < 2000
    assert (world.state.budget[~watched] == p.budget - p.idle).all()
    felt = np.maximum(world.state.satisfaction[watched], 0)
    np.testing.assert_allclose(
        world.state.budget[watched], p.budget - p.length + p.refund * p.length * felt
    )
    assert (world.slot_rewards[watched].sum(axis=1) == p.length).all()
    assert (world.slot_rewards[~watched] == 0).all()


def test_choices_follow_the_logit_and_no_click_has_its_mass():
    world = InterestWorld(InterestParams(n_users=1, no_click=0.25, slate_size=4))
    world.people[:] = 0.0
    begun(world, N).step(np.tile([0, 1, 2, 3], (N, 1)))
    within((world.state.watched < 0).mean(), 0.25, N)
    for found in (world.slot_rewards > 0).mean(axis=0):
        within(found, 0.75 / 4, N)


def test_interest_moves_only_in_the_topic_and_never_leaves_its_range():
    world = begun(InterestWorld(InterestParams(n_users=1, step=1.0, budget=1e6)), 500)
    before = world.state.interests.copy()
    for _ in range(30):
        world.step(np.tile(np.arange(10), (500, 1)))
    moved = world.state.interests != before
    assert not moved[:, 10:].any()  # items 0..9 are on topics 0..9
    assert np.abs(world.state.interests).max() <= 1.0


def test_who_has_no_time_left_leaves():
    world = begun(InterestWorld(InterestParams(n_users=1, budget=4.0, refund=0.0)), 100)
    _, left, cut_off = world.step(np.tile(np.arange(10), (100, 1)))
    assert (left == (world.state.watched >= 0)).all()
    assert not cut_off.any()


# bait trap and retention


def test_bait_costs_trust_and_an_honest_item_wins_it():
    params = BaitTrapParams(slate_size=1, appeal=0.0, no_click=1e-9, horizon=100)
    world = begun(BaitTrapWorld(params))
    trusts = [int(world.state.trust[0])]
    for item in (5, 5, 5, 0, 0, 5):
        world.step(np.array([item]))
        trusts.append(int(world.state.trust[0]))
    assert trusts == [2, 3, 4, 4, 2, 0, 1]


def test_a_table_is_the_world_that_is_played():
    world = BaitTrapWorld(BaitTrapParams())
    table, n = world.finite(0), 100_000
    for action in (0, 7, 14):
        begun(world, n).step(np.tile(table.slates[action], (n, 1)))
        level = world.params.n_levels // 2
        for slot in range(2):
            rewards = world.rewards[table.slates[action]]
            within((world.slot_rewards[:, slot] == rewards[slot]).mean() if rewards[slot] else 0,
                   table.probabilities[level, action, slot], n)  # fmt: skip
        assert world.slot_rewards.sum(axis=1).mean() == pytest.approx(
            table.rewards[level, action], rel=0.02
        )


def test_probabilities_of_every_table_sum_to_one():
    worlds = (
        BaitTrapWorld(BaitTrapParams()), RetentionWorld(RetentionParams()),
        SatisfactionWorld(SatisfactionParams()), PreferenceWorld(drawn_preferences()),
    )  # fmt: skip
    for world in worlds:
        table = world.finite(0)
        np.testing.assert_allclose(table.probabilities.sum(axis=2), 1.0, atol=1e-12)
        assert (table.probabilities >= 0).all()
        assert table.start.sum() == pytest.approx(1.0)
        assert table.following.max() < len(table.start)


def test_people_come_back_as_often_as_they_are_satisfied():
    n = 200_000
    for level in (0, 5, 9):
        world = begun(RetentionWorld(RetentionParams(attention=0.0, visit_end=1.0)), n)
        world.state.satisfaction[:] = level
        _, left, _ = world.step(np.zeros(n, dtype=int))
        p = world.params
        chance = p.lowest_return + (p.highest_return - p.lowest_return) * level / 9
        within(1 - left.mean(), chance, n)
        assert (world.state.returns == ~left).all()


def test_what_earns_more_satisfies_less():
    world = RetentionWorld(RetentionParams())
    assert (np.diff(world.revenues) > 0).all()
    assert (np.diff(world.effects) < 0).all()
    assert (world.effects[0], world.effects[-1]) == (3, -3)


# errors


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: SatisfactionWorld(SatisfactionParams(memory=1.0)), "memory must be"),
        (lambda: BoredomWorld(BoredomParams(boredom="topics")), "boredom must be one of"),
        (lambda: BoredomWorld(BoredomParams(n_items=5)), "slate of 10 does not fit 5 items"),
        (lambda: InterestWorld(InterestParams(no_click=0.0)), "no_click must be"),
        (lambda: BaitTrapWorld(BaitTrapParams(n_levels=1)), "n_levels must be"),
        (lambda: RetentionWorld(RetentionParams(visit_end=1.5)), "visit_end must be"),
        (lambda: RetentionWorld(RetentionParams(horizon=0)), "horizon must be"),
    ],
)
def test_settings_out_of_range_are_named(made, message):
    with pytest.raises(InvalidParameter, match=message):
        made()


def test_slates_are_checked():
    world = begun(BoredomWorld(BoredomParams()), 2)
    with pytest.raises(InvalidParameter, match=r"a slate of 10 to each of the 2 people"):
        world.step(np.array([1, 2]))
    with pytest.raises(InvalidParameter, match="items must be between -1 and 999, got 1000"):
        world.step(np.full((2, 10), 1000))
