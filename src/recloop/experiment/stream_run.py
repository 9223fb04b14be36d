"""One run of online learning: every model meets the same stream, and what it earns is counted.

The stream is a world (`world.type`), a labelled set, or a decision log by replay (`data.path`). A
model's row says what it earned per visitor while it learned, with an interval over seeds and
visitors; comparisons are of means, their errors added as of independent runs: wider than paired.
"""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from recloop import __version__
from recloop.data.classification import read_labelled
from recloop.decisions import open_bandit_vocabulary, open_log, read_decisions, read_open_bandit
from recloop.decisions.open_bandit import is_open_bandit
from recloop.errors import InvalidConfig, MissingData, MissingExtra
from recloop.evaluation.reward_models import full_information_accuracy
from recloop.experiment.config import FITTED, ExperimentConfig, ModelSection
from recloop.experiment.folder import RunFolder, label_of, read_lines
from recloop.experiment.stream_report import stream_report_html
from recloop.experiment.training import Progress, write_log
from recloop.models.registry import model_class
from recloop.simulators.build import build_world
from recloop.training.streams import (
    AbstractStream,
    ClassificationStream,
    ReplayStream,
    StreamResult,
    WorldStream,
)
from recloop.types import LoggedDecisions
from recloop.utils.files import load_arrays, sha256_of, write_json, write_text

Row = dict[str, Any]
METRIC = "mean_reward"
FEWEST_REWARDS = 30
"""Below so many rewards of the best model nothing is concluded."""

_CURVE_POINTS = 100


def run_stream(
    config: ExperimentConfig, folder: Path, beside: bool, progress: Progress
) -> RunFolder:
    """Let every model of `config` learn online, once a seed; see `run_experiment`."""
    stream, about = open_stream(config)
    run = RunFolder.start(folder, config, about["sha256"], beside=beside)
    if run.is_finished:
        damaged = run.reopen_if_damaged()
        if not damaged:
            progress.note(f"{run.path}: this run is finished; nothing was learned again.")
            return run
        progress.note(f"{run.path}: missing or changed, and made anew: {', '.join(damaged)}.")
    run.remove_temporaries()
    for section in config.models:
        for number in range(config.training.n_seeds):
            if not run.model_path(section.name, number).exists():
                with run.timed(label_of(section.name, number)):
                    _learn(config, run, stream, section, number, progress)
    labels = [(s.name, n) for s in config.models for n in range(config.training.n_seeds)]
    write_log(run, labels, config.seed)
    _keep_results(config, run, about)
    run.seal()
    return run


def open_stream(config: ExperimentConfig) -> tuple[AbstractStream, Row]:
    """The stream that a configuration describes, and what to say of it."""
    if config.world.type != FITTED:
        world = build_world(config.world.type, **config.world.params)
        about = {"kind": "world", "name": config.world.type, "sha256": "made in a world"}
        return WorldStream(world, config.training.n_steps), about
    if config.data.path is None:
        raise InvalidConfig(
            "training.mode 'stream' needs something to answer: world.type, the name of a world, or "
            "data.path (--data), a labelled table, an Open Bandit folder or a decision log."
        )
    path = Path(config.data.path)
    if not path.exists():
        raise MissingData(f"{path}: no such file or folder.")
    about: Row = {"name": path.name, "sha256": _digest(path)}
    if is_open_bandit(path):
        read = read_open_bandit(path, vocabulary=open_bandit_vocabulary([path]))
        made = ReplayStream(read.decisions, len(read.user_ids), len(read.item_ids))
        return made, about | _about_replay(made)
    if path.is_file() and path.suffix in (".db", ".sqlite"):
        with open_log(str(path), create=False) as log:
            decisions = log.read()
            made = _replay_of(decisions)
        return made, about | _about_replay(made)
    if path.is_file() and path.name.endswith(".decisions.parquet"):
        made = _replay_of(read_decisions(path))
        return made, about | _about_replay(made)
    table = read_labelled(path)
    made = ClassificationStream(table.contexts, table.labels, config.training.n_steps)
    about |= {"kind": "labelled set", "n_rows": len(table.labels), "n_classes": made.n_items}
    if table.left_out:
        about["left_out"] = table.left_out
    counts = np.bincount(table.labels)
    about["majority"] = float(counts.max() / counts.sum())
    try:
        about["full_information"] = full_information_accuracy(table.contexts, table.labels)
    except MissingExtra as error:
        about["note"] = str(error)
    return made, about


def _digest(path: Path) -> str:
    """The sha256 of a file, or of the names and sha256 of the files below a folder."""
    if path.is_file():
        return sha256_of(path)
    found = {str(file.relative_to(path)): sha256_of(file) for file in sorted(path.rglob("*.csv*"))}
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _replay_of(decisions: LoggedDecisions) -> ReplayStream:
    """The stream of a log; the catalogue is all that it names, shown or not."""
    n_users = int(decisions.users.max(initial=0)) + 1
    lists = (decisions.candidates, decisions.excluded)
    codes = [decisions.items] + [named.values for named in lists if named is not None]
    n_items = max(int(part.max(initial=0)) for part in codes) + 1
    return ReplayStream(decisions, n_users, n_items)


def _about_replay(made: ReplayStream) -> Row:
    log = made.decisions
    rewards = log.rewards if log.rewards is not None else np.empty(0)
    return {
        "kind": "replay",
        "n_rows": len(log),
        "n_skipped": made.n_skipped,
        "logged_mean": float(rewards.mean()),
        "uniform": bool(np.ptp(log.propensities) < 1e-9),
    }


def _learn(
    config: ExperimentConfig,
    run: RunFolder,
    stream: AbstractStream,
    section: ModelSection,
    number: int,
    progress: Progress,
) -> None:
    seed, made = config.seed + number, model_class(section.type)
    params = {**section.params, "seed": section.params.get("seed", 0) + seed}
    if stream.context_dim and "context_dim" in {f.name for f in fields(made)}:
        params.setdefault("context_dim", stream.context_dim)
    model = made(stream.n_users, stream.n_items, **params)
    label = label_of(section.name, number)
    progress.begin(label, 1)
    result = stream.run(model, seed)
    records = _curve(result)
    progress.advance(label, 1, records[-1] if records else {})
    kept = {"records": records, "outcome": _outcome(result)}
    model.save(run.model_path(section.name, number), name=section.name, training=kept)


def _curve(result: StreamResult) -> list[Row]:
    """The running mean at about a hundred places."""
    n = len(result.rewards)
    places = np.unique(np.linspace(1, n, min(n, _CURVE_POINTS)).astype(int)) if n else []
    earned = result.rewards.cumsum()
    lost = result.regrets.cumsum()
    return [
        {"round": int(at), METRIC: float(earned[at - 1] / at)}
        | ({"regret": float(lost[at - 1])} if np.isfinite(lost[at - 1]) else {})
        for at in places
    ]


def _outcome(result: StreamResult) -> Row:
    n = len(result.rewards)
    regret = float(result.regrets.sum())
    return {
        "n": n,
        "n_offered": result.n_offered,
        "sum": float(result.rewards.sum()),
        "variance": float(result.rewards.var(ddof=1)) if n > 1 else None,
        "regret": regret if n and np.isfinite(regret) else None,
        "n_items_shown": len(np.unique(result.items)),
    }


def _keep_results(config: ExperimentConfig, run: RunFolder, about: Row) -> None:
    outcomes = {
        section.name: [
            _kept(run, section, number)["outcome"] for number in range(config.training.n_seeds)
        ]
        for section in config.models
    }
    results: Row = {
        "recloop": __version__,
        "seed": config.seed,
        "stream": about,
        "models": [
            _row(section, outcomes[section.name], config.evaluation.confidence)
            for section in config.models
        ],
        "comparisons": [
            _difference(section.name, control, outcomes, config.evaluation.confidence)
            for section in config.models
            for control in section.controls
        ],
    }
    results["statements"] = stream_statements(results)
    write_json(run.path / "metrics.json", results)
    report = stream_report_html(results, read_lines(run.path / "log.jsonl"))
    write_text(run.path / "report.html", report)


def _kept(run: RunFolder, section: ModelSection, number: int) -> Row:
    return load_arrays(run.model_path(section.name, number))[0]["training"]


def _row(section: ModelSection, outcomes: list[Row], confidence: float) -> Row:
    means, error = _means_and_error(outcomes)
    mean, z = float(np.mean(means)), _z(confidence)
    known = [one["regret"] for one in outcomes if one["regret"] is not None]
    return {
        "name": section.name,
        "type": section.type,
        "params": section.params,
        "n_seeds": len(outcomes),
        "seed_means": means,
        METRIC: mean,
        "ci_low": mean - z * error,
        "ci_high": mean + z * error,
        "n": int(np.mean([one["n"] for one in outcomes])),
        "n_rewarded": float(np.mean([one["sum"] for one in outcomes])),
        "acceptance": float(np.mean([one["n"] / max(one["n_offered"], 1) for one in outcomes])),
        "regret": float(np.mean(known)) if known else None,
        "n_items_shown": int(np.mean([one["n_items_shown"] for one in outcomes])),
    }


def _z(confidence: float) -> float:
    """How many standard errors an interval reaches to each side."""
    return NormalDist().inv_cdf(0.5 + confidence / 2.0)


def _means_and_error(outcomes: list[Row]) -> tuple[list[float], float]:
    """The mean of each seed, and the standard error of their mean: visitors and seeds together."""
    means = [one["sum"] / one["n"] if one["n"] else float("nan") for one in outcomes]
    within = [
        one["variance"] / one["n"] if one["n"] > 1 and one["variance"] is not None else np.nan
        for one in outcomes
    ]
    n = len(outcomes)
    between = float(np.var(means, ddof=1)) / n if n > 1 else 0.0
    return means, float(np.sqrt(np.mean(within) / n + between))


def _difference(model: str, control: str, outcomes: dict[str, list[Row]], confidence: float) -> Row:
    mine, mine_error = _means_and_error(outcomes[model])
    theirs, their_error = _means_and_error(outcomes[control])
    gap = float(np.mean(mine) - np.mean(theirs))
    around = _z(confidence) * float(np.hypot(mine_error, their_error))
    low, high = gap - around, gap + around
    verdict = "better" if low > 0 else "worse" if high < 0 else "no benefit"
    return {
        "model": model,
        "control": control,
        "metric": METRIC,
        "difference": gap,
        "ci_low": low,
        "ci_high": high,
        "verdict": verdict if np.isfinite(gap) and np.isfinite(around) else "not known",
    }


def stream_statements(results: Row) -> list[str]:
    """What the numbers support, in words."""
    about, rows = results["stream"], results["models"]
    said = []
    if about["kind"] == "replay":
        said.append(
            f"Replay of {about['n_rows']:,} logged choices, whose own mean reward is "
            f"{about['logged_mean']:.5f}; only rows where a model would have shown what was shown "
            "count and teach."
        )
        if about["n_skipped"]:
            said.append(
                f"Left out: {about['n_skipped']:,} decisions without one slot and a known reward."
            )
        most = max((row["n_rewarded"] for row in rows), default=0.0)
        if most < FEWEST_REWARDS:
            matches = max((row["n"] for row in rows), default=0)
            said.append(
                f"Nothing can be concluded: at most {matches:,} rows match and at most {most:.1f} "
                f"rewards are among them, fewer than {FEWEST_REWARDS}. A longer log, fewer items "
                "or an off-policy estimate is needed."
            )
            return said
    if "majority" in about:
        said.append(
            f"{about['n_classes']} classes, {about['n_rows']:,} rows. Always the commonest class: "
            f"{about['majority']:.1%}."
            + (
                f" Logistic regression told every answer: {about['full_information']:.1%}."
                if "full_information" in about
                else f" {about.get('note', '')}"
            )
        )
    if "left_out" in about:
        named = ", ".join(about["left_out"])
        said.append(f"Left out, as no numbers or the label in other words: {named}.")
    for row in rows:
        regret = "" if row["regret"] is None else f"; regret {row['regret']:,.1f}"
        said.append(
            f"{row['name']} earns {row[METRIC]:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}] a "
            f"visitor while it learns, over {row['n']:,} of them{regret}."
        )
    said += [
        f"{row['model']} against {row['control']}: {row['difference']:+.4g} "
        f"[{row['ci_low']:+.4g}, {row['ci_high']:+.4g}]: {row['verdict']}."
        for row in results["comparisons"]
    ]
    return said
