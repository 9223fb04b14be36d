"""From a name to a model: the table, a plug-in's path, a saved file."""

from importlib import import_module
from pathlib import Path
from typing import Any

from recloop.errors import InvalidParameter, UnknownName
from recloop.models import MODELS
from recloop.models.base import AbstractRecommender
from recloop.utils.files import load_arrays
from recloop.utils.names import unknown_name


def model_class(type_name: str) -> Any:
    """The class behind a name of `MODELS`, or behind a plug-in's path "my_pkg.my_mod:MyModel"."""
    place = MODELS.get(type_name, type_name)
    if ":" not in place:
        raise unknown_name("model", type_name, MODELS)
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UnknownName(
            f"No model at '{type_name}' ({error}). A plug-in is named 'module.path:ClassName', and "
            "the module must be importable."
        ) from error
    if not (isinstance(found, type) and issubclass(found, AbstractRecommender)):
        raise UnknownName(
            f"'{type_name}' is no model: a plug-in is a class that has AbstractRecommender of "
            "recloop.models.base as its base."
        )
    return found


def build_model(type_name: str, n_users: int, n_items: int, **params: Any) -> Any:
    """A fresh model of that type; a parameter it does not have is named with the nearest one."""
    made = model_class(type_name)
    try:
        return made(n_users, n_items, **params)
    except TypeError as error:
        raise InvalidParameter(f"{made.__name__}: {error}.") from error


def load_model(path: str | Path, type_name: str | None = None) -> Any:
    """The model in a saved file; its header says which class, a plug-in's path must be given."""
    header, _ = load_arrays(path)
    return model_class(type_name or str(header.get("type"))).load(path)
