"""What a model is told in a round: worked out by hand in a world whose answers are written down."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from plug_in import CountingRecommender
from recloop.models.baselines.popular import PopularRecommender
from recloop.testing import sample_log
from recloop.training.lessons import FitOnce, LoggedPasses, SimulatedEpisodes
from recloop.training.offline import logged_steps
from recloop.types import Slates
from recloop.utils.seeding import stream


@dataclass
class Recording(CountingRecommender):
    """Writes down what it was taught and shows what was written down for it, slot by slot."""

    discount_factor: float = 0.9

    history_length = 2
    type_name = "recording"
    script: ClassVar[list] = []

    def _start(self):
        super()._start()
        self.taught = []
        self.asked = []

    def choose_batch(self, users, k=1, *, history=None, **given):
        step = len(self.asked)
        self.asked.append((users.copy(), k, history.copy()))
        items = np.array([self.script[step][user] for user in users])[:, None]
        return Slates(items, np.ones(items.shape), np.full(items.shape, step % 2 == 0))

    def update_batch(self, transitions):
        self.taught.append(self._checked(transitions))
        self.last_change = float(len(self.taught))


class WrittenWorld:
    """People leave and are cut off as written: {user: (rewards, step of the end, left?)}."""

    n_items = 5

    def __init__(self, people):
        self.people = people
        self.n_users = len(people)

    def reset(self, users, rng):
        self.users, self.steps, self.rng = users, 0, rng

    def step(self, items):
        assert len(items) == len(self.users)
        rewards = [self.people[u][0][min(self.steps, 9)] for u in self.users]
        self.steps += 1
        at_end = np.array([self.people[u][1] == self.steps for u in self.users])
        left = np.array([self.people[u][2] for u in self.users])
        return np.array(rewards, dtype=np.float64), at_end & left, at_end & ~left


# Person 0 clicks at once, not at the second step, and leaves then. Person 1 never clicks at first,
# clicks at the second step and is cut off after the third.
PEOPLE = {
    0: ([1.0, 0.0] + [9.0] * 8, 2, True),
    1: ([0.0, 2.0, 0.0] + [9.0] * 7, 3, False),
}
SHOWN = [{0: 3, 1: 1}, {0: 4, 1: 2}, {0: 0, 1: 3}, {0: 0, 1: 4}]


def _played(n_sessions=64, discount_factor=0.9):
    model = Recording(2, 5, discount_factor=discount_factor)
    model.script = SHOWN
    histories = np.array([[0, -1], [-1, -1]])
    lesson = SimulatedEpisodes(WrittenWorld(PEOPLE), histories, seed=0, n_sessions=n_sessions)
    return model, lesson.teach(model, 0)


def _of(user, name, model):
    """The values of one column for one person, step by step."""
    return [
        getattr(told, name)[row].tolist()
        for told in model.taught
        for row in np.flatnonzero(told.users == user)
    ]


def test_everyone_learns_until_their_own_session_ends():
    model, _ = _played()
    assert [sorted(told.users.tolist()) for told in model.taught] == [[0, 1], [0, 1], [1]]
    assert _of(0, "items", model) == [3, 4]
    assert _of(1, "items", model) == [1, 2, 3]
    assert _of(0, "rewards", model) == [1.0, 0.0]
    assert _of(1, "rewards", model) == [0.0, 2.0, 0.0]


def test_who_leaves_has_no_future_and_who_is_cut_off_keeps_theirs():
    model, _ = _played()
    assert _of(0, "discounts", model) == [0.9, 0.0]
    assert _of(1, "discounts", model) == [0.9, 0.9, 0.9]


def test_the_next_item_is_the_one_that_is_shown_next():
    model, _ = _played()
    for user in (0, 1):
        items, following = _of(user, "items", model), _of(user, "next_items", model)
        assert following[:-1] == items[1:]
    assert _of(1, "next_items", model)[-1] == SHOWN[3][1]  # what would have been shown


def test_histories_grow_by_clicks_only():
    model, _ = _played()
    assert _of(0, "histories", model) == [[0, -1], [3, 0]]
    assert _of(0, "next_histories", model) == [[3, 0], [3, 0]]
    assert _of(1, "histories", model) == [[-1, -1], [-1, -1], [2, -1]]
    assert _of(1, "next_histories", model) == [[-1, -1], [2, -1], [2, -1]]


def test_the_model_chooses_by_the_history_after_the_click_and_before_it_learns():
    model, _ = _played()
    assert len(model.asked) == 4  # the first choice, and one after each of three steps
    assert {k for _, k, _ in model.asked} == {1}
    users, _, history = model.asked[1]
    by_user = dict(zip(users.tolist(), history.tolist(), strict=True))
    assert by_user == {0: [3, 0], 1: [-1, -1]}


def test_what_a_server_shows_is_all_that_is_known():
    model, _ = _played()
    assert {told.feedback for told in model.taught} == {"shown"}


def test_the_record_counts_what_was_shown_to_people_who_were_there():
    _, record = _played()
    # five steps were shown, earning 1 + 0 and 0 + 2 + 0; steps 1 and 3 explored: 2 + 1 of 5
    assert record == {
        "cumulative_reward": 3.0,
        "mean_reward": pytest.approx(0.6),
        "session_reward": pytest.approx(1.5),
        "exploration_rate": pytest.approx(0.6),
        "q_change": pytest.approx(2.0),  # the mean of 1, 2 and 3
    }


def test_the_histories_that_were_passed_stay_as_they_were():
    histories = np.array([[0, -1], [-1, -1]])
    model = Recording(2, 5)
    model.script = SHOWN
    SimulatedEpisodes(WrittenWorld(PEOPLE), histories, seed=0).teach(model, 0)
    assert histories.tolist() == [[0, -1], [-1, -1]]


def test_the_people_of_an_episode_are_distinct_and_as_many_as_there_are():
    people = {user: ([0.0] * 10, 1, True) for user in range(6)}
    drawn = set()
    for n_sessions, expected in [(4, 4), (64, 6)]:
        lesson = SimulatedEpisodes(
            WrittenWorld(people), np.full((6, 2), -1), seed=0, n_sessions=n_sessions
        )
        for round_number in range(20):
            model = Recording(6, 5)
            model.script = [dict.fromkeys(range(6), 0)] * 3
            lesson.teach(model, round_number)
            users = model.taught[0].users.tolist()
            assert len(set(users)) == len(users) == expected
            drawn.add(tuple(sorted(users)))
    assert len(drawn) > 5  # other rounds draw other people


def test_a_round_depends_on_its_number_and_seed_alone():
    def drawn(seed, round_number):
        world = WrittenWorld({user: ([0.0] * 10, 1, True) for user in range(30)})
        model = Recording(30, 5)
        model.script = [dict.fromkeys(range(30), 0)] * 3
        lesson = SimulatedEpisodes(world, np.full((30, 2), -1), seed=seed, n_sessions=10)
        lesson.teach(model, round_number)
        return model.taught[0].users.tolist(), world.rng.random()

    assert drawn(0, 3) == drawn(0, 3)
    assert drawn(0, 3) != drawn(0, 4)
    assert drawn(0, 3) != drawn(1, 3)


def test_a_model_without_a_discount_has_none():
    model, lesson = CountingRecommender(2, 5), None
    told = []
    model.update_batch = told.append
    lesson = SimulatedEpisodes(WrittenWorld(PEOPLE), np.empty((2, 0), dtype=np.int64), seed=0)
    record = lesson.teach(model, 0)
    assert all(set(steps.discounts) == {0.0} for steps in told)
    assert record["q_change"] is None
    assert told[0].histories.shape == (2, 0)


def test_the_people_of_a_round_are_drawn_from_its_stream():
    model = Recording(30, 5)
    model.script = [dict.fromkeys(range(30), 0)] * 3
    world = WrittenWorld({user: ([0.0] * 10, 1, True) for user in range(30)})
    lesson = SimulatedEpisodes(world, np.full((30, 2), -1), seed=5, n_sessions=10)
    lesson.teach(model, 7)
    expected = stream(5, "episode", 7).choice(30, size=10, replace=False)
    assert model.taught[0].users.tolist() == expected.tolist()
    assert SimulatedEpisodes(world, np.full((30, 2), -1), seed=5).n_sessions == 64


# from a log


@pytest.fixture
def log():
    return sample_log(4, 6)


def test_a_fitted_model_sees_the_whole_log(log):
    model = PopularRecommender(4, 6)
    assert FitOnce(log).teach(model, 7) == {}
    np.testing.assert_array_equal(model.counts, np.bincount(log.items, minlength=6))


def test_a_pass_is_one_batch_in_the_order_of_time(log):
    steps = logged_steps(log, 2)
    model = Recording(4, 6)
    record = LoggedPasses(steps, seed=0).teach(model, 0)
    (told,) = model.taught
    assert told.items.tolist() == steps.items.tolist()
    assert set(told.discounts) == {0.9}
    assert told.feedback == "chosen"
    assert record == {"q_change": 1.0}


def test_a_model_without_a_discount_learns_a_log_at_discount_zero(log):
    told = []
    model = CountingRecommender(4, 6)
    model.update_batch = told.append
    assert LoggedPasses(logged_steps(log, 0), seed=0).teach(model, 0) == {"q_change": None}
    assert set(told[0].discounts) == {0.0}


def _batches(log, seed, round_number):
    model = Recording(4, 6)
    model.batch_size = 10
    record = LoggedPasses(logged_steps(log, 2), seed).teach(model, round_number)
    return [told.items.tolist() for told in model.taught], record, model


def test_a_model_of_batches_sees_every_step_once_in_shuffled_batches(log):
    batches, record, model = _batches(log, 0, 0)
    assert [len(batch) for batch in batches] == [10, 10, 4]
    seen = [item for batch in batches for item in batch]
    steps = logged_steps(log, 2)
    assert sorted(seen) == sorted(steps.items.tolist())
    assert seen != steps.items.tolist()
    assert record == {"q_change": pytest.approx(2.0)}
    assert all(told.feedback == "chosen" for told in model.taught)


def test_rows_keep_together_when_they_are_shuffled(log):
    _, _, model = _batches(log, 0, 0)
    steps = logged_steps(log, 2)
    rows = {
        (u, i, tuple(h), tuple(n), x)
        for u, i, h, n, x in zip(
            steps.users.tolist(),
            steps.items.tolist(),
            steps.histories.tolist(),
            steps.next_histories.tolist(),
            steps.next_items.tolist(),
            strict=True,
        )
    }
    for told in model.taught:
        for row in range(len(told)):
            assert (
                told.users[row],
                told.items[row],
                tuple(told.histories[row].tolist()),
                tuple(told.next_histories[row].tolist()),
                told.next_items[row],
            ) in rows


def test_every_round_and_seed_shuffles_otherwise(log):
    assert _batches(log, 0, 1)[0] == _batches(log, 0, 1)[0]
    assert _batches(log, 0, 1)[0] != _batches(log, 0, 2)[0]
    assert _batches(log, 0, 1)[0] != _batches(log, 1, 1)[0]
    order = stream(0, "batches", 1).permutation(24)
    steps = logged_steps(log, 2)
    assert _batches(log, 0, 1)[0][0] == steps.items[order[:10]].tolist()


class SlateWorld:
    """Person 0 clicks slot 1 at first, person 1 nothing; then both click on both."""

    n_users, n_items, slate_size = 2, 5, 2

    def reset(self, users, rng):
        self.users, self.steps = users, 0

    @property
    def observations(self):
        return np.full((len(self.users), 1), self.steps / 10)

    def step(self, items):
        assert items.shape == (len(self.users), 2)
        first = np.where(self.users[:, None] == 0, [[0.0, 1.0]], [[0.0, 0.0]])
        self.slot_rewards = first if self.steps == 0 else np.full(items.shape, 2.0)
        self.steps += 1
        over = np.full(len(items), self.steps == 2)
        return self.slot_rewards.sum(axis=1), np.zeros(len(items), dtype=bool), over


class RecordingSlates(Recording):
    n_observed = 1
    type_name = "recording_slates"

    def choose_batch(self, users, k=1, *, history=None, context=None, **given):
        step = len(self.asked)
        self.asked.append((users.copy(), history.copy(), context.copy()))
        items = np.array([[step, 4 if user else -1] if step == 2 else [step, step + 1]
                          for user in users])  # fmt: skip
        return Slates(items, np.ones(items.shape), np.zeros(items.shape, dtype=bool))


def test_every_slot_of_a_slate_is_a_step_with_what_it_earned():
    model = RecordingSlates(2, 5)
    record = SimulatedEpisodes(SlateWorld(), None, 0).teach(model, 0)
    order = model.asked[0][0].tolist()
    told = model.taught[0]
    by_user = {user: told.users == user for user in (0, 1)}
    for user in (0, 1):
        assert told.items[by_user[user]].tolist() == [0, 1]
        assert told.next_items[by_user[user]].tolist() == [1, 2]
        assert told.contexts[by_user[user]].tolist() == [[0.0], [0.0]]
        assert told.next_contexts[by_user[user]].tolist() == [[0.1], [0.1]]
    assert told.rewards[by_user[0]].tolist() == [0.0, 1.0]
    assert told.rewards[by_user[1]].tolist() == [0.0, 0.0]
    # the click of person 0 on item 1 is the history of the next choice, of both slots' next state
    history = dict(zip(order, model.asked[1][1].tolist(), strict=True))
    assert history == {0: [1, -1], 1: [-1, -1]}
    assert told.next_histories[by_user[0]].tolist() == [[1, -1]] * 2
    assert record["session_reward"] == pytest.approx((1 + 4 + 4) / 2)


def test_an_episode_is_filled_up_with_the_same_people_where_they_are_too_few():
    model = RecordingSlates(2, 5)
    SimulatedEpisodes(SlateWorld(), None, 0, n_sessions=6, repeats=True).teach(model, 0)
    assert sorted(model.asked[0][0].tolist()) == [0, 0, 0, 1, 1, 1]
    alone = RecordingSlates(2, 5)
    SimulatedEpisodes(SlateWorld(), None, 0, n_sessions=6).teach(alone, 0)
    assert sorted(alone.asked[0][0].tolist()) == [0, 1]
