"""The report of a run in a world: the agents between the certified lines."""

from collections.abc import Sequence
from html import escape
from typing import Any

from recloop.experiment import figures
from recloop.experiment.report import figure_html, page, section, statements_html

Row = dict[str, Any]


def world_report_html(results: Row, log: Sequence[Row]) -> str:
    """The report of one run, from its metrics.json and log.jsonl."""
    lines = {
        name: line["value"] for name, line in results["world"]["lines"].items() if name != "bound"
    }
    curves = figures.learning_curves(log, "validation_session_reward", "episode")
    curves.update_yaxes(title_text="rewards a session")
    parts = [
        _head(results),
        section("What this run says", statements_html(results["statements"])),
        section("Agents", _agents(results)),
        section(
            "How they learned",
            "<p class='soft'>Rewards of a session without exploring, between what chance, greed, "
            "one action forever and the best policies earn.</p>"
            + figure_html(figures.with_lines(curves, lines)),
        ),
        section("What can be earned here", _certificate(results["world"])),
    ]
    return page("\n".join(parts))


def _head(results: Row) -> str:
    world = results["world"]
    return (
        f"<h1>recloop report: {escape(world['world'])}</h1><p class='soft'>sessions of "
        f"{world['horizon']} steps; {results['n_sessions']:,} sessions judge each model; seed "
        f"{results['seed']}.</p>"
    )


def _agents(results: Row) -> str:
    head = "".join(
        f"<th>{name}</th>"
        for name in ("agent", "rewards a session", "95 %", "of the best", "gap closed", "seeds")
    )
    body = "".join(
        f"<tr><td>{escape(row['name'])}</td><td>{row['session_reward']:.4g}</td>"
        f"<td>{row['ci_low']:.4g} to {row['ci_high']:.4g}</td>"
        f"<td>{row['share_of_optimum']:.1%}</td>"
        f"<td>{'–' if row['gap_closed'] is None else format(row['gap_closed'], '.0%')}</td>"
        f"<td>{row['n_seeds']}</td></tr>"
        for row in sorted(results["models"], key=lambda row: -row["session_reward"])
    )
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _certificate(world: Row) -> str:
    head = "<th>line</th><th>rewards a session</th><th class='words'>how</th>"
    body = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{line['value']:.5g}</td>"
        f"<td class='words'>{escape(line['method'])}</td></tr>"
        for name, line in world["lines"].items()
    )
    settings = ", ".join(f"{name} {value}" for name, value in world["params"].items())
    return (
        f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"
        f"<p class='soft'>{escape(settings)}</p>"
    )
