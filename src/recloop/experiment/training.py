"""Train every entry of a run, each seed once, from where the last interrupt left it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from recloop.experiment.build import Entry
from recloop.experiment.config import ExperimentConfig
from recloop.experiment.folder import RunFolder, label_of
from recloop.models.baselines.profiles import AbstractProfileRecommender
from recloop.models.baselines.pure_svd import PureSVDRecommender
from recloop.simulators.preference import PreferenceWorld
from recloop.training.lessons import FitOnce, Lesson, LoggedPasses, SimulatedEpisodes
from recloop.training.loop import Checkpoints, TrainingState, train
from recloop.training.offline import last_items, logged_steps
from recloop.training.settings import TrainingSettings
from recloop.training.world import fit_preference_world
from recloop.types import Interactions, Transitions
from recloop.utils.files import load_arrays, write_text

Evaluate = Callable[[Any], dict[str, float]]


class Progress(Protocol):
    """Whoever watches a run: the command line draws bars, a test counts, a page shows a line."""

    def begin(self, name: str, n_rounds: int) -> None: ...

    def advance(self, name: str, n_done: int, values: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Watches without a word."""

    def begin(self, name: str, n_rounds: int) -> None:
        """Say nothing."""

    def advance(self, name: str, n_done: int, values: dict[str, Any]) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


@dataclass
class Trainer:
    """Trains the entries of one run into its folder.

    train_log: the training part, the only thing that a model or a world learns from.
    validation: gives values of the validation part, or None where there is none.
    validation_log: joins the profiles of models that keep some, once they are trained.
    """

    config: ExperimentConfig
    folder: RunFolder
    train_log: Interactions
    validation: Evaluate | None
    validation_log: Interactions | None = None
    item_features: Any = None
    user_features: Any = None
    progress: Progress = field(default_factory=Silent)
    _world: tuple[PreferenceWorld, PureSVDRecommender] | None = None

    def train_all(self, entries: list[Entry]) -> None:
        """Train what is not trained yet; write the learning curves of all into log.jsonl."""
        self.folder.remove_temporaries()
        for entry in entries:
            for seed_number in range(entry.n_seeds):
                if not self.folder.model_path(entry.name, seed_number).exists():
                    self._train(entry, seed_number)
        self.folder.remove_checkpoints()
        labels = [(entry.name, number) for entry in entries for number in range(entry.n_seeds)]
        write_log(self.folder, labels, self.config.seed)

    def _train(self, entry: Entry, seed_number: int) -> None:
        label = label_of(entry.name, seed_number)
        checkpoints = Checkpoints(self.folder.checkpoints, label)
        self.progress.begin(label, entry.n_rounds)
        with self.folder.timed(label):
            model, state = self.trained(
                entry,
                self.config.seed + seed_number,
                checkpoints,
                lambda now: self.progress.advance(
                    label, now.n_rounds_done, now.records[-1] if now.records else {}
                ),
            )
        self._tell_profile(model)
        self._keep(entry, model, state, seed_number)
        checkpoints.clear()

    def trained(
        self,
        entry: Entry,
        seed: int,
        checkpoints: Checkpoints,
        observe: Callable[[TrainingState], None],
    ) -> tuple[Any, TrainingState]:
        """A model of `entry` after its training; nothing is kept of it beside checkpoints."""
        model = entry.build(self.train_log.n_users, self.train_log.n_items, seed)
        settings = self._settings(entry)
        return train(
            model,
            self._lesson(entry, model, seed),
            settings,
            checkpoints=checkpoints,
            evaluate=self.validation if settings.n_rounds > 1 else None,
            observe=observe,
        )

    def _tell_profile(self, model: Any) -> None:
        """Put what people did in the validation part into their profiles, if the model keeps them.

        A profile is an input, as a history is: at the test both reach to its beginning. What was
        learned of the items stays as it was fitted.
        """
        if not isinstance(model, AbstractProfileRecommender) or not self.validation_log:
            return
        log = self.validation_log
        model.update_batch(Transitions(log.users, log.items, rewards=np.ones(len(log))))

    def _keep(self, entry: Entry, model: Any, state: TrainingState, seed_number: int) -> None:
        path = self.folder.model_path(entry.name, seed_number)
        training = {
            "records": state.records,
            "best_round": state.best_round or state.n_rounds_done,
            "n_rounds": state.n_rounds_done,
            "stopped_early": state.stopped_early,
        }
        model.save(path, name=entry.name, training=training)

    def _settings(self, entry: Entry) -> TrainingSettings:
        training = self.config.training
        return TrainingSettings(
            n_rounds=entry.n_rounds,
            eval_freq=training.eval_freq if entry.mode == "simulated" else 1,
            metric=f"ndcg@{training.k}",
            patience=training.patience,
        )

    def _lesson(self, entry: Entry, model: Any, seed: int) -> Lesson:
        if hasattr(model, "fit_features"):
            model.fit_features(self.train_log, self.item_features, self.user_features)
        if entry.mode == "fit":
            return FitOnce(self.train_log)
        if entry.mode == "logged":
            steps = logged_steps(
                self.train_log, model.history_length, reward=self.config.training.reward
            )
            return LoggedPasses(steps, seed)
        return SimulatedEpisodes(
            self.world()[0],
            last_items(self.train_log, model.history_length),
            seed,
            self.config.training.sessions_per_episode,
        )

    def world(self) -> tuple[PreferenceWorld, PureSVDRecommender]:
        """The world that was fitted on the training part, and the model that it is made of."""
        if self._world is None:
            self._world = fit_preference_world(
                self.train_log, seed=self.config.seed, **self.config.world.params
            )
        return self._world


def write_log(folder: RunFolder, labels: Iterable[tuple[str, int]], seed: int) -> None:
    """Write the learning curves of all (name, seed number) into log.jsonl."""
    lines = []
    for name, seed_number in labels:
        header, _ = load_arrays(folder.model_path(name, seed_number))
        for record in header["training"]["records"]:
            line = {"model": name, "seed": seed + seed_number, **record}
            lines.append(json.dumps(line, sort_keys=True))
    write_text(folder.path / "log.jsonl", "".join(line + "\n" for line in lines))
