"""Opening a service: its log for this process alone, the state from snapshot and log, first model.

An empty log begins with three records: what log it is with the catalogue, the rules, and the first
policy. After that the log says which policy is active, whatever the settings name.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recloop.decisions import Control, DecisionLog
from recloop.errors import DamagedFile, InvalidConfig, InvalidData, InvalidParameter
from recloop.experiment.folder import RunFolder
from recloop.models.base import AbstractRecommender
from recloop.models.registry import load_model
from recloop.serving import snapshots
from recloop.serving.catalogue import Catalogue, Item
from recloop.serving.ledger import open_alone
from recloop.serving.people import People
from recloop.serving.refold import archived_to, refold
from recloop.serving.registry import Registry
from recloop.serving.service import Service, config_control
from recloop.serving.settings import LearningRules, ServingSettings
from recloop.serving.state import ServiceState
from recloop.utils.files import load_arrays

HISTORY = 50
"""How many liked items are kept of each person."""

_logger = logging.getLogger("recloop.serving")


@dataclass
class FirstModel:
    """A model and whom and what its codes stand for."""

    model: AbstractRecommender
    name: str
    users: list[str]
    items: list[Item]
    likes: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (n_items,) known beforehand


def open_service(
    settings: ServingSettings,
    first: FirstModel | None = None,
    *,
    remark: Callable[[str], None] = _logger.warning,
) -> Service:
    """A service on its log; `start` it within an event loop.

    first: the model for an empty log; None: the one that the settings name. Raises LogUnavailable
    where another process serves the log.
    """
    log = open_alone(settings.log)
    try:
        return _open(settings, log, first, remark)
    except BaseException:
        log.close()
        raise


def _open(
    settings: ServingSettings,
    log: DecisionLog,
    first: FirstModel | None,
    remark: Callable[[str], None],
) -> Service:
    registry = Registry(Path(settings.data_dir) / "models")
    if log.last_seq == 0:
        _begin(settings, log, registry, first or named_model(settings))
    state = recovered(settings, log, registry, remark)
    changes = []
    if state.rules != settings.rules:
        changes.append(config_control("rules", rules=settings.rules.model_dump()))
    if state.learns != settings.learn:
        changes.append(freeze_control(all=True, frozen=not settings.learn))
    if changes:
        with log.transaction():
            log.append_controls(changes)
        refold(log, state)
    if state.active is None:
        raise InvalidData(f"{log.place}: no policy was ever activated; begin with an empty log.")
    _say_what_is_clipped(settings, state, remark)
    return Service(settings, log, state, registry)


def _say_what_is_clipped(
    settings: ServingSettings, state: ServiceState, remark: Callable[[str], None]
) -> None:
    assert state.active is not None
    low, high = state.active.model.reward_bounds
    beyond = [event for event, value in settings.rewards.items() if not low <= value <= high]
    if beyond:
        remark(
            f"rewards: policy '{state.active.name}' learns rewards between {low:g} and {high:g}; "
            f"what is beyond counts as the nearest of them ({', '.join(beyond)})."
        )


def settings_of(log: DecisionLog, data_dir: str | Path) -> ServingSettings:
    """Settings by which opening a service changes nothing: the rules that its log has."""
    rules, learns = LearningRules(), True
    for control in log.controls():
        details = json.loads(control.details or "{}")
        if details.get("what") == "rules":
            rules = LearningRules(**details["rules"])
        elif control.kind == "freeze" and details.get("all"):
            learns = not details["frozen"]
    return ServingSettings(log=log.place, data_dir=str(data_dir), rules=rules, learn=learns)


def recovered(
    settings: ServingSettings,
    log: DecisionLog,
    registry: Registry,
    remark: Callable[[str], None] = _logger.warning,
    *,
    use_snapshots: bool = True,
    last: int | None = None,
) -> ServiceState:
    """The state after record `last` (None: the last one): newest whole snapshot, and what came
    after it."""
    beginning = next(iter(log.controls()), None)
    about = {} if beginning is None else json.loads(beginning.details or "{}")
    if about.get("what") != "log":
        raise InvalidData(
            f"{log.place}: was not begun by a service. Give the service a log of its own; train a "
            "model from this one, and serve that."
        )
    people = People(HISTORY, keeps_shown=settings.lists.seen != "allowed")
    state = ServiceState(
        Catalogue([]), people, registry.load, remembered=settings.remembered_decisions
    )
    state.log_id = str(about["id"])
    if use_snapshots:
        folder = Path(settings.data_dir) / "snapshots"
        state = snapshots.newest(folder, log, state, registry.load, load_model, remark) or state
    archived = archived_to(log)
    if state.seq < archived:
        raise InvalidData(
            f"{log.place}: records up to {archived} were archived, and no whole snapshot holds "
            "what they taught. Put them back: recloop log restore LOG FOLDER ..."
        )
    refold(log, state, last=last)
    if state.lacking and last is None:
        raise DamagedFile(
            f"{registry.folder}: the published model '{state.lacking}' is gone, and no later one "
            "takes its place. Restore its folder, or activate another model on a copy of the log."
        )
    return state


def _begin(
    settings: ServingSettings, log: DecisionLog, registry: Registry, first: FirstModel
) -> None:
    """The first records of a log, all or none."""
    if first.model.history_length > HISTORY:
        raise InvalidParameter(
            f"model '{first.name}': looks at {first.model.history_length} recent items, a service "
            f"keeps {HISTORY}. Train it with a shorter history."
        )
    ids = [item.id for item in first.items]
    version, digest = registry.add(first.model, users=first.users, items=ids, name=first.name)
    likes = first.likes.tolist() if len(first.likes) else []
    with log.transaction():
        if log.ids("item") or log.ids("user"):
            raise InvalidData(f"{log.place}: knows ids already; give the service an empty log.")
        log.codes("item", ids, as_given=True)
        _append(log, config_control("log", id=uuid.uuid4().hex))
        _append(
            log, config_control("items", add=[asdict(item) for item in first.items], likes=likes)
        )
        _append(log, config_control("rules", rules=settings.rules.model_dump()))
        _append(log, swap_control(version, digest, name=first.name))


def _append(log: DecisionLog, control: Control) -> None:
    log.append_controls([control])


def swap_control(version: str, sha256: str, **details: Any) -> Control:
    """A control that makes a registered model active, or shadow, or canary."""
    return Control(
        id=uuid.uuid4().hex,
        timestamp=time.time(),
        kind="swap",
        file=version,
        sha256=sha256,
        details=json.dumps(details, sort_keys=True),
    )


def freeze_control(**details: Any) -> Control:
    """A control that lets a policy, or all of them, learn no more, or again."""
    return Control(
        id=uuid.uuid4().hex,
        timestamp=time.time(),
        kind="freeze",
        details=json.dumps(details, sort_keys=True),
    )


def named_model(settings: ServingSettings) -> FirstModel:
    """The model that the settings name: a file, or one of a run folder."""
    if settings.model is None:
        raise InvalidConfig(
            f"serving: the log {settings.log} is empty, and no model is named. Set model: to a run "
            "folder (and model_name:), or to a saved model (.npz)."
        )
    path = Path(settings.model)
    if path.is_dir():
        return model_of_run(path, settings.model_name)
    header, _ = load_arrays(path)
    return with_numbers(load_model(path), str(settings.model_name or header.get("type")))


def with_numbers(model: AbstractRecommender, name: str | None = None) -> FirstModel:
    """A model whose people and items are known by the numbers of their codes."""
    return FirstModel(
        model,
        name or model.type_name,
        [str(code) for code in range(model.n_users)],
        [Item(str(code)) for code in range(model.n_items)],
    )


def model_of_run(path: Path, name: str | None = None) -> FirstModel:
    """A model of a run folder with the ids, titles and categories of its data.

    name: which; None: the best learning one of the results, else the first.
    """
    folder = RunFolder(path)
    if "world" in (results := folder.metrics()) or "stream" in results:
        rows = results["models"]
        chosen = name or rows[0]["name"]
        if chosen not in {row["name"] for row in rows}:
            raise InvalidConfig(_no_such(path, chosen, [row["name"] for row in rows]))
        return with_numbers(folder.load_model(chosen), chosen)
    names = folder.model_names()
    chosen = name or names[0]
    if chosen not in names:
        raise InvalidConfig(_no_such(path, chosen, names))
    ids = folder.ids()
    known = folder.known_interactions()
    return FirstModel(
        folder.load_model(chosen),
        chosen,
        ids["users"],
        _items(folder, ids["items"]),
        np.bincount(known.items, minlength=known.n_items).astype(np.float64),
    )


def _no_such(path: Path, name: str, names: Sequence[str]) -> str:
    return f"serving: {path} holds no model '{name}'. It holds: {', '.join(names)}."


def _items(folder: RunFolder, ids: Sequence[str]) -> list[Item]:
    """Titles and categories where the run has a table of items."""
    if not folder.has("items.parquet"):
        return [Item(one) for one in ids]
    frame = folder.frame("items").astype({"item_id": str}).set_index("item_id")
    found = []
    for one in ids:
        row = frame.loc[one] if one in frame.index else {}
        found.append(Item(one, _text(row.get("title")), _text(row.get("category"))))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
