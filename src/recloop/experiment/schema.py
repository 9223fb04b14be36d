"""The JSON schema of a configuration, for editors: sections, and what each type has as params.

Sections are pydantic's; the params of a model, a world and of synthetic data are the parameters of
the class that they build, with their types and defaults. A plug-in's params stay open.
"""

from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, signature
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from recloop.data.synthetic import SyntheticSettings
from recloop.experiment.config import FITTED, ExperimentConfig
from recloop.models import MODELS
from recloop.models.registry import model_class
from recloop.simulators import WORLDS
from recloop.simulators.build import world_class
from recloop.training.world import fit_preference_world

Schema = dict[str, Any]


def config_schema() -> Schema:
    """The schema of `ExperimentConfig`, with the params of every type that recloop knows."""
    schema = ExperimentConfig.model_json_schema()
    parts = schema["$defs"]
    sizes = ("n_users", "n_items")
    models = {name: _params_of(model_class(name), without=sizes) for name in MODELS}
    worlds = {name: _world_params(name) for name in WORLDS}
    worlds[FITTED] = _params_of(fit_preference_world, without=("log", "seed"))
    parts["ModelSection"]["allOf"] = _by_type(models)
    parts["WorldSection"]["allOf"] = _by_type(worlds, default=FITTED)
    known = _params_of(SyntheticSettings)
    parts["DataSection"]["properties"]["synthetic"] |= known
    return schema


def _by_type(params: Mapping[str, Schema], default: str | None = None) -> list[Schema]:
    """A condition for each type: if that is the type, then these are the params.

    default: the type where none is named.
    """
    return [
        {
            "if": {"properties": {"type": {"const": name}}}
            | ({} if name == default else {"required": ["type"]}),
            "then": {"properties": {"params": found}},
        }
        for name, found in params.items()
    ]


def _world_params(name: str) -> Schema:
    made = world_class(name)
    known = _params_of(made.Params)["properties"]
    return _closed({one: known.get(one, {}) for one in made.settings()})


def _params_of(made: Callable[..., Any], without: Iterable[str] = ()) -> Schema:
    """Names, types and defaults of what a class or a function is made with."""
    hints = get_type_hints(made)
    return _closed(
        {
            name: _one(hints.get(name, Any), parameter)
            for name, parameter in signature(made).parameters.items()
            if name not in without
        }
    )


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _one(kind: Any, parameter: Parameter) -> Schema:
    try:
        adapter = TypeAdapter(kind)
        found = adapter.json_schema()
    except PydanticSchemaGenerationError:
        return {}
    if parameter.default is not Parameter.empty:
        found["default"] = adapter.dump_python(parameter.default, mode="json")
    return found
