"""Fit a preference world to the training part of a log."""

from recloop.models.baselines.pure_svd import PureSVDRecommender
from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.types import Interactions


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
