"""Optuna's part: which parameters a trial gets, and a file of all trials that are over.

The file is an SQLite database that Optuna's own tools open. One process writes to it, a whole trial
in one transaction, so that a kill leaves each trial in it or not. (Optuna's journal file keeps a
lock when its writer is killed, and cannot be written to after a torn last line.)

A trial that was running when the process was killed is not in it, and needs not be: its parameters
are a function of the seed, the method, its number and the trials that it knows.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recloop.errors import DamagedFile, MissingExtra
from recloop.experiment.tuning.trials import Method, State, Trial
from recloop.models.search import Choice, Integer, Parameter, SearchSpace
from recloop.utils.seeding import stream

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise MissingExtra("Tuning needs Optuna: pip install 'recloop[tune]'.") from error

_STATES: dict[State, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
_WORDS: dict[TrialState, State] = {state: word for word, state in _STATES.items()}


def suggested(
    method: Method, number: int, known: Sequence[Trial], *, seed: int, sampler: str
) -> dict[str, Any]:
    """The parameters of trial `number`: the model's own first, then what the sampler proposes.

    Each trial has a sampler of its own, with a stream of its own: no state is carried along.
    """
    if number == 0 or not method.space:
        return method.defaults()
    own = int(stream(seed, "tuning", method.name, number).integers(2**31))
    made = (
        optuna.samplers.RandomSampler(seed=own)
        if sampler == "random"
        else optuna.samplers.TPESampler(seed=own)
    )
    with _quiet():
        study = optuna.create_study(direction="maximize", sampler=made)
        study.add_trials([_frozen(method.space, trial) for trial in known])
        return study.ask(fixed_distributions=_distributions(method.space)).params


class Store:
    """The trials of all methods that are over, in one SQLite file; a study for each method."""

    def __init__(self, path: Path, methods: Sequence[Method]) -> None:
        self._spaces = {method.name: method.space for method in methods}
        if not path.exists():
            _make(path, methods)
        with _quiet():
            storage = optuna.storages.RDBStorage(_url(path))
            self._studies = {
                method.name: optuna.load_study(study_name=method.name, storage=storage)
                for method in methods
            }
        self._path, self._storage = path, storage

    def trials(self) -> dict[str, dict[int, Trial]]:
        """By method and number, all that are over."""
        return {name: self._of(name) for name in self._studies}

    def add(self, trial: Trial) -> None:
        """Keep a trial; it is on the disk when this returns."""
        with _quiet():
            self._studies[trial.method].add_trial(_frozen(self._spaces[trial.method], trial))

    def close(self) -> None:
        """Let go of the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _of(self, name: str) -> dict[int, Trial]:
        found: dict[int, Trial] = {}
        for frozen in self._studies[name].get_trials(deepcopy=False):
            trial = _thawed(name, frozen)
            if trial.number in found:
                raise DamagedFile(f"{self._path}: trial {trial.number} of {name} stands twice.")
            found[trial.number] = trial
        return found


def _make(path: Path, methods: Sequence[Method]) -> None:
    """An empty file with every study, whole or absent."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    with _quiet():
        storage = optuna.storages.RDBStorage(_url(temporary))
        for method in methods:
            optuna.create_study(storage=storage, study_name=method.name, direction="maximize")
        storage.remove_session()
        storage.engine.dispose()
    os.replace(temporary, path)


def _url(path: Path) -> str:
    return f"sqlite:///{path.absolute()}"


def _frozen(space: SearchSpace, trial: Trial) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=_STATES[trial.state],
        value=trial.value,
        params=trial.params,
        distributions=_distributions(space),
        intermediate_values=trial.curve,
        user_attrs={"number": trial.number, "why": trial.why},
    )


def _thawed(name: str, frozen: FrozenTrial) -> Trial:
    return Trial(
        method=name,
        number=frozen.user_attrs["number"],
        params=dict(frozen.params),
        state=_WORDS[frozen.state],
        value=frozen.value if frozen.state == TrialState.COMPLETE else None,
        curve=dict(sorted(frozen.intermediate_values.items())),
        why=frozen.user_attrs["why"],
    )


def _distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    return {name: _distribution(one) for name, one in space.items()}


def _distribution(one: Parameter) -> BaseDistribution:
    if isinstance(one, Choice):
        return CategoricalDistribution(one.values)
    if isinstance(one, Integer):
        return IntDistribution(one.low, one.high, log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells every new study on stderr; what happens is told by us."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
