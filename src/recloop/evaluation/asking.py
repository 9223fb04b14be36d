"""Ask anything that recommends for its lists, without exploring and without teaching it."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_codes

SCORES_AT_ONCE = 1 << 22


def lists_of(
    model: Any,
    users: IntArray,
    k: int,
    n_items: int,
    *,
    histories: IntArray | None = None,
    contexts: FloatArray | None = None,
    seen: Sequence[IntArray] | None = None,
) -> IntArray:
    """(B, k) item codes of `model` for `users` (B,), best first, -1 padded.

    histories, contexts, seen: a row for each of `users`; seen items never stand in a list. The
    model has `recommend_batch(users, k)`, or only `recommend(user, k)`. It is asked not to explore;
    whatever its signature does not take is not passed, and seen items are then taken out of a list
    that is longer by their number.
    """
    one_by_one = not hasattr(model, "recommend_batch")
    ask = getattr(model, "recommend" if one_by_one else "recommend_batch", None)
    if ask is None:
        raise InvalidParameter(
            f"evaluator: {type(model).__name__} has neither recommend_batch nor recommend."
        )
    takes = _parameters(ask)
    n_at_once = 1 if one_by_one else max(1, SCORES_AT_ONCE // n_items)
    lists = np.full((len(users), k), -1, dtype=np.int64)
    for start in range(0, len(users), n_at_once):
        block = slice(start, start + n_at_once)
        rows = {
            "history": None if histories is None else histories[block],
            "context": None if contexts is None else contexts[block],
            "exclude": None if seen is None else seen[block],
        }
        given = {name: one for name, one in rows.items() if one is not None and takes(name)}
        hidden = [] if seen is None or "exclude" in given else seen[block]
        wanted = min(n_items, k + max(map(len, hidden), default=0))
        if one_by_one:
            given = {name: one[0] for name, one in given.items()}
        if takes("explore"):
            given["explore"] = False
        asked = int(users[start]) if one_by_one else users[block]
        answer = ask(asked, wanted, **given)
        for place, items in enumerate([answer] if one_by_one else answer, start):
            kept = _checked(model, items, n_items, hidden[place - start] if hidden else None)[:k]
            lists[place, : len(kept)] = kept
    return lists


def _parameters(function: Callable) -> Callable[[str], bool]:
    parameters = inspect.signature(function).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return lambda name: takes_all or name in parameters


def _checked(model: Any, items: Any, n_items: int, hidden: IntArray | None) -> IntArray:
    codes = check_codes(type(model).__name__, "recommended items", items, n_items, least=-1)
    codes = codes[codes >= 0]
    return codes if hidden is None else codes[~np.isin(codes, hidden)]
