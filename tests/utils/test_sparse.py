"""Sparse matrices as plain arrays."""

import numpy as np
import pytest
import scipy.sparse as sp

from recloop.errors import DamagedFile
from recloop.utils.sparse import (
    SparseParts,
    check_parts,
    chosen_rows,
    counted_pairs,
    largest_in_rows,
    matrix_of,
    parts_of,
)

ROWS = np.array([2, 0, 2, 2, 0])
COLUMNS = np.array([1, 3, 0, 1, 0])
DENSE = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 2, 0, 0]], dtype=np.float64)


def test_pairs_are_counted_and_columns_ascend():
    counts = counted_pairs(ROWS, COLUMNS, (3, 4))
    assert counts.toarray().tolist() == DENSE.tolist()
    assert counts.indices.tolist() == [0, 3, 0, 1]


def test_the_three_arrays_give_the_matrix_back():
    parts = parts_of(counted_pairs(ROWS, COLUMNS, (3, 4)))
    assert parts.starts.tolist() == [0, 2, 2, 4]
    assert parts.values.tolist() == [1, 1, 1, 2]
    assert matrix_of(parts, (3, 4)).toarray().tolist() == DENSE.tolist()


def test_chosen_rows_come_in_the_order_asked_for_and_may_repeat():
    parts = parts_of(counted_pairs(ROWS, COLUMNS, (3, 4)))
    picked = chosen_rows(parts, np.array([2, 1, 0, 2]), 4)
    assert picked.toarray().tolist() == DENSE[[2, 1, 0, 2]].tolist()
    assert chosen_rows(parts, np.array([], dtype=np.int64), 4).shape == (0, 4)


def test_the_largest_of_a_row_are_kept_and_ties_keep_the_lower_column():
    dense = np.array([[1.0, 3.0, 3.0, 2.0, 3.0], [0.0, -1.0, 0.0, 5.0, 0.0]])
    rows, columns = np.nonzero(dense)
    matrix = counted_pairs(rows, columns, dense.shape)
    matrix.data[:] = dense[rows, columns]
    assert largest_in_rows(matrix, 2).toarray().tolist() == [[0, 3, 3, 0, 0], [0, 0, 0, 5, 0]]
    assert largest_in_rows(matrix, 4).toarray().tolist() == [[0, 3, 3, 2, 3], [0, 0, 0, 5, 0]]
    assert largest_in_rows(matrix, 2).indices.tolist() == [1, 2, 3]


def test_a_stored_zero_is_none_of_the_largest():
    matrix = counted_pairs(np.array([0, 0]), np.array([0, 1]), (1, 3))
    matrix.data[:] = [0.0, 2.0]
    assert largest_in_rows(matrix, 2).nnz == 1


GOOD = {"starts": [0, 2, 2, 4], "columns": [0, 3, 0, 1], "values": [1.0, 1.0, 1.0, 2.0]}


def _check(**changed):
    arrays = {name: np.array(value) for name, value in {**GOOD, **changed}.items()}
    check_parts("model.npz", "the counts", SparseParts(**arrays), (3, 4))


def test_arrays_that_describe_the_matrix_pass():
    _check()
    _check(starts=[0, 0, 0, 0], columns=np.array([], dtype=np.int64), values=[])


@pytest.mark.parametrize(
    "changed",
    [
        {"starts": [0, 2, 4]},
        {"starts": [1, 2, 2, 4]},
        {"starts": [0, 3, 2, 4]},
        {"starts": [0, 2, 2, 3]},
        {"starts": [[0, 2, 2, 4]]},
        {"starts": [0.0, 2.0, 2.0, 4.0]},
        {"columns": [0.0, 3.0, 0.0, 1.0]},
        {"columns": [0, 4, 0, 1]},
        {"columns": [0, 3, -1, 1]},
        {"columns": [0, 3, 0]},
        {"values": [1.0, 1.0, 1.0]},
    ],
)
def test_arrays_that_would_be_read_past_are_refused(changed):
    with pytest.raises(
        DamagedFile, match=r"model\.npz: the sparse arrays of the counts .*\(3, 4\)"
    ):
        _check(**changed)


def test_only_positive_values_are_among_the_largest():
    matrix = sp.csr_matrix(([0.25, -3.0, 0.5, 0.0], ([0] * 4, [0, 1, 2, 3])), shape=(1, 4))
    largest = largest_in_rows(matrix, 4)
    assert largest.indices.tolist() == [0, 2]
    assert largest.data.tolist() == [0.25, 0.5]


def test_a_matrix_keeps_its_shape_where_its_last_rows_and_columns_are_empty():
    counts = counted_pairs(np.array([0]), np.array([1]), (3, 4))
    assert counts.shape == (3, 4)
    assert counts.nnz == 1


def test_a_matrix_made_of_parts_shares_their_values():
    parts = parts_of(counted_pairs(np.array([0, 1]), np.array([1, 0]), (2, 2)))
    assert np.shares_memory(matrix_of(parts, (2, 2)).data, parts.values)
