"""From the sections of a configuration to the list of models that a run trains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from recloop.experiment.config import FITTED, ExperimentConfig, ModelSection
from recloop.experiment.folder import label_of
from recloop.models.registry import model_class
from recloop.training.loop import Checkpoints

WORLD_MODEL = "world-model"
WORLD_SUFFIX = "-world"


@dataclass(frozen=True)
class Entry:
    """One row of the leaderboard: a model and how it is trained."""

    name: str
    type: str
    params: dict[str, Any]
    mode: str  # fit, logged or simulated
    n_rounds: int
    n_seeds: int
    controls: tuple[str, ...]
    n_trials: int | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it takes what people had as it is and learns from no reward: a reference."""
        return self.mode == "fit"

    def build(self, n_users: int, n_items: int, seed: int) -> Any:
        """A fresh model; a seed among the parameters is the first of its seeds."""
        params = {**self.params, "seed": self.params.get("seed", 0) + seed}
        return model_class(self.type)(n_users, n_items, **params)

    def file_names(self) -> dict[str, str]:
        """The names of all files that a run keeps it in, and in words what each of them is."""
        names = {}
        for seed_number in range(self.n_seeds):
            label = label_of(self.name, seed_number)
            names[label] = (
                f"{f'seed {seed_number} of' if seed_number else 'the model'} '{self.name}'"
            )
            if self.n_rounds > 1:
                names[Checkpoints.best_name(label)] = f"the best so far of '{label}'"
        return names


class TakenTwice(NamedTuple):
    """Two rows that would be kept under one name."""

    first: Entry
    second: Entry
    words: str


def entries(config: ExperimentConfig) -> list[Entry]:
    """The baselines of every table, then the models of the configuration, in its order.

    Under mode "both" a model that learns step by step stands twice: NAME learned from the log,
    NAME-world in the fitted world. In a world of `WORLDS` and in a stream there are the models
    alone.
    """
    if config.world.type != FITTED or config.training.mode == "stream":
        return [_entry(config, model, "simulated") for model in config.models]
    named = {model.name for model in config.models}
    rows = [
        _entry(config, ModelSection(name=name, type=name), "fit")
        for name in config.evaluation.baselines
        if name not in named
    ]
    for model in config.models:
        if model_class(model.type).learns == "fit":
            rows.append(_entry(config, model, "fit"))
            continue
        mode = model.mode or config.training.mode
        if mode in ("logged", "both"):
            rows.append(_entry(config, model, "logged"))
        if mode in ("simulated", "both"):
            row = _entry(config, model, "simulated")
            name = model.name + (WORLD_SUFFIX if mode == "both" else "")
            rows.append(replace(row, name=name, controls=(*row.controls, WORLD_MODEL)))
    if any(row.mode == "simulated" for row in rows):
        rank = {"n_factors": config.world.params.get("n_factors", 32)}
        world = ModelSection(name=WORLD_MODEL, type="pure_svd", params=rank)
        rows.append(_entry(config, world, "fit"))
    return rows


def name_taken_twice(rows: Sequence[Entry]) -> TakenTwice | None:
    """The first two rows that would share a name among everything that is kept of them."""
    kept: dict[str, tuple[Entry, str]] = {}
    for row in rows:
        for name, what in row.file_names().items():
            if name in kept:
                first, first_what = kept[name]
                words = (
                    f"the name '{name}' stands for two things: {first_what} "
                    f"({first.type}, {first.mode}) and {what} ({row.type}, {row.mode}). "
                    "Rename one of the models."
                )
                return TakenTwice(first, row, words)
            kept[name] = (row, what)
    return None


def _entry(config: ExperimentConfig, model: ModelSection, mode: str) -> Entry:
    training = config.training
    rounds = {
        "fit": 1,
        "logged": model.passes or training.passes,
        "simulated": model.n_episodes or training.n_episodes,
    }
    made = model_class(model.type)
    draws = mode == "simulated" or getattr(made(2, 3, **model.params), "draws", True)
    return Entry(
        name=model.name,
        type=model.type,
        params=dict(model.params),
        mode=mode,
        n_rounds=rounds[mode],
        n_seeds=training.n_seeds if draws else 1,
        controls=tuple(model.controls),
        n_trials=model.n_trials,
    )
