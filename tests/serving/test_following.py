"""A person's feedback changes the next list: states of recent items, and learning in turn."""

import numpy as np
import pytest

from recloop.models.registry import build_model
from recloop.serving.snapshots import digest_of
from recloop.types import Transitions
from serving.house import N_ITEMS, N_USERS, Visits, first_of, run, serving, settings_in
from serving.test_fold import folded


def greedy(name, **params):
    return build_model(name, N_USERS, N_ITEMS, epsilon=0.0, learning_rate=0.5, **params)


def knows_what_follows(name, state):
    """A model that has learned that item a + 1 pleases after item a."""
    model = greedy(name, state=state, discount_factor=0.0)
    before = np.full((N_ITEMS, max(model.history_length, 1)), -1)
    before[:, 0] = np.arange(N_ITEMS)
    for _ in range(5):
        model.update_batch(
            Transitions(
                users=np.zeros(N_ITEMS, dtype=np.int64),
                items=(np.arange(N_ITEMS) + 1) % N_ITEMS,
                rewards=np.ones(N_ITEMS),
                histories=before,
                next_histories=before,
            )
        )
    return model


@pytest.mark.parametrize("state", ["last_item", "recent_items"])
@pytest.mark.parametrize("name", ["q_learning", "sarsa"])
def test_a_click_changes_the_next_recommendation_also_of_a_stranger(name, state, tmp_path):
    async def test():
        told = settings_in(tmp_path, floor=1e-9)
        async with serving(told, first_of(knows_what_follows(name, state)), crash=True) as service:
            visits = Visits(service)
            for user in ("u1", "stranger"):
                shown = await visits.ask(user, 8)
                for item in (5, 2):
                    slot = shown.items.tolist().index(item)
                    await visits.tell(shown, slot, 1.0)
                    following = await visits.ask(user, 1)
                    assert following.items.tolist() == [item + 1]
                    assert not following.fallback
            digest = digest_of(service.state)
        async with serving(told) as service:
            assert digest_of(service.state) == digest
            assert (await Visits(service, name="e").ask("u1", 1)).items.tolist() == [3]

    run(test())


def test_a_reward_of_zero_is_no_click(tmp_path):
    async def test():
        told = settings_in(tmp_path, floor=1e-9)
        first = first_of(knows_what_follows("q_learning", "last_item"))
        async with serving(told, first) as service:
            visits = Visits(service)
            shown = await visits.ask("u1", 8)
            await visits.tell(shown, shown.items.tolist().index(5), 1.0)
            await visits.tell(shown, shown.items.tolist().index(2), 0.0)
            assert (await visits.ask("u1", 1)).items.tolist() == [6]

    run(test())


def test_q_learning_learns_a_late_answer_in_the_state_of_its_decision(tmp_path):
    """Between the list and its default the person liked another item."""

    async def test():
        model = greedy("q_learning", state="last_item", discount_factor=0.9, initial_value=1.0)
        async with serving(settings_in(tmp_path), first_of(model)) as service:
            visits = Visits(service)
            first = await visits.ask("u0", 1, candidates=np.array([3]))
            second = await visits.ask("u0", 1, candidates=np.array([4]))
            await visits.tell(second, value=1.0)
            await service.settle(visits.now + 1800.0)
            assert first.items.tolist() == [3]
            return service.state.active.model

    learned = run(test())
    straight = greedy("q_learning", state="last_item", discount_factor=0.9, initial_value=1.0)
    nothing, four = np.array([[-1]]), np.array([[4]])
    for item, reward, after in ((4, 1.0, four), (3, 0.0, nothing)):
        straight.update_batch(
            Transitions(
                users=np.array([0]),
                items=np.array([item]),
                rewards=np.array([reward]),
                histories=nothing,
                next_histories=after,
            )
        )
    for history in (nothing, four):
        people = np.array([0])
        np.testing.assert_array_equal(
            learned.scores(people, history=history), straight.scores(people, history=history)
        )


def test_sarsa_learns_a_step_when_the_persons_next_action_is_known(tmp_path):
    async def test():
        told = settings_in(tmp_path)
        model = greedy("sarsa", state="user", discount_factor=0.5)
        async with serving(told, first_of(model), crash=True) as service:
            visits = Visits(service)
            learned = service.state.active.model
            person = np.array([0])

            async def meet(item, reward, user="u0"):
                shown = await visits.ask(user, 1, candidates=np.array([item]))
                await visits.tell(shown, value=reward)

            await meet(1, 1.0)
            assert learned.scores(person)[0, 1] == 0.0
            await meet(5, 1.0, user="u1")  # of another person: says nothing of what followed
            assert learned.scores(person)[0, 1] == 0.0
            await meet(2, 1.0)
            assert learned.scores(person)[0, 1] == 0.5 * (1.0 + 0.5 * 0.0)
            await meet(1, 0.0)
            assert learned.scores(person)[0, 2] == 0.5 * (1.0 + 0.5 * 0.5)
            digest = digest_of(service.state)
        assert digest_of(folded(told)) == digest
        async with serving(told) as service:
            visits = Visits(service, name="e", now=visits.now)
            learned = service.state.active.model
            await meet(3, 1.0)  # the step that waited before the restart
            assert learned.scores(person)[0, 1] == 0.5 + 0.5 * (0.0 + 0.5 * 0.0 - 0.5)

    run(test())


def test_expected_sarsa_does_not_wait(tmp_path):
    async def test():
        model = greedy("sarsa", state="user", expected=True)
        async with serving(settings_in(tmp_path), first_of(model)) as service:
            visits = Visits(service)
            shown = await visits.ask("u0", 1, candidates=np.array([1]))
            await visits.tell(shown, value=1.0)
            assert service.state.active.model.scores(np.array([0]))[0, 1] == 0.5
            assert service.state.active.waiting == {}

    run(test())
