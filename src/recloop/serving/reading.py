"""The settings of the service from a YAML file, the environment and the command line."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recloop.errors import InvalidConfig
from recloop.experiment.sources import explain, read_sources
from recloop.serving.settings import ServingSettings

PREFIX = "RECLOOP_SERVE__"


def load_settings(
    path: str | Path | None, overrides: list[str] | None = None, given: dict[str, Any] | None = None
) -> ServingSettings:
    """The settings in a file (None: none), after RECLOOP_SERVE__SECTION__KEY and `overrides`.

    given: values that win over all of them. Raises InvalidConfig with file, line and nearest key.
    """
    located = read_sources(path, overrides or [], prefix=PREFIX)
    located.values.update(given or {})
    try:
        return ServingSettings.model_validate(located.values)
    except ValidationError as error:
        problems = [explain(located, ServingSettings, dict(one)) for one in error.errors()]
        raise InvalidConfig("\n".join(problems)) from None
