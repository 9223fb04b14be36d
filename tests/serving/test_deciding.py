"""Lists: exact propensities, the floor, what may stand in them, and who is answered how."""

import asyncio

import numpy as np
import pytest
from scipy import stats

from recloop.decisions import open_log
from recloop.models.registry import build_model
from recloop.serving.assignment import place_of
from recloop.serving.catalogue import Catalogue, Item
from recloop.serving.deciding import FALLBACK, Decider, Request
from recloop.serving.opening import recovered
from recloop.serving.people import People
from recloop.serving.policy import Policy
from recloop.serving.registry import Registry
from recloop.serving.service import Conflict, config_control
from recloop.serving.settings import Lists
from recloop.serving.state import ServiceState
from recloop.serving.stored import find_shown
from recloop.types import Transitions
from recloop.utils.seeding import stream
from serving.house import N_ITEMS, N_USERS, START, Visits, run, serving, settings_in, small, wander


def state_of(model, *, items=None, of_log=None, users=None):
    """A state with one policy and nothing else."""
    items = items or [f"i{n}" for n in range(model.n_items)]
    catalogue = Catalogue(Item(one, category=one[-1]) for one in of_log or items)
    state = ServiceState(catalogue, People(50, keeps_shown=True), lambda *_: None)  # pyright: ignore
    users = {f"u{n}": n for n in range(model.n_users)} if users is None else users
    state.active = Policy(model, name="m", version="m-1", items=items, users=users)
    state.active.align(catalogue.ids)
    state.likes = state.shows = np.zeros(len(catalogue))
    return state


def decider(state, floor=0.05, seed=0, **lists):
    return Decider(state, Lists(**lists), floor, stream(seed, "decider"))


def asked(n, user="u0", k=3, **details):
    return [Request(f"r{number}", user, k, timestamp=START, **details) for number in range(n)]


def taught(name, rng, **params):
    """A model that has seen a little."""
    model = build_model(name, N_USERS, N_ITEMS, **params)
    n, width = 60, getattr(model, "context_dim", 0)
    model.update_batch(
        Transitions(
            users=rng.integers(N_USERS, size=n),
            items=rng.integers(N_ITEMS, size=n),
            rewards=rng.integers(2, size=n).astype(float),
            contexts=rng.standard_normal((n, width)) if width else None,
            propensities=np.full(n, 0.2),
        )
    )
    return model


MODELS = [
    ("lin_thompson", {"context_dim": 3}),
    ("exp3", {}),
    ("lin_square_cb", {"context_dim": 3}),
    ("beta_thompson", {}),
    ("q_learning", {"epsilon": 0.3}),
]


@pytest.mark.parametrize(("name", "params"), MODELS)
def test_first_slots_of_a_frozen_model_come_as_often_as_they_say(name, params, rng):
    """Chi-square over 20,000 draws; false alarm 1 in 1,000 for each model."""
    model = taught(name, rng, **params)
    context = rng.standard_normal(3) if params.get("context_dim") else None
    made = []
    choose = decider(state_of(model))
    for _ in range(5):
        made += choose.decide(asked(4000, k=1, context=context), [0] * 4000)
    items = np.array([shown.items[0] for shown in made])
    said = np.full(N_ITEMS, np.nan)
    for shown in made:
        said[shown.items[0]] = shown.propensities[0]
    np.testing.assert_allclose(said.sum(), 1.0, rtol=1e-9)
    counts = np.bincount(items, minlength=N_ITEMS)
    chi2 = ((counts - 20_000 * said) ** 2 / (20_000 * said)).sum()
    assert chi2 < stats.chi2.isf(1e-3, N_ITEMS - 1)
    assert len({float(shown.propensities[0]) for shown in made if shown.items[0] == items[0]}) == 1


@pytest.mark.parametrize("floor", [0.05, 0.4])
@pytest.mark.parametrize(("name", "params"), MODELS)
def test_every_slot_keeps_the_floor(name, params, floor, rng):
    model = taught(name, rng, **params)
    context = rng.standard_normal(3) if params.get("context_dim") else None
    for shown in decider(state_of(model), floor).decide(
        asked(200, k=6, context=context), [0] * 200
    ):
        left = N_ITEMS - np.arange(6)
        assert (shown.propensities >= floor / left - 1e-12).all()
        assert (shown.propensities <= 1.0 + 1e-12).all()


def test_the_log_alone_says_how_likely_each_slot_was(tmp_path):
    """Recomputed for every decision by the policy as it was then, from context and eligibility."""
    told = settings_in(tmp_path, floor=0.1)

    async def test():
        async with serving(told, small("lin_thompson", context_dim=3)) as service:
            visits, rng = Visits(service), stream(0, "recomputed")
            await wander(visits, rng, 3)
            await service.control(config_control("items", hide=["i2"]))
            for n in range(6):
                await visits.ask(f"u{n}", 3, context=rng.random(3), exclude=np.array([n]))
                await visits.ask(f"u{n}", 4, candidates=np.arange(n, n + 2))
                await visits.ask(f"u{n}", 2, context=rng.random(3), categories=("odd",))

    run(test())
    n_checked = 0
    with open_log(told.log) as log:
        registry = Registry(f"{told.data_dir}/models")
        for batch in log.decisions(chunk=1):
            seq = int(batch.seqs[0])
            if batch.policies.texts()[0] == FALLBACK:
                continue
            state = recovered(told, log, registry, use_snapshots=False, last=seq - 1)
            eligible = np.ones((1, N_ITEMS), dtype=bool)
            if batch.candidates is not None and len(batch.candidates.values):
                eligible[:] = False
                eligible[0, batch.candidates.values] = True
            elif batch.excluded is not None:
                eligible[0, batch.excluded.values] = False
            policy = state.active
            how = policy.exploration(
                policy.user_codes([log.name_of("user", int(batch.users[0]))]),
                batch.contexts,
                np.full((1, 50), -1),
                0.1,
            )
            odds = policy.chances(how, eligible, batch.items[None])
            np.testing.assert_allclose(batch.propensities, odds[0], rtol=1e-9)
            n_checked += 1
    assert n_checked > 20


# What may stand in a list


def test_a_list_holds_as_many_distinct_eligible_items_as_it_can(rng):
    choose = decider(state_of(build_model("lin_ucb", N_USERS, N_ITEMS)))
    for k in (1, 3, 8, 20):
        candidates = np.unique(rng.integers(N_ITEMS, size=5))
        exclude = rng.integers(N_ITEMS, size=2)
        may = np.setdiff1d(candidates, exclude)
        for shown in choose.decide(
            asked(20, k=k, candidates=candidates, exclude=exclude), [0] * 20
        ):
            assert len(set(shown.items.tolist())) == len(shown.items) == min(k, len(may))
            assert set(shown.items.tolist()) <= set(may.tolist())
            assert shown.candidates.tolist() == may.tolist()
            assert shown.n_eligible == len(may)


def test_requests_of_many_lengths_are_answered_together_as_alone():
    state = state_of(build_model("lin_ucb", N_USERS, N_ITEMS))
    requests = [Request(f"r{k}", f"u{k % 6}", k, timestamp=START) for k in range(1, 9)]
    made = decider(state).decide(requests, [0] * 8)
    assert [len(shown.items) for shown in made] == list(range(1, 9))
    assert [shown.user for shown in made] == [one.user for one in requests]
    assert all(shown.excluded is None and shown.n_eligible == N_ITEMS for shown in made)


def test_categories_are_the_only_ones_and_an_unknown_one_leaves_nothing():
    choose = decider(state_of(build_model("random", N_USERS, N_ITEMS)))
    found = choose.decide(asked(5, k=8, categories=("2", "5")), [0] * 5)
    assert all(sorted(shown.items.tolist()) == [2, 5] for shown in found)
    assert [len(one.items) for one in choose.decide(asked(1, categories=("none",)), [0])] == [0]


def test_hidden_items_are_not_shown_and_what_was_left_out_is_logged():
    state = state_of(build_model("random", N_USERS, N_ITEMS))
    state.catalogue.hide(["i0", "i7"])
    shown = decider(state).decide(asked(1, k=8, exclude=np.array([3])), [0])[0]
    assert sorted(shown.items.tolist()) == [1, 2, 4, 5, 6]
    assert shown.excluded.tolist() == [0, 3, 7]
    state.catalogue.hide(["i0"], False)
    assert 0 in decider(state).decide(asked(1, k=8), [0])[0].items


def test_what_was_seen_is_left_out_for_ever_or_for_days():
    state = state_of(build_model("random", N_USERS, N_ITEMS))
    state.people.show(0, [1, 2], START - 10 * 86_400.0)
    state.people.show(0, [3], START - 2 * 86_400.0)

    def left(rule, code=0, asks=None):
        choose = decider(state, seen=rule, seen_days=7.0)
        return set(range(8)) - set(
            choose.decide(asked(1, k=8, seen=asks), [code])[0].items.tolist()
        )

    assert left("allowed") == set()
    assert left("never") == {1, 2, 3}
    assert left("days") == {3}
    assert left("days", asks="never") == {1, 2, 3}
    assert left("never", asks="allowed") == set()
    assert left("never", code=1) == set()
    assert left("never", code=-1) == set()


def test_a_category_has_its_most_until_nothing_else_is_left():
    model = build_model("random", N_USERS, N_ITEMS)
    state = state_of(model, items=[f"{n}{'aaab'[n % 4]}" for n in range(N_ITEMS)])
    of = np.array([one.category for one in state.catalogue.items])
    for shown in decider(state, most_per_category=2).decide(asked(200, k=4), [0] * 200):
        assert (of[shown.items] == "a").sum() == 2
    for shown in decider(state, most_per_category=1).decide(asked(50, k=6), [0] * 50):
        assert len(set(shown.items.tolist())) == 6
        assert set(of[shown.items[:2]]) == {"a", "b"}
    for shown in decider(state).decide(asked(50, k=8, most_per_category=3), [0] * 50):
        assert len(set(shown.items.tolist())) == 8
        assert (of[shown.items[:5]] == "a").sum() == 3
    for shown in decider(state, most_per_category=1).decide(
        asked(20, k=5, candidates=np.array([0, 1, 2])), [0] * 20
    ):
        assert sorted(shown.items.tolist()) == [0, 1, 2]


def test_slots_with_a_most_per_category_say_how_likely_they_were(rng):
    """First two slots against 20,000 draws; false alarm 1 in 1,000."""
    model = taught("exp3", rng)
    state = state_of(model, items=[f"{n}{'ab'[n % 2]}" for n in range(N_ITEMS)])
    choose, pairs, said = decider(state, most_per_category=1), {}, {}
    for _ in range(5):
        for shown in choose.decide(asked(4000, k=2), [0] * 4000):
            pair = tuple(shown.items.tolist())
            pairs[pair] = pairs.get(pair, 0) + 1
            said[pair] = float(shown.propensities.prod())
    assert sum(said.values()) == pytest.approx(1.0)
    chi2 = sum((pairs[one] - 20_000 * p) ** 2 / (20_000 * p) for one, p in said.items())
    assert chi2 < stats.chi2.isf(1e-3, len(said) - 1)


def test_a_shadow_says_how_likely_a_list_was_under_the_rules_of_that_list(rng):
    """The shadow is the policy that decided: it must say the same, whatever was closed."""
    for name in ("lin_thompson", "exp3"):
        params = {"context_dim": 3} if name == "lin_thompson" else {}
        items = [f"{n}{'ab'[n % 2]}" for n in range(N_ITEMS)]
        state = state_of(taught(name, rng, **params), items=items)
        decides = decider(state)
        context = rng.standard_normal(3) if params else None
        requests = asked(5, k=5, context=context) + asked(
            5, k=5, context=context, most_per_category=1
        )
        shown = decides.decide(requests, [0] * 10)
        for opinion in decides.opinions(state.active, shown):
            np.testing.assert_allclose(opinion.propensities, opinion.shown.propensities)


def test_the_log_says_of_what_it_was_chosen_also_while_the_catalogue_changes(tmp_path):
    told = settings_in(tmp_path)

    async def test():
        async with serving(told, small("random")) as service:
            seen = []
            service.listeners.append(lambda shown: seen.append((shown.id, shown.n_eligible)))
            visits = Visits(service)
            new = {"id": "new", "title": "", "category": "", "features": []}
            first, _ = await asyncio.gather(
                service.control(config_control("items", add=[new], hide=["i1"])),
                visits.ask("u0", 3),  # decided before the item was there
            )
            assert first.seq > 0
            later = await visits.ask("u0", 9)
            return dict(seen), later.id

    seen, later = run(test())
    assert list(seen.values()) == [8, 7]  # a random policy does not know the new item
    with open_log(told.log) as log:
        state = recovered(told, log, Registry(f"{told.data_dir}/models"), use_snapshots=False)
        assert {one.id: one.n_eligible for one in state.recent.values()} == seen
        assert find_shown(log, later).excluded.tolist() == [1, 8]


def test_of_what_a_list_was_chosen_stands_in_the_log_and_takes_no_memory(tmp_path):
    async def test():
        async with serving(settings_in(tmp_path), small()) as service:
            visits = Visits(service)
            one = await visits.ask("u0", candidates=np.array([1, 3, 5]))
            other = await visits.ask("u0", exclude=np.array([2]))
            for shown in service.state.recent.values():
                assert shown.candidates is None
                assert shown.excluded is None
            assert (await service.find(one.id)).candidates.tolist() == [1, 3, 5]
            assert (await service.find(other.id)).excluded.tolist() == [2]

    run(test())


# Strangers, and who has no history yet


def test_a_stranger_gets_what_is_liked_by_many_where_the_model_needs_to_know_people():
    state = state_of(build_model("q_learning", N_USERS, N_ITEMS))
    state.likes = np.arange(8.0)
    state.shows = np.full(8, 10.0)
    made = decider(state).decide(asked(300, user="nobody", k=1), [-1] * 300)
    assert all(shown.fallback and shown.policy == FALLBACK for shown in made)
    firsts = np.bincount([shown.items[0] for shown in made], minlength=8)
    assert firsts[7] > 240  # 0.9 + 0.1 / 8 of them; less than 1 in 10^6 below 240
    assert {float(shown.propensities[0]) for shown in made if shown.items[0] == 7} == {0.9125}


def test_a_stranger_is_no_stranger_to_a_model_that_goes_by_the_context_or_by_nobody(rng):
    for name, params in (("ucb1", {}), ("lin_ucb", {"context_dim": 3}),
                         ("contextual_bandit", {"context_dim": 3}),
                         ("q_learning", {"state": "last_item"})):  # fmt: skip
        context = rng.random(3) if params.get("context_dim") else None
        state = state_of(build_model(name, N_USERS, N_ITEMS, **params))
        shown = decider(state).decide(asked(1, user="nobody", context=context), [-1])[0]
        assert not shown.fallback, name
    without = decider(state_of(build_model("lin_ucb", N_USERS, N_ITEMS, context_dim=3)))
    assert without.decide(asked(1, user="nobody"), [-1])[0].fallback


def test_a_stranger_has_the_first_item_by_the_likes_of_the_data_before_anything_was_shown():
    state = state_of(build_model("q_learning", N_USERS, N_ITEMS))
    state.likes = np.array([0, 0, 9, 0, 0, 0, 0, 0.0])
    made = decider(state).decide(asked(50, user="nobody", k=1), [-1] * 50)
    assert np.bincount([shown.items[0] for shown in made]).argmax() == 2


# Asked twice


def test_a_request_that_is_sent_again_gets_the_answer_it_had(tmp_path):
    async def test():
        for mode in ("sync", "async"):
            told = settings_in(tmp_path / mode, decisions=mode, remembered_decisions=2)
            async with serving(told, small("random")) as service:
                visits = Visits(service)
                named = {"id": "mine", "is_named": True}
                first = await visits.ask("u0", 5, **named)
                together = await asyncio.gather(
                    *(visits.ask("u0", 3, id="both", is_named=True) for _ in range(5))
                )
                assert len({tuple(one.items.tolist()) for one in together}) == 1
                for _ in range(2):
                    again = await visits.ask("u0", 2, **named)
                    assert again.items.tolist() == first.items.tolist()
                    assert again.propensities.tolist() == first.propensities.tolist()
                    assert again.timestamp == first.timestamp
                    for n in range(3):  # until it has fallen out of memory
                        await visits.ask(f"u{n}")
                    await service.ask(lambda log: log.last_seq)
                with pytest.raises(Conflict):
                    await visits.ask("u1", 5, **named)
                assert service.counts["decisions"] == 2 + 6

    run(test())


def test_what_was_answered_stands_also_where_nothing_is_left_to_show(tmp_path):
    async def test():
        async with serving(settings_in(tmp_path, lists={"seen": "never"}), small()) as service:
            visits = Visits(service)
            first = await visits.ask("u0", 8, id="mine", is_named=True)
            assert len(first.items) == 8
            service.state.recent.clear()
            assert len((await visits.ask("u0", 3)).items) == 0
            again = await visits.ask("u0", 8, id="mine", is_named=True)
            assert again.items.tolist() == first.items.tolist()

    run(test())


def test_places_of_people_are_even_and_independent_of_another_salt():
    """10,000 people; false alarm 1 in 1,000 each."""
    first = np.array([place_of(f"u{n}", "a") for n in range(10_000)])
    other = np.array([place_of(f"u{n}", "b") for n in range(10_000)])
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first, other)[0, 1]) < 3.3 / 100
    assert place_of("u5", "a") == first[5]
