"""Every estimator by its name, and what it needs beside the log.

Estimators with a setting try several, as wide as the weights of the log, and SLOPE chooses.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recloop.errors import InvalidData
from recloop.evaluation.ope import embedded, marginal, sequential, single, slates
from recloop.evaluation.ope.estimate import Estimate
from recloop.evaluation.ope.rounds import Rounds
from recloop.evaluation.ope.selection import tuned
from recloop.evaluation.ope.single import Modelled
from recloop.evaluation.ope.slates import SlateRounds
from recloop.evaluation.ope.trajectories import Trajectories
from recloop.types import FloatArray, IntArray
from recloop.utils.names import unknown_name


class Help(NamedTuple):
    """What beside the log an estimator of single items may use."""

    q: FloatArray | Modelled | None = None  # (n, A) a model of the reward
    q_mrdr: FloatArray | Modelled | None = None  # (n, A) one fitted with `mrdr_weights`
    clusters: IntArray | None = None  # (A,) what items have in common


class Found(NamedTuple):
    """An estimate, and the setting it was made with."""

    estimate: Estimate
    setting: float | None = None


BY_WEIGHTS: dict[str, Callable[[Rounds], Estimate]] = {
    "replay": single.replay,
    "ips": single.ips,
    "snips": single.snips,
}
BY_MODEL: dict[str, Callable[[Rounds, FloatArray | Modelled], Estimate]] = {
    "dm": single.dm,
    "dr": single.dr,
    "sndr": single.sndr,
}
WITH_SETTING: dict[str, Callable[[Rounds, float], Estimate]] = {
    "clipped_ips": lambda log, at: single.clipped_ips(log, at=at),
    "clipped_snips": lambda log, at: single.clipped_snips(log, at=at),
    "sub_gaussian_ips": lambda log, power: single.sub_gaussian_ips(log, power=power),
}
WITH_MODEL_AND_SETTING: dict[str, Callable[[Rounds, FloatArray | Modelled, float], Estimate]] = {
    "switch_dr": lambda log, q, at: single.switch_dr(log, q, at=at),
    "dros": lambda log, q, shrink: single.dros(log, q, shrink=shrink),
    "sub_gaussian_dr": lambda log, q, power: single.sub_gaussian_dr(log, q, power=power),
}
OF_CLUSTERS = ("mips", "offcem")
OF_SINGLES = (
    *BY_WEIGHTS, *WITH_SETTING, *BY_MODEL, "mrdr", *WITH_MODEL_AND_SETTING, *OF_CLUSTERS,
)  # fmt: skip
USE_MODEL = (*BY_MODEL, *WITH_MODEL_AND_SETTING, "offcem")
CUT = (*WITH_SETTING, *WITH_MODEL_AND_SETTING)
"""Those whose own weights hide how wild the log's are."""

OF_SLATES: dict[str, Callable[[SlateRounds], Estimate]] = {
    "standard_ips": slates.standard_ips,
    "standard_snips": lambda log: slates.standard_ips(log, normalise=True),
    "independent_ips": slates.independent_ips,
    "independent_snips": lambda log: slates.independent_ips(log, normalise=True),
    "reward_interaction_ips": slates.reward_interaction_ips,
    "reward_interaction_snips": lambda log: slates.reward_interaction_ips(log, normalise=True),
}
OF_MARGINALS = ("independent_ips", "independent_snips", "pseudo_inverse")
SLATES_BY_MORE = ("cascade_dr", "pseudo_inverse")
"""They need a model of the reward, or weights of the whole slate."""

OF_SEQUENCES: dict[str, Callable[[Trajectories], Estimate]] = {
    "trajectory_is": sequential.trajectory_is,
    "weighted_trajectory_is": sequential.weighted_trajectory_is,
    "per_decision_is": sequential.per_decision_is,
    "weighted_per_decision_is": sequential.weighted_per_decision_is,
}
SEQUENCES_BY_MODEL = ("fqe", "sequential_dr", "weighted_sequential_dr")


def of_singles(name: str, rounds: Rounds, given: Help, setting: float | None = None) -> Found:
    """The estimate of single items with this name; setting None: SLOPE chooses."""
    if name in BY_WEIGHTS:
        return Found(BY_WEIGHTS[name](rounds))
    if name in BY_MODEL:
        return Found(BY_MODEL[name](rounds, _model(name, given)))
    if name == "mrdr":
        return Found(
            single.mrdr(rounds, given.q_mrdr if given.q_mrdr is not None else _model(name, given))
        )
    if name in OF_CLUSTERS:
        if given.clusters is None:
            raise InvalidData(f"{name}: needs clusters, a group of every item.")
        if name == "mips":
            return Found(embedded.mips(rounds, given.clusters))
        return Found(embedded.offcem(rounds, _model(name, given), given.clusters))
    if name in WITH_SETTING:
        simple = WITH_SETTING[name]
        return _chosen(name, rounds, setting, lambda value: simple(rounds, value))
    if name in WITH_MODEL_AND_SETTING:
        build, q = WITH_MODEL_AND_SETTING[name], _model(name, given)
        return _chosen(name, rounds, setting, lambda value: build(rounds, q, value))
    raise unknown_name("estimator of single items", name, OF_SINGLES)


def of_sequences(name: str, log: Trajectories, values: marginal.Values | None) -> Estimate:
    """The estimate of sessions with this name; `values` of a model of the return."""
    if name in OF_SEQUENCES:
        return OF_SEQUENCES[name](log)
    if name not in SEQUENCES_BY_MODEL:
        known = [*OF_SEQUENCES, *SEQUENCES_BY_MODEL]
        raise unknown_name("estimator of sessions", name, known)
    if values is None:
        raise InvalidData(
            f"{name}: needs reward_model beside a target of every item, shape (rows, items)."
        )
    if name == "fqe":
        return marginal.fqe(log, values)
    if name == "sequential_dr":
        return sequential.sequential_dr(log, *values)
    return sequential.weighted_sequential_dr(log, *values)


def settings(name: str, rounds: Rounds) -> list[float]:
    """What is tried for an estimator with a setting: from no cut at all to a hard one."""
    if name.startswith("sub_gaussian"):
        return [0.0, 0.01, 0.03, 0.1, 0.3, 0.5]
    w = rounds.weights
    levels = np.quantile(w[w > 0], [0.5, 0.8, 0.9, 0.95, 0.99]) if (w > 0).any() else np.ones(1)
    scale = np.square(levels) if name == "dros" else levels
    return [float("inf"), *np.unique(scale)[::-1].tolist()]


def _chosen(
    name: str, rounds: Rounds, setting: float | None, build: Callable[[float], Estimate]
) -> Found:
    if setting is not None:
        return Found(build(setting), setting)
    found = tuned({value: build(value) for value in settings(name, rounds)})
    return Found(found.estimate, float(found.setting))


def _model(name: str, given: Help) -> FloatArray | Modelled:
    if given.q is None:
        raise InvalidData(f"{name}: needs q, a model of the reward of every item.")
    return given.q
