"""What each number means: one name, one formula; an alternative is an option and shows in the name.

R is a person's relevant set, |R| its size, L the ranked list, h_r = 1 if the item at rank r is in R
and stood at no smaller rank, P@r = (h_1 + ... + h_r) / r, d_r = 1 / log2(r + 1).
"""

from dataclasses import dataclass
from typing import Literal

from recloop.errors import InvalidParameter
from recloop.utils.checks import check_between, check_choice

ACCURACY = ("precision", "recall", "ndcg", "map", "hit_rate", "mrr")

PRECISION = {"k": "hits / k", "list": "hits / min(k, |L|)"}
MAP = {
    "min": "sum of h_r P@r / min(k, |R|)",
    "rel": "sum of h_r P@r / |R|",
    "k": "sum of h_r P@r / k",
    "list": "sum of h_r P@r / min(k, |R|, |L|)",
    "hits": "sum of h_r P@r / hits, 0 without hits",
}
GAIN = {"binary": "h_r", "linear": "gain of the item at r", "exp": "2^gain - 1 of the item at r"}
IDEAL = {
    "min": "the first min(k, |R|) ranks of the best order",
    "k": "all of the first k ranks",
    "rel": "the first |R| ranks of the best order",
}
UNDEFINED = {
    "skip": "is undefined (NaN) and left out of the mean; their number is shown",
    "zero": "counts as 0",
    "raise": "is an error",
}
DUPLICATES = {
    "raise": "is an error",
    "first": "counts where it stands first; every later place is a miss",
}


@dataclass(frozen=True)
class Definitions:
    """Which formula stands behind each name, and what happens at the edges.

    precision_norm: k, or list: a short list is divided by its own length.
    recall_capped: divide by min(k, |R|) instead of |R|.
    map_norm: min (a perfect list gets 1), rel, k, list or hits.
    ndcg_gain: binary ignores weights; linear (Järvelin and Kekäläinen 2002) and exp (Burges et al.
    2005, eq. 6) read them as gains.
    ndcg_ideal: min, k or rel: how far down the ideal list goes.
    threshold: rows of the truth below this weight are not relevant; None takes every row.
    undefined: skip, zero or raise: what a person with nothing relevant is.
    on_duplicates: raise or first: what a list with an item twice is.
    """

    precision_norm: Literal["k", "list"] = "k"
    recall_capped: bool = False
    map_norm: Literal["min", "rel", "k", "list", "hits"] = "min"
    ndcg_gain: Literal["binary", "linear", "exp"] = "binary"
    ndcg_ideal: Literal["min", "k", "rel"] = "min"
    threshold: float | None = None
    undefined: Literal["skip", "zero", "raise"] = "skip"
    on_duplicates: Literal["raise", "first"] = "raise"

    def __post_init__(self) -> None:
        check_choice("Definitions", "precision_norm", self.precision_norm, PRECISION)
        check_choice("Definitions", "map_norm", self.map_norm, MAP)
        check_choice("Definitions", "ndcg_gain", self.ndcg_gain, GAIN)
        check_choice("Definitions", "ndcg_ideal", self.ndcg_ideal, IDEAL)
        check_choice("Definitions", "undefined", self.undefined, UNDEFINED)
        check_choice("Definitions", "on_duplicates", self.on_duplicates, DUPLICATES)
        if self.threshold is not None:
            check_between("Definitions", "threshold", self.threshold, -float("inf"), float("inf"))
        if self.is_graded and self.ndcg_ideal == "k":
            raise InvalidParameter(
                "Definitions: ndcg_ideal='k' counts ranks, not gains; "
                "with ndcg_gain='linear' or 'exp' use 'min' or 'rel'."
            )

    @property
    def is_graded(self) -> bool:
        """Whether weights of the truth are read as gains."""
        return self.ndcg_gain != "binary"

    def option(self, metric: str) -> str:
        """What must stand behind a metric's name: "" for the default, "(norm=rel)" and so on."""
        said = {
            "precision": [("norm", self.precision_norm, "k")],
            "recall": [("capped", str(self.recall_capped).lower(), "false")],
            "map": [("norm", self.map_norm, "min")],
            "ndcg": [("gain", self.ndcg_gain, "binary"), ("ideal", self.ndcg_ideal, "min")],
        }
        chosen = [f"{name}={got}" for name, got, usual in said.get(metric, []) if got != usual]
        return f"({','.join(chosen)})" if chosen else ""

    def key(self, metric: str, k: int) -> str:
        """A metric's name with its cut-off and what differs: "map@10(norm=rel)"."""
        return f"{metric}@{k}{self.option(metric)}"

    def words(self) -> list[str]:
        """The formulas and edge rules in force, a sentence each, for a report."""
        least = "min(k, |R|)" if self.recall_capped else "|R|"
        taken = "" if self.threshold is None else f" with a weight of at least {self.threshold:g}"
        return [
            f"R: the distinct items of a person's truth{taken}; h_r = 1 if the item at rank r is "
            "in R; hits = h_1 + ... + h_k; P@r: hits within r / r; means are over people.",
            f"precision@k = {PRECISION[self.precision_norm]}.",
            f"recall@k = hits / {least}.",
            f"ndcg@k = sum over r of g_r / log2(r + 1), g_r: {GAIN[self.ndcg_gain]}, divided by "
            f"the same sum over {IDEAL[self.ndcg_ideal]}.",
            f"map@k = {MAP[self.map_norm]}.",
            "hit_rate@k = 1 if hits > 0, else 0.",
            "mrr@k = 1 / rank of the first hit within k, else 0.",
            f"A person with nothing relevant {UNDEFINED[self.undefined]}; one without "
            "recommendations gets 0; a list shorter than k is filled up with misses.",
            f"An item that stands twice in a list {DUPLICATES[self.on_duplicates]}.",
        ]
