"""The report of a run of online learning."""

from collections.abc import Sequence
from html import escape
from typing import Any

from recloop.experiment import figures
from recloop.experiment.report import figure_html, page, section, statements_html
from recloop.experiment.stream_words import DESIGNS

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
        section("Models", _models(results["models"], results["confidence"])),
        *_differences(results),
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


def _models(rows: Sequence[Row], confidence: float) -> str:
    level = f"{100 * confidence:g} %"
    names = ("model", "mean reward", level, "visitors", "kept", "rewards", "regret", "items shown")
    head = "".join(f"<th>{name}</th>" for name in (*names, "seeds"))
    body = "".join(
        f"<tr><td>{escape(row['name'])}</td><td>{_number(row['mean_reward'], '.4g')}</td>"
        f"<td>{_interval(row, '.4g')}</td><td>{row['n']:,}</td>"
        f"<td>{row['acceptance']:.1%}</td><td>{row['n_rewards']:,.4g}</td>"
        f"<td>{_number(row['regret'], ',.1f')}</td>"
        f"<td>{row['n_items_shown']:,}</td><td>{row['n_seeds']}</td></tr>"
        for row in sorted(rows, key=_highest_first)
    )
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _differences(results: Row) -> list[str]:
    rows = results["comparisons"]
    if not rows:
        return []
    level = f"{100 * results['confidence']:g} %"
    head = "<th>model</th><th class='left'>control</th>"
    head += "".join(f"<th>{name}</th>" for name in ("difference", level, "p (Holm)"))
    body = "".join(
        f"<tr><td>{escape(row['model'])}</td><td class='left'>{escape(row['control'])}</td>"
        f"<td>{_number(row['difference'], '+.4g')}</td><td>{_interval(row, '+.4g')}</td>"
        f"<td>{_number(row['p_holm'], '.3g')}</td>"
        f"<td class='words'>{escape(row['verdict'])}</td></tr>"
        for row in rows
    )
    how = DESIGNS[rows[0]["design"]].format(n=results["models"][0]["n_seeds"])
    table = (
        f"<p class='soft'>{escape(how)}</p><div class='wide'><table>"
        f"<tr>{head}<th class='words'>verdict</th></tr>{body}</table></div>"
    )
    return [section("What each model gains over its control", table)]


def _highest_first(row: Row) -> float:
    return float("inf") if row["mean_reward"] is None else -row["mean_reward"]


def _number(value: float | None, shape: str) -> str:
    return "–" if value is None else format(value, shape)


def _interval(row: Row, shape: str) -> str:
    if row["ci_low"] is None:
        return "–"
    return f"{format(row['ci_low'], shape)} to {format(row['ci_high'], shape)}"
