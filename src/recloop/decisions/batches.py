"""Several batches of decisions as one."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from recloop.errors import InvalidData
from recloop.types import SLOT_FIELDS, Labels, LoggedDecisions, Ragged


def concatenated(batches: Iterable[LoggedDecisions], what: str) -> LoggedDecisions:
    """The decisions of all batches in one; `what` is for the message where that cannot be.

    A batch is let go of column by column, so that hardly more than twice its size is needed.
    """
    columns: dict[str, list[Any]] = {f.name: [] for f in fields(LoggedDecisions)}
    for batch in batches:
        for name, values in columns.items():
            values.append(getattr(batch, name))
    if not columns["ids"]:
        return no_decisions()
    layouts = list(dict.fromkeys(columns.pop("context_names")))
    if len(layouts) > 1:
        raise InvalidData(
            f"{what}: contexts have {len(layouts)} different sets of columns: "
            f"{', '.join(map(str, layouts[:3]))}. Read them batch by batch, or in ranges."
        )
    parts = columns.pop("offsets")
    sizes = {"rows": [len(part) - 1 for part in parts], "slots": [int(part[-1]) for part in parts]}
    joined: dict[str, Any] = {"context_names": layouts[0], "offsets": _offsets(parts)}
    if columns["positions"] and any(part is not None for part in columns["positions"]):
        columns["positions"] = [
            _ranks(part) if places is None else places
            for part, places in zip(parts, columns["positions"], strict=True)
        ]
    for name in list(columns):
        each = sizes["slots" if name in SLOT_FIELDS else "rows"]
        joined[name] = _column(columns.pop(name), each)
    return LoggedDecisions(**joined)


def _ranks(offsets: np.ndarray) -> np.ndarray:
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def _column(values: list[Any], sizes: list[int]) -> Any:
    """One column of all batches; what a batch does not know is NaN, "" or an empty list."""
    known = next((value for value in values if value is not None), None)
    if known is None:
        return None
    filled = [
        _unknown(known, n) if value is None else value
        for value, n in zip(values, sizes, strict=True)
    ]
    if isinstance(known, Labels):
        return _labels(filled)
    if isinstance(known, Ragged):
        codes = np.concatenate([lists.values for lists in filled])
        return Ragged(_offsets([lists.offsets for lists in filled]), codes)
    return np.concatenate(filled)


def _unknown(known: Any, n: int) -> Any:
    if isinstance(known, Labels):
        return Labels.same("", n)
    if isinstance(known, Ragged):
        return Ragged(np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    if known.dtype.kind == "i":  # seqs: 0 before a record has a place
        return np.zeros(n, dtype=np.int64)
    return np.full((n, *known.shape[1:]), np.nan)


def _offsets(parts: Sequence[np.ndarray]) -> np.ndarray:
    starts = np.cumsum([0, *(part[-1] for part in parts[:-1])])
    shifted = [part[1:] + start for part, start in zip(parts, starts, strict=True)]
    return np.concatenate([[0], *shifted]).astype(np.int64)


def _labels(parts: Sequence[Labels]) -> Labels:
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    if all(part.names == names[: len(part.names)] for part in parts):
        return Labels(np.concatenate([part.codes for part in parts]), names)
    places = {name: place for place, name in enumerate(names)}
    codes = [
        np.array([places[name] for name in part.names] or [0], dtype=np.int32)[part.codes]
        for part in parts
    ]
    return Labels(np.concatenate(codes), names)


def no_decisions() -> LoggedDecisions:
    """An empty batch."""
    none, words = np.zeros(0), Labels(np.zeros(0, dtype=np.int32), ())
    whole = none.astype(np.int64)
    return LoggedDecisions(
        ids=none.astype(np.str_), timestamps=none, users=whole, offsets=np.zeros(1, dtype=np.int64),
        items=whole, propensities=none, propensity_kinds=words, policies=words, versions=words,
        catalogues=words, activated=none.astype(np.bool_),
    )  # fmt: skip
