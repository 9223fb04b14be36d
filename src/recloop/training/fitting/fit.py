"""From a log to a preference world, with what the log could not say."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from recloop.models.baselines.pure_svd import PureSVDRecommender
from recloop.simulators.choice import examination
from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.training.fitting.again import liking_left
from recloop.training.fitting.drift import Drift, drift_of, drift_of_taken
from recloop.training.fitting.inclusion import MOST_PEOPLE, item_factors_for
from recloop.training.fitting.log import ImpressionLog
from recloop.training.fitting.popularity import shrunk_rates
from recloop.training.fitting.position import MOST_BIAS, PositionBias, position_bias
from recloop.training.fitting.taste import fit_taste
from recloop.types import FloatArray, Interactions
from recloop.utils.checks import check_between, check_count
from recloop.utils.seeding import stream

MOST_CHANCE = 0.95

LEAST_LIKING = 1e-5
"""Floor of the likings of people who remember: what is left at the end is drawn by it."""


@dataclass(frozen=True)
class Estimates:
    """What a log says about its people; `position_bias` and `drift` may say that it does not."""

    n_rows: int
    n_people: int
    n_items: int
    n_sessions: int
    click_rate: float | None  # None for plain interactions
    taste: float  # standard deviation of p_u . q_i over people and items
    popularity: tuple[float, float, float]  # 10 %, 50 % and 90 % points of the items' click rates
    position_bias: PositionBias
    assumed_position_bias: float  # what the world has where the log cannot tell
    session_length: tuple[float, float, float]  # mean, median and longest, in steps
    drift: Drift
    again: float = 1.0  # what is left of the liking for what was taken before

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        values = asdict(self)
        values["position_bias"] = self.position_bias._asdict()
        values["drift"] = self.drift._asdict()
        return values

    def words(self) -> list[str]:
        """A line for each estimate."""
        low, middle, high = self.popularity
        mean, median, longest = self.session_length
        known = "not known" if self.click_rate is None else f"{self.click_rate:.4g}"
        return [
            f"log             {self.n_rows:,} rows, {self.n_people:,} people, "
            f"{self.n_items:,} items, {self.n_sessions:,} sessions",
            f"click rate      {known}",
            f"taste           {self.taste:.4g} (standard deviation of a person's liking)",
            f"popularity      {low:.4g} / {middle:.4g} / {high:.4g} (10, 50, 90 % of the items)",
            f"position bias   {self._position_in_words()}",
            f"session length  mean {mean:.3g}, median {median:.3g}, longest {longest:.0f} steps",
            f"repeats         {self._repeats_in_words()}",
            f"drift           {self._drift_in_words()}",
        ]

    def _position_in_words(self) -> str:
        found = self.position_bias
        if found.value is None:
            return f"not identifiable: {found.reason}; {self.assumed_position_bias:g} is assumed"
        return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"

    def _repeats_in_words(self) -> str:
        if self.click_rate is not None:
            return "no memory is assumed of what was clicked before"
        if self.again == 1.0:
            return "as frequent as without a memory"
        return f"{self.again:.3g} of the liking is left for what was taken before"

    def _drift_in_words(self) -> str:
        found = self.drift
        if found.detected is None:
            return f"not identifiable: {found.reason}; none is assumed"
        test = f"p = {found.p_value:.2g}, false alarms {found.false_alarms:g}"
        if not found.detected:
            return f"off ({test})"
        size = found.reason if found.size is None else f"{found.size:.3g} a step"
        return f"on: {size} ({test})"


@dataclass(frozen=True)
class FittedWorld:
    """The world, and what the log says about its people."""

    world: PreferenceWorld
    estimates: Estimates


def fit_world(
    log: ImpressionLog,
    *,
    n_factors: int | None = None,
    assumed_position_bias: float = 0.0,
    false_alarms: float = 0.01,
    seed: int = 0,
) -> FittedWorld:
    """A preference world whose people are those of `log`.

    n_factors: at most so many, 8 for impressions and 32 for interactions if None.
    assumed_position_bias: the exponent where the log cannot tell. false_alarms: how often drift is
    found where there is none.
    """
    check_between("fit_world", "assumed_position_bias", assumed_position_bias, 0.0, MOST_BIAS)
    check_between("fit_world", "false_alarms", false_alarms, 0.0, 0.5, low_open=True)
    if n_factors is not None:
        check_count("fit_world", "n_factors", n_factors)
    position = position_bias(log)
    bias = assumed_position_bias if position.value is None else position.value
    if log.knows_no_click:
        params, popularity, drift = _from_impressions(log, bias, n_factors or 8, false_alarms, seed)
    else:
        params, popularity, drift = _from_interactions(log, n_factors or 32, false_alarms, seed)
    lengths = log.lengths()
    low, middle, high = np.quantile(popularity, [0.1, 0.5, 0.9]).tolist()
    estimates = Estimates(
        len(log),
        len(np.unique(log.users)),
        log.n_items,
        len(lengths),
        float(log.clicks.mean()) if log.knows_no_click else None,
        _spread(params),
        (low, middle, high),
        position,
        float(assumed_position_bias),
        (float(lengths.mean()), float(np.median(lengths)), float(lengths.max())),
        drift,
        params.again,
    )
    return FittedWorld(PreferenceWorld(params), estimates)


Fitted = tuple[PreferenceParams, FloatArray, Drift]


def _from_impressions(
    log: ImpressionLog, bias: float, n_factors: int, false_alarms: float, seed: int
) -> Fitted:
    examined = examination(log.n_slots, bias)
    taste = fit_taste(log, examined, n_factors=n_factors, seed=seed)
    liking = np.einsum("nf,nf->n", taste.user_factors[log.users], taste.item_factors[log.items])
    expected = examined[log.slots] * np.clip(liking + taste.popularity[log.items], 0.0, MOST_CHANCE)
    drift = drift_of(log, taste.item_factors, log.clicks - expected, examined, false_alarms)
    params = PreferenceParams(
        user_factors=taste.drawn_users,
        item_factors=taste.drawn_items,
        popularity=taste.popularity,
        floor=min(0.001, 0.1 * float(log.clicks.mean())),
        ceiling=MOST_CHANCE,
        slate_size=log.n_slots,
        position_bias=bias,
        drift=drift.size or 0.0,
        **_lengths(log),
    )
    return params, taste.popularity, drift


def _from_interactions(
    log: ImpressionLog, n_factors: int, false_alarms: float, seed: int
) -> Fitted:
    order = np.argsort(log.users, kind="stable")
    taken = Interactions(
        log.users[order], log.items[order], log.clicks[order], np.zeros(len(log)),
        log.n_users, log.n_items,
    )  # fmt: skip
    model = PureSVDRecommender(log.n_users, log.n_items, n_factors=n_factors, seed=seed).fit(taken)
    people, items = model.user_factors, model.item_factors
    params = PreferenceParams(people, items, ceiling=MOST_CHANCE, **_lengths(log))

    def chances_of(user: int) -> FloatArray:
        return np.clip(items @ people[user], params.floor, params.ceiling)

    again = liking_left(log, chances_of)
    if again < 1.0:
        params = _with_memory(log, params, again, seed)
    surprises = np.empty((len(log), items.shape[1]))
    starts = np.searchsorted(taken.users, np.arange(log.n_users + 1))
    for user in np.flatnonzero(np.diff(starts)).tolist():
        chances = chances_of(user)
        rows = order[starts[user] : starts[user + 1]]
        surprises[rows] = items[log.items[rows]] - chances @ items / chances.sum()
    pairs = np.unique(log.users * log.n_items + log.items)
    takers = np.bincount(pairs % log.n_items, minlength=log.n_items).astype(np.float64)
    popularity = shrunk_rates(takers, np.full(log.n_items, float(log.n_users)))
    return params, popularity, drift_of_taken(log, surprises, false_alarms)


def _with_memory(
    log: ImpressionLog, params: PreferenceParams, again: float, seed: int
) -> PreferenceParams:
    """Likings for people who keep the share `again` of them for what they took before.

    As many sessions as each has in the log are given lengths that the world gives them.
    """
    floor = min(params.floor, LEAST_LIKING)
    users = np.unique(log.users)
    if len(users) > MOST_PEOPLE:
        users = users[np.linspace(0, len(users) - 1, MOST_PEOPLE).astype(np.int64)]
    assert params.lengths is not None
    session_users = log.session_users()
    rng = stream(seed, "fit world", "lengths")
    drawn = rng.choice(len(params.lengths), size=len(session_users), p=params.lengths) + 1.0
    factors = item_factors_for(
        params.user_factors[users] @ params.item_factors.T,
        np.bincount(session_users, drawn, minlength=log.n_users)[users].astype(np.float64),
        np.bincount(log.items, minlength=log.n_items).astype(np.float64),
        floor,
        params.ceiling,
    )
    items = params.item_factors * factors[:, None]
    return replace(params, item_factors=items, floor=floor, again=again)


def _lengths(log: ImpressionLog) -> dict[str, Any]:
    counts = np.bincount(log.lengths())[1:]
    return {"lengths": counts / counts.sum(), "horizon": len(counts)}


def _spread(params: PreferenceParams) -> float:
    """Standard deviation of p_u . q_i over all pairs, without making them."""
    people, items = params.user_factors, params.item_factors
    mean = float(people.mean(axis=0) @ items.mean(axis=0))
    square = float(((people.T @ people) * (items.T @ items)).sum()) / (len(people) * len(items))
    return max(square - mean**2, 0.0) ** 0.5
