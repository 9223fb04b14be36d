"""A configuration file, read and checked.

Sources, later ones win: defaults, the YAML file, the environment
(RECLOOP__TRAINING__N_EPISODES=50), the command line (--set training.n_episodes=50). A key or a name
that does not exist is an error that says file, line, key and the nearest valid one.
"""

from collections.abc import Callable, Iterable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from recloop.data.synthetic import SyntheticSettings
from recloop.errors import InvalidConfig, RecloopError
from recloop.experiment.build import WORLD_SUFFIX, Entry, entries, name_taken_twice
from recloop.experiment.config import FITTED, ExperimentConfig
from recloop.experiment.sources import Located, Place, explain, read_sources
from recloop.models.registry import model_class
from recloop.simulators.build import build_world, world_class
from recloop.training.world import fit_preference_world
from recloop.types import Interactions
from recloop.utils.names import nearest


def load_config(path: str | Path, overrides: list[str] | None = None) -> ExperimentConfig:
    """The configuration in a YAML file, after environment and `overrides` ("section.key=value").

    Raises InvalidConfig with file, line, key, and the nearest valid one.
    """
    located = read_sources(path, overrides or [])
    try:
        config = ExperimentConfig.model_validate(located.values)
    except ValidationError as error:
        problems = [explain(located, ExperimentConfig, dict(e)) for e in error.errors()]
        raise InvalidConfig("\n".join(problems)) from None
    _check_synthetic(located, config)
    _check_world(located, config)
    _check_models(located, config)
    return config


def _check_synthetic(located: Located, config: ExperimentConfig) -> None:
    """Every setting of the data that are made here is known and allowed."""
    data, place = config.data, ("data", "synthetic")
    _check_keys(located, place, data.synthetic, signature(SyntheticSettings).parameters)
    if data.synthetic or data.path is None:
        given = {"seed": config.seed, "sparsity": data.sparsity, **data.synthetic}
        _at(located, place, lambda: SyntheticSettings(**given))


def _check_world(located: Located, config: ExperimentConfig) -> None:
    """A world can be made; of one of `WORLDS`, every model learns step by step."""
    world = config.world
    if world.type == FITTED:
        _check_fitted_world(located, world.params)
        return
    _at(located, ("world", "type"), lambda: world_class(world.type))
    known = world_class(world.type).settings()
    _check_keys(located, ("world", "params"), world.params, known, world.type)
    _at(located, ("world", "params"), lambda: build_world(world.type, **world.params))
    for index, model in enumerate(config.models):
        kind = _at(located, ("models", index, "type"), lambda m=model: model_class(m.type))
        if kind.learns == "fit":
            raise InvalidConfig(
                f"{located.place_of(('models', index, 'type'))}: '{model.type}' is fitted to a "
                f"log, and the world {world.type} has none. Random, greedy and the best actions "
                "stand in its certificate."
            )


def _check_fitted_world(located: Located, params: dict[str, Any]) -> None:
    """A world with these parameters can be fitted: one is, to a log of two people."""
    place = ("world", "params")
    known = [
        name for name in signature(fit_preference_world).parameters if name not in ("log", "seed")
    ]
    _check_keys(located, place, params, known)
    log = Interactions(
        users=np.array([0, 0, 1]),
        items=np.array([0, 1, 2]),
        weights=np.ones(3),
        timestamps=np.arange(3.0),
        n_users=2,
        n_items=3,
    )
    _at(located, place, lambda: fit_preference_world(log, **params))


def _check_keys(
    located: Located, place: Place, given: Iterable[str], known: Iterable[str], of: str = ""
) -> None:
    names = sorted(known)
    for key in given:
        if key not in names:
            path = (*place, key)
            raise InvalidConfig(
                f"{located.place_of(path)}: unknown key '{'.'.join(map(str, path))}'."
                f"{_hint(key, names)} {f'{of} knows' if of else 'Known here'}: {', '.join(names)}."
            )


def _check_models(located: Located, config: ExperimentConfig) -> None:
    """Every type, parameter, baseline and control is known and allowed; else say where it stood."""
    for name in config.evaluation.baselines:
        kind = _at(located, ("evaluation", "baselines"), lambda name=name: model_class(name))
        if kind.learns != "fit":
            raise InvalidConfig(
                f"{located.place_of(('evaluation', 'baselines'))}: '{name}' learns step by step; a "
                "baseline is fitted. Name it under models."
            )
    if not config.models and not config.evaluation.baselines:
        raise InvalidConfig(
            f"{located.place_of(('models',))}: nothing to train: neither models nor "
            "evaluation.baselines names any."
        )
    if config.training.patience and config.world.type == FITTED and not config.data.val_ratio:
        raise InvalidConfig(
            f"{located.place_of(('training', 'patience'))}: stopping early needs a validation "
            "part to look at; set data.val_ratio above 0, or training.patience to 0."
        )
    for index, model in enumerate(config.models):
        if model.name in config.evaluation.baselines and model.type != model.name:
            raise InvalidConfig(
                f"{located.place_of(('models', index, 'name'))}: '{model.name}' is the name of a "
                f"baseline, which this {model.type} would replace. Choose another name."
            )
        if model.params.get("state") == "segment" and model.params.get("n_segments", 1) != 1:
            raise InvalidConfig(
                f"{located.place_of(('models', index, 'params'))}: n_segments must be 1 in a "
                "configuration: who is in which segment is said in Python, by assign_segments."
            )
        made = _at(located, ("models", index, "type"), lambda m=model: model_class(m.type))
        known = [name for name in signature(made).parameters if name not in ("n_users", "n_items")]
        _check_keys(located, ("models", index, "params"), model.params, known, model.type)
        place = ("models", index, "params")
        _at(located, place, lambda made=made, m=model: made(2, 3, **m.params))
    made_of = entries(config)
    if taken := name_taken_twice(made_of):
        place = _place_of_row(config, taken.first, taken.second)
        raise InvalidConfig(f"{located.place_of(place)}: {taken.words}")
    rows = [row.name for row in made_of]
    for index, model in enumerate(config.models):
        for control in model.controls:
            if control not in rows:
                raise InvalidConfig(
                    f"{located.place_of(('models', index, 'controls'))}: no model named "
                    f"'{control}' to compare with.{_hint(control, rows)} "
                    f"Known: {', '.join(sorted(rows))}."
                )


def _place_of_row(config: ExperimentConfig, *rows: Entry) -> Place:
    """Where the last of the models that one of `rows` comes from stands; else the baselines."""
    names = {row.name for row in rows}
    found = [
        index
        for index, model in enumerate(config.models)
        if names & {model.name, model.name + WORLD_SUFFIX}
    ]
    return ("models", found[-1], "name") if found else ("evaluation", "baselines")


def _hint(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f" Did you mean '{near}'?" if near else ""


def _at(located: Located, path: Place, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (RecloopError, TypeError) as error:
        raise InvalidConfig(f"{located.place_of(path)}: {error}") from None
