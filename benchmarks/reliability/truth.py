"""What the log says beside what the clients heard; the state beside its fold from record 1."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reliability.client import Heard
from recloop.decisions import DecisionLog, open_log, verify_log
from recloop.errors import RecloopError
from recloop.models.registry import load_model
from recloop.serving import snapshots
from recloop.serving.digest import state_digest
from recloop.serving.opening import recovered
from recloop.serving.reading import load_settings
from recloop.serving.registry import Registry
from recloop.serving.settings import ServingSettings


@dataclass
class Compared:
    """How the log differs from what was acknowledged."""

    lost_lists: list[str] = field(default_factory=list)
    lost_rewards: list[str] = field(default_factory=list)
    other_lists: list[str] = field(default_factory=list)  # items or propensities differ
    other_rewards: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    n_decisions: int = 0
    n_rewards: int = 0  # without defaults


def compare(place: str | Path | DecisionLog, heard: Heard) -> Compared:
    """The whole log against all that was heard."""
    if not isinstance(place, DecisionLog):
        with open_log(str(place), create=False) as log:
            return compare(log, heard)
    found = Compared(damage=verify_log(place))
    items = place.ids("item")
    _compare_lists(found, place, items, heard)
    _compare_rewards(found, place, items, heard)
    return found


def _compare_lists(found: Compared, log: DecisionLog, items: Sequence[str], heard: Heard) -> None:
    seen: set[str] = set()
    for batch in log.decisions(as_of=0):
        for row, name in enumerate(map(str, batch.ids)):
            if name in seen:
                found.twice.append(name)
            seen.add(name)
            told = heard.lists.get(name)
            slots = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
            if told is not None and (
                told.items != [items[code] for code in batch.items[slots]]
                or told.propensities != batch.propensities[slots].tolist()
                or told.user != log.name_of("user", int(batch.users[row]))
            ):
                found.other_lists.append(name)
    found.n_decisions = len(seen)
    found.lost_lists = sorted(heard.lists.keys() - seen)


def _compare_rewards(found: Compared, log: DecisionLog, items: Sequence[str], heard: Heard) -> None:
    seen: set[str] = set()
    for batch in log.rewards():
        kinds = batch.kinds.texts()
        for row, key in enumerate(map(str, batch.keys)):
            if key in seen:
                found.twice.append(key)
            seen.add(key)
            found.n_rewards += kinds[row] != "default"
            told = heard.rewards.get(key)
            if told is not None and told[:3] != (
                str(batch.decisions[row]),
                items[batch.items[row]],
                float(batch.values[row]),
            ):
                found.other_rewards.append(key)
    found.lost_rewards = sorted(heard.rewards.keys() - seen)


def settings_of(arguments: Sequence[str]) -> ServingSettings:
    """The settings that `recloop serve` reads from these arguments."""
    names = {"--run": "model", "--log": "log", "--data-dir": "data_dir", "--port": "port"}
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    given = {names[name]: value for name, value in pairs if name in names}
    return load_settings(None, [value for name, value in pairs if name == "--set"], given)


def digests(settings: ServingSettings, log: DecisionLog | None = None) -> tuple[str, str]:
    """The state from snapshot and log, and the state from record 1 alone; nobody may be serving."""
    if log is None:
        with open_log(settings.log, create=False) as opened:
            return digests(settings, opened)
    registry = Registry(Path(settings.data_dir) / "models")
    try:
        quick = recovered(settings, log, registry)
        whole = recovered(settings, log, registry, use_snapshots=False)
    except RecloopError as error:
        return f"cannot be folded: {error}", ""
    return state_digest(quick), state_digest(whole)


def served_digest(settings: ServingSettings) -> str:
    """The state that a service wrote when it was told to stop; it must be of the last record."""
    places = snapshots.kept(Path(settings.data_dir) / "snapshots")
    if not places:
        return "there is no snapshot"
    registry = Registry(Path(settings.data_dir) / "models")
    with open_log(settings.log, create=False) as log:
        last = log.last_seq
    state = snapshots.read(places[0], registry.load, load_model, settings.remembered_decisions)
    if state.seq != last:
        return f"the last snapshot is of record {state.seq} of {last}"
    return state_digest(state)
