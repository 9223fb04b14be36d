"""`recloop fit-world`: a world of the people of your own log, and how far it is from the log."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from recloop.cli.options import Json


def fit_world(
    output: Annotated[Path, typer.Option("--output", "-o", help="The world's file, .npz.")],
    interactions: Annotated[
        Path | None, typer.Option(help="What people took, or Open Bandit: a file or folder.")
    ] = None,
    impressions: Annotated[
        Path | None, typer.Option(help="What they were shown: CSV or Parquet, item_id,click,...")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write estimates and fidelity here.")] = None,
    position_bias: Annotated[
        float, typer.Option("--position-bias", help="Supposed where the log cannot tell.")
    ] = 0.0,
    gap: Annotated[float, typer.Option(help="Seconds of pause that end a session.")] = 1800.0,
    seed: Annotated[int, typer.Option(help="Of the fit and of the simulated log.")] = 0,
    as_json: Json = False,
) -> None:
    """Fit tastes, popularity, position bias, session length and drift; compare world and log."""
    from recloop.experiment.world_log import read_world_log
    from recloop.training.fitting import fidelity_report, save_world
    from recloop.training.fitting import fit_world as fit
    from recloop.utils.files import write_json

    read = read_world_log(interactions, impressions, gap=gap)
    for note in read.notes:
        print(note, file=sys.stderr)
    fitted = fit(read.log, assumed_position_bias=position_bias, seed=seed)
    found = fidelity_report(fitted.world, read.log, seed=seed)
    results = {"estimates": fitted.estimates.to_json(), "fidelity": found.to_json()}
    save_world(output, fitted.world, user_ids=read.user_ids, item_ids=read.item_ids, about=results)
    if report is not None:
        write_json(report, results)
    if as_json:
        print(json.dumps(results, indent=2))
        return
    print("\n".join(fitted.estimates.words()))
    print(f"\n{found.table()}")
    print(f"\nWorld: {output}")
