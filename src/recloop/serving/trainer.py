"""The background trainer: a thread that learns for a model too slow to learn between two requests.

What such a policy hears is kept as steps, in the order of the log, until a published snapshot has
learned them. The trainer works on a model of its own. After every `publish_every` steps it
registers what it has, and the service writes a control that names the file, its sha256 and how many
steps it has learned. From that record on the published model is served: the state is still a fold
of the log, and a restart goes on with the steps that no published model knows.
"""

import logging
import queue
import re
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from recloop.errors import RecloopError
from recloop.serving.policy import Policy
from recloop.serving.registry import Registry
from recloop.types import Transitions

KEPT_PUBLISHED = 8
MARK = ".published"

_logger = logging.getLogger("recloop.serving")
Publish = Callable[[str, str, "Trainer"], None]
"""(version, sha256, who publishes): called on the trainer's thread."""


class Trainer:
    """Learns for one policy from where its published model stands; `stop` ends it."""

    def __init__(
        self, policy: Policy, registry: Registry, publish_every: int, publish: Publish
    ) -> None:
        self.name, self.since = policy.name, policy.since
        self._registry = registry
        self._every = publish_every
        self._publish = publish
        self._learner = Policy(
            deepcopy(policy.model), name=policy.name, version=policy.version,
            items=policy.items, users=policy.users,
        )  # fmt: skip
        self._learner.in_background = False
        self._n = self._published = policy.n_published
        self._queue: queue.SimpleQueue[Transitions | None] = queue.SimpleQueue()
        for steps in policy.unpublished:
            self._queue.put(steps)
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainer", daemon=True)
        self._thread.start()

    def hear(self, steps: Transitions) -> None:
        """More to learn, in the order of the log."""
        self._queue.put(steps)

    def stop(self) -> None:
        """End after what is being learned now; blocks until then."""
        self._stops.set()
        self._queue.put(None)
        self._thread.join()

    @property
    def n_learned(self) -> int:
        """Steps learned so far, published or not."""
        return self._n

    def _run(self) -> None:
        while not self._stops.is_set():
            steps = self._queue.get()
            if steps is None:
                return
            try:
                self._learn(steps)
            except Exception:
                _logger.exception("trainer of %s has ended", self.name)
                return

    def _learn(self, steps: Transitions) -> None:
        """Step by step up to the next publication, which falls at a count and never at a time."""
        start = 0
        while start < len(steps) and not self._stops.is_set():
            due = self._every - (self._n - self._published)
            stop = min(len(steps), start + due)
            self._learner.teach(steps.rows(slice(start, stop)))
            self._n += stop - start
            start = stop
            if self._n - self._published >= self._every:
                self._register()

    def _register(self) -> None:
        users = sorted(self._learner.users, key=self._learner.users.__getitem__)
        name = f"{file_name(self.name.removesuffix(MARK))[:60]}{MARK}"
        try:
            version, digest = self._registry.add(
                self._learner.model, users=users, items=self._learner.items, name=name
            )
        except (RecloopError, OSError) as error:
            _logger.warning("trainer of %s cannot publish (%s); it goes on", self.name, error)
            self._published = self._n  # try again after as many steps
            return
        self._published = self._n
        self._publish(version, digest, self)
        self._registry.prune(name, KEPT_PUBLISHED)


def file_name(name: str) -> str:
    """The name of a policy as that of a folder: 0 for whatever a folder may not have."""

    return re.sub(r"^[^A-Za-z0-9]|[^A-Za-z0-9._-]", "0", name)


def handed_over(fresh: Policy, before: Policy, n_published: int) -> Policy:
    """`fresh`, a published model, in the place of `before`: what it has not learned stays kept."""
    fresh.name, fresh.learns, fresh.users = before.name, before.learns, before.users
    fresh.origin, fresh.since = before.origin, before.since
    fresh.turns, fresh.grown = before.turns, before.grown
    fresh.n_published = n_published
    fresh.unpublished = without_first(before.unpublished, n_published - before.n_published)
    fresh.listener = before.listener
    return fresh


def without_first(parts: list[Transitions], n: int) -> list[Transitions]:
    """The steps after the first n."""
    left: list[Any] = []
    for steps in parts:
        if n >= len(steps):
            n -= len(steps)
        else:
            left.append(steps.rows(slice(n, len(steps))) if n else steps)
            n = 0
    return left
