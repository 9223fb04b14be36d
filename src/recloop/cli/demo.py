"""`recloop demo`: open the demo in a browser."""

import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from recloop.errors import MissingExtra


def demo(
    run: Annotated[Path, typer.Option("--run", help="The run folder to open.")] = Path("outputs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
) -> None:
    """Open the demo over a run folder."""
    if find_spec("streamlit") is None:
        raise MissingExtra("The demo needs streamlit: pip install 'recloop[demo]'.")
    from streamlit.web.cli import main as streamlit_main

    page = str(files("recloop.demo") / "app.py")
    sys.argv = ["streamlit", "run", page, "--server.port", str(port), "--", "--run", str(run)]
    streamlit_main()
