"""What answers the models of `training.mode: stream`, and what can be said of it beforehand."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from recloop.data.classification import read_labelled
from recloop.decisions import open_bandit_vocabulary, open_log, read_decisions, read_open_bandit
from recloop.decisions.open_bandit import is_open_bandit
from recloop.errors import InvalidConfig, MissingData, MissingExtra
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
