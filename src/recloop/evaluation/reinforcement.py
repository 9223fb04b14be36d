"""What is watched while an agent learns: reward, exploration, and how much it still moves."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidParameter
from recloop.types import BoolArray, Decision, FloatArray
from recloop.utils.checks import check_between, check_count, check_finite


def cumulative_reward(rewards: ArrayLike, discount: float = 1.0) -> FloatArray:
    """(T,) reward earned up to each step, step t weighted by discount^t; the last is the return."""
    check_between("cumulative_reward", "discount", discount, 0, 1)
    earned = check_finite("cumulative_reward", "rewards", rewards)
    weights = np.power(discount, np.arange(len(earned)))
    return np.cumsum(earned * weights, dtype=np.float64)


def exploration_rate(chosen: BoolArray | Sequence[Decision]) -> float:
    """Share of choices drawn at random rather than ranked; NaN without choices.

    chosen: flags of any shape, or decisions, of which every slot counts.
    """
    if len(chosen) and isinstance(chosen[0], Decision):
        flags = np.array([source == "explore" for one in chosen for source in one.sources])
    else:
        flags = np.asarray(chosen, dtype=np.bool_)
    return float(flags.mean()) if flags.size else float("nan")


def convergence(snapshots: Sequence[ArrayLike]) -> FloatArray:
    """(n - 1,) mean absolute change of a value from each snapshot to the next, over the mean size.

    Falling towards 0: the values settle. A change out of all zeros counts as 1, none as 0.
    """
    arrays = [check_finite("convergence", "snapshots", one) for one in snapshots]
    if len({one.shape for one in arrays}) > 1:
        raise InvalidParameter(
            "convergence: snapshots must have one shape, got "
            + ", ".join(str(one.shape) for one in arrays)
            + "."
        )
    changes = [_relative_change(before, after) for before, after in pairwise(arrays)]
    return np.array(changes, dtype=np.float64)


def _relative_change(before: np.ndarray, after: np.ndarray) -> float:
    change, size = float(np.abs(after - before).sum()), float(np.abs(before).sum())
    if size == 0:
        return float(change > 0)
    return change / size


def moving_average(values: ArrayLike, window: int) -> FloatArray:
    """(T,) mean of each value and up to `window` - 1 before it; NaN are left out of the mean."""
    window = check_count("moving_average", "window", window)
    series = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(series)
    sums = _trailing_sums(np.where(known, series, 0.0), window)
    counts = _trailing_sums(known.astype(np.float64), window)
    return np.divide(sums, counts, out=np.full(len(series), np.nan), where=counts > 0)


def _trailing_sums(values: FloatArray, window: int) -> FloatArray:
    if not len(values):
        return values
    window = min(window, len(values))
    padded = np.concatenate([np.zeros(window - 1), values])
    return np.lib.stride_tricks.sliding_window_view(padded, window).sum(axis=1)
