"""The one writer of the log: a thread that commits in groups and answers when the disk has it.

Units come in a queue, are written in that order, and each is delivered, in that order, on the event
loop's thread once its commit is on the disk. A group is what came in while the last commit was on
its way; nothing waits for a group to fill. A commit that fails fails its units, and nothing of them
is in the log; the ledger goes on with the next ones.
"""

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from recloop.decisions import Control, DecisionLog, open_log
from recloop.errors import InvalidData, LogUnavailable
from recloop.serving.records import Answer, Opinion, Reward, Shown, activation_id
from recloop.serving.settings import LearningRules
from recloop.serving.stored import context_names, find_shown, logged, logged_rewards

MOST_IN_A_COMMIT = 512


@dataclass
class Unit:
    """Records that are written together and delivered together."""

    done: "asyncio.Future[Any]"
    decisions: list[Shown] = field(default_factory=list)
    rewards: list[Reward] = field(default_factory=list)
    decided: list[Shown | None] = field(default_factory=list)  # of each reward, where at hand
    controls: list[Control] = field(default_factory=list)
    activated: list[Shown | None] = field(default_factory=list)  # by each control, or None
    opinions: list[Opinion] = field(default_factory=list)
    ask: Callable[[DecisionLog], Any] | None = None  # a question to the log instead
    probes: bool = False  # the question writes, to see whether that can be done
    at_hand: list[Shown | None] | None = None  # `decided` as it was handed over
    # What became of it
    answers: list[Answer] = field(default_factory=list)
    repeated: dict[int, Shown] = field(default_factory=dict)  # decisions stored before, by place
    found: Any = None
    error: BaseException | None = None

    @property
    def size(self) -> int:
        parts = (self.decisions, self.rewards, self.controls, self.opinions)
        return sum(map(len, parts)) or 1


class Ledger:
    """The thread and its queue. `start` opens the log; `stop` writes what is left and ends."""

    def __init__(
        self,
        log: DecisionLog,
        rules: Callable[[], LearningRules],
        names: tuple[str, ...],
        deliver: Callable[[list[Unit]], None],
        call_soon: Callable[..., Any],
    ) -> None:
        self._log = log
        self._rules = rules
        self._names = names
        self._deliver = deliver
        self._call_soon = call_soon
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self.n_waiting = 0  # records; changed on the event loop's thread alone
        self.n_commits = 0
        self.commit_seconds: list[float] = []  # the last ones
        self.failed_at: float | None = None  # monotonic time of a failed commit, None after a good

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, unit: Unit) -> None:
        """Hand over a unit; on the event loop's thread."""
        self.n_waiting += unit.size
        self._queue.put(unit)

    def stop(self) -> None:
        """Write what is in the queue, then end; blocks until then."""
        self._queue.put(None)
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        last = False
        while not last:
            units = [self._queue.get()]
            size = 0
            while units[-1] is not None and size < MOST_IN_A_COMMIT:
                size += units[-1].size
                try:
                    units.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            last = units[-1] is None
            taken = [unit for unit in units if unit is not None]
            if taken:
                self._write(taken)
                self._call_soon(self._deliver, taken)

    def _write(self, units: list[Unit]) -> None:
        error = self._commit(units)
        if error is None:
            return
        if len(units) > 1 and not isinstance(error, LogUnavailable):
            for unit in units:  # one bad unit must not fail its neighbours
                unit.error = self._commit([unit])
            return
        for unit in units:
            unit.error = error

    def _commit(self, units: list[Unit]) -> BaseException | None:
        began = time.perf_counter()
        for unit in units:
            _as_handed_over(unit)
        try:
            if all(unit.ask is not None and not unit.probes for unit in units):
                self._fill(units)
                return None
            with self._log.transaction():
                self._fill(units)
        except Exception as error:  # whatever it is, the thread lives on
            if isinstance(error, LogUnavailable):
                self.failed_at = time.monotonic()
            for unit in units:
                for shown in unit.decisions:
                    shown.seq = 0  # the place that it had belongs to another record now
            return error
        self.failed_at = None
        self.n_commits += 1
        self.commit_seconds = [*self.commit_seconds[-999:], time.perf_counter() - began]
        return None

    def _fill(self, units: list[Unit]) -> None:
        """Write the units one after the other, decisions of neighbours in one batch."""
        start = 0
        while start < len(units):
            stop = start + 1
            if _decides_only(units[start]):
                while stop < len(units) and _decides_only(units[stop]):
                    stop += 1
                self._write_decisions(units[start:stop])
            else:
                self._write_unit(units[start])
            start = stop

    def _write_unit(self, unit: Unit) -> None:
        if unit.decisions:
            self._write_decisions([unit])
        if unit.controls:
            unit.answers += self._write_controls(unit)
        if unit.rewards:
            self._write_rewards(unit)
        if unit.opinions:
            self._write_opinions(unit.opinions)
        if unit.ask is not None:
            unit.found = unit.ask(self._log)

    def _write_decisions(self, units: list[Unit]) -> None:
        places = [(unit, row) for unit in units for row in range(len(unit.decisions))]
        for unit in units:
            unit.answers = [Answer("", 0)] * len(unit.decisions)
        start = 0
        while start < len(places):
            width = _width(places[start])
            stop = start
            while stop < len(places) and _width(places[stop]) == width:
                stop += 1
            self._write_layout(places[start:stop], width)
            start = stop

    def _write_layout(self, places: list[tuple[Unit, int]], width: int) -> None:
        """Decisions whose contexts have one width."""
        shown = [unit.decisions[row] for unit, row in places]
        users = self._log.codes("user", [one.user for one in shown], as_given=True)
        names = context_names(self._names, width)
        appended = self._log.append_decisions(logged(shown, users, names))
        results, seqs = appended.results.texts(), appended.seqs.tolist()
        codes = users.tolist()
        for (unit, row), one, code, result, seq in zip(
            places, shown, codes, results, seqs, strict=True
        ):
            unit.answers[row] = Answer(result, seq)
            if result == "stored":
                one.user_code, one.seq = code, seq
            else:  # asked before under this id: what was answered then stands
                stored = find_shown(self._log, one.id)
                if stored is None:
                    raise InvalidData(f"decision '{one.id}' was refused as {result}.")
                unit.repeated[row] = stored

    def _write_opinions(self, opinions: list[Opinion]) -> None:
        """Of decisions that were stored; one that was refused has no place in the log."""
        by_version: dict[str, list[Opinion]] = {}
        for one in opinions:
            if one.shown.seq:
                by_version.setdefault(one.version, []).append(one)
        for version, part in by_version.items():
            seqs = [one.shown.seq for one in part]
            self._log.append_opinions(seqs, version, [one.propensities for one in part])

    def _write_controls(self, unit: Unit) -> list[Answer]:
        """Write the controls of a unit; one whose id is there already has no place of its own."""
        for row, control in enumerate(unit.controls):
            details = json.loads(control.details or "{}")
            if unit.activated[row] is None and "decision" in details:
                unit.activated[row] = find_shown(self._log, details["decision"])
            if details.get("what") == "items":
                self._name_items([row["id"] for row in details.get("add", [])])
            elif details.get("what") == "activated":
                self._log.activate([details["decision"]])
            elif details.get("what") == "forgotten":
                self._log.rename("user", details["user_code"], details["pseudonym"])
            elif details.get("what") == "log" and self._log.last_seq:
                raise InvalidData(f"{self._log.place}: holds records already.")
        appended = self._log.append_controls(unit.controls)
        pairs = zip(appended.results.texts(), appended.seqs.tolist(), strict=True)
        answers = [Answer(*pair) for pair in pairs]
        unit.controls = [
            control._replace(seq=answer.seq if answer.result == "stored" else 0)
            for control, answer in zip(unit.controls, answers, strict=True)
        ]
        return answers

    def _name_items(self, ids: list[str]) -> None:
        """New items get their codes in the log in the order of the catalogue."""
        self._log.codes("item", ids, as_given=True)

    def _activate_what_was_seen(self, unit: Unit) -> None:
        """Feedback says that a decision was shown, whether or not anybody said so before."""
        for row, reward in enumerate(unit.rewards):
            shown = unit.decided[row]
            if shown is None:
                shown = find_shown(self._log, reward.decision)
            if shown is None or shown.activated or reward.kind == "default":
                continue
            name = activation_id(shown.id)
            if reward.item in shown.items and name not in {one.id for one in unit.controls}:
                unit.controls.append(activation(shown.id, reward.timestamp))
                unit.activated.append(shown)

    def _write_rewards(self, unit: Unit) -> None:
        if not unit.controls:
            self._activate_what_was_seen(unit)
            if unit.controls:
                self._write_controls(unit)
        wait = self._rules().reward_wait_s
        appended = self._log.append_rewards(logged_rewards(unit.rewards), reward_wait_s=wait)
        results, seqs = appended.results.texts(), appended.seqs.tolist()
        unit.answers += [Answer(*pair) for pair in zip(results, seqs, strict=True)]
        unit.rewards = [
            reward._replace(seq=seq, late=result == "late")
            for reward, result, seq in zip(unit.rewards, results, seqs, strict=True)
        ]
        for row, result in enumerate(results):
            if result in ("stored", "late") and unit.decided[row] is None:
                reward = unit.rewards[row]
                unit.decided[row] = find_shown(self._log, reward.decision, reward.seq)


def activation(decision: str, timestamp: float) -> Control:
    """The record that a prepared decision was shown."""
    details = json.dumps({"what": "activated", "decision": decision})
    return Control(activation_id(decision), timestamp, "config", details=details)


def _as_handed_over(unit: Unit) -> None:
    """Forget what an attempt that was rolled back has found."""
    unit.answers, unit.repeated, unit.found = [], {}, None
    if unit.rewards:
        unit.controls = []
    unit.activated = [None] * len(unit.controls)
    if unit.at_hand is None:
        unit.at_hand = list(unit.decided)
    unit.decided = list(unit.at_hand)


def _decides_only(unit: Unit) -> bool:
    others = unit.rewards or unit.controls or unit.opinions or unit.ask is not None
    return bool(unit.decisions) and not others


def _width(place: tuple[Unit, int]) -> int:
    context = place[0].decisions[place[1]].context
    return 0 if context is None else len(context)


def open_alone(place: str) -> DecisionLog:
    """The log at `place`, for this process alone; LogUnavailable where another one serves it."""
    log = open_log(place)
    try:
        log.database.hold()
    except BaseException:
        log.close()
        raise
    return log
