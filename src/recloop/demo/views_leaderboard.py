"""What the Leaderboard page shows, as plain values: rows, comparisons and trade-offs of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from recloop.demo.markup import Cell
from recloop.demo.metrics_in_words import PLAIN, definition

Results = Mapping[str, Any]
LEARNED = {"fit": "fitted", "logged": "from the log", "simulated": "in the fitted world"}
BEYOND_ACCURACY = ("coverage", "diversity", "novelty", "gini", "mean_popularity", "serendipity")


def metric_names(results: Results) -> list[str]:
    """Every metric of the run: accuracy first, then what lies beyond it, then unknown ones."""
    names = {name for row in results["models"] for name in row["metrics"]}
    places = {name: place for place, name in enumerate(PLAIN)}
    return sorted(names, key=lambda name: (places.get(name.partition("@")[0], len(places)), name))


def cutoff(metric: str) -> int:
    """The length of the list in a metric's name: 10 for "ndcg@10(gain=exp)"."""
    digits = metric.partition("@")[2].partition("(")[0]
    return int(digits) if digits.isdigit() else 0


def metrics_at(results: Results, k: int) -> list[str]:
    """The metrics of lists of length `k`, and those that have no length."""
    return [name for name in metric_names(results) if cutoff(name) in (k, 0)]


def same_metric(wanted: str, names: Sequence[str]) -> str:
    """The metric among `names` that `wanted` is at another length, else the first."""
    base = wanted.partition("@")[0]
    return next((name for name in names if name.partition("@")[0] == base), names[0])


def mean(row: Mapping[str, Any], metric: str) -> float | None:
    """A model's mean of `metric`, None where it has none."""
    return (row["metrics"].get(metric) or {}).get("mean")


def ordered(results: Results, metric: str) -> list[Mapping[str, Any]]:
    """The models, highest `metric` first, those without a value last."""

    def height(row: Mapping[str, Any]) -> float:
        value = mean(row, metric)
        return -float("inf") if value is None else value

    return sorted(results["models"], key=height, reverse=True)


def how(row: Mapping[str, Any]) -> str:
    """How a model learned: "from the log, 3 seeds, best after 4 of 10 rounds"."""
    parts = [LEARNED.get(row["mode"], str(row["mode"]))]
    if row.get("n_seeds", 1) > 1:
        parts.append(f"{row['n_seeds']} seeds")
    if row.get("stopped_early"):
        parts.append(f"stopped early, best after {row['best_round']} of {row['n_rounds']} rounds")
    return ", ".join(parts)


def leaderboard_table(results: Results, metric: str, k: int) -> tuple[list[Cell], list[list[Cell]]]:
    """Head and rows: every model with every metric at `k`, means above their intervals."""
    words = results["protocol"]["words"]
    names = list(dict.fromkeys([metric, *metrics_at(results, k)]))
    head = [Cell("model"), *(Cell(name, remark=definition(name, words)) for name in names)]
    rows = [
        [
            Cell(row["name"], below=("baseline, " if row["is_baseline"] else "") + how(row)),
            *(_value(row["metrics"].get(name)) for name in names),
        ]
        for row in ordered(results, metric)
    ]
    return head, rows


def _value(value: Mapping[str, Any] | None) -> Cell:
    if not value or value["mean"] is None:
        return Cell("–", remark="not defined here")
    digits = 4 if abs(value["mean"]) < 10 else 1
    low, high = value.get("ci_low"), value.get("ci_high")
    undefined = value.get("n_undefined")
    return Cell(
        f"{value['mean']:.{digits}f}",
        below=""
        if low is None or high is None
        else f"{low:.{digits - 1}f} to {high:.{digits - 1}f}",
        remark=f"over {value['n']:,} people" + (f", {undefined:,} undefined" if undefined else ""),
    )


def comparison_table(results: Results) -> tuple[list[Cell], list[list[Cell]]]:
    """Head and rows: what each model gains over its control, and what may be said of it."""
    head = [
        Cell("model and control"),
        Cell("verdict", is_words=True),
        Cell("difference", remark="Mean over people of the model's value minus the control's."),
        Cell("p (Holm)", remark="Corrected for the number of comparisons in this run."),
        Cell("better / same / worse", remark="How many people the model serves better or worse."),
    ]
    rows = [
        [
            Cell(row["model"], below=f"against {row['control']}, {row['metric']}"),
            Cell(row["verdict"], is_words=True),
            Cell(
                f"{row['difference']:+.4f}", below=f"{row['ci_low']:+.4f} to {row['ci_high']:+.4f}"
            ),
            Cell(f"{row['p_holm']:.3g}", below=f"uncorrected {row['p_value']:.3g}"),
            Cell(
                f"{row['wins']:,} / {row['ties']:,} / {row['losses']:,}",
                below=f"of {row['n']:,} people",
            ),
        ]
        for row in results["comparisons"]
    ]
    return head, rows


def others(results: Results, k: int) -> list[str]:
    """What accuracy can be set against at `k`: coverage, diversity, novelty and so on."""
    found = metrics_at(results, k)
    return [
        name
        for base in BEYOND_ACCURACY
        for name in found
        if name.partition("@")[0] == base
        and any(mean(r, name) is not None for r in results["models"])
    ]


def meanings(results: Results, k: int) -> list[tuple[str, str]]:
    """Every metric at `k` with what it means."""
    words = results["protocol"]["words"]
    return [(name, definition(name, words)) for name in metrics_at(results, k)]


def facts(results: Results) -> str:
    """The run in a line."""
    data = results["data"]
    return (
        f"{data['source']}: {data['n_interactions']:,} interactions, {data['n_users']:,} people, "
        f"{data['n_items']:,} items; split {results['protocol']['split']}; seed {results['seed']}."
    )


def in_words(results: Results) -> Sequence[str]:
    """How it was measured, a sentence each."""
    return [*results["protocol"]["words"], *results["data"]["words"]]
