"""Every metric in a sentence for a newcomer, with the run's own formula behind it."""

import re
from collections.abc import Sequence

PLAIN = {
    "ndcg": "How near the top the right items stand: 1 is a perfect order, 0 finds none.",
    "recall": "The share of what a person went on to take that is in the list.",
    "precision": "The share of the list that the person went on to take.",
    "hit_rate": "The share of people with at least one right item in their list.",
    "map": "Precision at every right item, averaged: rewards right items near the top.",
    "mrr": "One over the rank of the first right item: 1 if it stands first, 0.5 if second.",
    "coverage": "The share of the catalogue that at least one person is shown.",
    "gini": "How unequally items are shown: 0 all alike, near 1 a few take every place.",
    "diversity": "How different the items within a list are: 0 all alike, 1 nothing in common.",
    "novelty": "How rare the shown items are, in bits: one bit more is half as many takers.",
    "mean_popularity": "How many people took the shown items in training, on average.",
    "serendipity": "Right items that this person was likelier to want than anyone else.",
    "sufficient_reco": "The share of people who got a full list.",
}


def meaning(metric: str) -> str:
    """What `metric` ("ndcg@10") tells, in plain words; "" for one that is not known here."""
    return PLAIN.get(metric.partition("@")[0], "")


def definition(metric: str, words: Sequence[str]) -> str:
    """What `metric` means: the plain sentence, and the formula that the run's `words` give it."""
    label = re.escape(metric.partition("@")[0].replace("_", " "))
    found = re.search(rf"\b{label}: ([^.]+)\.", " ".join(words), re.IGNORECASE)
    parts = [meaning(metric), f"Here: {found[1]}." if found else ""]
    return " ".join(part for part in parts if part) or f"{metric}: see how it was measured, below."
