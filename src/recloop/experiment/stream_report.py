"""The report of a run of online learning."""

from collections.abc import Sequence
from html import escape
from typing import Any

from recloop.experiment import figures
from recloop.experiment.report import figure_html, page, section, statements_html

Row = dict[str, Any]


def stream_report_html(results: Row, log: Sequence[Row]) -> str:
    """The report of one run, from its metrics.json and log.jsonl."""
    about = results["stream"]
    curve = figures.learning_curves(log, "mean_reward", "visitors that counted")
    lines = {
        name.replace("_", " "): about[name]
        for name in ("majority", "full_information", "logged_mean")
        if name in about
    }
    parts = [
        f"<h1>recloop report: {escape(about['name'])}</h1>"
        f"<p class='soft'>{escape(about['kind'])}, learned online; seed {results['seed']}.</p>",
        section("What this run says", statements_html(results["statements"])),
        section("Models", _models(results["models"])),
        section(
            "How they learned",
            "<p class='soft'>Mean reward of all visitors so far, exploration included.</p>"
            + figure_html(figures.with_lines(curve, lines)),
        ),
    ]
    if any("regret" in line for line in log):
        lost = figures.learning_curves(log, "regret", "visitors")
        parts.append(section("What was lost against the best choice", figure_html(lost)))
    return page("\n".join(parts))


def _models(rows: Sequence[Row]) -> str:
    names = ("model", "mean reward", "95 %", "visitors", "kept", "regret", "items shown", "seeds")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        f"<tr><td>{escape(row['name'])}</td><td>{row['mean_reward']:.4g}</td>"
        f"<td>{row['ci_low']:.4g} to {row['ci_high']:.4g}</td><td>{row['n']:,}</td>"
        f"<td>{row['acceptance']:.1%}</td>"
        f"<td>{'–' if row['regret'] is None else format(row['regret'], ',.1f')}</td>"
        f"<td>{row['n_items_shown']:,}</td><td>{row['n_seeds']}</td></tr>"
        for row in sorted(rows, key=lambda row: -row["mean_reward"])
    )
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"
