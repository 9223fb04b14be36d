"""A first service without data: invented people and items, and a bandit that knows nothing yet."""

import numpy as np

from recloop.data.synthetic import SyntheticSettings, generate
from recloop.models import MODELS
from recloop.models.registry import build_model
from recloop.serving.catalogue import Item
from recloop.serving.opening import FirstModel

TYPE = "lin_ucb"
N_PEOPLE, N_ITEMS = 300, 100


def example_model(seed: int = 0) -> FirstModel:
    """A LinUCB bandit over invented people, who are known by their ids, and titled items."""
    assert TYPE in MODELS
    made = generate(SyntheticSettings(n_users=N_PEOPLE, n_items=N_ITEMS, seed=seed))
    items = [
        Item(str(row.item_id), str(row.title), str(row.category)) for row in made.items.itertuples()
    ]
    codes = {item.id: code for code, item in enumerate(items)}
    taken = made.interactions["item_id"].map(codes).to_numpy(np.int64)
    return FirstModel(
        build_model(TYPE, N_PEOPLE, N_ITEMS, seed=seed, context_dim=8, alpha=0.3),
        TYPE,
        made.users["user_id"].astype(str).tolist(),
        items,
        np.bincount(taken, minlength=N_ITEMS).astype(np.float64),
    )
