"""The table of public layouts: how each is told, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import pandas as pd

from recloop.data.formats import amazon, commerce, dense, media, movielens, sequences
from recloop.data.report import LoadReport
from recloop.data.tables import find_tables
from recloop.errors import InvalidData
from recloop.utils.names import unknown_name

MOST_PLACES = 200  # that are looked at for a hint
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"(lp0", b"(lp1")


@dataclass(frozen=True)
class Layout:
    """looks_right: does this folder hold the set? read: its tables by name, values unchecked.

    positives: which rows are choices; ">0" where a row is something shown, and its weight says
    whether it was taken.
    """

    looks_right: Callable[[Path], bool]
    read: Callable[[Path, LoadReport], dict[str, pd.DataFrame]]
    positives: str = "all"


FORMATS = {
    "amazon-2014": Layout(amazon.is_2014, amazon.read_2014),
    "amazon-2018": Layout(amazon.is_2018, amazon.read_2018),
    "amazon-2023": Layout(amazon.is_2023, amazon.read_2023),
    "amazon-reviews": Layout(amazon.is_reviews, amazon.read_reviews),
    "coat": Layout(dense.is_coat, dense.read_coat),
    "diginetica": Layout(commerce.is_diginetica, commerce.read_diginetica),
    "goodbooks": Layout(media.is_goodbooks, media.read_goodbooks),
    "hetrec-lastfm": Layout(media.is_hetrec, media.read_hetrec),
    "jester": Layout(dense.is_jester, dense.read_jester),
    "kuairand": Layout(media.is_kuairand, media.read_kuairand, positives=">0"),
    "kuairec": Layout(media.is_kuairec, media.read_kuairec),
    "lightgcn": Layout(sequences.is_lightgcn, sequences.read_lightgcn),
    "mind": Layout(media.is_mind, media.read_mind, positives=">0"),
    "movielens-100k": Layout(movielens.is_100k, movielens.read_100k),
    "movielens-1m": Layout(movielens.is_1m, movielens.read_1m),
    "movielens-latest": Layout(movielens.is_latest, movielens.read_latest),
    "msweb": Layout(media.is_msweb, media.read_msweb),
    "open-bandit": Layout(commerce.is_open_bandit, commerce.read_open_bandit, positives=">0"),
    "recbole": Layout(movielens.is_recbole, movielens.read_recbole),
    "rechorus": Layout(sequences.is_rechorus, sequences.read_rechorus),
    "retailrocket": Layout(commerce.is_retailrocket, commerce.read_retailrocket),
    "rl4rs": Layout(media.is_rl4rs, media.read_rl4rs, positives=">0"),
    "sequence": Layout(sequences.is_sequence, sequences.read_sequence),
    "steam": Layout(commerce.is_steam, commerce.read_steam),
    "yoochoose": Layout(commerce.is_yoochoose, commerce.read_yoochoose),
}


def fitting(folder: Path) -> list[str]:
    """The layouts that the folder looks right for."""
    return [name for name, layout in FORMATS.items() if layout.looks_right(folder)]


def detect(folder: Path, name: str = "auto") -> str:
    """The layout of a folder; `name` if it is one, else the only one that looks right."""
    if name != "auto":
        if name not in FORMATS:
            raise unknown_name("format", name, [*FORMATS, "canonical"])
        return name
    names = fitting(folder)
    if len(names) == 1:
        return names[0]
    if names:
        could_be = "; ".join(f"{one} ({_in_words(one)})" for one in names)
        raise InvalidData(
            f"{folder}: could be {could_be}. Say which: format='{names[0]}', say (data.format in a "
            "configuration, --format on the command line)."
        )
    raise InvalidData(
        f"{folder}: holds neither interactions.csv (.csv.gz, .parquet) nor the files of a known "
        f"public set.{_hint(folder)} Known: {', '.join(FORMATS)}."
    )


def _in_words(name: str) -> str:
    return (FORMATS[name].read.__doc__ or "").split("\n")[0].rstrip(".")


def _hint(folder: Path) -> str:
    """Why nothing fits, or where below something would."""
    files = [folder] if folder.is_file() else sorted(f for f in folder.glob("*") if f.is_file())
    for file in files:
        if file.suffix in (".xls", ".xlsx"):
            return f" '{file.name}' is an Excel sheet: save it as CSV."
        with file.open("rb") as handle:
            start = handle.read(4)
        if start.startswith(PICKLES):
            return (
                f" '{file.name}' is a Python pickle, which is never opened: that would run what is "
                "in it. Write its sessions as interactions.csv."
            )
    if folder.is_dir():
        for place in sorted(islice(chain(folder.glob("*"), folder.glob("*/*")), MOST_PLACES)):
            if find_tables(place, "interactions") or fitting(place):
                return f" Did you mean '{place}'?"
    return ""


def read_format(folder: Path, name: str, report: LoadReport) -> dict[str, pd.DataFrame]:
    """The tables of a folder in that layout: "interactions", and "items" and "users" if any."""
    return FORMATS[name].read(folder, report)
