"""Everything the service knows, as a fold of its log: records go in by sequence number, no clock.

The state after record s is a function of the records 1..s alone. It does not depend on how commits
were cut, on what was asked meanwhile, or on how often the service was restarted.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recloop.decisions import Control
from recloop.errors import DamagedFile
from recloop.serving.catalogue import Catalogue, Item
from recloop.serving.experiments import Tally
from recloop.serving.people import People
from recloop.serving.policy import Lessons, Policy
from recloop.serving.records import Earned, Reward, Shown
from recloop.serving.settings import LearningRules

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
        self.log_id = ""
        self.settled_seq = 0  # decisions up to here have their defaults
        self.learned: dict[str, int] = {"rows": 0, "corrections": 0, "left_out": 0, "too_late": 0}
        self.tallies: dict[str, Tally] = {}  # by the version that decided
        self.recent: OrderedDict[str, Shown] = OrderedDict()
        self.remembered = remembered
        self._load = load

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
        self.seq = max(self.seq, shown.seq)
        self.remember(shown)
        if shown.activated:
            self._count_shown(shown)

    def _count_shown(self, shown: Shown) -> None:
        self.shows[shown.items] += 1.0
        self.people.show(shown.user_code, shown.items.tolist(), shown.timestamp)

    def remember(self, shown: Shown) -> None:
        """Keep a decision at hand for its rewards; what is not kept is read from the log again."""
        if shown.earned is None:
            shown.earned = {}
        self.recent[shown.id] = shown
        self.recent.move_to_end(shown.id)
        while len(self.recent) > self.remembered:
            self.recent.popitem(last=False)

    # Rewards

    def apply_rewards(self, rewards: Sequence[Reward], shown: Sequence[Shown]) -> None:
        """Stored rewards in the order of the log, each with its decision; all policies learn."""
        rows: list[tuple[Any, ...]] = []
        for reward, found in zip(rewards, shown, strict=True):
            decision = self.recent.get(found.id)
            if decision is None:
                self.remember(found)
                decision = found
            self.seq = max(self.seq, reward.seq)
            if reward.kind == "default":
                self.settled_seq = max(self.settled_seq, decision.seq)
            row = self._lesson(reward, decision)
            if row is not None:
                rows.append(row)
        start = 0
        for stop in range(1, len(rows) + 1):
            if stop == len(rows) or _width(rows[stop]) != _width(rows[start]):
                self._teach(rows[start:stop])
                start = stop

    def _lesson(self, reward: Reward, decision: Shown) -> tuple[Any, ...] | None:
        """What a reward says that was not learned yet; None if nothing."""
        assert decision.earned is not None
        slot = decision.earned.setdefault(reward.item, Earned())
        before = slot.taught
        window = self.rules_at(reward.seq).late_window_s
        value = slot.teaches(reward, reward.timestamp - decision.timestamp <= window)
        if value is None:
            return None
        self._tally(decision, value, before)
        user, history = decision.user_code, self.people.history(decision.user_code)
        if value > 0 and (before is None or before <= 0):
            self.likes[reward.item] += 1.0
            self.people.like(user, reward.item)
        where = int(np.flatnonzero(decision.items == reward.item)[0])
        return (
            decision.user, user, reward.item, value, np.nan if before is None else before,
            decision.propensities[where], decision.context, history, self.people.history(user),
        )  # fmt: skip

    def _tally(self, decision: Shown, value: float, before: float | None) -> None:
        """A decision's reward is the sum over its slots."""
        assert decision.earned is not None
        known = [one.taught for one in decision.earned.values() if one.taught is not None]
        total = sum(known)
        only = before is None and len(known) == 1
        name = decision.version or decision.policy
        tally = self.tallies.setdefault(name, Tally())
        tally.add(None if only else total - value + (before or 0.0), total)

    def _teach(self, rows: list[tuple[Any, ...]]) -> None:
        names, users, items, values, before, propensities, contexts, histories, after = zip(
            *rows, strict=True
        )
        lessons = Lessons(
            users=np.array(users, dtype=np.int64),
            items=np.array(items, dtype=np.int64),
            rewards=np.array(values, dtype=np.float64),
            taught=np.array(before, dtype=np.float64),
            propensities=np.array(propensities, dtype=np.float64),
            contexts=None if contexts[0] is None else np.stack(contexts),
            histories=np.stack(histories),
            next_histories=np.stack(after),
        )
        again = int((~np.isnan(lessons.taught)).sum())
        for policy in self.policies:
            n = policy.learn(lessons, names)
            if policy is self.active:
                self.learned["rows"] += n
                self.learned["left_out"] += len(rows) - n
                self.learned["corrections"] += again if policy.model.corrects else 0

    # Controls

    def apply_control(self, control: Control, shown: Shown | None = None) -> None:
        """A change of the policy, of the rules or of the catalogue; `shown` if it is of one."""
        self.seq = max(self.seq, control.seq)
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

    @staticmethod
    def decision_named(control: Control) -> str | None:
        """The decision that a control is about; None where it is of none."""
        return json.loads(control.details or "{}").get("decision")

    def _swap(self, control: Control, details: dict[str, Any]) -> None:
        policy = self._load(control.file, control.sha256)
        policy.name = str(details.get("name", policy.name))
        policy.learns = policy.learns and bool(details.get("learns", True))
        policy.align(self.catalogue.ids)
        role = details.get("role", "active")
        if role == "shadow":
            self.shadow = policy
        elif role == "canary":
            self.canary = Canary(policy, float(details["share"]))
        else:
            if self.active is not None:
                self.previous = [*self.previous, self.active][-KEPT_PREVIOUS:]
            self.active = policy

    def _roll_back(self) -> None:
        """The policy before, as it was when it was replaced."""
        if not self.previous:
            raise DamagedFile("rollback: the log asks for a policy before the first one.")
        self.active = self.previous[-1]
        self.previous = self.previous[:-1]

    def _freeze(self, details: dict[str, Any]) -> None:
        for policy in self.policies:
            if policy.version == details["version"]:
                policy.learns = not details["frozen"] and policy.model.learns == "steps"

    def _publish(self, control: Control, details: dict[str, Any]) -> None:
        """A trainer's new parameters for the policy that is served under that name."""
        fresh = self._load(control.file, control.sha256)
        fresh.name, fresh.learns = str(details["name"]), False
        fresh.align(self.catalogue.ids)
        if self.active is not None and self.active.name == fresh.name:
            self.active = fresh

    def _configure(self, control: Control, details: dict[str, Any], shown: Shown | None) -> None:
        what = details["what"]
        if what == "log":
            self.log_id = str(details["id"])
        elif what == "rules":
            self.rules_since.append((control.seq, LearningRules(**details["rules"])))
        elif what == "items":
            self._change_items(details)
            self.catalogue.version = control.seq
        elif what == "activated":
            assert shown is not None
            if shown.id not in self.recent:
                self.remember(shown)
            shown = self.recent[shown.id]
            shown.activated = True
            self._count_shown(shown)
        elif what == "end":
            if details["role"] == "shadow":
                self.shadow = None
            else:
                self.canary = None
        elif what == "forgotten":
            self.people.forget(int(details["user_code"]))

    def _change_items(self, details: dict[str, Any]) -> None:
        new = [Item(**row) for row in details.get("add", [])]
        if new:
            self.catalogue.add(new)
            ids = [item.id for item in new]
            features = self.catalogue.features(ids)
            for policy in [*self.policies, *self.previous]:
                if policy.model.grows:
                    policy.add_items(ids, features)
                policy.align(self.catalogue.ids)
            more = np.zeros(len(self.catalogue) - len(self.likes))
            self.likes = np.concatenate([self.likes, more])
            self.shows = np.concatenate([self.shows, more])
        if details.get("likes"):  # what earlier data say of them
            self.likes = self.likes + np.array(details["likes"], dtype=np.float64)
        self.catalogue.hide(details.get("hide", []))
        self.catalogue.hide(details.get("show", []), False)


def _width(row: tuple[Any, ...]) -> int:
    context = row[6]
    return -1 if context is None else len(context)
