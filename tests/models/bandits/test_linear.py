"""Linear bandits: against the textbook, exact after a million rows, forgetting and priors."""

import re

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import (
    LinEpsilonGreedyRecommender,
    LinSquareCBRecommender,
    LinThompsonRecommender,
    LinUCBRecommender,
)
from recloop.models.packed import unpacked
from recloop.types import Transitions
from recloop.utils.files import load_arrays, save_arrays
from recloop.utils.seeding import stream

POLICIES = (
    LinEpsilonGreedyRecommender,
    LinSquareCBRecommender,
    LinThompsonRecommender,
    LinUCBRecommender,
)
every_policy = pytest.mark.parametrize("policy", POLICIES)


def _rows(rng, n_rows, n_items, width, **more):
    return Transitions(
        users=np.zeros(n_rows, dtype=np.int64),
        items=rng.integers(n_items, size=n_rows),
        rewards=rng.normal(size=n_rows),
        contexts=rng.normal(size=(n_rows, width)),
        **more,
    )


def _straight(rows, n_items, width, regularization=1.0):
    """A and b of every item by plain sums."""
    evidence = np.tile(regularization * np.eye(width), (n_items, 1, 1))
    sums = np.zeros((n_items, width))
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    for item, x, r, w in zip(rows.items, rows.contexts, rows.rewards, weights, strict=True):
        evidence[item] += w * np.outer(x, x)
        sums[item] += w * r * x
    return evidence, sums


def _agrees(model, evidence, sums, tolerance=1e-10):
    width = model.context_dim
    np.testing.assert_allclose(unpacked(model.evidence, width), evidence, rtol=0, atol=tolerance)
    np.testing.assert_allclose(model.reward_sums, sums, rtol=0, atol=tolerance)
    inverse = np.linalg.inv(evidence)
    np.testing.assert_allclose(unpacked(model.inverse, width), inverse, rtol=0, atol=tolerance)
    theta = np.matmul(inverse, sums[:, :, None])[:, :, 0]
    np.testing.assert_allclose(model.weights, theta, rtol=0, atol=tolerance)


# against the textbook


def _textbook_rounds(n_rounds, n_items, width, alpha, regularization, seed):
    """LinUCB as printed: the inverse anew in each round; the model must choose the same items."""
    rng = stream(seed, "textbook")
    truth = rng.normal(size=(n_items, width)) / np.sqrt(width)
    model = LinUCBRecommender(
        1, n_items, alpha=alpha, regularization=regularization, context_dim=width
    )
    evidence = np.tile(regularization * np.eye(width), (n_items, 1, 1))
    sums, inverse = (
        np.zeros((n_items, width)),
        np.tile(np.eye(width) / regularization, (n_items, 1, 1)),
    )
    theta = np.zeros((n_items, width))
    for number in range(n_rounds):
        x = rng.normal(size=width) / np.sqrt(width)
        upper = theta @ x + alpha * np.sqrt(np.einsum("i,nij,j->n", x, inverse, x))
        found = model.recommend(0, 1, context=x)[0]
        best = np.flatnonzero(upper >= upper.max() - 1e-12)
        assert found == best[0], f"round {number}"
        reward = truth[found] @ x + 0.3 * rng.normal()
        model.update(0, found, reward, context=x)
        evidence[found] += np.outer(x, x)
        sums[found] += reward * x
        inverse[found] = np.linalg.inv(evidence[found])
        theta[found] = inverse[found] @ sums[found]


@pytest.mark.parametrize(
    ("n_items", "width", "alpha", "regularization"),
    [(5, 3, 1.0, 1.0), (17, 6, 0.3, 10.0), (10, 1, 2.0, 0.1), (4, 12, 0.0, 1.0)],
)
def test_lin_ucb_chooses_as_the_textbook_over_two_thousand_rounds(
    n_items, width, alpha, regularization
):
    _textbook_rounds(2000, n_items, width, alpha, regularization, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("n_items", "width", "alpha", "regularization"),
    [(20, 8, 1.0, 1.0), (9, 5, 0.2, 10.0), (30, 16, 3.0, 0.5)],
)
def test_lin_ucb_chooses_as_the_textbook_over_twenty_thousand_rounds(
    n_items, width, alpha, regularization, seed
):
    _textbook_rounds(20_000, n_items, width, alpha, regularization, seed)


@every_policy
@pytest.mark.parametrize("regularization", [0.1, 1.0, 10.0])
def test_every_policy_keeps_plain_sums(policy, regularization, rng):
    rows = _rows(rng, 300, 4, 5, weights=rng.uniform(0.0, 3.0, 300))
    model = policy(1, 4, context_dim=5, regularization=regularization)
    model.update_batch(rows)
    _agrees(model, *_straight(rows, 4, 5, regularization))


def test_by_hand():
    # one row x = (1, 1), r = 3, lambda = 1: A = [[2, 1], [1, 2]], b = (3, 3), theta = (1, 1)
    model = LinUCBRecommender(1, 2, context_dim=2, alpha=2.0)
    model.update(0, 0, 3.0, context=np.array([1.0, 1.0]))
    moment = np.array([[1.0, 0.0]])
    assert model.scores([0], context=moment)[0] == pytest.approx([1.0, 0.0])
    # x^T A^-1 x = 2 / 3; a cold arm 1
    assert model.deviations([0], context=moment)[0] == pytest.approx([np.sqrt(2 / 3), 1.0])
    upper = model.acting_scores(np.array([0]), moment, None)[0]
    assert upper == pytest.approx([1.0 + 2 * np.sqrt(2 / 3), 2.0])
    assert model.recommend(0, 2, context=moment[0]) == [0, 1]


@pytest.mark.parametrize("regularization", [0.01, 1.0, 10.0, 100.0])
def test_a_cold_arm_has_the_deviation_of_its_prior(regularization, rng):
    model = LinUCBRecommender(1, 3, context_dim=4, regularization=regularization)
    model.update_batch(_rows(rng, 50, 1, 4))  # the first item alone
    contexts = rng.normal(size=(6, 4))
    cold = model.deviations(np.zeros(6, dtype=int), context=contexts)[:, 1:]
    expected = np.linalg.norm(contexts, axis=1) / np.sqrt(regularization)
    np.testing.assert_allclose(cold, np.repeat(expected[:, None], 2, axis=1), rtol=1e-14)


def test_arms_that_know_nothing_tie_and_the_first_is_shown(rng):
    model = LinUCBRecommender(1, 103, context_dim=7)
    for x in rng.normal(size=(50, 7)):
        decision = model.decide(0, 3, context=x)
        assert decision.items.tolist() == [0, 1, 2]
        assert decision.propensities.tolist() == [1.0, 1.0, 1.0]


# numbers after many rows


def _unit(rng, n, width):
    x = rng.normal(size=(n, width))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _scaled(rng, n, width):
    return rng.normal(size=(n, width)) * np.geomspace(1.0, 1e-3, width)


def _collinear(rng, n, width):
    codes = np.eye(width - 1)[rng.integers(width - 1, size=n)]
    return np.concatenate([np.ones((n, 1)), codes], axis=1)


CONTEXTS = {"unit": _unit, "scaled": _scaled, "collinear": _collinear}


def _stays_exact(policy, kind, regularization, n_rows, n_items=3, width=6):
    rng = stream(0, "many rows", kind)
    model = policy(1, n_items, context_dim=width, regularization=regularization)
    start = 0
    while start < n_rows:
        n = min(100_000, n_rows - start)
        contexts = CONTEXTS[kind](rng, n, width)
        model.update_batch(
            Transitions(
                users=np.zeros(n, dtype=np.int64),
                items=rng.integers(n_items - 1, size=n),  # the last arm stays cold
                rewards=rng.normal(size=n),
                contexts=contexts,
            )
        )
        start += n
    evidence, inverse = unpacked(model.evidence, width), unpacked(model.inverse, width)
    product = evidence @ inverse
    np.testing.assert_allclose(product, np.tile(np.eye(width), (n_items, 1, 1)), rtol=0, atol=1e-8)
    moments = CONTEXTS[kind](rng, 50, width)
    squared = model.deviations(np.zeros(50, dtype=int), context=moments) ** 2
    solved = np.linalg.solve(evidence, np.tile(moments.T, (n_items, 1, 1)))
    exact = np.einsum("bi,nib->bn", moments, solved)
    assert (squared >= 0).all()
    np.testing.assert_allclose(squared, exact, rtol=0.01)
    cold = (moments**2).sum(axis=1) / regularization
    np.testing.assert_allclose(squared[:, -1], cold, rtol=1e-12)


@every_policy
@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("regularization", [1.0, 10.0])
def test_evidence_times_inverse_is_one_after_twenty_thousand_rows(policy, kind, regularization):
    _stays_exact(policy, kind, regularization, 20_000)


@pytest.mark.slow
@every_policy
@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("regularization", [1.0, 10.0])
def test_evidence_times_inverse_is_one_after_a_million_rows(policy, kind, regularization):
    _stays_exact(policy, kind, regularization, 1_000_000)


def test_an_inverse_is_made_afresh_after_ten_thousand_rows_of_its_arm(rng):
    rows = _rows(rng, 10_001, 1, 3)
    model = LinUCBRecommender(1, 2, context_dim=3)
    model.update_batch(rows.rows(slice(0, 9_999)))
    assert model.n_updates.tolist() == [9_999, 0]
    model.update_batch(rows.rows(slice(9_999, 10_001)))
    assert model.n_updates.tolist() == [1, 0]


# forgetting


def _faded(rows, n_items, width, discount, every, regularization):
    """The straight loop: all items fade together, `every` rows at once."""
    prior = np.tile(regularization * np.eye(width), (n_items, 1, 1))
    evidence, sums = prior.copy(), np.zeros((n_items, width))
    for number, (item, x, r) in enumerate(
        zip(rows.items, rows.contexts, rows.rewards, strict=True), start=1
    ):
        evidence[item] += np.outer(x, x)
        sums[item] += r * x
        if number % every == 0:
            kept = discount**every
            evidence = kept * evidence + (1.0 - kept) * prior
            sums = kept * sums
    return evidence, sums


@every_policy
@pytest.mark.parametrize(("discount", "every"), [(0.9, 1), (0.98, 1), (0.995, 2), (0.999, 10)])
def test_discounted_evidence_returns_to_the_prior(policy, discount, every, rng):
    rows = _rows(rng, 157, 3, 4)
    model = policy(1, 3, context_dim=4, discount=discount, regularization=2.0)
    assert model._fades_every() == every
    for start in (0, 1, 33, 34, 100):  # batches that begin and end between two fadings
        stop = {0: 1, 1: 33, 33: 34, 34: 100, 100: 157}[start]
        model.update_batch(rows.rows(slice(start, stop)))
    _agrees(model, *_faded(rows, 3, 4, discount, every, 2.0))


def test_fading_at_once_differs_from_every_row_by_a_hundredth_at_most(rng):
    rows = _rows(rng, 500, 2, 3)
    model = LinUCBRecommender(1, 2, context_dim=3, discount=0.999)
    model.update_batch(rows)
    straight = _faded(rows, 2, 3, 0.999, 1, 1.0)[0]
    found = unpacked(model.evidence, 3)
    for arm in range(2):
        assert np.linalg.norm(found[arm] - straight[arm]) < 0.01 * np.linalg.norm(straight[arm])


def test_a_direction_that_is_no_longer_seen_becomes_as_uncertain_as_at_the_start(rng):
    model = LinUCBRecommender(1, 1, context_dim=2, discount=0.9, regularization=4.0)
    seen, unseen = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    n = 400
    model.update_batch(
        Transitions(
            np.zeros(n, int), np.zeros(n, int), np.ones(n), contexts=np.repeat(unseen, n, 0)
        )
    )
    model.update_batch(
        Transitions(np.zeros(n, int), np.zeros(n, int), np.ones(n), contexts=np.repeat(seen, n, 0))
    )
    assert model.deviations([0], context=unseen)[0, 0] == pytest.approx(0.5)
    # sum of 0.9^j, j = 1, 2, ... is 9
    assert model.deviations([0], context=seen)[0, 0] == pytest.approx(1 / np.sqrt(4 + 9))


@every_policy
@pytest.mark.parametrize(("window", "n_rows"), [(1, 40), (20, 13), (20, 300), (64, 2000)])
@pytest.mark.parametrize("regularization", [0.1, 1.0, 10.0])
def test_a_window_knows_its_last_rows_alone(policy, window, n_rows, regularization, rng):
    rows = _rows(rng, n_rows, 3, 4, weights=rng.uniform(0.5, 2.0, n_rows))
    model = policy(1, 3, context_dim=4, window=window, regularization=regularization)
    for start in range(0, n_rows, 37):
        model.update_batch(rows.rows(slice(start, min(start + 37, n_rows))))
    last = rows.rows(slice(max(0, n_rows - window), n_rows))
    _agrees(model, *_straight(last, 3, 4, regularization), tolerance=1e-8)
    only = policy(1, 3, context_dim=4, regularization=regularization)
    only.update_batch(last)
    moments = rng.normal(size=(5, 4))
    users = np.zeros(5, dtype=int)
    np.testing.assert_allclose(
        model.scores(users, context=moments), only.scores(users, context=moments), atol=1e-8
    )


@every_policy
@pytest.mark.parametrize("size", [1e3, 1e5, 1e6])
def test_a_window_forgets_large_contexts_without_a_trace(policy, size, rng):
    """What a row of 10^12 adds to A and takes out again would leave its rounding behind."""
    rows = _rows(rng, 410, 3, 5)
    rows.contexts[:400:7] = np.clip(rows.contexts[:400:7] * size, -1e6, 1e6)
    model, by_row = (policy(1, 3, context_dim=5, window=10) for _ in range(2))
    model.update_batch(rows)
    for row in range(410):
        by_row.update_batch(rows.rows(slice(row, row + 1)))
    _agrees(model, *_straight(rows.rows(slice(400, 410)), 3, 5), tolerance=1e-10)
    for name in ("evidence", "inverse", "reward_sums", "weights"):
        np.testing.assert_array_equal(getattr(model, name), getattr(by_row, name))


def test_a_window_that_is_mended_keeps_weights_priors_and_forgotten_items(rng):
    rows = _rows(rng, 60, 3, 4, weights=rng.uniform(0.5, 2.0, 60))
    rows.contexts[:50] *= 1e4
    model = LinUCBRecommender(1, 3, context_dim=4, window=10, regularization=2.0)
    model.fit_prior(rng.normal(size=(3, 2)))
    model.prior_means[:] = rng.normal(size=(3, 4))
    model.update_batch(rows.rows(slice(0, 50)))
    model.forget_items([1])
    model.update_batch(rows.rows(slice(50, 60)))
    evidence, sums = _straight(rows.rows(slice(50, 60)), 3, 4, regularization=2.0)
    _agrees(model, evidence, sums + 2.0 * model.prior_means, tolerance=1e-9)


# item features


def test_a_new_item_with_features_predicts_better_than_a_cold_one(rng):
    n_known, n_new, width, n_features = 60, 20, 3, 2
    features = np.column_stack([np.ones(n_known + n_new), rng.normal(size=(n_known + n_new, 2))])
    truth = features @ rng.normal(size=(3, width))
    model = LinUCBRecommender(1, n_known, context_dim=width)
    n = 3000
    rows = _rows(rng, n, n_known, width)
    rewards = (truth[rows.items] * rows.contexts).sum(axis=1) + 0.1 * rng.normal(size=n)
    model.update_batch(Transitions(rows.users, rows.items, rewards, contexts=rows.contexts))
    model.fit_prior(features[:n_known])
    warm = model.add_items(n_new, features[n_known:])
    cold = model.add_items(n_new)
    moments = rng.normal(size=(200, width))
    found = model.scores(np.zeros(200, dtype=int), context=moments)
    wanted = moments @ truth[n_known:].T
    error = np.mean((found[:, warm] - wanted) ** 2)
    assert error < 0.05 * np.mean((found[:, cold] - wanted) ** 2)
    assert (found[:, cold] == 0).all()
    spread = model.deviations([0], context=moments[:1])[0]
    np.testing.assert_allclose(spread[warm], np.linalg.norm(moments[0]), rtol=1e-12)
    assert model.prior_map.shape == (n_features + 1, width)


def test_a_prior_is_ridge_weighted_by_how_much_of_each_item_is_known(rng):
    model = LinUCBRecommender(1, 3, context_dim=1, regularization=2.0)
    for item, n, reward in ((0, 1, 1.0), (1, 6, 2.0)):
        for _ in range(n):
            model.update(0, item, reward, context=np.ones(1))
    # A = 3, 8, 2: theta = 1/3, 12/8, 0, of which 1/3, 3/4 and nothing is known. On the feature
    # (1, 2, 5): sum k f theta = 1/9 + 9/4, sum k f f = 1/3 + 3, and 0.5 on the diagonal
    model.fit_prior(np.array([[1.0], [2.0], [5.0]]), regularization=0.5)
    slope = (1 / 9 + 9 / 4) / (1 / 3 + 3 + 0.5)
    assert model.prior_map == pytest.approx(np.array([[slope]]))
    expected = [(1 + 2 * slope) / 3, (12 + 4 * slope) / 8, 5 * slope]
    assert model.weights[:, 0] == pytest.approx(expected)


def test_a_prior_that_was_fitted_twice_is_fitted_once(rng):
    features, rows = rng.normal(size=(6, 2)), _rows(rng, 200, 6, 3)
    once, twice = (LinUCBRecommender(1, 6, context_dim=3) for _ in range(2))
    for model in (once, twice):
        model.update_batch(rows)
        model.fit_prior(features)
    twice.fit_prior(features)
    np.testing.assert_allclose(twice.weights, once.weights, atol=1e-12)


def test_prior_means_stay_when_evidence_fades_and_when_items_are_forgotten(rng):
    features = rng.normal(size=(5, 2))
    model = LinUCBRecommender(1, 5, context_dim=3, discount=0.9)
    model.update_batch(_rows(rng, 60, 5, 3))
    model.fit_prior(features)
    means = model.prior_means.copy()
    np.testing.assert_allclose(means, features @ model.prior_map)
    model.forget_items([0])
    np.testing.assert_allclose(model.weights[0], means[0], atol=1e-12)
    model.update_batch(_rows(rng, 400, 1, 3))  # the others fade
    np.testing.assert_allclose(model.weights[1:], means[1:], atol=1e-12)


def test_a_forgotten_item_is_as_new_and_its_rows_leave_the_window(rng):
    model = LinUCBRecommender(1, 3, context_dim=2, window=30)
    model.update_batch(_rows(rng, 40, 3, 2))
    others = model.evidence[[0, 2]].copy()
    model.forget_items([1])
    np.testing.assert_array_equal(model.evidence[1], [1.0, 0.0, 1.0])
    np.testing.assert_array_equal(model.evidence[[0, 2]], others)
    late = Transitions(np.zeros(60, int), np.zeros(60, int), np.ones(60), contexts=np.ones((60, 2)))
    model.update_batch(late)
    np.testing.assert_allclose(model.evidence[1:], [[1.0, 0.0, 1.0]] * 2, atol=1e-10)


# how it explores


def test_square_cb_grows_greedier_with_the_root_of_the_rows(rng):
    model = LinSquareCBRecommender(1, 2, context_dim=1, gamma=3.0, regularization=1e-9)
    for _ in range(24):
        model.update(0, 0, 1.0, context=np.ones(1))
    # 24 rows: gamma 3 * 5 = 15, gap 1, 2 items: 1 / 17
    found = model.probabilities(np.array([0]), context=np.ones((1, 1)))[0]
    assert found == pytest.approx([16 / 17, 1 / 17])


def test_thompson_draws_as_often_as_two_gaussians_say():
    from scipy.special import ndtr

    model = LinThompsonRecommender(1, 2, context_dim=1, scale=0.5)
    for _ in range(3):
        model.update(0, 0, 1.0, context=np.ones(1))
    # A = 4, b = 3: N(0.75, 0.25 / 4) against N(0, 0.25)
    chance = ndtr(0.75 / np.sqrt(0.0625 + 0.25))
    found = model.probabilities(np.array([0]), context=np.ones((1, 1)))[0]
    np.testing.assert_allclose(found, [chance, 1 - chance], rtol=1e-8)


def test_thompson_without_a_scale_shares_evenly_what_is_equal():
    model = LinThompsonRecommender(2, 4, scale=0.0)
    np.testing.assert_allclose(model.probabilities(np.array([0, 1])), 0.25, atol=1e-9)


# what it refuses


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"regularization": 0.0}, "regularization must be a number above 0, got 0.0"),
        ({"regularization": np.nan}, "regularization must be a number above 0, got nan"),
        ({"discount": 0.0}, "discount must be above 0 and at most 1, got 0.0"),
        ({"discount": 1.1}, "discount must be above 0 and at most 1, got 1.1"),
        ({"window": -1}, "window must be a whole number of at least 0, got -1"),
        ({"window": 2.5}, "window must be a whole number of at least 0, got 2.5"),
        ({"window": 5, "discount": 0.9}, "window and discount are two ways to forget"),
        ({"context_dim": 0}, "context_dim must be a whole number of at least 1, got 0"),
        ({"epsilon": -0.1}, "epsilon must be between 0 and 1, got -0.1"),
    ],
)
@every_policy
def test_bad_hyperparameters_are_refused(policy, params, message):
    with pytest.raises(InvalidParameter, match=f"{policy.__name__}: " + re.escape(message)):
        policy(2, 3, **params)


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (LinUCBRecommender, "alpha"),
        (LinThompsonRecommender, "scale"),
        (LinSquareCBRecommender, "gamma"),
    ],
)
def test_weights_of_exploration_are_not_negative(policy, name):
    for bad in (-1.0, np.inf, "much"):
        with pytest.raises(InvalidParameter, match=f"{name} must be a number of at least 0"):
            policy(2, 3, **{name: bad})


def test_contexts_of_another_width_and_not_finite_ones_are_refused(rng):
    model = LinUCBRecommender(2, 3, context_dim=2)
    before = model.arrays()["evidence"].copy()
    for bad, message in (
        (np.zeros((1, 3)), r"context must have shape \(1, 2\).*got \(1, 3\)"),
        (np.zeros(2), r"context must have shape \(1, 2\)"),
        (np.array([[np.nan, 0.0]]), "context must be finite numbers, got nan"),
        (np.array([[np.inf, 0.0]]), "context must be finite numbers, got inf"),
    ):
        with pytest.raises(InvalidParameter, match=message):
            model.scores([0], context=bad)
        with pytest.raises(InvalidParameter):
            model.update_batch(Transitions(np.array([0]), np.array([0]), np.ones(1), contexts=bad))
    np.testing.assert_array_equal(model.evidence, before)


def test_features_that_do_not_fit_are_refused_and_leave_the_catalogue(rng):
    model = LinUCBRecommender(2, 3, context_dim=2)
    with pytest.raises(InvalidParameter, match="Call fit_prior first"):
        model.add_items(1, np.ones((1, 2)))
    with pytest.raises(InvalidParameter, match="item_features must have one row of numbers for ea"):
        model.fit_prior(np.ones((2, 2)))
    model.fit_prior(np.ones((3, 2)))
    for bad in (np.ones((1, 3)), np.ones((2, 2)), np.ones(2), np.full((1, 2), np.nan)):
        with pytest.raises(InvalidParameter, match="features"):
            model.add_items(1, bad)
    for count in (0, -1, 1.5):
        with pytest.raises(InvalidParameter, match="count must be a whole number of at least 1"):
            model.add_items(count, np.ones((1, 2)))
    with pytest.raises(InvalidParameter, match="regularization must be a number above 0"):
        model.fit_prior(np.ones((3, 2)), regularization=0)
    assert model.n_items == 3 == len(model.evidence)


def test_a_file_without_its_counter_is_refused(tmp_path):
    model, path = LinUCBRecommender(2, 3, context_dim=2), tmp_path / "model.npz"
    model.save(path)
    header, arrays = load_arrays(path)
    header = {key: value for key, value in header.items() if key != "checksum"}
    header["counters"] = {"n_rows": "many"}
    save_arrays(path, arrays, header)
    with pytest.raises(DamagedFile, match="LinUCBRecommender: bad counters"):
        LinUCBRecommender.load(path)
