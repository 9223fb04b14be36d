"""Lists that are prepared and shown later, or never."""

import asyncio
from contextlib import suppress

from recloop.decisions import open_log
from recloop.serving.service import config_control
from recloop.serving.snapshots import digest_of
from serving.house import Visits, run, serving, settings_in, small
from serving.test_fold import folded

WAIT = 1800.0


def lives(tmp_path, *parts, crash=True, **changes):
    """Runs each of `parts(service, visits)` in a life of its own; refolds after each."""

    async def whole():
        told, now = settings_in(tmp_path, **changes), None
        for number, part in enumerate(parts):
            async with serving(told, small() if number == 0 else None, crash=crash) as service:
                visits = Visits(service, name=f"life{number}-", **({"now": now} if now else {}))
                await part(service, visits)
                now = visits.now
                digest = digest_of(service.state)
            assert digest_of(folded(told)) == digest
            assert digest_of(folded(told, remembered_decisions=1)) == digest

    run(whole())


async def activate(service, decision, when):
    """As `Service.activate`, at a time that the test says."""
    from recloop.serving.ledger import activation

    return await service.control(activation(decision, when))


def test_a_prepared_list_gets_no_default_until_it_was_shown_and_waited(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 3, activated=False, id="p")
        assert await service.settle(visits.now + 1e6) == 0
        assert service.state.shows.sum() == 0
        later = visits.now + 5000.0
        await activate(service, "p", later)
        assert service.state.shows.sum() == 3
        assert await service.settle(later + WAIT - 1) == 0
        assert await service.settle(later + WAIT) == 3
        assert await service.settle(later + 1e6) == 0
        assert (await service.find(shown.id)).activated

    lives(tmp_path, test)


def test_the_wait_goes_on_over_a_restart_also_where_younger_lists_have_their_defaults(tmp_path):
    async def before(service, visits):
        await visits.ask("u0", 2, activated=False, id="p")
        await visits.ask("u1", 2, id="young")
        assert await service.settle(visits.now + WAIT) == 2
        await activate(service, "p", visits.now + 5000.0)

    async def after(service, visits):
        assert await service.settle(visits.now + 5000.0 + WAIT - 1) == 0
        assert await service.settle(visits.now + 5000.0 + WAIT) == 2
        assert service.state.prepared == {}

    async def long_after(service, visits):
        assert await service.settle(visits.now + 1e6) == 0

    lives(tmp_path / "killed", before, after, long_after)
    lives(tmp_path / "stopped", before, after, long_after, crash=False)


def test_a_list_that_is_shown_after_the_restart_is_settled_too(tmp_path):
    async def before(service, visits):
        await visits.ask("u0", 2, activated=False, id="p")
        await visits.ask("u1", 1)
        await service.settle(visits.now + WAIT)

    async def after(service, visits):
        assert await service.activate("p")
        when = service.state.prepared["p"]
        assert await service.settle(when + WAIT) == 2

    lives(tmp_path, before, after)


def test_feedback_says_that_a_list_was_shown(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 3, activated=False, id="p")
        assert (await visits.tell(shown, 1, 1.0)).result == "stored"
        assert service.state.recent["p"].activated
        assert service.state.shows[shown.items].tolist() == [1.0, 1.0, 1.0]
        assert await service.settle(visits.now + WAIT) == 2
        controls = [one.id for one in service.log.controls()]
        assert controls.count("activated/p") == 1

    lives(tmp_path, test)


def test_feedback_that_is_refused_shows_nothing(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 2, activated=False, id="p")
        other = next(i for i in range(8) if i not in shown.items)
        refused = visits.reward(shown)._replace(item=other)
        assert (await service.feedback([refused]))[0].result == "not_shown"
        assert not service.state.recent["p"].activated

    lives(tmp_path, test)


def test_many_who_say_at_once_that_a_list_was_shown_count_once(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 2, activated=False, id="p")
        await asyncio.gather(
            *(service.activate("p") for _ in range(5)),
            *(service.feedback([visits.reward(shown, n % 2)]) for n in range(6)),
            *(service.activate("p") for _ in range(5)),
        )
        assert service.state.shows[shown.items].tolist() == [1.0, 1.0]
        assert not await service.activate("nothing")

    lives(tmp_path, test)


def test_a_list_all_of_whose_items_earned_something_waits_for_nothing(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 2, activated=False, id="p")
        await visits.tell(shown, 0)
        assert "p" in service.state.prepared
        await visits.tell(shown, 1)
        assert service.state.prepared == {}

    lives(tmp_path, test)


def test_a_crash_between_two_units_of_defaults_loses_none(tmp_path):
    """Defaults of a list are stored together, and lists that come later never before it."""
    n_lists, k = 12, 3

    async def before(service, visits):
        for n in range(n_lists):
            await visits.ask(f"u{n % 6}", k)
        service_module_limit(2 * k)
        stop_after(service, 2)
        with suppress(ConnectionAbortedError):
            await service.settle(visits.now + WAIT)

    async def after(service, visits):
        given = sum(1 for batch in service.log.rewards() for _ in range(len(batch)))
        assert 0 < given < n_lists * k
        assert given % k == 0
        assert await service.settle(visits.now + WAIT) == n_lists * k - given

    from recloop.serving import service as module

    limit = module.MOST_DEFAULTS

    def service_module_limit(n):
        module.MOST_DEFAULTS = n

    def stop_after(service, n):
        give, count = service._give, [0]

        async def few(rewards):
            count[0] += 1
            if count[0] > n:
                raise ConnectionAbortedError
            return await give(rewards)

        service._give = few

    try:
        lives(tmp_path, before, after)
    finally:
        module.MOST_DEFAULTS = limit


def test_what_was_prepared_is_seen_only_when_it_was_shown(tmp_path):
    async def test(service, visits):
        shown = await visits.ask("u0", 8, activated=False, id="p")
        assert len(shown.items) == 8
        assert len((await visits.ask("u0", 8, id="q")).items) == 8
        await service.control(config_control("items", add=[{"id": "new", "title": "",
                              "category": "", "features": []}]))  # fmt: skip
        again = await visits.ask("u0", 8)
        assert [service.state.catalogue.ids[code] for code in again.items] == ["new"]

    async def after(service, visits):
        assert len((await visits.ask("u0", 8)).items) == 0

    lives(tmp_path, test, after, lists={"seen": "never"})


def test_the_log_marks_what_was_activated(tmp_path):
    async def test(service, visits):
        await visits.ask("u0", 2, activated=False, id="p")
        await visits.ask("u0", 2, activated=False, id="q")
        await service.activate("q")

    lives(tmp_path, test)
    with open_log(settings_in(tmp_path).log) as log:
        batch = log.read()
    assert dict(zip(batch.ids.tolist(), batch.activated.tolist(), strict=True)) == {
        "p": False, "q": True,
    }  # fmt: skip
