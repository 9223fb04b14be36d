"""A person is forgotten: their id is nowhere, and the fold is the same bit by bit."""

import pytest

from recloop.decisions import open_log
from recloop.errors import MissingData
from recloop.serving.opening import recovered
from recloop.serving.registry import Registry
from recloop.serving.snapshots import digest_of
from recloop.utils.seeding import stream
from serving.house import Visits, run, serving, settings_in, small, wander

PERSON = "u3"


async def a_life_with_a_person_forgotten(folder, name):
    told = settings_in(folder, lists={"seen": "days", "seen_days": 0.0001}, snapshot_every=20)
    rng = stream(0, "forgetting")
    async with serving(told, small(name)) as service:
        visits = Visits(service)
        await wander(visits, rng, 3)
        before = await visits.ask(PERSON)
        await visits.tell(before)
        code = before.user_code
        await service.forget(PERSON)
        assert service.state.people.seen(code, 0.0) == []
        await visits.tell(before, slot=1)  # what still comes of what they were shown
        again = await visits.ask(PERSON)
        assert again.user_code != code
        assert again.fallback == service.state.active.needs_user(0)
        await visits.tell(again)
        await wander(visits, rng, 2)
    async with serving(told, crash=True) as service:
        await wander(Visits(service, now=visits.now + 10, name="e"), rng, 1)
        return told, digest_of(service.state), before.id


@pytest.mark.parametrize("name", ["q_learning", "sarsa", "epsilon_greedy"])
def test_the_fold_goes_on_bit_by_bit_after_somebody_was_forgotten(name, tmp_path):
    told, lived, decision = run(a_life_with_a_person_forgotten(tmp_path, name))
    with open_log(told.log) as log:
        registry = Registry(f"{told.data_dir}/models")
        assert digest_of(recovered(told, log, registry, use_snapshots=False)) == lived
        assert digest_of(recovered(told, log, registry)) == lived
        found = log.find(decision)
        assert log.name_of("user", int(found.users[0])).startswith("forgotten-")


async def forget_one_of_many(folder):
    told = settings_in(folder, snapshot_every=5)
    async with serving(told, small("q_learning")) as service:
        visits = Visits(service)
        for user in ("jane.doe@example.org", "u1", "jane.doe@example.org"):
            await visits.tell(await visits.ask(user))
        await service.save_snapshot()
        await service.forget("jane.doe@example.org")
        with pytest.raises(MissingData, match="nobody of that id"):
            await service.forget("jane.doe@example.org")


def test_no_byte_of_the_log_or_of_a_snapshot_names_who_was_forgotten(tmp_path):
    run(forget_one_of_many(tmp_path))
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert len(files) > 3
    assert [one.name for one in files if b"jane.doe" in one.read_bytes()] == []
