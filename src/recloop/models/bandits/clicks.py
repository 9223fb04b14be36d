"""What a click on a slate says of the items shown: click models, as rows to learn from.

each         every item shown was looked at
cascade      people look from the top and stop at the first click (Craswell et al. 2008)
dependent    they may go on after a click; what stands below the last one was not looked at
             (Guo, Liu and Wang 2009); without a click all was looked at
position     slot j is looked at with probability kappa_j, so that E[r] = kappa_j x . theta and
             least squares learns from reward r / kappa_j with weight kappa_j^2
             (Lagree, Vernade and Cappe 2016)
"""

from typing import NamedTuple

import numpy as np

from recloop.types import BoolArray, FloatArray, IntArray

CLICK_MODELS = ("each", "cascade", "dependent", "position")


class SlateRows(NamedTuple):
    """Where the rows to learn from stand in a batch of slates, and what they say."""

    rows: IntArray  # (N,) of the batch
    slots: IntArray  # (N,)
    rewards: FloatArray  # (N,)
    weights: FloatArray  # (N,)


def looked_at(click_model: str, slates: IntArray, rewards: FloatArray) -> BoolArray:
    """(B, k) the slots that a click model takes to be seen; slates -1 and rewards NaN are not."""
    shown = (slates >= 0) & np.isfinite(rewards)
    if click_model not in ("cascade", "dependent"):
        return shown
    clicks = shown & (rewards > 0)
    if click_model == "cascade":
        above = clicks.cumsum(axis=1) - clicks
        return shown & (above == 0)
    below = clicks[:, ::-1].cumsum(axis=1)[:, ::-1]
    return shown & ((below > 0) | ~clicks.any(axis=1, keepdims=True))


def slate_rows(
    click_model: str, slates: IntArray, rewards: FloatArray, examination: FloatArray
) -> SlateRows:
    """The rows of slates (B, k) with rewards (B, k), slate by slot.

    examination (k,): kappa of "position", in (0, 1]; others do not use it.
    """
    rows, slots = np.nonzero(looked_at(click_model, slates, rewards))
    kappa = examination[slots] if click_model == "position" else np.ones(len(slots))
    return SlateRows(rows, slots, rewards[rows, slots] / kappa, kappa**2)
