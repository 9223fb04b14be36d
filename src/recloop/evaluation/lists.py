"""Ranked lists as arrays of item codes, checked: cut-offs, codes, an item that stands twice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.evaluation.relevant import RelevantSets
from recloop.types import BoolArray, IntArray
from recloop.utils.checks import check_codes, check_count


def checked_ks(owner: str, ks: Sequence[int]) -> list[int]:
    """The cut-offs as given: one or more whole numbers of at least 1, none twice."""
    checked = [check_count(owner, "k", k) for k in ks]
    if not checked or len(set(checked)) < len(checked):
        raise InvalidParameter(f"{owner}: ks must be one or more different cut-offs, got {ks!r}.")
    return checked


def checked_lists(
    owner: str, recommended: ArrayLike, relevant: RelevantSets, on_duplicates: str = "raise"
) -> IntArray:
    """`recommended` as (U, K) item codes, a row for each of `relevant`, K at least 1, -1 padded.

    An item that stands twice in a row is an error, or with on_duplicates="first" counts once.
    """
    lists = np.asarray(recommended)
    if lists.ndim != 2 or len(lists) != len(relevant):
        raise InvalidParameter(
            f"{owner}: recommended must have shape ({len(relevant)}, K), a row for every person of "
            f"relevant, got {lists.shape}."
        )
    codes = check_codes(owner, "recommended", lists, relevant.n_items, least=-1)
    if codes.shape[1] == 0:
        codes = np.full((len(codes), 1), -1, dtype=np.int64)
    return without_repeats(owner, codes, on_duplicates)


def without_repeats(owner: str, lists: IntArray, on_duplicates: str) -> IntArray:
    """`lists` where no item stands twice in a row: an error, or -1 at every later place."""
    if not has_repeats(lists):
        return lists
    again = repeats(lists)
    if on_duplicates == "first":
        return np.where(again, -1, lists)
    rows = np.flatnonzero(again.any(axis=1))
    item = lists[rows[0]][again[rows[0]]][0]
    raise InvalidParameter(
        f"{owner}: an item must stand once in a list, but {len(rows)} lists hold one twice, the "
        f"first in row {rows[0]}: item {item}. Remove it, or use on_duplicates='first'."
    )


def has_repeats(lists: IntArray) -> bool:
    """Whether any row holds an item twice."""
    ordered = np.sort(lists, axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any())


def repeats(lists: IntArray) -> BoolArray:
    """(U, K) whether the item at each place already stands at a smaller rank of its row."""
    order = np.argsort(lists, axis=1, kind="stable")
    ordered = np.take_along_axis(lists, order, axis=1)
    again = np.zeros(lists.shape, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return again & (lists >= 0)
