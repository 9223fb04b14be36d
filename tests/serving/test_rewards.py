"""What comes of rewards: sums, corrections, defaults, what is late, sent twice or of nothing."""

import asyncio

import numpy as np
import pytest

from recloop.decisions import open_log
from recloop.models.registry import build_model
from recloop.serving.records import Earned, Reward
from recloop.serving.snapshots import digest_of
from recloop.types import Transitions
from recloop.utils.seeding import stream
from serving.house import (
    N_ITEMS,
    N_USERS,
    START,
    Visits,
    first_of,
    run,
    serving,
    settings_in,
    small,
    wander,
)
from serving.test_fold import folded


def served(tmp_path, first, test, **changes):
    """What `test(service, visits)` says; afterwards the log says the same state again."""

    async def whole():
        told = settings_in(tmp_path, **changes)
        async with serving(told, first, crash=True) as service:
            found = await test(service, Visits(service))
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest
        assert digest_of(folded(told, remembered_decisions=1)) == digest
        return found

    return run(whole())


def learned(service):
    """Trials and sums of a bandit that counts."""
    model = service.state.active.model
    return model.trials.tolist(), model.sums.tolist()


def at(item, value, n=N_ITEMS):
    """A row with one number."""
    row = np.zeros(n)
    row[item] = value
    return row.tolist()


def test_events_of_a_slot_add_up_and_the_model_has_the_sum_of_one_trial(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0")
        item = int(shown.items[0])
        await visits.tell(shown, value=1.0)
        assert learned(service) == (at(item, 1.0), at(item, 1.0))
        await visits.tell(shown, value=5.0, event="purchase")
        assert learned(service) == (at(item, 1.0), at(item, 6.0))
        await visits.tell(shown, value=1.0)
        assert learned(service) == (at(item, 1.0), at(item, 7.0))
        known = await service.find(shown.id)
        assert known.earned[item].value == 7.0
        assert service.state.learned == {
            "rows": 1, "corrections": 2, "left_out": 0, "too_late": 0,
        }  # fmt: skip

    served(tmp_path, small(), test)


def test_a_correction_says_what_an_event_should_have_been(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0")
        item = int(shown.items[0])
        await visits.tell(shown, value=2.0)
        await visits.tell(shown, value=5.0, event="purchase")
        await visits.tell(shown, value=0.5, kind="correction")
        assert learned(service) == (at(item, 1.0), at(item, 5.5))
        await visits.tell(shown, value=0.0, event="purchase", kind="correction")
        assert learned(service) == (at(item, 1.0), at(item, 0.5))

    served(tmp_path, small(), test)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("lin_ucb", {"context_dim": 3}),
        ("lin_thompson", {"context_dim": 3, "regularization": 2.0}),
        ("epsilon_greedy", {}),
        ("gaussian_thompson", {}),
        ("beta_thompson", {}),
        ("ucb1", {}),
    ],
)
def test_a_reward_after_the_default_leaves_what_the_right_value_at_once_would_have(
    name, params, tmp_path
):
    """For models that can be mended; to 1e-10."""
    rng = stream(0, "late rewards", name)
    width = params.get("context_dim", 0)

    async def test(service, visits):
        rows = []
        for n in range(12):
            context = rng.random(width) if width else None
            shown = await visits.ask(f"u{n % N_USERS}", 2, context=context)
            rows += [(shown, slot, float(rng.integers(3)) / 2) for slot in range(2)]
        late = [row for n, row in enumerate(rows) if n % 3]
        for shown, slot, value in [row for n, row in enumerate(rows) if n % 3 == 0]:
            await visits.tell(shown, slot, value)
        n = await service.settle(visits.now + 1800.0)
        assert n == len(late)
        for place in rng.permutation(len(late)):
            shown, slot, value = late[place]
            answer = await visits.tell(shown, slot, value, timestamp=visits.now + 1900.0)
            assert answer.result == "late"
        model = service.state.active.model
        return rows, {key: value.copy() for key, value in model.arrays().items()}

    rows, found = served(tmp_path, first_of(build_model(name, N_USERS, N_ITEMS, **params)), test)
    straight = build_model(name, N_USERS, N_ITEMS, **params)
    for shown, slot, value in rows:
        straight.update_batch(
            Transitions(
                users=np.array([int(shown.user[1:])]),
                items=shown.items[slot : slot + 1],
                rewards=np.array([value]),
                contexts=None if shown.context is None else shown.context[None],
                propensities=shown.propensities[slot : slot + 1],
            )
        )
    for key, array in straight.arrays().items():
        np.testing.assert_allclose(found[key], array, atol=1e-10, rtol=0, err_msg=key)


@pytest.mark.parametrize("name", ["q_learning", "logistic_ucb", "exp3"])
def test_a_model_that_cannot_be_mended_keeps_the_default_and_the_log_has_the_reward(name, tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 1)
        assert await service.settle(visits.now + 1800.0) == 1
        before = {key: value.copy() for key, value in service.state.active.model.arrays().items()}
        answer = await visits.tell(shown, value=1.0, timestamp=visits.now + 1801.0)
        assert answer.result == "late"
        for key, value in service.state.active.model.arrays().items():
            np.testing.assert_array_equal(value, before[key])
        known = await service.find(shown.id)
        assert known.earned[int(shown.items[0])].value == 1.0
        assert service.state.people.history(shown.user_code)[0] == shown.items[0]
        assert service.state.learned["left_out"] == 1

    served(tmp_path, small(name), test)


def test_a_default_is_given_once_to_every_slot_that_earned_nothing_and_to_no_other(tmp_path):
    async def test(service, visits):
        first = await visits.ask("u0", 3)
        await visits.tell(first, 1, 1.0)
        second = await visits.ask("u1", 2)
        assert await service.settle(first.timestamp + 1799.0) == 0
        assert await service.settle(first.timestamp + 1800.0) == 2
        assert await service.settle(first.timestamp + 1800.0) == 0
        assert await service.settle(second.timestamp + 1800.0) == 2
        assert await service.settle(second.timestamp + 1e9) == 0
        known = await service.find(first.id)
        assert [known.earned[item].value for item in first.items.tolist()] == [-0.5, 1.0, -0.5]
        trials, sums = learned(service)
        assert sum(trials) == 5.0
        assert sum(sums) == 1.0 - 4 * 0.5

    served(tmp_path, small(), test, rules={"default_reward": -0.5})


def test_without_a_default_reward_silence_teaches_nothing(tmp_path):
    async def test(service, visits):
        await visits.ask("u0", 3)
        assert await service.settle(visits.now + 1e9) == 0
        assert service.state.learned["rows"] == 0

    served(tmp_path, small(), test, rules={"default_reward": None})


def test_what_comes_twice_is_learned_once_and_what_is_of_nothing_never(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 2)
        other = next(i for i in range(N_ITEMS) if i not in shown.items)
        told = {"key": "k", "timestamp": START + 5}
        answers = [
            await visits.tell(shown, value=1.0, **told),
            await visits.tell(shown, value=1.0, **(told | {"timestamp": START + 50})),
            await visits.tell(shown, value=2.0, **told),
            await visits.tell(shown, 1, value=1.0, **told),
            *(await service.feedback([Reward("nothing", 1, 1.0, START, "n", "click")])),
            *(await service.feedback([Reward(shown.id, other, 1.0, START, "o", "click")])),
        ]
        assert [one.result for one in answers] == [
            "stored", "duplicate", "conflict", "conflict", "unknown", "not_shown",
        ]  # fmt: skip
        assert answers[1].seq == answers[0].seq
        item = int(shown.items[0])
        assert learned(service) == (at(item, 1.0), at(item, 1.0))
        assert service.counts["reward.duplicate"] == 1
        assert service.counts["reward.conflict"] == 2

    served(tmp_path, small(), test)


def test_of_sixteen_that_come_at_once_under_one_key_one_is_stored(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 1)
        rewards = [visits.reward(shown, key="k") for _ in range(16)]
        answers = await asyncio.gather(*(service.feedback([one]) for one in rewards))
        results = [one[0].result for one in answers]
        assert sorted(results) == ["duplicate"] * 15 + ["stored"]
        assert service.state.learned["rows"] == 1

    served(tmp_path, small(), test)


def test_what_comes_after_the_window_is_kept_and_teaches_nothing(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 2)
        wait, window = 10.0, 100.0
        inside, outside = shown.timestamp + window, shown.timestamp + window + 1.0
        assert (await visits.tell(shown, 0, 1.0, timestamp=inside)).result == "late"
        assert (await visits.tell(shown, 1, 1.0, timestamp=outside)).result == "late"
        assert wait < window
        item = int(shown.items[0])
        assert learned(service) == (at(item, 1.0), at(item, 1.0))
        assert service.state.learned["too_late"] == 1
        assert service.state.people.history(shown.user_code).tolist()[:2] == [item, -1]

    served(tmp_path, small(), test, rules={"reward_wait_s": 10.0, "late_window_s": 100.0})


def test_rules_that_change_midway_hold_from_their_place_in_the_log(tmp_path):
    async def test(service, visits):
        first, second = await visits.ask("u0", 1), await visits.ask("u1", 1)
        late = visits.now + 500.0
        await visits.tell(first, value=1.0, timestamp=late)
        rules = {"reward_wait_s": 10.0, "late_window_s": 100.0, "default_reward": 0.25}
        await service.configure("rules", rules=rules)
        await visits.tell(second, value=1.0, timestamp=late)
        assert service.state.learned["rows"] == 1
        assert service.state.learned["too_late"] == 1
        third = await visits.ask("u2", 1)
        assert await service.settle(third.timestamp + 10.0) == 1
        assert service.state.learned["rows"] == 2
        assert sum(learned(service)[1]) == 1.25

    served(tmp_path, small(), test)


def test_new_settings_are_a_record_of_the_log(tmp_path):
    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small()) as service:
            n = service.log.last_seq
        other = settings_in(tmp_path, rules={"default_reward": 0.5})
        async with serving(other) as service:
            assert service.state.rules.default_reward == 0.5
            assert service.log.last_seq == n + 1
        async with serving(other) as service:
            assert service.log.last_seq == n + 1

    run(test())


def test_rewards_of_decisions_that_fell_out_of_memory_are_learned_alike(tmp_path):
    """One decision is remembered; the same rewards in the same order, alone and in bulk."""
    rng = stream(0, "out of memory")
    plan = [(int(rng.integers(6)), int(rng.integers(3)), float(rng.integers(3)),
             str(rng.choice(["click", "purchase"])), str(rng.choice(["observed", "correction"])))
            for _ in range(60)]  # fmt: skip

    def state_with(folder, remembered, at_once):
        async def test(service, visits):
            met = [await visits.ask(f"u{n}", 3, candidates=np.arange(3)) for n in range(6)]
            met = [next(one for one in met if one.user == f"u{n}") for n in range(6)]
            rewards = [
                Reward(met[who].id, item, value, visits.now, f"k{n}", event, kind)
                for n, (who, item, value, event, kind) in enumerate(plan)
            ]
            for start in range(0, len(rewards), at_once):
                part = rewards[start : start + at_once]
                await asyncio.gather(*(service.feedback([one]) for one in part))
            return learned(service), service.state.learned

        folder.mkdir()
        return served(folder, small(), test, remembered_decisions=remembered)

    wanted = state_with(tmp_path / "a", 1000, 1)
    assert wanted[1]["corrections"] > 10
    for place, (remembered, at_once) in enumerate([(1, 1), (1, 60), (2, 7), (1000, 60)]):
        assert state_with(tmp_path / str(place), remembered, at_once) == wanted


def test_what_the_log_says_of_every_slot_is_what_was_taught(tmp_path):
    """`join_rewards` over the whole log against what each slot taught; no reward was too late."""
    told = settings_in(tmp_path)

    async def test():
        async with serving(told, small("gaussian_thompson")) as service:
            visits = Visits(service)
            await wander(visits, stream(0, "joined"), 8)
            await service.settle(visits.now + 1e5)
            await wander(visits, stream(1, "joined"), 4)
            taught = {
                (shown.id, item): slot.taught[-1][1]
                for shown in service.state.recent.values()
                for item, slot in (shown.earned or {}).items()
            }
            return taught, service.state.active.model.sums.copy()

    taught, sums = run(test())
    with open_log(told.log) as log:
        batch = log.read()
    joined, expected = {}, np.zeros(N_ITEMS)
    for row in range(len(batch)):
        for slot in range(int(batch.offsets[row]), int(batch.offsets[row + 1])):
            if not np.isnan(batch.rewards[slot]):
                item = int(batch.items[slot])
                joined[str(batch.ids[row]), item] = batch.rewards[slot]
                expected[item] += batch.rewards[slot]
    assert joined.keys() == taught.keys()
    assert len(joined) > 80
    assert [joined[key] for key in joined] == pytest.approx([taught[key] for key in joined])
    np.testing.assert_allclose(sums, expected, atol=1e-10)


def test_rewards_beyond_what_a_model_can_learn_count_as_the_nearest(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 2)
        await visits.tell(shown, 0, 5.0, event="purchase")
        await visits.tell(shown, 0, 1.0)
        await visits.tell(shown, 1, -3.0)
        first, second = shown.items.tolist()
        trials, sums = learned(service)
        assert (trials[first], sums[first]) == (1.0, 1.0)
        assert (trials[second], sums[second]) == (1.0, 0.0)
        await visits.tell(shown, 1, 3.5, kind="correction")
        assert learned(service)[1][second] == 1.0

    said = []

    async def remarks():
        told = settings_in(tmp_path / "b", rewards={"click": 1, "purchase": 5})
        async with serving(told, small("ucb1"), remark=said.append):
            pass

    for name in ("ucb1", "beta_thompson"):
        served(tmp_path / name, small(name), test)
    run(remarks())
    assert len(said) == 1
    assert "between 0 and 1" in said[0]
    assert "purchase" in said[0]


def test_a_slot_is_worth_its_default_until_something_is_known():
    slot = Earned()
    assert slot.value is None
    slot.add("default", "default", 0.5)
    assert slot.value == 0.5
    slot.add("click", "observed", 1.0)
    slot.add("default", "default", 0.25)
    assert slot.value == 1.0


def test_a_policy_learns_as_new_what_was_taught_before_it_came(tmp_path):
    """A default that the policy before learned is no row of this one: it has nothing to mend."""
    from recloop.serving.opening import swap_control

    async def test(service, visits):
        version, digest = service.registry.add(
            build_model("epsilon_greedy", N_USERS, N_ITEMS, epsilon=0.3),
            users=[f"u{n}" for n in range(N_USERS)],
            items=service.state.catalogue.ids,
            name="other",
        )
        shown = await visits.ask("u0", 1)
        item = int(shown.items[0])
        await service.settle(visits.now + 1800.0)
        assert learned(service) == (at(item, 1.0), at(item, 0.0))
        await service.control(swap_control(version, digest))
        await visits.tell(shown, value=1.0)
        assert learned(service) == (at(item, 1.0), at(item, 1.0))
        await visits.tell(shown, value=2.0)
        assert learned(service) == (at(item, 1.0), at(item, 3.0))
        before = service.state.previous[-1].model
        assert (before.trials[item], before.sums[item]) == (1.0, 0.0)

    served(tmp_path, small(), test)
