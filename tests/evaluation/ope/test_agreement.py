"""Every estimator equals its published definition, written row by row, on inputs of any shape.

The definitions below are loops over rows and items, after the papers named in each module.
"""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.evaluation.ope import (
    Rounds,
    SlateRounds,
    Trajectories,
    embedded,
    marginal,
    sequential,
    single,
    slates,
)

SEEDS = st.integers(0, 2**32 - 1)


class Drawn:
    """Random rounds, as lists for the definitions and as `Rounds` for ours."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.n, self.n_items = int(rng.integers(1, 30)), int(rng.integers(2, 7))
        shape = (self.n, self.n_items)
        self.b = rng.dirichlet(np.full(self.n_items, 2.0), size=self.n) * 0.9 + 0.1 / self.n_items
        self.pi = rng.dirichlet(np.ones(self.n_items), size=self.n)
        self.a = rng.integers(self.n_items, size=self.n)
        self.r = rng.normal(2, 3, size=self.n)
        self.q = rng.normal(1, 2, size=shape)
        self.groups = rng.integers(3, size=self.n_items)
        self.chances = rng.dirichlet(np.ones(4), size=self.n_items)
        self.drawn = rng.integers(4, size=self.n)
        self.cut = float(rng.uniform(0.1, 3))
        self.power = float(rng.uniform(0, 1))
        self.w = [self.pi[i, self.a[i]] / self.b[i, self.a[i]] for i in range(self.n)]
        self.rounds = Rounds(self.a, self.r, self.b[np.arange(self.n), self.a], self.pi, self.b)

    def mean(self, of) -> float:
        return sum(of(i) for i in range(self.n)) / self.n

    def expected(self, i: int) -> float:
        return sum(self.pi[i, a] * self.q[i, a] for a in range(self.n_items))

    def left(self, i: int) -> float:
        return self.r[i] - self.q[i, self.a[i]]

    def by_group(self, i: int) -> float:
        same = [a for a in range(self.n_items) if self.groups[a] == self.groups[self.a[i]]]
        return sum(self.pi[i, a] for a in same) / sum(self.b[i, a] for a in same)

    def by_embedding(self, i: int) -> float:
        e = self.drawn[i]
        above = sum(self.pi[i, a] * self.chances[a, e] for a in range(self.n_items))
        return above / sum(self.b[i, a] * self.chances[a, e] for a in range(self.n_items))


def ratio(d: Drawn, weight, of) -> float:
    return sum(weight(i) * of(i) for i in range(d.n)) / sum(weight(i) for i in range(d.n))


SINGLE = {
    "ips": (lambda d: single.ips(d.rounds), lambda d: d.mean(lambda i: d.w[i] * d.r[i])),
    "clipped_ips": (
        lambda d: single.clipped_ips(d.rounds, at=d.cut),
        lambda d: d.mean(lambda i: min(d.w[i], d.cut) * d.r[i]),
    ),
    "snips": (
        lambda d: single.snips(d.rounds),
        lambda d: ratio(d, lambda i: d.w[i], lambda i: d.r[i]),
    ),
    "clipped_snips": (
        lambda d: single.clipped_snips(d.rounds, at=d.cut),
        lambda d: ratio(d, lambda i: min(d.w[i], d.cut), lambda i: d.r[i]),
    ),
    "dm": (lambda d: single.dm(d.rounds, d.q), lambda d: d.mean(d.expected)),
    "dr": (
        lambda d: single.dr(d.rounds, d.q),
        lambda d: d.mean(lambda i: d.expected(i) + d.w[i] * d.left(i)),
    ),
    "mrdr": (
        lambda d: single.mrdr(d.rounds, d.q),
        lambda d: d.mean(lambda i: d.expected(i) + d.w[i] * d.left(i)),
    ),
    "sndr": (
        lambda d: single.sndr(d.rounds, d.q),
        lambda d: d.mean(d.expected) + ratio(d, lambda i: d.w[i], d.left),
    ),
    "switch_dr": (
        lambda d: single.switch_dr(d.rounds, d.q, at=d.cut),
        lambda d: d.mean(lambda i: d.expected(i) + (d.w[i] * d.left(i) if d.w[i] <= d.cut else 0)),
    ),
    "dros": (
        lambda d: single.dros(d.rounds, d.q, shrink=d.cut),
        lambda d: d.mean(
            lambda i: d.expected(i) + d.cut * d.w[i] / (d.w[i] ** 2 + d.cut) * d.left(i)
        ),
    ),
    "sub_gaussian_ips": (
        lambda d: single.sub_gaussian_ips(d.rounds, power=d.power),
        lambda d: d.mean(lambda i: d.w[i] / (1 - d.power + d.power * d.w[i]) * d.r[i]),
    ),
    "sub_gaussian_dr": (
        lambda d: single.sub_gaussian_dr(d.rounds, d.q, power=d.power),
        lambda d: d.mean(
            lambda i: d.expected(i) + d.w[i] / (1 - d.power + d.power * d.w[i]) * d.left(i)
        ),
    ),
    "mips": (
        lambda d: embedded.mips(d.rounds, d.groups),
        lambda d: d.mean(lambda i: d.by_group(i) * d.r[i]),
    ),
    "mips of drawn embeddings": (
        lambda d: embedded.mips(d.rounds, chances=d.chances, embeddings=d.drawn),
        lambda d: d.mean(lambda i: d.by_embedding(i) * d.r[i]),
    ),
    "offcem": (
        lambda d: embedded.offcem(d.rounds, d.q, d.groups),
        lambda d: d.mean(lambda i: d.expected(i) + d.by_group(i) * d.left(i)),
    ),
}


@pytest.mark.parametrize("name", list(SINGLE))
@settings(max_examples=25)
@given(seed=SEEDS)
def test_single_items(name, seed):
    ours, definition = SINGLE[name]
    d = Drawn(seed)
    assert ours(d).value == pytest.approx(definition(d), rel=1e-9, abs=1e-9)


@given(seed=SEEDS)
def test_replay(seed):
    d = Drawn(seed)
    target = np.eye(d.n_items)[np.random.default_rng(seed).integers(d.n_items, size=d.n)]
    same = [i for i in range(d.n) if target[i, d.a[i]] == 1]
    flat = np.full(d.n, 1 / d.n_items)
    if same:
        found = single.replay(Rounds(d.a, d.r, flat, target))
        assert found.value == pytest.approx(sum(d.r[i] for i in same) / len(same), rel=1e-9)


class DrawnSlates:
    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.n, self.k = int(rng.integers(1, 20)), int(rng.integers(1, 5))
        shape = (self.n, self.k)
        self.r = rng.normal(1, 2, size=shape)
        self.b, self.pi = rng.uniform(0.1, 1, size=shape), rng.uniform(0.05, 1, size=shape)
        self.q, self.v = rng.normal(size=shape), rng.normal(size=shape)
        self.alpha = rng.uniform(0.1, 2, size=self.k)
        self.gamma = float(rng.uniform(0.3, 1))
        self.lengths = rng.integers(1, self.k + 1, size=self.n)
        self.on = np.arange(self.k) < self.lengths[:, None]
        self.slates = SlateRounds(self.r, self.b, self.pi, self.on, self.alpha)
        self.trips = Trajectories(self.r, self.b, self.pi, self.on, discount=self.gamma)

    def rho(self, i: int, j: int) -> float:
        return self.pi[i, j] / self.b[i, j] if j < self.lengths[i] else 1.0

    def down_to(self, i: int, j: int) -> float:
        """The product of the ratios of slots 0 to j; 1 for j = -1."""
        return prod(self.rho(i, m) for m in range(j + 1))

    def slots(self, i: int):
        return range(self.lengths[i])

    def total(self, i: int) -> float:
        return sum(self.alpha[j] * self.r[i, j] for j in self.slots(i))

    def gain(self, i: int) -> float:
        return sum(self.gamma**j * self.r[i, j] for j in self.slots(i))

    def mean(self, of) -> float:
        return sum(of(i) for i in range(self.n)) / self.n

    def by_slot(self, weight, of) -> float:
        """Each slot self-normalised over all slates, then summed."""
        found = 0.0
        for j in range(self.k):
            above = sum(weight(i, j) * of(i, j) for i in range(self.n) if j < self.lengths[i])
            found += above / sum(weight(i, j) for i in range(self.n))
        return found


def doubly(d: DrawnSlates, i: int) -> float:
    return sum(
        d.gamma**j * (d.down_to(i, j) * (d.r[i, j] - d.q[i, j]) + d.down_to(i, j - 1) * d.v[i, j])
        for j in d.slots(i)
    )


SLATES = {
    "standard_ips": (
        lambda d: slates.standard_ips(d.slates),
        lambda d: d.mean(lambda i: d.down_to(i, d.k - 1) * d.total(i)),
    ),
    "standard_snips": (
        lambda d: slates.standard_ips(d.slates, normalise=True),
        lambda d: ratio(d, lambda i: d.down_to(i, d.k - 1), d.total),
    ),
    "independent_ips": (
        lambda d: slates.independent_ips(d.slates),
        lambda d: d.mean(lambda i: sum(d.rho(i, j) * d.alpha[j] * d.r[i, j] for j in d.slots(i))),
    ),
    "independent_snips": (
        lambda d: slates.independent_ips(d.slates, normalise=True),
        lambda d: d.by_slot(d.rho, lambda i, j: d.alpha[j] * d.r[i, j]),
    ),
    "reward_interaction_ips": (
        lambda d: slates.reward_interaction_ips(d.slates),
        lambda d: d.mean(
            lambda i: sum(d.down_to(i, j) * d.alpha[j] * d.r[i, j] for j in d.slots(i))
        ),
    ),
    "reward_interaction_snips": (
        lambda d: slates.reward_interaction_ips(d.slates, normalise=True),
        lambda d: d.by_slot(d.down_to, lambda i, j: d.alpha[j] * d.r[i, j]),
    ),
    "cascade_dr": (
        lambda d: slates.cascade_dr(d.slates, d.q, d.v),
        lambda d: d.mean(
            lambda i: sum(
                d.down_to(i, j) * (d.alpha[j] * d.r[i, j] - d.q[i, j])
                + d.down_to(i, j - 1) * d.v[i, j]
                for j in d.slots(i)
            )
        ),
    ),
    "pseudo_inverse of independent slots": (
        lambda d: slates.pseudo_inverse(d.slates.totals, slates.product_weights(d.slates)),
        lambda d: d.mean(
            lambda i: (
                (1 + sum(d.rho(i, j) - 1 for j in d.slots(i)))
                * sum(d.alpha[j] * d.slates.rewards[i, j] for j in range(d.k))
            )
        ),
    ),
    "trajectory_is": (
        lambda d: sequential.trajectory_is(d.trips),
        lambda d: d.mean(lambda i: d.down_to(i, d.k - 1) * d.gain(i)),
    ),
    "weighted_trajectory_is": (
        lambda d: sequential.weighted_trajectory_is(d.trips),
        lambda d: ratio(d, lambda i: d.down_to(i, d.k - 1), d.gain),
    ),
    "per_decision_is": (
        lambda d: sequential.per_decision_is(d.trips),
        lambda d: d.mean(
            lambda i: sum(d.gamma**j * d.down_to(i, j) * d.r[i, j] for j in d.slots(i))
        ),
    ),
    "weighted_per_decision_is": (
        lambda d: sequential.weighted_per_decision_is(d.trips),
        lambda d: d.by_slot(d.down_to, lambda i, j: d.gamma**j * d.r[i, j]),
    ),
    "sequential_dr": (
        lambda d: sequential.sequential_dr(d.trips, d.q, d.v),
        lambda d: d.mean(lambda i: doubly(d, i)),
    ),
    "weighted_sequential_dr": (
        lambda d: sequential.weighted_sequential_dr(d.trips, d.q, d.v),
        lambda d: (
            d.by_slot(d.down_to, lambda i, j: d.gamma**j * (d.r[i, j] - d.q[i, j]))
            + d.by_slot(lambda i, j: d.down_to(i, j - 1), lambda i, j: d.gamma**j * d.v[i, j])
        ),
    ),
}


@pytest.mark.parametrize("name", list(SLATES))
@settings(max_examples=25)
@given(seed=SEEDS)
def test_slates_and_sequences(name, seed):
    ours, definition = SLATES[name]
    d = DrawnSlates(seed)
    assert ours(d).value == pytest.approx(definition(d), rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_pseudo_inverse_of_any_slates(seed):
    """q' G^+ 1_s with G = E[1_s 1_s'], written with outer products and least squares."""
    rng = np.random.default_rng(seed)
    n_items, k = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    shown = rng.integers(n_items, size=(12, k))
    chances = rng.dirichlet(np.ones(12))
    wanted = rng.dirichlet(np.ones(n_items), size=k)

    def mark(slate):
        flat = np.zeros(k * n_items)
        for slot, item in enumerate(slate):
            flat[slot * n_items + item] = 1
        return flat

    moments = sum(p * np.outer(mark(s), mark(s)) for s, p in zip(shown, chances, strict=True))
    theirs = np.concatenate(list(wanted)) @ np.linalg.pinv(moments, rcond=1e-10)
    table = slates.slate_moments(shown, chances, n_items)
    assert table == pytest.approx(moments, abs=1e-12)
    ours = slates.pseudo_inverse_weights(shown, wanted, table)
    assert ours == pytest.approx(np.array([theirs @ mark(s) for s in shown]), rel=1e-7, abs=1e-7)


class DrawnStates:
    """Sequences of one length over few states, so that pairs meet again."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.n, self.steps = int(rng.integers(2, 25)), int(rng.integers(1, 4))
        self.n_states, self.n_items = 3, 2
        shape = (self.n, self.steps)
        self.s, self.a = rng.integers(3, size=shape), rng.integers(2, size=shape)
        self.r = rng.normal(size=shape)
        self.b = rng.uniform(0.2, 1, size=shape)
        self.policy = rng.dirichlet(np.ones(2), size=3)
        self.gamma = float(rng.uniform(0.3, 1))
        taken = self.policy[self.s, self.a]
        self.log = Trajectories(
            self.r, self.b, taken, states=self.s, actions=self.a, discount=self.gamma
        )
        self.rho = taken / self.b

    def q_tables(self) -> list[dict]:
        """Backwards: the mean of r + g v(next) over the rows of a pair, 0 where there are none."""
        tables: list[dict] = [{} for _ in range(self.steps + 1)]
        for t in range(self.steps - 1, -1, -1):
            for s in range(3):
                for a in range(2):
                    rows = [i for i in range(self.n) if self.s[i, t] == s and self.a[i, t] == a]
                    goals = [self.r[i, t] + self.gamma * self.v(tables, i, t + 1) for i in rows]
                    tables[t][s, a] = sum(goals) / len(goals) if goals else 0.0
        return tables

    def v(self, tables: list[dict], i: int, t: int) -> float:
        if t >= self.steps:
            return 0.0
        s = self.s[i, t]
        return sum(self.policy[s, a] * tables[t][s, a] for a in range(2))

    def weights(self) -> list[list[float]]:
        """w_t(i) = mean over the rows j in the state of i of w_{t-1}(j), times rho_t(i)."""
        found: list[list[float]] = []
        for t in range(self.steps):
            row = []
            for i in range(self.n):
                same = [j for j in range(self.n) if self.s[j, t] == self.s[i, t]]
                before = 1.0 if t == 0 else sum(found[-1][j] for j in same) / len(same)
                row.append(before * self.rho[i, t])
            found.append(row)
        return found


@settings(max_examples=25)
@given(seed=SEEDS)
def test_estimators_of_states(seed):
    d = DrawnStates(seed)
    tables, w = d.q_tables(), d.weights()
    values = marginal.fitted_q(d.log, d.policy)
    ours = {
        "fqe": marginal.fqe(d.log, values).value,
        "marginal_is": marginal.marginal_is(d.log, d.policy).value,
        "drl": marginal.drl(d.log, values, marginal.marginal_weights(d.log, d.policy)).value,
    }
    steps = range(d.steps)
    theirs = {
        "fqe": sum(d.v(tables, i, 0) for i in range(d.n)) / d.n,
        "marginal_is": sum(
            d.gamma**t * w[t][i] * d.r[i, t] for i in range(d.n) for t in steps
        ) / d.n,
        "drl": sum(
            d.v(tables, i, 0)
            + sum(
                d.gamma**t
                * w[t][i]
                * (d.r[i, t] + d.gamma * d.v(tables, i, t + 1) - tables[t][d.s[i, t], d.a[i, t]])
                for t in steps
            )
            for i in range(d.n)
        ) / d.n,
    }  # fmt: skip
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_slope_chooses_as_the_paper_says(seed):
    """The last setting, by falling width, whose interval meets those of all before it."""
    from scipy.stats import t as student

    from recloop.evaluation.ope.selection import tuned

    d = Drawn(seed)
    if d.n < 3:
        return
    candidates = {at: single.clipped_ips(d.rounds, at=at) for at in (0.2, 0.5, 1.0, 2.0, 10.0)}
    half = {
        at: student.ppf(0.9, d.n - 1) * one.terms.std(ddof=1) / d.n**0.5
        for at, one in candidates.items()
    }
    order = sorted(candidates, key=lambda at: -half[at])
    chosen = order[0]
    for i in range(1, len(order)):
        if all(
            abs(candidates[order[i]].value - candidates[order[j]].value)
            <= half[order[i]] + (6**0.5 - 1) * half[order[j]]
            for j in range(i)
        ):
            chosen = order[i]
        else:
            break
    assert tuned(candidates).setting == chosen
