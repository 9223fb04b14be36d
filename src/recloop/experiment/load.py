"""A configuration file, read and checked.

Sources, later ones win: defaults, the YAML file, the environment
(RECLOOP__TRAINING__N_EPISODES=50), the command line (--set training.n_episodes=50). A key or a name
that does not exist is an error that says file, line, key and the nearest valid one.
"""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recloop.errors import InvalidConfig, RecloopError
from recloop.experiment.build import entries
from recloop.experiment.config import FITTED, ExperimentConfig
from recloop.experiment.sources import Located, Place, explain, read_sources
from recloop.models.registry import model_class
from recloop.simulators.build import build_world, world_class
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
    _check_world(located, config)
    _check_models(located, config)
    return config


def _check_world(located: Located, config: ExperimentConfig) -> None:
    """A world of `WORLDS` can be made, and every model of it learns step by step."""
    world = config.world
    if world.type == FITTED:
        return
    _at(located, ("world", "type"), lambda: world_class(world.type))
    made = world_class(world.type)
    for key in world.params:
        if key not in made.settings():
            raise InvalidConfig(
                f"{located.place_of(('world', 'params', key))}: unknown key 'world.params.{key}'."
                f"{_hint(key, made.settings())} {world.type} knows: "
                f"{', '.join(sorted(made.settings()))}."
            )
    _at(located, ("world", "params"), lambda: build_world(world.type, **world.params))
    for index, model in enumerate(config.models):
        kind = _at(located, ("models", index, "type"), lambda m=model: model_class(m.type))
        if kind.learns == "fit":
            raise InvalidConfig(
                f"{located.place_of(('models', index, 'type'))}: '{model.type}' is fitted to a "
                f"log, and the world {world.type} has none. Random, greedy and the best actions "
                "stand in its certificate."
            )


def _check_models(located: Located, config: ExperimentConfig) -> None:
    """Every type, parameter, baseline and control is known and allowed; else say where it stood."""
    for name in config.evaluation.baselines:
        _at(located, ("evaluation", "baselines"), lambda name=name: model_class(name))
    for index, model in enumerate(config.models):
        made = _at(located, ("models", index, "type"), lambda m=model: model_class(m.type))
        known = [name for name in signature(made).parameters if name not in ("n_users", "n_items")]
        for key in model.params:
            if key not in known:
                raise InvalidConfig(
                    f"{located.place_of(('models', index, 'params', key))}: unknown key "
                    f"'models.{index}.params.{key}'.{_hint(key, known)} {model.type} knows: "
                    f"{', '.join(sorted(known))}."
                )
        place = ("models", index, "params")
        _at(located, place, lambda made=made, m=model: made(2, 3, **m.params))
    rows = [row.name for row in entries(config)]
    if config.world.type != FITTED:
        rows = [model.name for model in config.models]
    for index, model in enumerate(config.models):
        for control in model.controls:
            if control not in rows:
                raise InvalidConfig(
                    f"{located.place_of(('models', index, 'controls'))}: no model named "
                    f"'{control}' to compare with.{_hint(control, rows)} "
                    f"Known: {', '.join(sorted(rows))}."
                )


def _hint(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f" Did you mean '{near}'?" if near else ""


def _at(located: Located, path: Place, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (RecloopError, TypeError) as error:
        raise InvalidConfig(f"{located.place_of(path)}: {error}") from None
