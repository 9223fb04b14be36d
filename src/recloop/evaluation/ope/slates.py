"""Estimators for slates: how each slot's reward depends on the other slots decides the weights.

standard: on all of them (Li et al. 2018). independent: on none. reward interaction: on those above
(McInerney et al. 2020). cascade DR: the same, with a model (Kiyohara et al. 2022, eq. 7). pseudo-
inverse: the slate's one reward is a sum of effects of its slots (Swaminathan et al. 2017, eq. 5).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import InvalidData
from recloop.evaluation.ope import checking
from recloop.evaluation.ope.estimate import Estimate, average, ratio
from recloop.types import BoolArray, FloatArray

ADDITIVE = "the reward of a slate is a sum of effects of its slots"


@dataclass(frozen=True)
class SlateRounds:
    """n slates of at most k slots, checked when made.

    propensities, target_taken: of each slot given the slots above it, for all estimators but
    `independent_ips`, which needs the marginal ones, of the item at that place whatever stands
    above. Slots that were not filled are False in `filled`.
    """

    rewards: FloatArray  # (n, k)
    propensities: FloatArray  # (n, k) in (0, 1]
    target_taken: FloatArray  # (n, k)
    filled: BoolArray = None  # type: ignore[assignment]  # (n, k); None: all
    slot_weights: FloatArray = None  # type: ignore[assignment]  # (k,) in the sum; None: 1

    def __post_init__(self) -> None:
        shape = np.shape(self.rewards)
        if len(shape) != 2 or 0 in shape:
            raise InvalidData(
                "off-policy evaluation: rewards must have shape (slates, slots) and at least one "
                f"of each, got {shape}."
            )
        filled = checking.mask("filled", self.filled, shape)
        weights = np.ones(shape[1]) if self.slot_weights is None else self.slot_weights
        fields: dict[str, Any] = {"filled": filled}
        fields["slot_weights"] = checking.numbers("slot_weights", weights, (shape[1],))
        for name, fill, check in (
            ("rewards", 0.0, checking.numbers),
            ("propensities", 1.0, checking.propensities),
            ("target_taken", 1.0, checking.probabilities),
        ):
            values = checking.kept(name, getattr(self, name), filled, fill)
            fields[name] = check(name, values, shape)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def ratios(self) -> FloatArray:
        """(n, k) the new policy's probability of each slot over the logging one's."""
        return self.target_taken / self.propensities

    @property
    def totals(self) -> FloatArray:
        """(n,) the reward of each slate."""
        return self.rewards @ self.slot_weights


def standard_ips(log: SlateRounds, *, normalise: bool = False) -> Estimate:
    """The ratio of the whole slate times its reward. Always right, and soon hopeless."""
    w = np.prod(log.ratios, axis=1)
    if normalise:
        return ratio("standard_snips", w * log.totals, w, weights=w)
    return average("standard_ips", w * log.totals, w)


def independent_ips(log: SlateRounds, *, normalise: bool = False) -> Estimate:
    """Each slot's reward times its own ratio of marginal probabilities."""
    return _by_slot(
        "independent", log, log.ratios, "a slot's reward depends on its item", normalise
    )


def reward_interaction_ips(log: SlateRounds, *, normalise: bool = False) -> Estimate:
    """Each slot's reward times the ratio of the slots down to it."""
    w = np.multiply.accumulate(log.ratios, axis=1)
    assumes = "a slot's reward depends on its item and those above"
    return _by_slot("reward_interaction", log, w, assumes, normalise)


def cascade_dr(log: SlateRounds, q_taken: FloatArray, v: FloatArray) -> Estimate:
    """sum_k W_k (r_k - q_k) + W_{k-1} v_k, W_k the ratio of the slots down to k.

    q_taken (n, k): a model of the reward from slot k downwards, given what was shown down to k;
    v (n, k): its average over what the policy would put at slot k.
    """
    shape = log.rewards.shape
    q = np.where(log.filled, checking.numbers("q_taken", q_taken, shape), 0.0)
    v = np.where(log.filled, checking.numbers("v", v, shape), 0.0)
    w = np.multiply.accumulate(log.ratios, axis=1)
    before = np.concatenate([np.ones((len(log), 1)), w[:, :-1]], axis=1)
    rows = (w * (log.rewards * log.slot_weights - q) + before * v).sum(axis=1)
    return Estimate(
        "cascade_dr", rows, weights=w[:, -1],
        assumes="a slot's reward depends on its item and those above",
    )  # fmt: skip


def pseudo_inverse(totals: ArrayLike, weights: ArrayLike) -> Estimate:
    """The slate's reward times its `pseudo_inverse_weights` (n,), which may be negative."""
    earned = checking.numbers("totals", totals, (None,))
    w = checking.numbers("weights", weights, (len(earned),))
    return Estimate("pseudo_inverse", w * earned, weights=w, assumes=ADDITIVE)


def pseudo_inverse_weights(
    slates: ArrayLike, target_marginals: ArrayLike, moments: ArrayLike
) -> FloatArray:
    """(n,) q_pi' Gamma^+ 1_slate, for one context or for rows that share both tables.

    slates (n, k) of items; target_marginals (k, A): the new policy's probability of each item at
    each slot; moments (k A, k A): `slate_moments` of the logging policy.
    """
    marginals = checking.distributions("target_marginals", target_marginals, (None, None))
    k, n_items = marginals.shape
    items = checking.codes("slates", slates, (None, k), n_items)
    table = checking.numbers("moments", moments, (k * n_items, k * n_items))
    row = np.linalg.pinv(table, hermitian=True) @ marginals.ravel()
    return row[items + n_items * np.arange(k)].sum(axis=1)


def product_weights(log: SlateRounds) -> FloatArray:
    """(n,) the pseudo-inverse weights where the logging policy fills slots independently.

    1 + sum_k (ratio of slot k - 1), from marginal probabilities.
    """
    return 1 + (log.ratios - 1).sum(axis=1)


def slate_moments(slates: ArrayLike, chances: ArrayLike, n_items: int) -> FloatArray:
    """(k A, k A): how likely items a and b stand at slots j and l, over all slates listed.

    slates (m, k): every slate the logging policy can show, chances (m,) of each.
    """
    shares = checking.distributions("chances", np.atleast_2d(chances), (1, None))[0]
    items = checking.codes("slates", slates, (len(shares), None), n_items)
    k = items.shape[1]
    marks = np.zeros((len(items), k * n_items))
    np.put_along_axis(marks, items + n_items * np.arange(k), 1.0, axis=1)
    return marks.T @ (marks * shares[:, None])


def uniform_moments(n_slots: int, n_items: int) -> FloatArray:
    """`slate_moments` of slates drawn uniformly without an item twice."""
    if n_slots > n_items:
        raise InvalidData(f"uniform_moments: {n_items} items do not fill {n_slots} slots.")
    apart = (1 - np.eye(n_items)) / (n_items * max(n_items - 1, 1))
    same = np.eye(n_slots)
    return np.kron(same, np.eye(n_items) / n_items) + np.kron(1 - same, apart)


def _by_slot(name: str, log: SlateRounds, w: FloatArray, assumes: str, normalise: bool) -> Estimate:
    rows = w * log.rewards * log.slot_weights
    if normalise:
        return ratio(f"{name}_snips", rows, w, weights=w[:, -1])
    return Estimate(f"{name}_ips", rows.sum(axis=1), weights=w[:, -1], assumes=assumes)
