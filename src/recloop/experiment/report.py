"""The report: one HTML file that holds everything, opens without a network and prints well."""

from collections.abc import Sequence
from hashlib import sha256
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from recloop.experiment import figures

Row = dict[str, Any]

STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --line: #d0d7de; --mark: #ddf4ff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117; --line: #30363d; --mark: #12304a; }
}
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 68rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; }
p.soft, small { color: var(--soft); } .wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line);
         text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.left, .words { text-align: left; } .words { white-space: normal; min-width: 9rem; }
th { color: var(--soft); font-weight: 600; } td small { display: block; }
.answer { background: var(--mark); padding: .8rem 1.1rem .8rem 2.2rem; border-radius: .5rem; }
.answer li { margin: .25rem 0; } code { font-size: .9em; }
"""


COMPARED = (
    "Difference: the mean over {unit} of the model's value minus the control's. Interval: "
    "percentiles of that mean over resampled {unit}. p: how often it is as far from 0 when a coin "
    "draws every sign, corrected for all rows (Holm). Better / same / worse: how many {unit} gain, "
    "keep and lose. Needed: how many {unit} would show a difference as large as this one in 80 % "
    "of the cases. Better and worse need both an interval without 0 and a small p; an interval "
    "that holds 0 is no benefit."
)


def report_html(results: Row, log: Sequence[Row]) -> str:
    """The report of one run, from its metrics.json and log.jsonl."""
    rows, metric = results["models"], results["protocol"]["metric"]
    k = metric.partition("@")[2]
    sections = [
        _head(results),
        section("What this run says", statements_html(results["statements"])),
        section(
            "Leaderboard",
            _leaderboard(rows, metric, k) + figure_html(figures.leaderboard(rows, metric)),
        ),
    ]
    if results["comparisons"]:
        compared = comparisons_html(results["comparisons"])
        sections.append(section("What each model gains over its control", compared))
    sections.append(section("Accuracy is not everything", _beyond_accuracy(rows, metric, k)))
    sections.append(section("How they learned", _curves(log, metric)))
    sections.append(section("What was measured, and how", _protocol(results)))
    return page("\n".join(sections))


def page(body: str) -> str:
    """A whole page around `body`, with style and plotly inside."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>recloop report</title><style>{STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>\n{body}\n</body></html>\n"
    )


def section(title: str, body: str) -> str:
    """A part of the page under its title."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def figure_html(figure: go.Figure) -> str:
    """A figure in the page; plotly itself stands in its head."""
    digest = sha256(str(figure.to_json()).encode()).hexdigest()[:12]  # same numbers, same bytes
    return figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"displayModeBar": False, "responsive": True},
        div_id=f"figure-{digest}",
    )


def _head(results: Row) -> str:
    data = results["data"]
    return (
        "<h1>recloop report</h1><p class='soft'>"
        f"{escape(str(data['source']))}: {data['n_interactions']:,} interactions, "
        f"{data['n_users']:,} users, {data['n_items']:,} items; "
        f"split {escape(results['protocol']['split'])}; seed {results['seed']}.</p>"
    )


def statements_html(statements: Sequence[str]) -> str:
    """What a run says, as a list that stands out."""
    return "<ul class='answer'>" + "".join(f"<li>{escape(s)}</li>" for s in statements) + "</ul>"


def _leaderboard(rows: Sequence[Row], metric: str, k: str) -> str:
    names = ("ndcg", "recall", "hit_rate", "map", "coverage", "diversity", "novelty")
    columns = [metric, *(f"{name}@{k}" for name in names)]
    columns = list(dict.fromkeys(columns))
    head = "<th>model</th><th class='words'>how</th>"
    head += "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr><td>{escape(row['name'])}</td><td class='words'>{escape(_how(row))}</td>"
        + "".join(_cell(row["metrics"].get(name)) for name in columns)
        + "</tr>"
        for row in sorted(rows, key=lambda row: -(row["metrics"][metric]["mean"] or 0.0))
    )
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _how(row: Row) -> str:
    words = {"fit": "fitted", "logged": "from the log", "simulated": "in the fitted world"}
    seeds = f", {row['n_seeds']} seeds" if row["n_seeds"] > 1 else ""
    trials = "" if row.get("n_trials") is None else f", {row['n_trials']} trials"
    return words[row["mode"]] + seeds + trials


def _cell(value: Row | None) -> str:
    if not value or value["mean"] is None:
        return "<td>–</td>"
    interval = ""
    if value["ci_low"] is not None:
        interval = f"<small>{value['ci_low']:.3f} to {value['ci_high']:.3f}</small>"
    return f"<td>{value['mean']:.4f}{interval}</td>"


def _beyond_accuracy(rows: Sequence[Row], metric: str, k: str) -> str:
    parts = []
    for name, right in (("coverage", "more of the catalogue"), ("novelty", "less known items")):
        known = [(row["metrics"].get(f"{name}@{k}") or {}).get("mean") for row in rows]
        if any(mean is not None for mean in known):
            figure = figures.accuracy_against(rows, metric, f"{name}@{k}")
            about = f"<p class='soft'>Up is more accurate; right is {right}.</p>"
            parts.append(about + figure_html(figure))
    return "".join(parts)


def comparisons_html(rows: Sequence[Row], unit: str = "people") -> str:
    """Paired comparisons as a table, what its columns mean, and a forest plot."""
    columns = ("difference", "interval", "p (Holm)", "better / same / worse", f"{unit} needed")
    head = "<th>model</th><th class='left'>control</th>"
    head += "".join(f"<th>{name}</th>" for name in columns) + "<th class='words'>verdict</th>"
    body = "".join(
        f"<tr><td>{escape(row['model'])}</td><td class='left'>{escape(row['control'])}</td>"
        f"<td>{row['difference']:+.4f}</td><td>{row['ci_low']:+.4f} to {row['ci_high']:+.4f}</td>"
        f"<td>{row['p_holm']:.3g}</td><td>{_counts(row)}</td>"
        f"<td>{_needed(row)}</td>"
        f"<td class='words'>{escape(row['verdict'])}</td></tr>"
        for row in rows
    )
    return (
        f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"
        f"<p class='soft'>{escape(COMPARED.format(unit=unit))}</p>"
        + figure_html(figures.differences(rows))
    )


def _counts(row: Row) -> str:
    return " / ".join(f"{row[name]:,}" for name in ("wins", "ties", "losses"))


def _needed(row: Row) -> str:
    needed = row.get("n_needed")
    return "–" if needed is None else f"{needed:,.0f}"


def _curves(log: Sequence[Row], metric: str) -> str:
    in_world = [line for line in log if line.get("mean_reward") is not None]
    from_log = [line for line in log if line.get("mean_reward") is None]
    parts = []
    for lines, value, rounds in (
        (from_log, f"validation_{metric}", "pass over the log"),
        (in_world, "mean_reward", "episode in the fitted world"),
        (in_world, f"validation_{metric}", "episode in the fitted world"),
        (in_world, "q_change", "episode in the fitted world"),
        (from_log, "q_change", "pass over the log"),
    ):
        if len({line["round"] for line in lines if line.get(value) is not None}) > 1:
            parts.append(figure_html(figures.learning_curves(lines, value, rounds)))
    return "".join(parts) or "<p class='soft'>Every model was fitted in a single pass.</p>"


def _protocol(results: Row) -> str:
    items = [*results["protocol"]["words"], *results["data"]["words"]]
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in items) + "</ul>"
