"""Online learning from worlds, labelled tables and logs; folding a policy over a log."""

import numpy as np
import pytest

from recloop.decisions import logged_slates
from recloop.errors import InvalidData, InvalidParameter
from recloop.models.registry import model_class
from recloop.simulators.build import build_world
from recloop.training.fold import fold
from recloop.training.streams import ClassificationStream, ReplayStream, WorldStream
from recloop.types import Labels, LoggedDecisions, Ragged, Slates


def made(name, n_users, n_items, seed=0, **params):
    return model_class(name)(n_users, n_items, seed=seed, **params)


def uniform_log(rng, n, n_items, k=1, width=2, chances=None, propensities=None):
    """Random slates with clicks of probability `chances` by item and context column 1."""
    contexts = np.column_stack([np.ones(n), rng.integers(2, size=n)]).astype(float)
    items = np.argsort(rng.random((n, n_items)), axis=1)[:, :k]
    chances = np.linspace(0.1, 0.9, n_items) if chances is None else chances
    rewards = (rng.random((n, k)) < chances[items]).astype(float)
    return LoggedDecisions(
        ids=np.array([f"d{row}" for row in range(n)], dtype=object),
        timestamps=np.arange(n, dtype=float),
        users=rng.integers(3, size=n),
        offsets=np.arange(n + 1) * k,
        items=items.ravel(),
        propensities=np.full(n * k, 1.0 / n_items) if propensities is None else propensities,
        propensity_kinds=Labels.same("conditional", n),
        policies=Labels.same("uniform", n),
        versions=Labels.same("1", n),
        catalogues=Labels.same("1", n),
        activated=np.ones(n, dtype=bool),
        contexts=contexts,
        context_names=("one", "kind"),
        rewards=rewards.ravel(),
    )


def test_a_labelled_table_pays_for_the_right_class_and_teaches_it(rng):
    labels = rng.integers(3, size=1500)
    contexts = np.column_stack([np.ones(1500), np.eye(3)[labels]])
    stream = ClassificationStream(contexts, labels)
    model = made("lin_ucb", 1, 3, context_dim=4, alpha=0.5)
    result = stream.run(model, seed=1)
    assert len(result.rewards) == 1500
    assert result.rewards[-500:].mean() > 0.97
    np.testing.assert_array_equal(result.regrets, 1.0 - result.rewards)
    again = ClassificationStream(contexts, labels).run(
        made("lin_ucb", 1, 3, context_dim=4, alpha=0.5), seed=1
    )
    np.testing.assert_array_equal(again.rewards, result.rewards)


def test_a_stream_of_a_world_counts_what_the_best_choice_would_have_earned():
    world = build_world("linear", n_items=6, n_available=4, period=100, horizon=400)
    result = WorldStream(world, 800).run(made("ucb1", world.n_users, 6))
    assert (result.regrets >= 0).all()
    assert (result.regrets > 0).any()
    assert result.acceptance == 1.0


def test_replay_counts_matches_alone_and_is_unbiased_for_a_fixed_policy(rng):
    log = uniform_log(rng, 6000, 5)
    frozen = made("epsilon_greedy", 3, 5, epsilon=0.0)
    frozen.trials[:] = 1e12
    frozen.sums[:] = [0, 0, 0, 1e12, 0]  # always item 3, whose chance is 0.7
    result = ReplayStream(log, 3, 5).run(frozen)
    assert abs(len(result.rewards) - 1200) < 5 * np.sqrt(6000 * 0.2 * 0.8)
    assert (result.items == 3).all()
    assert result.mean == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / 1200))
    assert result.acceptance == pytest.approx(len(result.rewards) / 6000)


def test_replay_of_a_log_that_was_not_uniform_keeps_matches_as_if_it_had_been(rng):
    n = 8000
    first = rng.random(n) < 0.9
    log = uniform_log(rng, n, 2, propensities=np.where(first, 0.9, 0.1))
    items = np.where(first, 0, 1)
    log = LoggedDecisions(**{**vars(log), "items": items, "rewards": items * 1.0})
    model = made("epsilon_greedy", 3, 2, epsilon=1.0)
    result = ReplayStream(log, 3, 2).run(model)
    share = (result.items == 1).mean()
    assert share == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(result.items)))


def test_replay_offers_only_what_the_log_could_show(rng):
    log = uniform_log(rng, 300, 4)
    lists = [[int(item), (int(item) + 1) % 4] for item in log.items]
    log = LoggedDecisions(**{**vars(log), "candidates": Ragged.of(lists)})
    result = ReplayStream(log, 3, 4).run(made("epsilon_greedy", 3, 4, epsilon=1.0))
    assert 0.35 < result.acceptance < 0.65  # of two, not of four


@pytest.mark.parametrize("name", ["candidates", "excluded"])
def test_replay_refuses_lists_of_items_beyond_its_catalogue(rng, name):
    log = uniform_log(rng, 10, 4)
    log = LoggedDecisions(**{**vars(log), name: Ragged.of([[0, 7]] * 10)})
    with pytest.raises(InvalidParameter, match=f"{name} of the log must be between 0 and 3, got 7"):
        ReplayStream(log, 3, 4)


def test_replay_refuses_slates_in_a_sentence(rng):
    with pytest.raises(InvalidData, match="none of the decisions has one slot"):
        ReplayStream(uniform_log(rng, 10, 4, k=2), 3, 4)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("lin_ucb", {"context_dim": 2}),
        ("lin_ucb", {"context_dim": 2, "window": 40}),
        ("lin_thompson", {"context_dim": 2, "discount": 0.98}),
        ("lin_ucb", {"context_dim": 2, "click_model": "cascade"}),
        ("beta_thompson", {}),
        ("logistic_ucb", {"context_dim": 2}),
        ("exp3", {}),
        ("q_learning", {"epsilon": 0.1}),
    ],
)
def test_what_a_log_teaches_does_not_depend_on_how_it_is_cut(rng, name, params):
    log = uniform_log(rng, 300, 4, k=2)
    whole = fold(made(name, 3, 4, **params), log)
    pieces = fold(made(name, 3, 4, **params), log, batch=7)
    for key, array in whole.arrays().items():
        if array.dtype.names is None:
            np.testing.assert_allclose(array, pieces.arrays()[key], rtol=1e-10, atol=1e-10)
    for user in range(3):
        scores = [m.scores(np.array([user])) for m in (whole, pieces)]
        np.testing.assert_allclose(scores[0], scores[1], rtol=1e-10)
    assert np.ptp(scores[0]) > 0


def test_what_was_only_prepared_or_never_answered_teaches_nothing(rng):
    log = uniform_log(rng, 50, 4)
    silent = LoggedDecisions(**{**vars(log), "rewards": None})
    prepared = LoggedDecisions(**{**vars(log), "activated": np.zeros(50, dtype=bool)})
    for one in (silent, prepared):
        model = fold(made("ucb1", 3, 4), one)
        assert model.trials.sum() == 0


def test_a_log_of_a_policy_can_be_written_by_hand_and_folded():
    shown = np.array([[0, 1], [2, -1]])
    log = logged_slates(
        np.array([0, 1]),
        Slates(shown, np.array([[0.5, 0.5], [1.0, 0.0]]), shown < 0),
        policy="hand",
        ids="run",
        timestamps=0.0,
        rewards=np.array([[0.0, 1.0], [1.0, np.nan]]),
    )
    model = fold(made("ucb1", 2, 3), log)
    np.testing.assert_array_equal(model.trials, [1, 1, 1])
    np.testing.assert_array_equal(model.sums, [0, 1, 1])


def test_a_model_of_another_width_does_not_learn_blindly(rng):
    log = uniform_log(rng, 20, 4)
    blind = made("lin_ucb", 3, 4, context_dim=5)
    for teach in (lambda: fold(blind, log), lambda: ReplayStream(log, 3, 4).run(blind)):
        with pytest.raises(InvalidParameter, match="context_dim must be 2, the width"):
            teach()
    assert blind.n_rows == 0
    table = ClassificationStream(np.ones((4, 3)), np.arange(4))
    with pytest.raises(InvalidParameter, match="context_dim must be 3, the width"):
        table.run(blind)
    without = LoggedDecisions(**{**vars(log), "contexts": None, "context_names": ()})
    assert fold(blind, without).n_rows == 20


def test_streams_refuse_what_they_cannot_use():
    with pytest.raises(InvalidData, match="needs contexts"):
        ClassificationStream(np.ones((3, 2)), np.zeros(2, dtype=int))
    with pytest.raises(InvalidParameter, match="labels must be whole numbers"):
        ClassificationStream(np.ones((2, 2)), np.array(["a", "b"]))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidParameter, match="n_rows must be a whole number of at least 1"):
        ClassificationStream(np.ones((2, 2)), np.array([0, 1]), n_rows=-1)
    with pytest.raises(InvalidParameter, match="one item at a time"):
        WorldStream(build_world("bait_trap"))
