"""What may be known while measuring: sizes, catalogue, seen items and histories of training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.types import BoolArray, IntArray, Interactions
from recloop.utils.checks import check_codes
from recloop.utils.history import last_items

OWNER = "RLRecommenderEvaluator"


def sizes_of(
    model: Any,
    test: Any,
    train: Interactions | None,
    user_ids: Sequence[Any] | None,
    item_ids: Sequence[Any] | None,
) -> tuple[int, int]:
    """n_users and n_items of the model, or of whatever else knows them."""
    shape = getattr(test, "shape", ())
    if len(shape) != 2 or hasattr(test, "columns"):
        shape = (None, None)
    return (
        _size("n_users", model, test, train, user_ids, shape[0]),
        _size("n_items", model, test, train, item_ids, shape[1]),
    )


def _size(
    name: str,
    model: Any,
    test: Any,
    train: Interactions | None,
    ids: Sequence[Any] | None,
    axis: int | None,
) -> int:
    known = [getattr(one, name, None) for one in (model, train, test)]
    known += [None if ids is None else len(ids), axis]
    size = next((one for one in known if one is not None), None)
    if size is None:
        raise InvalidParameter(
            f"{OWNER}: {type(model).__name__} has no {name}; pass train=, or user_ids= and "
            "item_ids=, so that the codes it may use are known."
        )
    if train is not None and getattr(train, name) != size:
        raise InvalidParameter(
            f"{OWNER}: train has {name} = {getattr(train, name)}, the model {size}; both must "
            "speak the same codes."
        )
    return int(size)


def catalogue_of(given: ArrayLike | None, train: Interactions | None, n_items: int) -> BoolArray:
    """(n_items,) what could be shown: as given, else what training holds, else everything."""
    if given is None:
        if train is None:
            return np.ones(n_items, dtype=np.bool_)
        given = train.items
    eligible = np.zeros(n_items, dtype=np.bool_)
    eligible[check_codes(OWNER, "catalogue", given, n_items)] = True
    if not eligible.any():
        raise InvalidParameter(f"{OWNER}: the catalogue is empty, so nothing can be shown.")
    return eligible


def seen_of(
    given: Sequence[ArrayLike] | None, train: Interactions | None, users: IntArray
) -> list[IntArray] | None:
    """The items to hide from each of `users`: as given by user code, else those of training."""
    if given is not None:
        return [np.asarray(given[user], dtype=np.int64) for user in users]
    if train is None:
        return None
    starts = train.offsets()
    return [train.items[starts[user] : starts[user + 1]] for user in users]


def histories_of(
    given: IntArray | None, train: Interactions | None, users: IntArray, length: int
) -> IntArray | None:
    """(U, length) what each of `users` did last, or None if nobody knows or the model asks not."""
    if length == 0:
        return None
    if given is not None:
        return given[users][:, :length]
    return None if train is None else last_items(train, length)[users]
