"""Hidden worlds, and the logs that a plausible shop would have of them."""

import numpy as np

from recloop.models.baselines.pure_svd import PureSVDRecommender
from recloop.simulators.base import best_slates, random_slates
from recloop.simulators.preference import PreferenceWorld, drawn_preferences
from recloop.training.fitting import ImpressionLog, played_log
from recloop.types import Interactions
from recloop.utils.seeding import stream

N_USERS, N_ITEMS, N_SLOTS, MOST_STEPS = 300, 100, 5, 20


def hidden_world(seed: int, *, drift: float = 0.0, bias: float = 0.7) -> PreferenceWorld:
    """300 people, 100 items, slates of 5, sessions of 1 to 20 steps."""
    return PreferenceWorld(
        drawn_preferences(
            n_users=N_USERS,
            n_items=N_ITEMS,
            n_factors=4,
            skew=0.3,
            seed=seed,
            slate_size=N_SLOTS,
            position_bias=bias,
            drift=drift,
            horizon=MOST_STEPS,
            lengths=np.full(MOST_STEPS, 1 / MOST_STEPS),
        )
    )


def liked(log: ImpressionLog) -> PureSVDRecommender:
    """A model of who clicked what."""
    rows = np.flatnonzero(log.clicks > 0)
    rows = rows[np.argsort(log.users[rows], kind="stable")]
    clicks = Interactions(
        log.users[rows], log.items[rows], np.ones(len(rows)), np.zeros(len(rows)), N_USERS, N_ITEMS
    )
    return PureSVDRecommender(N_USERS, N_ITEMS, n_factors=4).fit(clicks)


def joined(*logs: ImpressionLog) -> ImpressionLog:
    """One log after the other."""
    firsts = np.cumsum([0, *(int(log.sessions[-1]) + 1 for log in logs)])
    columns = {
        name: np.concatenate([getattr(log, name) for log in logs])
        for name in ("users", "slots", "items", "clicks", "randomised")
    }
    return ImpressionLog.impressions(
        **columns,
        times=np.concatenate([log.steps for log in logs]),
        sessions=np.concatenate(
            [log.sessions + first for log, first in zip(logs, firsts[:-1], strict=True)]
        ),
        n_users=N_USERS,
        n_items=N_ITEMS,
    )


def shop_log(
    world: PreferenceWorld, n_sessions: int, seed: int, *, share_random: float = 0.4
) -> ImpressionLog:
    """Sessions with random slates; then those of a model that learned from them, best on top."""
    rng = stream(seed, "shop")
    n_random = round(share_random * n_sessions)
    users = np.arange(n_sessions) % N_USERS
    early = played_log(
        world,
        lambda at: random_slates(at, rng),
        users[:n_random],
        rng,
        randomised=np.ones(n_random, dtype=np.bool_),
    )
    scores = liked(early).scores(np.arange(N_USERS))
    scores = scores / scores.std()

    def served(at):
        noise = rng.standard_normal((len(at.users), N_ITEMS))
        return best_slates(scores[at.users] + 0.5 * noise, at)

    return joined(early, played_log(world, served, users[n_random:], rng))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, for numbers without ties."""
    ranks = [np.argsort(np.argsort(each)) for each in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def kendall_tau(one: list[float], other: list[float]) -> float:
    """Pairs in the same order minus pairs in another, over all pairs."""
    signs = [
        np.sign((one[i] - one[j]) * (other[i] - other[j]))
        for i in range(len(one))
        for j in range(i)
    ]
    return float(np.mean(signs))
