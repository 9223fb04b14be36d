"""The service without HTTP: decides, hears, learns, remembers; one event loop owns its state.

    recommend   decide (all that is asked in one turn of the loop) -> ledger -> apply -> answer
    feedback    check -> ledger -> apply, which teaches every policy -> answer

The ledger's thread writes and nothing else. What it has on the disk is applied to the state here,
on the loop's thread, in the order of the log: a score is never taken from half an update, without a
lock and without a copy of the model. An answer is given when its record is on the disk and applied.
"""

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from recloop.decisions import Control, DecisionLog
from recloop.errors import LogUnavailable, MissingData
from recloop.serving import snapshots
from recloop.serving.alarms import Watch
from recloop.serving.deciding import Decider, Request
from recloop.serving.experiments import Tally, compared
from recloop.serving.ledger import Ledger, Unit, activation
from recloop.serving.records import Answer, Reward, Shown
from recloop.serving.refold import due_for_default, eligible_of
from recloop.serving.registry import Registry
from recloop.serving.settings import LearningRules, ServingSettings
from recloop.serving.state import ServiceState
from recloop.serving.stored import find_shown
from recloop.serving.trainer import Trainer
from recloop.utils.seeding import stream

MOST_AT_ONCE = 64  # requests that are scored together
REWARDS_PER_TURN = 64  # rewards that are learned before the loop turns to others
SETTLE_EVERY_S = 0.5
SETTLED_AT_ONCE = 200
GUARD_EVERY = 50  # rewards between two looks at a canary
TURNS_OF_REST = 3  # of the loop: what failed with others may be tried again by itself
MOST_DEFAULTS = 500  # rewards from which on no further decision joins a unit of defaults
LONGEST_KEY = 128  # of the decision log
_logger = logging.getLogger("recloop.serving")
_Asked = tuple[Request, "asyncio.Future[Shown]"]
_Heard = tuple[list[Reward], "asyncio.Future[list[Answer]]"]


class Overloaded(RuntimeError):
    """More is waiting for the disk than may."""


class Closing(RuntimeError):
    """The service is about to end and takes nothing new."""


class Conflict(ValueError):
    """A name is taken by another content."""


class Service:
    """Made by `opening.open_service`; `start` within an event loop, `close` at the end."""

    def __init__(
        self,
        settings: ServingSettings,
        log: DecisionLog,
        state: ServiceState,
        registry: Registry,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.state = state
        self.log = log
        self.started_at = time.time()
        self.is_closing = False
        self.is_draining = False
        self.counts: dict[str, int] = {}
        self.snapshot_seq = state.folded_from
        self.broken: BaseException | None = None  # the state is not that of the log any more
        self.snapshot_at = time.time()
        self.watch = Watch(settings.floor)
        self.listeners: list[Callable[[Shown], None]] = [self.watch.see_decision]  # of the stored
        self._guarded_at = 0
        self._users = {user: code for code, user in enumerate(log.ids("user"))}
        rng = stream(settings.seed, "serve", log.last_seq)
        self._decider = Decider(state, settings.lists, settings.floor, rng)
        self._asked: list[_Asked] = []
        self._heard: list[_Heard] = []
        self._delivered: deque[Unit] = deque()
        self._is_applying = False
        self._cursor = state.settled_seq + 1
        self._saver = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._saving: asyncio.Future[Any] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._publishing: set[asyncio.Task[Control]] = set()
        self.trainers: dict[int, Trainer] = {}  # by the record that brought the policy

    # Life

    def start(self) -> None:
        """Begin to serve, within a running event loop."""
        self._loop = asyncio.get_running_loop()
        self.ledger = Ledger(
            self.log,
            lambda: self.state.rules,
            self.settings.context_names,
            self._deliver,
            self._loop.call_soon_threadsafe,
        )
        self.ledger.start()
        self._tasks = [self._loop.create_task(self._settle_for_ever())]
        self._match_trainers()

    def stop_settling(self) -> None:
        """Give no default rewards by itself any more; `settle` does it when asked."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Finish what came in, write a snapshot, let go of the log."""
        self.is_closing = True
        self.stop_settling()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._decide()
        self._pass_on_rewards()
        n_idle = 0
        while n_idle < TURNS_OF_REST and self.ledger.is_alive:
            await asyncio.sleep(0.001)
            n_idle = 0 if self.ledger.n_waiting else n_idle + 1
        await self._loop.run_in_executor(None, self._stop_trainers)
        await self._loop.run_in_executor(None, self.ledger.stop)
        if self.broken is None:
            await self.save_snapshot()
        self._saver.shutdown()
        self.log.close()

    @property
    def is_ready(self) -> tuple[bool, str]:
        """Whether it can serve, and if not, why."""
        if self.is_closing or self.is_draining:
            return False, "closing"
        if self.broken is not None:
            return False, "the state is not that of the log; start the service again"
        if not self.ledger.is_alive:
            return False, "the ledger has stopped"
        if self.ledger.failed_at is not None:
            return False, "the log cannot be written"
        if self.state.active is None:
            return False, "no policy is active"
        return True, "ready"

    def count(self, what: str, n: int = 1) -> None:
        """Count something that happened."""
        self.counts[what] = self.counts.get(what, 0) + n

    # Recommending

    async def recommend(self, request: Request) -> Shown:
        """A decision; stored before it is returned, unless decisions are "async".

        The answer to a request id that was asked before is what was answered then.
        """
        self._let_in(1)
        shown = self.state.recent.get(request.id) if request.is_named else None
        if shown is None:
            shown = await self._decided(request)
        if request.is_named and not len(shown.items):  # now; it may have been otherwise then
            shown = await self._find(request.id) or shown
        if shown.user != request.user:
            raise Conflict(
                f"request_id '{request.id}' was used for another user. Give each request its own."
            )
        return shown

    async def _decided(self, request: Request) -> Shown:
        future: asyncio.Future[Shown] = self._loop.create_future()
        if not self._asked:
            self._loop.call_soon(self._decide)
        self._asked.append((request, future))
        return await future

    def _let_in(self, n: int) -> None:
        if self.is_closing:
            raise Closing("the service is closing")
        if self.broken is not None:
            raise Closing("the state is not that of the log; the service must be started again")
        heard = sum(len(rewards) for rewards, _ in self._heard)
        waiting = self.ledger.n_waiting + len(self._asked) + heard
        if waiting + n > self.settings.limits.waiting:
            raise Overloaded(f"{waiting} records wait for the disk")

    def _decide(self) -> None:
        while self._asked:
            part, self._asked = self._asked[:MOST_AT_ONCE], self._asked[MOST_AT_ONCE:]
            self._decide_part(part)

    def _decide_part(self, part: "list[_Asked]") -> None:
        part = [one for one in part if not one[1].done()]
        requests = [request for request, _ in part]
        try:
            users = [self._users.get(request.user, -1) for request in requests]
            made = self._decider.decide(requests, users)
        except Exception as error:
            self._fail_alone(part, self._decide_part, error)
            return
        stored: list[_Asked] = []
        unit = Unit(self._loop.create_future())
        for shown, (request, future) in zip(made, part, strict=True):
            if not len(shown.items):
                _resolve(future, shown)  # nothing may be shown: nothing was decided
                continue
            unit.decisions.append(shown)
            stored.append((request, future))
            if self.settings.decisions == "async" and not request.is_named:
                _resolve(future, shown)
        if not unit.decisions:
            return

        def done(result: "asyncio.Future[Any]") -> None:
            error = result.exception()
            if error is not None:
                self._fail_alone(stored, self._decide_part, error)
                return
            for row, (_, future) in enumerate(stored):
                _resolve(future, unit.repeated.get(row, unit.decisions[row]))

        unit.done.add_done_callback(done)
        self.ledger.put(unit)
        if self.state.shadow is not None:  # not before the answer is on its way
            self._loop.call_soon(self._ask_shadow, unit.decisions)

    def _ask_shadow(self, shown: list[Shown]) -> None:
        """Write what the shadow thinks of decisions that others made."""
        if self.state.shadow is None or self.is_closing:
            return
        unit = Unit(self._loop.create_future())
        unit.opinions = self._decider.opinions(self.state.shadow, shown)
        if unit.opinions:
            unit.done.add_done_callback(lambda result: result.exception())
            self.ledger.put(unit)

    def _fail_alone(
        self, part: "list[Any]", again: Callable[[list[Any]], None], error: BaseException
    ) -> None:
        """One bad request does not fail those that came with it: each is tried by itself."""
        if len(part) == 1 or isinstance(error, LogUnavailable) or self.broken is not None:
            for _, future in part:
                _fail(future, error)
            return
        for one in part:
            again([one])

    # Hearing

    async def feedback(self, rewards: Sequence[Reward]) -> list[Answer]:
        """What became of each reward; those that are stored were learned."""
        self._let_in(len(rewards))
        return await self._hear(rewards)

    async def _hear(self, rewards: Sequence[Reward]) -> list[Answer]:
        future: asyncio.Future[list[Answer]] = self._loop.create_future()
        if not self._heard:
            self._loop.call_soon(self._pass_on_rewards)
        self._heard.append((list(rewards), future))
        return await future

    def _pass_on_rewards(self) -> None:
        """All that came in one turn of the loop, in units that are applied in a turn each."""
        heard, self._heard = self._heard, []
        while heard:
            n, size = 1, len(heard[0][0])
            while n < len(heard) and size + len(heard[n][0]) <= REWARDS_PER_TURN:
                size += len(heard[n][0])
                n += 1
            self._pass_on(heard[:n])
            heard = heard[n:]

    def _pass_on(self, heard: "list[_Heard]") -> None:
        unit = Unit(self._loop.create_future())
        for rewards, _ in heard:
            unit.rewards += rewards
        held = [self.state.recent.get(reward.decision) for reward in unit.rewards]
        unit.decided = list(held)
        _pin(held, 1)

        def done(result: "asyncio.Future[Any]") -> None:
            _pin(held, -1)
            start, error = 0, result.exception()
            if error is not None:
                self._fail_alone(heard, self._pass_on, error)
                return
            for rewards, future in heard:
                stop = start + len(rewards)
                _resolve(future, unit.answers[start:stop])
                start = stop

        unit.done.add_done_callback(done)
        self.ledger.put(unit)

    async def activate(self, decision: str) -> bool:
        """Say that a prepared decision was shown; False where the log has no such decision."""
        shown = self.state.recent.get(decision) or await self.find(decision)
        if shown is None:
            return False
        if not shown.activated:
            await self.control(activation(decision, time.time()))
        return True

    # Changing

    async def control(self, control: Control) -> Control:
        """Write a control and apply it; it is in force when this returns.

        A model that it names is loaded before; where that fails, nothing is written.
        """
        self._let_in(1)
        if control.kind in ("swap", "publish"):
            load = partial(self.registry.make_ready, control.file, control.sha256)
            await self._loop.run_in_executor(None, load)
            if control.kind == "swap":
                self.registry.keep(control.file)
        unit = Unit(self._loop.create_future(), controls=[control], activated=[None])
        self.ledger.put(unit)
        await unit.done
        return unit.controls[0]

    async def configure(self, what: str, **details: Any) -> Control:
        """Write a control of the kind "config"."""
        return await self.control(config_control(what, **details))

    async def forget(self, user: str) -> Control:
        """Erase who a person is from the log, from memory and from the snapshots.

        The id becomes a pseudonym that says nothing; records and what was learned from them stay.
        """
        code = self._users.get(user)
        if code is None:
            raise MissingData("forget: nobody of that id is in the log.")
        known = await asyncio.to_thread(self.registry.codes_of_user, user)
        details = {"what": "forgotten", "user_code": code, "known": known,
                   "pseudonym": f"forgotten-{uuid.uuid4().hex}"}  # fmt: skip
        control = Control(
            f"forgotten/{code}", time.time(), "config", details=json.dumps(details, sort_keys=True)
        )
        control = await self.control(control)
        if self._users.get(user) == code:
            del self._users[user]
        self._match_trainers(anew=True)  # theirs is a copy that knows the id
        await self.ask(lambda log: log.compact())
        await self.save_snapshot()
        folder = Path(self.settings.data_dir) / "snapshots"
        await asyncio.to_thread(snapshots.remove_before, folder, control.seq)
        return control

    # Training beside the requests

    def _match_trainers(self, *, anew: bool = False) -> None:
        """A trainer for each policy that learns in the background, and no other.

        anew: those there are begin again, from what is served now.
        """
        wanted = {
            one.since: one
            for one in self.state.policies
            if one.in_background and self.state.is_learning(one)
        }
        for since in [since for since in self.trainers if anew or since not in wanted]:
            self.trainers.pop(since).stop()
        for policy in [*self.state.policies, *self.state.previous]:
            policy.listener = None
        for since, policy in wanted.items():
            if since not in self.trainers and not self.is_closing:
                every = self.settings.publish_every
                self.trainers[since] = Trainer(policy, self.registry, every, self._publish)
            if since in self.trainers:
                policy.listener = self.trainers[since].hear

    def _stop_trainers(self) -> None:
        for trainer in self.trainers.values():
            trainer.stop()

    def _publish(self, version: str, sha256: str, trainer: Trainer) -> None:
        """On a trainer's thread: write that its model is served from now on."""
        about = {"name": trainer.name, "since": trainer.since, "n_learned": trainer.n_learned}
        details = json.dumps(about, sort_keys=True)
        control = Control(uuid.uuid4().hex, time.time(), "publish", version, sha256, details)
        self._loop.call_soon_threadsafe(self._begin_to_publish, control)

    def _begin_to_publish(self, control: Control) -> None:
        if self.is_closing:
            return
        task = self._loop.create_task(self.control(control))
        self._publishing.add(task)
        task.add_done_callback(self._published)

    def _published(self, task: "asyncio.Task[Control]") -> None:
        self._publishing.discard(task)
        if task.cancelled() or task.exception() is not None:
            self.count("publications_failed")
        else:
            self.count("publications")

    # Asking

    async def ask(self, question: Callable[[DecisionLog], Any]) -> Any:
        """What the log answers, between two commits."""
        unit = Unit(self._loop.create_future(), ask=question)
        self.ledger.put(unit)
        await unit.done
        return unit.found

    async def find(self, decision: str) -> Shown | None:
        """A decision of the log with what it earned so far."""
        self._let_in(1)
        return await self._find(decision)

    async def _find(self, decision: str) -> Shown | None:
        shown = await self.ask(lambda log: find_shown(log, decision))
        if shown is not None:
            self.state.count_past(shown)
        return shown

    # Applying what is on the disk

    def _deliver(self, units: list[Unit]) -> None:
        self._delivered.extend(units)
        if not self._is_applying:
            self._is_applying = True
            self._apply()

    def _apply(self) -> None:
        """Apply units in the order of the log, a bounded number of rewards a turn of the loop."""
        budget = REWARDS_PER_TURN
        while self._delivered and budget > 0:
            unit = self._delivered.popleft()
            self.ledger.n_waiting -= unit.size - (len(unit.controls) if unit.rewards else 0)
            if unit.error is not None:
                self.count("commits_failed")
                _fail(unit.done, unit.error)
                continue
            if self.broken is None:
                try:
                    self._apply_unit(unit)
                except Exception as error:  # a defect: the log has it, the state has not
                    self.broken = error
                    self.count("apply_failed")
                    _logger.exception("a record of the log could not be applied")
            if self.broken is not None:
                _fail(unit.done, self.broken)
                continue
            budget -= len(unit.rewards)
            _resolve(unit.done, None)
        self._is_applying = bool(self._delivered)
        if self._is_applying:
            self._loop.call_soon(self._apply)
        is_due = self.state.seq - self.snapshot_seq >= self.settings.snapshot_every
        if is_due and self.broken is None:
            self._begin_snapshot()

    def _apply_unit(self, unit: Unit) -> None:
        for row, shown in enumerate(unit.decisions):
            if row not in unit.repeated:
                shown.n_eligible = eligible_of(shown, self.state)
                self._users[shown.user] = shown.user_code
                self.state.apply_shown(shown)
                self.count("decisions")
                for listener in self.listeners:
                    listener(shown)
        for control, shown in zip(unit.controls, unit.activated, strict=True):
            if control.seq:
                self.state.apply_control(control, shown)
                if control.kind in ("swap", "rollback", "freeze", "config"):
                    self._match_trainers(anew=control.kind in ("swap", "rollback"))
        if unit.rewards:
            answers = unit.answers[len(unit.answers) - len(unit.rewards) :]
            stored = [row for row, a in enumerate(answers) if a.result in ("stored", "late")]
            self.state.apply_rewards(
                [unit.rewards[row] for row in stored], [unit.decided[row] for row in stored]
            )
            for answer, reward in zip(answers, unit.rewards, strict=True):
                self.count(f"reward.{answer.result}")
                self.count(f"reward_kind.{reward.kind}")
            self._guard(len(stored))

    def _guard(self, n: int) -> None:
        """End a canary that is worse, or whose propensities cannot be true."""
        self._guarded_at += n
        canary, active = self.state.canary, self.state.active
        if canary is None or active is None or self._guarded_at < GUARD_EVERY:
            return
        self._guarded_at = 0
        tallies = self.state.tallies
        found = compared(
            tallies.get(canary.policy.origin, Tally()), tallies.get(active.origin, Tally())
        )
        reason = "worse than the active policy" if found.verdict == "worse" else ""
        if self.watch.propensities.rings:
            reason = "the propensity alarm rings"
        if reason and not self.is_closing:
            _logger.warning("canary %s ended: %s", canary.policy.version, reason)
            self.count("canaries_ended")
            control = config_control("end", role="canary", reason=reason)
            unit = Unit(self._loop.create_future(), controls=[control], activated=[None])
            unit.done.add_done_callback(lambda result: result.exception())
            self.ledger.put(unit)

    # Defaults

    async def _settle_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            try:
                if self.ledger.failed_at is not None:
                    await self._probe()
                await self.settle()
            except (LogUnavailable, Closing, Overloaded):
                continue
            except Exception:
                self.count("settling_failed")
                _logger.exception("default rewards could not be given")

    async def _probe(self) -> None:
        """See whether the log can be written again; LogUnavailable if not."""
        unit = Unit(self._loop.create_future(), ask=lambda log: log.probe(), probes=True)
        self.ledger.put(unit)
        await unit.done

    async def settle(self, now: float | None = None) -> int:
        """Give the default reward to what waited long enough; how many slots got it."""
        rules = self.state.rules
        if rules.default_reward is None:
            return 0
        before = (time.time() if now is None else now) - rules.reward_wait_s
        n = 0
        for name in [one for one, when in self.state.prepared.items() if when <= before]:
            n += await self._settle_prepared(name, rules)
        while True:
            first = self._cursor
            found = await self.ask(
                lambda log, first=first: due_for_default(log, first, before, SETTLED_AT_ONCE)
            )
            for total in found.totals:
                self.watch.rewards.see(total)
            rewards: list[Reward] = []
            for shown, items in found.open:
                if shown.id not in self.state.prepared:
                    rewards += self._defaults(shown, items, shown.timestamp, rules)
                if len(rewards) >= MOST_DEFAULTS:
                    n += await self._give(rewards)
                    rewards = []
            n += await self._give(rewards)
            self._cursor = max(self._cursor, found.looked + 1)
            if len(found.open) < SETTLED_AT_ONCE:
                return n

    async def _settle_prepared(self, decision: str, rules: LearningRules) -> int:
        """What was activated later than decided has its wait counted from then."""
        shown = await self._find(decision)
        when = self.state.prepared.get(decision)
        if shown is None or when is None:
            return 0
        items = [item for item in shown.items.tolist() if item not in (shown.earned or ())]
        return await self._give(self._defaults(shown, items, when, rules))

    def _defaults(
        self, shown: Shown, items: Sequence[int], since: float, rules: LearningRules
    ) -> list[Reward]:
        assert rules.default_reward is not None
        value, when = rules.default_reward, since + rules.reward_wait_s
        names = self.state.catalogue.items
        return [
            Reward(
                shown.id, item, value, when, key_of(shown.id, names[item].id, "default"),
                "default", "default",
            )
            for item in items
        ]  # fmt: skip

    async def _give(self, rewards: list[Reward]) -> int:
        """Store defaults, those of a decision together: else a crash would keep half of them."""
        if rewards:
            await self._hear(rewards)  # one unit at a time, whatever the limit for others
        return len(rewards)

    # Snapshots

    def _begin_snapshot(self) -> None:
        if self._saving is None:
            self.snapshot_seq = self.state.seq
            frozen = snapshots.Frozen(self.state)
            self._saving = asyncio.ensure_future(
                self._loop.run_in_executor(self._saver, self._write, frozen)
            )
            self._saving.add_done_callback(self._saved)

    def _write(self, frozen: snapshots.Frozen) -> Path:
        folder = Path(self.settings.data_dir) / "snapshots"
        return frozen.write(folder, self.settings.snapshots_kept)

    def _saved(self, result: "asyncio.Future[Any]") -> None:
        self._saving = None
        if result.exception() is None:
            self.snapshot_at = time.time()
            self.count("snapshots")
        else:
            self.count("snapshots_failed")

    async def save_snapshot(self) -> None:
        """Write a snapshot of now, if anything came since the last one."""
        while self._saving is not None:
            await asyncio.wait([self._saving])
        if self.state.seq > self.snapshot_seq:
            self._begin_snapshot()
            if self._saving is not None:
                await asyncio.wait([self._saving])


def config_control(what: str, **details: Any) -> Control:
    """A control of the kind "config" with an id of its own."""
    return Control(
        id=uuid.uuid4().hex,
        timestamp=time.time(),
        kind="config",
        details=json.dumps({"what": what, **details}, sort_keys=True),
    )


def new_decision_id() -> str:
    """An id that nobody has: time first, so that neighbours in time are neighbours in the index."""
    return f"{time.time_ns():015x}{uuid.uuid4().hex[:12]}"


def key_of(decision: str, item: str, event: str) -> str:
    """The key of a reward that brings none: once for each decision, item and event."""
    parts = [part.replace("%", "%25").replace("/", "%2F") for part in (decision, item, event)]
    key = "/".join(parts)
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


def _pin(held: Sequence[Shown | None], change: int) -> None:
    for shown in held:
        if shown is not None:
            shown.pins += change


def _resolve(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
