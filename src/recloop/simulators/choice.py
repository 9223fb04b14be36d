"""How people click in a list: choice and click models as equations.

Slots are numbered from 0 at the top. `utilities` and `attractions` are (B, k), a row for a person;
draws are uniform numbers in [0, 1), so that the caller says where chance comes from.

    multinomial logit     P(slot j) = e^v_j / (e^v_0 + sum_l e^v_l), v_0 of no click
    position-based        P(click j) = examine_j a_j, slots apart        (Richardson et al. 2007)
    cascade               reads down to the first click                  (Craswell et al. 2008)
    dependent clicks      after a click at j reads on with chance l_j    (Guo et al. 2009)
    inner product         v = p . q + s e, e a standard normal number
"""

import numpy as np

from recloop.types import BoolArray, FloatArray, IntArray


def multinomial_logit(utilities: FloatArray, no_click: float) -> FloatArray:
    """(B, k + 1) probability of each slot, and last of no click, whose utility is `no_click`."""
    columns = [utilities, np.full((len(utilities), 1), no_click)]
    values = np.concatenate(columns, axis=1)
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def no_click_utility(mass: float, typical: float, k: int) -> float:
    """The utility of no click that has probability `mass` beside k items of a `typical` utility."""
    return float(np.log(k * mass / (1.0 - mass)) + typical)


def draw_slot(probabilities: FloatArray, draws: FloatArray) -> IntArray:
    """(B,) the slot that draws (B,) fall into; -1 for the last column, no click."""
    slot = (draws[:, None] >= np.cumsum(probabilities, axis=1)).sum(axis=1)
    return np.where(slot >= probabilities.shape[1] - 1, -1, slot)


def examination(k: int, bias: float) -> FloatArray:
    """(k,) probability that slot j is looked at: (1 / (j + 1))^bias, 1 everywhere for bias 0."""
    return (1.0 / np.arange(1.0, k + 1.0)) ** bias


def position_based(attractions: FloatArray, examined: FloatArray) -> FloatArray:
    """(B, k) probability of a click in each slot; examined: (k,)."""
    return attractions * examined


def draw_position_based(
    attractions: FloatArray, examined: FloatArray, draws: FloatArray
) -> BoolArray:
    """(B, k) clicks, each slot on its own; draws (B, k)."""
    return draws < position_based(attractions, examined)


def cascade(attractions: FloatArray, reads_on: float = 1.0) -> FloatArray:
    """(B, k) probability that the click falls into each slot; reads_on: past an unclicked slot."""
    passed = np.cumprod((1.0 - attractions) * reads_on, axis=1)
    looked = np.concatenate([np.ones((len(attractions), 1)), passed[:, :-1]], axis=1)
    return looked * attractions


def draw_cascade(attractions: FloatArray, draws: FloatArray, reads_on: float = 1.0) -> BoolArray:
    """(B, k) at most one click; draws (B,)."""
    slots = draw_slot(_with_rest(cascade(attractions, reads_on)), draws)
    clicks = np.zeros(attractions.shape, dtype=np.bool_)
    clicked = np.flatnonzero(slots >= 0)
    clicks[clicked, slots[clicked]] = True
    return clicks


def dependent_clicks(attractions: FloatArray, reads_on: FloatArray) -> FloatArray:
    """(B, k) probability of a click in each slot; reads_on (k,): after a click there."""
    passed = np.cumprod(attractions * reads_on + 1.0 - attractions, axis=1)
    looked = np.concatenate([np.ones((len(attractions), 1)), passed[:, :-1]], axis=1)
    return looked * attractions


def draw_dependent_clicks(
    attractions: FloatArray, reads_on: FloatArray, draws: FloatArray
) -> BoolArray:
    """(B, k) clicks; draws (B, 2 k): one for each click, then one for each reading on."""
    k = attractions.shape[1]
    clicks = draws[:, :k] < attractions
    goes_on = ~clicks | (draws[:, k:] < reads_on)
    looked = np.concatenate(
        [np.ones((len(clicks), 1), dtype=np.bool_), np.cumprod(goes_on[:, :-1], axis=1) > 0], axis=1
    )
    return clicks & looked


def inner_product(
    people: FloatArray, items: FloatArray, noise: float = 0.0, normals: FloatArray | None = None
) -> FloatArray:
    """(B, k) utilities of items (B, k, F) for people (B, F), plus noise times normals (B, k)."""
    values = np.einsum("bf,bkf->bk", people, items)
    return values if normals is None else values + noise * normals


def _with_rest(probabilities: FloatArray) -> FloatArray:
    rest = np.maximum(1.0 - probabilities.sum(axis=1, keepdims=True), 0.0)
    return np.concatenate([probabilities, rest], axis=1)
