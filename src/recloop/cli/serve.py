"""`recloop serve`: settings from a file and options, then the service until it is told to stop."""

import os
from pathlib import Path
from typing import Annotated

import typer

from recloop.errors import MissingExtra


def serve(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings as YAML.")] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="A run folder or a saved model, for an empty log.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Which model of the run folder.")
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", help="Decision log: a file, or postgresql://...")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option("--data-dir", help="For snapshots and registered models.")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="8000; 0 for a free one, which is printed.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Begin with invented people and items.")
    ] = False,
    log_format: Annotated[
        str | None, typer.Option("--log-format", help="text or json; what stderr gets.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, over the file.")
    ] = None,
) -> None:
    """Serve recommendations over HTTP, and learn from the feedback."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from recloop.serving.reading import load_settings

    given = {
        "model": run, "model_name": model, "log": log, "data_dir": data_dir, "host": host,
        "port": port, "log_format": log_format,
    }  # fmt: skip
    settings = load_settings(
        config, overrides or [], {k: v for k, v in given.items() if v is not None}
    )
    try:
        from recloop.serving import running
    except ImportError as error:
        raise MissingExtra(
            f"The service needs an extra ({error}): pip install 'recloop[serve]'."
        ) from error
    running.run(settings, example=example)
