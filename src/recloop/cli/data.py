"""`recloop data`: look at a data set, or download a public one."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from recloop.cli.options import Json

app = typer.Typer(help="Look at a data set, or download a public one.", no_args_is_help=True)


@app.command()
def describe(
    folder: Annotated[Path, typer.Argument(help="A folder or an interactions file.")],
    layout: Annotated[str, typer.Option("--format", help="A public layout, or auto.")] = "auto",
    drop: Annotated[bool, typer.Option("--drop-bad-rows", help="Count bad rows, go on.")] = False,
    as_json: Json = False,
) -> None:
    """Say what a data set holds: layout, counts, density, time, weights, warnings."""
    from recloop.data.describe import describe as look
    from recloop.data.describe import in_words

    found = look(folder, layout, on_bad_rows="drop" if drop else "error")
    print(json.dumps(found, indent=2) if as_json else in_words(found))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="The set's name; a wrong one lists all.")],
    folder: Annotated[Path | None, typer.Option("--folder", help="Default: data/NAME.")] = None,
    address: Annotated[str | None, typer.Option(help="Another address, for a mirror.")] = None,
    checksum: Annotated[str | None, typer.Option(help="sha256:... or md5:... to compare.")] = None,
) -> None:
    """Download a public set from its official address, showing its licence."""
    from recloop.data.fetch import fetch as download

    target = folder if folder is not None else Path("data") / name
    place = download(
        name,
        target,
        address=address,
        checksum=checksum,
        say=lambda text: print(text, file=sys.stderr),
    )
    print(place)
