"""Estimators that use the state: fitted Q evaluation, marginalised importance sampling, DRL.

The weight of a step is one ratio of how often the two policies are in its state and do its action,
instead of a product over all steps before it.
Sources: FQE Le et al. 2019; marginalised importance sampling Xie et al. 2019 (algorithm 1); DRL,
double reinforcement learning, Kallus and Uehara 2020.
"""

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from recloop.errors import InvalidData
from recloop.evaluation.ope import checking
from recloop.evaluation.ope.estimate import Estimate
from recloop.evaluation.ope.sequential import model_values
from recloop.evaluation.ope.trajectories import Trajectories
from recloop.types import BoolArray, FloatArray
from recloop.utils.checks import check_count

MARKOV = "the state says all of the past that matters"


class Values(NamedTuple):
    """A model of the return from each step on: of what was done, and averaged over the policy."""

    q_taken: FloatArray  # (n, T)
    v: FloatArray  # (n, T)


def fitted_q(log: Trajectories, target: FloatArray) -> Values:
    """Tabular fitted Q evaluation, backwards from the last step; target (S, A) by state.

    q_t(s, a) is the mean of r + g v_{t+1}(s') over the rows of step t; 0 for a pair never seen.
    """
    states, actions, target = _tables(log, target, "fitted_q")
    n, n_steps = log.rewards.shape
    shape = target.shape
    q_taken, v = np.zeros((n, n_steps)), np.zeros((n, n_steps))
    following = np.zeros(n)
    for t in range(n_steps - 1, -1, -1):
        on = log.active[:, t]
        cells = np.ravel_multi_index((states[on, t], actions[on, t]), shape)
        goals = log.rewards[on, t] + log.discount * following[on]
        seen = np.bincount(cells, minlength=target.size)
        sums = np.bincount(cells, weights=goals, minlength=target.size)
        q = (sums / np.maximum(seen, 1)).reshape(shape)
        q_taken[on, t] = q[states[on, t], actions[on, t]]
        v[on, t] = np.einsum("sa,sa->s", q, target)[states[on, t]]
        following = v[:, t]
    return Values(q_taken, v)


def fitted_q_with(
    log: Trajectories,
    regressor: Any,
    features: FloatArray,
    target: FloatArray,
    n_items: int,
    *,
    fit: BoolArray | None = None,
) -> Values:
    """Fitted Q evaluation with a scikit-learn regressor, a copy of it for each step.

    features (n, T, D) of the states, target (n, T, A) the policy's probabilities there. The
    regressor sees the features and the item as one-hot columns. fit (n,): the sequences that it
    learns from; None: all. A step that none of these reaches has a model of 0.
    """
    n, n_steps = log.rewards.shape
    if log.actions is None:
        raise InvalidData("fitted_q_with: needs actions, shape (sequences, steps), got None.")
    actions = checking.codes("actions", log.actions, (n, n_steps), n_items)
    features = checking.numbers("features", features, (n, n_steps, None))
    target = checking.probabilities("target", target, (n, n_steps, n_items))
    learns = np.ones(n, np.bool_) if fit is None else fit
    one_hot = np.eye(n_items)
    q_taken, v = np.zeros((n, n_steps)), np.zeros((n, n_steps))
    following = np.zeros(n)
    for t in range(n_steps - 1, -1, -1):
        on = np.flatnonzero(log.active[:, t])
        some = on[learns[on]]
        if len(some):
            model = deepcopy(regressor)
            goals = log.rewards[some, t] + log.discount * following[some]
            given = np.concatenate([features[some, t], one_hot[actions[some, t]]], axis=1)
            model.fit(given, goals)
            x = features[on, t]
            q = np.stack(
                [
                    model.predict(np.concatenate([x, np.tile(one_hot[a], (len(on), 1))], axis=1))
                    for a in range(n_items)
                ],
                axis=1,
            )
            q_taken[on, t] = q[np.arange(len(on)), actions[on, t]]
            v[on, t] = np.einsum("na,na->n", q, target[on, t])
        following = v[:, t]
    return Values(q_taken, v)


def cross_fitted_q(
    log: Trajectories,
    regressor: Any,
    features: FloatArray,
    target: FloatArray,
    n_items: int,
    rng: np.random.Generator,
    *,
    n_folds: int = 3,
) -> Values:
    """`fitted_q_with` by folds: no sequence is judged by a model that saw it."""
    n = check_count("cross_fitted_q", "the number of sequences", len(log), least=n_folds)
    folds = rng.permutation(np.arange(n) % n_folds)
    q_taken, v = np.empty(log.rewards.shape), np.empty(log.rewards.shape)
    for fold in range(n_folds):
        own = folds == fold
        found = fitted_q_with(log, regressor, features, target, n_items, fit=~own)
        q_taken[own], v[own] = found.q_taken[own], found.v[own]
    return Values(q_taken, v)


def fqe(log: Trajectories, values: Values) -> Estimate:
    """The model's value of the first states. As right as its model."""
    _, v = model_values(log, *values)
    return Estimate("fqe", v[:, 0], bias="unknown", assumes=MARKOV)


def marginal_weights(log: Trajectories, target: FloatArray) -> FloatArray:
    """(n, T) estimated ratio of state-action frequencies; target (S, A) by state.

    The frequency of states under the policy is carried forward: each row gives its next state the
    weight of its own state and action, averaged over the rows of a state. A sequence that ends
    takes its weight with it. 0 after the end.
    """
    states, _, target = _tables(log, target, "marginal_is")
    n, n_steps = log.rewards.shape
    ratios = log.target_taken / log.propensities
    weights = np.zeros((n, n_steps))
    of_state = np.ones(n)
    for t in range(n_steps):
        on = log.active[:, t]
        if t:
            seen = np.bincount(states[on, t], minlength=len(target))
            sums = np.bincount(states[on, t], weights[on, t - 1], minlength=len(target))
            of_state = (sums / np.maximum(seen, 1))[states[:, t]]
        weights[:, t] = np.where(on, of_state * ratios[:, t], 0.0)
    return weights


def marginal_is(log: Trajectories, target: FloatArray) -> Estimate:
    """sum_t g^t w_t r_t with `marginal_weights`.

    Its interval takes the estimated weights as known.
    """
    w = marginal_weights(log, target)
    rows = (w * log.rewards) @ log.discounts
    return Estimate("marginal_is", rows, weights=_carried(log, w), bias="vanishing", assumes=MARKOV)


def drl(log: Trajectories, values: Values, weights: FloatArray, *, name: str = "drl") -> Estimate:
    """v_0 + sum_t g^t w_t (r_t + g v_{t+1} - q_t), w of `marginal_weights`.

    Right if the weights or the model are; the least variance that any estimator can have if both.
    """
    q_taken, v = model_values(log, *values)
    w = checking.numbers("weights", weights, log.rewards.shape)
    following = np.concatenate([v[:, 1:], np.zeros((len(log), 1))], axis=1)
    left = log.rewards + log.discount * following - q_taken
    rows = v[:, 0] + (w * left) @ log.discounts
    return Estimate(name, rows, weights=_carried(log, w), bias="vanishing", assumes=MARKOV)


def _tables(log: Trajectories, target: FloatArray, who: str):
    states, actions = log.visited(who)
    target = checking.distributions("target", target, (None, None))
    checking.codes("states", states, states.shape, target.shape[0])
    checking.codes("actions", actions, actions.shape, target.shape[1])
    return states, actions, target


def _carried(log: Trajectories, weights: FloatArray) -> FloatArray:
    """(n,) mean weight of each row, its last one standing for the steps after its end: mean 1."""
    last = log.active.sum(axis=1) - 1
    steps = np.minimum(np.arange(log.n_steps), last[:, None])
    return np.take_along_axis(weights, steps, axis=1).mean(axis=1)
