"""What can be earned in a world: by chance, by greed, by one action forever, at best.

Where a world can be written as a table of states, every line is computed; elsewhere lines are
played, the best planner that knows everything stands for the optimum, and an upper bound says how
much could be missing. Rewards are summed over a session up to the horizon. The best *stationary*
policy is the target of an agent that is trained with truncated horizons: the optimum may also use
that the end is near, and sell out what it has built.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy.special import stdtrit

from recloop.simulators.base import (
    AbstractWorld,
    Policy,
    best_slates,
    myopic_slates,
    random_slates,
)
from recloop.simulators.draws import session_keys
from recloop.simulators.finite import (
    FiniteModel,
    backward_induction,
    best_stationary,
    value_of,
    value_of_random,
)
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count, finite_or_none
from recloop.utils.seeding import stream

LINES = ("random", "best_constant", "myopic", "best_stationary", "optimal")
MOST_PEOPLE = 200
"""People whose tables are solved one by one; of more, evenly spread ones."""


@dataclass(frozen=True)
class Line:
    """What a policy earns in a session on average; low and high: 95 %, equal where exact."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Certificate:
    """The lines of a world, by name: see `LINES`; and `bound`, where the optimum is not exact.

    planners: every rule that was tried, where the optimum was not computed.
    """

    world: str
    params: dict[str, Any]
    horizon: int
    discount: float
    lines: dict[str, Line]
    planners: dict[str, Line] = field(default_factory=dict)

    @property
    def optimum(self) -> float:
        """What agents are compared with: the best stationary policy, or the best planner."""
        return self.lines["best_stationary"].value

    @property
    def headroom(self) -> float:
        """Optimal over myopic: 1 where planning gains nothing, inf where greed earns nothing."""
        best, greed = self.lines["optimal"].value, self.lines["myopic"].value
        return 1.0 if best == greed else best / greed if greed else np.inf

    def share(self, value: float) -> float:
        """`value` over the optimum, 1 where there is nothing to earn."""
        return value / self.optimum if self.optimum else 1.0

    def gap_closed(self, value: float) -> float:
        """How much of the way from the best constant action to the optimum `value` has gone."""
        least = self.lines["best_constant"].value
        return (value - least) / (self.optimum - least) if self.optimum != least else np.nan

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        values = asdict(self)
        for line in (*values["lines"].values(), *values["planners"].values()):
            line.update({name: finite_or_none(line[name]) for name in ("value", "low", "high")})
        return {**values, "headroom": finite_or_none(self.headroom)}

    def card(self) -> str:
        """The lines as text."""
        best = self.lines["optimal"].value
        rows = [f"{self.world}: rewards of a session of {self.horizon} steps"]
        for name, line in self.lines.items():
            around = "" if line.low == line.high else f" [{line.low:.4g}, {line.high:.4g}]"
            share = _share_of(best, line.value)
            rows.append(f"  {name:<16}{line.value:>11.4g} {share}  {line.method}{around}")
        rows += [
            f"  {'rule':<16}{line.value:>11.4g} {_share_of(best, line.value)}  {name}"
            for name, line in self.planners.items()
        ]
        rows.append(f"  optimal / myopic {self.headroom:10.3f}")
        return "\n".join(rows)


def _share_of(best: float, value: float) -> str:
    return f"{value / best:7.3f}" if best and np.isfinite(value) else "      -"


def certify(
    world: AbstractWorld, *, discount: float = 0.95, n_sessions: int = 1000, seed: int = 0
) -> Certificate:
    """Compute or play every line of a world.

    discount: of the best stationary policy. n_sessions: for each line that is played.
    """
    check_between("certify", "discount", discount, 0.0, 1.0, high_open=True)
    check_count("certify", "n_sessions", n_sessions, least=2)
    planners: dict[str, Line] = {}
    if world.finite(0) is not None:
        lines = _computed(world, discount)
    else:
        lines, planners = _played(world, n_sessions, seed)
    params = {
        name: value
        for name, value in vars(world.params).items()
        if not isinstance(value, np.ndarray)
    }
    return Certificate(world.type_name, params, world.horizon, discount, lines, planners)


def play(
    world: AbstractWorld, policy: Policy, users: IntArray, rng: np.random.Generator
) -> FloatArray:
    """(B,) rewards of one session of each of `users` under a policy."""
    world.begin(users, session_keys(rng, len(users)))
    earned, active = np.zeros(len(users)), np.ones(len(users), dtype=np.bool_)
    while active.any():
        rewards, terminated, truncated = world.step(policy(world))
        earned += np.where(active, rewards, 0.0)
        active &= ~(terminated | truncated)
    return earned


def spread_users(world: AbstractWorld, n: int) -> IntArray:
    """(n,) people, each as often as the others or once more; once only where sessions repeat."""
    if world.sessions_repeat:
        n = min(n, world.n_users)
    return np.arange(n) % world.n_users


def interval_of(returns: FloatArray) -> tuple[float, float, float]:
    """Mean and Student's 95 % interval of it; one number alone has none and gives its own ends."""
    mean, n = float(returns.mean()), len(returns)
    if n < 2:
        return mean, mean, mean
    width = float(stdtrit(n - 1, 0.975)) * float(returns.std(ddof=1)) / np.sqrt(n)
    return mean, mean - width, mean + width


# Computed from tables


def _computed(world: AbstractWorld, discount: float) -> dict[str, Line]:
    n = min(world.n_users, MOST_PEOPLE)
    users = np.unique(np.linspace(0, world.n_users - 1, n).astype(np.int64))
    found = np.array([_lines_of(world, int(user), discount) for user in users])
    whom = "" if world.n_users == 1 else f", mean of {len(users)} people"
    methods = dict.fromkeys(LINES, f"{world.finite_is}{whom}")
    methods["best_stationary"] += f", discount {discount:g}"
    means = found.mean(axis=0)
    return {
        name: Line(float(value), float(value), float(value), methods[name])
        for name, value in zip(LINES, means, strict=True)
    }


def _lines_of(world: AbstractWorld, user: int, discount: float) -> list[float]:
    model = world.finite(user)
    assert model is not None
    horizon, n_states = world.horizon, len(model.start)

    def worth(policy: IntArray) -> float:
        return float(value_of(model, policy, horizon) @ model.start)

    return [
        float(value_of_random(model, horizon) @ model.start),
        max(worth(np.full(n_states, action)) for action in range(len(model.slates))),
        worth(model.rewards.argmax(axis=1)),
        worth(best_stationary(model, discount).policy),
        float(backward_induction(model, horizon).values @ model.start),
    ]


def stationary_policy(world: AbstractWorld, discount: float) -> Policy:
    """The best stationary policy of a world that has a table, for playing."""
    solved: dict[int, tuple[FiniteModel, IntArray]] = {}

    def slates(at: AbstractWorld) -> IntArray:
        out = np.empty((len(at.users), at.slate_size), dtype=np.int64)
        numbers = at.state_numbers(at.state, at.users)
        for user in np.unique(at.users).tolist():
            if user not in solved:
                model = at.finite(user)
                assert model is not None
                solved[user] = model, best_stationary(model, discount).policy
            model, policy = solved[user]
            rows = at.users == user
            out[rows] = model.slates[policy[numbers[rows]]]
        return out

    return slates


# Played


def _played(
    world: AbstractWorld, n_sessions: int, seed: int
) -> tuple[dict[str, Line], dict[str, Line]]:
    users = spread_users(world, n_sessions)

    def line(policy: Policy, method: str) -> Line:
        # the same sessions for every policy: what chance gives one, it gives all
        return Line(*interval_of(play(world, policy, users, stream(seed, "certify"))), method)

    rng = stream(seed, "certify", "random slates")
    how = f"{len(users):,} sessions played"
    if world.sessions_repeat:
        how += ", everybody's once" if len(users) > 1 else ": one person alone has no interval"
    myopic = line(myopic_slates, how)
    planned = {name: line(policy, how) for name, policy in world.planners().items()}
    best = max(planned, key=lambda name: planned[name].value, default=None)
    if best is None or planned[best].value < myopic.value:
        name, found = "greedy", myopic
    else:
        name, found = best, planned[best]
    bound, reason = world.upper_bound()
    optimum = Line(found.value, found.low, found.high, f"best planner found ({name}), {how}")
    lines = {
        "random": line(lambda at: random_slates(at, rng), how),
        "best_constant": line(_kept_from_the_start(), f"everybody's first greedy slate, {how}"),
        "myopic": myopic,
        "best_stationary": optimum,
        "optimal": optimum,
        "bound": Line(bound, bound, bound, reason),
    }
    return lines, planned


def _kept_from_the_start() -> Callable[[AbstractWorld], IntArray]:
    """Everybody's greedy slate of the first step, for the whole session."""
    kept: dict[int, IntArray] = {}

    def slates(world: AbstractWorld) -> IntArray:
        if world.n_steps.max() == 0:
            kept[0] = best_slates(world.expected_rewards(world.state, world.users), world)
        return kept[0]

    return slates
