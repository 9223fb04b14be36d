"""Logs that a world writes: under a rule of one's own, or shown what a given log showed."""

from collections.abc import Callable

import numpy as np

from recloop.simulators.base import AbstractWorld
from recloop.simulators.draws import session_keys
from recloop.training.fitting.log import ImpressionLog
from recloop.types import BoolArray, IntArray

Rule = Callable[[AbstractWorld], IntArray]
"""What is shown to everybody of a batch of sessions: slates (B, k), -1 for an empty slot."""


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
    world: AbstractWorld, log: ImpressionLog, rng: np.random.Generator
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


def _taken(world: AbstractWorld, log: ImpressionLog, rng: np.random.Generator) -> ImpressionLog:
    """What people take who are shown items at random, each step until they take one."""
    users = log.session_users()
    world.begin(users, session_keys(rng, len(users)))
    cumulated = np.cumsum(world.expected_rewards(world.state, users), axis=1)
    there, step = np.ones(len(users), dtype=np.bool_), 0
    parts: list[tuple[IntArray, IntArray, IntArray]] = []
    while there.any():
        rows = np.flatnonzero(there)
        drawn = rng.random(len(rows)) * cumulated[rows, -1]
        items = np.zeros(len(users), dtype=np.int64)
        items[rows] = [
            np.searchsorted(cumulated[row], at, side="right")
            for row, at in zip(rows, drawn, strict=True)
        ]
        _, left, cut = world.step(items)
        parts.append((rows, np.full(len(rows), step), items[rows]))
        there &= ~(left | cut)
        step += 1
    sessions, steps, items = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ImpressionLog.impressions(
        users=users[sessions],
        sessions=sessions,
        times=steps,
        items=items,
        clicks=np.ones(len(items)),
        n_users=world.n_users,
        n_items=world.n_items,
    )
