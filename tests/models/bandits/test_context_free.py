"""Bandits that know nobody: indices and posteriors by hand, Exp3 against a straight loop."""

import math
import re

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from recloop.errors import InvalidParameter
from recloop.models import (
    BetaThompsonRecommender,
    EpsilonGreedyRecommender,
    Exp3Recommender,
    GaussianThompsonRecommender,
    KLUCBRecommender,
    UCB1Recommender,
)
from recloop.models.bandits import counts
from recloop.types import Transitions

NOBODY = np.array([0])


def _taught(model, *rows):
    for item, reward in rows:
        model.update(0, item, reward)
    return model


def test_scores_are_mean_rewards_and_the_best_is_shown():
    model = _taught(EpsilonGreedyRecommender(2, 3), (0, 1.0), (0, 0.0), (2, 0.75))
    assert model.scores(np.array([0, 1])).tolist() == [[0.5, 0.0, 0.75]] * 2
    # 0.1 / 3 and 0.9 for the best
    found = model.probabilities(NOBODY)[0]
    assert found == pytest.approx([0.1 / 3, 0.1 / 3, 0.9 + 0.1 / 3])


def test_every_row_leaves_a_share_of_all_counts():
    model = _taught(EpsilonGreedyRecommender(1, 2, discount=0.5), (0, 1.0), (1, 1.0), (0, 0.0))
    assert model.trials.tolist() == [1.25, 0.5]
    assert model.sums.tolist() == [0.25, 0.5]


def test_rows_count_by_their_weight():
    model = EpsilonGreedyRecommender(1, 2)
    model.update_batch(
        Transitions(np.zeros(2, int), np.zeros(2, int), np.array([1.0, 0.0]), weights=[3.0, 1.0])  # pyright: ignore[reportArgumentType]
    )
    assert model.scores(NOBODY)[0].tolist() == [0.75, 0.0]


def test_the_index_of_ucb1_by_hand():
    model = _taught(UCB1Recommender(1, 3), (0, 1.0), (0, 0.0), (1, 1.0))
    log_3 = math.log(3)
    index = model.acting_scores(NOBODY, None, None)[0]
    assert index[:2] == pytest.approx([0.5 + math.sqrt(2 * log_3 / 2), 1 + math.sqrt(2 * log_3)])
    assert index[2] == counts.NEVER_TRIED
    assert model.recommend(0, 3) == [2, 1, 0]


def test_the_index_of_kl_ucb_by_hand():
    # mean 0: -n ln(1 - q) = ln t, q = 1 - t^(-1/n); mean 1: q = 1
    model = _taught(KLUCBRecommender(1, 3), (0, 0.0), (0, 0.0), (1, 1.0))
    index = model.acting_scores(NOBODY, None, None)[0]
    assert index == pytest.approx([1 - 3**-0.5, 1.0, counts.NEVER_TRIED])


@pytest.mark.parametrize("c", [0.0, 3.0])
def test_the_index_of_kl_ucb_solves_its_equation(c, rng):
    trials = rng.integers(20, 200, size=20).astype(float)
    sums = trials * rng.uniform(0.01, 0.8, 20)
    log_t = math.log(trials.sum())
    budget = log_t + c * math.log(log_t)
    found = counts.kl_ucb(trials, sums, c)
    for n, s, q in zip(trials, sums, found, strict=True):
        p = s / n

        def excess(q, p=p, n=n):
            kl = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
            return n * kl - budget

        assert q == pytest.approx(brentq(excess, p, 1 - 1e-15), abs=1e-9)


def test_kl_ucb_lies_below_hoeffdings_bound(rng):
    # Pinsker: kl >= 2 (p - q)^2, so that the width is at most sqrt(ln t / 2 n)
    trials = rng.integers(1, 50, size=30).astype(float)
    sums = np.floor(trials * rng.random(30))
    assert (counts.kl_ucb(trials, sums, 0.0) <= counts.ucb1(trials, sums, 0.5) + 1e-12).all()


def test_divergences_at_the_ends():
    p, q = np.array([0.0, 1.0, 0.0, 0.5, 0.5]), np.array([0.5, 0.5, 0.0, 0.5, 1.0])
    found = counts.bernoulli_divergence(p, q)
    assert found == pytest.approx([math.log(2), math.log(2), 0.0, 0.0, math.inf])


def test_beta_posteriors_count_successes_and_failures():
    model = _taught(BetaThompsonRecommender(1, 2), (0, 1.0), (0, 1.0), (0, 0.0))
    # Beta(3, 2) and Beta(1, 1): means 0.6, 0.5; P(p_0 > p_1) = E[p_0]
    assert model.scores(NOBODY)[0] == pytest.approx([0.6, 0.5])
    assert model.probabilities(NOBODY)[0] == pytest.approx([0.6, 0.4])


def test_beta_priors_are_what_is_believed_at_the_start():
    model = BetaThompsonRecommender(1, 2, prior_successes=2.0, prior_failures=6.0)
    assert model.scores(NOBODY)[0].tolist() == [0.25, 0.25]


def test_gaussian_posteriors_shrink_to_the_prior():
    model = GaussianThompsonRecommender(1, 2, scale=2.0, prior_trials=4.0)
    _taught(model, *[(0, 3.0)] * 12)
    # N(36 / 16, 4 / 16) against N(0, 4 / 4)
    assert model.scores(NOBODY)[0] == pytest.approx([2.25, 0.0])
    chance = ndtr(2.25 / math.sqrt(0.25 + 1.0))
    assert model.probabilities(NOBODY)[0] == pytest.approx([chance, 1 - chance], rel=1e-8)


def test_gaussian_thompson_without_a_scale_begins_evenly():
    model = GaussianThompsonRecommender(1, 3, scale=0.0)
    assert model.probabilities(NOBODY)[0] == pytest.approx([1 / 3] * 3)


# Exp3


def _straight_exp3(rows, n_items, gamma):
    """As printed: w_a <- w_a exp(gamma r / (p_a n))."""
    weights = np.ones(n_items)
    for item, reward in rows:
        p = (1 - gamma) * weights[item] / weights.sum() + gamma / n_items
        weights[item] *= math.exp(gamma * reward / (p * n_items))
    return (1 - gamma) * weights / weights.sum() + gamma / n_items


def test_exp3_is_the_straight_loop(rng):
    rows = list(zip(rng.integers(4, size=80), rng.random(80), strict=True))
    model = _taught(Exp3Recommender(1, 4, epsilon=0.3), *rows)
    np.testing.assert_allclose(
        model.probabilities(NOBODY)[0], _straight_exp3(rows, 4, 0.3), atol=1e-12
    )
    assert model.scores(NOBODY).max() == 0.0


def test_exp3_divides_by_the_logged_propensity():
    model = Exp3Recommender(1, 2, epsilon=0.2)
    model.update_batch(Transitions(NOBODY, NOBODY, np.array([0.5]), propensities=np.array([0.25])))
    # eta 0.1, reward over propensity 2
    assert np.diff(model.log_weights) == pytest.approx([-0.2])


def test_exp3_without_propensities_shares_among_what_is_available():
    model = Exp3Recommender(1, 3, epsilon=0.3)
    model.log_weights = np.array([0.0, -800.0, -800.0])
    model.withdraw_items([0])
    chance = model.probabilities(NOBODY)[0, 1]
    assert chance == pytest.approx(0.5)
    model.update(0, 1, 1.0)
    assert model.log_weights[1] - model.log_weights[2] == pytest.approx(0.1 / chance)


def test_exp3_learns_from_a_warm_log_without_dividing_twice():
    # both items earn 1 always, item 1 was shown nine times as often: neither may gain
    n = 2000
    items = (np.arange(n) % 10 > 0).astype(int)
    rows = Transitions(
        np.zeros(n, int), items, np.ones(n), propensities=np.where(items == 1, 0.9, 0.1)
    )
    model = Exp3Recommender(1, 2, epsilon=0.01)
    model.warm_start(rows)
    assert model.log_weights == pytest.approx([0.0, 0.0], abs=1e-9)


def test_exp3_stays_finite_where_weights_are_far_apart():
    model = Exp3Recommender(1, 2, epsilon=0.2)
    n = 10_000
    model.update_batch(
        Transitions(np.zeros(n, int), np.zeros(n, int), np.ones(n), propensities=np.full(n, 1e-3))
    )
    assert model.probabilities(NOBODY)[0] == pytest.approx([0.9, 0.1])
    model.update(0, 1, 1.0)  # of probability 0.1: eta / p = 1
    assert np.isfinite(model.log_weights).all()


@pytest.mark.parametrize(
    ("model", "params", "message"),
    [
        (EpsilonGreedyRecommender, {"discount": 0.0}, "discount must be above 0 and at most 1"),
        (UCB1Recommender, {"c": -1.0}, "c must be a number of at least 0, got -1"),
        (KLUCBRecommender, {"c": np.inf}, "c must be a number of at least 0, got inf"),
        (BetaThompsonRecommender, {"prior_successes": 0}, "prior_successes must be a number above"),
        (
            BetaThompsonRecommender,
            {"prior_failures": -1},
            "prior_failures must be a number above 0",
        ),
        (GaussianThompsonRecommender, {"scale": -0.5}, "scale must be a number of at least 0"),
        (GaussianThompsonRecommender, {"prior_trials": 0}, "prior_trials must be a number above 0"),
        (Exp3Recommender, {"epsilon": 0.0}, "epsilon must be above 0 and at most 1, got 0"),
    ],
)
def test_bad_hyperparameters_are_refused(model, params, message):
    with pytest.raises(InvalidParameter, match=f"{model.__name__}: " + re.escape(message)):
        model(2, 3, **params)
