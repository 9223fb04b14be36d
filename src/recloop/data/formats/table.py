"""The table of public layouts: how each is told, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recloop.data.formats import commerce, media, movielens, sequences
from recloop.data.schema import LoadReport
from recloop.errors import InvalidData
from recloop.utils.names import unknown_name


@dataclass(frozen=True)
class Layout:
    """looks_right: does this folder hold the set? read: its tables by name, values unchecked."""

    looks_right: Callable[[Path], bool]
    read: Callable[[Path, LoadReport], dict[str, pd.DataFrame]]


FORMATS = {
    "amazon-csv": Layout(commerce.is_amazon_csv, commerce.read_amazon_csv),
    "amazon-json": Layout(commerce.is_amazon_json, commerce.read_amazon_json),
    "coat": Layout(media.is_coat, media.read_coat),
    "diginetica": Layout(commerce.is_diginetica, commerce.read_diginetica),
    "goodbooks": Layout(media.is_goodbooks, media.read_goodbooks),
    "hetrec-lastfm": Layout(media.is_hetrec, media.read_hetrec),
    "kuairand": Layout(media.is_kuairand, media.read_kuairand),
    "kuairec": Layout(media.is_kuairec, media.read_kuairec),
    "lightgcn": Layout(sequences.is_lightgcn, sequences.read_lightgcn),
    "mind": Layout(media.is_mind, media.read_mind),
    "movielens-100k": Layout(movielens.is_100k, movielens.read_100k),
    "movielens-1m": Layout(movielens.is_1m, movielens.read_1m),
    "movielens-latest": Layout(movielens.is_latest, movielens.read_latest),
    "msweb": Layout(media.is_msweb, media.read_msweb),
    "open-bandit": Layout(commerce.is_open_bandit, commerce.read_open_bandit),
    "recbole": Layout(movielens.is_recbole, movielens.read_recbole),
    "rechorus": Layout(sequences.is_rechorus, sequences.read_rechorus),
    "retailrocket": Layout(commerce.is_retailrocket, commerce.read_retailrocket),
    "rl4rs": Layout(media.is_rl4rs, media.read_rl4rs),
    "sequence": Layout(sequences.is_sequence, sequences.read_sequence),
    "steam": Layout(commerce.is_steam, commerce.read_steam),
    "yoochoose": Layout(commerce.is_yoochoose, commerce.read_yoochoose),
}


def detect(folder: Path, name: str = "auto") -> str:
    """The layout of a folder; `name` if it is one, else the only one that looks right."""
    if name != "auto":
        if name not in FORMATS:
            raise unknown_name("format", name, [*FORMATS, "canonical"])
        return name
    fitting = [known for known, layout in FORMATS.items() if layout.looks_right(folder)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InvalidData(
            f"{folder}: could be {' or '.join(fitting)}. Say which with data.format (format=)."
        )
    raise InvalidData(
        f"{folder}: holds neither interactions.csv (.csv.gz, .parquet) nor the files of a known "
        f"public set. Known: {', '.join(FORMATS)}."
    )


def read_format(folder: Path, name: str, report: LoadReport) -> dict[str, pd.DataFrame]:
    """The tables of a folder in that layout: "interactions", and "items" and "users" if any."""
    return FORMATS[name].read(folder, report)
