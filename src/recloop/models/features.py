"""Features of a person-item pair, so that one ridge regression can rank the whole catalogue.

    phi(u, i, h) = [ z ⊗ f_i,  P(i | h_0),  sum_j decay^j P(i | h_j) ]

z    the person: 1, user features, the context of the moment
f_i  the item: 1, popularity, recent popularity, item features
P    how often i came within `window` steps after an item of the history h (`cooccurrence.py`)

The product z ⊗ f holds every user feature times every item feature, a bilinear model. Nothing of
size B x n_items x width is ever built: sums over the catalogue are products of small matrices,
because sum_i (z ⊗ f_i)(z ⊗ f_i)^T = z z^T ⊗ F^T F, and the columns of P are sparse.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.models.cooccurrence import mixed_rows, mixed_rows_without
from recloop.models.packed import all_products
from recloop.types import FloatArray, IntArray, Interactions
from recloop.utils.checks import check_finite, check_within
from recloop.utils.sparse import SparseMatrix

N_PLANES = 2
"""Features of person and item at once: after the last item (a decay of 0), after the last few."""

_LARGEST = 1e100  # so that squares are finite
_HALF_LIFE = 0.1  # of the log's time span: what "recent" popularity means


@dataclass(frozen=True)
class PairRows:
    """A batch of people at a moment, ready to be paired with every item."""

    people: FloatArray  # (B, q)
    planes: list[SparseMatrix]  # N_PLANES of (B, n_items)


@dataclass(frozen=True)
class PairFeatures:
    """The tables behind the features; they belong to a log and do not move while a model learns.

    item_table (n_items, g), its first column 1. user_table (n_users, q - context_dim), its first
    column 1. near (n_items, n_items): counts within `window` steps.
    """

    item_table: FloatArray
    user_table: FloatArray
    near: SparseMatrix
    context_dim: int
    window: int
    decay: float

    @property
    def width(self) -> int:
        """The length of phi."""
        n_people = self.user_table.shape[1] + self.context_dim
        return n_people * self.item_table.shape[1] + N_PLANES

    def rows(self, users: IntArray, histories: IntArray, context: FloatArray | None) -> PairRows:
        """What `users` (B,) bring along; histories (B, H), context (B, context_dim) or None."""
        planes = [mixed_rows(self.near, histories, decay) for decay in (0.0, self.decay)]
        return PairRows(self._people(users, context), planes)

    def rows_without_own_step(
        self, users: IntArray, histories: IntArray, context: FloatArray | None, items: IntArray
    ) -> PairRows:
        """`rows` for steps of the very log behind `near`: each without what it added itself."""
        planes = [
            mixed_rows_without(self.near, histories, decay, items, self.window)
            for decay in (0.0, self.decay)
        ]
        return PairRows(self._people(users, context), planes)

    def _people(self, users: IntArray, context: FloatArray | None) -> FloatArray:
        moment = np.zeros((len(users), self.context_dim)) if context is None else context
        return np.concatenate([self.user_table[users], moment], axis=1)

    def pairs(self, rows: PairRows, items: IntArray) -> FloatArray:
        """phi (B, width) of each row with its one item."""
        crossed = rows.people[:, :, None] * self.item_table[items][:, None, :]
        here = np.arange(len(items))
        seen = [np.asarray(plane[here, items]).reshape(-1, 1) for plane in rows.planes]
        return np.concatenate([crossed.reshape(len(items), -1), *seen], axis=1)

    def products(self, rows: PairRows, weights: FloatArray) -> FloatArray:
        """(B, n_items) phi . weights of each row with every item."""
        crossed, plane_weights = weights[:-N_PLANES], weights[-N_PLANES:]
        table = crossed.reshape(-1, self.item_table.shape[1])
        result = all_products(all_products(rows.people, table.T), self.item_table)
        for plane, weight in zip(rows.planes, plane_weights, strict=True):
            result += weight * plane.toarray()
        return result

    def catalogue_sum(self, rows: PairRows, row_weights: FloatArray) -> FloatArray:
        """sum_b w_b sum_i phi phi^T (width, width) over every row and every item."""
        weighted = rows.people * row_weights[:, None]
        total = np.empty((self.width, self.width))
        people = weighted.T @ rows.people
        total[:-N_PLANES, :-N_PLANES] = np.kron(people, self.item_table.T @ self.item_table)
        for j, plane in enumerate(rows.planes):
            cross = (weighted.T @ (plane @ self.item_table)).ravel()
            total[:-N_PLANES, j - N_PLANES] = total[j - N_PLANES, :-N_PLANES] = cross
            for k, other in enumerate(rows.planes):
                each_row = np.asarray(plane.multiply(other).sum(axis=1)).ravel()
                total[j - N_PLANES, k - N_PLANES] = row_weights @ each_row
        return total

    def quadratic_forms(self, rows: PairRows, inverse: FloatArray) -> FloatArray:
        """(B, n_items) phi^T M phi of each row with every item, M (width, width) symmetric."""
        n_item_features = self.item_table.shape[1]
        n_people = rows.people.shape[1]
        crossed = inverse[:-N_PLANES, :-N_PLANES].reshape((n_people, n_item_features) * 2)
        half = np.einsum("bq,qgrh->bgrh", rows.people, crossed)
        of_row = np.einsum("bgrh,br->bgh", half, rows.people)
        result = np.stack(
            [(all_products(self.item_table, one) * self.item_table).sum(axis=1) for one in of_row]
        )
        planes = [plane.toarray() for plane in rows.planes]
        for j, plane in enumerate(planes):
            between = inverse[:-N_PLANES, j - N_PLANES].reshape(n_people, n_item_features)
            of_item = all_products(all_products(rows.people, between.T), self.item_table)
            result += 2.0 * plane * of_item
            for k, other in enumerate(planes):
                result += inverse[j - N_PLANES, k - N_PLANES] * plane * other
        return result


def item_table(log: Interactions, item_features: FloatArray | None = None) -> FloatArray:
    """(n_items, 3 + features): 1, popularity, recent popularity, features; standardised."""
    return _with_intercept(popularity(log), "item_features", item_features, log.n_items)


def popularity(log: Interactions) -> FloatArray:
    """(n_items, 2) of every item: how often it was taken, and the logarithm of how often of late.

    Recent popularity forgets half in every tenth of the log's time span. Both are 0 for an item
    that nobody took.
    """
    counts = np.bincount(log.items, minlength=log.n_items).astype(np.float64)
    span = float(np.ptp(log.timestamps)) if len(log) else 0.0
    age = (log.timestamps.max() - log.timestamps) / span if span > 0 else np.zeros(len(log))
    recent = np.bincount(log.items, weights=0.5 ** (age / _HALF_LIFE), minlength=log.n_items)
    return np.column_stack([counts, np.log1p(recent)])


def user_table(log: Interactions, user_features: FloatArray | None = None) -> FloatArray:
    """(n_users, 1 + features): 1, features; standardised."""
    return _with_intercept(np.zeros((log.n_users, 0)), "user_features", user_features, log.n_users)


def _with_intercept(
    columns: FloatArray, name: str, features: FloatArray | None, n_rows: int
) -> FloatArray:
    if features is not None:
        columns = np.concatenate([columns, checked_features(name, features, n_rows)], axis=1)
    return np.concatenate([np.ones((n_rows, 1)), standardised(columns)], axis=1)


def checked_features(name: str, features: FloatArray, n_rows: int) -> FloatArray:
    """`features` as float64 of one row for each code; anything else is refused."""
    table = check_finite("PairFeatures", name, features)
    check_within("PairFeatures", name, table, -_LARGEST, _LARGEST)
    if table.ndim != 2 or len(table) != n_rows:
        raise InvalidParameter(
            f"PairFeatures: {name} must have one row of numbers for each of {n_rows} codes, got "
            f"shape {table.shape}. Turn categories into columns of 0 and 1."
        )
    return table


class Scale(NamedTuple):
    """How columns were standardised: (columns,) means and deviations, 0 for a constant one."""

    means: FloatArray
    deviations: FloatArray


def scale_of(columns: FloatArray) -> Scale:
    """Means and deviations of `columns`; what varies by rounding alone is constant."""
    deviations = columns.std(axis=0)
    varies = deviations > 1e-12 * np.abs(columns).max(axis=0, initial=0.0)
    return Scale(columns.mean(axis=0), np.where(varies, deviations, 0.0))


def scaled(columns: FloatArray, scale: Scale) -> FloatArray:
    """`columns` in deviations from the mean; 0 where the deviation is 0."""
    varies = scale.deviations > 0.0
    return np.where(varies, (columns - scale.means) / np.where(varies, scale.deviations, 1.0), 0.0)


def standardised(columns: FloatArray) -> FloatArray:
    """Every column with mean 0 and deviation 1; a constant column becomes 0."""
    return scaled(columns, scale_of(columns))
