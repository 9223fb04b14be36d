"""`recloop certify`: what can be earned in a world."""

import json
from typing import Annotated

import typer

from recloop.cli.options import Json, Seed


def certify(
    world: Annotated[str, typer.Argument(help="The name of a world, such as satisfaction.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One setting of the world: name=value.")
    ] = None,
    discount: Annotated[
        float, typer.Option(help="Of the best stationary policy, as an agent is trained with.")
    ] = 0.95,
    sessions: Annotated[int, typer.Option(help="Sessions of every line that is played.")] = 1000,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Print what chance, greed, one action forever and the best policies earn in a world.

    Exact where the world is small enough for a table of its states; elsewhere the best planner
    that was found, and a bound.
    """
    from recloop.experiment.sources import setting
    from recloop.simulators.build import build_world
    from recloop.simulators.certify import certify as certified

    settings = dict(setting(text) for text in set_ or [])
    found = certified(
        build_world(world, **settings), discount=discount, n_sessions=sessions, seed=seed or 0
    )
    print(json.dumps(found.to_json(), indent=2) if as_json else found.card())
