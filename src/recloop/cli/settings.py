"""`recloop config`: check, show and describe configurations."""

import json
from pathlib import Path
from typing import Annotated

import typer

from recloop.cli.options import Set

app = typer.Typer(help="Check, show and describe configurations.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="A configuration file (YAML).")]


@app.command()
def validate(file: File, set_: Set = None) -> None:
    """Check a configuration: every key, every name, every value."""
    from recloop.experiment import load_config

    load_config(file, set_)
    print(f"{file}: valid.")


@app.command()
def show(file: File, set_: Set = None) -> None:
    """Print the configuration with every default filled in."""
    from recloop.experiment.folder import config_text
    from recloop.experiment.load import load_config

    print(config_text(load_config(file, set_)), end="")


@app.command()
def schema() -> None:
    """Print the JSON schema of a configuration, with the params of every model and world."""
    from recloop.experiment.schema import config_schema

    print(json.dumps(config_schema(), indent=2))
