"""Worlds by name."""

from importlib import import_module
from typing import Any

from recloop.errors import InvalidParameter, UnknownName
from recloop.simulators import WORLDS
from recloop.simulators.base import AbstractWorld
from recloop.utils.names import unknown_name


def world_class(type_name: str) -> type[AbstractWorld]:
    """The class behind a name of `WORLDS`, or behind "package.module:ClassName"."""
    if ":" not in type_name and type_name not in WORLDS:
        raise unknown_name("world", type_name, WORLDS)
    module, _, name = WORLDS.get(type_name, type_name).partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UnknownName(
            f"No world at '{type_name}' ({error}). A plug-in is named 'module.path:ClassName', and "
            "the module must be importable."
        ) from error
    if not (isinstance(found, type) and issubclass(found, AbstractWorld)):
        raise UnknownName(
            f"'{type_name}' is no world: a plug-in is a class that has AbstractWorld of "
            "recloop.simulators.base as its base."
        )
    return found


def build_world(type_name: str, **settings: Any) -> AbstractWorld:
    """The world `type_name` with its settings; see `world_class`."""
    made = world_class(type_name)
    try:
        return made.from_settings(**settings)
    except TypeError as error:
        raise InvalidParameter(f"world {type_name}: {error}") from None
