"""Beta Thompson sampling: the chance of being the highest, against closed forms and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betainc, betaincinv, expit
from scipy.stats import beta

from recloop.models.exploration.beta_thompson import BetaThompson, chances_of_best
from recloop.utils.seeding import stream


def _chances(successes, failures):
    return chances_of_best(np.array(successes, float), np.array(failures, float))


def _second_is_higher(a_1, b_1, a_2, b_2):
    """P(p_2 > p_1) of integer parameters, a finite sum of positive terms by products."""
    term = math.prod((b_1 + j) / (a_1 + b_1 + j) for j in range(b_2))
    total = 0.0
    for i in range(a_2):
        total += term
        term *= (a_1 + i) / (a_1 + b_1 + b_2 + i) * (b_2 + i) / (i + 1)
    return total


WHOLE = st.integers(1, 60)


@given(WHOLE, WHOLE, WHOLE, WHOLE)
def test_two_items_with_whole_parameters_have_the_closed_form(a_1, b_1, a_2, b_2):
    second = _second_is_higher(a_1, b_1, a_2, b_2)
    found = _chances([a_1, a_2], [b_1, b_2])
    np.testing.assert_allclose(found, [1.0 - second, second], rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((5000, 5000), (1, 1)),
        ((1_000_000, 1_000_000), (1, 1)),
        ((1, 1), (7, 90_000)),
        ((300, 100_000), (2, 500)),
        ((300_000, 100_000_000), (2, 500)),
        ((1, 40), (40, 1)),
    ],
)
def test_narrow_and_wide_posteriors_have_the_closed_form(first, second):
    higher = _second_is_higher(*first, *second)
    found = _chances([first[0], second[0]], [first[1], second[1]])
    np.testing.assert_allclose(found, [1.0 - higher, higher], rtol=0, atol=1e-11)


def _in_probability_space(a, b):
    """E[prod F_i(F_a^-1(u))] over uniform u by many panels: no density, no logit, no polynomial."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    steps = np.geomspace(0.25, 40.0, 20)
    steps = np.concatenate([-steps, [0.0], steps])
    t = (np.log(a / b)[:, None] + np.sqrt(1.0 / a + 1.0 / b)[:, None] * steps).ravel()
    found = []
    for item in range(len(a)):
        ends = np.unique(np.clip([0.0, *betainc(a[item], b[item], expit(t)), 1.0], 1e-40, 1.0))
        half = 0.5 * np.diff(ends)
        u = (ends[:-1] + half)[:, None] + half[:, None] * nodes
        p = betaincinv(a[item], b[item], u)
        others = np.delete(np.arange(len(a)), item)
        below = np.prod([betainc(a[i], b[i], p) for i in others], axis=0)
        found.append((below @ weights * half).sum())
    return np.array(found)


@pytest.mark.parametrize(
    ("successes", "failures"),
    [
        ([1.0, 1e5, 1000.0], [1.0, 1e5, 1001.0]),
        ([0.01, 0.5, 3.0], [1.0, 2.0, 3.0]),
        ([1e5, 1e5 + 300, 50.0, 1.0], [1e5, 1e5, 48.0, 1.0]),
        ([0.01, 1.0, 20.0, 400.0], [1.0, 1.0, 200.0, 3900.0]),
        (list(np.geomspace(1, 1e5, 12)), list(np.geomspace(1.2, 1.01e5, 12))),
    ],
)
def test_counts_of_any_size_side_by_side_agree_with_the_integral_over_probabilities(
    successes, failures
):
    found = _chances(successes, failures)
    straight = _in_probability_space(np.array(successes), np.array(failures))
    np.testing.assert_allclose(found, straight, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_a_hundred_items_of_any_counts_have_chances_that_sum_to_one(seed):
    rng = stream(seed, "counts")
    for low, high in ((0, 5), (-2, 2), (-2, 5), (2, 5)):
        a, b = 10.0 ** rng.uniform(low, high, (2, 100))
        tied = rng.integers(100, size=30)
        a[tied], b[tied] = a[tied[0]], b[tied[0]]
        found = _chances(a, b)
        assert found.sum() == pytest.approx(1.0, abs=1e-10)
        assert ((found > 0) & (found <= 1)).all()
        np.testing.assert_allclose(found[tied], found[tied[0]], rtol=1e-13)


def test_by_hand():
    # p_1 uniform, p_2 with density 2 p: P(p_2 > p_1) = E[p_2] = 2 / 3
    np.testing.assert_allclose(_chances([1, 2], [1, 1]), [1 / 3, 2 / 3], atol=1e-12)


@pytest.mark.parametrize(
    ("successes", "failures"),
    [
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
        ([0.5, 3.2, 7.0], [0.5, 2.5, 9.1]),
        ([2000.0, 30.0, 1.0], [60_000.0, 1000.0, 1.0]),
        ([50.0, 48.0, 3.0, 1.0], [950.0, 900.0, 40.0, 20.0]),
    ],
)
def test_more_items_are_those_of_an_independent_quadrature(successes, failures):
    found = _chances(successes, failures)
    laws = [beta(a, b) for a, b in zip(successes, failures, strict=True)]
    for item, law in enumerate(laws):
        others = laws[:item] + laws[item + 1 :]

        def density(p, law=law, others=others):
            return law.pdf(p) * np.prod([other.cdf(p) for other in others])

        cuts = np.unique(
            np.concatenate(
                [law.ppf([0, 1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9, 1]) for law in laws]
            )
        )
        straight = sum(
            quad(density, *cuts[i : i + 2], epsabs=1e-13)[0] for i in range(len(cuts) - 1)
        )
        assert found[item] == pytest.approx(straight, abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_equal_items_share_evenly(n):
    np.testing.assert_allclose(_chances([3.0] * n, [50.0] * n), 1.0 / n, rtol=1e-9)


@pytest.mark.parametrize("sizes", [(0.01, 0.02), (0.1, 0.2), (1.0, 2.0), (1e4, 2e4), (1e7, 2e7)])
def test_powers_of_uniforms_have_their_closed_form(sizes):
    # Beta(a, 1) is U^(1 / a): P(first > second) = a_1 / (a_1 + a_2)
    np.testing.assert_allclose(_chances(sizes, [1.0, 1.0]), [1 / 3, 2 / 3], atol=1e-10)


def test_an_item_that_cannot_win_has_next_to_no_chance():
    found = _chances([1.0, 1e6], [1e6, 1.0])
    assert found[0] < 1e-20
    assert found[1] == pytest.approx(1.0)


def test_what_is_left_has_chances_of_its_own():
    a, b = np.array([5.0, 1.0, 2.0]), np.array([5.0, 1.0, 1.0])
    how = BetaThompson(np.tile(a / (a + b), (3, 1)), a, b)
    is_open = np.array([[False, True, True], [True, False, False], [False, True, True]])
    found = how.first(slice(0, 3), is_open)
    np.testing.assert_allclose(found, [[0, 1 / 3, 2 / 3], [1, 0, 0], [0, 1 / 3, 2 / 3]], atol=1e-12)
