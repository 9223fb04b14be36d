"""Worlds by name."""

from importlib import import_module
from typing import Any

from recloop.errors import InvalidParameter
from recloop.simulators import WORLDS
from recloop.simulators.base import AbstractWorld
from recloop.utils.names import unknown_name


def build_world(type_name: str, **settings: Any) -> AbstractWorld:
    """The world `type_name` of `WORLDS`, or of "package.module:ClassName", with its settings."""
    if ":" not in type_name and type_name not in WORLDS:
        raise unknown_name("world", type_name, WORLDS)
    module, _, name = WORLDS.get(type_name, type_name).partition(":")
    made = getattr(import_module(module), name)
    try:
        return made.from_settings(**settings)
    except TypeError as error:
        raise InvalidParameter(f"world {type_name}: {error}") from None
