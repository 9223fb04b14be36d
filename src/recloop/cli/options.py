"""Options that several commands share; both spellings of a long name are accepted."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="Configuration file (YAML).")]
OutputDir = Annotated[
    Path, typer.Option("--output-dir", "--output_dir", "-o", help="The run folder.")
]
ModelsDir = Annotated[
    Path, typer.Option("--models-dir", "--models_dir", help="A run folder with trained models.")
]
DataPath = Annotated[
    str | None, typer.Option("--data", help="Overrides data.path: a file or folder.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Overrides one key: section.key=value.")
]
Beside = Annotated[
    bool, typer.Option("--beside", help="Go to NAME-2, ... if --output-dir holds another run.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Overrides the seed.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
