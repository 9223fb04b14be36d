"""What may enter an off-policy estimate: each refusal names field, row and value.

Nothing is clipped, filled or normalised on the way in: a propensity of 0 raised to 1e-6 hides that
the log cannot answer.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidData
from recloop.types import BoolArray, FloatArray, IntArray

TOLERANCE = 1e-6  # of the sum of a row of probabilities


CORRECT = "Correct or drop these rows."


def refuse(
    name: str, bad: BoolArray, values: np.ndarray, allowed: str, advice: str = CORRECT
) -> None:
    """Raise where `bad` holds for some of `values`; the message names the first place."""
    if not bad.any():
        return
    place = np.argwhere(bad)[0]
    where = ", ".join(
        f"{axis} {i}" for axis, i in zip(("row", "column", "place"), place.tolist(), strict=False)
    )
    got = values[tuple(place)]
    raise InvalidData(
        f"off-policy evaluation: {name} must be {allowed}, got {got} at {where} "
        f"({int(bad.sum()):,} such values). {advice}"
    )


def shaped(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Raise unless `array` has the shape; None in it is any length."""
    fits = array.ndim == len(shape) and all(
        wanted is None or wanted == got for wanted, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if one is None else str(one) for one in shape)
        raise InvalidData(
            f"off-policy evaluation: {name} must have shape ({wanted}), got {array.shape}."
        )


def mask(name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> BoolArray:
    """`values` of True and False; None: True everywhere. Words are not taken for either."""
    array = np.ones(shape, dtype=np.bool_) if values is None else np.asarray(values)
    if array.dtype != np.bool_ or array.shape != shape:
        raise InvalidData(
            f"off-policy evaluation: {name} must be True or False, shape {shape}, got "
            f"{array.dtype} {array.shape}."
        )
    return array


def kept(name: str, values: ArrayLike, where: BoolArray, fill: float) -> np.ndarray:
    """`values`, and `fill` where they do not count, whatever stands there."""
    array = np.asarray(values)
    shaped(name, array, where.shape)
    if array.dtype.kind not in "biuf":
        raise InvalidData(f"off-policy evaluation: {name} must be numbers, got {_kind(values)}.")
    return np.where(where, array, np.asarray(fill, dtype=array.dtype))


def numbers(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> FloatArray:
    """`values` as finite float64 of a shape; None in it is any length."""
    try:
        if values is None:
            raise TypeError
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidData(
            f"off-policy evaluation: {name} must be numbers, got {_kind(values)}."
        ) from None
    shaped(name, array, shape)
    if not _within(array, -np.finfo(np.float64).max, np.finfo(np.float64).max):
        refuse(name, ~np.isfinite(array), array, "finite numbers")
    return array


def probabilities(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> FloatArray:
    """Numbers within [0, 1]."""
    array = numbers(name, values, shape)
    if not _within(array, 0, 1):
        refuse(name, (array < 0) | (array > 1), array, "probabilities between 0 and 1")
    return array


def propensities(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> FloatArray:
    """Numbers within (0, 1]: what was shown could happen."""
    array = numbers(name, values, shape)
    refuse(name, (array <= 0) | (array > 1), array, "probabilities above 0 and at most 1")
    return array


def distributions(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> FloatArray:
    """Probabilities that sum to one over axis 1."""
    array = probabilities(name, values, shape)
    sums = array @ np.ones(array.shape[1]) if array.ndim == 2 else array.sum(axis=1)
    refuse(f"the sums of {name}", np.abs(sums - 1) > TOLERANCE, sums, "1 in each row")
    return array


def codes(name: str, values: ArrayLike, shape: tuple[int | None, ...], n: int | None) -> IntArray:
    """Whole numbers within 0..n-1; None: from 0."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InvalidData(
            f"off-policy evaluation: {name} must be whole numbers, got {_kind(values)}. "
            "Codes are integers; ids belong to the faces."
        )
    shaped(name, array, shape)
    top = np.iinfo(np.int64).max if n is None else n
    allowed = "a code of at least 0" if n is None else f"a code between 0 and {top - 1}"
    refuse(name, (array < 0) | (array >= top), array, allowed)
    return array.astype(np.int64, copy=False)


def distinct(name: str, values: ArrayLike, n: int) -> np.ndarray:
    """`values` (n,), each once."""
    array = np.asarray(values)
    shaped(name, array, (n,))
    _, first = np.unique(array, return_index=True)
    again = np.ones(n, dtype=np.bool_)
    again[first] = False
    refuse(name, again, array, "different in every row")
    return array


def _within(array: np.ndarray, low: float, high: float) -> bool:
    """Whether all lie within [low, high], in two passes without a table of answers; NaN do not."""
    return not array.size or bool(array.min() >= low and array.max() <= high)


def _kind(values: Any) -> str:
    return f"an array of {values.dtype}" if isinstance(values, np.ndarray) else repr(values)[:60]
