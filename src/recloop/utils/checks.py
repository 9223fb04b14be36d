"""One wording for bad arguments: who, what, what is allowed, what was got."""

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.types import FloatArray, IntArray


def check_count(owner: str, name: str, value: Any, *, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InvalidParameter(
            f"{owner}: {name} must be a whole number of at least {least}, got {value!r}."
        )
    return int(value)


def check_between(
    owner: str,
    name: str,
    value: Any,
    low: float,
    high: float,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """`value` as a finite float within [low, high]; an open end excludes the bound itself."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    inside = (low < number if low_open else low <= number) and (
        number < high if high_open else number <= high
    )
    if not (inside and math.isfinite(number)):
        raise InvalidParameter(
            f"{owner}: {name} must be {_range_in_words(low, high, low_open, high_open)}, "
            f"got {value!r}."
        )
    return number


def _range_in_words(low: float, high: float, low_open: bool, high_open: bool) -> str:
    if low == math.nextafter(0.0, 1.0):
        low, low_open = 0.0, True
    if math.isinf(high):
        return f"a number {'above' if low_open else 'of at least'} {low:g}"
    if low_open or high_open:
        return (
            f"{'above' if low_open else 'at least'} {low:g} "
            f"and {'below' if high_open else 'at most'} {high:g}"
        )
    return f"between {low:g} and {high:g}"


def check_flag(owner: str, name: str, value: Any) -> bool:
    """`value` if it is True or False; words such as "no" are not taken for either."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidParameter(f"{owner}: {name} must be True or False, got {value!r}.")
    return bool(value)


def check_choice(owner: str, name: str, value: Any, allowed: Collection[str]) -> str:
    """`value` if it is one of the `allowed` words."""
    if value not in allowed:
        raise InvalidParameter(
            f"{owner}: {name} must be one of {', '.join(map(repr, allowed))}, got {value!r}."
        )
    return value


def as_array(owner: str, name: str, values: ArrayLike) -> np.ndarray:
    """`values` as an array; lists of unequal length are none."""
    try:
        return np.asarray(values)
    except ValueError:
        raise InvalidParameter(
            f"{owner}: {name} must be an array, got lists of unequal length."
        ) from None


def as_numbers(owner: str, name: str, values: ArrayLike) -> FloatArray:
    """`values` as float64, NaN and infinity included."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"{owner}: {name} must be numbers: {error}.") from None


def check_codes(owner: str, name: str, values: ArrayLike, n: int, *, least: int = 0) -> IntArray:
    """`values` as int64 codes within least..n-1; the message names the first one outside."""
    array = as_array(owner, name, values)
    if array.dtype.kind not in "iu" and array.size:
        raise InvalidParameter(
            f"{owner}: {name} must be whole numbers between {least} and {n - 1}, "
            f"got an array of {array.dtype}. Codes are integers; ids belong to the faces."
        )
    codes = array.astype(np.int64, copy=False)
    above = codes - least if least else codes
    outside = above.view(np.uint64) >= n - least  # what lies below is huge without a sign
    if np.count_nonzero(outside):  # several times as quick as any() where there are few
        first = codes[outside].flat[0]
        raise InvalidParameter(f"{owner}: {name} must be between {least} and {n - 1}, got {first}.")
    return codes


def check_real(owner: str, name: str, value: Any) -> float:
    """`value` as a float: one number, neither NaN nor infinite."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InvalidParameter(f"{owner}: {name} must be a finite number, got {value!r}.")
    return float(value)


def check_finite(owner: str, name: str, values: ArrayLike) -> np.ndarray:
    """`values` as float64 without NaN or infinity."""
    array = as_numbers(owner, name, values)
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)].flat[0]
        raise InvalidParameter(f"{owner}: {name} must be finite numbers, got {bad}.")
    return array


def check_within(owner: str, name: str, values: np.ndarray, low: float, high: float) -> None:
    """Raise unless all of `values` lie within [low, high]; the message names the worst."""
    lowest, highest = values.min(initial=high), values.max(initial=low)
    if lowest < low or highest > high:
        raise InvalidParameter(
            f"{owner}: {name} must be {_range_in_words(low, high, False, False)}, got "
            f"{lowest if lowest < low else highest:g}."
        )


def finite_or_none(number: float) -> float | None:
    """`number` for a file of JSON, which has no NaN and no infinity."""
    return float(number) if math.isfinite(number) else None


def number_or_nan(value: float | None) -> float:
    """What `finite_or_none` gave, as a number again."""
    return math.nan if value is None else float(value)
