"""Packed symmetric matrices: against plain numpy, and bit-equal wherever a row stands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models import packed
from recloop.utils.seeding import stream

WIDTHS = st.integers(1, 9)
SEEDS = st.integers(0, 1000)


def _symmetric(rng, n, width):
    half = rng.normal(size=(n, width, width))
    return half + np.swapaxes(half, -1, -2)


def _positive(rng, n, width):
    half = rng.normal(size=(n, width, width))
    return half @ np.swapaxes(half, -1, -2) + np.eye(width)


def test_a_packed_matrix_is_its_upper_triangle_row_by_row():
    matrix = np.array([[[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]])
    assert packed.packed(matrix).tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
    assert packed.packed_size(3) == 6


@given(st.integers(0, 4), WIDTHS, SEEDS)
def test_packing_and_unpacking_loses_nothing(n, width, seed):
    matrices = _symmetric(stream(seed, "packing"), n, width)
    rows = packed.packed(matrices)
    assert rows.shape == (n, packed.packed_size(width))
    np.testing.assert_array_equal(packed.unpacked(rows, width), matrices)


def test_packed_storage_needs_at_most_six_tenths_of_full_matrices():
    assert packed.packed_size(32) <= 0.6 * 32 * 32


def test_identities_are_scaled():
    assert packed.identities(2, 2, 0.5).tolist() == [[0.5, 0.0, 0.5]] * 2


@given(st.integers(1, 5), WIDTHS, SEEDS)
def test_inverses_are_numpys(n, width, seed):
    matrices = _positive(stream(seed, "inverses"), n, width)
    found = packed.unpacked(packed.inverses(packed.packed(matrices), width), width)
    np.testing.assert_allclose(found, np.linalg.inv(matrices), rtol=1e-9, atol=1e-12)


def test_no_matrix_has_no_inverse():
    assert packed.inverses(np.empty((0, 6)), 3).shape == (0, 6)


@given(st.integers(1, 9), st.integers(1, 9), WIDTHS, SEEDS)
def test_quadratic_forms_are_those_of_the_full_matrices(n_rows, n, width, seed):
    rng = stream(seed, "forms")
    matrices, contexts = _symmetric(rng, n, width), rng.normal(size=(n_rows, width))
    found = packed.quadratic_forms(packed.packed(matrices), contexts)
    straight = np.einsum("bi,nij,bj->bn", contexts, matrices, contexts)
    np.testing.assert_allclose(found, straight, rtol=1e-12, atol=1e-12)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 40), SEEDS)
def test_all_products_are_the_matrix_product(n_left, n_right, width, seed):
    rng = stream(seed, "products")
    left, right = rng.normal(size=(n_left, width)), rng.normal(size=(n_right, width))
    found = packed.all_products(left, right)
    assert found.shape == (n_left, n_right)
    np.testing.assert_allclose(found, left @ right.T, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("width", [1, 3, 8, 33, 136])
def test_a_product_depends_on_its_two_rows_alone_bit_by_bit(rng, width):
    left, right = rng.normal(size=(11, width)), rng.normal(size=(13, width))
    together = packed.all_products(left, right)
    for b in range(11):
        np.testing.assert_array_equal(packed.all_products(left[b : b + 1], right)[0], together[b])
    for n in range(13):
        alone = packed.all_products(left, right[n : n + 1])[:, 0]
        np.testing.assert_array_equal(alone, together[:, n])
    np.testing.assert_array_equal(packed.all_products(left[::-1], right)[::-1], together)
    np.testing.assert_array_equal(packed.all_products(left[2:9], right[5:]), together[2:9, 5:])


@pytest.mark.parametrize("n", [5, 6, 7, 8, 101])
def test_equal_matrices_tie_exactly(rng, n):
    rows = np.tile(packed.packed(_positive(rng, 1, 7)), (n, 1))
    forms = packed.quadratic_forms(rows, rng.normal(size=(6, 7)))
    np.testing.assert_array_equal(forms, np.repeat(forms[:, :1], n, axis=1))


def test_products_leave_what_they_are_given(rng):
    left, right = rng.normal(size=(3, 5)), rng.normal(size=(5, 5))
    before = left.copy(), right.copy()
    packed.all_products(left, right)
    np.testing.assert_array_equal(left, before[0])
    np.testing.assert_array_equal(right, before[1])


@given(WIDTHS, SEEDS)
def test_a_packed_matrix_times_a_vector_is_the_full_one(width, seed):
    rng = stream(seed, "vector")
    matrices, vector = _symmetric(rng, 1, width), rng.normal(size=width)
    result = np.full(width, 7.0)  # is overwritten
    packed.times_vector(packed.packed(matrices)[0], vector, result)
    np.testing.assert_allclose(result, matrices[0] @ vector, rtol=1e-12, atol=1e-12)


@given(WIDTHS, SEEDS, st.floats(-2.0, 2.0))
def test_an_outer_product_is_added(width, seed, weight):
    rng = stream(seed, "outer")
    matrices, vector = _symmetric(rng, 1, width), rng.normal(size=width)
    row = packed.packed(matrices)[0]
    packed.add_outer(row, vector, weight)
    straight = matrices[0] + weight * np.outer(vector, vector)
    np.testing.assert_allclose(packed.unpacked(row[None], width)[0], straight, atol=1e-13)


@given(WIDTHS, SEEDS, st.floats(0.0, 5.0), st.integers(1, 20))
def test_rows_that_join_and_leave_keep_the_inverse_that_of_the_evidence(width, seed, weight, n):
    rng = stream(seed, "rows")
    start, work = _positive(rng, 1, width), np.empty(width)
    contexts = rng.normal(size=(n, width))
    evidence = packed.packed(start)[0]
    inverse = packed.inverses(evidence[None], width)[0]
    for context in contexts:
        packed.add_row(evidence, inverse, context, weight, work)
    straight = start[0] + weight * contexts.T @ contexts
    np.testing.assert_allclose(packed.unpacked(evidence[None], width)[0], straight, rtol=1e-11)
    found = packed.unpacked(inverse[None], width)[0]
    np.testing.assert_allclose(found, np.linalg.inv(straight), rtol=1e-7, atol=1e-11)
    for context in contexts:
        packed.add_row(evidence, inverse, context, -weight, work)
    found = packed.unpacked(inverse[None], width)[0]
    np.testing.assert_allclose(found, np.linalg.inv(start[0]), rtol=1e-6, atol=1e-9)


def test_a_row_that_all_hangs_on_is_taken_out_of_the_evidence_alone():
    """1 - 1e6 / (1 + 1e6): six of sixteen digits of 1 are left, the square of it is none."""
    evidence, inverse, work = np.array([1.0 + 1e6]), np.array([1.0 / (1.0 + 1e6)]), np.empty(1)
    before = inverse.copy()
    assert not packed.add_row(evidence, inverse, np.array([1e3]), -1.0, work)
    assert evidence.tolist() == [1.0]
    np.testing.assert_array_equal(inverse, before)
    assert packed.add_row(np.array([2.0]), np.array([0.5]), np.ones(1), -1.0, work)


def test_solutions_are_those_of_the_linear_systems(rng):
    matrices, sums = _positive(rng, 6, 4), rng.normal(size=(6, 4))
    inverse = packed.inverses(packed.packed(matrices), 4)
    straight = np.linalg.solve(matrices, sums[:, :, None])[:, :, 0]
    np.testing.assert_allclose(packed.solutions(inverse, sums), straight, rtol=1e-10)


def test_an_inverse_is_due_after_its_ten_thousandth_update():
    assert packed.due(np.array([0, 9_999, 10_000, 10_001])).tolist() == [2, 3]
