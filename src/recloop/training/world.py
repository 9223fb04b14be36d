"""Fit a preference world to the training part of a log."""

from typing import Any

import numpy as np

from recloop.models.baselines.pure_svd import PureSVDRecommender
from recloop.simulators.base import AbstractWorld, Policy
from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.training.lessons import looks_at, with_liked
from recloop.types import IntArray, Interactions


def fit_preference_world(
    log: Interactions, *, n_factors: int = 32, horizon: int = 20, seed: int = 0
) -> tuple[PreferenceWorld, PureSVDRecommender]:
    """A world of fixed tastes, and the model it is made of: the ceiling of learning in it.

    Click probabilities are PureSVD's estimates. Only `log` is seen, which must be the training
    part. An agent that learns in the world from clicks alone can at best find the model again.
    """
    model = PureSVDRecommender(log.n_users, log.n_items, n_factors=n_factors, seed=seed).fit(log)
    world = PreferenceWorld(
        PreferenceParams(
            user_factors=model.user_factors, item_factors=model.item_factors, horizon=horizon
        )
    )
    return world, model


def greedy_policy(model: Any) -> Policy:
    """What a model shows in a world without exploring; it sees observations and its own clicks."""
    recent: dict[int, IntArray] = {}

    def slates(world: AbstractWorld) -> IntArray:
        n = len(world.users)
        if world.n_steps.max(initial=0) == 0:
            recent[0] = np.full((n, model.history_length), -1, dtype=np.int64)
        elif model.history_length:
            recent[0] = with_liked(recent[0], recent[1], world.slot_rewards)
        recent[1] = model.recommend_batch(
            world.users,
            world.slate_size,
            context=world.observations if looks_at(model, world) else None,
            history=recent[0] if model.history_length else None,
            explore=False,
        )
        return recent[1]

    return slates
