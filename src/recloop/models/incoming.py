"""What a model is given to learn from, checked whole before anything is learned.

What is wrong is found here, before a kernel reads past an array or half a batch is learned.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.checks import (
    as_array,
    as_numbers,
    check_codes,
    check_finite,
    check_real,
    check_within,
)

BOUNDS = {
    "contexts": (-1e6, 1e6),
    "next_contexts": (-1e6, 1e6),
    "rewards": (-1e12, 1e12),
    "weights": (0.0, 1e6),
}
"""What numbers are learned from.

A context x gives a regression the evidence x x^T beside a prior of about 1. At 1e6 a row leaves
the prior its last four of float64's sixteen digits; beyond, what is known of every other direction
would drown in rounding, and at 1e154 the square is infinite. Rewards enter sums only.
"""

_WIDE = {"histories", "next_histories", "contexts", "next_contexts"}
"""The columns of a step that have a width of their own."""


def checked_steps(owner: str, steps: Transitions, n_users: int, n_items: int) -> Transitions:
    """`steps` as arrays, every code and number in range, row for row."""
    n_steps = len(steps)
    if steps.feedback not in ("shown", "chosen"):
        raise InvalidParameter(
            f"{owner}: feedback must be 'shown' or 'chosen', got {steps.feedback!r}."
        )
    found: dict[str, Any] = {}
    for name, values in vars(steps).items():
        if name == "feedback" or values is None:
            continue
        array = as_array(owner, name, values)
        if array.ndim != (2 if name in _WIDE else 1) or len(array) != n_steps:
            raise InvalidParameter(
                f"{owner}: {name} must have one row for each of {n_steps} steps, "
                f"{'(B, width)' if name in _WIDE else '(B,)'}; got shape {array.shape}."
            )
        found[name] = array
    for name, n in (("users", n_users), ("items", n_items)):
        found[name] = check_codes(owner, name, found[name], n)
    for name in ("next_items", "histories", "next_histories"):
        if name in found:
            found[name] = check_codes(owner, name, found[name], n_items, least=-1)
    for name in ("discounts", "propensities"):
        if name in found:
            found[name] = check_finite(owner, name, found[name])
    for name, bounds in BOUNDS.items():
        if name in found:
            found[name] = within_bounds(owner, name, found[name], *bounds)
    for name, low, high in (
        ("discounts", 0.0, 1.0),
        ("propensities", np.nextafter(0.0, 1.0), 1.0),
    ):
        if name in found:
            check_within(owner, name, found[name], low, high)
    return Transitions(**found, feedback=steps.feedback)


def answer(
    owner: str,
    user_id: Any,
    item_id: Any,
    reward: Any,
    n_users: int,
    n_items: int,
    *,
    context: ArrayLike | None = None,
    next_context: ArrayLike | None = None,
    next_item: Any = None,
    discount: Any = None,
) -> Transitions:
    """The step of one answer, every code and number in range; a click may be True or False."""
    if isinstance(reward, (bool, np.bool_)):
        reward = float(reward)
    number = check_real(owner, "reward", reward)
    check_within(owner, "reward", np.array([number]), *BOUNDS["rewards"])
    codes = None if next_item is None else check_codes(owner, "next_item", [next_item], n_items)
    worth = None if discount is None else check_finite(owner, "discount", [discount])
    if worth is not None:
        check_within(owner, "discount", worth, 0.0, 1.0)
    return Transitions(
        users=check_codes(owner, "user_id", [user_id], n_users),
        items=check_codes(owner, "item_id", [item_id], n_items),
        rewards=np.array([number]),
        discounts=worth,
        next_items=codes,
        contexts=None if context is None else as_numbers(owner, "context", context)[None],
        next_contexts=None
        if next_context is None
        else as_numbers(owner, "next_context", next_context)[None],
    )


def checked_contexts(
    owner: str, name: str, contexts: ArrayLike, n_rows: int, width: int
) -> FloatArray:
    """(n_rows, width) of `contexts`, numbers of a size that can be learned from."""
    checked = within_bounds(owner, name, contexts, *BOUNDS["contexts"])
    if checked.shape != (n_rows, width):
        raise InvalidParameter(
            f"{owner}: {name} must have shape ({n_rows}, {width}), one row of context_dim numbers "
            f"for each user, got {checked.shape}."
        )
    return checked


def within_bounds(owner: str, name: str, values: ArrayLike, low: float, high: float) -> FloatArray:
    """`values` as float64, all finite and within [low, high]; the message names the first."""
    array = as_numbers(owner, name, values)
    if low <= array.min(initial=high) and array.max(initial=low) <= high:  # false for NaN
        return array
    place = np.unravel_index(np.flatnonzero(~((array >= low) & (array <= high)))[0], array.shape)
    bad, where = array[place], ", column ".join(str(at) for at in place)
    if not np.isfinite(bad):
        raise InvalidParameter(f"{owner}: {name} must be finite numbers, got {bad} at row {where}.")
    raise InvalidParameter(
        f"{owner}: {name} must be between {low:g} and {high:g}, got {bad:g} at row {where}. Count "
        "in a larger unit, or scale what varies to deviations from its mean."
    )


def checked_log(owner: str, log: Interactions, n_users: int, n_items: int) -> Interactions:
    """`log` after its population and catalogue were found to be the model's."""
    if (log.n_users, log.n_items) != (n_users, n_items):
        raise InvalidParameter(
            f"{owner}: the log has {log.n_users} users and {log.n_items} items, the model "
            f"{n_users} and {n_items}. Build the model with the log's sizes."
        )
    check_codes(owner, "users of the log", log.users, n_users)
    check_codes(owner, "items of the log", log.items, n_items)
    if np.any(np.diff(log.users) < 0):
        raise InvalidParameter(
            f"{owner}: the rows of a log must be sorted by user, then time; these are not. "
            "Make the log with recloop.data.encode, or sort it."
        )
    return log


def checked_histories(
    owner: str, history: ArrayLike, n_rows: int, n_items: int, length: int
) -> IntArray:
    """(n_rows, length) of `history`, newest first: cut, or padded with -1."""
    codes = check_codes(owner, "history", history, n_items, least=-1)
    if codes.ndim != 2 or len(codes) != n_rows:
        raise InvalidParameter(
            f"{owner}: history must have one row for each of {n_rows} users, newest item "
            f"first, got shape {codes.shape}."
        )
    if codes.shape[1] == length:
        return codes
    padded = np.full((n_rows, length), -1, dtype=np.int64)
    width = min(codes.shape[1], length)
    padded[:, :width] = codes[:, :width]
    return padded
