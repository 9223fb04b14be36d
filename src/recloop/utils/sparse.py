"""Matrices that are mostly zero, kept as the three plain arrays that a file can hold.

Compressed rows: row r has the columns columns[starts[r]:starts[r + 1]], in ascending order, and the
values that stand beside them.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recloop.errors import DamagedFile
from recloop.types import FloatArray, IntArray

SparseMatrix = Any
"""A `scipy.sparse.csr_matrix`; scipy's annotations do not follow its own arithmetic."""

IndexArray = NDArray[np.integer]


class SparseParts(NamedTuple):
    """The arrays of a matrix in compressed rows."""

    starts: IndexArray  # (n_rows + 1,)
    columns: IndexArray  # (n_stored,)
    values: FloatArray  # (n_stored,)


def counted_pairs(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> SparseMatrix:
    """How often each (row, column) occurs."""
    counts = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    counts.sort_indices()
    return counts


def parts_of(matrix: SparseMatrix) -> SparseParts:
    """The three arrays of `matrix`, not copied."""
    return SparseParts(matrix.indptr, matrix.indices, matrix.data)


def matrix_of(parts: SparseParts, shape: tuple[int, int]) -> SparseMatrix:
    """The matrix whose arrays are `parts`, not copied."""
    return sp.csr_matrix((parts.values, parts.columns, parts.starts), shape=shape, copy=False)


def chosen_rows(parts: SparseParts, rows: IntArray, n_columns: int) -> SparseMatrix:
    """The rows at `rows`, in that order: (len(rows), n_columns); cost grows with what they hold."""
    lengths = np.diff(parts.starts)[rows]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    places = np.repeat(parts.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
    picked = SparseParts(starts, parts.columns[places], parts.values[places])
    return matrix_of(picked, (len(rows), n_columns))


def largest_in_rows(matrix: SparseMatrix, k: int) -> SparseMatrix:
    """`matrix` with only the k largest positive values of each row; ties keep the lower column."""
    entries = matrix.tocoo()
    order = np.lexsort((entries.col, -entries.data, entries.row))
    rows, columns, values = entries.row[order], entries.col[order], entries.data[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = (place < k) & (values > 0)
    largest = sp.csr_matrix((values[kept], (rows[kept], columns[kept])), shape=matrix.shape)
    largest.sort_indices()
    return largest


def check_parts(path: str | Path, owner: str, parts: SparseParts, shape: tuple[int, int]) -> None:
    """Refuse arrays that do not describe one matrix of that shape: they would be read past."""
    starts, columns, values = parts
    n_rows, n_columns = shape
    whole = (
        all(np.issubdtype(array.dtype, np.integer) for array in (starts, columns))
        and starts.shape == (n_rows + 1,)
        and columns.shape == values.shape
        and starts[0] == 0
        and starts[-1] == len(columns)
        and bool((np.diff(starts) >= 0).all())
        and (len(columns) == 0 or (columns.min() >= 0 and columns.max() < n_columns))
    )
    if not whole:
        raise DamagedFile(
            f"{path}: the sparse arrays of {owner} (starts {starts.shape}, columns "
            f"{columns.shape}, values {values.shape}) do not describe a matrix of shape {shape}."
        )
