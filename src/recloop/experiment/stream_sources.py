"""What answers the models of `training.mode: stream`, and what can be said of it beforehand."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from recloop.data.classification import read_labelled
from recloop.decisions import read_log
from recloop.decisions.sources import ACCEPTED, found_log, not_a_log, shown_place
from recloop.errors import InvalidConfig, InvalidData, MissingExtra
from recloop.evaluation.reward_models import full_information_accuracy
from recloop.experiment.config import FITTED, ExperimentConfig
from recloop.simulators.build import build_world
from recloop.training.streams import (
    AbstractStream,
    ClassificationStream,
    ReplayStream,
    WorldStream,
)
from recloop.types import LoggedDecisions
from recloop.utils.files import sha256_of

Row = dict[str, Any]


def open_stream(config: ExperimentConfig) -> tuple[AbstractStream, Row]:
    """The stream that a configuration describes, and what to say of it."""
    if config.world.type != FITTED:
        world = build_world(config.world.type, **config.world.params)
        about = {"kind": "world", "name": config.world.type, "sha256": "made in a world"}
        return WorldStream(world, config.training.n_steps), about
    if config.data.path is None:
        raise InvalidConfig(
            "training.mode 'stream' needs something to answer: world.type, the name of a world, or "
            f"data.path (--data), a labelled table or a decision log. {ACCEPTED}"
        )
    place = config.data.path
    if found_log(place) is not None:
        return _replay(place)
    if Path(place).is_dir():
        raise InvalidData(f"{not_a_log(place)} A labelled table is a file.")
    return _labelled(Path(place), config.training.n_steps)


def _replay(place: str) -> tuple[AbstractStream, Row]:
    """The stream of a log; the catalogue is all that it names, shown or not."""
    read = read_log(place)
    made = ReplayStream(read.decisions, len(read.user_ids), len(read.item_ids))
    log = made.decisions
    assert log.rewards is not None  # what is usable has rewards
    return made, {
        "kind": "replay",
        "name": shown_place(place),
        "sha256": _digest(read.decisions),
        "n_rows": len(log),
        "n_skipped": made.n_skipped,
        "logged_mean": float(log.rewards.mean()),
        "uniform": bool(np.ptp(log.propensities) < 1e-9),
    }


def _digest(log: LoggedDecisions) -> str:
    """The sha256 of what replay sees: the same log has it in a database and in a file."""
    digest = hashlib.sha256()
    for name in ("users", "offsets", "items", "propensities", "rewards", "contexts", "activated"):
        values = getattr(log, name)
        digest.update(name.encode())
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    for lists in (log.candidates, log.excluded):
        if lists is not None:
            digest.update(lists.offsets.tobytes() + lists.values.tobytes())
    return digest.hexdigest()


def _labelled(path: Path, n_steps: int) -> tuple[AbstractStream, Row]:
    table = read_labelled(path, hint=f"Nor is it a log. {ACCEPTED}")
    made = ClassificationStream(table.contexts, table.labels, n_steps)
    counts = np.bincount(table.labels)
    about: Row = {
        "kind": "labelled set",
        "name": path.name,
        "sha256": sha256_of(path),
        "n_rows": len(table.labels),
        "n_classes": made.n_items,
        "majority": float(counts.max() / counts.sum()),
    }
    if table.left_out:
        about["left_out"] = table.left_out
    try:
        about["full_information"] = full_information_accuracy(table.contexts, table.labels)
    except MissingExtra as error:
        about["note"] = str(error)
    return made, about
