"""The report of `recloop ope`: what a log says of another policy, and whether it can say it."""

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np

from recloop.experiment import figures
from recloop.experiment.log_checks import Mean, calibration_rows, histogram, logged_mean
from recloop.experiment.off_policy import JudgedLog
from recloop.experiment.report import figure_html, page, section, statements_html

Row = dict[str, Any]

FLOORS = {
    "least_rows": "the effective sample size must be at least {:g} rows",
    "least_share": "and at least {:.1%} of all rows",
    "largest_weight": "no row may have more than {:.0%} of all weight",
    "largest_z": "the mean weight must lie within {:g} of its standard errors of 1",
    "largest_unsupported": "at most {:.1%} of what the policy would do may be missing from the log",
    "largest_conflict": "an estimate must lie within {:g} standard errors of one that assumes less",
}
MEANINGS = (
    "Weight: the policy's probability of what was shown, over the one with which it was logged; of "
    "a slate or a session, the product over its slots. Its mean is 1 where the propensities are "
    "right and the log shows all that the policy would do.",
    "Effective rows: (sum of weights)² / sum of squared weights: so many rows of equal weight say "
    "as much. Largest share: the part of all weight that lies on one row.",
    "Value: the estimated mean reward of a {per}. Interval: percentiles over resampled {per}s; one "
    "that says so tells of sampling alone.",
)
ESTIMATORS = {
    "replay": "the mean reward where the policy would have shown the same; uniform logs",
    "ips": "mean of weight × reward; unbiased",
    "snips": "sum of weight × reward over the sum of weights; its bias vanishes",
    "clipped_ips": "ips with weights cut at a level",
    "clipped_snips": "snips with weights cut at a level",
    "sub_gaussian_ips": "ips with weights shrunk to a power mean",
    "dm": "what a model of the reward expects; as right as the model",
    "dr": "dm, corrected by weighted errors of the model; unbiased with right propensities",
    "sndr": "dr with the correction over the sum of weights",
    "mrdr": "dr with a model fitted for the least variance",
    "switch_dr": "dr, and dm where the weight is above a level",
    "dros": "dr with shrunk weights",
    "sub_gaussian_dr": "dr with weights shrunk to a power mean",
    "mips": "ips with weights of groups of items",
    "offcem": "mips, corrected by a model of the reward within groups",
    "standard_ips": "mean of the whole slate's weight × its reward; unbiased",
    "standard_snips": "the same over the sum of weights; its bias vanishes",
    "independent_ips": "every slot weighted by itself",
    "independent_snips": "the same over the sums of weights",
    "reward_interaction_ips": "a slot weighted by itself and those above",
    "reward_interaction_snips": "the same over the sums of weights",
    "cascade_dr": "reward_interaction_ips, with a model of the reward",
    "pseudo_inverse": "slot weights added up: right where slots add up",
    "trajectory_is": "mean of the whole session's weight × its reward; unbiased",
    "weighted_trajectory_is": "the same over the sum of weights; its bias vanishes",
    "per_decision_is": "every reward weighted by what came before; unbiased",
    "weighted_per_decision_is": "the same over the sums of weights; its bias vanishes",
    "fqe": "what a model of the return expects; as right as the model",
    "sequential_dr": "fqe, corrected by weighted errors of the model",
    "weighted_sequential_dr": "the same over the sums of weights",
}


def off_policy_report_html(found: JudgedLog) -> str:
    """The whole page."""
    logged = None if found.per == "session" else logged_mean(found.decisions, found.confidence)
    parts = [
        f"<h1>recloop report: {escape(found.policy)}</h1><p class='soft'>judged by "
        f"{found.n_decisions:,} logged decisions of {len(np.unique(found.decisions.items)):,} "
        "items</p>",
        section("What this log says", statements_html(off_policy_statements(found, logged))),
        section("Estimates", _estimates(found, logged)),
    ]
    if any(row["reasons"] for row in found.rows):
        parts.append(section("Why there is no number", _refusals(found)))
    if found.weights:
        parts.append(section("How much each decision counts", _weights(found)))
    parts.append(section("Are the propensities right?", _calibration(found)))
    parts.append(section("What was measured, and how", _definitions(found)))
    return page("\n".join(parts))


def off_policy_statements(found: JudgedLog, logged: Mean | None) -> list[str]:
    """What the log supports, in words."""
    said = []
    if logged is not None:
        said.append(
            f"The policy that logged earned {logged.value:.5g} [{logged.low:.5g}, "
            f"{logged.high:.5g}] a decision."
        )
    refused: dict[str, list[str]] = {}
    for row in found.rows:
        if row["value"] is None:
            refused.setdefault("; ".join(row["reasons"]), []).append(row["estimator"])
            continue
        forced = " The floors refuse this number; it was asked for." if row["reasons"] else ""
        said.append(
            f"{row['estimator']}: {found.policy} would earn {row['value']:.5g} [{row['low']:.5g}, "
            f"{row['high']:.5g}] a {found.per}{_beside(row, logged)}.{forced}"
        )
    said += [
        f"{', '.join(names)}: this log cannot say what {found.policy} earns: {reasons}."
        for reasons, names in refused.items()
    ]
    said += [f"What would help: {text}." for text in _advice(found.rows)]
    return said + [f"{text[:1].upper()}{text[1:]}." for text in found.notes]


def _beside(row: Row, logged: Mean | None) -> str:
    """In words; two intervals that overlap say nothing, nor does one that leaves out the bias."""
    if logged is None:
        return ""
    if row["bias"] == "unknown":
        return ", give or take its bias"
    if row["low"] > logged.high:
        return ", more than was logged"
    if row["high"] < logged.low:
        return ", less than was logged"
    return ", which cannot be told from what was logged"


def _advice(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(text for row in rows for text in row["advice"]))


def _estimates(found: JudgedLog, logged: Mean | None) -> str:
    around = f"{100 * found.confidence:g} %"
    columns = ("value", around, "standard error", "effective rows", "largest share")
    head = "<th>estimator</th>" + "".join(f"<th>{name}</th>" for name in columns)
    head += "<th class='words'>interval</th>"
    body = "".join(
        f"<tr><td>{escape(row['estimator'])}</td>{_numbers(row)}"
        f"<td>{row['diagnostics']['effective_rows']:,.1f}</td>"
        f"<td>{row['diagnostics']['max_share']:.1%}</td>"
        f"<td class='words'>{escape(row['interval'] or 'no number')}</td></tr>"
        for row in found.rows
    )
    drawn = [
        {"name": row["estimator"]} | {name: row[name] for name in ("value", "low", "high")}
        for row in found.rows
    ]
    line = None
    if logged is not None:
        drawn.append({"name": "as logged", **logged._asdict()})
        line = ("as logged", logged.value)
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>" + figure_html(
        figures.estimates(drawn, f"reward a {found.per}", line=line)
    )


def _numbers(row: Row) -> str:
    if row["value"] is None:
        return "<td>unreliable</td><td>–</td><td>–</td>"
    return (
        f"<td>{row['value']:.5g}</td><td>{row['low']:.5g} to {row['high']:.5g}</td>"
        f"<td>{row['standard_error']:.3g}</td>"
    )


def _refusals(found: JudgedLog) -> str:
    reasons = "".join(
        f"<li>{escape(row['estimator'])}: {escape(reason)}.</li>"
        for row in found.rows
        for reason in row["reasons"]
    )
    limits = [text.format(getattr(found.floors, name)) for name, text in FLOORS.items()]
    advice = "".join(f"<li>{escape(text)}.</li>" for text in _advice(found.rows))
    return (
        f"<ul>{reasons}</ul><p class='soft'>Below these floors a number would be chance: "
        f"{escape('; '.join(limits))}.</p><p>What would help:</p><ul>{advice}</ul>"
    )


def _weights(found: JudgedLog) -> str:
    name, weights = next(iter(found.weights.items()))
    weights = np.ravel(weights)
    bins = histogram(weights)
    unseen = f"; {bins.zero:.1%} are 0, for the policy would not show that" if bins.zero else ""
    shown = figure_html(
        figures.weight_histogram(bins.edges.tolist(), bins.rows.tolist(), bins.weight.tolist())
    )
    levels = (50, 90, 99, 99.9)
    quantiles = ", ".join(
        f"{level} % below {value:.4g}"
        for level, value in zip(levels, np.percentile(weights, levels), strict=True)
    )
    return (
        f"<p class='soft'>{len(weights):,} weights of {escape(name)}: mean {weights.mean():.4g}, "
        f"{quantiles}, largest {weights.max():.4g}{unseen}. Where the striped bars stand far to "
        f"the right of the plain ones, few decisions speak for all.</p>{shown}"
    )


def _calibration(found: JudgedLog) -> str:
    rows = calibration_rows(found.decisions, found.n_items)
    off = sum(not row["low"] <= row["observed"] <= row["high"] for row in rows)
    verdict = (
        "All of them are where right propensities put them."
        if not off
        else f"{off} of {len(rows)} groups are not where right propensities put them: the logged "
        "propensities are not those of what was shown, or the catalogue changed while the log was "
        "written."
    )
    return (
        "<p class='soft'>Items in groups by how likely they were shown. Across: the share of slots "
        "that the logged propensities say (harmonic mean; the intervals hold for all groups at "
        f"once in 95 of 100 logs); up: the share in which they were shown. {verdict}</p>"
        + figure_html(figures.calibration(rows))
    )


def _definitions(found: JudgedLog) -> str:
    used = [row["estimator"] for row in found.rows if row["estimator"] in ESTIMATORS]
    floors = ", ".join(f"{name} {value:g}" for name, value in asdict(found.floors).items())
    texts = [text.format(per=found.per) for text in MEANINGS]
    texts += [f"{name}: {ESTIMATORS[name]}." for name in used]
    texts += [f"{row['estimator']} assumes: {row['assumes']}." for row in found.rows
              if row["assumes"]]  # fmt: skip
    texts.append(f"Floors: {floors}.")
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"
