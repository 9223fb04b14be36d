"""Hybrid bandits: against the paper's lines, item by item, and against one large regression."""

import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import HybridLinThompsonRecommender, HybridLinUCBRecommender
from recloop.models.bandits import shared
from recloop.models.exploration import GaussianThompson
from recloop.models.features import popularity, standardised
from recloop.models.packed import unpacked
from recloop.testing import chi_square_p_value
from recloop.types import Interactions, Transitions
from recloop.utils.files import load_arrays, save_arrays

N_ITEMS, WIDTH = 6, 3
both = pytest.mark.parametrize("kind", [HybridLinUCBRecommender, HybridLinThompsonRecommender])


class Printed:
    """Algorithm 2 of Li et al. (2010), line by line; z = x (x) f, lambda on both priors."""

    def __init__(self, table, width, alpha, regularization):
        self.table, self.alpha = table, alpha
        k = width * table.shape[1]
        self.a_0, self.b_0 = regularization * np.eye(k), np.zeros(k)
        self.a = [regularization * np.eye(width) for _ in table]
        self.b = [np.zeros((width, k)) for _ in table]
        self.r = [np.zeros(width) for _ in table]

    def upper(self, x):
        """Lines 5 to 13."""
        found = []
        inv_0 = np.linalg.inv(self.a_0)
        beta = inv_0 @ self.b_0
        for a, b, r, f in zip(self.a, self.b, self.r, self.table, strict=True):
            z, inv = np.kron(x, f), np.linalg.inv(a)
            theta = inv @ (r - b @ beta)
            s = z @ inv_0 @ z - 2 * z @ inv_0 @ b.T @ inv @ x
            s += x @ inv @ x + x @ inv @ b @ inv_0 @ b.T @ inv @ x
            found.append((z @ beta + x @ theta, s))
        return np.array(found).T

    def learn(self, item, x, reward):
        """Lines 17 to 24."""
        z = np.kron(x, self.table[item])
        inv = np.linalg.inv(self.a[item])
        self.a_0 += self.b[item].T @ inv @ self.b[item]
        self.b_0 += self.b[item].T @ inv @ self.r[item]
        self.a[item] += np.outer(x, x)
        self.b[item] += np.outer(x, z)
        self.r[item] += reward * x
        inv = np.linalg.inv(self.a[item])
        self.a_0 += np.outer(z, z) - self.b[item].T @ inv @ self.b[item]
        self.b_0 += reward * z - self.b[item].T @ inv @ self.r[item]


@pytest.mark.parametrize("alpha", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("regularization", [1.0, 10.0])
def test_it_chooses_as_the_printed_algorithm(alpha, regularization, rng):
    model = HybridLinUCBRecommender(
        1, N_ITEMS, context_dim=WIDTH, alpha=alpha, regularization=regularization
    )
    model.fit_features(item_features=rng.normal(size=(N_ITEMS, 2)))
    printed = Printed(model.item_table, WIDTH, alpha, regularization)
    truth = rng.normal(size=(N_ITEMS, WIDTH))
    for number in range(300):
        x = rng.normal(size=WIDTH)
        means, squares = printed.upper(x)
        found = model.scores([0], context=x[None])[0]
        np.testing.assert_allclose(found, means, rtol=1e-8, atol=1e-9)
        deviations = model.deviations([0], context=x[None])[0]
        np.testing.assert_allclose(deviations, np.sqrt(squares), rtol=1e-8, atol=1e-9)
        upper = means + alpha * np.sqrt(squares)
        item = model.recommend(0, 1, context=x)[0]
        assert item == np.flatnonzero(upper >= upper.max() - 1e-11)[0], f"round {number}"
        reward = truth[item] @ x + 0.1 * rng.normal()
        model.update(0, item, reward, context=x)
        printed.learn(item, x, reward)


class Large:
    """One ridge regression of shared and own weights: squared errors plus lambda |.|^2."""

    def __init__(self, table, rows, regularization, scale=1.0):
        self.table = table
        weights = np.ones(len(rows)) if rows.weights is None else rows.weights
        design = np.array(
            [self.phi(item, x) for item, x in zip(rows.items, rows.contexts, strict=True)]
        )
        gram = design.T @ (design * weights[:, None]) + regularization * np.eye(design.shape[1])
        self.mean = np.linalg.solve(gram, design.T @ (weights * rows.rewards))
        self.covariance = scale**2 * np.linalg.inv(gram)

    def phi(self, item, x):
        own = np.zeros((len(self.table), len(x)))
        own[item] = x
        return np.concatenate([np.kron(x, self.table[item]), own.ravel()])

    def of(self, x):
        """Means (n_items,) and covariance (n_items, n_items) of what every item is worth."""
        every = np.array([self.phi(item, x) for item in range(len(self.table))])
        return every @ self.mean, every @ self.covariance @ every.T


def _rows(rng, n, n_items, width, **more):
    return Transitions(
        np.zeros(n, dtype=np.int64),
        rng.integers(n_items, size=n),
        rng.normal(size=n),
        contexts=rng.normal(size=(n, width)),
        **more,
    )


@both
def test_predictions_are_those_of_one_ridge_regression_of_everything(kind, rng):
    model = kind(1, 4, context_dim=2, regularization=0.7)
    model.fit_features(item_features=rng.normal(size=(4, 1)))
    rows = _rows(rng, 80, 4, 2, weights=rng.uniform(0.0, 3.0, 80))
    model.update_batch(rows)
    large, moment = Large(model.item_table, rows, 0.7), rng.normal(size=(1, 2))
    means, covariance = large.of(moment[0])
    np.testing.assert_allclose(model.scores([0], context=moment)[0], means, atol=1e-9)
    found = model.deviations([0], context=moment)[0]
    np.testing.assert_allclose(found, np.sqrt(np.diag(covariance)), atol=1e-9)


def _shared_part_of_the_paper(table, rows, width, regularization):
    """A_0 and b_0 from plain sums, with B = sum x z^T kept as in the paper."""
    a_0 = regularization * np.eye(width * table.shape[1])
    b_0 = np.zeros(len(a_0))
    for item, f in enumerate(table):
        mine = rows.items == item
        x, r = rows.contexts[mine], rows.rewards[mine]
        z = np.einsum("ni,h->nih", x, f).reshape(len(x), -1)
        a, cross = regularization * np.eye(width) + x.T @ x, x.T @ z
        a_0 += z.T @ z - cross.T @ np.linalg.solve(a, cross)
        b_0 += z.T @ r - cross.T @ np.linalg.solve(a, x.T @ r)
    return a_0, b_0


def _stays_exact(n_rows, n_items, width, rng):
    model = HybridLinUCBRecommender(1, n_items, context_dim=width, regularization=0.5)
    model.fit_features(item_features=rng.normal(size=(n_items, 2)))
    parts = []
    for start in range(0, n_rows, 7_000):
        parts.append(_rows(rng, min(7_000, n_rows - start), n_items, width))
        model.update_batch(parts[-1])
    eye = np.tile(np.eye(width), (n_items, 1, 1))
    product = unpacked(model.evidence, width) @ unpacked(model.inverse, width)
    np.testing.assert_allclose(product, eye, rtol=0, atol=1e-8)
    k = len(model.shared_sums)
    full = unpacked(model.shared_evidence, k)[0]
    inverse = unpacked(model.shared_inverse, k)[0]
    np.testing.assert_allclose(full @ inverse, np.eye(k), rtol=0, atol=1e-8)
    columns = ("users", "items", "rewards", "contexts")
    rows = Transitions(
        *(np.concatenate([getattr(p, c) for p in parts]) for c in columns[:3]),
        contexts=np.concatenate([p.contexts for p in parts]),
    )
    a_0, b_0 = _shared_part_of_the_paper(model.item_table, rows, width, 0.5)
    np.testing.assert_allclose(full, a_0, rtol=0, atol=1e-7)  # the paper's differences cancel
    beta = shared.shared_weights(model.known).ravel()
    np.testing.assert_allclose(beta, np.linalg.solve(a_0, b_0), rtol=0, atol=1e-7)
    return model


def test_everything_stays_exact_after_twenty_five_thousand_rows(rng):
    assert _stays_exact(25_000, 5, 4, rng).n_rows == 25_000


@pytest.mark.slow
def test_everything_stays_exact_after_a_million_rows(rng):
    _stays_exact(1_000_000, 20, 6, rng)


def test_drift_is_cleared_every_ten_thousand_rows(rng):
    model = HybridLinUCBRecommender(1, 3, context_dim=2)
    model.fit_features(item_features=rng.normal(size=(3, 1)))
    every = shared.ROWS_BEFORE_REBUILD
    model.update_batch(_rows(rng, every - 1, 3, 2))
    expected = {name: getattr(model, name).copy() for name in shared.Hybrid._fields}
    for name in ("inverse", "weights", "shared_evidence", "shared_inverse", "shared_sums"):
        setattr(model, name, 1.001 * getattr(model, name))  # as if rounding had added up
    rows = _rows(rng, 1, 3, 2)
    model.update_batch(rows)
    other = HybridLinUCBRecommender(1, 3, context_dim=2)
    other.n_rows = every - 1
    other._put(shared.Hybrid(**expected))
    other.update_batch(rows)
    for name in shared.Hybrid._fields:
        found, wanted = getattr(model, name), getattr(other, name)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12, err_msg=name)


def test_building_anew_changes_rounding_alone(rng):
    model = HybridLinUCBRecommender(1, 4, context_dim=3, regularization=2.0)
    model.fit_features(item_features=rng.normal(size=(4, 2)))
    model.update_batch(_rows(rng, 200, 4, 3, weights=rng.uniform(0.0, 2.0, 200)))
    before = {name: getattr(model, name).copy() for name in shared.Hybrid._fields}
    shared.rebuild(model.known, 2.0)
    for name, value in before.items():
        np.testing.assert_allclose(getattr(model, name), value, rtol=1e-9, atol=1e-11)
        assert name == "item_table" or (value != 0).any()


@both
def test_a_reward_that_is_mended_is_the_reward_that_was_right_at_once(kind, rng):
    model, other = kind(1, 4, context_dim=3), kind(1, 4, context_dim=3)
    features = rng.normal(size=(4, 2))
    rows = _rows(rng, 60, 4, 3, weights=rng.uniform(0.2, 2.0, 60))
    for each in (model, other):
        each.fit_features(item_features=features)
    other.update_batch(rows)
    late = rng.random(60) < 0.4
    model.update_batch(replace(rows, rewards=np.where(late, 0.0, rows.rewards)))
    missing = replace(rows.rows(np.flatnonzero(late)), propensities=None)
    model.correct_batch(missing)
    for name in shared.Hybrid._fields:
        wanted = getattr(other, name)
        np.testing.assert_allclose(getattr(model, name), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("n_items", [6, 7, 13, 101])
def test_items_that_are_alike_tie_exactly(n_items, rng):
    model = HybridLinUCBRecommender(1, n_items, context_dim=5)
    features = np.repeat([[1.0, -2.0, 0.3], [0.2, 0.5, -1.0]], [1, n_items - 1], axis=0)
    model.fit_features(item_features=features)
    for x in rng.normal(size=(40, 5)):
        upper = model.acting_scores(np.array([0]), x[None], None)[0]
        assert len(set(upper[1:])) == 1
        model.update(0, 0, rng.normal(), context=x)


@both
def test_a_new_item_is_no_stranger(kind, rng):
    model = kind(1, 20, context_dim=2, regularization=0.1)
    features = rng.normal(7.0, 30.0, size=(20, 1))
    model.fit_features(item_features=features)
    n = 2000
    items, x = rng.integers(20, size=n), rng.normal(size=(n, 2))
    rewards = x[:, 0] * features[items, 0]
    model.update_batch(Transitions(np.zeros(n, int), items, rewards, contexts=x))
    code = model.add_items(1, features=np.array([[45.0]]))[0]
    found = model.scores([0], context=np.array([[2.0, 1.0]]))[0, code]
    assert found == pytest.approx(90.0, rel=0.05)
    stranger = model.add_items(1)[0]
    assert model.item_table[stranger].tolist() == [1.0, 0.0]


@both
def test_an_item_that_comes_later_has_the_row_it_would_have_had_from_the_start(kind, rng, tmp_path):
    # twice the same catalogue has the same means and deviations
    features = rng.normal([100.0, -3.0, 5.0], [40.0, 1e-3, 0.0], size=(6, 3))
    whole = kind(1, 12, context_dim=2).fit_features(item_features=np.tile(features, (2, 1)))
    model = kind(1, 6, context_dim=2).fit_features(item_features=features)
    model.update_batch(_rows(rng, 30, 6, 2))
    model.save(tmp_path / "model.npz")
    loaded = kind.load(tmp_path / "model.npz")
    for each in (model, loaded):
        assert each.add_items(6, features=features).tolist() == list(range(6, 12))
        np.testing.assert_allclose(each.item_table, whole.item_table, rtol=1e-12, atol=1e-12)
    for name, value in model.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], value, err_msg=name)
    assert (whole.item_table[:, 3] == 0).all()  # a column that was constant says nothing
    assert whole.item_table[:, 1] == pytest.approx(standardised(np.tile(features, (2, 1)))[:, 0])


def test_other_features_are_other_arrays_in_a_file(rng):
    # the same rows of the table after another standardisation: what comes later differs
    features = rng.normal(size=(4, 1))
    one, two = (
        HybridLinUCBRecommender(1, 4, context_dim=2).fit_features(item_features=given)
        for given in (features, 10.0 * features)
    )
    np.testing.assert_allclose(one.item_table, two.item_table)
    assert not np.allclose(one.arrays()["feature_scale"], two.arrays()["feature_scale"])


def test_popularity_of_a_log_is_a_feature_and_a_new_item_has_none():
    log = Interactions(
        np.array([0, 0, 1]), np.array([0, 1, 0]), np.ones(3), np.arange(3.0), n_users=2, n_items=3
    )
    model = HybridLinUCBRecommender(2, 3, context_dim=2)
    model.fit_features(log, np.array([[1.0], [2.0], [6.0]]))
    columns = np.column_stack([popularity(log), [1.0, 2.0, 6.0]])
    np.testing.assert_allclose(model.item_table[:, 1:], standardised(columns))
    assert (model.item_table[:, 0] == 1).all()
    model.add_items(1, features=np.array([[6.0]]))
    assert model.item_table[3].tolist() == model.item_table[2].tolist()  # nobody took either
    model.add_items(1)
    assert model.item_table[4].tolist() == [*model.item_table[2, :3], 0.0]
    assert HybridLinUCBRecommender(2, 3).fit_features().item_table.tolist() == [[1.0]] * 3


def test_features_that_do_not_fit_leave_the_catalogue(rng):
    model = HybridLinUCBRecommender(1, 4, context_dim=2)
    model.fit_features(item_features=rng.normal(size=(4, 2)))
    for bad in (np.ones((1, 5)), np.ones((2, 2)), np.ones(2), np.full((1, 2), np.nan)):
        with pytest.raises(InvalidParameter, match="features"):
            model.add_items(1, features=bad)
    with pytest.raises(InvalidParameter, match="deviations from their mean must be between -1e"):
        model.add_items(2, features=np.array([[0.0, 0.0], [1e9, 0.0]]))
    with pytest.raises(InvalidParameter, match=r"item_features must be between -1e\+100"):
        model.fit_features(item_features=np.full((4, 2), 1e200))
    with pytest.raises(InvalidParameter, match="item_features must have one row of numbers"):
        model.fit_features(item_features=np.ones((3, 2)))
    log = Interactions(*(np.zeros(1, int),) * 2, *(np.ones(1),) * 2, n_users=1, n_items=3)
    with pytest.raises(InvalidParameter, match=re.escape("the log has 1 users and 3 items")):
        model.fit_features(log)
    assert model.n_items == 4 == len(model.evidence)


# Thompson: draws of everything at once


def _thompson(rng, n_members, n_items=4, n_rows=25, scale=0.8):
    model = HybridLinThompsonRecommender(
        1, n_items, context_dim=2, regularization=0.7, scale=scale, n_members=n_members
    )
    features = rng.normal(size=(n_items, 6))
    features[-1] = features[-2]
    model.fit_features(item_features=features)
    rows = _rows(rng, n_rows, n_items - 2, 2)  # the last two are new, and alike
    model.update_batch(rows)
    return model, Large(model.item_table, rows, 0.7, scale)


def test_members_are_draws_of_the_joint_posterior(rng):
    model, large = _thompson(rng, 20_000)
    x = rng.normal(size=2)
    means, covariance = large.of(x)
    how = model.exploration(np.array([0]), context=x[None])
    drawn = how.members(slice(0, 1))[:, 0]
    # 20,000 draws: 4 means and 10 covariances, each within 5 standard errors
    variances = np.diag(covariance)
    assert (np.abs(drawn.mean(axis=0) - means) < 5 * np.sqrt(variances / 20_000)).all()
    errors = np.sqrt((np.outer(variances, variances) + covariance**2) / 20_000)
    assert (np.abs(np.cov(drawn.T) - covariance) < 5 * errors).all()
    assert covariance[2, 3] > 20 * errors[2, 3]
    np.testing.assert_allclose(how.values[0], means, atol=1e-9)


def test_votes_are_how_often_an_item_is_the_best_and_independent_draws_would_lie(rng):
    n = 20_000
    model, large = _thompson(rng, n)
    x = rng.normal(size=2)
    means, covariance = large.of(x)
    truth = rng.multivariate_normal(means, covariance, size=n).argmax(axis=1)
    rates = np.bincount(truth, minlength=4) / n
    found = model.probabilities(np.array([0]), context=x[None])[0]
    # both sides are rates of 20,000 draws; 5 standard errors: a false alarm in 400,000
    assert (np.abs(found - rates) < 5 * np.sqrt(2 * rates * (1 - rates) / n) + 1e-4).all()
    alone = GaussianThompson(means[None], np.sqrt(np.diag(covariance))[None])
    assumed = alone.probabilities(np.ones((1, 4), dtype=np.bool_))[0]
    assert np.abs(assumed - rates).max() > 20 * np.sqrt(0.25 / n)


def test_slates_have_the_chances_that_an_enumeration_of_members_gives(rng):
    model, _ = _thompson(rng, 60)
    x = rng.normal(size=2)
    believed = model.exploration(np.array([0]), context=x[None]).members(slice(0, 1))[:, 0]
    slates = np.array(list(permutations(range(4), 3)))
    expected = []
    for slate in slates:
        left, chances = {0, 1, 2, 3}, []
        for item in slate:
            votes = [max(sorted(left), key=lambda code, m=m: m[code]) for m in believed]
            chances.append(votes.count(item) / 60)
            left.remove(item)
        expected.append(chances)
    n = len(slates)
    found = model.slate_propensities(np.zeros(n, int), slates, context=np.tile(x, (n, 1)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert found.prod(axis=1).sum() == pytest.approx(1.0, abs=1e-12)


def test_twenty_thousand_first_slots_are_as_often_as_their_propensities_say(rng):
    model, _ = _thompson(rng, 100, n_items=6)
    context = np.tile(rng.normal(size=2), (20_000, 1))
    slates = model.choose_batch(np.zeros(20_000, int), 2, context=context)
    first = slates.items[:, 0]
    logged = np.zeros(6)
    logged[first] = slates.propensities[:, 0]
    assert logged.sum() == pytest.approx(1.0, abs=1e-9)  # every item with a chance was seen
    assert chi_square_p_value(np.bincount(first, minlength=6), logged) > 0.001
    assert (slates.propensities > 0).all()


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3, 1e6])
def test_chances_are_sound_at_every_scale(scale, rng):
    model, _ = _thompson(rng, 50, scale=scale)
    contexts = rng.normal(size=(7, 2))
    found = model.probabilities(np.zeros(7, int), context=contexts)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    if scale == 0.0:
        best = model.scores(np.zeros(7, int), context=contexts).argmax(axis=1)
        assert (found[np.arange(7), best] == 1.0).all()


def test_members_belong_to_the_seed_and_to_what_was_learned(rng, tmp_path):
    model, _ = _thompson(rng, 30)
    contexts = rng.normal(size=(1, 2))

    def drawn(of):
        return of.exploration(np.array([0]), context=contexts).members(slice(0, 1))

    before = drawn(model)
    np.testing.assert_array_equal(drawn(model), before)  # looking draws nothing
    model.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(
        drawn(HybridLinThompsonRecommender.load(tmp_path / "model.npz")), before
    )
    model.add_items(2)
    np.testing.assert_array_equal(drawn(model)[:, :, :4], before)  # new items move no other
    nothing = Transitions(
        np.zeros(1, int), np.zeros(1, int), np.zeros(1), contexts=contexts, weights=np.zeros(1)
    )
    model.update_batch(nothing)
    assert not np.isclose(drawn(model)[:, :, :4], before).any()  # drawn anew after a row
    other = HybridLinThompsonRecommender(1, 4, context_dim=2, seed=1, n_members=30)
    one = HybridLinThompsonRecommender(1, 4, context_dim=2, seed=0, n_members=30)
    assert not np.isclose(drawn(other), drawn(one)).any()


def test_a_batch_is_believed_row_by_row_and_in_any_parts(rng):
    model, _ = _thompson(rng, 30)
    how = model.exploration(np.zeros(5, int), context=rng.normal(size=(5, 2)))
    whole = how.members(slice(0, 5))
    assert whole.shape == (30, 5, 4)
    parts = [how.members(slice(0, 2)), how.members(slice(2, 5))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (
            HybridLinUCBRecommender,
            {"alpha": -1.0},
            "alpha must be a number of at least 0, got -1",
        ),
        (
            HybridLinUCBRecommender,
            {"regularization": 0.0},
            "regularization must be a number above 0, got 0",
        ),
        (
            HybridLinThompsonRecommender,
            {"scale": -1.0},
            "scale must be a number of at least 0, got -1",
        ),
        (
            HybridLinThompsonRecommender,
            {"n_members": 0},
            "n_members must be a whole number of at least 1, got 0",
        ),
    ],
)
def test_bad_hyperparameters_are_refused(kind, params, message):
    with pytest.raises(InvalidParameter, match=f"{kind.__name__}: " + re.escape(message)):
        kind(2, 3, **params)


SHARED = ["item_table", "shared_evidence", "shared_inverse", "shared_sums", "feature_scale"]


@pytest.mark.parametrize("name", SHARED)
def test_a_file_whose_shared_part_does_not_fit_its_features_is_refused(name, rng, tmp_path):
    model, path = HybridLinUCBRecommender(2, 3, context_dim=2), tmp_path / "model.npz"
    model.fit_features(item_features=rng.normal(size=(3, 2)))
    model.save(path)
    header, arrays = load_arrays(path)
    header = {key: value for key, value in header.items() if key != "checksum"}
    arrays[name] = np.concatenate([arrays[name], arrays[name]], axis=-1)
    save_arrays(path, arrays, header)
    with pytest.raises(DamagedFile, match=r"array '.*' has shape"):
        HybridLinUCBRecommender.load(path)


def test_a_file_without_its_counters_is_refused(tmp_path):
    model, path = HybridLinUCBRecommender(2, 3, context_dim=2), tmp_path / "model.npz"
    model.save(path)
    header, arrays = load_arrays(path)
    save_arrays(path, arrays, {**header, "counters": {"n_rows": "many"}})
    with pytest.raises(DamagedFile, match="HybridLinUCBRecommender: bad counters"):
        HybridLinUCBRecommender.load(path)
