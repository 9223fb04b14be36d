"""Score lists against a truth, both as tables.

recommended: user_id, item_id and rank or score. relevant: user_id, item_id[, weight]. Rows may
stand in any order; ids are text or whole numbers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation.definitions import ACCURACY, Definitions
from recloop.evaluation.frames.columns import (
    check_same_kind,
    codes_in_order,
    ids_of,
    name_of,
    numbers_of,
    plainly,
    ranks_of,
)
from recloop.evaluation.frames.scored import ScoredLists
from recloop.evaluation.lists import checked_ks, has_repeats, repeats
from recloop.evaluation.ranking import accuracy
from recloop.evaluation.relevant import RelevantSets
from recloop.types import BoolArray, FloatArray, IntArray


class Coded(NamedTuple):
    """Both tables in codes: people of the truth by order of id, -1 for anybody else."""

    user_ids: pd.Index
    item_ids: pd.Index
    truth_users: IntArray
    truth_items: IntArray
    list_users: IntArray
    list_items: IntArray


def score_frames(
    recommended: pd.DataFrame,
    relevant: pd.DataFrame,
    ks: Sequence[int],
    *,
    definitions: Definitions | None = None,
    metrics: Sequence[str] = ACCURACY,
) -> ScoredLists:
    """Values of every person who has a row in `relevant`.

    If there is a rank it decides, literally: the item at rank 3 stands third even if nothing is
    second. Otherwise the highest score comes first, equal scores by item id. People who are only in
    `recommended` are ignored and counted. Raises InvalidData for a table that cannot be read.
    """
    definitions = definitions or Definitions()
    ks = checked_ks("score_frames", ks)
    coded = _coded(recommended, relevant)
    n_users = len(coded.user_ids)
    truth, below = _truth(relevant, coded, definitions)
    lists = _lists(recommended, coded, max(ks))
    n_again = 0
    if has_repeats(lists):
        again = repeats(lists)
        if definitions.on_duplicates == "raise":
            raise _duplicate(lists, again, coded)
        lists, n_again = np.where(again, -1, lists), int(again.sum())
    n_listed = [(lists[:, :k] >= 0).sum(axis=1) for k in ks]
    got_any = np.bincount(coded.list_users[coded.list_users >= 0], minlength=n_users) > 0
    counts = {
        "n_users": n_users,
        "n_users_undefined": int((truth.sizes == 0).sum()),
        "n_users_without_recommendations": int((~got_any).sum()),
        "n_users_ignored": _n_ignored(recommended, coded),
        "n_duplicates_recommended": n_again,
        "n_duplicates_relevant": len(relevant) - below - len(truth.keys),
        "n_below_threshold": below,
    }
    counts |= {
        f"n_short_lists@{k}": int((listed < k).sum())
        for k, listed in zip(ks, n_listed, strict=True)
    }
    values = accuracy(lists, truth, ks, definitions, metrics)
    return ScoredLists(coded.user_ids, ks, values, counts, definitions)


def _coded(recommended: pd.DataFrame, relevant: pd.DataFrame) -> Coded:
    if not len(relevant):
        raise InvalidData("relevant: has no rows, so nobody can be scored.")
    columns = [
        (ids_of("relevant", relevant, name), ids_of("recommended", recommended, name))
        for name in ("user_id", "item_id")
    ]
    for ours, theirs in columns:
        check_same_kind(ours, theirs)
    (truth_users, list_users), (truth_items, list_items) = columns
    (user_codes,), user_ids = codes_in_order(truth_users)
    list_user_codes = user_ids.get_indexer(pd.Index(list_users)).astype(np.int64, copy=False)
    if len(list_users) and (list_user_codes < 0).all():
        raise InvalidData(
            f"no user_id of recommended (such as {plainly(list_users.iloc[0])}) is in relevant "
            f"(such as {plainly(truth_users.iloc[0])}): these tables are not of the same people."
        )
    (truth_codes, list_codes), item_ids = codes_in_order(truth_items, list_items)
    return Coded(user_ids, item_ids, user_codes, truth_codes, list_user_codes, list_codes)


def _truth(
    relevant: pd.DataFrame, coded: Coded, definitions: Definitions
) -> tuple[RelevantSets, int]:
    kept, gains, n_below = slice(None), None, 0
    if definitions.is_graded or definitions.threshold is not None:
        weights = numbers_of("relevant", relevant, "weight")
        if definitions.threshold is not None:
            kept = weights >= definitions.threshold
            n_below = int((~kept).sum())
        gains = weights[kept] if definitions.is_graded else None
    truth = RelevantSets.of_pairs(
        coded.truth_users[kept],
        coded.truth_items[kept],
        len(coded.user_ids),
        len(coded.item_ids),
        gains=gains,
    )
    return truth, n_below


def _lists(recommended: pd.DataFrame, coded: Coded, k: int) -> IntArray:
    """(U, at most k) item codes by rank, -1 where a place is empty."""
    has_scores = "score" in recommended.columns
    scores = numbers_of("recommended", recommended, "score") if has_scores else np.empty(0)
    if "rank" in recommended.columns:
        ranks = ranks_of("recommended", recommended)
    elif has_scores:
        ranks = _ranks_by_score(scores, coded)
    else:
        raise InvalidData(
            f"{name_of('recommended', recommended)}: needs a column rank (1 for the best) or "
            f"score; columns: {', '.join(map(str, recommended.columns))}."
        )
    placed = (coded.list_users >= 0) & (ranks <= k)
    users, places = coded.list_users[placed], ranks[placed] - 1
    width = int(places.max(initial=0)) + 1
    cells = users * width + places
    lists = np.full(len(coded.user_ids) * width, -1, dtype=np.int64)
    lists[cells] = coded.list_items[placed]
    if (lists >= 0).sum() < len(cells):
        raise _same_rank(cells, width, coded)
    return lists.reshape(-1, width)


def _ranks_by_score(scores: FloatArray, coded: Coded) -> IntArray:
    users = coded.list_users
    order = np.lexsort((coded.list_items, -scores, users))  # item codes stand in order of ids
    ordered = users[order]
    is_first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    starts = np.flatnonzero(is_first)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - starts[np.cumsum(is_first) - 1] + 1
    return ranks


def _n_ignored(recommended: pd.DataFrame, coded: Coded) -> int:
    return int(recommended["user_id"][coded.list_users < 0].nunique())


def _same_rank(cells: IntArray, width: int, coded: Coded) -> InvalidData:
    ordered = np.sort(cells)
    user, place = divmod(int(ordered[1:][ordered[1:] == ordered[:-1]][0]), width)
    return InvalidData(
        f"recommended: user {plainly(coded.user_ids[user])} has two items at rank {place + 1}. "
        "Ranks must differ; without a rank column, scores decide and ties go to the lower item_id."
    )


def _duplicate(lists: IntArray, again: BoolArray, coded: Coded) -> InvalidParameter:
    row, place = (int(x[0]) for x in np.nonzero(again))
    return InvalidParameter(
        f"recommended: user {plainly(coded.user_ids[row])} has item "
        f"{plainly(coded.item_ids[lists[row, place]])} twice; {int(again.any(axis=1).sum())} lists "
        "hold an item twice. Remove it, or use on_duplicates='first'."
    )
