"""How versions are compared: over decisions that had the same time to earn something."""

from recloop.serving.experiments import Tally, compared
from recloop.serving.opening import swap_control
from recloop.serving.snapshots import digest_of
from recloop.utils.seeding import stream
from serving.house import Visits, run, serving, settings_in, small
from serving.test_fold import folded

WAIT_S = 1800.0


async def clicks(service, visits, rng, n):
    """n lists of one item, a tenth of them clicked whoever decided."""
    for number in range(n):
        shown = await visits.ask(f"{visits.n}-{number}", 1)
        if rng.random() < 0.1:
            await visits.tell(shown)


def test_a_canary_as_good_as_the_active_policy_is_not_better_before_silence_is_known(tmp_path):
    async def test():
        told = settings_in(tmp_path)
        async with serving(told, small()) as service:
            visits, rng = Visits(service), stream(0, "experiments")
            active = service.state.active.version
            await clicks(service, visits, rng, 300)
            users, items = [f"u{n}" for n in range(6)], [f"i{n}" for n in range(8)]
            version, digest = service.registry.add(
                small(seed=1).model, users=users, items=items, name="other"
            )
            await service.control(swap_control(version, digest, role="canary", share=0.7))
            await clicks(service, visits, rng, 1500)
            tallies = service.state.tallies
            assert sum(one.n for one in tallies.values()) == 0
            assert compared(tallies.get(version, Tally()), Tally()).verdict == "not known"
            middle = digest_of(service.state)
            assert digest_of(folded(told)) == middle
            await service.settle(visits.now + WAIT_S + 1.0)
            found = {one: (tally.n, tally.mean) for one, tally in tallies.items()}
            assert sum(n for n, _ in found.values()) > 1750  # all but the last ones with a click
            for _, mean in found.values():
                assert 0.07 < mean < 0.13  # 5 standard errors of 1000 at 0.1: 0.05
            assert compared(tallies[version], tallies[active]).verdict == "not known"
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest
        async with serving(told) as service:
            assert digest_of(service.state) == digest

    run(test())


def test_what_is_waited_for_no_more_counts_at_once(tmp_path):
    async def test():
        async with serving(settings_in(tmp_path), small()) as service:
            visits = Visits(service)
            await visits.tell(await visits.ask("u0", 1), 0, 2.0)
            assert service.state.tallies == {}
            rules = service.state.rules.model_dump() | {"default_reward": None}
            await service.configure("rules", rules=rules)
            await visits.tell(await visits.ask("u0", 1), 0, 4.0)
            (tally,) = service.state.tallies.values()
            assert (tally.n, tally.total) == (2, 6.0)

    run(test())
