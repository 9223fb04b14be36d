"""What a trial is worth: prepared once, then trained with parameters and scored.

Over a log the score is the metric of the table on the validation part; the test part is not among
what is given. In a world and on a stream the people of trials are others than those who judge the
best settings: the world's own seed and the seeds of chance are shifted by `SEED_SHIFT`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from recloop.errors import InvalidConfig
from recloop.evaluation.evaluator import RLRecommenderEvaluator
from recloop.evaluation.metrics import RecommendationMetrics
from recloop.experiment import stream_run, world_run
from recloop.experiment.build import Entry
from recloop.experiment.config import FITTED, ExperimentConfig, Mode, ModelSection
from recloop.experiment.folder import RunFolder, label_of
from recloop.experiment.training import Trainer
from recloop.experiment.tuning.trials import SEED_SHIFT, Job, Method, Trial, first_below
from recloop.models.registry import model_class
from recloop.simulators.build import build_world, world_class
from recloop.training.loop import Checkpoints, TrainingState
from recloop.types import FloatArray, Interactions

Observe = Callable[[TrainingState], None]
_A_SETTING_FAILS = (ArithmeticError, ValueError, RuntimeError, MemoryError)
"""What bad parameters lead to; anything else is an error of the program and ends it."""


@dataclass(frozen=True)
class LogParts:
    """All that a trial over a log sees of the data."""

    train: Interactions
    validation: Interactions
    item_features: FloatArray | None = None
    user_features: FloatArray | None = None


class Objective(Protocol):
    """Trains an entry with a seed and says what it is worth, higher is better.

    key: under which the records of training hold the value of a look.
    """

    key: str

    def score(
        self, entry: Entry, seed: int, checkpoints: Checkpoints, observe: Observe
    ) -> tuple[float, TrainingState]: ...


def metric_of(config: ExperimentConfig) -> str:
    """The name of what trials are scored by."""
    if config.training.mode == "stream":
        return stream_run.METRIC
    return config.evaluation.metric if config.world.type == FITTED else world_run.METRIC


def check_tunable(config: ExperimentConfig) -> None:
    """Raise InvalidConfig where trials could only be scored on what judges the best of them."""
    if config.world.type == FITTED and config.training.mode == "stream":
        raise InvalidConfig(
            "tuning: a stream of a table or of a decision log has no part to tune on, every row of "
            "it judges. Name a world (world.type), whose people can be others for tuning."
        )
    if (
        config.world.type != FITTED
        and build_world(config.world.type, **config.world.params).sessions_repeat
    ):
        raise InvalidConfig(
            f"tuning: sessions of the world {config.world.type} repeat a log exactly, so trials "
            "would be scored on what judges the best of them. Use a world that draws its people."
        )
    if config.world.type == FITTED and not config.data.val_ratio:
        raise InvalidConfig(
            "tuning: needs a validation part to score trials on; set data.val_ratio above 0."
        )


def make_objective(
    config: ExperimentConfig, methods: Sequence[Method], parts: LogParts | None, folder: Path
) -> Callable[[Job], Trial]:
    """A function that runs a job; what all jobs share is prepared here.

    parts: None in a world or on a stream. folder: for checkpoints of trials that are running.
    """
    objective = _objective(config, parts, folder)
    by_name = {method.name: method for method in methods}

    def run(job: Job) -> Trial:
        with threadpool_limits(1, "blas"):
            return run_trial(config, objective, by_name[job.method], job, folder)

    return run


def _objective(config: ExperimentConfig, parts: LogParts | None, folder: Path) -> Objective:
    if config.training.mode == "stream":
        return OnStream(config)
    if parts is None:
        return InWorld(config)
    return OnValidation(config, parts, folder)


def run_trial(
    config: ExperimentConfig, objective: Objective, method: Method, job: Job, folder: Path
) -> Trial:
    """The mean over the seeds of a trial; pruned by the looks of the first of them."""
    entry = replace(method.entry, params={**method.entry.params, **job.params})
    about = (job.method, job.number, job.params)
    values: list[float] = []
    curve: dict[int, float] = {}
    for number in range(entry.n_seeds):
        label = f"{label_of(entry.name, number)}.trial{job.number}"
        checkpoints = Checkpoints(folder, label)
        bars = {} if number else job.bars
        try:
            value, state = objective.score(
                entry,
                config.seed + SEED_SHIFT + number,
                checkpoints,
                lambda now, bars=bars: _prune(now, objective.key, bars),
            )
            _prune(state, objective.key, bars)
        except _Pruned as pruned:
            checkpoints.clear()
            return Trial(*about, "pruned", curve=pruned.curve)
        except _A_SETTING_FAILS as error:
            checkpoints.clear()
            return Trial(*about, "failed", curve=curve, why=f"{type(error).__name__}: {error}")
        checkpoints.clear()
        if not np.isfinite(value):
            return Trial(*about, "failed", curve=curve, why=f"its value is {value}")
        curve = curve if number else _curve(state, objective.key)
        values.append(value)
    return Trial(*about, "complete", float(np.mean(values)), curve)


class _Pruned(Exception):
    """A trial that is hopeless; its curve to the round where that was seen."""

    def __init__(self, curve: dict[int, float]) -> None:
        self.curve = curve


def _curve(state: TrainingState, key: str) -> dict[int, float]:
    return {one["round"]: one[key] for one in state.records if one.get(key) is not None}


def _prune(state: TrainingState, key: str, bars: Mapping[int, float]) -> None:
    curve = _curve(state, key)
    at = first_below(curve, bars)
    if at is not None:
        raise _Pruned({number: value for number, value in curve.items() if number <= at})


class OnValidation:
    """Over a log: learned from the training part, scored on the validation part."""

    def __init__(self, config: ExperimentConfig, parts: LogParts, folder: Path) -> None:
        self._metric, self._validation = config.evaluation.metric, parts.validation
        self.key = f"validation_{self._metric}"
        ks = {config.training.k, int(self._metric.partition("@")[2])}
        self._evaluator = RLRecommenderEvaluator(
            RecommendationMetrics(), ks=sorted(ks), train=parts.train
        )
        self._trainer = Trainer(
            config=config,
            folder=RunFolder(folder),
            train_log=parts.train,
            validation=self._values,
            item_features=parts.item_features,
            user_features=parts.user_features,
        )

    def _values(self, model: Any) -> dict[str, float]:
        return self._evaluator.means(model, self._validation)

    def score(
        self, entry: Entry, seed: int, checkpoints: Checkpoints, observe: Observe
    ) -> tuple[float, TrainingState]:
        """The metric of the validation part after training."""
        model, state = self._trainer.trained(entry, seed, checkpoints, observe)
        return self._values(model)[self._metric], state


class InWorld:
    """In a world: learned and scored with people who judge nobody later."""

    key = world_run.METRIC

    def __init__(self, config: ExperimentConfig) -> None:
        self._config = with_other_people(config)
        self._world = build_world(config.world.type, **self._config.world.params)

    def score(
        self, entry: Entry, seed: int, checkpoints: Checkpoints, observe: Observe
    ) -> tuple[float, TrainingState]:
        """The mean reward of a session after training, without exploring."""
        model, state = world_run.trained_in_world(
            self._config, self._world, section_of(entry, self._config), seed, checkpoints, observe
        )
        n = self._config.world.n_sessions
        return float(world_run.earned(model, self._world, n, seed, "tuning").mean()), state


class OnStream:
    """Online, in a world's stream: what is earned while learning, by other people."""

    key = stream_run.METRIC

    def __init__(self, config: ExperimentConfig) -> None:
        self._stream, _ = stream_run.open_stream(with_other_people(config))

    def score(
        self, entry: Entry, seed: int, checkpoints: Checkpoints, observe: Observe
    ) -> tuple[float, TrainingState]:
        """The mean reward of a visitor."""
        made, stream = model_class(entry.type), self._stream
        params = {**entry.params, "seed": entry.params.get("seed", 0) + seed}
        if stream.context_dim and "context_dim" in {one.name for one in fields(made)}:
            params.setdefault("context_dim", stream.context_dim)
        model = made(stream.n_users, stream.n_items, **params)
        return float(stream.run(model, seed).rewards.mean()), TrainingState()


def with_other_people(config: ExperimentConfig) -> ExperimentConfig:
    """The configuration of a world that is drawn anew where its settings have a seed."""
    world = config.world
    if "seed" not in world_class(world.type).settings():
        return config
    params = {**world.params, "seed": world.params.get("seed", 0) + SEED_SHIFT}
    return config.model_copy(update={"world": world.model_copy(update={"params": params})})


def section_of(entry: Entry, config: ExperimentConfig) -> ModelSection:
    """The entry as a section of a configuration, with what it is trained by."""
    over_log = config.world.type == FITTED and config.training.mode != "stream"
    modes: dict[str, Mode] = {"logged": "logged", "simulated": "simulated"}
    return ModelSection(
        name=entry.name,
        type=entry.type,
        params=entry.params,
        mode=modes.get(entry.mode) if over_log else None,
        passes=entry.n_rounds if entry.mode == "logged" else None,
        n_episodes=entry.n_rounds if entry.mode == "simulated" else None,
        controls=list(entry.controls),
        n_trials=entry.n_trials,
    )
