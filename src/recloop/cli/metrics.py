"""`recloop metrics`: score the lists of any system with recloop's definitions."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from recloop.cli.options import Json
from recloop.errors import InvalidParameter


def metrics(
    recommended: Annotated[Path, typer.Option(help="CSV: user_id,item_id,rank[,score].")],
    relevant: Annotated[Path, typer.Option(help="CSV: user_id,item_id[,weight].")],
    k: Annotated[str, typer.Option("-k", "--k", help="Cut-offs, such as 1,5,10.")] = "1,5,10",
    per_user: Annotated[Path | None, typer.Option("--per-user", help="Write values here.")] = None,
    as_json: Json = False,
) -> None:
    """Print the summary of every metric; definitions and edge cases are in docs/metrics.md."""
    from recloop.data.tables import write_table
    from recloop.evaluation import score_files

    scored = score_files(recommended, relevant, _cut_offs(k))
    if per_user is not None:
        write_table(per_user, scored.per_user())
    for text in scored.words():
        print(text, file=sys.stderr)
    summary = scored.summary()
    if as_json:
        rows = json.loads(summary.to_json(orient="records", double_precision=15))
        print(json.dumps(rows, indent=2))
    else:
        print(summary.to_string(index=False, float_format=lambda value: f"{value:.4f}"))


def _cut_offs(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidParameter(f"-k: must be whole numbers such as 1,5,10; got '{text}'.") from None
