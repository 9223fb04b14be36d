"""One run in a world: certificate, training, judgement by what is earned, words, report.

Every model plays the same sessions, person by person and with the same chance, so that differences
are paired. What a model gains is measured against the controls it names, and on the way from the
best constant action to the best policy that the certificate knows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recloop import __version__
from recloop.evaluation.comparison import compare, corrected
from recloop.experiment.comparisons import n_resamples_for
from recloop.experiment.config import ExperimentConfig, ModelSection
from recloop.experiment.folder import RunFolder, label_of, read_lines
from recloop.experiment.measure import Measured
from recloop.experiment.per_user import per_user_file
from recloop.experiment.training import Progress, write_log
from recloop.experiment.world_inversion import inversion_of, inversion_statements
from recloop.experiment.world_report import world_report_html
from recloop.models.bandits.base import AbstractContextBandit
from recloop.models.registry import load_model, model_class
from recloop.simulators.base import AbstractWorld
from recloop.simulators.build import build_world
from recloop.simulators.certify import Certificate, certify, interval_of, play, spread_users
from recloop.training.lessons import SimulatedEpisodes
from recloop.training.loop import Checkpoints, TrainingState, train
from recloop.training.settings import TrainingSettings
from recloop.training.world import greedy_policy
from recloop.types import FloatArray
from recloop.utils.files import write_json, write_text
from recloop.utils.seeding import stream

METRIC = "session_reward"
_LOOKS = 200
"""Sessions of a look during training."""

Row = dict[str, Any]


def run_in_world(
    config: ExperimentConfig, folder: Path, beside: bool, progress: Progress
) -> RunFolder:
    """Train every model in the world of `config` and judge it there; see `run_experiment`."""
    run = RunFolder.start(folder, config, "made in a world", beside=beside)
    with run.reserved():
        _fill(config, run, progress)
    return run


def _fill(config: ExperimentConfig, run: RunFolder, progress: Progress) -> None:
    if run.is_finished:
        progress.note(f"{run.path}: this run is finished; nothing was trained again.")
        return
    world = build_world(config.world.type, **config.world.params)
    certificate = certify(
        world,
        discount=config.world.discount,
        n_sessions=config.world.n_sessions,
        seed=config.seed,
    )
    _train_all(config, run, world, progress)
    _keep_results(config, run, world, certificate)
    run.seal()


def _train_all(
    config: ExperimentConfig, run: RunFolder, world: AbstractWorld, progress: Progress
) -> None:
    run.remove_temporaries()
    for section in config.models:
        for number in range(config.training.n_seeds):
            if not run.model_path(section.name, number).exists():
                with run.timed(label_of(section.name, number)):
                    _train(config, run, world, section, number, progress)
    run.remove_checkpoints()
    labels = [
        (section.name, number)
        for section in config.models
        for number in range(config.training.n_seeds)
    ]
    write_log(run, labels, config.seed)


def _train(
    config: ExperimentConfig,
    run: RunFolder,
    world: AbstractWorld,
    section: ModelSection,
    number: int,
    progress: Progress,
) -> None:
    label = label_of(section.name, number)
    checkpoints = Checkpoints(run.checkpoints, label)
    progress.begin(label, section.n_episodes or config.training.n_episodes)
    model, state = trained_in_world(
        config,
        world,
        section,
        config.seed + number,
        checkpoints,
        lambda now: progress.advance(label, now.n_rounds_done, now.records[-1]),
    )
    kept = {
        "records": state.records,
        "best_round": state.best_round or state.n_rounds_done,
        "n_rounds": state.n_rounds_done,
        "stopped_early": state.stopped_early,
    }
    model.save(run.model_path(section.name, number), name=section.name, training=kept)
    checkpoints.clear()


def trained_in_world(
    config: ExperimentConfig,
    world: AbstractWorld,
    section: ModelSection,
    seed: int,
    checkpoints: Checkpoints,
    observe: Callable[[TrainingState], None],
) -> tuple[Any, TrainingState]:
    """A model of `section` after its training in `world`; nothing is kept beside checkpoints."""
    training = config.training
    params = {**section.params, "seed": section.params.get("seed", 0) + seed}
    made = model_class(section.type)
    if issubclass(made, AbstractContextBandit) and world.n_observed:
        params.setdefault("context_dim", world.n_observed)
    settings = TrainingSettings(
        n_rounds=section.n_episodes or training.n_episodes,
        eval_freq=training.eval_freq,
        metric=METRIC,
        patience=training.patience,
    )
    return train(
        made(world.n_users, world.n_items, **params),
        SimulatedEpisodes(world, None, seed, training.sessions_per_episode, repeats=True),
        settings,
        checkpoints=checkpoints,
        evaluate=lambda now: {METRIC: float(earned(now, world, _LOOKS, seed, "look").mean())},
        observe=observe,
    )


def earned(model: Any, world: AbstractWorld, n: int, seed: int, name: str) -> FloatArray:
    """(n,) what the model earns in as many sessions, without exploring."""
    return play(world, greedy_policy(model), spread_users(world, n), stream(seed, "judge", name))


def _keep_results(
    config: ExperimentConfig, run: RunFolder, world: AbstractWorld, certificate: Certificate
) -> None:
    values = {
        section.name: np.stack(
            [
                earned(
                    load_model(run.model_path(section.name, number), section.type),
                    world, config.world.n_sessions, config.seed, "test",
                )
                for number in range(config.training.n_seeds)
            ]
        )
        for section in config.models
    }  # fmt: skip
    rows = [_row(section, values[section.name], certificate) for section in config.models]
    _keep_sessions(run, rows, values)
    results: Row = {
        "recloop": __version__,
        "seed": config.seed,
        "world": certificate.to_json(),
        "n_sessions": config.world.n_sessions,
        "models": rows,
        "comparisons": _compared(config, values),
    }
    judged = inversion_of(world, config.world.n_sessions, config.seed)
    if judged is not None:
        results["inversion"] = judged
    results["statements"] = world_statements(results)
    write_json(run.path / "metrics.json", results)
    report = world_report_html(results, read_lines(run.path / "log.jsonl"))
    write_text(run.path / "report.html", report)


def _keep_sessions(run: RunFolder, rows: list[Row], values: dict[str, FloatArray]) -> None:
    """What each session earned, a mean over seeds; the same number: the same person and chance."""
    with per_user_file(run.path / "per_user.parquet") as write:
        for row in rows:
            earned = values[row["name"]].mean(axis=0)
            sessions = [str(number) for number in range(len(earned))]
            write(Measured(row, sessions, {f"{METRIC}@0": earned}, len(earned)))


def _row(section: ModelSection, earned: FloatArray, certificate: Certificate) -> Row:
    mean, low, high = interval_of(earned.mean(axis=0))
    seeds = earned.mean(axis=1)
    if len(seeds) > 1:  # what another set of seeds could have given comes on top of the sessions
        around = np.hypot(high - mean, interval_of(seeds)[2] - mean)
        low, high = mean - around, mean + around
    gap = certificate.gap_closed(mean)
    return {
        "name": section.name,
        "type": section.type,
        "params": section.params,
        "n_seeds": len(seeds),
        "seed_means": seeds.tolist(),
        METRIC: mean,
        "ci_low": low,
        "ci_high": high,
        "share_of_optimum": certificate.share(mean),
        "gap_closed": gap if np.isfinite(gap) else None,
    }


def _compared(config: ExperimentConfig, values: dict[str, FloatArray]) -> list[Row]:
    pairs = [(section.name, control) for section in config.models for control in section.controls]
    n_resamples = n_resamples_for(config, len(pairs))
    found = corrected(
        [
            compare(
                values[model],
                values[control],
                confidence=config.evaluation.confidence,
                n_resamples=n_resamples,
                seed=config.seed,
            )
            for model, control in pairs
        ]
    )
    return [
        {"model": model, "control": control, "metric": METRIC, "n_resamples": n_resamples}
        | one.to_json()
        for (model, control), one in zip(pairs, found, strict=True)
    ]


def world_statements(results: Row) -> list[str]:
    """What the numbers support, in words; "no benefit" where there is none."""
    world, lines = results["world"], results["world"]["lines"]
    headroom = np.inf if world["headroom"] is None else world["headroom"]
    said = inversion_statements(results["inversion"]) if "inversion" in results else []
    said += [
        f"In the world {world['world']}, the best that is known earns {headroom:.2f} "
        "times what greed earns" + (": planning gains nothing here." if headroom <= 1.01 else ".")
    ]
    constant, best = lines["best_constant"]["value"], lines["best_stationary"]["value"]
    if constant >= 0.95 * best:
        said.append(
            f"The same action forever earns {constant / best:.0%} of the best policy: a high share "
            "of the optimum proves nothing here."
        )
    if world["planners"]:
        said.append(
            "Rules that know everything earn "
            + ", ".join(f"{line['value']:.4g} ({name})" for name, line in world["planners"].items())
            + "."
        )
    said += [
        f"{row['name']} earns {row[METRIC]:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}] a "
        f"session, {row['share_of_optimum']:.1%} of the best policy known"
        + (
            _way_from_constant(row["gap_closed"])
            if row["gap_closed"] is not None and constant < 0.95 * best
            else "."
        )
        for row in results["models"]
    ]
    said += [
        f"{row['model']} against {row['control']}: {row['difference']:+.4g} "
        f"[{row['ci_low']:+.4g}, {row['ci_high']:+.4g}]: {row['verdict']}."
        for row in results["comparisons"]
    ]
    return said


def _way_from_constant(gap_closed: float) -> str:
    if gap_closed < 0:
        return ", less than one and the same action forever."
    return f", and closes {gap_closed:.0%} of the gap from the best constant action."
