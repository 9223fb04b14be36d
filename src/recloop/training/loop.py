"""One loop for all models: teach a round, look now and then, stop early, keep a checkpoint."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recloop.errors import RunFolderInUse
from recloop.training.lessons import Lesson, Record
from recloop.training.settings import TrainingSettings
from recloop.utils.files import load_arrays
from recloop.utils.names import unknown_name

Evaluate = Callable[[Any], Mapping[str, float]]


@dataclass
class TrainingState:
    """How far training is: everything that continues after an interrupt, beside the model."""

    n_rounds_done: int = 0
    best_value: float | None = None
    best_round: int = 0
    n_looks_without_gain: int = 0
    stopped_early: bool = False
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoints:
    """Where one model's training is kept: the latest state, and the best one so far."""

    folder: Path
    name: str

    @property
    def latest(self) -> Path:
        return self.folder / f"{self.name}.npz"

    @property
    def best(self) -> Path:
        return self.folder / f"{self.best_name(self.name)}.npz"

    @staticmethod
    def best_name(name: str) -> str:
        """Under which name the best model of the training `name` is kept."""
        return f"{name}.best"

    def save(self, model: Any, state: TrainingState) -> None:
        """Write model and state as one file."""
        model.save(self.latest, training=asdict(state))

    def resume(self, model: Any) -> tuple[Any, TrainingState]:
        """Model and state of the last checkpoint, or `model` and a fresh state if there is none.

        Raises RunFolderInUse where the checkpoint is of another type or of other hyperparameters.
        """
        if not self.latest.exists():
            return model, TrainingState()
        header, _ = load_arrays(self.latest)
        self._check_same_model(model, header)
        return type(model).load(self.latest), TrainingState(**header["training"])

    def _check_same_model(self, model: Any, header: Mapping[str, Any]) -> None:
        held = {"type": header.get("type"), **header.get("params", {})}
        asked = {"type": model.type_name, **json.loads(json.dumps(model.params()))}
        for name in asked | held:
            there, here = held.get(name, "nothing"), asked.get(name, "nothing")
            if there != here:
                raise RunFolderInUse(
                    f"{self.latest}: a checkpoint must be of the model that goes on, got another "
                    f"one ({name}: there {there!r}, now {here!r}). Give the checkpoints another "
                    "folder or name, or remove the file to train anew."
                )

    def clear(self) -> None:
        """Remove the files of a training that is done."""
        self.latest.unlink(missing_ok=True)
        self.best.unlink(missing_ok=True)


def train(
    model: Any,
    lesson: Lesson,
    settings: TrainingSettings,
    *,
    checkpoints: Checkpoints,
    evaluate: Evaluate | None = None,
    observe: Callable[[TrainingState], None] | None = None,
) -> tuple[Any, TrainingState]:
    """Train until the rounds are over or early stopping says so; the best model seen is returned.

    evaluate: gives values of the validation part; without it nothing stops early and the last
    model is the result. observe: called after every round, for progress bars and logs.
    Interrupting loses at most the rounds since the last checkpoint, and continuing gives the same
    bytes as never having stopped.
    """
    model, state = checkpoints.resume(model)
    while state.n_rounds_done < settings.n_rounds and not state.stopped_early:
        record = {"round": state.n_rounds_done + 1, **lesson.teach(model, state.n_rounds_done)}
        state.n_rounds_done += 1
        state.records.append(record)
        is_last = state.n_rounds_done == settings.n_rounds
        if state.n_rounds_done % settings.eval_freq == 0 or is_last:
            if evaluate is not None:
                _look(model, evaluate(model), state, settings, checkpoints)
            checkpoints.save(model, state)
        if observe is not None:
            observe(state)
    if 0 < state.best_round < state.n_rounds_done:
        model = type(model).load(checkpoints.best)
    return model, state


def _look(
    model: Any,
    values: Mapping[str, float],
    state: TrainingState,
    settings: TrainingSettings,
    checkpoints: Checkpoints,
) -> None:
    if settings.metric not in values:
        raise unknown_name("metric of the validation part", settings.metric, values)
    known = {name: float(value) if math.isfinite(value) else None for name, value in values.items()}
    state.records[-1].update({f"validation_{name}": value for name, value in known.items()})
    value = known[settings.metric]  # None where it is undefined: no gain
    if value is not None and (state.best_value is None or value > state.best_value):
        state.best_value, state.best_round = value, state.n_rounds_done
        state.n_looks_without_gain = 0
        model.save(checkpoints.best)
        return
    state.n_looks_without_gain += 1
    state.stopped_early = 0 < settings.patience <= state.n_looks_without_gain
