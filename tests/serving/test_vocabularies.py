"""Models whose people and items are others than the log's, or stand in another order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models.registry import build_model
from recloop.serving.opening import swap_control
from recloop.serving.policy import Policy
from recloop.serving.service import config_control
from recloop.serving.snapshots import digest_of
from recloop.types import Transitions
from serving.house import N_ITEMS, Visits, run, serving, settings_in, small
from serving.test_deciding import asked, decider, state_of
from serving.test_fold import folded

LOG = [f"i{n}" for n in range(N_ITEMS)]


@given(st.data())
def test_what_is_translated_comes_back(data):
    """The log's items and a model's are any two overlapping sets in any order."""
    everything = [f"i{n}" for n in range(8)]
    own = data.draw(st.lists(st.sampled_from(everything), min_size=1, unique=True))
    log = data.draw(st.lists(st.sampled_from(everything), min_size=1, unique=True))
    policy = Policy(build_model("random", 1, len(own)), name="m", version="m-1", items=own)
    policy.align(log)
    codes = np.arange(-1, len(log))
    translated = policy.own_items(codes)
    for code, mine in zip(codes.tolist(), translated.tolist(), strict=True):
        wanted = log[code] if code >= 0 and log[code] in own else None
        assert (own[mine] if mine >= 0 else None) == wanted
    assert [log[code] for code in np.flatnonzero(policy.knows)] == [i for i in log if i in own]
    eligible = np.array([data.draw(st.lists(st.booleans(), min_size=len(log), max_size=len(log)))])
    how = policy.exploration(np.array([0]), None, np.full((1, 50), -1), 0.1)
    slates, _ = policy.draw(how, eligible, 8, np.random.default_rng(0))
    shown = [log[code] for code in slates.items[0] if code >= 0]
    may = {one for one, free in zip(log, eligible[0], strict=True) if free and one in own}
    assert set(shown) == may
    assert len(shown) == len(may)
    odds = policy.chances(how, eligible, slates.items)
    np.testing.assert_allclose(odds, slates.propensities, rtol=1e-12)


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(LOG[2:6], id="a part"),
        pytest.param(LOG[::-1], id="another order"),
        pytest.param(["x", *LOG[::-1], "y"], id="more"),
        pytest.param(["x", *LOG[4:], "y", LOG[0]], id="some and others"),
    ],
)
def test_a_model_of_other_items_shows_and_learns_those_that_both_know(own, tmp_path):
    async def test():
        told = settings_in(tmp_path, floor=1e-9)
        async with serving(told, small(), crash=True) as service:
            model = build_model("epsilon_greedy", 3, len(own), epsilon=0.0)
            users = ["u4", "u0", "other"]
            version, digest = service.registry.add(model, users=users, items=own, name="other")
            await service.control(swap_control(version, digest))
            visits = Visits(service)
            policy = service.state.active
            for n in range(12):
                shown = await visits.ask(f"u{n % 6}", 8)
                ids = [LOG[code] for code in shown.items]
                assert sorted(ids) == sorted(set(LOG) & set(own))
                assert shown.policy == "other"
                loved = "i5"
                await visits.tell(shown, ids.index(loved), 1.0)
                assert policy.model.sums[own.index(loved)] == n + 1.0
                assert policy.model.sums.sum() == n + 1.0
            assert (await visits.ask("u2", 1)).items.tolist() == [5]
            strange = await visits.ask("u2", 8, candidates=np.array([0, 1]))
            if set(own) & {"i0", "i1"}:
                assert set(strange.items.tolist()) <= {0, 1}
                assert not strange.fallback
            else:  # the model knows none of them: what is popular, not nothing
                assert strange.fallback
                assert sorted(strange.items.tolist()) == [0, 1]
            digest = digest_of(service.state)
        assert digest_of(folded(told, remembered_decisions=1)) == digest

    run(test())


def test_people_are_known_to_a_model_by_their_ids(tmp_path):
    """u0 is the model's second person; who it does not know is a stranger to it."""

    async def test():
        told = settings_in(tmp_path, floor=1e-9)
        async with serving(told, small()) as service:
            model = build_model("q_learning", 2, N_ITEMS, epsilon=0.0, learning_rate=1.0)
            model.update_batch(
                Transitions(np.array([0, 1]), np.array([3, 6]), np.array([1.0, 1.0]))
            )
            version, digest = service.registry.add(model, users=["u4", "u0"], items=LOG[::-1])
            await service.control(swap_control(version, digest))
            visits = Visits(service)
            assert (await visits.ask("u4", 1)).items.tolist() == [7 - 3]
            shown = await visits.ask("u0", 8)
            assert shown.items[0] == 7 - 6
            assert (await visits.ask("u1", 1)).fallback
            await visits.tell(shown, shown.items.tolist().index(2), 5.0)
            learned = service.state.active.model
            assert learned.scores(np.array([1]))[0, 7 - 2] == pytest.approx(5.0, abs=1.0)
            assert learned.scores(np.array([0]))[0, 7 - 2] == 0.0

    run(test())


def test_histories_are_translated_and_what_the_model_does_not_know_falls_out():
    model = build_model("q_learning", 2, 3, state="recent_items", n_recent=3)
    policy = Policy(model, name="m", version="m-1", items=["i6", "i2", "i4"])
    policy.align(LOG)
    histories = np.array([[5, 2, 3, 6, 4, 2], [7, 7, 7, -1, -1, -1]])
    found = policy._own_histories(np.concatenate([histories, np.full((2, 44), -1)], axis=1))
    assert found.tolist() == [[1, 0, 2], [-1, -1, -1]]


def test_new_items_reach_models_that_grow_and_are_kept_from_those_that_cannot(tmp_path):
    new = {"id": "new", "title": "", "category": "", "features": [1.0, 2.0]}

    async def test(name, grows):
        told = settings_in(tmp_path / name)
        async with serving(told, small(name), crash=True) as service:
            visits = Visits(service)
            await service.control(config_control("items", add=[new]))
            shown = await visits.ask("u0", 9)
            assert (N_ITEMS in shown.items) == grows
            if grows:
                await visits.tell(shown, shown.items.tolist().index(N_ITEMS), 1.0)
                assert service.state.active.model.n_items == N_ITEMS + 1
            stranger = await visits.ask("u0", 9, candidates=np.array([N_ITEMS]))
            assert stranger.items.tolist() == [N_ITEMS]
            assert stranger.fallback == (not grows)
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest

    for name, grows in (("lin_ucb", True), ("epsilon_greedy", True), ("q_learning", False)):
        run(test(name, grows))


def test_features_that_do_not_fit_leave_a_new_item_without_and_stop_nothing(tmp_path):
    async def test():
        first = small("lin_ucb", context_dim=3)
        first.model.fit_prior(np.random.default_rng(0).random((N_ITEMS, 2)))
        async with serving(settings_in(tmp_path), first) as service:
            for n, features in enumerate([[0.5, 0.5], [1.0], []]):
                item = {"id": f"n{n}", "title": "", "category": "", "features": features}
                await service.control(config_control("items", add=[item]))
            assert service.broken is None
            assert service.state.active.model.n_items == N_ITEMS + 3

    run(test())


def test_a_model_that_knows_nothing_of_what_is_open_leaves_it_to_what_is_popular():
    state = state_of(build_model("random", 2, 2), items=["a", "b"], of_log=["c", "d", "a"])
    made = decider(state).decide([*asked(1, k=3), *asked(1, k=3, exclude=np.array([2]))], [0, 0])
    assert made[0].items.tolist() == [2]
    assert not made[0].fallback
    assert made[0].excluded.tolist() == [0, 1]
    assert sorted(made[1].items.tolist()) == [0, 1]
    assert made[1].fallback
