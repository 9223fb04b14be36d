"""A split in codes: what models, evaluation and the run folder work with."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recloop.data.ids import IdMap, sorted_ids
from recloop.data.splitting import Split
from recloop.types import FloatArray, Interactions

MOST_WORDS = 100  # a column of more different words is an id or prose
_DATES = {"date", "datetime"}
_NAME_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # of release_date, movieId, artistID


@dataclass(frozen=True)
class EncodedSplit:
    """Three parts in codes. The catalogue is every item with a training row."""

    user_ids: list[str]
    item_ids: list[str]
    train: Interactions
    validation: Interactions
    test: Interactions
    item_features: FloatArray | None = None  # (n_items, n_item_features)
    user_features: FloatArray | None = None  # (n_users, n_user_features)
    item_feature_names: tuple[str, ...] = ()
    user_feature_names: tuple[str, ...] = ()

    @property
    def users(self) -> IdMap:
        """The users' vocabulary."""
        return IdMap("user", self.user_ids)

    @property
    def items(self) -> IdMap:
        """The items' vocabulary."""
        return IdMap("item", self.item_ids)


def encode(
    split: Split, items: pd.DataFrame | None = None, users: pd.DataFrame | None = None
) -> EncodedSplit:
    """`split` in codes, with feature matrices from the `items` and `users` tables.

    Only people of the training part have a code (all people under user_disjoint).
    """
    known = [split.train["user_id"]]
    if split.method == "user_disjoint":
        known += [split.validation["user_id"], split.test["user_id"]]
    user_ids = sorted_ids(pd.concat(known).unique())
    item_ids = sorted_ids(split.train["item_id"].unique())
    parts = [
        to_interactions(part, IdMap("user", user_ids), IdMap("item", item_ids))
        for part in (split.train, split.validation, split.test)
    ]
    item_names, item_features = features(items, "item_id", item_ids)
    user_names, user_features = features(users, "user_id", user_ids)
    return EncodedSplit(
        user_ids,
        item_ids,
        *parts,
        item_features=item_features,
        user_features=user_features,
        item_feature_names=item_names,
        user_feature_names=user_names,
    )


def to_interactions(frame: pd.DataFrame, users: IdMap, items: IdMap) -> Interactions:
    """The rows of `frame` in codes, by user, then time, then row; unknown ids are left out."""
    user_codes = users.known_codes_of(frame["user_id"])
    item_codes = items.known_codes_of(frame["item_id"])
    stamps = frame["timestamp"].to_numpy(np.float64)
    known = np.flatnonzero((user_codes >= 0) & (item_codes >= 0))
    order = known[np.lexsort((known, stamps[known], user_codes[known]))]
    return Interactions(
        users=user_codes[order],
        items=item_codes[order],
        weights=frame["weight"].to_numpy(np.float64)[order],
        timestamps=stamps[order],
        n_users=len(users),
        n_items=len(items),
    )


def features(
    table: pd.DataFrame | None, key: str, ids: list[str]
) -> tuple[tuple[str, ...], FloatArray | None]:
    """Names and matrix (len(ids), n) of a table's columns: one-hot for words, scaled for numbers.

    Words that are joined by "|" count each; a missing number is the mean; the columns that
    `unused_columns` names, and titles, are no features. None if there is no table or nothing to
    use.
    """
    if table is None:
        return (), None
    rows = _rows_of(table, key, ids)
    names: list[str] = []
    columns: list[np.ndarray] = []
    for name in rows.columns:
        if name == "title" or _why_unused(rows[name], name):
            continue
        found = _numeric(rows[name], name) or _words(rows[name], name)
        names += [label for label, _ in found]
        columns += [column for _, column in found]
    return tuple(names), np.stack(columns, axis=1) if columns else None


def unused_in_words(
    items: pd.DataFrame | None,
    users: pd.DataFrame | None,
    item_ids: Iterable[str],
    user_ids: Iterable[str],
) -> list[str]:
    """A sentence for each table that has columns which are no features of these ids."""
    found = []
    for table, key, ids in ((items, "item_id", item_ids), (users, "user_id", user_ids)):
        if reasons := unused_columns(table, key, list(ids)):
            listed = ", ".join(f"{name} ({reason})" for name, reason in reasons.items())
            found.append(f"No features of {key.removesuffix('_id')}s are made of {listed}.")
    return found


def unused_columns(table: pd.DataFrame | None, key: str, ids: list[str]) -> dict[str, str]:
    """The columns of `table` that are no features of `ids`, and why; key and title apart."""
    if table is None:
        return {}
    rows = _rows_of(table, key, ids)
    reasons = {
        name: _why_unused(rows[name], name) for name in rows.columns if name not in (key, "title")
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _rows_of(table: pd.DataFrame, key: str, ids: list[str]) -> pd.DataFrame:
    return table.set_index(table[key].astype("str")).reindex(ids)


def _why_unused(values: pd.Series, name: str) -> str:
    """Why a column is no feature, in a word or two; empty if it is one."""
    parts = [part.lower() for part in _NAME_WORDS.findall(name)]
    if parts[-1:] == ["id"]:
        return "an id"
    if _DATES & set(parts):
        return "a date"
    if pd.api.types.is_numeric_dtype(values):
        array = values.to_numpy(np.float64, na_value=np.nan)
        return "" if np.isfinite(array).any() else "no value"
    words = _distinct_words(values)
    if len(words) > MOST_WORDS and not _is_all_numbers(values):
        return f"more than {MOST_WORDS} words"
    return "" if words else "no value"


def _distinct_words(values: pd.Series) -> list[str]:
    """The words of a column in their order; no more than MOST_WORDS + 1 are looked for."""
    found: set[str] = set()
    for text in values.dropna().astype("str").unique():
        found.update(word for word in text.split("|") if word.strip())
        if len(found) > MOST_WORDS:
            break
    return sorted(found)


def _is_all_numbers(values: pd.Series) -> bool:
    texts = _texts(values)
    return bool((pd.to_numeric(texts, errors="coerce").notna() | (texts == "")).all())


def _texts(values: pd.Series) -> pd.Series:
    return values.astype("object").where(values.notna(), "").astype("str")


Labelled = list[tuple[str, np.ndarray]]


def _numeric(values: pd.Series, name: str) -> Labelled:
    if not pd.api.types.is_numeric_dtype(values):
        return []
    array = values.to_numpy(np.float64, na_value=np.nan)
    low, high = np.nanmin(array), np.nanmax(array)
    scaled = (array - low) / (high - low) if high > low else np.zeros(len(array))
    return [(name, np.where(np.isnan(scaled), np.nanmean(scaled), scaled))]


def _words(values: pd.Series, name: str) -> Labelled:
    """One column a word; more than MOST_WORDS of them are numbers in text."""
    texts = _texts(values)
    words = _distinct_words(values)
    if len(words) > MOST_WORDS:
        return _numeric(pd.to_numeric(texts, errors="coerce"), name)
    flags = texts.str.get_dummies(sep="|")
    return [(f"{name}={word}", flags[word].to_numpy(np.float64)) for word in words]


def data_hash(*frames: pd.DataFrame | None) -> str:
    """The sha256 of the tables' contents: the same data give the same hash whatever their file."""
    digest = hashlib.sha256()
    for frame in frames:
        if frame is None:
            digest.update(b"none")
            continue
        digest.update("\x1f".join(map(str, frame.columns)).encode())
        hashes = pd.util.hash_pandas_object(frame, index=False, categorize=True)
        digest.update(hashes.to_numpy().tobytes())
    return digest.hexdigest()
