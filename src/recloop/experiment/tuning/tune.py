"""`recloop tune`: the same number of trials for every method, then the best ones on the test part.

The folder: tuning.yaml (the resolved configuration), trials.db (Optuna's, all trials that are
over), tuning.json and trials.csv (what was found), best.yaml (a configuration for `recloop run`),
benchmark/ (its run folder), leaderboard.csv and .json, report.html.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from recloop.errors import (
    InvalidConfig,
    InvalidData,
    MissingData,
    RunFolderBusy,
    RunFolderInUse,
    WorkerLost,
)
from recloop.experiment.build import Entry, name_taken_twice
from recloop.experiment.config import FITTED, ExperimentConfig
from recloop.experiment.folder import ENVIRONMENT, config_text, environment, first_difference
from recloop.experiment.prepare import prepare
from recloop.experiment.run import without_too_large
from recloop.experiment.training import Progress, Silent
from recloop.experiment.tuning.benchmark import benchmark, check_names
from recloop.experiment.tuning.objective import (
    LogParts,
    check_tunable,
    make_objective,
    metric_of,
)
from recloop.experiment.tuning.results import found_by_tuning, keep_found
from recloop.experiment.tuning.study import Store, suggested
from recloop.experiment.tuning.trials import (
    Job,
    Method,
    Trial,
    best_of,
    known_to,
    methods_of,
    pruning_bars,
    ready,
    trial_rows,
)
from recloop.experiment.tuning.workers import Workers, workers
from recloop.utils.checks import check_count
from recloop.utils.files import alone_in, make_folder, read_json, write_json, write_text

CONFIG = "tuning.yaml"
TRIALS = "trials.db"
CHECKPOINTS = "checkpoints"

Trials = dict[str, dict[int, Trial]]


def run_tuning(
    config: ExperimentConfig,
    folder: str | Path,
    *,
    data_dir: str | Path = "data",
    n_workers: int = 1,
    resume: bool = False,
    measured: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Tune every method of `config` and measure the best settings: the value of leaderboard.json.

    The same configuration on the same data goes on where it was interrupted, however that came
    about; another one in the same folder raises RunFolderInUse.

    n_workers: processes for trials. What is found does not depend on it. A script that asks for
    more than one needs `if __name__ == "__main__":` around what it does, as they import it.
    resume: raise MissingData if there is nothing to go on with.
    measured: without it the test part is left alone: no benchmark.
    """
    check_count("run_tuning", "n_workers", n_workers)
    check_tunable(config)
    path, progress = Path(folder), progress or Silent()
    if resume and not (path / CONFIG).exists():
        raise MissingData(f"{path}: no tuning to go on with (no {CONFIG}). Leave out --resume.")
    rows, parts, data_hash = _given(config, Path(data_dir), progress)
    methods = methods_of(config, rows)
    check_names(config, rows, methods)
    _start(path, config, data_hash)
    with alone_in(path) as alone:
        if not alone:
            raise RunFolderBusy(
                f"{path}: another process is tuning here. Wait until it is done, or choose another "
                "--output-dir."
            )
        done = _all_trials(config, methods, parts, path, n_workers, progress)
        found = found_by_tuning(config, methods, done)
        keep_found(path, config, found, methods, done)
        if not measured:
            return found
        return benchmark(config, path, rows, methods, found, Path(data_dir), progress)


def _given(
    config: ExperimentConfig, data_dir: Path, progress: Progress
) -> tuple[list[Entry], LogParts | None, str]:
    """The rows of the table, what trials see of the data, and the hash of the data.

    The test part is read and split off here, and goes no further.
    """
    rows = trial_rows(config)
    if taken := name_taken_twice(rows):
        raise InvalidConfig(taken.words)
    if config.world.type != FITTED:
        return rows, None, "made in a world"
    prepared = prepare(config, data_dir, progress)
    encoded = prepared.encoded
    if not len(encoded.validation):
        raise InvalidData(
            "tuning: nobody is left to validate on. Use a larger data.val_ratio, another split or "
            "more data."
        )
    parts = LogParts(
        encoded.train, encoded.validation, encoded.item_features, encoded.user_features
    )
    return without_too_large(config, rows, prepared, progress), parts, prepared.data_hash


def _start(path: Path, config: ExperimentConfig, data_hash: str) -> None:
    """Make the folder, or see that it holds this very tuning."""
    text, file = config_text(config), path / CONFIG
    other = "Choose another --output-dir, or remove the folder."
    if file.exists():
        held = file.read_text(encoding="utf-8", errors="replace")
        if held != text:
            changed = first_difference(held, text)
            raise RunFolderInUse(f"{path}: holds a tuning of another kind ({changed}). {other}")
        about = path / ENVIRONMENT  # written after the configuration: absent, nothing was done yet
        if about.exists() and read_json(about)["data_sha256"] != data_hash:
            raise RunFolderInUse(f"{path}: holds the same tuning on other data. {other}")
    else:
        if path.exists() and (not path.is_dir() or any(path.glob("[!.]*"))):
            raise RunFolderInUse(f"{path}: must be new or empty, or hold a tuning. {other}")
        make_folder(path)
        write_text(file, text)
    if not (path / ENVIRONMENT).exists():
        write_json(path / ENVIRONMENT, environment(data_hash))


def _all_trials(
    config: ExperimentConfig,
    methods: Sequence[Method],
    parts: LogParts | None,
    path: Path,
    n_workers: int,
    progress: Progress,
) -> Trials:
    """Run what is not over yet; afterwards every method has its trials."""
    for left in path.glob(".*.tmp*"):
        left.unlink()
    shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
    own = path / CHECKPOINTS / str(os.getpid())  # a killed one's worker may not have ended yet
    store = Store(path / TRIALS, methods)
    try:
        done = store.trials()
        n_left = sum(method.n_trials - len(done[method.name]) for method in methods)
        for method in methods:
            progress.begin(method.name, method.n_trials)
            _advance(progress, config, method, done)
        if n_left:
            given = (config, methods, parts, own)
            with workers(min(n_workers, n_left), make_objective, *given) as hands:
                _until_over(config, methods, done, store, hands, n_workers, progress)
    finally:
        store.close()
    shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
    return done


def _until_over(
    config: ExperimentConfig,
    methods: Sequence[Method],
    done: Trials,
    store: Store,
    hands: Workers,
    n_workers: int,
    progress: Progress,
) -> None:
    by_name = {method.name: method for method in methods}
    running: dict[Future[Trial], Job] = {}
    while True:
        while len(running) < n_workers and (job := _next(config, methods, done, running.values())):
            running[hands.submit(job)] = job
        if not running:
            return
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            del running[future]
            try:
                trial = future.result()
            except BrokenProcessPool:
                raise WorkerLost(
                    "tuning: a process with a trial was killed, perhaps for want of memory. What "
                    "is over is kept: run the same command again, with fewer --workers."
                ) from None
            store.add(trial)
            done[trial.method][trial.number] = trial
            _advance(progress, config, by_name[trial.method], done)


def _next(
    config: ExperimentConfig, methods: Sequence[Method], done: Trials, running: Any
) -> Job | None:
    """The next trial that may begin, with its parameters; None if all wait or are over."""
    tuning = config.tuning
    busy = {
        method.name: {job.number for job in running if job.method == method.name}
        for method in methods
    }
    for method, number in ready(methods, done, busy, tuning.at_once):
        known = known_to(number, done[method.name], tuning.at_once)
        params = suggested(method, number, known, seed=config.seed, sampler=tuning.sampler)
        n_rounds = method.entry.n_rounds
        bars = pruning_bars(known, n_rounds) if tuning.pruner == "median" else {}
        return Job(method.name, number, params, bars)
    return None


def _advance(
    progress: Progress,
    config: ExperimentConfig,
    method: Method,
    done: Mapping[str, Mapping[int, Trial]],
) -> None:
    best = best_of(done[method.name])
    seen = {} if best is None else {f"validation_{metric_of(config)}": best.value}
    progress.advance(method.name, len(done[method.name]), seen)
