"""Q-learning and SARSA as recommenders: worked steps, states, learning from logs and answers."""

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import MarkovRecommender, QLearningRecommender, SARSARecommender
from recloop.training.offline import last_items, logged_steps
from recloop.types import Interactions, Transitions

BOTH = [QLearningRecommender, SARSARecommender]


def value(model, user, item, history=None):
    history = None if history is None else np.array([history])
    return float(model.scores(np.array([user]), history=history)[0, item])


def test_the_first_arguments_are_those_users_know():
    model = QLearningRecommender(3, 4, 0.2, 0.8, 0.3)
    assert (model.learning_rate, model.discount_factor, model.epsilon) == (0.2, 0.8, 0.3)
    assert QLearningRecommender(3, 4).params()["epsilon"] == 0.1


def test_q_learning_worked_by_hand():
    model = QLearningRecommender(2, 3, 0.5, 0.9)
    model.update(0, 1, 1.0)  # 0.5 * (1 + 0.9 * 0)
    assert value(model, 0, 1) == 0.5
    model.update(0, 2, 0.0)  # 0.5 * (0 + 0.9 * 0.5)
    assert value(model, 0, 2) == pytest.approx(0.225)
    model.update(0, 1, 1.0)  # 0.5 + 0.5 * (1 + 0.9 * 0.5 - 0.5)
    assert value(model, 0, 1) == pytest.approx(0.975)
    model.update(0, 1, 1.0, discount=0.0)  # nothing follows
    assert value(model, 0, 1) == pytest.approx(0.9875)
    assert model.last_change == pytest.approx(0.0125)
    assert value(model, 1, 1) == 0.0


def test_sarsa_waits_for_the_next_action_of_the_same_user():
    model = SARSARecommender(2, 3, 0.5, 0.9)
    model.update(0, 1, 1.0)
    model.update(1, 2, 1.0)
    assert value(model, 0, 1) == 0.0
    model.update(0, 2, 0.0)  # now Q(0, 1) = 0.5 * (1 + 0.9 * Q(0, 2)) with Q(0, 2) = 0
    assert value(model, 0, 1) == 0.5
    model.update(0, 1, 0.0)  # Q(0, 2) = 0.5 * (0 + 0.9 * 0.5)
    assert value(model, 0, 2) == pytest.approx(0.225)
    assert value(model, 1, 2) == 0.0
    model.update(1, 0, 1.0, discount=0.0)  # ends: learned at once, after what waited
    assert value(model, 1, 2) == 0.5
    assert value(model, 1, 0) == 0.5


def test_a_next_item_that_is_named_is_not_waited_for():
    model = SARSARecommender(1, 3, 0.5, 0.9)
    model.update(0, 2, 1.0, discount=0.0)
    model.update(0, 1, 0.0, next_item=2)
    assert value(model, 0, 1) == pytest.approx(0.5 * 0.9 * 0.5)
    assert model.waiting_items.tolist() == [-1]


def test_expected_sarsa_averages_over_its_policy_at_once():
    model = SARSARecommender(1, 2, 0.5, 0.9, 0.2, expected=True)
    model.update(0, 0, 1.0, discount=0.0)
    model.update(0, 1, 0.0)  # 0.5 * 0.9 * (0.8 * 0.5 + 0.2 * 0.25)
    assert value(model, 0, 1) == pytest.approx(0.5 * 0.9 * 0.45)


def test_a_waiting_step_survives_saving(tmp_path):
    models = [SARSARecommender(2, 3, 0.5, 0.9, state="last_item") for _ in range(2)]
    for model in models:
        model.update(0, 1, 1.0)
        model.update(0, 2, 1.0)
    models[0].save(tmp_path / "m.npz")
    models[0] = SARSARecommender.load(tmp_path / "m.npz")
    for model in models:
        model.update(0, 0, 0.0)
    scores = [model.scores(np.array([0, 1]), history=np.array([[1], [2]])) for model in models]
    assert (scores[0] == scores[1]).all()
    assert scores[0][0, 2] > 0


def test_double_q_learning_lets_one_table_name_and_the_other_value():
    model = QLearningRecommender(1, 2, 0.5, 0.5, double=True, seed=1)
    for _ in range(400):
        model.update(0, 0, 1.0)
        model.update(0, 1, 0.0)
    # both tables: Q(0) = 1 + Q(0) / 2 = 2, Q(1) = 0 + Q(0) / 2 = 1
    assert value(model, 0, 0) == pytest.approx(2.0, rel=1e-3)
    assert value(model, 0, 1) == pytest.approx(1.0, rel=1e-3)
    assert model.table_heads.shape == (2,)


def log_of(rng, n_users=30, n_items=12, n=600):
    users = np.sort(rng.integers(0, n_users, n))
    return Interactions(users, rng.integers(0, n_items, n), np.ones(n),
                        rng.integers(0, 1000, n).astype(float), n_users, n_items)  # fmt: skip


@pytest.mark.parametrize("made", BOTH)
@pytest.mark.parametrize("n_passes", [1, 4])
def test_at_discount_zero_the_last_item_ranks_exactly_as_markov(made, n_passes, rng):
    log = log_of(rng)
    model = made(30, 12, discount_factor=0.0, state="last_item")
    for _ in range(n_passes):
        model.update_batch(logged_steps(log, 1).transitions(0.0))
    markov = MarkovRecommender(30, 12).fit(log)
    users, history = np.arange(30), last_items(log, 1)
    lists = [one.recommend_batch(users, 12, history=history, explore=False) for one in
             (model, markov)]  # fmt: skip
    assert (lists[0] == lists[1]).all()


def test_recent_items_are_learned_for_all_and_mixed_again():
    model = QLearningRecommender(1, 4, discount_factor=0.0, state="recent_items", n_recent=2,
                                 decay=0.5, prior_visits=1e-9)  # fmt: skip
    model.update_batch(
        Transitions(
            users=np.zeros(2, dtype=int),
            items=np.array([2, 3]),
            rewards=np.ones(2),
            histories=np.array([[0, 1], [1, -1]]),
            next_histories=np.array([[2, 0], [3, 1]]),
            feedback="chosen",
        )
    )
    # row 0: item 2 always; row 1: weight 1/3 for item 2, 1 for item 3
    assert value(model, 0, 2, [0, -1]) == pytest.approx(1.0)
    assert value(model, 0, 3, [1, -1]) == pytest.approx(0.75)
    assert value(model, 0, 2, [1, 0]) == pytest.approx(2 / 3 * 0.25 + 1 / 3)


def test_segments_share_their_values():
    model = QLearningRecommender(4, 3, state="segment", n_segments=2)
    model.assign_segments(np.array([0, 1, 0, 1]))
    model.update(0, 2, 1.0)
    assert value(model, 2, 2) > 0
    assert value(model, 1, 2) == 0
    with pytest.raises(InvalidParameter, match="segments must be between 0 and 1, got 2"):
        model.assign_segments(np.array([0, 2, 0, 0]))
    with pytest.raises(InvalidParameter, match=r"shape \(4,\), got \(1,\)"):
        model.assign_segments(np.array([0]))


@pytest.mark.parametrize("made", BOTH)
def test_the_familiar_loop_learns_at_least_fourfold(made):
    n_users, n_items = 6, 60
    liked = np.random.Generator(np.random.PCG64(3)).random((n_users, n_items)) < 0.08
    model = made(n_users, n_items)
    earned = []
    for _ in range(400):
        total = 0.0
        for user_id in range(n_users):
            recommendations = model.recommend(user_id, 10)
            reward = float(liked[user_id, recommendations[0]])
            model.update(user_id, recommendations[0], reward)
            total += reward
        earned.append(total / n_users)
    assert np.mean(earned[-40:]) >= 4 * liked.mean()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epsilon": 1.5}, "QLearningRecommender: epsilon must be between 0 and 1, got 1.5."),
        ({"learning_rate": 0}, "learning_rate must be above 0 and at most 1, got 0"),
        ({"discount_factor": -0.1}, "discount_factor must be between 0 and 1"),
        ({"state": "users"}, "state must be one of 'user', 'last_item'"),
        ({"n_recent": 0}, "n_recent"),
        ({"decay": 0.0}, "decay must be above 0"),
        ({"n_segments": 0}, "n_segments"),
        ({"table": "sparse"}, "table must be one of 'auto', 'dense', 'hashed'"),
        ({"prior_visits": 0.0}, "prior_visits"),
        ({"initial_value": float("nan")}, "initial_value"),
    ],
)
def test_hyperparameters_out_of_range_are_named(changed, said):
    with pytest.raises(InvalidParameter, match=said):
        QLearningRecommender(2, 3, **changed)


@pytest.mark.parametrize("table", ["dense", "hashed"])
def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(table, tmp_path, rng):
    log = log_of(rng)
    steps = logged_steps(log, 5).transitions(0.5)
    one = QLearningRecommender(30, 12, state="recent_items", table=table, double=True)
    one.update_batch(steps.rows(slice(0, 300)))
    one.save(tmp_path / "m.npz")
    other = QLearningRecommender.load(tmp_path / "m.npz")
    for model in (one, other):
        model.update_batch(steps.rows(slice(300, 600)))
    arrays = [model.arrays() for model in (one, other)]
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[0])
    assert one.last_change == other.last_change


def test_an_inconsistent_table_is_refused(tmp_path):
    model = QLearningRecommender(3, 20, table="hashed")
    model.table_items = model.table_items[:-1]
    model.save(tmp_path / "m.npz")
    with pytest.raises(DamagedFile, match="do not fill whole buckets"):
        QLearningRecommender.load(tmp_path / "m.npz")
