"""Everything the service knows, as a fold of its log: records go in by sequence number, no clock.

The state after record s is a function of the records 1..s alone. It does not depend on how commits
were cut, on what was asked meanwhile, or on how often the service was restarted.
"""

import heapq
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from recloop.decisions import Control
from recloop.errors import MissingData
from recloop.serving.catalogue import Catalogue, Item
from recloop.serving.experiments import Tally
from recloop.serving.people import People
from recloop.serving.policy import Lessons, Policy
from recloop.serving.records import Earned, Reward, Shown
from recloop.serving.settings import LearningRules
from recloop.serving.trainer import handed_over

KEPT_PREVIOUS = 4
Loader = Callable[[str, str], Policy]
"""(version, sha256) -> the registered model, after its bytes were checked."""


@dataclass
class Canary:
    """A policy that a share of the people gets."""

    policy: Policy
    share: float


class ServiceState:
    """Policies and what they learned, people, catalogue, rules; `apply_*` are its only writers."""

    def __init__(
        self, catalogue: Catalogue, people: People, load: Loader, *, remembered: int = 100_000
    ) -> None:
        self.catalogue = catalogue
        self.people = people
        self.rules_since: list[tuple[int, LearningRules]] = [(0, LearningRules())]
        self.active: Policy | None = None
        self.previous: list[Policy] = []  # newest last
        self.shadow: Policy | None = None
        self.canary: Canary | None = None
        self.likes = np.zeros(len(catalogue))  # rewards above 0, by item
        self.shows = np.zeros(len(catalogue))
        self.seq = 0
        self.anchor = (0, "")  # the last record: its place, and its id or key
        self.folded_from = 0  # where a snapshot ended, if this began with one
        self.log_id = ""
        self.learns = True  # False: nobody does, whatever each policy says
        self.lacking = ""  # a published model that is gone, until a later one takes its place
        self.settled_seq = 0  # decisions up to here have their defaults
        self.prepared: dict[str, float] = {}  # activated later than decided: by decision, when
        self.learned: dict[str, int] = {"rows": 0, "corrections": 0, "left_out": 0, "too_late": 0}
        self.tallies: dict[str, Tally] = {}  # by the version that decided, as it was activated
        self.unsettled: dict[int, tuple[str, float]] = {}  # of no tally yet: by seq, what is known
        self._unsettled_order: list[int] = []  # a heap of these
        self.origins: dict[str, str] = {}  # of published versions: which one was activated
        self.recent: OrderedDict[str, Shown] = OrderedDict()
        self._forgotten: dict[str, dict[str, int]] = {}  # version -> pseudonym -> model's code
        self.remembered = remembered
        self._load = load

    def is_learning(self, policy: Policy) -> bool:
        """Whether a policy learns from the rewards that come now."""
        return self.learns and policy.learns and any(policy is one for one in self.policies)

    @property
    def policies(self) -> list[Policy]:
        """Those that learn from every reward, whoever showed the items."""
        canary = None if self.canary is None else self.canary.policy
        return [one for one in (self.active, canary, self.shadow) if one is not None]

    @property
    def rules(self) -> LearningRules:
        """The rules that hold now."""
        return self.rules_since[-1][1]

    def rules_at(self, seq: int) -> LearningRules:
        """The rules that held for record `seq`."""
        return next(rules for since, rules in reversed(self.rules_since) if since <= seq)

    @property
    def history_length(self) -> int:
        return self.people.history_length

    # Decisions

    def apply_shown(self, shown: Shown) -> None:
        """A decision that stands in the log."""
        self._reach(shown.seq, shown.id)
        has_lists = shown.candidates is not None or shown.excluded is not None
        self.remember(replace(shown) if has_lists else shown)
        if shown.activated:
            self._count_shown(shown)

    def _reach(self, seq: int, name: str) -> None:
        if seq > self.seq:
            self.seq = seq
            self.anchor = (seq, name)

    def _count_shown(self, shown: Shown) -> None:
        self.shows[shown.items] += 1.0
        self.people.show(shown.user_code, shown.items.tolist(), shown.timestamp)

    def remember(self, shown: Shown) -> None:
        """Keep a decision at hand for its rewards; what is not kept is read from the log again.

        What units under way hold is kept whatever the limit: read again by then, it would lack
        what was applied in between. Of what it was chosen is let go: it can be long, and no reward
        asks for it.
        """
        shown.candidates = shown.excluded = None
        self.count_past(shown)
        self.recent[shown.id] = shown
        self.recent.move_to_end(shown.id)
        held = []
        for _ in range(len(self.recent) - self.remembered):
            name, oldest = self.recent.popitem(last=False)
            if oldest.pins:
                held.append((name, oldest))
        self.recent.update(held)

    def count_past(self, shown: Shown) -> None:
        """Count what a decision that was read from the log had earned by then."""
        if shown.earned is None:
            shown.earned = {}
        for reward in shown.past:
            slot = shown.earned.setdefault(reward.item, Earned())
            slot.teaches(reward, self._is_in_time(reward, shown))
        shown.past = []

    def _is_in_time(self, reward: Reward, shown: Shown) -> bool:
        return reward.timestamp - shown.timestamp <= self.rules_at(reward.seq).late_window_s

    # Rewards

    def apply_rewards(self, rewards: Sequence[Reward], shown: Sequence[Shown | None]) -> None:
        """Stored rewards in the order of the log; all policies learn.

        shown: the decision of each as it was before it; one that is at hand wins.
        """
        lessons: list[_Lesson] = []
        for reward, found in zip(rewards, shown, strict=True):
            decision = self.recent.get(reward.decision)
            if decision is None:
                assert found is not None, f"decision '{reward.decision}' is not at hand"
                self.remember(found)
                decision = found
            self._reach(reward.seq, reward.key)
            lesson = self._lesson(reward, decision)
            if lesson is not None:
                lessons.append(lesson)
            self._settle(reward, decision)
        start = 0
        for stop in range(1, len(lessons) + 1):
            if stop == len(lessons) or _width(lessons[stop]) != _width(lessons[start]):
                self._teach(lessons[start:stop])
                start = stop

    def _settle(self, reward: Reward, decision: Shown) -> None:
        """Note which decisions have their defaults; what was activated late is looked at alone."""
        if decision.id in self.prepared:
            if all(item in (decision.earned or ()) for item in decision.items.tolist()):
                del self.prepared[decision.id]
        elif reward.kind == "default":
            self.settled_seq = max(self.settled_seq, decision.seq)
            self._count_settled(self.settled_seq)

    def _lesson(self, reward: Reward, decision: Shown) -> "_Lesson | None":
        """What a reward says that was not learned yet; None if nothing."""
        assert decision.earned is not None
        slot = decision.earned.setdefault(reward.item, Earned())
        in_time = self._is_in_time(reward, decision)
        value = slot.teaches(reward, in_time)
        if value is None:
            self.learned["too_late"] += not in_time
            return None
        taught = tuple(slot.taught[:-1])
        self._tally(decision, value, taught[-1][1] if taught else None)
        user = decision.user_code
        history = self.people.history(user, decision.seq)  # what it was when this was decided
        after = history
        if value > 0:
            after = np.concatenate([[reward.item], history])[: len(history)]
            if not taught or taught[-1][1] <= 0:
                self.likes[reward.item] += 1.0
                self.people.like(user, reward.item, reward.seq)
        where = int(np.flatnonzero(decision.items == reward.item)[0])
        odds = float(decision.propensities[where])
        return _Lesson(
            decision.user, user, reward.item, value, taught, odds, decision.context, history, after
        )

    def _tally(self, decision: Shown, value: float, before: float | None) -> None:
        """A decision's reward is the sum over its slots; it counts when its wait is over.

        Before that only those that earned something would be known: every rate would be too high.
        """
        assert decision.earned is not None
        known = [one.taught[-1][1] for one in decision.earned.values() if one.taught]
        total = sum(known)
        only = before is None and len(known) == 1
        version = decision.version or decision.policy
        version = self.origins.get(version, version)
        if self.rules.default_reward is not None and decision.seq > self.settled_seq:
            if decision.seq not in self.unsettled:
                heapq.heappush(self._unsettled_order, decision.seq)
            self.unsettled[decision.seq] = version, total
            return
        tally = self.tallies.setdefault(version, Tally())
        tally.add(None if only else total - value + (before or 0.0), total)

    def hold_unsettled(self, rows: dict[int, tuple[str, float]]) -> None:
        """Decisions that no tally has counted yet."""
        self.unsettled, self._unsettled_order = dict(rows), sorted(rows)

    def _count_settled(self, last: float) -> None:
        while self._unsettled_order and self._unsettled_order[0] <= last:
            version, total = self.unsettled.pop(heapq.heappop(self._unsettled_order))
            self.tallies.setdefault(version, Tally()).add(None, total)

    def _teach(self, rows: "list[_Lesson]") -> None:
        if not self.learns:
            return
        columns = _Lesson(*zip(*rows, strict=True))
        lessons = Lessons(
            users=np.array(columns.user_code, dtype=np.int64),
            items=np.array(columns.item, dtype=np.int64),
            rewards=np.array(columns.value, dtype=np.float64),
            taught=np.full(len(rows), np.nan),
            propensities=np.array(columns.propensity, dtype=np.float64),
            contexts=None if rows[0].context is None else np.stack(columns.context),  # pyright: ignore[reportCallIssue, reportArgumentType]
            histories=np.stack(columns.history),  # pyright: ignore[reportCallIssue, reportArgumentType]
            next_histories=np.stack(columns.after),  # pyright: ignore[reportCallIssue, reportArgumentType]
        )
        for policy in self.policies:
            taught = [policy.value_taught(row.item, row.taught) for row in rows]
            told = policy.learn(lessons._replace(taught=np.array(taught)), columns.user)  # pyright: ignore[reportArgumentType]
            if policy is self.active:
                self.learned["rows"] += told.rows
                self.learned["corrections"] += told.corrections
                self.learned["left_out"] += len(rows) - told.rows - told.corrections

    # Controls

    def apply_control(self, control: Control, shown: Shown | None = None) -> None:
        """A change of the policy, of the rules or of the catalogue; `shown` if it is of one."""
        self._reach(control.seq, control.id)
        details = json.loads(control.details or "{}")
        if control.kind == "swap":
            self._swap(control, details)
        elif control.kind == "rollback":
            self._roll_back()
        elif control.kind == "freeze":
            self._freeze(details)
        elif control.kind == "publish":
            self._publish(control, details)
        elif control.kind == "config":
            self._configure(control, details, shown)
        for policy in [*self.policies, *self.previous]:
            policy.note_learning(control.seq, self.is_learning(policy))

    @staticmethod
    def decision_named(control: Control) -> str | None:
        """The decision that a control is about; None where it is of none."""
        return json.loads(control.details or "{}").get("decision")

    def _swap(self, control: Control, details: dict[str, Any]) -> None:
        role = details.get("role", "active")
        policy = self._promoted(control.file) if role == "active" else None
        if policy is None:
            policy = self._load(control.file, control.sha256)
            self._rename_people(policy)
            policy.since = control.seq
        policy.name = str(details.get("name", policy.name))
        policy.learns = policy.model.learns == "steps" and bool(details.get("learns", True))
        policy.align(self.catalogue.ids)
        if role == "shadow":
            self.shadow = policy
        elif role == "canary":
            self.canary = Canary(policy, float(details["share"]))
        else:
            self.lacking = ""
            if self.active is not None:
                self.previous = [*self.previous, self.active][-KEPT_PREVIOUS:]
            self.active = policy

    def _promoted(self, version: str) -> Policy | None:
        """The canary or the shadow of that version, with all it learned; it leaves its role."""
        canary, shadow = self.canary, self.shadow
        if canary is not None and canary.policy.is_called(version):
            self.canary = None
            return canary.policy
        if shadow is not None and shadow.is_called(version):
            self.shadow = None
            return shadow
        return None

    def _roll_back(self) -> None:
        """The policy before, as it was when it was replaced; nothing where there is none."""
        if self.previous:
            self.active = self.previous[-1]
            self.previous = self.previous[:-1]

    def _freeze(self, details: dict[str, Any]) -> None:
        """One policy by its version, or all learning, which the settings switch."""
        if details.get("all"):
            self.learns = not details["frozen"]
            return
        for policy in self.policies:
            if policy.is_called(details["version"]):
                policy.learns = not details["frozen"] and policy.model.learns == "steps"

    def _publish(self, control: Control, details: dict[str, Any]) -> None:
        """A trainer's new parameters for the policy that it learns for, if that is served still."""
        since = details.get("since")
        before = None
        for one in reversed(self.policies):
            if one.since == since or (since is None and one.name == details["name"]):
                before = one
        if before is None:
            return
        self.origins[control.file] = before.origin
        try:
            model = self._load(control.file, control.sha256)
        except MissingData:  # pruned: a later one knows all that it knew
            self.lacking = control.file
            return
        self.lacking = ""
        fresh = handed_over(model, before, int(details.get("n_learned", before.n_published)))
        self._rename_people(fresh)
        fresh.align(self.catalogue.ids)
        if before is self.active:
            self.active = fresh
        elif before is self.shadow:
            self.shadow = fresh
        else:
            assert self.canary is not None
            self.canary = Canary(fresh, self.canary.share)

    def _configure(self, control: Control, details: dict[str, Any], shown: Shown | None) -> None:
        what = details["what"]
        if what == "log":
            self.log_id = str(details["id"])
        elif what == "rules":
            self.rules_since.append((control.seq, LearningRules(**details["rules"])))
            if self.rules.default_reward is None:  # nothing is waited for any more
                self._count_settled(float("inf"))
        elif what == "items":
            self._change_items(control.seq, details)
            self.catalogue.version = control.seq
            self.catalogue.sizes[control.seq] = len(self.catalogue)
        elif what == "activated":
            self._activate(control, details["decision"], shown)
        elif what == "end":
            if details["role"] == "shadow":
                self.shadow = None
            else:
                self.canary = None
        elif what == "forgotten":
            self._forget(details)

    def know_forgotten(self, details: dict[str, Any]) -> None:
        """Take note of the pseudonym of who is to be forgotten, before the fold gets there.

        The names of the log have it already, for all records; a model file has the id still.
        """
        for version, code in details["known"].items():
            self._forgotten.setdefault(version, {})[details["pseudonym"]] = code
        for policy in [*self.policies, *self.previous]:
            self._rename_people(policy)

    def _rename_people(self, policy: Policy) -> None:
        for pseudonym, code in self._forgotten.get(policy.version, {}).items():
            policy.users = {user: own for user, own in policy.users.items() if own != code}
            policy.users[pseudonym] = code

    def _forget(self, details: dict[str, Any]) -> None:
        code = int(details["user_code"])
        self.know_forgotten(details)
        self.people.forget(code)
        for policy in [*self.policies, *self.previous]:
            policy.waiting.pop(code, None)
        for shown in self.recent.values():
            if shown.user_code == code:
                shown.user = details["pseudonym"]

    def _activate(self, control: Control, decision: str, found: Shown | None) -> None:
        shown = self.recent.get(decision)
        if shown is None:
            assert found is not None, f"decision '{decision}' is not at hand"
            self.remember(found)
            shown = found
        shown.activated = True
        self._count_shown(shown)
        if self.rules.default_reward is not None:
            self.prepared[decision] = control.timestamp

    def _change_items(self, seq: int, details: dict[str, Any]) -> None:
        new = [Item(**row) for row in details.get("add", [])]
        if new:
            self.catalogue.add(new)
            ids = [item.id for item in new]
            features = self.catalogue.features(ids)
            for policy in [*self.policies, *self.previous]:
                if policy.model.grows:
                    policy.add_items(ids, features, self.catalogue.codes, seq)
                policy.align(self.catalogue.ids)
            more = np.zeros(len(self.catalogue) - len(self.likes))
            self.likes = np.concatenate([self.likes, more])
            self.shows = np.concatenate([self.shows, more])
        if details.get("likes"):  # what earlier data say of them
            self.likes = self.likes + np.array(details["likes"], dtype=np.float64)
        self.catalogue.hide(details.get("hide", []))
        self.catalogue.hide(details.get("show", []), False)


class _Lesson(NamedTuple):
    """What one reward says; what it taught before stands with the seqs of when it did."""

    user: Any
    user_code: Any
    item: Any
    value: Any
    taught: Any
    propensity: Any
    context: Any
    history: Any
    after: Any


def _width(row: _Lesson) -> int:
    return -1 if row.context is None else len(row.context)
