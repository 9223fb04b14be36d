"""People as predictable as the dial says, the same people from the same seed."""

import numpy as np
import pandas as pd
import pytest

from recloop.data.splitting import split
from recloop.data.synthetic import FIRST_SECOND, SyntheticSettings, generate
from recloop.data.tables import write_table
from recloop.errors import InvalidParameter

SMALL = {"n_users": 80, "n_items": 60}


def test_the_tables_have_the_canonical_columns_and_ranges():
    made = generate(SyntheticSettings(**SMALL))
    log = made.interactions
    assert log.columns.tolist() == ["user_id", "item_id", "timestamp", "weight"]
    assert made.items.columns.tolist() == ["item_id", "title", "category", "price", "rating"]
    assert made.users.columns.tolist() == ["user_id", "age", "gender", "location", "signup_date"]
    assert log["weight"].between(0.1, 1.0).all()
    assert log["timestamp"].between(FIRST_SECOND, FIRST_SECOND + 365 * 24 * 3600).all()
    assert made.items["rating"].between(1, 5).all()
    assert (made.items["price"] > 0).all()
    assert made.users["age"].between(18, 90).all()


def test_nobody_takes_an_item_twice_and_everybody_takes_something():
    log = generate(SyntheticSettings(**SMALL)).interactions
    assert not log.duplicated(["user_id", "item_id"]).any()
    assert log["user_id"].nunique() == 80


@pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.95])
def test_sparsity_is_the_share_of_pairs_that_stay_empty(sparsity):
    log = generate(SyntheticSettings(n_users=400, n_items=60, sparsity=sparsity)).interactions
    assert 1 - len(log) / (400 * 60) == pytest.approx(sparsity, abs=0.025)


@pytest.mark.parametrize("n", [80, 500, 80 * 59 - 1, 80 * 59])
def test_a_number_of_interactions_is_met_exactly(n):
    log = generate(SyntheticSettings(**SMALL, n_interactions=n)).interactions
    assert len(log) == n
    assert log["user_id"].nunique() == 80
    assert not log.duplicated(["user_id", "item_id"]).any()


def test_each_persons_rows_are_in_the_order_of_time():
    log = generate(SyntheticSettings(**SMALL)).interactions
    assert log.groupby("user_id")["timestamp"].is_monotonic_increasing.all()


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        made = generate(SyntheticSettings(**SMALL, seed=seed))
        for table in ("interactions", "items", "users"):
            write_table(tmp_path / name / f"{table}.csv", getattr(made, table))
    for table in ("interactions.csv", "items.csv", "users.csv"):
        one, two, three = ((tmp_path / n / table).read_bytes() for n in ("one", "two", "three"))
        assert one == two
        assert one != three


def share_of_best_guesses(log: pd.DataFrame, personal: bool) -> float:
    """Precision at 10 on each person's later fifth: by popularity, or by similar people's items."""
    cut = split(log, "temporal", test_ratio=0.2, val_ratio=0)
    table = pd.crosstab(cut.train["user_id"], cut.train["item_id"]).clip(upper=1)
    taken = table.to_numpy(float)
    if personal:
        norms = np.sqrt(taken.sum(axis=0))
        near = taken.T @ taken / np.outer(norms, norms)
        np.fill_diagonal(near, 0)
        scores = taken @ near
    else:
        scores = np.tile(taken.sum(axis=0), (len(taken), 1))
    scores[taken > 0] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    wanted = cut.test.groupby("user_id")["item_id"].agg(set)
    hits = [
        len({table.columns[i] for i in best[row]} & wanted[user]) / 10
        for row, user in enumerate(table.index)
        if user in wanted
    ]
    return float(np.mean(hits))


def test_the_dial_decides_how_much_can_be_learned_beyond_popularity():
    gains = {}
    for dial in (0.0, 1.0):
        log = generate(
            SyntheticSettings(n_users=300, n_items=120, predictability=dial)
        ).interactions
        gains[dial] = share_of_best_guesses(log, True) / share_of_best_guesses(log, False)
    assert gains[1.0] > 1.4
    assert gains[0.0] < 1.05


def test_what_comes_next_depends_on_what_came_before_only_when_the_dial_is_up():
    def repeat_rate(dial):
        """Share of steps that follow the most common transition of their item."""
        log = generate(
            SyntheticSettings(n_users=300, n_items=40, predictability=dial, popularity_skew=0)
        ).interactions
        log = log.assign(next=log.groupby("user_id")["item_id"].shift(-1)).dropna()
        counts = log.groupby(["item_id", "next"]).size()
        return counts.groupby(level=0).max().sum() / counts.sum()

    assert repeat_rate(1.0) > 1.8 * repeat_rate(0.0)


def test_categories_and_features_go_with_taste():
    made = generate(SyntheticSettings(n_users=300, n_items=100, predictability=1.0))
    log = made.interactions.merge(made.items, on="item_id").merge(made.users, on="user_id")
    shares = pd.crosstab(log["user_id"], log["category"], normalize="index")
    assert shares.max(axis=1).mean() > 1.5 * shares.mean().max()
    by_place = pd.crosstab(log["location"], log["item_id"], normalize="index")
    assert by_place.std().sum() > 0.05


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"n_users": 0}, "n_users must be a whole number of at least 1, got 0"),
        ({"n_items": 1}, "n_items must be a whole number of at least 2"),
        ({"sparsity": 1.0}, "sparsity must be above 0 and below 1"),
        ({"sparsity": 0.0}, "sparsity"),
        ({"predictability": 1.1}, "predictability must be between 0 and 1, got 1.1"),
        ({"popularity_skew": -1}, "popularity_skew"),
        ({"n_categories": 0}, "n_categories"),
        ({"n_interactions": 999}, "n_interactions must be between 1,000 .* and 499,000 .*got 999"),
        ({"n_interactions": 499_001}, "n_interactions must be between .* got 499,001"),
        ({"n_interactions": 0}, "n_interactions must be a whole number of at least 1, got 0"),
        ({"n_items": 4, "sparsity": 0.9}, "leaves less than one item a person of 4"),
    ],
)
def test_settings_out_of_range_are_named(changed, said):
    with pytest.raises(InvalidParameter, match=said):
        SyntheticSettings(**changed)


def test_a_number_of_interactions_stands_for_the_sparsity():
    settings = SyntheticSettings(n_users=2, n_items=4, sparsity=0.9, n_interactions=3)
    assert len(generate(settings).interactions) == 3
