"""Synthetic people with one dial for how predictable they are.

A person takes items one after another, each once, item i after item j with probability proportional
to

    popularity_i * exp(predictability * (taste_u . factors_i + likes_u[category_i] + follows[j, i]))

At 0 everyone draws from the same popularity curve and nothing can be learned about anybody; at 1
tastes, categories and the order of items decide nearly everything. Ages, genders, locations, prices
and ratings carry a part of the same factors.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recloop.errors import InvalidParameter
from recloop.types import FloatArray, IntArray
from recloop.utils.checks import check_between, check_count
from recloop.utils.seeding import stream

FIRST_SECOND = 1640995200  # 2022-01-01 00:00:00 UTC
YEAR = 365 * 24 * 3600
N_FACTORS = 8
N_FOLLOWERS = 5
TASTE, CATEGORY, ORDER = 0.9, 1.2, 3.0  # strengths, in log odds, when predictability is 1
LOCATIONS = ("US", "EU", "ASIA", "LATAM", "AFRICA")
CATEGORIES = (
    "electronics", "books", "music", "sports", "garden",
    "toys", "food", "fashion", "health", "travel",
)  # fmt: skip


@dataclass(frozen=True)
class SyntheticSettings:
    """How many people and items, and how predictable the people are.

    sparsity: share of (user, item) pairs that stay empty, met within 0.02 from 1,000 people on.
    n_interactions: how many rows exactly, instead of a sparsity. predictability: 0 nothing to
    learn, 1 highly predictable. popularity_skew: exponent of the popularity curve, 0 for none.
    Memory and time grow with n_users * n_items: a million pairs take about a second.
    """

    n_users: int = 1000
    n_items: int = 500
    sparsity: float = 0.8
    predictability: float = 0.7
    popularity_skew: float = 0.8
    n_categories: int = 10
    seed: int = 0
    n_interactions: int | None = None

    def __post_init__(self) -> None:
        owner = "SyntheticSettings"
        check_count(owner, "n_users", self.n_users)
        check_count(owner, "n_items", self.n_items, least=2)
        check_between(owner, "sparsity", self.sparsity, 0.0, 1.0, low_open=True, high_open=True)
        check_between(owner, "predictability", self.predictability, 0.0, 1.0)
        check_between(owner, "popularity_skew", self.popularity_skew, 0.0, 10.0)
        check_count(owner, "n_categories", self.n_categories)
        if self.n_interactions is not None:
            self._check_n_interactions(self.n_interactions)
        elif round((1 - self.sparsity) * self.n_items) < 1:
            raise InvalidParameter(
                f"{owner}: sparsity {self.sparsity} leaves less than one item a person "
                f"of {self.n_items}; use a smaller sparsity or more items."
            )

    def _check_n_interactions(self, n: int) -> None:
        check_count("SyntheticSettings", "n_interactions", n)
        most = self.n_users * (self.n_items - 1)
        if not self.n_users <= n <= most:
            raise InvalidParameter(
                f"SyntheticSettings: n_interactions must be between {self.n_users:,} (one a "
                f"person) and {most:,} (all items but one a person), got {n:,}."
            )


@dataclass(frozen=True)
class Tables:
    """Three canonical tables."""

    interactions: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame


@dataclass(frozen=True)
class _Minds:
    popularity: FloatArray  # (n_items,) sums to 1
    tastes: FloatArray  # (n_users, N_FACTORS)
    factors: FloatArray  # (n_items, N_FACTORS)
    categories: IntArray  # (n_items,)
    affinities: FloatArray  # (n_users, n_items) log odds from taste and category
    follows: FloatArray  # (n_items, n_items) log odds of what comes next


def generate(settings: SyntheticSettings) -> Tables:
    """Interactions, items and users; the same settings give the same tables."""
    minds = _minds(settings)
    takes = _takes(settings, minds)
    return Tables(
        interactions=_interactions(settings, minds, takes),
        items=_items(settings, minds),
        users=_users(settings, minds),
    )


def _minds(settings: SyntheticSettings) -> _Minds:
    rng = stream(settings.seed, "synthetic", "minds")
    n_users, n_items = settings.n_users, settings.n_items
    popularity = (1.0 + rng.permutation(n_items)) ** -settings.popularity_skew
    categories = rng.integers(0, settings.n_categories, n_items)
    centres = rng.normal(size=(settings.n_categories, N_FACTORS))
    factors = 0.6 * centres[categories] + 0.8 * rng.normal(size=(n_items, N_FACTORS))
    tastes = rng.normal(size=(n_users, N_FACTORS))
    likes = rng.normal(size=(n_users, settings.n_categories))
    dial = settings.predictability
    affinities = dial * (
        TASTE * tastes @ factors.T / np.sqrt(N_FACTORS) * 2 + CATEGORY * likes[:, categories]
    )
    follows = np.zeros((n_items, n_items))
    followers = rng.integers(0, n_items, (n_items, N_FOLLOWERS))
    follows[np.arange(n_items)[:, None], followers] = dial * ORDER
    return _Minds(popularity / popularity.sum(), tastes, factors, categories, affinities, follows)


def _takes(settings: SyntheticSettings, minds: _Minds) -> list[IntArray]:
    """What each person takes, in order: everyone's next item is drawn at once."""
    rng = stream(settings.seed, "synthetic", "takes")
    n_users, n_items = settings.n_users, settings.n_items
    lengths = _lengths(settings, rng)
    weights = minds.popularity * np.exp(minds.affinities)
    boosts = np.exp(minds.follows)
    taken = np.full((n_users, lengths.max()), -1, dtype=np.int64)
    for step in range(lengths.max()):
        active = np.flatnonzero(lengths > step)
        chances = weights[active]
        if step:
            chances = chances * boosts[taken[active, step - 1]]
        cumulative = np.cumsum(chances, axis=1)
        drawn = rng.random(len(active)) * cumulative[:, -1]
        items = np.minimum((cumulative <= drawn[:, None]).sum(axis=1), n_items - 1)
        taken[active, step] = items
        weights[active, items] = 0.0
    return [taken[user, :length] for user, length in enumerate(lengths)]


def _lengths(settings: SyntheticSettings, rng: np.random.Generator) -> IntArray:
    """(n_users,) how many items each person takes: skewed, at least one, never all."""
    mean = (1 - settings.sparsity) * settings.n_items
    if settings.n_interactions is not None:
        mean = settings.n_interactions / settings.n_users
    spread = rng.lognormal(mean=-0.125, sigma=0.5, size=settings.n_users)  # mean 1
    lengths = np.clip(np.round(mean * spread), 1, settings.n_items - 1).astype(np.int64)
    if settings.n_interactions is None:
        return lengths
    while missing := settings.n_interactions - int(lengths.sum()):
        step = 1 if missing > 0 else -1
        room = (lengths < settings.n_items - 1) if step > 0 else (lengths > 1)
        lengths[np.flatnonzero(room)[: abs(missing)]] += step
    return lengths


def _interactions(
    settings: SyntheticSettings, minds: _Minds, takes: list[IntArray]
) -> pd.DataFrame:
    rng = stream(settings.seed, "synthetic", "moments")
    lengths = np.array([len(items) for items in takes])
    users = np.repeat(np.arange(settings.n_users), lengths)
    items = np.concatenate(takes)
    moments = rng.integers(0, YEAR, len(items))
    order = np.lexsort((moments, users))
    liking = minds.affinities[users, items] + rng.normal(scale=0.7, size=len(items))
    return pd.DataFrame(
        {
            "user_id": [f"user_{user}" for user in users],
            "item_id": [f"item_{item}" for item in items],
            "timestamp": FIRST_SECOND + moments[order],
            "weight": np.round(0.1 + 0.9 / (1 + np.exp(-liking)), 1),
        }
    )


def _items(settings: SyntheticSettings, minds: _Minds) -> pd.DataFrame:
    rng = stream(settings.seed, "synthetic", "items")
    n_items = settings.n_items
    names = [CATEGORIES[c] if c < len(CATEGORIES) else f"category {c}" for c in minds.categories]
    level = 10.0 * (1 + minds.categories) * np.exp(0.3 * minds.factors[:, 0])
    quality = np.log(minds.popularity * n_items)
    rating = 3.5 + 0.4 * quality + 0.3 * rng.normal(size=n_items)
    return pd.DataFrame(
        {
            "item_id": [f"item_{item}" for item in range(n_items)],
            "title": [f"{name.title()} no. {item}" for item, name in enumerate(names)],
            "category": names,
            "price": np.round(level * np.exp(0.2 * rng.normal(size=n_items)), 2),
            "rating": np.round(np.clip(rating, 1.0, 5.0), 1),
        }
    )


def _users(settings: SyntheticSettings, minds: _Minds) -> pd.DataFrame:
    rng = stream(settings.seed, "synthetic", "users")
    n_users = settings.n_users
    age = 40 + 10 * minds.tastes[:, 0] + 5 * rng.normal(size=n_users)
    is_first = minds.tastes[:, 1] + 0.5 * rng.normal(size=n_users) > 0
    place = minds.tastes[:, 2:7] + 0.5 * rng.normal(size=(n_users, len(LOCATIONS)))
    return pd.DataFrame(
        {
            "user_id": [f"user_{user}" for user in range(n_users)],
            "age": np.clip(np.round(age), 18, 90).astype(np.int64),
            "gender": np.where(is_first, "F", "M"),
            "location": [LOCATIONS[index] for index in place.argmax(axis=1)],
            "signup_date": FIRST_SECOND - rng.integers(1, YEAR, n_users),
        }
    )
