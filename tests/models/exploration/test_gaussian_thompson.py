"""Gaussian Thompson sampling: the chance of being the highest, against closed forms and scipy."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

from recloop.errors import InvalidParameter
from recloop.models.exploration import GaussianThompson
from recloop.models.registry import model_class
from recloop.testing import chi_square_p_value
from recloop.utils.seeding import stream

LARGEST_RELATIVE_ERROR = 1e-8


def _chances(means, deviations, **given):
    how = GaussianThompson(np.array([means]), np.array([deviations]), **given)
    return how.probabilities(np.ones((1, len(means)), dtype=np.bool_))[0]


def _by_quadrature(means, deviations):
    """The same by adaptive quadrature, cut wherever any of the densities changes."""
    means, deviations = np.array(means), np.array(deviations)
    found = []
    for item, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
        others = np.delete(np.arange(len(means)), item)

        def density(z, mean=mean, deviation=deviation, others=others):
            t = (z - mean) / deviation
            below = log_ndtr((z - means[others]) / deviations[others]).sum()
            return np.exp(-0.5 * t * t + below) / (deviation * np.sqrt(2 * np.pi))

        low, high = mean - 38 * deviation, mean + 38 * deviation
        steps = np.array([-30, -9, -5, -3, -2, -1, -0.4, 0, 0.4, 1, 2, 3, 5, 9, 30])
        cuts = (means[:, None] + deviations[:, None] * steps).ravel()
        ends = np.unique([low, high, *cuts[(cuts > low) & (cuts < high)]])
        pieces = [
            quad(density, *ends[i : i + 2], epsabs=0, epsrel=1e-11, limit=200)[0]
            for i in range(len(ends) - 1)
        ]
        found.append(sum(pieces))
    return np.array(found)


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize(
    ("means", "deviations"),
    [
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
        ([0.3, -0.2, 1.0, 0.0], [1.0, 2.0, 0.5, 0.1]),
        ([0.0, 1.0, 2.0], [1e-4, 1.0, 1e2]),
        ([0.5, 0.5001, 0.3, 0.2], [1e-4, 1e-4, 0.1, 1e-3]),
        ([0.0, 4.0, 4.5, -3.0, 1.0], [1.0, 0.01, 1.0, 3.0, 0.3]),
        ([1000.0, 1000.3, 999.0], [0.2, 0.001, 1.0]),
        (list(np.linspace(-1, 1, 12)), list(np.geomspace(1e-3, 1.0, 12))),
    ],
)
def test_chances_are_those_of_an_independent_quadrature(means, deviations):
    found, straight = _chances(means, deviations), _by_quadrature(means, deviations)
    assert found.sum() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(found, straight, rtol=0, atol=1e-9)
    likely = straight > 1e-30
    np.testing.assert_allclose(found[likely], straight[likely], rtol=1e-7)


@pytest.mark.parametrize("gap", [0.0, 0.1, 1.0, 3.0, 6.0, 12.0, 25.0])
@pytest.mark.parametrize("spreads", [(1.0, 1.0), (1.0, 0.01), (1e-5, 1.0), (3.0, 1e-8), (2.0, 0.5)])
def test_two_items_have_the_closed_form_far_into_the_tails(gap, spreads):
    first, second = spreads
    root = float(np.hypot(first, second))
    found = _chances([0.0, gap * root], [first, second])
    straight = ndtr([-gap, gap])
    np.testing.assert_allclose(found, straight, rtol=LARGEST_RELATIVE_ERROR)


def test_a_sharp_wall_anywhere_in_the_left_tail_has_the_closed_form():
    # one just left of where the integrand seemed to end was once left out, at a cost of 4e-9
    for depth in np.linspace(3.0, 9.0, 61):
        for sharp in (1e-2, 1e-4, 1e-7, 1e-9):
            found = _chances([0.0, -depth], [1.0, sharp])
            straight = ndtr(np.array([depth, -depth]) / np.hypot(1.0, sharp))
            np.testing.assert_allclose(found, straight, rtol=1e-10)


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("place", [0.0, 0.5, 100.0])
def test_narrow_items_beside_a_wide_one_keep_their_own_scale(gap, place):
    # N(place, 1e-6^2) and N(place + gap 1e-6, 2e-6^2); the third, wide one is never the highest
    means, deviations = [place, place + gap * 1e-6, -1e5], [1e-6, 2e-6, 1e3]
    exact_gap = (means[1] - means[0]) / 1e-6
    expected = ndtr(np.array([-exact_gap, exact_gap]) / np.sqrt(5.0))
    np.testing.assert_allclose(_chances(means, deviations)[:2], expected, rtol=0, atol=1e-10)


def _by_many_panels(means, deviations):
    """The same by fixed Gauss-Legendre panels, cut at 49 places around every item."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    steps = np.geomspace(0.25, 38.0, 24)
    steps = np.concatenate([-steps, [0.0], steps])
    means = means - means[np.argmax(means - 9 * deviations)]  # z is small where it must be exact
    low, high = (means - 9 * deviations).max(), (means + 9 * deviations).max()
    cuts = (means[:, None] + deviations[:, None] * steps).ravel()
    ends = np.unique([low, high, *cuts[(cuts > low) & (cuts < high)]])
    half = 0.5 * np.diff(ends)
    z = ((ends[:-1] + half)[:, None] + half[:, None] * nodes).ravel()
    t = (z - means[:, None]) / deviations[:, None]
    below = log_ndtr(t)
    values = np.exp(-0.5 * t * t + below.sum(axis=0) - below)
    return values @ (half[:, None] * weights).ravel() / (deviations * np.sqrt(2 * np.pi))


@pytest.mark.parametrize("n", [2, 5, 30, 100])
@pytest.mark.parametrize("seed", range(4))
def test_items_of_very_different_spread_sum_to_one_and_agree_with_many_panels(n, seed):
    rng = stream(seed, "spreads", str(n))
    for reach in (0.0, 1e-3, 1.0, 1e3):
        deviations = 10.0 ** rng.uniform(-6, 3, n)
        means = reach * rng.uniform(-9, 3, n)
        tied = rng.integers(n, size=n // 2)
        means[tied], deviations[tied] = means[tied[:1]], deviations[tied[:1]]
        found = _chances(means, deviations)
        assert found.sum() == pytest.approx(1.0, abs=1e-10)
        assert ((found > 0) & (found <= 1)).all()
        if n <= 30:
            straight = _by_many_panels(means, deviations)
            np.testing.assert_allclose(found, straight, rtol=0, atol=1e-10)
        for _ in range(20):  # the sum alone finds what is lost
            deviations = 10.0 ** rng.uniform(-6, 3, n)
            means = rng.uniform(-9, 3, n) * deviations[0]
            assert _chances(means, deviations).sum() == pytest.approx(1.0, abs=1e-10)


def test_equal_items_share_evenly():
    for n in (1, 2, 3, 10, 40):
        np.testing.assert_allclose(_chances([2.0] * n, [0.3] * n), 1.0 / n, rtol=1e-8)


@pytest.mark.parametrize("common", [0.0, 5.0, -1e6])
def test_without_any_deviation_equal_means_share_the_slot_and_are_drawn_so(common, rng):
    means = np.full((4000, 4), common)
    means[:, 2] -= 1.0
    for values, expected in ((means, [1 / 3, 1 / 3, 0, 1 / 3]), (means[:, [0, 1, 3]], [1 / 3] * 3)):
        how = GaussianThompson(np.ascontiguousarray(values), np.zeros(values.shape))
        everything = np.ones(values.shape, dtype=np.bool_)
        found = how.probabilities(everything[:1])[0]
        np.testing.assert_allclose(found, expected, atol=1e-9)
        drawn = how.slates(everything, 1, rng).items[:, 0]
        counts = np.bincount(drawn, minlength=len(expected))
        assert chi_square_p_value(counts, expected) > 0.001


def test_without_any_deviation_the_highest_mean_is_certain():
    np.testing.assert_allclose(_chances([1.0, 3.0, 2.0], [0.0] * 3), [0.0, 1.0, 0.0], atol=1e-12)


def test_an_item_without_deviation_is_a_wall_for_the_others():
    # N(0, 1) against the number 1
    found = _chances([0.0, 1.0], [1.0, 0.0])
    np.testing.assert_allclose(found, ndtr([-1.0, 1.0]), atol=1e-8)


def test_a_floor_is_added_to_every_item():
    found = _chances([0.0, 1.0], [1.0, 1.0], floor=0.2)
    expected = 0.1 + 0.8 * ndtr(np.array([-1.0, 1.0]) / np.sqrt(2.0))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("shift", [1e3, -1e7])
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_only_differences_in_units_of_the_deviations_count(shift, factor):
    means, deviations = np.array([0.25, -0.5, 0.75]), np.array([0.5, 1.0, 0.25])
    plain = _chances(means, deviations)
    np.testing.assert_allclose(_chances(means * factor, deviations * factor), plain, rtol=1e-8)
    np.testing.assert_allclose(_chances(means + shift, deviations), plain, rtol=1e-8)


@pytest.mark.parametrize(
    ("means", "deviations"),
    [
        ([0.0, 0.0], [0.0, 0.0]),
        ([1e-308, 0.0], [0.0, 0.0]),
        ([1.0, 0.5], [1e300, 1e-300]),
        ([1e300, -1e300], [1e300, 1.0]),
        ([1.7e308, -1.7e308], [0.0, 1.7e308]),
        ([5e-324, 0.0], [5e-324, 0.0]),
    ],
)
def test_numbers_at_the_ends_of_float64_have_chances(means, deviations):
    found = _chances(means, deviations)
    assert found.sum() == pytest.approx(1.0, abs=1e-9)
    assert ((found >= 0) & (found <= 1)).all()


def test_more_certainty_about_the_others_never_makes_a_lower_mean_likelier():
    wide = [_chances([0.0, 1.0], [spread, 0.5])[0] for spread in (2.0, 1.0, 0.5, 0.1)]
    assert sorted(wide, reverse=True) == wide


@pytest.mark.parametrize("name", ["lin_thompson", "logistic_thompson"])
def test_a_context_beyond_all_numbers_is_refused_and_does_not_search_for_ever(name):
    model = model_class(name)(1, 3, context_dim=2)
    with pytest.raises(InvalidParameter, match=r"context must be between -1e\+06 and 1e\+06"):
        model.decide(0, 2, context=np.full(2, 1e200))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(number):
    for means, deviations in ([[0.0, number]], [[1.0, 1.0]]), ([[0.0, 1.0]], [[1.0, number]]):
        with pytest.raises(InvalidParameter, match="means and deviations must be finite"):
            GaussianThompson(np.array(means), np.array(deviations))
