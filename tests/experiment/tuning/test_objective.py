"""What a trial is worth: the mean over its seeds, unless it is hopeless or fails."""

import pytest

from recloop.experiment import ExperimentConfig
from recloop.experiment.build import Entry
from recloop.experiment.tuning.objective import InWorld, run_trial, section_of, with_other_people
from recloop.experiment.tuning.trials import SEED_SHIFT, Job, Method
from recloop.models.search import Real, SearchSpace
from recloop.training.loop import Checkpoints, TrainingState

CONFIG = ExperimentConfig(seed=3)
CURVE = {1: 0.1, 2: 0.4, 3: 0.3, 4: 0.5}


class Scripted:
    """Trains by a script: the same curve for every seed, a value for each."""

    key = "validation_ndcg@5"

    def __init__(self, values, watched=True) -> None:
        self.values, self.watched, self.seeds, self.rounds, self.params = values, watched, [], 0, []

    def score(self, entry, seed, checkpoints, observe):
        self.seeds.append(seed)
        self.params.append(entry.params)
        state = TrainingState()
        for number, value in CURVE.items():
            state.records.append({"round": number, self.key: value})
            self.rounds += 1
            if self.watched:
                observe(state)
        value = self.values[len(self.seeds) - 1]
        if isinstance(value, Exception):
            raise value
        return value, state


def tried(objective, tmp_path, bars=None, n_seeds=3):
    entry = Entry("q", "q_learning", {"epsilon": 0.2}, "logged", 4, n_seeds, ())
    method = Method(entry, SearchSpace(learning_rate=Real(0.01, 1.0)), 5)
    job = Job("q", 4, {"learning_rate": 0.5}, bars or {})
    return run_trial(CONFIG, objective, method, job, tmp_path)


def test_a_value_is_the_mean_over_seeds_that_no_final_run_has(tmp_path):
    objective = Scripted([0.25, 0.5, 0.75])
    trial = tried(objective, tmp_path)
    assert (trial.state, trial.value, trial.curve) == ("complete", 0.5, CURVE)
    assert objective.seeds == [3 + SEED_SHIFT + number for number in range(3)]
    assert objective.params == [{"epsilon": 0.2, "learning_rate": 0.5}] * 3
    assert trial.params == {"learning_rate": 0.5}


def test_it_is_stopped_at_the_first_round_below_its_bar(tmp_path):
    objective = Scripted([0.25])
    trial = tried(objective, tmp_path, {2: 0.4, 3: 0.41, 4: 0.9})
    assert (trial.state, trial.value) == ("pruned", None)
    assert trial.curve == {1: 0.1, 2: 0.4, 3: 0.3}
    assert objective.rounds == 3


def test_where_it_went_on_after_its_last_round_the_outcome_is_the_same(tmp_path):
    trial = tried(Scripted([0.25], watched=False), tmp_path, {2: 0.4, 3: 0.41, 4: 0.9})
    assert trial == tried(Scripted([0.25]), tmp_path, {2: 0.4, 3: 0.41, 4: 0.9})


def test_the_first_seed_alone_is_held_against_the_bars(tmp_path):
    assert tried(Scripted([0.1, 0.2, 0.3]), tmp_path, {2: 0.4}).state == "complete"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0.5, float("nan")], "its value is nan"),
        ([0.5, ValueError("no")], "ValueError: no"),
        ([FloatingPointError("overflow")], "FloatingPointError: overflow"),
        ([RuntimeError("no convergence")], "RuntimeError: no convergence"),
    ],
)
def test_a_setting_that_fails_is_a_trial_that_failed(tmp_path, values, why):
    trial = tried(Scripted(values), tmp_path)
    assert (trial.state, trial.value, trial.why) == ("failed", None, why)


@pytest.mark.parametrize("error", [KeyError("x"), OSError("disk full"), TypeError("x")])
def test_an_error_of_the_program_or_the_disk_is_not_a_trial(tmp_path, error):
    with pytest.raises(type(error)):
        tried(Scripted([error]), tmp_path)


def test_a_world_with_a_seed_has_other_people_for_trials_and_another_chance_anyhow():
    linear = ExperimentConfig.model_validate({"world": {"type": "linear", "params": {"seed": 5}}})
    assert with_other_people(linear).world.params == {"seed": 5 + SEED_SHIFT}
    by_rule = ExperimentConfig.model_validate({"world": {"type": "retention"}})
    assert with_other_people(by_rule) == by_rule


def test_a_trial_in_a_world_can_be_had_again(tmp_path):
    sections = {
        "world": {"type": "linear", "n_sessions": 20, "params": {"n_users": 10, "horizon": 5}},
        "training": {"n_episodes": 2, "sessions_per_episode": 4},
        "models": [{"name": "u", "type": "ucb1"}],
    }
    objective = InWorld(ExperimentConfig.model_validate(sections))
    entry = Entry("u", "ucb1", {}, "simulated", 2, 1, ())
    scores = [
        objective.score(entry, seed, Checkpoints(tmp_path, f"u{n}"), lambda state: None)[0]
        for n, seed in enumerate([7, 7, 8])
    ]
    assert scores[0] == scores[1] != scores[2]


def test_a_row_becomes_the_section_it_came_from():
    logged = Entry("q", "q_learning", {"epsilon": 0.2}, "logged", 4, 3, ("popular",), 20)
    section = section_of(logged, CONFIG)
    assert (section.mode, section.passes, section.n_episodes) == ("logged", 4, None)
    assert (section.controls, section.n_trials) == (["popular"], 20)
    fitted = Entry("ease", "ease", {}, "fit", 1, 1, ())
    assert section_of(fitted, CONFIG).mode is None
    in_world = CONFIG.model_copy(
        update={"world": CONFIG.world.model_copy(update={"type": "linear"})}
    )
    simulated = section_of(Entry("u", "ucb1", {}, "simulated", 9, 1, ()), in_world)
    assert (simulated.mode, simulated.n_episodes) == (None, 9)
