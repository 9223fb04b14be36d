"""What the test part says, in whichever form it comes: as pairs of user and item codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation.definitions import Definitions
from recloop.evaluation.relevant import RelevantSets
from recloop.types import BoolArray, FloatArray, IntArray, Interactions
from recloop.utils.checks import check_codes

OWNER = "test_interactions"


@dataclass(frozen=True)
class Truth:
    """Pairs of the test part. Items that no catalogue knows have codes from n_items upwards.

    listed: everyone who is in the test part, even with nothing. n_rows_of_strangers: rows that were
    left out because nobody knows the person.
    """

    users: IntArray
    items: IntArray
    weights: FloatArray
    listed: IntArray
    n_rows_of_strangers: int = 0


def truth_of(
    test: Any,
    n_users: int,
    n_items: int,
    user_ids: Sequence[Any] | None = None,
    item_ids: Sequence[Any] | None = None,
) -> Truth:
    """The pairs of `test`: Interactions, a table, a matrix users x items, or a dict user -> items.

    A table holds user_id and item_id[, weight]: codes, or ids if `user_ids` and `item_ids` are
    given (the id of code 0, of code 1, ...). Of a matrix, cells above 0 count, with their weight.
    """
    if isinstance(test, Interactions):
        return _checked(test.users, test.items, test.weights, n_users, n_items)
    if isinstance(test, Mapping):
        return _of_mapping(test, n_users, n_items)
    if hasattr(test, "columns"):
        return _of_table(test, n_users, n_items, user_ids, item_ids)
    if hasattr(test, "tocoo") or (isinstance(test, np.ndarray) and test.ndim == 2):
        return _of_matrix(test, n_users, n_items)
    raise InvalidParameter(
        f"{OWNER}: must be Interactions, a table with user_id and item_id, a matrix of users x "
        f"items, or a dict of user -> items, got {type(test).__name__}."
    )


def relevant_of(
    truth: Truth, catalogue: BoolArray, definitions: Definitions, drop_outside: bool
) -> tuple[RelevantSets, dict[str, int]]:
    """The relevant items of everyone listed, and counts of who and what is in them.

    drop_outside: leave items outside the catalogue out; otherwise they stay and count as missed.
    """
    n_items = max(len(catalogue), int(truth.items.max(initial=0)) + 1)
    inside = np.append(catalogue, np.zeros(n_items - len(catalogue), dtype=np.bool_))[truth.items]
    counted = np.ones(len(truth.items), dtype=np.bool_)
    if definitions.threshold is not None:
        counted = truth.weights >= definitions.threshold
    n_outside = int((counted & ~inside).sum())
    if drop_outside:
        counted &= inside
    relevant = RelevantSets.of_pairs(
        np.searchsorted(truth.listed, truth.users)[counted],
        truth.items[counted],
        len(truth.listed),
        n_items,
        gains=truth.weights[counted] if definitions.is_graded else None,
    )
    return relevant, {
        "n_users": len(truth.listed),
        "n_undefined": int((relevant.sizes == 0).sum()),
        "n_relevant": len(relevant.keys),
        "n_rows_of_strangers": truth.n_rows_of_strangers,
        "n_relevant_outside_catalogue": 0 if drop_outside else n_outside,
        "n_relevant_dropped": n_outside if drop_outside else 0,
    }


def _checked(
    users: Any, items: Any, weights: Any, n_users: int, n_items: int, listed: Any = None
) -> Truth:
    users = check_codes(OWNER, "users", users, n_users)
    items = check_codes(OWNER, "items", items, n_items)
    listed = users if listed is None else check_codes(OWNER, "users", listed, n_users)
    return Truth(users, items, np.asarray(weights, dtype=np.float64), np.unique(listed))


def _of_mapping(test: Mapping[int, Any], n_users: int, n_items: int) -> Truth:
    people = np.array(list(test), dtype=None if test else np.int64)
    users = np.repeat(people, [len(items) for items in test.values()])
    items = [item for some in test.values() for item in some]
    weights = [
        some[item] if isinstance(some, Mapping) else 1.0 for some in test.values() for item in some
    ]
    codes = np.array(items, dtype=None if items else np.int64)
    return _checked(users, codes, weights, n_users, n_items, listed=people)


def _of_matrix(test: Any, n_users: int, n_items: int) -> Truth:
    if test.shape != (n_users, n_items):
        raise InvalidParameter(
            f"{OWNER}: the matrix must have shape ({n_users}, {n_items}), users x items of the "
            f"model, got {test.shape}."
        )
    if hasattr(test, "tocoo"):
        cells = test.tocoo()
        rows, columns, weights = cells.row, cells.col, cells.data
    else:
        rows, columns = np.nonzero(test)
        weights = test[rows, columns]
    taken = weights > 0
    return _checked(rows[taken], columns[taken], weights[taken], n_users, n_items)


def _of_table(
    test: Any,
    n_users: int,
    n_items: int,
    user_ids: Sequence[Any] | None,
    item_ids: Sequence[Any] | None,
) -> Truth:
    for name in ("user_id", "item_id"):
        if name not in test.columns:
            raise InvalidData(
                f"{OWNER}: column {name} is missing. Columns: {', '.join(map(str, test.columns))}."
            )
    weights = np.asarray(test["weight"] if "weight" in test.columns else np.ones(len(test)))
    users = _coded(test["user_id"], "user", n_users, user_ids)
    items = _coded(test["item_id"], "item", n_items, item_ids)
    known = users >= 0
    if len(users) and not known.any():
        raise InvalidData(
            f"{OWNER}: no user_id (such as {test['user_id'].iloc[0]!r}) is among the given "
            "user_ids: these are not the same people."
        )
    return Truth(
        users[known],
        items[known],
        weights[known].astype(np.float64),
        np.unique(users[known]),
        int((~known).sum()),
    )


def _coded(column: Any, kind: str, n: int, ids: Sequence[Any] | None) -> IntArray:
    """Codes of a table's column; with `ids`, unknown users are -1, unknown items n, n + 1, ..."""
    values = column.to_numpy()
    if ids is None:
        if len(values) and not np.issubdtype(values.dtype, np.integer):
            raise InvalidParameter(
                f"{OWNER}: {kind}_id holds ids such as {values[0]!r}, but models speak codes. Pass "
                f"user_ids= and item_ids= to the evaluator, as create_interaction_matrix returns "
                "them."
            )
        return check_codes(OWNER, f"{kind}_id", values, n)
    codes = {one: code for code, one in enumerate(ids)}
    if len(codes) != n:
        raise InvalidParameter(
            f"{OWNER}: {kind}_ids must be the {n} different ids of the model's {kind}s, got "
            f"{len(codes)}."
        )
    if len(values) and isinstance(values[0], str) != isinstance(next(iter(codes)), str):
        raise InvalidParameter(
            f"{OWNER}: {kind}_id holds ids such as {values[0]!r}, the evaluator's {kind}_ids are "
            f"such as {next(iter(codes))!r}. Read both as text, or both as numbers."
        )
    if kind == "user":
        return np.array([codes.get(one, -1) for one in values.tolist()], dtype=np.int64)
    return np.array([codes.setdefault(one, len(codes)) for one in values.tolist()], dtype=np.int64)
