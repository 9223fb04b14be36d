"""What is tuned, what a trial is, and which trials may begin: values without side effects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from recloop.errors import InvalidConfig, RecloopError
from recloop.experiment.build import WORLD_MODEL, Entry, entries
from recloop.experiment.config import ExperimentConfig
from recloop.models.registry import model_class
from recloop.models.search import Choice, SearchSpace

SEED_SHIFT = 1_000_003
"""Between the seeds of trials and those that the best settings are measured with."""
FEWEST_FOR_PRUNING = 5
"""Finished trials that there must be before one is measured against their median."""

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Method:
    """One method to tune: how it is trained, what is searched, and with how many trials."""

    entry: Entry
    space: SearchSpace
    n_trials: int

    @property
    def name(self) -> str:
        return self.entry.name

    def defaults(self) -> dict[str, Any]:
        """What the model itself takes for the parameters that are searched: trial 0."""
        model = model_class(self.entry.type)(2, 3, **self.entry.params)
        return {name: getattr(model, name) for name in self.space}


@dataclass(frozen=True)
class Job:
    """A trial to run: the parameters that were searched, and below what it is hopeless.

    bars: by round, what the best value of the trial so far must reach.
    """

    method: str
    number: int
    params: dict[str, Any]
    bars: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A trial that is over.

    value: on the validation part, higher is better; None if it was pruned or failed.
    curve: value of the validation part by round, where the model trains in rounds.
    """

    method: str
    number: int
    params: dict[str, Any]
    state: State
    value: float | None = None
    curve: dict[int, float] = field(default_factory=dict)
    why: str = ""


def methods_of(config: ExperimentConfig, rows: Sequence[Entry]) -> list[Method]:
    """Every row but the world's own model, with what its type declares to be searched.

    What the configuration names among params stays as it is. A method with nothing to search has
    one trial, and the others the same number each.
    """
    found = [
        _method(config, row)
        for row in rows
        if row.name != WORLD_MODEL
        and (not config.tuning.models or row.name in config.tuning.models)
    ]
    names = [row.name for row in rows if row.name != WORLD_MODEL]
    for name in config.tuning.models or []:
        if name not in names:
            raise InvalidConfig(f"tuning.models: no method '{name}'. Known: {', '.join(names)}.")
    return found


def trial_rows(config: ExperimentConfig) -> list[Entry]:
    """The rows of the run, with as many seeds as a trial has."""
    training = config.training.model_copy(update={"n_seeds": config.tuning.n_seeds})
    return entries(config.model_copy(update={"training": training}))


def _method(config: ExperimentConfig, row: Entry) -> Method:
    declared = model_class(row.type).search_space
    if declared is None:
        raise InvalidConfig(
            f"{row.name}: {row.type} does not say what of it is searched. Set the class attribute "
            "search_space = SearchSpace(name=Real(low, high), ...) of recloop.models.search; an "
            "empty SearchSpace() says that there is nothing to tune."
        )
    space = declared.searched(row.params, acting=row.mode == "simulated")
    method = Method(row, space, config.tuning.n_trials if space else 1)
    _check_ends(method)
    return method


def _check_ends(method: Method) -> None:
    """Every end of every range goes with the parameters that are fixed."""
    made, fixed = model_class(method.entry.type), method.entry.params
    for name, one in method.space.items():
        for value in one.values if isinstance(one, Choice) else (one.low, one.high):
            try:
                made(2, 3, **{**fixed, name: value})
            except RecloopError as error:
                raise InvalidConfig(
                    f"{method.name}: {name}={value} is searched and does not go with its params. "
                    f"{error} Name {name} among the params of {method.name} to fix it."
                ) from None


def ready(
    methods: Sequence[Method],
    done: Mapping[str, Mapping[int, Trial]],
    running: Mapping[str, set[int]],
    at_once: int,
) -> Iterator[tuple[Method, int]]:
    """Trials that may begin now, the lowest numbers first.

    Trial n waits for all of 0 .. n - at_once, and knows them and no others: what it is does not
    depend on how many workers there are, nor on which of them is quick.
    """
    last = max((method.n_trials for method in methods), default=0)
    for number in range(last):
        for method in methods:
            over = done[method.name]
            if number >= method.n_trials or number in over or number in running[method.name]:
                continue
            if all(earlier in over for earlier in range(number - at_once + 1)):
                yield method, number


def known_to(number: int, done: Mapping[int, Trial], at_once: int) -> list[Trial]:
    """The trials whose results trial `number` may use, in their order."""
    return [done[earlier] for earlier in range(number - at_once + 1)]


def pruning_bars(known: Sequence[Trial], n_rounds: int) -> dict[int, float]:
    """By round, the median of what complete trials had reached by then.

    The first third of the rounds is free, the last round comes too late, and a round that fewer
    than five trials looked at has no median.
    """
    curves = [trial.curve for trial in known if trial.state == "complete" and trial.curve]
    bars = {}
    for at in sorted({at for curve in curves for at in curve}):
        reached = [best_until(curve, at) for curve in curves if at in curve]
        if n_rounds <= 3 * at < 3 * n_rounds and len(reached) >= FEWEST_FOR_PRUNING:
            bars[at] = float(np.median(reached))
    return bars


def best_until(curve: Mapping[int, float], at: int) -> float:
    """The highest value of a curve up to a round."""
    return max(value for number, value in curve.items() if number <= at)


def best_of(trials: Mapping[int, Trial]) -> Trial | None:
    """The complete trial of the highest value, the first of equals; None if none is complete."""
    valued = [(one.value, -n, one) for n, one in trials.items() if one.value is not None]
    return max(valued, key=lambda row: row[:2])[2] if valued else None


def first_below(curve: Mapping[int, float], bars: Mapping[int, float]) -> int | None:
    """The first round whose bar the best value until then does not reach; None if there is none."""
    return next(
        (at for at in sorted(bars) if at in curve and best_until(curve, at) < bars[at]), None
    )
