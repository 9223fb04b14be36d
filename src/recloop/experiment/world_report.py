"""The report of a run in a world: the agents between the certified lines."""

from collections.abc import Sequence
from html import escape
from typing import Any

from recloop.experiment import figures
from recloop.experiment.report import (
    comparisons_html,
    figure_html,
    page,
    section,
    statements_html,
)
from recloop.experiment.world_inversion import inversion_section

Row = dict[str, Any]

MEANINGS = (
    "Rewards a session: the sum of a session's rewards without exploring, a mean over sessions and "
    "then seeds; 95 %: Student's interval over sessions, and over seeds on top where there are "
    "several. Of the best: over what the best stationary policy earns. Gap closed: how much of the "
    "way from the best constant action (0 %) to that policy (100 %) an agent has gone."
)


def world_report_html(results: Row, log: Sequence[Row]) -> str:
    """The report of one run, from its metrics.json and log.jsonl."""
    lines = {
        name: line["value"] for name, line in results["world"]["lines"].items() if name != "bound"
    }
    parts = [_head(results), section("What this run says", statements_html(results["statements"]))]
    if "inversion" in results:
        parts.append(inversion_section(results["inversion"]))
    if results["models"]:
        parts += [
            section("Agents", _agents(results)),
            section("How they learned", _curves(log, lines)),
        ]
    if results["comparisons"]:
        compared = comparisons_html(results["comparisons"], "sessions")
        parts.append(section("What each agent gains over its control", compared))
    parts.append(section("What can be earned here", _certificate(results["world"])))
    return page("\n".join(parts))


def _curves(log: Sequence[Row], lines: dict[str, float]) -> str:
    curves = figures.learning_curves(log, "validation_session_reward", "episode")
    curves.update_yaxes(title_text="rewards a session")
    return (
        "<p class='soft'>Rewards of a session without exploring, between what chance, greed, one "
        "action forever and the best policies earn.</p>"
        + figure_html(figures.with_lines(curves, lines))
    )


def _head(results: Row) -> str:
    world = results["world"]
    return (
        f"<h1>recloop report: {escape(world['world'])}</h1><p class='soft'>sessions of "
        f"{world['horizon']} steps; {results['n_sessions']:,} sessions judge each model; seed "
        f"{results['seed']}.</p>"
    )


def _agents(results: Row) -> str:
    ordered = sorted(results["models"], key=lambda row: -row["session_reward"])
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
        for row in ordered
    )
    drawn = [
        {"name": row["name"], "value": row["session_reward"], "low": row["ci_low"]}
        | {"high": row["ci_high"]}
        for row in ordered
    ]
    best = ("best stationary", results["world"]["lines"]["best_stationary"]["value"])
    return (
        f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"
        f"<p class='soft'>{escape(MEANINGS)}</p>"
        + figure_html(figures.estimates(drawn, "rewards a session", line=best))
    )


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
