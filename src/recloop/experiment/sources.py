"""A configuration from file, environment and command line, and where each key stood."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from recloop.errors import InvalidConfig, MissingData
from recloop.utils.names import nearest

PREFIX = "RECLOOP__"
Place = tuple[str | int, ...]


@dataclass
class Located:
    """Values, and for each the place that it came from ("configs/default.yaml, line 12")."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Place, str] = field(default_factory=dict)

    def place_of(self, path: Place) -> str:
        """Where a key or the nearest section above it stood."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return "configuration"


def read_sources(path: str | Path | None, overrides: list[str], *, prefix: str = PREFIX) -> Located:
    """The YAML file, then RECLOOP__SECTION__KEY variables, then "section.key=value" overrides.

    path: None for no file. prefix: of the variables.
    """
    located = Located({}, {(): "command line"}) if path is None else _read_yaml(Path(path))
    for name, text in sorted(os.environ.items()):
        if name.startswith(prefix):
            keys = name.removeprefix(prefix).lower().split("__")
            _put(located, keys, text, f"environment variable {name}")
    for override in overrides:
        keys, equals, text = override.partition("=")
        if not equals:
            raise InvalidConfig(f"--set {override}: must read section.key=value.")
        _put(located, keys.split("."), text, f"--set {override}")
    return located


def _read_yaml(path: Path) -> Located:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingData(f"{path}: no such configuration file.") from None
    except IsADirectoryError:
        raise InvalidConfig(f"{path}: is a folder; a configuration is a YAML file.") from None
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{path}: not UTF-8 text ({error}).") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-13-45
        raise InvalidConfig(f"{path}: not readable as YAML: {error}") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise InvalidConfig(f"{path}, line 1: must hold sections (data, training, models, ...).")
    located = Located(values, {(): str(path)})
    if root is not None:
        _note_lines(located, root, (), path)
    return located


def _note_lines(located: Located, node: yaml.Node, path: Place, file: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*path, key.value)
            if place in located.places:
                raise InvalidConfig(
                    f"{file}, line {key.start_mark.line + 1}: '{key.value}' stands twice."
                )
            located.places[place] = f"{file}, line {key.start_mark.line + 1}"
            _note_lines(located, value, place, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            located.places[(*path, index)] = f"{file}, line {value.start_mark.line + 1}"
            _note_lines(located, value, (*path, index), file)


def _put(located: Located, keys: list[str], text: str, place: str) -> None:
    target = located.values
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise InvalidConfig(f"{place}: '{key}' is not a section.")
    try:
        target[keys[-1]] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InvalidConfig(
            f"{place}: the value is not readable as YAML ({said}). Put it in quotes to have it as "
            f"text: '\"{text}\"'."
        ) from None
    located.places[tuple(keys)] = place


def explain(located: Located, model: type[BaseModel], error: Mapping[str, Any]) -> str:
    """One validation problem as a sentence: where, which key, what is wrong, what was near."""
    path: Place = tuple(error["loc"])
    where = located.place_of(path)
    key = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        near = nearest(str(path[-1]), known)
        hint = f" Did you mean '{near}'?" if near else ""
        return f"{where}: unknown key '{key}'.{hint} Known here: {', '.join(sorted(known))}."
    if error["type"] == "missing":
        return f"{where}: '{key}' is missing."
    said = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "literal_error":
        near = nearest(str(error["input"]), [w for w in said.split("'") if w.isidentifier()])
        said += f". Did you mean '{near}'?" if near else ""
    got = "" if isinstance(error["input"], dict | list) or not path else f"; got {error['input']!r}"
    return f"{where}: {key + ': ' if key else ''}{said[0].lower() + said[1:]}{got}."


def _fields_at(model: type[BaseModel], path: Place) -> list[str]:
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        annotation = current.model_fields[part].annotation
        inner = [a for a in (annotation, *get_args(annotation)) if _is_section(a)]
        current = inner[0]
    return list(current.model_fields)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def setting(text: str) -> tuple[str, Any]:
    """Name and value of "name=value", the value read as YAML."""
    name, is_there, value = text.partition("=")
    if not is_there or not name.strip():
        raise InvalidConfig(f"--set {text}: must read name=value, such as sensitivity=0.1.")
    try:
        return name.strip(), yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):
        raise InvalidConfig(f"--set {text}: the value is not readable as YAML.") from None
