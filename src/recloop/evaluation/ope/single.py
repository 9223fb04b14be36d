"""Estimators of a policy's mean reward from a log of single choices.

pi, b: the new and the logging policy; w = pi / b of the item shown; r: reward; q (n, A): a model
of the reward, better fitted on other rows (see `cross_fitting`); E_pi q = sum_a pi(a) q(a).
Sources: replay Li et al. 2011; IPS Horvitz and Thompson 1952; clipping Ionides 2008, Strehl et al.
2010; SNIPS Swaminathan and Joachims 2015; DR Dudik et al. 2014; Switch-DR Wang et al. 2017; DRos Su
et al. 2020; sub-Gaussian weights Metelli et al. 2021; MRDR Farajtabar et al. 2018.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidParameter
from recloop.evaluation.ope import checking
from recloop.evaluation.ope.estimate import Estimate, average, ratio
from recloop.evaluation.ope.rounds import Rounds
from recloop.types import FloatArray
from recloop.utils.checks import check_between


class Modelled(NamedTuple):
    """What estimators need of a model q of the reward; made once by `modelled`, used by many."""

    taken: FloatArray  # (n,) q of the item shown
    expected: FloatArray  # (n,) E_pi q


def modelled(rounds: Rounds, q: FloatArray | Modelled, who: str = "q") -> Modelled:
    """A model q (n, A) at the items shown and averaged over the policy; checked."""
    if isinstance(q, Modelled):
        return q
    target = rounds.full_target(who)
    table = checking.numbers("q", q, target.shape)
    expected = np.einsum("na,na->n", target, table)
    return Modelled(rounds.taken(table), expected)


def replay(rounds: Rounds) -> Estimate:
    """The mean reward of the rows in which the policy would do the same: sum p r / sum p, p = pi.

    For a log of uniform choices; another is refused, for its matches are no fair sample.
    """
    given = rounds.propensities
    uneven = np.abs(given - given[0]) > checking.TOLERANCE * given[0]
    checking.refuse("propensities", uneven, given, "equal in all rows for replay (else use IPS)")
    matches = rounds.target_taken
    return ratio("replay", matches * rounds.rewards, matches, weights=rounds.weights)


def dm(rounds: Rounds, q: FloatArray | Modelled) -> Estimate:
    """The direct method: E_pi q. As right as its model."""
    return average("dm", modelled(rounds, q, "dm").expected, bias="unknown")


def ips(rounds: Rounds) -> Estimate:
    """Inverse propensity scores: w r."""
    w = rounds.weights
    return average("ips", w * rounds.rewards, w)


def clipped_ips(rounds: Rounds, *, at: float) -> Estimate:
    """min(w, at) r. Rewards of at least 0 make it too small, by the mass that is cut at most."""
    w = np.minimum(rounds.weights, _positive("clipped_ips", "at", at))
    return average("clipped_ips", w * rounds.rewards, w, bias="unknown")


def snips(rounds: Rounds) -> Estimate:
    """Self-normalised: sum w r / sum w. Adding a number to every reward adds it to the value."""
    w = rounds.weights
    return ratio("snips", w * rounds.rewards, w, weights=w)


def clipped_snips(rounds: Rounds, *, at: float) -> Estimate:
    """SNIPS with min(w, at) in both sums."""
    w = np.minimum(rounds.weights, _positive("clipped_snips", "at", at))
    return replace(ratio("clipped_snips", w * rounds.rewards, w, weights=w), bias="unknown")


def dr(rounds: Rounds, q: FloatArray | Modelled) -> Estimate:
    """Doubly robust: E_pi q + w (r - q). Right if the propensities or the model are."""
    return _dr("dr", rounds, q, rounds.weights, "none")


def sndr(rounds: Rounds, q: FloatArray | Modelled) -> Estimate:
    """Self-normalised DR: mean(E_pi q) + sum w (r - q) / sum w."""
    w = rounds.weights
    model = modelled(rounds, q, "sndr")
    return ratio("sndr", w * (rounds.rewards - model.taken), w, additive=model.expected, weights=w)


def switch_dr(rounds: Rounds, q: FloatArray | Modelled, *, at: float) -> Estimate:
    """DR where w <= at, the direct method elsewhere; at = 0 is DM, infinity DR."""
    _not_negative("switch_dr", "at", at)
    return _dr("switch_dr", rounds, q, np.where(rounds.weights <= at, rounds.weights, 0), "unknown")


def dros(rounds: Rounds, q: FloatArray | Modelled, *, shrink: float) -> Estimate:
    """DR with optimistic shrinkage: weight shrink w / (w^2 + shrink); 0 is DM, infinity DR."""
    _not_negative("dros", "shrink", shrink)
    w = rounds.weights
    if np.isinf(shrink):
        return _dr("dros", rounds, q, w, "none")
    if shrink == 0:
        return _dr("dros", rounds, q, np.zeros_like(w), "unknown")
    return _dr("dros", rounds, q, shrink * w / (np.square(w) + shrink), "unknown")


def sub_gaussian_ips(rounds: Rounds, *, power: float) -> Estimate:
    """IPS with weight w / (1 - power + power w), at most 1 / power; power 0 is IPS."""
    w = _sub_gaussian("sub_gaussian_ips", rounds, power)
    return average("sub_gaussian_ips", w * rounds.rewards, w, bias="unknown")


def sub_gaussian_dr(rounds: Rounds, q: FloatArray | Modelled, *, power: float) -> Estimate:
    """DR with the weights of `sub_gaussian_ips`."""
    w = _sub_gaussian("sub_gaussian_dr", rounds, power)
    return _dr("sub_gaussian_dr", rounds, q, w, "unknown")


def mrdr_weights(rounds: Rounds) -> FloatArray:
    """(n,) how much each row counts when q is fitted to make DR's variance small.

    pi^2 (1 - b) / b^2: the terms of the variance that belong to one item; those between items are
    left out. Then `dr` with that q is MRDR.
    """
    b = rounds.propensities
    return np.square(rounds.weights) * (1 - b)


def mrdr(rounds: Rounds, q: FloatArray | Modelled) -> Estimate:
    """DR whose q was fitted with `mrdr_weights`."""
    return _dr("mrdr", rounds, q, rounds.weights, "none")


def clipped_mass(rounds: Rounds, at: float) -> float:
    """The share of the policy's estimated mass that a cut of the weights at `at` takes away."""
    w = rounds.weights
    return float(np.maximum(w - at, 0).sum() / max(w.sum(), np.finfo(float).tiny))


def _dr(name: str, rounds: Rounds, q: FloatArray | Modelled, w: FloatArray, bias: str) -> Estimate:
    model = modelled(rounds, q, name)
    return average(name, model.expected + w * (rounds.rewards - model.taken), w, bias=bias)


def _sub_gaussian(who: str, rounds: Rounds, power: float) -> FloatArray:
    check_between(who, "power", power, 0, 1)
    w = rounds.weights
    below = 1 - power + power * w
    return np.divide(w, below, out=np.zeros_like(w), where=below > 0)


def _positive(who: str, name: str, value: float) -> float:
    if not value > 0:
        raise InvalidParameter(f"{who}: {name} must be a number above 0, got {value!r}.")
    return value


def _not_negative(who: str, name: str, value: float) -> float:
    if not value >= 0:
        raise InvalidParameter(f"{who}: {name} must be a number of at least 0, got {value!r}.")
    return value
