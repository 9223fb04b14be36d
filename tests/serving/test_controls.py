"""Swap, rollback, freeze, shadow and canary: in the order of the log, and again by it."""

import asyncio
import json

import numpy as np
import pytest

from recloop.decisions import Control, open_log
from recloop.models.registry import build_model
from recloop.serving.assignment import in_canary
from recloop.serving.opening import freeze_control, swap_control
from recloop.serving.registry import fingerprint
from recloop.serving.service import config_control
from recloop.serving.snapshots import digest_of
from recloop.utils.seeding import stream
from serving.house import N_ITEMS, N_USERS, Visits, run, serving, settings_in, small, wander
from serving.test_fold import folded


def registered(service, name, model="epsilon_greedy", **params):
    made = build_model(model, N_USERS, N_ITEMS, **params)
    users = [f"u{n}" for n in range(N_USERS)]
    items = [f"i{n}" for n in range(N_ITEMS)]
    return service.registry.add(made, users=users, items=items, name=name)


async def swap(service, name, role="active", model="epsilon_greedy", params=None, **details):
    version, digest = registered(service, name, model, **(params or {}))
    await service.control(swap_control(version, digest, role=role, **details))
    return version


async def roll_back(service):
    await service.control(Control(f"r{service.state.seq}", 1.0, "rollback"))


async def freeze(service, version, frozen=True):
    await service.control(freeze_control(version=version, frozen=frozen))


def lived(tmp_path, test, **changes):
    """Runs `test(service, visits)`; what a refold and a restart from a snapshot say is the same."""

    async def whole():
        told = settings_in(tmp_path, **changes)
        async with serving(told, small()) as service:
            found = await test(service, Visits(service))
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest
        assert digest_of(folded(told, remembered_decisions=1)) == digest
        async with serving(told) as service:
            assert service.state.folded_from == service.state.seq
            assert digest_of(service.state) == digest
        return found

    return run(whole())


def sums(policy):
    return float(policy.model.sums.sum())


def test_a_swap_takes_over_and_a_rollback_gives_back_what_was_learned(tmp_path):
    async def test(service, visits):
        state, first = service.state, service.state.active
        shown = await visits.ask("u0")
        await visits.tell(shown, value=1.0)
        version = await swap(service, "second")
        assert state.active.version == version
        assert (await visits.ask("u0")).version == version
        assert sums(state.active) == 0.0
        await visits.tell(await visits.ask("u1"), value=1.0)
        assert (sums(first), sums(state.active)) == (1.0, 1.0)
        await roll_back(service)
        assert state.active is first
        assert state.previous == []
        await visits.tell(await visits.ask("u1"), value=1.0)
        assert sums(first) == 2.0
        await roll_back(service)  # there is nothing before: it stays
        assert state.active is first

    lived(tmp_path, test)


def test_two_rollbacks_that_come_at_once_stop_nothing(tmp_path):
    async def test(service, visits):
        await swap(service, "second")
        await asyncio.gather(*(roll_back_as(service, f"r{n}") for n in range(3)))
        assert service.broken is None
        assert service.state.active.name == "epsilon_greedy"

    async def roll_back_as(service, name):
        await service.control(Control(name, 1.0, "rollback"))

    lived(tmp_path, test)


def test_five_policies_back_is_as_far_as_it_goes(tmp_path):
    async def test(service, visits):
        for n in range(6):
            await swap(service, f"m{n}", params={"epsilon": 0.1 + n / 100})
        for _ in range(9):
            await roll_back(service)
        assert service.state.active.name == "m1"

    lived(tmp_path, test)


def test_what_is_frozen_learns_nothing_until_it_thaws(tmp_path):
    async def test(service, visits):
        policy = service.state.active
        early = await visits.ask("u0", 2)
        await visits.tell(early, 0, 1.0)
        await freeze(service, policy.version)
        before = fingerprint(policy)
        await visits.tell(early, 0, 1.0)  # the slot is worth 2 now: mended later, or not at all
        await visits.tell(early, 1, 1.0)
        assert fingerprint(policy) == before
        assert not service.state.is_learning(policy)
        await freeze(service, policy.version, False)
        await visits.tell(early, 0, 3.0)  # worth 5; it had learned 1
        assert policy.model.sums[early.items[0]] == 5.0
        assert policy.model.trials[early.items[0]] == 1.0
        await visits.tell(early, 1, 3.0)  # worth 4; it had learned nothing of it
        assert policy.model.sums[early.items[1]] == 4.0
        assert policy.model.trials[early.items[1]] == 1.0

    lived(tmp_path, test)


def test_a_setting_that_stops_learning_is_a_record_of_the_log(tmp_path):
    async def test():
        told, still = settings_in(tmp_path), settings_in(tmp_path, learn=False)
        async with serving(told, small(), crash=True) as service:
            visits = Visits(service)
            shown = await visits.ask("u0")
            await visits.tell(shown, value=1.0)
            n = service.log.last_seq
        async with serving(still, crash=True) as service:
            assert service.log.last_seq == n + 1
            assert service.log.controls()[-1].kind == "freeze"
            visits = Visits(service, name="e")
            before = fingerprint(service.state.active)
            await visits.tell(await visits.ask("u0"), value=1.0)
            assert fingerprint(service.state.active) == before
            await swap(service, "second")  # and nobody else does either
            await visits.tell(await visits.ask("u0"), value=1.0)
            assert sums(service.state.active) == 0.0
            await roll_back(service)
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest  # whatever the settings say by now
        async with serving(still, crash=True) as service:
            n = service.log.last_seq
            assert digest_of(service.state) == digest
        async with serving(told) as service:
            assert service.log.last_seq == n + 1
            visits = Visits(service, name="f")
            await visits.tell(await visits.ask("u0"), value=1.0)
            assert sums(service.state.active) == 2.0

    run(test())


def test_a_log_that_begins_without_learning_says_so(tmp_path):
    async def test():
        told = settings_in(tmp_path, learn=False)
        async with serving(told, small()) as service:
            visits = Visits(service)
            await visits.tell(await visits.ask("u0"), value=1.0)
            assert sums(service.state.active) == 0.0
            kinds = [one.kind for one in service.log.controls()]
            assert kinds == ["config", "config", "config", "swap", "freeze"]
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest

    run(test())


def test_a_shadow_learns_and_shows_nothing_and_keeps_what_it_learned_when_it_is_activated(tmp_path):
    async def test(service, visits):
        version = await swap(service, "dark", role="shadow", params={"epsilon": 0.3})
        for n in range(6):
            shown = await visits.ask(f"u{n}")
            assert shown.policy == "epsilon_greedy"
            await visits.tell(shown, value=1.0)
        shadow = service.state.shadow
        assert sums(shadow) == 6.0
        await swap(service, "dark", params={"epsilon": 0.3})
        assert service.state.active is shadow
        assert service.state.shadow is None
        assert service.state.active.version == version
        assert (await visits.ask("u0")).version == version

    lived(tmp_path, test)


def test_a_shadow_that_ends_is_gone_and_learns_no_more(tmp_path):
    async def test(service, visits):
        await swap(service, "dark", role="shadow", params={"epsilon": 0.3})
        shadow = service.state.shadow
        await service.control(config_control("end", role="shadow"))
        await visits.tell(await visits.ask("u0"), value=1.0)
        assert service.state.shadow is None
        assert sums(shadow) == 0.0

    lived(tmp_path, test)


def test_a_canary_serves_its_share_and_everybody_keeps_theirs(tmp_path):
    """2,000 people at a share of 0.3: within 4.5 standard errors, false alarm 1 in 100,000."""

    async def test(service, visits):
        version = await swap(service, "bird", role="canary", share=0.3, params={"epsilon": 0.2})
        people = [f"p{n}" for n in range(2000)]
        first = await asyncio.gather(*(visits.ask(one, 1) for one in people))
        of = {shown.user: shown.policy for shown in first}
        share = np.mean([one == "bird" for one in of.values()])
        assert abs(share - 0.3) < 4.5 * np.sqrt(0.3 * 0.7 / 2000)
        assert {shown.version for shown in first if shown.policy == "bird"} == {version}
        again = await asyncio.gather(*(visits.ask(one, 2) for one in people[:100]))
        assert all(of[shown.user] == shown.policy for shown in again)
        had = {one for one in people if in_canary(one, service.state.canary)}
        await swap(service, "bird", role="canary", share=0.5, params={"epsilon": 0.2})
        assert had < {one for one in people if in_canary(one, service.state.canary)}
        await service.control(config_control("end", role="canary"))
        assert (await visits.ask(min(had), 1)).policy == "epsilon_greedy"

    lived(tmp_path, test)


def test_a_canary_learns_from_all_and_logs_its_own_propensities(tmp_path):
    async def test(service, visits):
        await swap(service, "bird", role="canary", model="exp3", share=0.5)
        who = {True: None, False: None}
        for n in range(N_USERS):
            who[in_canary(f"u{n}", service.state.canary)] = f"u{n}"
        assert None not in who.values()
        for user in who.values():
            shown = await visits.ask(user, 1)
            await visits.tell(shown, value=1.0)
        theirs = await visits.ask(who[True], 1)
        policy = service.state.canary.policy
        how = policy.exploration(np.array([0]), None, np.full((1, 50), -1), 0.05)
        odds = policy.chances(how, np.ones((1, N_ITEMS), dtype=bool), theirs.items[None])
        assert theirs.propensities.tolist() == odds[0].tolist()
        assert (policy.model.log_weights < 0).sum() >= N_ITEMS - 2
        assert sums(service.state.active) == 2.0
        learned = policy
        await swap(service, "bird", model="exp3")
        assert service.state.active is learned
        assert service.state.canary is None

    lived(tmp_path, test)


def test_a_published_model_takes_the_place_of_the_one_of_its_name(tmp_path):
    async def test(service, visits):
        version, digest = registered(service, "trained", epsilon=0.01)
        for name in ("somebody_else", "epsilon_greedy"):
            details = json.dumps({"name": name})
            await service.control(Control(f"p-{name}", 1.0, "publish", version, digest, details))
        assert service.state.active.version == version
        assert service.state.previous == []
        assert service.state.is_learning(service.state.active)  # as the one before it did

    lived(tmp_path, test)


def test_a_day_of_everything_is_told_again_by_the_log(tmp_path):
    async def test(service, visits):
        rng = stream(0, "everything")
        first = service.state.active.version
        await wander(visits, rng, 1)
        await swap(service, "bird", role="canary", share=0.4, model="exp3")
        await wander(visits, rng, 1)
        await swap(service, "dark", role="shadow", model="ucb1")
        await service.control(config_control("items", add=[{"id": "new", "title": "",
                              "category": "", "features": []}], hide=["i0"]))  # fmt: skip
        await wander(visits, rng, 1)
        await service.settle(visits.now + 1790.0)
        await swap(service, "second", params={"epsilon": 0.25})
        await wander(visits, rng, 1)
        await freeze(service, service.state.active.version)
        await wander(visits, rng, 1)
        await swap(service, "dark", model="ucb1")
        await service.control(config_control("items", show=["i0"]))
        await wander(visits, rng, 1)
        await roll_back(service)
        await freeze(service, service.state.active.version, False)
        await wander(visits, rng, 1)
        await roll_back(service)
        assert service.state.active.version == first
        await service.control(config_control("end", role="canary"))
        await wander(visits, rng, 1)
        await service.settle(visits.now + 1e5)
        assert service.broken is None

    lived(tmp_path, test)


def test_ten_swaps_amid_traffic_fail_no_request(tmp_path):
    async def test(service, visits):
        async def traffic(n):
            for _ in range(15):
                shown = await visits.ask(f"u{n}", 2)
                assert len(shown.items) == 2
                await visits.tell(shown, value=1.0)

        async def swaps():
            for n in range(10):
                await swap(service, f"m{n % 3}", params={"epsilon": 0.1 + n / 50})
                if n % 3 == 2:
                    await roll_back(service)

        await asyncio.gather(*(traffic(n) for n in range(6)), swaps())
        assert service.counts["decisions"] == 90

    lived(tmp_path, test)


def test_a_control_that_is_sent_again_is_in_force_once(tmp_path):
    async def test(service, visits):
        version, digest = registered(service, "second")
        control = swap_control(version, digest)
        await service.control(control)
        written = await service.control(control)
        assert written.seq == 0
        assert len(service.state.previous) == 1

    lived(tmp_path, test)


@pytest.mark.parametrize("name", ["popular", "random"])
def test_a_model_that_only_fits_is_served_and_never_said_to_learn(name, tmp_path):
    async def test(service, visits):
        await swap(service, "fitted", model=name)
        shown = await visits.ask("u0", 3)
        assert len(shown.items) == 3
        await visits.tell(shown, value=1.0)
        learns = service.state.active.model.learns == "steps"
        assert service.state.is_learning(service.state.active) == learns

    lived(tmp_path, test)


def test_the_log_holds_every_change_with_the_sha256_of_what_was_served(tmp_path):
    told = settings_in(tmp_path)

    async def test():
        async with serving(told, small()) as service:
            await swap(service, "second")
            return service.state.active.sha256, service.state.active.version

    digest, version = run(test())
    with open_log(told.log) as log:
        last = log.controls()[-1]
    assert (last.kind, last.file, last.sha256) == ("swap", version, digest)
