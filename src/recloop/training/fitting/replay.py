"""Logs that a world writes: under a rule of one's own, or shown what a given log showed."""

from collections.abc import Callable

import numpy as np

from recloop.simulators.base import AbstractWorld
from recloop.simulators.draws import Keys, session_keys
from recloop.simulators.preference import PreferenceWorld
from recloop.training.fitting.log import ImpressionLog
from recloop.types import BoolArray, FloatArray, IntArray

Rule = Callable[[AbstractWorld], IntArray]
"""What is shown to everybody of a batch of sessions: slates (B, k), -1 for an empty slot."""


Takings = tuple[IntArray, IntArray, IntArray]
"""Session, step and item of each taking."""


def played_log(
    world: AbstractWorld,
    rule: Rule,
    users: IntArray,
    rng: np.random.Generator,
    *,
    randomised: BoolArray | None = None,
) -> ImpressionLog:
    """One session of each of `users` (B,) under a rule, as a log.

    randomised (B,): the sessions in which the rule draws slots at random.
    """
    n = len(users)
    if randomised is None:
        randomised = np.zeros(n, dtype=np.bool_)
    world.begin(users, session_keys(rng, n))
    there = np.ones(n, dtype=np.bool_)
    parts: list[tuple[np.ndarray, ...]] = []
    step = 0
    while there.any():
        slates = rule(world)
        _, left, cut = world.step(slates)
        rows, slots = np.nonzero((slates >= 0) & there[:, None])
        clicks = world.slot_rewards[rows, slots] > 0
        parts.append((rows, np.full(len(rows), step), slots, slates[rows, slots], clicks))
        there &= ~(left | cut)
        step += 1
    sessions, steps, slots, items, clicks = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return ImpressionLog.impressions(
        users=users[sessions],
        sessions=sessions,
        times=steps,
        items=items,
        clicks=clicks,
        slots=slots,
        randomised=randomised[sessions],
        n_users=world.n_users,
        n_items=world.n_items,
    )


def answered_again(
    world: PreferenceWorld, log: ImpressionLog, rng: np.random.Generator
) -> ImpressionLog:
    """The log that the same people write in `world` when each is shown what `log` showed them.

    Somebody who stays longer than in `log` is shown what their next session showed, and after
    their last what the first did.
    """
    if not log.knows_no_click:
        return _taken(world, log, rng)
    users, lengths = log.session_users(), log.lengths()
    firsts = np.cumsum(lengths) - lengths
    shown = np.full((lengths.sum(), world.slate_size), -1, dtype=np.int64)
    shown[firsts[log.sessions] + log.steps, log.slots] = log.items
    whose = np.repeat(users, lengths)
    by_person = np.argsort(whose, kind="stable")  # each person's steps, session after session
    place = np.empty_like(by_person)
    place[by_person] = np.arange(len(by_person))
    begins = np.searchsorted(whose[by_person], users)
    n_steps = np.bincount(whose, minlength=log.n_users)[users]
    offsets = place[firsts] - begins

    def rule(at: AbstractWorld) -> IntArray:
        step = int(at.n_steps[0])
        return shown[by_person[begins + (offsets + step) % n_steps]]

    return played_log(world, rule, users, rng)


def _taken(world: PreferenceWorld, log: ImpressionLog, rng: np.random.Generator) -> ImpressionLog:
    """What people take who are shown items at random, each step until they take one.

    Where the world's people remember what they took, they do from one of their sessions to the
    next as well: first sessions are played, then second ones.
    """
    users = log.session_users()
    keys = session_keys(rng, len(users))
    if world.params.again == 1.0:
        return _log_of(world, _takings(world, users, keys, None, rng), users)
    liking_left = np.ones((world.n_users, world.n_items))
    order = np.argsort(users, kind="stable")
    number = np.empty_like(order)  # of each session among its person's
    number[order] = np.arange(len(users)) - np.searchsorted(users[order], users[order])
    parts: list[Takings] = []
    for turn in range(int(number.max()) + 1):
        sessions = np.flatnonzero(number == turn)
        rows, steps, items = _takings(world, users[sessions], keys[sessions], liking_left, rng)
        parts.append((sessions[rows], steps, items))
    sessions, steps, items = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _log_of(world, (sessions, steps, items), users)


def _takings(
    world: PreferenceWorld,
    users: IntArray,
    keys: Keys,
    liking_left: FloatArray | None,
    rng: np.random.Generator,
) -> Takings:
    """One session of each of `users`; liking_left (n_users, n_items) is kept up to date."""
    world.begin(users, keys)
    liking = world.expected_rewards(world.state, users)
    cumulated = np.cumsum(liking, axis=1)
    there, step = np.ones(len(users), dtype=np.bool_), 0
    parts: list[Takings] = []
    while there.any():
        rows = np.flatnonzero(there)
        sums = cumulated[rows]
        if liking_left is not None:
            sums = np.cumsum(liking[rows] * liking_left[users[rows]], axis=1)
        drawn = rng.random(len(rows)) * sums[:, -1]
        items = np.zeros(len(users), dtype=np.int64)
        found = (sums <= drawn[:, None]).sum(axis=1)
        items[rows] = np.minimum(found, world.n_items - 1)  # nothing is left: the last one
        if liking_left is not None:
            liking_left[users[rows], items[rows]] = world.params.again
        _, left, cut = world.step(items)
        parts.append((rows, np.full(len(rows), step), items[rows]))
        there &= ~(left | cut)
        step += 1
    sessions, steps, items = (np.concatenate(column) for column in zip(*parts, strict=True))
    return sessions, steps, items


def _log_of(world: PreferenceWorld, takings: Takings, users: IntArray) -> ImpressionLog:
    sessions, steps, items = takings
    return ImpressionLog.impressions(
        users=users[sessions],
        sessions=sessions,
        times=steps.astype(np.float64),
        items=items,
        clicks=np.ones(len(items)),
        n_users=world.n_users,
        n_items=world.n_items,
    )
