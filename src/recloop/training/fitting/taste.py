"""Taste: what is left of the clicks when position and popularity are taken out, as p_u . q_i.

    click ~ e_j (b_i + p_u . q_i),   p_u ~ N(0, 1),   q_if ~ N(0, tau_f^2)

Both tables are distributions that are updated in turn, so that a person with few rows stays near
the average, and a factor that explains nothing but noise vanishes (tau_f -> 0): the number of
factors needs no search. Clicks are rarer than normal noise allows for, and a few may look like a
taste: it is kept only where it foretells clicks that were held out better than popularity does.

Lim and Teh (2007), "Variational Bayesian approach to movie rating prediction", equations 14 to 19.
"""

from typing import NamedTuple

import numpy as np

from recloop.training.fitting.log import ImpressionLog
from recloop.training.fitting.popularity import shrunk_rates
from recloop.types import BoolArray, FloatArray
from recloop.utils.seeding import stream
from recloop.utils.sparse import SparseMatrix, SparseParts, matrix_of

Z95 = 1.959963984540054


class Taste(NamedTuple):
    """Estimated tastes and popularity, and tastes as they may be.

    The best estimates of people of whom little is known are too much alike to be a population: a
    world of them has too few favourites. One draw from what is thought possible has as many.
    """

    user_factors: FloatArray  # (n_users, n_factors)
    item_factors: FloatArray  # (n_items, n_factors)
    popularity: FloatArray  # (n_items,) click rate of a person of average taste
    drawn_users: FloatArray  # (n_users, n_factors)
    drawn_items: FloatArray  # (n_items, n_factors)


class _Cells(NamedTuple):
    """The log summed over (user, item), e the probability that the row's slot was looked at."""

    looks: SparseMatrix  # sum of e
    weights: SparseMatrix  # sum of e^2
    clicks: SparseMatrix  # sum of e click
    item_clicks: FloatArray  # (n_items,)


def fit_taste(
    log: ImpressionLog,
    examined: FloatArray,
    *,
    n_factors: int = 8,
    n_rounds: int = 60,
    seed: int = 0,
) -> Taste:
    """Tastes and popularity of a log of impressions; examined (n_slots,).

    n_factors: at most so many; 0 of them matter where no taste is to be found.
    """
    everything = np.ones(len(log), dtype=np.bool_)
    found = _fitted(log, examined, everything, n_factors, n_rounds, seed)
    if not found.item_factors.any():
        return found
    held_out = stream(seed, "fit taste", "held out").random(len(log)) < 0.2
    part = _fitted(log, examined, ~held_out, n_factors, n_rounds, seed)
    plain = part.popularity[log.items[held_out]]
    liking = np.einsum(
        "nf,nf->n",
        part.user_factors[log.users[held_out]],
        part.item_factors[log.items[held_out]],
    )
    seen, clicks = examined[log.slots[held_out]], log.clicks[held_out]
    gains = (clicks - seen * plain) ** 2 - (clicks - seen * (plain + liking)) ** 2
    if len(gains) > 1 and gains.mean() > Z95 * gains.std() / len(gains) ** 0.5:
        return found
    cells = _cells(log, examined, everything)
    popularity = shrunk_rates(cells.item_clicks, np.asarray(cells.looks.sum(axis=0)).ravel())
    people, items = np.zeros((log.n_users, 1)), np.zeros((log.n_items, 1))
    return Taste(people, items, popularity, people, items)


def _fitted(
    log: ImpressionLog,
    examined: FloatArray,
    rows: BoolArray,
    n_factors: int,
    n_rounds: int,
    seed: int,
) -> Taste:
    cells = _cells(log, examined, rows)
    looks = np.asarray(cells.looks.sum(axis=0)).ravel()
    popularity = shrunk_rates(cells.item_clicks, looks)
    expected = (examined[log.slots] * popularity[log.items])[rows]
    noise = max(float((expected * (1.0 - expected)).mean()), 1e-12)
    rng = stream(seed, "fit taste")
    scale = np.full(n_factors, noise / (10.0 * n_factors))
    items = rng.standard_normal((log.n_items, n_factors)) * np.sqrt(scale)
    items_doubt = np.broadcast_to(np.diag(scale), (log.n_items, n_factors, n_factors))
    people, people_doubt = np.zeros((log.n_users, n_factors)), np.zeros_like(items_doubt)
    by_item = cells.weights.T.tocsr()
    for n_done in range(n_rounds):
        left = _left_to_taste(cells, popularity)
        people, people_doubt = _posterior(
            cells.weights, left, items, items_doubt, noise, np.ones(n_factors)
        )
        items, items_doubt = _posterior(by_item, left.T, people, people_doubt, noise, 1.0 / scale)
        if n_done >= n_rounds // 4:  # not before the factors have found what there is
            doubt = np.diagonal(items_doubt, axis1=1, axis2=2)
            scale = np.maximum((items**2 + doubt).mean(axis=0), 1e-12)
        liked = _summed_by_item(cells.looks, people, items)
        popularity = shrunk_rates(cells.item_clicks - liked, looks)
    drawn = [_drawn(*each, rng) for each in ((people, people_doubt), (items, items_doubt))]
    return Taste(people, items, popularity, *drawn)


def _posterior(
    weights: SparseMatrix,
    left: SparseMatrix,
    others: FloatArray,
    others_doubt: FloatArray,
    noise: float,
    prior: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Means (n, F) and covariances (n, F, F) of one table given the other; prior: precisions."""
    n_factors = others.shape[1]
    squares = others[:, :, None] * others[:, None, :] + others_doubt
    precision = (weights @ squares.reshape(-1, n_factors**2)).reshape(-1, n_factors, n_factors)
    doubt = np.linalg.inv(precision / noise + np.diag(prior))
    return np.einsum("nfg,ng->nf", doubt, left @ others / noise), doubt


def _drawn(means: FloatArray, doubt: FloatArray, rng: np.random.Generator) -> FloatArray:
    normals = rng.standard_normal(means.shape)
    return means + np.einsum("nfg,ng->nf", np.linalg.cholesky(doubt), normals)


def _left_to_taste(cells: _Cells, popularity: FloatArray) -> SparseMatrix:
    left = cells.clicks.copy()
    left.data = cells.clicks.data - cells.weights.data * popularity[cells.weights.indices]
    return left


def _summed_by_item(looks: SparseMatrix, people: FloatArray, items: FloatArray) -> FloatArray:
    """(n_items,) sum over the people who looked of e p_u . q_i."""
    return np.einsum("if,if->i", looks.T @ people, items)


def _cells(log: ImpressionLog, examined: FloatArray, rows: BoolArray) -> _Cells:
    seen, clicks = examined[log.slots[rows]], log.clicks[rows]
    pairs = log.users[rows] * log.n_items + log.items[rows]
    keys, where = np.unique(pairs, return_inverse=True)
    users, items = np.divmod(keys, log.n_items)
    starts = np.searchsorted(users, np.arange(log.n_users + 1))

    def summed(values: FloatArray) -> SparseMatrix:
        totals = np.bincount(where, values, len(keys)).astype(np.float64)
        return matrix_of(SparseParts(starts, items, totals), (log.n_users, log.n_items))

    return _Cells(
        summed(seen),
        summed(seen**2),
        summed(seen * clicks),
        np.bincount(log.items[rows], clicks, log.n_items).astype(np.float64),
    )
