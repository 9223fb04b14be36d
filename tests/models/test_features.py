"""Features of pairs: tables by hand, and every sum over the catalogue against the plain loop."""

import numpy as np
import pytest

from recloop.errors import InvalidParameter
from recloop.models.cooccurrence import counts_after, mixed_rows_without
from recloop.models.features import (
    PairFeatures,
    checked_features,
    item_table,
    standardised,
    user_table,
)
from recloop.types import Interactions

USERS = np.array([0, 0, 0, 1, 1, 2])
ITEMS = np.array([0, 1, 2, 0, 1, 1])
LOG = Interactions(USERS, ITEMS, np.ones(6), np.array([0.0, 5, 10, 0, 9, 10]), 3, 4)


def test_a_standardised_column_has_mean_0_and_deviation_1_and_a_constant_one_is_0():
    table = standardised(np.array([[1.0, 7.0, 0.1], [3.0, 7.0, 0.1], [1.0, 7.0, 0.1]]))
    # mean 5/3, deviation sqrt(8/9): (1 - 5/3) / sqrt(8/9) = -1/sqrt(2)
    assert table[:, 0] == pytest.approx([-(0.5**0.5), 2**0.5, -(0.5**0.5)])
    assert (table[:, 1:] == 0).all()


def test_a_column_that_varies_little_still_varies_and_rounding_does_not_count():
    columns = np.array([[1.0, 1e-20, 1e16], [1.0 + 1e-6, 3e-20, 1e16 + 2]])
    assert standardised(columns).tolist() == [
        [pytest.approx(-1), pytest.approx(-1), 0],
        [pytest.approx(1), pytest.approx(1), 0],
    ]


def test_the_item_table_holds_1_popularity_recent_popularity_and_features():
    features = np.array([[1.0], [0.0], [0.0], [1.0]])
    table = item_table(LOG, features)
    assert table[:, 0].tolist() == [1, 1, 1, 1]
    assert table[:, 1] == pytest.approx(standardised(np.array([[2.0], [3], [1], [0]]))[:, 0])
    # the span is 10 s: half is forgotten in every second before the end
    recent = np.log1p([2 * 0.5**10, 0.5**5 + 0.5 + 1, 1, 0])
    assert table[:, 2] == pytest.approx(standardised(recent[:, None])[:, 0])
    assert table[:, 3].tolist() == [1, -1, -1, 1]


def test_without_time_recent_popularity_is_popularity():
    still = Interactions(USERS, ITEMS, np.ones(6), np.full(6, 3.0), 3, 4)
    recent = np.log1p([2.0, 3, 1, 0])
    assert item_table(still)[:, 2] == pytest.approx(standardised(recent[:, None])[:, 0])


def test_what_is_recent_does_not_depend_on_the_unit_of_time():
    in_hours = Interactions(USERS, ITEMS, np.ones(6), LOG.timestamps / 3600, 3, 4)
    assert item_table(in_hours) == pytest.approx(item_table(LOG))


def test_the_user_table_holds_1_and_features():
    assert user_table(LOG).tolist() == [[1], [1], [1]]
    table = user_table(LOG, np.array([[20.0], [30.0], [40.0]]))
    assert table == pytest.approx(np.array([[1, -(1.5**0.5)], [1, 0], [1, 1.5**0.5]]))


def test_user_features_are_named_as_such():
    with pytest.raises(InvalidParameter, match="PairFeatures: user_features must have one row"):
        user_table(LOG, np.ones((4, 1)))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.ones((3, 2)), r"item_features must have one row of numbers for each of 4 codes, got"),
        (np.ones(4), r"item_features must have one row .* got shape \(4,\)"),
        (np.full((4, 1), np.nan), "item_features must be finite numbers, got nan"),
    ],
)
def test_features_that_do_not_fit_the_codes_are_refused(features, message):
    with pytest.raises(InvalidParameter, match=message):
        checked_features("item_features", features, 4)
    with pytest.raises(InvalidParameter, match=f"PairFeatures: {message}"):
        item_table(LOG, features)


@pytest.fixture
def features(rng: np.random.Generator) -> PairFeatures:
    return PairFeatures(
        item_table=item_table(LOG, rng.standard_normal((4, 2))),
        user_table=user_table(LOG, rng.standard_normal((3, 1))),
        near=counts_after(LOG, 2),
        context_dim=2,
        window=2,
        decay=0.5,
    )


PEOPLE = np.array([2, 0, 1, 0])
HISTORIES = np.array([[1, 0, -1], [0, -1, -1], [-1, -1, -1], [1, 0, 2]])
CONTEXT = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 0.0], [3.0, 1.0]])


def all_pairs(features: PairFeatures, rows) -> np.ndarray:
    """phi (B, n_items, width), the array that is never built outside this test."""
    columns = [features.pairs(rows, np.full(len(PEOPLE), item)) for item in range(4)]
    return np.stack(columns, axis=1)


def test_a_pair_by_hand():
    features = PairFeatures(
        item_table=np.array([[1.0, 5.0], [1.0, 7.0]]),
        user_table=np.array([[1.0, 2.0]]),
        near=counts_after(
            Interactions(np.zeros(3, int), np.array([0, 1, 1]), *[np.ones(3)] * 2, 1, 2)
        ),
        context_dim=1,
        window=1,
        decay=0.5,
    )
    assert features.width == 3 * 2 + 2
    rows = features.rows(np.array([0]), np.array([[1, 0]]), np.array([[3.0]]))
    # z = (1, 2, 3), f = (1, 7); 1 follows 1 always and follows 0 always
    pair = features.pairs(rows, np.array([1]))
    assert pair.tolist() == [[1, 7, 2, 14, 3, 21, 1, 1.5]]
    without = features.rows_without_own_step(
        np.array([0]), np.array([[0, -1]]), None, np.array([1])
    )
    # the only step 0 -> 1 is its own, and no context is one of zeros
    assert features.pairs(without, np.array([1])).tolist() == [[1, 7, 2, 14, 0, 0, 0, 0]]


def test_only_the_newest_items_of_the_window_made_the_own_step(features):
    items = np.array([2, 1, 3, 3])
    rows = features.rows_without_own_step(PEOPLE, HISTORIES, CONTEXT, items)
    assert (rows.people == features.rows(PEOPLE, HISTORIES, CONTEXT).people).all()
    for plane, decay in zip(rows.planes, (0.0, 0.5), strict=True):
        expected = mixed_rows_without(features.near, HISTORIES, decay, items, 2)
        assert (plane.toarray() == expected.toarray()).all()
    # a step from 0 three items before is none of its own within a window of two
    history, item = np.array([[1, 1, 0]]), np.array([2])
    narrow = features.rows_without_own_step(np.array([0]), history, None, item).planes[1].toarray()
    within_2, within_3 = (
        mixed_rows_without(features.near, history, 0.5, item, window).toarray() for window in (2, 3)
    )
    assert (narrow == within_2).all()
    assert (narrow != within_3).any()


def test_products_are_the_features_times_the_weights(features, rng):
    rows = features.rows(PEOPLE, HISTORIES, CONTEXT)
    weights = rng.standard_normal(features.width)
    expected = all_pairs(features, rows) @ weights
    assert features.products(rows, weights) == pytest.approx(expected)


def test_the_sum_over_the_catalogue_is_the_sum_over_all_pairs(features, rng):
    rows = features.rows_without_own_step(PEOPLE, HISTORIES, CONTEXT, np.array([2, 1, 3, 0]))
    row_weights = rng.random(4)
    pairs = all_pairs(features, rows)
    expected = np.einsum("b,bnp,bnq->pq", row_weights, pairs, pairs)
    assert features.catalogue_sum(rows, row_weights) == pytest.approx(expected)


def test_quadratic_forms_are_those_of_every_pair(features, rng):
    rows = features.rows(PEOPLE, HISTORIES, CONTEXT)
    root = rng.standard_normal((features.width, features.width))
    matrix = root @ root.T
    pairs = all_pairs(features, rows)
    expected = np.einsum("bnp,pq,bnq->bn", pairs, matrix, pairs)
    assert features.quadratic_forms(rows, matrix) == pytest.approx(expected)
