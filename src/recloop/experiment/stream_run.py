"""One run of online learning: every model meets the same stream, and what it earns is counted.

The stream is a world (`world.type`), a labelled set, or a decision log by replay (`data.path`).
Each round that counted stands in rounds/NAME.parquet; `stream_results` says what they support.
"""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recloop import __version__
from recloop.experiment.config import ExperimentConfig, ModelSection
from recloop.experiment.folder import RunFolder, label_of, read_lines
from recloop.experiment.stream_report import stream_report_html
from recloop.experiment.stream_results import METRIC, Rounds, compared, row_of
from recloop.experiment.stream_sources import open_stream
from recloop.experiment.stream_words import stream_statements
from recloop.experiment.training import Progress, write_log
from recloop.models.registry import model_class
from recloop.training.streams import AbstractStream, StreamResult
from recloop.utils.files import atomic_write, write_json, write_text

Row = dict[str, Any]

_CURVE_POINTS = 100


def run_stream(
    config: ExperimentConfig, folder: Path, beside: bool, progress: Progress
) -> RunFolder:
    """Let every model of `config` learn online, once a seed; see `run_experiment`."""
    stream, about = open_stream(config)
    run = RunFolder.start(folder, config, about["sha256"], beside=beside)
    with run.reserved():
        _fill(config, run, stream, about, progress)
    return run


def _fill(
    config: ExperimentConfig, run: RunFolder, stream: AbstractStream, about: Row, progress: Progress
) -> None:
    if run.is_finished:
        damaged = run.reopen_if_damaged()
        if not damaged:
            progress.note(f"{run.path}: this run is finished; nothing was learned again.")
            return
        progress.note(f"{run.path}: missing or changed, and made anew: {', '.join(damaged)}.")
    run.remove_temporaries()
    labels = [(s.name, n) for s in config.models for n in range(config.training.n_seeds)]
    for section in config.models:
        for number in range(config.training.n_seeds):
            label = label_of(section.name, number)
            done = run.model_path(section.name, number), run.rounds_path(section.name, number)
            if not all(file.exists() for file in done):
                with run.timed(label):
                    _learn(config, run, stream, section, number, progress)
    write_log(run, labels, config.seed)
    _keep_results(config, run, about)
    run.seal()


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
    _write_rounds(run.rounds_path(section.name, number), result)
    kept = {"records": records, "n_offered": result.n_offered}
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


def _write_rounds(path: Path, result: StreamResult) -> None:
    table = pa.table(
        {
            "place": result.places,
            "item": result.items,
            "propensity": result.propensities,
            "reward": result.rewards,
            "regret": pa.array(result.regrets, from_pandas=True),  # NaN is null
        }
    )
    about = {b"n_offered": str(result.n_offered).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        pq.write_table(table.replace_schema_metadata(about), temporary)


def _read_rounds(path: Path) -> Rounds:
    table = pq.read_table(path)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    unknown = table.num_rows == 0 or table["regret"].null_count
    return Rounds(
        places=columns["place"],
        items=columns["item"],
        rewards=columns["reward"],
        regret=None if unknown else float(columns["regret"].sum()),
        n_offered=int(table.schema.metadata[b"n_offered"]),
    )


def _keep_results(config: ExperimentConfig, run: RunFolder, about: Row) -> None:
    rounds = {
        section.name: _rounds_of(run, section, config.training.n_seeds) for section in config.models
    }
    replays, confidence = about["kind"] == "replay", config.evaluation.confidence
    results: Row = {
        "recloop": __version__,
        "seed": config.seed,
        "confidence": confidence,
        "stream": about,
        "models": [
            {"name": section.name, "type": section.type, "params": section.params}
            | row_of(rounds[section.name], confidence, replays)
            for section in config.models
        ],
        "comparisons": compared(
            [(section.name, control) for section in config.models for control in section.controls],
            rounds,
            confidence,
            replays,
        ),
    }
    results["statements"] = stream_statements(results)
    write_json(run.path / "metrics.json", results)
    report = stream_report_html(results, read_lines(run.path / "log.jsonl"))
    write_text(run.path / "report.html", report)


def _rounds_of(run: RunFolder, section: ModelSection, n_seeds: int) -> Sequence[Rounds]:
    return [_read_rounds(run.rounds_path(section.name, number)) for number in range(n_seeds)]
