"""Models of the reward of every item, fitted on other rows than those they are used for.

A model that has seen a row knows its chance, and a doubly robust estimate with it is too sure. So
rows are cut into folds; those of a fold get the model of all the others (cross-fitting,
Chernozhukov et al. 2018). The estimator is yours: anything with scikit-learn's `fit` and `predict`.
"""

from copy import deepcopy
from typing import Any

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_codes, check_count, check_finite, check_within


def cross_fitted(
    estimator: Any,
    contexts: FloatArray,
    actions: IntArray,
    rewards: FloatArray,
    n_items: int,
    rng: np.random.Generator,
    *,
    n_folds: int = 3,
    item_features: FloatArray | None = None,
    sample_weights: FloatArray | None = None,
) -> FloatArray:
    """(n, n_items) the reward that is expected of every item in every row.

    The estimator sees contexts (n, D) beside the item's features (n_items, G), None: a column an
    item. It is copied for each fold and stays as it was. Of a classifier the
    mean of its classes counts: the chance of a click. sample_weights (n,): such as `mrdr_weights`.
    """
    contexts = check_finite("cross_fitted", "contexts", contexts)
    rewards = check_finite("cross_fitted", "rewards", rewards)
    actions = check_codes("cross_fitted", "actions", actions, n_items)
    n = len(rewards)
    if contexts.ndim != 2 or not len(contexts) == len(actions) == n:
        raise InvalidParameter(
            "cross_fitted: contexts (n, D), actions (n,) and rewards (n,) must have as many rows, "
            f"got {contexts.shape}, {actions.shape} and {rewards.shape}."
        )
    check_count("cross_fitted", "n_folds", n_folds, least=2)
    if n < n_folds:
        raise InvalidParameter(f"cross_fitted: {n_folds} folds need as many rows, got {n}.")
    items = np.eye(n_items) if item_features is None else _features(item_features, n_items)
    if sample_weights is not None:
        sample_weights = check_finite("cross_fitted", "sample_weights", sample_weights)
        check_within("cross_fitted", "sample_weights", sample_weights, 0.0, np.inf)
        if sample_weights.shape != (n,):
            raise InvalidParameter(
                f"cross_fitted: sample_weights must have shape ({n},), got {sample_weights.shape}."
            )
    folds = rng.permutation(np.arange(n) % n_folds)
    q = np.empty((n, n_items))
    for fold in range(n_folds):
        fit, use = folds != fold, folds == fold
        model = deepcopy(estimator)
        weights = {} if sample_weights is None else {"sample_weight": sample_weights[fit]}
        model.fit(np.concatenate([contexts[fit], items[actions[fit]]], axis=1), rewards[fit],
                  **weights)  # fmt: skip
        for item in range(n_items):
            beside = np.broadcast_to(items[item], (int(use.sum()), items.shape[1]))
            q[use, item] = _predicted(model, np.concatenate([contexts[use], beside], axis=1))
    return q


def _features(given: FloatArray, n_items: int) -> FloatArray:
    features = check_finite("cross_fitted", "item_features", given)
    if features.ndim != 2 or len(features) != n_items:
        raise InvalidParameter(
            f"cross_fitted: item_features must have a row for each of {n_items} items, got "
            f"{features.shape}."
        )
    return features


def _predicted(model: Any, x: FloatArray) -> FloatArray:
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(x), dtype=np.float64)
    classes = np.asarray(model.classes_, dtype=np.float64)
    return np.asarray(model.predict_proba(x), dtype=np.float64) @ classes
