"""Estimators of a policy's mean return from logged sequences.

W_t: product of the ratios pi / b up to step t, W_{-1} = 1; g: discount; q_t: a model of the return
from step t on, v_t = E_pi q_t.
Sources: trajectory and per-decision importance sampling, and their weighted forms, Precup et al.
2000; doubly robust Jiang and Li 2016 (eq. 10); weighted doubly robust Thomas and Brunskill 2016.
"""

import numpy as np

from recloop.evaluation.ope import checking
from recloop.evaluation.ope.estimate import Estimate, average, ratio
from recloop.evaluation.ope.trajectories import Trajectories
from recloop.types import FloatArray


def trajectory_is(log: Trajectories) -> Estimate:
    """W of the whole sequence times its return."""
    w = log.weights[:, -1]
    return average("trajectory_is", w * log.returns, w)


def weighted_trajectory_is(log: Trajectories) -> Estimate:
    """Self-normalised over sequences: sum W return / sum W."""
    w = log.weights[:, -1]
    return ratio("weighted_trajectory_is", w * log.returns, w, weights=w)


def per_decision_is(log: Trajectories) -> Estimate:
    """sum_t g^t W_t r_t: later choices do not weigh earlier rewards."""
    w = log.weights
    return average("per_decision_is", (w * log.rewards) @ log.discounts, w[:, -1])


def weighted_per_decision_is(log: Trajectories) -> Estimate:
    """sum_t g^t (sum W_t r_t / sum W_t), a ratio for each step."""
    w = log.weights
    return ratio("weighted_per_decision_is", w * log.rewards * log.discounts, w, weights=w[:, -1])


def sequential_dr(log: Trajectories, q_taken: FloatArray, v: FloatArray) -> Estimate:
    """sum_t g^t (W_t (r_t - q_t) + W_{t-1} v_t).

    q_taken (n, T): the model's value of what was done; v (n, T): its average over what the policy
    would do. With the true model it has no variance but that of the start and the rewards.
    """
    q_taken, v = model_values(log, q_taken, v)
    rows = (log.weights * (log.rewards - q_taken) + log.weights_before * v) @ log.discounts
    return average("sequential_dr", rows, log.weights[:, -1])


def weighted_sequential_dr(log: Trajectories, q_taken: FloatArray, v: FloatArray) -> Estimate:
    """As `sequential_dr`, the weights of each step divided by their mean."""
    q_taken, v = model_values(log, q_taken, v)
    g = log.discounts
    w, before = log.weights, log.weights_before
    above = np.concatenate([w * (log.rewards - q_taken) * g, (before * v * g)[:, 1:]], axis=1)
    below = np.concatenate([w, before[:, 1:]], axis=1)
    return ratio("weighted_sequential_dr", above, below, additive=v[:, 0], weights=w[:, -1])


def model_values(
    log: Trajectories, q_taken: FloatArray, v: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The model's values (n, T), 0 after the end of a sequence."""
    shape = log.rewards.shape
    q_taken = checking.numbers("q_taken", q_taken, shape)
    v = checking.numbers("v", v, shape)
    return np.where(log.active, q_taken, 0.0), np.where(log.active, v, 0.0)
