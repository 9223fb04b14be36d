"""What accuracy does not see: coverage, diversity, novelty, serendipity, popularity, inequality.

lists: (U, K) item codes, best first, -1 where a place is empty. ks: the cut-offs. Values of a
person are (U, n_ks), NaN where they have no answer; values of the group are (n_ks,) and come with
what they would be without each person, (U, n_ks), for a jackknife interval.
Sources: Ziegler et al. 2005 (intra-list diversity); Zhou et al. 2010 (self-information); Fleder and
Hosanagar 2009 (Gini).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_finite


class GroupValue(NamedTuple):
    """A number of the whole group, and what it is with each person left out."""

    value: FloatArray  # (n_ks,)
    left_out: FloatArray  # (U, n_ks)


def coverage(lists: IntArray, ks: Sequence[int], catalogue: BoolArray) -> GroupValue:
    """Share of the catalogue that anyone is shown; catalogue: (n_items,) what could be shown."""
    values, left_out = [], []
    for top in (lists[:, :k] for k in ks):
        counts = exposures(top, len(catalogue))
        seen_once = _looked_up((counts == 1) & catalogue, top, False).sum(axis=1)
        n_covered = int(((counts > 0) & catalogue).sum())
        values.append(n_covered / catalogue.sum())
        left_out.append((n_covered - seen_once) / catalogue.sum())
    return GroupValue(np.array(values), np.stack(left_out, axis=1))


def gini(lists: IntArray, ks: Sequence[int], catalogue: BoolArray) -> GroupValue:
    """Inequality of exposure over the catalogue, never shown items included.

    0: all are shown equally often; near 1: one item has it all. NaN if nothing is shown. The values
    with a person left out are linear in that person's items, which is exact for one item.
    """
    n_items = int(catalogue.sum())
    order_weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    values, left_out = [], []
    for top in (lists[:, :k] for k in ks):
        counts = exposures(top, len(catalogue))
        ordered = np.sort(counts[catalogue])
        total, weighted = ordered.sum(), order_weights @ ordered
        lowest_place = np.searchsorted(ordered, counts)
        lost = np.where(catalogue, order_weights[np.minimum(lowest_place, n_items - 1)], 0)
        remaining = total - _looked_up(catalogue, top, False).sum(axis=1)
        values.append(_share(weighted, n_items * total))
        left_out.append(
            _share(weighted - _looked_up(lost, top, 0).sum(axis=1), n_items * remaining)
        )
    return GroupValue(np.array(values), np.stack(left_out, axis=1))


def diversity(lists: IntArray, ks: Sequence[int], features: FloatArray) -> FloatArray:
    """Mean of 1 - cosine over unordered pairs of a list; features: (n_items, F).

    NaN for fewer than two items. An item whose features are all 0 is at distance 1 from any other.
    """
    lengths = np.linalg.norm(check_finite("diversity", "features", features), axis=1)
    unit = features / np.where(lengths > 0, lengths, 1.0)[:, None]
    unit = np.concatenate([unit, np.zeros((1, unit.shape[1]))])  # the row of the padding -1
    has_features = np.append(lengths > 0, False)
    values = np.full((len(lists), len(ks)), np.nan)
    for column, k in enumerate(ks):
        top = lists[:, :k]
        total = np.zeros((len(lists), unit.shape[1]))
        for rank in range(top.shape[1]):
            total += unit[top[:, rank]]
        n_shown = (top >= 0).sum(axis=1)
        # |sum of unit vectors|² holds every pair twice and each item with itself once
        similarity = (total**2).sum(axis=1) - has_features[top].sum(axis=1)
        values[:, column] = 1 - _share(similarity, n_shown * (n_shown - 1))
    return np.clip(values, 0.0, 2.0)  # rounding


def novelty(
    lists: IntArray, ks: Sequence[int], n_users_of_item: IntArray, n_users: int
) -> FloatArray:
    """Mean self-information of the items shown, -log2(users who took the item / n_users), in bits.

    An item that nobody took counts as taken by one person.
    """
    information = -np.log2(np.maximum(n_users_of_item, 1) / n_users)
    return _mean_shown(_looked_up(information, lists, 0.0), lists, ks)


def mean_popularity(lists: IntArray, ks: Sequence[int], n_users_of_item: IntArray) -> FloatArray:
    """Mean number of people who took the items shown."""
    return _mean_shown(_looked_up(n_users_of_item.astype(np.float64), lists, 0.0), lists, ks)


def serendipity(
    lists: IntArray,
    hits: BoolArray,
    ks: Sequence[int],
    n_users_of_item: IntArray,
    n_catalogue: int,
) -> FloatArray:
    """Mean over the items shown of hit * max(p_person - p_anyone, 0).

    p_person = (n + 1 - rank) / n, p_anyone the same with the item's rank by popularity (equally
    popular items share a rank), 0 for an item that nobody took; n is the size of the catalogue.
    """
    _, place = np.unique(-n_users_of_item, return_inverse=True)
    p_anyone = np.where(n_users_of_item > 0, (n_catalogue - place) / n_catalogue, 0.0)
    p_person = (n_catalogue - np.arange(lists.shape[1])) / n_catalogue
    surprise = np.maximum(p_person - _looked_up(p_anyone, lists, 0.0), 0.0) * hits
    return _mean_shown(surprise, lists, ks)


def sufficient_reco(lists: IntArray, ks: Sequence[int]) -> FloatArray:
    """1 where a person was shown k items, 0 where fewer; the mean is the share of full lists."""
    return np.stack([(lists[:, :k] >= 0).sum(axis=1) == k for k in ks], axis=1).astype(np.float64)


def exposures(lists: IntArray, n_items: int) -> IntArray:
    """(n_items,) how many people are shown each item."""
    return np.bincount(lists[lists >= 0], minlength=n_items)


def users_of_items(users: IntArray, items: IntArray, n_items: int) -> IntArray:
    """(n_items,) how many different people took each item."""
    pairs = np.unique(np.stack([users, items]), axis=1)
    return np.bincount(pairs[1], minlength=n_items)


def _mean_shown(values: FloatArray, lists: IntArray, ks: Sequence[int]) -> FloatArray:
    """Means of `values` (U, K) over the places that hold an item, NaN where there are none."""
    shown = lists >= 0
    return np.stack(
        [_share((values * shown)[:, :k].sum(axis=1), shown[:, :k].sum(axis=1)) for k in ks], axis=1
    )


def _looked_up(values: np.ndarray, lists: IntArray, empty: float) -> np.ndarray:
    return np.append(values, values.dtype.type(empty))[lists]  # -1 finds the last


def _share(part: np.ndarray, whole: np.ndarray) -> FloatArray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
