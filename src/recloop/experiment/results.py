"""From measured values to what a run says: rows, paired comparisons, and sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

_FEW = 30
"""People below whom an interval by resampling them says little."""


def statements(results: Mapping[str, Any]) -> list[str]:
    """What the numbers support, in words; "no benefit" where there is none."""
    rows, metric = results["models"], results["protocol"]["metric"]
    said = [_who_counts(results, metric), _best(rows, metric)]
    said += _gains(results["comparisons"])
    said += _worlds(rows)
    return [text for text in said if text]


def _who_counts(results: Mapping[str, Any], metric: str) -> str:
    data = results["data"]
    n_counted, n_all = data["n_test_users_counted"], data["n_test_users"]
    left_out = ""
    if n_counted < n_all:
        left_out = " (of the others nothing is left to test that training knew and they had not)"
    widths = [_half_width(row, metric) for row in results["models"]]
    widest = max((width for width in widths if width is not None), default=None)
    known = "how well is unknown from so few"
    if widest is not None and n_counted >= _FEW:
        known = f"to about ±{widest:.3f}"
    elif widest is not None:
        known = f"to about ±{widest:.3f} at best: {n_counted} people are too few for an interval"
    return (
        f"{n_counted:,} of {n_all:,} people of the test part count{left_out}. One {metric} is "
        f"known {known}; differences below their own interval mean nothing."
    )


def _half_width(row: Row, metric: str) -> float | None:
    value = row["metrics"].get(metric, {})
    if value.get("ci_low") is None:
        return None
    return (value["ci_high"] - value["ci_low"]) / 2


def _best(rows: Sequence[Row], metric: str) -> str:
    known = [row for row in rows if row["metrics"].get(metric, {}).get("mean") is not None]
    if not known:
        return "Nobody in the test part counts, so no model can be judged."
    best = max(known, key=lambda row: row["metrics"][metric]["mean"])
    baseline = max(
        (row for row in known if row["is_baseline"]),
        key=lambda row: row["metrics"][metric]["mean"],
        default=None,
    )
    text = f"Highest {metric}: {best['name']}, {best['metrics'][metric]['mean']:.4f}."
    if baseline is None or baseline is best:
        return text + (" No learner is above this baseline." if best["is_baseline"] else "")
    mean = baseline["metrics"][metric]["mean"]
    return text + f" The best baseline is {baseline['name']}, {mean:.4f}."


def _gains(comparisons: Sequence[Row]) -> list[str]:
    return [
        f"{row['model']} against {row['control']}: {row['difference']:+.4f} "
        f"[{row['ci_low']:+.4f}, {row['ci_high']:+.4f}]: {row['verdict']}."
        for row in comparisons
    ]


def _worlds(rows: Sequence[Row]) -> list[str]:
    measured = {row["name"]: row["world_value"] for row in rows if row["world_value"] is not None}
    ceiling = measured.get("world-model")
    if ceiling is None:
        return []
    learned = [
        f"{row['name']} {measured[row['name']]:.3f}"
        for row in rows
        if row["mode"] == "simulated" and row["name"] in measured
    ]
    if not learned:
        return []
    return [
        "In the fitted world, first choices are clicked with probability "
        f"{', '.join(learned)}; those of the model that it was fitted with: "
        f"{ceiling:.3f}. That is the ceiling: an agent that learns there from clicks alone cannot "
        "beat the model that makes the clicks, it can only find it again."
    ]
