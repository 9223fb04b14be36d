"""Ensembles and inverse gaps: by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models.exploration import EnsembleVotes, InverseGap, ensemble

# ensembles


def _votes(members):
    return _ensemble(np.array(members, dtype=np.float64)[:, None, :])


def _ensemble(members):
    return EnsembleVotes(members.mean(axis=0), lambda rows: members[:, rows], len(members))


def test_a_slot_is_shared_by_votes():
    # members prefer 0, 2, 2, 1; without 2 they prefer 0, 1, 0, 1
    how = _votes([[3, 1, 0], [0, 1, 2], [2, 1, 5], [0, 9, 1]])
    found = how.first(slice(0, 1), np.ones((1, 3), dtype=np.bool_))[0]
    assert found.tolist() == [0.25, 0.25, 0.5]
    left = how.first(slice(0, 1), np.array([[True, True, False]]))[0]
    assert left.tolist() == [0.5, 0.5, 0.0]


def test_a_member_without_a_preference_votes_for_the_lower_code():
    how = _votes([[1, 1, 1], [0, 2, 2]])
    assert how.probabilities(np.ones((1, 3), dtype=np.bool_))[0].tolist() == [0.5, 0.5, 0.0]


def test_each_slot_asks_a_member_of_its_own():
    # both orders of 0 and 1 after each other: one member for a whole slate could not say (0, 1, 2)
    members = np.array([[[3.0, 2.0, 1.0]] * 2, [[1.0, 2.0, 3.0]] * 2])
    slates = np.array([[0, 2, 1], [0, 1, 2]])
    found = _ensemble(members).propensities(np.ones((2, 3), dtype=np.bool_), slates)
    assert found.tolist() == [[0.5, 0.5, 1.0], [0.5, 0.5, 1.0]]


def test_rows_have_their_own_members():
    members = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    how = _ensemble(members)
    is_open = np.ones((2, 2), dtype=np.bool_)
    assert how.first(slice(0, 2), is_open).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert how.first(slice(1, 2), is_open[:1]).tolist() == [[0.5, 0.5]]


def test_a_long_batch_asks_its_members_part_by_part(rng, monkeypatch):
    members, asked = rng.normal(size=(5, 40, 3)), []

    def believed(rows):
        asked.append(rows.stop - rows.start)
        return members[:, rows]

    whole, is_open = _ensemble(members), rng.random((30, 3)) < 0.7
    expected = whole.first(slice(10, 40), is_open)
    monkeypatch.setattr(ensemble, "_NUMBERS_AT_ONCE", 5 * 3 * 8)
    parts = replace(whole, members=believed)
    np.testing.assert_array_equal(parts.first(slice(10, 40), is_open), expected)
    assert asked == [8, 8, 8, 6]
    assert (expected[~is_open] == 0).all()
    np.testing.assert_allclose(expected.sum(axis=1), is_open.any(axis=1), atol=1e-12)


# inverse gaps


def _gaps(values, gamma, is_open=None):
    values = np.array([values], dtype=np.float64)
    is_open = np.ones(values.shape, dtype=np.bool_) if is_open is None else np.array([is_open])
    return InverseGap(values, gamma).first(slice(0, 1), is_open)[0]


def test_gaps_by_hand():
    # gaps 0.5 and 1 from the best, gamma 10, 3 left: 1 / 8, 1 / 13 and what they leave
    expected = [1 / 8, 1 - 1 / 8 - 1 / 13, 1 / 13]
    assert _gaps([0.5, 1.0, 0.0], 10.0) == pytest.approx(expected)


def test_items_that_share_the_best_value_share_what_is_left():
    # one gap of 1, gamma 2, 3 left: 1 / 5; 4 / 5 for the two best
    assert _gaps([1.0, 0.0, 1.0], 2.0) == pytest.approx([0.4, 0.2, 0.4])


def test_a_closed_item_is_neither_drawn_nor_the_best():
    assert _gaps([9.0, 1.0, 0.0], 2.0, [False, True, True]) == pytest.approx([0, 0.75, 0.25])


def test_without_gamma_every_item_is_as_likely():
    assert _gaps([9.0, 1.0, 0.0, 4.0], 0.0) == pytest.approx([0.25] * 4)


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0, 1e9]), min_size=1, max_size=8),
    st.floats(0.0, 1e12),
)
def test_gaps_give_a_distribution_that_falls_with_the_gap(values, gamma):
    found = _gaps(values, gamma)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    assert (found > 0).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= -1e-12).all()
