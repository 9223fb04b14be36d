"""The loop: when it looks, when it stops, what it returns, and that an interrupt costs nothing."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from plug_in import CountingRecommender
from recloop.errors import DamagedFile, RunFolderInUse, UnknownName
from recloop.models import PopularRecommender
from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.testing import sample_log
from recloop.testing.samples import saved_bytes
from recloop.training import (
    Checkpoints,
    LoggedPasses,
    SimulatedEpisodes,
    TrainingSettings,
    logged_steps,
    train,
)
from recloop.training.loop import TrainingState
from recloop.utils.files import load_arrays


@dataclass
class CountRounds:
    """A lesson that adds one to a single number, so that the model knows its age."""

    def teach(self, model, round_number):
        model.counts[0, 0] += 1.0
        return {"number": round_number}


def _model():
    return CountingRecommender(4, 6, seed=3)


def _age(model):
    return model.counts[0, 0]


def _train(tmp_path, values=None, n_rounds=None, **given):
    """Train for as long as `values` of the metric were written down."""
    seen = []

    def evaluate(model):
        seen.append(_age(model))
        value = values[int(_age(model)) - 1]
        return {"ndcg@10": value, "recall@10": 0.5}

    settings = TrainingSettings(n_rounds or len(values), **given)
    model, state = train(
        _model(),
        CountRounds(),
        settings,
        checkpoints=Checkpoints(tmp_path, "counting"),
        evaluate=None if values is None else evaluate,
    )
    return model, state, seen


# rounds and records


def test_every_round_leaves_a_record(tmp_path):
    _, state, _ = _train(tmp_path, [0.1, 0.3, 0.2])
    assert state.records == [
        {"round": 1, "number": 0, "validation_ndcg@10": 0.1, "validation_recall@10": 0.5},
        {"round": 2, "number": 1, "validation_ndcg@10": 0.3, "validation_recall@10": 0.5},
        {"round": 3, "number": 2, "validation_ndcg@10": 0.2, "validation_recall@10": 0.5},
    ]


def test_it_looks_every_so_often_and_at_the_end(tmp_path):
    _, state, seen = _train(tmp_path, [0.1] * 7, eval_freq=3)
    assert seen == [3, 6, 7]
    assert [r["round"] for r in state.records if "validation_ndcg@10" in r] == [3, 6, 7]


def test_without_a_validation_part_the_last_model_is_the_result(tmp_path):
    model, state, _ = _train(tmp_path, n_rounds=3)
    assert _age(model) == 3
    assert state == TrainingState(
        n_rounds_done=3, records=[{"round": r, "number": r - 1} for r in (1, 2, 3)]
    )


def test_an_observer_sees_every_round(tmp_path):
    seen = []
    train(
        _model(),
        CountRounds(),
        TrainingSettings(4, eval_freq=3),
        checkpoints=Checkpoints(tmp_path, "counting"),
        observe=lambda state: seen.append((state.n_rounds_done, state.records[-1]["round"])),
    )
    assert seen == [(1, 1), (2, 2), (3, 3), (4, 4)]


# the best model


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([0.1, 0.3, 0.2], 2),
        ([0.3, 0.2, 0.1], 1),
        ([0.1, 0.2, 0.3], 3),
        ([0.2, 0.2, 0.1], 1),  # as good is no gain: the earlier one is kept
        ([-0.3, -0.2, -0.5], 2),
        ([0.0, 0.0, 0.0], 1),
    ],
)
def test_the_best_model_seen_is_returned(tmp_path, values, best):
    model, state, _ = _train(tmp_path, values)
    assert _age(model) == best
    assert state.best_round == best
    assert state.best_value == max(values)
    assert state.n_rounds_done == 3


def test_the_metric_that_was_asked_for_decides(tmp_path):
    model, state = train(
        _model(),
        CountRounds(),
        TrainingSettings(3, metric="recall@10"),
        checkpoints=Checkpoints(tmp_path, "counting"),
        evaluate=lambda model: {"ndcg@10": _age(model), "recall@10": -_age(model)},
    )
    assert (state.best_round, state.best_value) == (1, -1.0)
    assert _age(model) == 1


def test_a_metric_that_nobody_measures_is_named(tmp_path):
    with pytest.raises(
        UnknownName,
        match=r"^No metric of the validation part named 'ndgc@10'\. Did you mean 'ndcg@10'\?",
    ):
        _train(tmp_path, [0.1], metric="ndgc@10")


def test_an_undefined_value_is_recorded_as_null_and_is_no_gain(tmp_path):
    model, state, _ = _train(tmp_path, [float("nan"), 0.1, float("nan")])
    assert [record["validation_ndcg@10"] for record in state.records] == [None, 0.1, None]
    assert state.best_round == 2
    assert _age(model) == 2


def test_only_undefined_values_leave_the_last_model(tmp_path):
    model, state, _ = _train(tmp_path, [float("nan")] * 2)
    assert (state.best_value, state.best_round) == (None, 0)
    assert _age(model) == 2


def test_a_best_model_of_another_training_is_not_mistaken_for_ones_own(tmp_path):
    other = _model()
    other.counts[0, 0] = 99.0
    other.save(Checkpoints(tmp_path, "counting").best)
    model, _, _ = _train(tmp_path, n_rounds=2)
    assert _age(model) == 2


# early stopping


def test_looks_without_any_value_use_up_the_patience(tmp_path):
    _, state, seen = _train(tmp_path, [float("nan")] * 4, patience=2)
    assert len(seen) == 2
    assert state.stopped_early


@pytest.mark.parametrize(
    ("patience", "n_rounds", "stopped"), [(0, 6, False), (1, 3, True), (2, 4, True), (3, 6, True)]
)
def test_it_stops_after_so_many_looks_without_gain(tmp_path, patience, n_rounds, stopped):
    values = [0.1, 0.3, 0.2, 0.25, 0.4, 0.1]  # patience 3: the gain at 5 is still seen
    if patience == 3:
        values = [0.1, 0.3, 0.2, 0.25, 0.3, 0.1]
        n_rounds = 5
    model, state, seen = _train(tmp_path, values, patience=patience)
    assert len(seen) == state.n_rounds_done == n_rounds
    assert state.stopped_early == stopped
    assert _age(model) == state.best_round == (5 if patience == 0 else 2)


def test_a_gain_renews_the_patience(tmp_path):
    _, state, _ = _train(tmp_path, [0.1, 0.0, 0.2, 0.1, 0.3, 0.2, 0.1], patience=2)
    assert state.n_rounds_done == 7
    assert state.best_round == 5
    assert state.stopped_early


def test_patience_counts_looks_not_rounds(tmp_path):
    _, state, seen = _train(tmp_path, [0.3] * 20, patience=2, eval_freq=4)
    assert seen == [4, 8, 12]
    assert state.n_rounds_done == 12


def test_a_stopped_training_stays_stopped(tmp_path):
    first = _train(tmp_path, [0.3, 0.2, 0.1, 0.0], patience=1)
    again = _train(tmp_path, [0.3, 0.2, 0.1, 0.0], patience=1)
    assert first[1] == again[1]
    assert again[2] == []
    assert saved_bytes(first[0]) == saved_bytes(again[0])


# checkpoints


def test_a_checkpoint_holds_model_and_state_in_one_file(tmp_path):
    _train(tmp_path, [0.3, 0.2])
    checkpoints = Checkpoints(tmp_path, "counting")
    assert checkpoints.latest == tmp_path / "counting.npz"
    assert checkpoints.best == tmp_path / "counting.best.npz"
    header, _ = load_arrays(checkpoints.latest)
    assert header["training"]["n_rounds_done"] == 2
    model, state = checkpoints.resume(_model())
    assert (_age(model), state.best_round) == (2, 1)
    assert _age(CountingRecommender.load(checkpoints.best)) == 1


def test_without_a_checkpoint_training_starts_afresh(tmp_path):
    model = _model()
    resumed, state = Checkpoints(tmp_path, "counting").resume(model)
    assert resumed is model
    assert state == TrainingState(0, None, 0, 0, False, [])


def test_clearing_removes_both_files_and_nothing_else(tmp_path):
    _train(tmp_path, [0.3, 0.2])
    (tmp_path / "another.npz").write_text("stays")
    checkpoints = Checkpoints(tmp_path, "counting")
    checkpoints.clear()
    assert [file.name for file in tmp_path.iterdir()] == ["another.npz"]
    checkpoints.clear()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (CountingRecommender(4, 6, seed=3, epsilon=0.9), "epsilon: there 0.2, now 0.9"),
        (CountingRecommender(4, 6, seed=4), "seed: there 3, now 4"),
        (CountingRecommender(4, 7, seed=3), "n_items: there 6, now 7"),
        (PopularRecommender(4, 6, seed=3), "type: there 'counting', now 'popular'"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_and_kept(tmp_path, other, said):
    _train(tmp_path, [0.3, 0.2])
    checkpoints = Checkpoints(tmp_path, "counting")
    before = checkpoints.latest.read_bytes()
    with pytest.raises(RunFolderInUse, match=f"counting.npz: .*{re.escape(said)}.*to train anew"):
        train(other, CountRounds(), TrainingSettings(4), checkpoints=checkpoints)
    assert checkpoints.latest.read_bytes() == before


def test_a_damaged_checkpoint_is_not_continued(tmp_path):
    _train(tmp_path, [0.3, 0.2])
    latest = Checkpoints(tmp_path, "counting").latest
    content = bytearray(latest.read_bytes())
    content[100] ^= 1
    latest.write_bytes(content)
    with pytest.raises(DamagedFile):
        _train(tmp_path, [0.3, 0.2])


def test_a_finished_training_can_be_made_longer(tmp_path):
    _train(tmp_path, [0.1, 0.2])
    model, state, seen = _train(tmp_path, [0.1, 0.2, 0.3, 0.0])
    assert seen == [3, 4]
    assert _age(model) == 3
    assert [record["round"] for record in state.records] == [1, 2, 3, 4]


# interrupts


def _world_lesson():
    factors = np.array([[0.9, 0.1, 0.4], [0.1, 0.8, 0.3]])
    world = PreferenceWorld(PreferenceParams(np.eye(2)[[0, 1, 0, 1]], factors.T, horizon=3))
    return SimulatedEpisodes(world, np.empty((4, 0), dtype=np.int64), seed=1, n_sessions=3)


def _log_lesson():
    return LoggedPasses(logged_steps(sample_log(4, 6), 0), seed=1)


@dataclass
class Interrupted:
    """A lesson that is interrupted half way through one of its rounds, once it has taught."""

    lesson: object
    at_round: int

    def teach(self, model, round_number):
        record = self.lesson.teach(model, round_number)
        if round_number == self.at_round:
            raise KeyboardInterrupt
        return record


class BatchedCounting(CountingRecommender):
    """Learns from shuffled batches."""

    batch_size = 5


def _run(folder, lesson, model, eval_freq):
    return train(
        model,
        lesson,
        TrainingSettings(6, eval_freq=eval_freq, patience=5),
        checkpoints=Checkpoints(folder, "counting"),
        evaluate=lambda model: {"ndcg@10": float(np.sin(model.counts.sum()))},
    )


@pytest.mark.parametrize("eval_freq", [1, 4])
@pytest.mark.parametrize("at_round", range(6))
@pytest.mark.parametrize("kind", ["world", "log", "batches"])
def test_an_interrupt_in_any_round_changes_no_byte(tmp_path, kind, at_round, eval_freq):
    n_items = 3 if kind == "world" else 6
    lesson = _world_lesson() if kind == "world" else _log_lesson()

    def made():
        return (BatchedCounting if kind == "batches" else CountingRecommender)(4, n_items, seed=2)

    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    model, state = _run(straight, lesson, made(), eval_freq)
    with pytest.raises(KeyboardInterrupt):
        _run(stopped, Interrupted(lesson, at_round), made(), eval_freq)
    again, state_again = _run(stopped, lesson, made(), eval_freq)

    assert state == state_again
    assert saved_bytes(model) == saved_bytes(again)
    for file in straight.iterdir():
        assert file.read_bytes() == (stopped / file.name).read_bytes()
    assert sorted(f.name for f in straight.iterdir()) == sorted(f.name for f in stopped.iterdir())


def test_an_interrupt_while_looking_changes_no_byte(tmp_path):
    lesson = _world_lesson()
    calls = []

    def evaluate(model):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {"ndcg@10": float(model.counts.sum())}

    def run(folder):
        return train(
            CountingRecommender(4, 3, seed=2),
            lesson,
            TrainingSettings(5),
            checkpoints=Checkpoints(folder, "counting"),
            evaluate=evaluate,
        )

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped")
    stopped, state = run(tmp_path / "stopped")
    straight, expected = run(tmp_path / "straight")
    assert state == expected
    assert saved_bytes(stopped) == saved_bytes(straight)
    assert len(calls) == 3 + 3 + 5  # two rounds were kept, the third was looked at again
