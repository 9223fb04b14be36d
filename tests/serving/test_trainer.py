"""A DQN learns beside the requests; what it has learned is served when it is published."""

import asyncio
import json
import shutil

import numpy as np
import pytest

from recloop.decisions import Control, open_log
from recloop.errors import DamagedFile, LogUnavailable
from recloop.serving.assignment import in_canary
from recloop.serving.opening import recovered, swap_control
from recloop.serving.registry import Registry
from recloop.serving.snapshots import digest_of
from recloop.serving.trainer import without_first
from recloop.types import Transitions
from recloop.utils.seeding import stream
from serving.house import Visits, run, serving, settings_in, small, wander

DQN = {"learning_starts": 4, "replay_batch_size": 4, "embedding_dim": 4, "hidden": (4,)}


async def until(condition):
    """Wait for what another thread does; a test that waits for ever fails."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


def published(service):
    return service.counts.get("publications", 0)


async def click(visits, n):
    """n lists, the first item of each is liked."""
    for number in range(n):
        shown = await visits.ask(f"u{number % 6}", 2)
        await visits.tell(shown, 0, 1.0)


def test_a_model_is_published_after_so_many_steps_and_served_from_then_on(tmp_path):
    async def test():
        settings = settings_in(tmp_path, publish_every=10)
        async with serving(settings, small("dqn", **DQN)) as service:
            visits = Visits(service)
            first = service.state.active
            await click(visits, 9)
            await asyncio.sleep(0.05)
            assert service.state.active is first
            assert sum(len(steps) for steps in first.unpublished) == 9
            await click(visits, 1)
            await until(lambda: published(service) == 1)
            active = service.state.active
            assert active is not first
            assert active.name == "dqn"
            assert active.version.startswith("dqn.published-")
            assert (active.n_published, active.unpublished) == (10, [])
            assert service.state.previous == []
            users = np.arange(6)
            assert not np.array_equal(active.model.scores(users), first.model.scores(users))
            shown = await visits.ask("u0")
            assert shown.version == active.version

    run(test())


def test_a_published_model_is_what_learning_those_steps_gives_however_they_came(tmp_path):
    async def lived(folder, together):
        settings = settings_in(folder, publish_every=12)
        async with serving(settings, small("dqn", **DQN)) as service:
            visits = Visits(service)
            met = [await visits.ask(f"u{n % 6}", 2, id=f"d{n}") for n in range(12)]
            rewards = [visits.reward(one, 0, float(n % 2), key=f"r{n}")
                       for n, one in enumerate(met)]  # fmt: skip
            if together:
                await service.feedback(rewards)
            else:
                for reward in rewards:
                    await service.feedback([reward])
            await until(lambda: published(service) == 1)
            arrays = service.state.active.model.arrays()
            return dict(arrays)

    same = [run(lived(tmp_path / str(together), together)) for together in (True, False)]
    assert same[0].keys() == same[1].keys()
    assert all(np.array_equal(same[0][name], same[1][name]) for name in same[0])


@pytest.mark.parametrize("crash", [False, True])
def test_a_restart_goes_on_with_what_no_published_model_knows(tmp_path, crash):
    settings = settings_in(tmp_path, publish_every=10)

    async def before():
        async with serving(settings, small("dqn", **DQN), crash=crash) as service:
            visits = Visits(service)
            await click(visits, 10)
            await until(lambda: published(service) == 1)
            await click(visits, 6)
            return digest_of(service.state)

    async def after(told):
        async with serving(settings) as service:
            assert digest_of(service.state) == told
            visits = Visits(service, name="e")
            await click(visits, 4)
            await until(lambda: published(service) == 1)
            assert service.state.active.n_published == 20
            assert [one.n_learned for one in service.trainers.values()] == [20]

    told = run(before())
    run(after(told))


def test_the_log_alone_gives_the_same_state_also_where_old_models_were_pruned(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("recloop.serving.trainer.KEPT_PUBLISHED", 1)
    settings = settings_in(tmp_path, publish_every=5)

    async def test():
        async with serving(settings, small("dqn", **DQN)) as service:
            visits = Visits(service)
            for n in range(3):
                await click(visits, 5)
                await until(lambda n=n: published(service) == n + 1)
            await click(visits, 2)
            return digest_of(service.state)

    told = run(test())
    registry = Registry(tmp_path / "data" / "models")
    names = [one for one in registry.versions() if "published" in one]
    assert len(names) == 1
    with open_log(settings.log) as log:
        assert digest_of(recovered(settings, log, registry, use_snapshots=False)) == told
        shutil.rmtree(tmp_path / "data" / "models" / names[0])
        with pytest.raises(DamagedFile, match=r"published model 'dqn\.published-.*' is gone"):
            recovered(settings, log, registry, use_snapshots=False)


def test_another_policy_ends_the_training_and_a_freeze_pauses_it(tmp_path):
    async def test():
        settings = settings_in(tmp_path, publish_every=1000)
        async with serving(settings, small("dqn", **DQN)) as service:
            visits = Visits(service)
            await wander(visits, stream(0, "trainer"), 1)
            assert [one.name for one in service.trainers.values()] == ["dqn"]
            first = service.state.active
            registry = service.registry
            model = small("exp3").model
            version, digest = registry.add(
                model, users=[f"u{n}" for n in range(6)], items=[f"i{n}" for n in range(8)]
            )
            await service.control(swap_control(version, digest, role="active"))
            assert service.trainers == {}
            assert first.listener is None
            await service.control(Control("back", 1.0, "rollback"))
            assert [one.name for one in service.trainers.values()] == ["dqn"]
            frozen = json.dumps({"version": service.state.active.version, "frozen": True})
            await service.control(Control("still", 1.0, "freeze", details=frozen))
            assert service.trainers == {}

    run(test())


def another_dqn(service):
    users, items = [f"u{n}" for n in range(6)], [f"i{n}" for n in range(8)]
    return service.registry.add(small("dqn", seed=1, **DQN).model, users=users, items=items)


def test_what_a_canary_learns_takes_the_place_of_the_canary_also_under_the_name_of_the_active(
    tmp_path,
):
    async def test():
        settings = settings_in(tmp_path, publish_every=8)
        async with serving(settings, small("dqn", **DQN)) as service:
            first = service.state.active
            version, digest = another_dqn(service)
            await service.control(swap_control(version, digest, role="canary", share=0.5))
            got = {f"p{n}" for n in range(50) if in_canary(f"p{n}", service.state.canary)}
            await click(Visits(service), 8)
            await until(lambda: published(service) == 2)
            active, canary = service.state.active, service.state.canary.policy
            assert (active.origin, canary.origin) == (first.version, version)
            assert active.version != active.origin
            assert canary.version != canary.origin
            assert {f"p{n}" for n in range(50) if in_canary(f"p{n}", service.state.canary)} == got
            visits = Visits(service, name="e")
            await click(visits, 4)
            await service.settle(visits.now + 1900.0)
            await until(lambda: published(service) == 6)  # 12 clicks and 12 defaults, each of two
            assert set(service.state.tallies) <= {first.version, version}
            assert sum(one.n for one in service.state.tallies.values()) == 12
            canary = service.state.canary.policy
            await service.control(swap_control(version, digest, role="active"))
            assert service.state.active is canary
            assert service.state.canary is None
            return digest_of(service.state)

    told = run(test())
    settings = settings_in(tmp_path)
    with open_log(settings.log) as log:
        registry = Registry(tmp_path / "data" / "models")
        assert digest_of(recovered(settings, log, registry, use_snapshots=False)) == told
        assert digest_of(recovered(settings, log, registry)) == told


def test_a_policy_of_any_name_publishes(tmp_path):
    async def test():
        settings = settings_in(tmp_path, publish_every=4)
        async with serving(settings, small()) as service:
            version, digest = another_dqn(service)
            await service.control(swap_control(version, digest, role="active", name="é la carte*"))
            await click(Visits(service), 4)
            await until(lambda: published(service) == 1)
            assert service.state.active.name == "é la carte*"
            assert service.state.active.version != version

    run(test())


def test_what_was_learned_for_a_policy_that_was_replaced_meanwhile_is_not_served(tmp_path):
    async def test():
        settings = settings_in(tmp_path, publish_every=5)
        async with serving(settings, small("dqn", **DQN)) as service:
            begun, held = service._begin_to_publish, []
            service._begin_to_publish = held.append
            await click(Visits(service), 5)
            await until(lambda: len(held) == 1)
            version, digest = another_dqn(service)
            await service.control(swap_control(version, digest, role="active"))
            begun(held[0])
            await until(lambda: published(service) == 1)
            assert service.state.active.version == version
            frozen = json.dumps({"version": version, "frozen": True})
            await service.control(Control("still", 1.0, "freeze", details=frozen))
            assert not service.state.active.learns

    run(test())


def test_a_publication_that_cannot_be_written_is_counted_and_training_goes_on(tmp_path):
    async def test():
        settings = settings_in(tmp_path, publish_every=5)
        async with serving(settings, small("dqn", **DQN)) as service:
            visits = Visits(service)
            control, broken = service.control, [True]

            async def refuse(record):
                if broken[0]:
                    raise LogUnavailable("full")
                return await control(record)

            service.control = refuse
            await click(visits, 5)
            await until(lambda: service.counts.get("publications_failed", 0) == 1)
            broken[0] = False
            await click(visits, 5)
            await until(lambda: published(service) == 1)
            assert service.state.active.n_published == 10
            assert service.state.active.unpublished == []

    run(test())


def test_the_steps_after_the_first_n_are_left():
    def steps(*items):
        many = np.array(items)
        return Transitions(users=many, items=many, rewards=many.astype(float))

    def left(n):
        return [part.items.tolist() for part in without_first([steps(1, 2), steps(3, 4, 5)], n)]

    assert left(0) == [[1, 2], [3, 4, 5]]
    assert left(1) == [[2], [3, 4, 5]]
    assert left(2) == [[3, 4, 5]]
    assert left(4) == [[5]]
    assert left(5) == []
