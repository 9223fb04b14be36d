"""One run from configuration to sealed folder: data, training, evaluation, words, report."""

from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from recloop import __version__
from recloop.errors import InvalidConfig
from recloop.experiment.build import Entry, entries, name_taken_twice
from recloop.experiment.comparisons import compare_all, n_resamples_in_words
from recloop.experiment.config import FITTED, ExperimentConfig
from recloop.experiment.folder import RunFolder, read_lines
from recloop.experiment.measure import Measured, measure, validation_values
from recloop.experiment.per_user import per_user_file
from recloop.experiment.prepare import Prepared, prepare
from recloop.experiment.report import report_html
from recloop.experiment.results import statements
from recloop.experiment.stream_run import run_stream
from recloop.experiment.training import Progress, Silent, Trainer
from recloop.experiment.world_run import run_in_world
from recloop.models import EASERecommender
from recloop.utils.files import atomic_write, write_json, write_text

KNOWN = (
    "At the test every model knows what people did in training and validation: as history, as "
    "profile (Item KNN, EASE, ALS), and as what is hidden. Parameters, counts and the fitted world "
    "come from the training part alone."
)


def run_experiment(
    config: ExperimentConfig,
    folder: str | Path,
    *,
    data_dir: str | Path = "data",
    beside: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Train and judge every model of `config`; the results stand in `folder`.

    With a world of `WORLDS` as world.type nothing is read: models learn in it, and are judged by
    what they earn there beside its certified lines (`world_run`).

    The same configuration on the same data goes on where it was interrupted, or returns at once
    when it is done; another one in the same folder raises RunFolderInUse, or with `beside` goes to
    the first of FOLDER-2, FOLDER-3, ... that is free or holds it. Synthetic data are written to
    `data_dir`.
    """
    with threadpool_limits(config.training.threads, "blas"):
        return _run(config, Path(folder), Path(data_dir), beside, progress or Silent())


def _run(
    config: ExperimentConfig, folder: Path, data_dir: Path, beside: bool, progress: Progress
) -> RunFolder:
    if config.training.mode == "stream":
        return run_stream(config, folder, beside, progress)
    rows = entries(config)
    if taken := name_taken_twice(rows):
        raise InvalidConfig(taken.words)
    if config.world.type != FITTED:
        return run_in_world(config, folder, beside, progress)
    prepared = prepare(config, data_dir, progress)
    run = RunFolder.start(folder, config, prepared.data_hash, beside=beside)
    with run.reserved():
        _fill(config, run, rows, prepared, progress)
    return run


def _fill(
    config: ExperimentConfig,
    run: RunFolder,
    rows: list[Entry],
    prepared: Prepared,
    progress: Progress,
) -> None:
    if run.is_finished:
        damaged = run.reopen_if_damaged()
        if not damaged:
            progress.note(f"{run.path}: this run is finished; nothing was trained again.")
            return
        progress.note(f"{run.path}: missing or changed, and made anew: {', '.join(damaged)}.")
    rows = without_too_large(config, rows, prepared, progress)
    _keep_data(run, prepared)
    trainer = _trainer(config, run, prepared, progress)
    trainer.train_all(rows)
    world = trainer.world()[0] if any(row.mode == "simulated" for row in rows) else None
    measured = []
    with per_user_file(run.path / "per_user.parquet") as write:
        for entry in rows:
            one = measure(config, run, prepared, entry, world)
            write(one)
            measured.append(one.only(config.evaluation.metric))
    _keep_results(config, run, prepared, rows, measured)
    run.seal()


def without_too_large(
    config: ExperimentConfig, rows: list[Entry], prepared: Prepared, progress: Progress
) -> list[Entry]:
    """`rows` without the baselines that joined by themselves and do not fit the catalogue."""
    named = {model.name for model in config.models}
    kept, sizes = [], (prepared.encoded.train.n_users, prepared.encoded.train.n_items)
    for row in rows:
        joined = row.name in config.evaluation.baselines and row.name not in named
        if joined and row.type == "ease" and sizes[1] > EASERecommender.max_items:
            progress.note(
                f"{row.name} is left out: {sizes[1]:,} items are more than its "
                f"{EASERecommender.max_items:,}. Name it among models with max_items to have it."
            )
            continue
        kept.append(row)
    return kept


def _keep_data(run: RunFolder, prepared: Prepared) -> None:
    write_json(
        run.path / "ids.json",
        {"users": prepared.encoded.user_ids, "items": prepared.encoded.item_ids},
    )
    run.save_interactions("train", prepared.encoded.train)
    run.save_interactions("validation", prepared.encoded.validation)
    if prepared.items is not None:
        with atomic_write(run.path / "items.parquet") as temporary:
            prepared.items.to_parquet(temporary, index=False)


def _trainer(
    config: ExperimentConfig, run: RunFolder, prepared: Prepared, progress: Progress
) -> Trainer:
    encoded = prepared.encoded
    return Trainer(
        config=config,
        folder=run,
        train_log=encoded.train,
        validation=validation_values(config, prepared) if len(encoded.validation) else None,
        validation_log=encoded.validation,
        item_features=encoded.item_features,
        user_features=encoded.user_features,
        progress=progress,
    )


def _keep_results(
    config: ExperimentConfig,
    run: RunFolder,
    prepared: Prepared,
    rows: list[Entry],
    measured: list[Measured],
) -> None:
    comparisons, n_resamples = compare_all(config, rows, measured)
    said = n_resamples_in_words(config, n_resamples, len(comparisons))
    results: dict[str, Any] = {
        "recloop": __version__,
        "seed": config.seed,
        "protocol": prepared.protocol
        | {"n_resamples": n_resamples, "words": [*prepared.protocol["words"], KNOWN, *said]},
        "data": prepared.counts | {"n_test_users_counted": measured[0].n_counted},
        "models": [one.row for one in measured],
        "comparisons": comparisons,
    }
    results["statements"] = statements(results)
    write_json(run.path / "metrics.json", results)
    log = read_lines(run.path / "log.jsonl")
    write_text(run.path / "report.html", report_html(results, log))
