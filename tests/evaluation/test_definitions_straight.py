"""Every ranking metric against a plain reading of its definition, for tables that are hard.

Scores with ties, people of one side alone, truths that repeat, lists shorter than k, thresholds
that leave nothing: computed here with dictionaries and loops, one person at a time.
"""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.evaluation import Definitions, score_frames
from recloop.evaluation.beyond_accuracy import diversity, novelty, serendipity

PEOPLE, ITEMS, KS = ["ann", "bob", "cy", "dee"], ["a", "b", "c", "d", "e", "f"], [1, 2, 3, 5, 9]
SCORES = [0.0, -0.0, 1.0, 0.5, 0.1 + 0.2, 0.3, -2.0, math.inf, -math.inf]

shown = st.lists(
    st.tuples(st.sampled_from([*PEOPLE, "stranger"]), st.sampled_from(ITEMS)), unique=True
).flatmap(
    lambda pairs: st.lists(st.sampled_from(SCORES), min_size=len(pairs), max_size=len(pairs)).map(
        lambda scores: [(*pair, score) for pair, score in zip(pairs, scores, strict=True)]
    )
)
truths = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from([*ITEMS, "unseen"]), st.integers(0, 4)),
    min_size=1,
)
options = st.fixed_dictionaries(
    {
        "precision_norm": st.sampled_from(["k", "list"]),
        "recall_capped": st.booleans(),
        "map_norm": st.sampled_from(["min", "rel", "k", "list", "hits"]),
        "ndcg_gain": st.sampled_from(["binary", "linear", "exp"]),
        "ndcg_ideal": st.sampled_from(["min", "rel"]),
        "threshold": st.sampled_from([None, 1, 3]),
    }
)


def straight(rows, truth, k, chosen):
    """The six metrics of one person: rows (item, score), truth (item, weight), as they stand."""
    ranked = [item for item, _ in sorted(rows, key=lambda row: (-row[1], row[0]))]
    least = chosen["threshold"]
    gains = {}
    for item, weight in truth:
        if least is None or weight >= least:
            gains[item] = max(gains.get(item, -math.inf), weight)
    if not gains:
        return dict.fromkeys(("precision", "recall", "ndcg", "map", "hit_rate", "mrr"), math.nan)
    n_relevant, top = len(gains), ranked[:k]
    hits = [rank for rank, item in enumerate(top, start=1) if item in gains]
    precisions = [sum(hit <= rank for hit in hits) / rank for rank in hits]
    map_divisors = {
        "min": min(k, n_relevant),
        "rel": n_relevant,
        "k": k,
        "list": min(k, n_relevant, max(1, len(ranked))),
        "hits": max(1, len(hits)),
    }
    shown = len(top) if chosen["precision_norm"] == "list" else k
    return {
        "precision": len(hits) / max(1, shown),
        "recall": len(hits) / (min(k, n_relevant) if chosen["recall_capped"] else n_relevant),
        "ndcg": straight_ndcg(top, gains, k, chosen),
        "map": sum(precisions) / map_divisors[chosen["map_norm"]],
        "hit_rate": 1.0 if hits else 0.0,
        "mrr": 1 / hits[0] if hits else 0.0,
    }


def straight_ndcg(top, gains, k, chosen):
    worth = {
        "binary": lambda weight: 1.0,
        "linear": float,
        "exp": lambda weight: 2.0**weight - 1,
    }[chosen["ndcg_gain"]]
    best = sorted((worth(weight) for weight in gains.values()), reverse=True)
    best = best if chosen["ndcg_ideal"] == "rel" else best[:k]
    ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, start=1))
    found = sum(
        worth(gains[item]) / math.log2(rank + 1)
        for rank, item in enumerate(top, start=1)
        if item in gains
    )
    return found / ideal if ideal > 0 else math.nan


@settings(max_examples=60, deadline=None)
@given(shown, truths, options, st.randoms(use_true_random=False))
def test_every_person_has_the_value_of_a_plain_reading(shown, truth, chosen, random):
    random.shuffle(shown)
    recommended = pd.DataFrame(shown, columns=["user_id", "item_id", "score"])
    recommended = recommended.astype({"user_id": str, "item_id": str, "score": float})
    relevant = pd.DataFrame(truth, columns=["user_id", "item_id", "weight"])
    if len(shown) and not set(recommended["user_id"]) & set(relevant["user_id"]):
        return  # tables of other people are refused, which is tested elsewhere
    found = score_frames(recommended, relevant, KS, definitions=Definitions(**chosen)).per_user()
    people = sorted({user for user, *_ in truth})
    assert sorted(set(found["user_id"])) == people
    for row in found.itertuples():
        mine = straight(
            [(item, score) for user, item, score in shown if user == row.user_id],
            [(item, weight) for user, item, weight in truth if user == row.user_id],
            row.k,
            chosen,
        )
        wanted = mine[str(row.metric).partition("(")[0]]
        assert row.value == pytest.approx(wanted, abs=1e-9, nan_ok=True), row


def padded(lists, width):
    return np.array([[*one, *[-1] * (width - len(one))] for one in lists], dtype=np.int64)


lists_of_items = st.lists(
    st.lists(st.integers(0, 5), unique=True, max_size=4), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(lists_of_items, st.lists(st.integers(0, 7), min_size=6, max_size=6), st.integers(0, 99))
def test_beyond_accuracy_is_that_of_a_plain_reading(lists, users_of_item, seed):
    table, ks, n_users = padded(lists, 4), [1, 2, 4], 7
    counts = np.array(users_of_item)
    features = np.random.default_rng(seed).integers(-1, 2, (6, 2)).astype(float)
    hits = np.random.default_rng(seed).random(table.shape) < 0.5
    found = {
        "novelty": novelty(table, ks, counts, n_users),
        "diversity": diversity(table, ks, features),
        "serendipity": serendipity(table, hits & (table >= 0), ks, counts, 6),
    }
    for row, one in enumerate(lists):
        for column, k in enumerate(ks):
            top = one[:k]
            wanted = {
                "novelty": mean([-math.log2(max(1, counts[i]) / n_users) for i in top]),
                "diversity": mean(
                    [
                        1 - cosine(features[first], features[second])
                        for place, first in enumerate(top)
                        for second in top[place + 1 :]
                    ]
                ),
                "serendipity": mean(
                    [
                        hits[row, place] * max((6 - place) / 6 - p_anyone(item, counts), 0.0)
                        for place, item in enumerate(top)
                    ]
                ),
            }
            for name, value in wanted.items():
                assert found[name][row, column] == pytest.approx(value, abs=1e-9, nan_ok=True)


def mean(values):
    return sum(values) / len(values) if values else math.nan


def cosine(one, other):
    lengths = math.hypot(*one) * math.hypot(*other)
    return float(one @ other) / lengths if lengths else 0.0


def p_anyone(item, counts):
    """(n - how many levels of popularity are above) / n: equally popular items share a rank."""
    if not counts[item]:
        return 0.0
    return (6 - len({count for count in counts.tolist() if count > counts[item]})) / 6
