"""Open Bandit files (Saito et al. 2020): one item at one place of a page, clicked or not.

A row of the file is one item at one of three places, with the probability of that item at that
place; which rows were one page is not said. So each row is a decision of one slot with a position,
and its propensity is marginal: given nothing of the other places. People have no ids, so people
with the same four features count as one.

The features are words. Their columns, "user_feature_0=WORD", follow from a vocabulary that several
logs share, so that a column means the same in each of them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from recloop.decisions.names import id_order
from recloop.decisions.reading import ReadLog, in_order_of
from recloop.decisions.tables import (
    Problems,
    column_names,
    numbers_of_column,
    read_texts,
    seconds_of_column,
    texts_of_column,
)
from recloop.errors import InvalidData, MissingData
from recloop.types import FloatArray, Labels, LoggedDecisions

FEATURES = tuple(f"user_feature_{number}" for number in range(4))
AFFINITY = "user-item_affinity_"
NEEDED = ("timestamp", "item_id", "position", "click", "propensity_score", *FEATURES)
CAMPAIGNS = ("all", "men", "women")
EVENT = "click"

Vocabulary = tuple[tuple[str, ...], ...]


def is_open_bandit(place: str | Path) -> bool:
    """Whether a place holds a file of this kind."""
    try:
        return set(NEEDED) <= set(column_names(_file_of(place)))
    except MissingData:
        return False


def open_bandit_vocabulary(places: Sequence[str | Path]) -> Vocabulary:
    """The words of each of the four user features in all of the logs, sorted."""
    tables = [read_texts(_file_of(place)) for place in places]
    return tuple(
        tuple(sorted({text for table in tables for text in texts_of_column(table, name).tolist()}))
        for name in FEATURES
    )


def read_open_bandit(
    place: str | Path, *, vocabulary: Vocabulary | None = None, affinities: bool = True
) -> ReadLog:
    """One policy's log of one campaign: a file, or the folder that holds it.

    vocabulary: of `open_bandit_vocabulary` for all logs that are to be compared; None: of this
    one alone. A word outside of it has zeros in all columns of its feature, and is noted.
    affinities: whether the columns user-item_affinity_k join the context.
    """
    file = _file_of(place)
    table = read_texts(file)
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise InvalidData(f"{file}: an Open Bandit file needs the column '{missing[0]}'.")
    notes = [f"{file}: has no user ids; people with equal features count as one."]
    problems = Problems(file)
    propensities = numbers_of_column(table, "propensity_score", problems)
    outside = ~((propensities > 0.0) & (propensities <= 1.0)) & np.isfinite(propensities)
    problems.add(outside, "propensity_score", propensities.tolist(), "above 0 and at most 1")
    positions = numbers_of_column(table, "position", problems)
    wrong = (positions < 1) | (positions != np.floor(positions))
    problems.add(wrong, "position", positions.tolist(), "a whole number from 1")
    clicks = numbers_of_column(table, "click", problems)
    timestamps = seconds_of_column(table, "timestamp", problems)
    extra = [name for name in table.column_names if affinities and name.startswith(AFFINITY)]
    numbers = [numbers_of_column(table, name, problems) for name in extra]
    problems.raise_if_any()
    words = open_bandit_vocabulary([file]) if vocabulary is None else vocabulary
    coded = [_coded(table, f, w, notes) for f, w in zip(FEATURES, words, strict=True)]
    names = [f"{f}={word}" for f, w in zip(FEATURES, words, strict=True) for word in w]
    people = _people(table)
    user_ids = id_order(people.tolist())
    items = texts_of_column(table, "item_id")
    item_ids = id_order([*items.tolist(), *(name.removeprefix(AFFINITY) for name in extra)])
    n = table.num_rows
    policy, campaign = _names_of(file)
    return ReadLog(
        LoggedDecisions(
            ids=np.array([f"{policy}/{campaign}/{row}" for row in range(n)], dtype=np.str_),
            timestamps=timestamps,
            users=in_order_of(people, user_ids),
            offsets=np.arange(n + 1),
            items=in_order_of(items, item_ids),
            propensities=propensities,
            propensity_kinds=Labels.same("marginal", n),
            policies=Labels.same(policy, n),
            versions=Labels.same("", n),
            catalogues=Labels.same(campaign, n),
            activated=np.ones(n, dtype=np.bool_),
            positions=positions.astype(np.int64) - 1,
            contexts=np.concatenate([*coded, *(column[:, None] for column in numbers)], axis=1),
            context_names=(*names, *extra),
            rewards=clicks,
            reward_kinds=Labels.same("observed", n),
        ),
        user_ids,
        item_ids,
        event=EVENT,
        notes=notes,
    )


def _file_of(place: str | Path) -> Path:
    path = Path(place)
    if not path.is_dir():
        return path
    found = [
        file for name in CAMPAIGNS for end in ("csv", "csv.gz")
        if (file := path / f"{name}.{end}").is_file()
    ]  # fmt: skip
    if len(found) != 1:
        raise MissingData(
            f"{path}: must hold the log of one campaign, such as all.csv or men.csv.gz, got "
            f"{len(found)} of them."
        )
    return found[0]


def _names_of(file: Path) -> tuple[str, str]:
    """The policy and the campaign, as the folders say: POLICY/CAMPAIGN/CAMPAIGN.csv."""
    folders = file.resolve().parent
    return folders.parent.name or "logged", file.name.split(".")[0]


def _coded(table: pa.Table, feature: str, words: tuple[str, ...], notes: list[str]) -> FloatArray:
    """(n, words): 1 in the column of each row's word."""
    texts = texts_of_column(table, feature)
    places = {word: place for place, word in enumerate(words)}
    codes = np.array([places.get(text, -1) for text in texts.tolist()])
    if n_unknown := int((codes < 0).sum()):
        notes.append(f"{feature}: {n_unknown} rows have a word that is not in the vocabulary.")
    coded = np.zeros((len(codes), len(words)))
    known = np.flatnonzero(codes >= 0)
    coded[known, codes[known]] = 1.0
    return coded


def _people(table: pa.Table) -> np.ndarray:
    columns = [texts_of_column(table, name).tolist() for name in FEATURES]
    return np.array(["|".join(words) for words in zip(*columns, strict=True)], dtype=object)
