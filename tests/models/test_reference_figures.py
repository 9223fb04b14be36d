"""MovieLens-100K, leave-last-one, all ratings, full ranking: the figures that prove the pipeline.

Every person's last row is the test, candidates are the items with a training row, what a person
took before is left out, equal scores go to the lower code.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from recloop.models import (
    ALSRecommender,
    ContextualBanditRecommender,
    EASERecommender,
    ItemKNNRecommender,
    MarkovRecommender,
    PopularRecommender,
    RandomRecommender,
)
from recloop.training.offline import last_items, logged_steps
from recloop.types import Interactions
from recloop.utils.topk import top_k

pytestmark = pytest.mark.real


class Split(NamedTuple):
    train: Interactions
    users: np.ndarray  # (n_tested,)
    items: np.ndarray  # (n_tested,) the one that is to be found


@pytest.fixture
def split(real_data: Path) -> Split:
    rows = pd.read_csv(real_data / "ml-100k" / "interactions.csv.gz")
    rows = rows.sort_values(["user_id", "timestamp"], kind="stable")
    is_last = ~rows["user_id"].duplicated(keep="last")
    train, test = rows[~is_last], rows[is_last]
    user_ids, item_ids = np.unique(train["user_id"]), np.unique(train["item_id"])
    test = test[test["item_id"].isin(item_ids)]
    log = Interactions(
        users=np.searchsorted(user_ids, train["user_id"]),
        items=np.searchsorted(item_ids, train["item_id"]),
        weights=train["weight"].to_numpy(dtype=np.float64),
        timestamps=train["timestamp"].to_numpy(dtype=np.float64),
        n_users=len(user_ids),
        n_items=len(item_ids),
    )
    users = np.searchsorted(user_ids, test["user_id"])
    return Split(log, users, np.searchsorted(item_ids, test["item_id"]))


def ndcg_at_10(model: Any, split: Split) -> float:
    log, users, wanted = split
    assert (len(log), log.n_items, len(users)) == (99_057, 1679, 940)
    offsets = log.offsets()
    histories = last_items(log, 10)[users]
    eligible = np.ones((len(users), log.n_items), dtype=np.bool_)
    for row, user in enumerate(users):
        eligible[row, log.items[offsets[user] : offsets[user + 1]]] = False
    found = top_k(model.scores(users, history=histories), 10, eligible)
    rows, ranks = np.nonzero(found == wanted[:, None])
    assert len(set(rows)) == len(rows)
    return float((1 / np.log2(ranks + 2)).sum() / len(users))


@pytest.mark.parametrize(
    ("made", "params", "expected", "tolerance"),
    [
        (RandomRecommender, {}, 0.0018, 0.0027),  # three standard errors of a draw
        (PopularRecommender, {}, 0.0451, 0.00005),
        (ItemKNNRecommender, {}, 0.0556, 0.00005),
        (EASERecommender, {}, 0.0740, 0.00005),
        (ALSRecommender, {}, 0.0740, 0.003),
        (MarkovRecommender, {}, 0.0795, 0.00005),
        (MarkovRecommender, {"n_recent": 5}, 0.1000, 0.002),
    ],
)
def test_a_baseline_reaches_its_reference_figure(split, made, params, expected, tolerance):
    model = made(split.train.n_users, split.train.n_items, **params).fit(split.train)
    assert ndcg_at_10(model, split) == pytest.approx(expected, abs=tolerance)


def test_the_bandit_reaches_0_095_and_does_not_move_with_more_passes(split):
    model = ContextualBanditRecommender(split.train.n_users, split.train.n_items, layout="shared")
    model.fit_features(split.train)
    steps = logged_steps(split.train, model.history_length).transitions(0.0)
    model.update_batch(steps)
    after_one = ndcg_at_10(model, split)
    assert after_one >= 0.095
    model.update_batch(steps)
    assert ndcg_at_10(model, split) == pytest.approx(after_one, abs=0.005)
