"""From requests to lists: who may be shown what, by which policy, and how likely it was.

Requests that come together are scored together, as one matrix product. Each gets min(k, eligible)
distinct items, each slot with its probability given the slots above it.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recloop.errors import InvalidParameter
from recloop.models.exploration.base import Exploration
from recloop.models.exploration.epsilon_greedy import EpsilonGreedy
from recloop.serving.assignment import in_canary
from recloop.serving.diversity import Left
from recloop.serving.policy import Policy
from recloop.serving.records import Opinion, Shown
from recloop.serving.settings import Lists
from recloop.serving.state import ServiceState
from recloop.types import BoolArray, FloatArray, IntArray, Slates

DAY_S = 86_400.0
FALLBACK = "popular"


@dataclass(slots=True)
class Request:
    """One list that is asked for; every number and name was checked, items are codes of the log."""

    id: str
    user: str
    k: int
    context: FloatArray | None = None
    candidates: IntArray | None = None
    exclude: IntArray | None = None
    categories: tuple[str, ...] = ()
    most_per_category: int | None = None
    seen: str | None = None
    activated: bool = True
    timestamp: float = field(default_factory=time.time)
    is_named: bool = False  # whether the one who asks gave the id


class Decider:
    """Makes decisions from a state; changes nothing but its own random stream."""

    def __init__(
        self, state: ServiceState, lists: Lists, floor: float, rng: np.random.Generator
    ) -> None:
        self._state = state
        self._lists = lists
        self._floor = floor
        self._rng = rng

    def decide(self, requests: Sequence[Request], user_codes: Sequence[int]) -> list[Shown]:
        """A decision for each request; user_codes: the log's codes, -1 for strangers."""
        found: dict[int, Shown] = {}
        groups: dict[tuple[int, int, bool], list[int]] = {}
        policies = [self._policy_of(request) for request in requests]
        for row, (request, policy) in enumerate(zip(requests, policies, strict=True)):
            width = 0 if request.context is None else len(request.context)
            knows = policy.fits(width) and not (
                policy.needs_user(width) and request.user not in policy.users
            )
            groups.setdefault((id(policy), width, knows), []).append(row)
        open_to = self._eligible(requests, user_codes)
        for (_, width, knows), rows in groups.items():
            policy = policies[rows[0]]
            known = open_to & policy.knows
            can: list[bool] = np.logical_or(known.any(axis=1), ~open_to.any(axis=1)).tolist()
            served = [row for row in rows if knows and can[row]]
            others = [row for row in rows if not (knows and can[row])]
            self._decide_group(found, served, requests, user_codes, policy, known, width)
            self._decide_group(found, others, requests, user_codes, None, open_to, width)
        return [found[row] for row in range(len(requests))]

    def opinions(self, policy: Policy, shown: Sequence[Shown]) -> list[Opinion]:
        """How likely `policy` would have shown what was shown, where it can choose at all."""
        groups: dict[tuple[int, int], list[Shown]] = {}
        for one in shown:
            width = 0 if one.context is None else len(one.context)
            stranger = policy.needs_user(width) and one.user not in policy.users
            if policy.fits(width) and not stranger and policy.knows[one.items].all():
                groups.setdefault((width, len(one.items)), []).append(one)
        found = []
        for (width, _), part in groups.items():
            how = self._exploration(policy, part, [one.user_code for one in part], width)
            eligible = np.stack([self._could_be_shown(one) for one in part]) & policy.knows
            chances = self._chances(policy, how, eligible, part)
            found += [
                Opinion(one, policy.version, row) for one, row in zip(part, chances, strict=True)
            ]
        return found

    def _chances(
        self, policy: Policy, how: Exploration, eligible: BoolArray, shown: Sequence[Shown]
    ) -> FloatArray:
        """(n, k) how likely each slot of lists of one length would have been, by their rules."""
        slates, limits = np.stack([one.items for one in shown]), [one.limit for one in shown]
        if not any(limits):
            return policy.chances(how, eligible, slates)
        found, left = (
            np.zeros(slates.shape),
            Left(eligible, self._state.catalogue.categories, limits),
        )
        for slot in range(slates.shape[1]):
            found[:, slot] = policy.chances(how, left.now(), slates[:, slot : slot + 1])[:, 0]
            left.take(slates[:, slot])
        return found

    def _could_be_shown(self, shown: Shown) -> BoolArray:
        """(n_items,) what was eligible in a decision."""
        n = len(self._state.catalogue)
        eligible = np.full(n, shown.candidates is None, dtype=np.bool_)
        if shown.candidates is not None:
            eligible[shown.candidates] = True
        if shown.excluded is not None:
            eligible[shown.excluded] = False
        return eligible

    def _decide_group(
        self,
        found: dict[int, Shown],
        rows: list[int],
        requests: Sequence[Request],
        user_codes: Sequence[int],
        policy: Policy | None,
        eligible: BoolArray,
        width: int,
    ) -> None:
        """Decide for the requests `rows`, of one policy and one width of contexts.

        policy: None chooses by popularity. eligible (n requests, n_items).
        """
        if not rows:
            return
        part = [requests[row] for row in rows]
        if policy is None:
            how = self._by_popularity(len(part))
        else:
            how = self._exploration(policy, part, [user_codes[row] for row in rows], width)
        found.update(zip(rows, self._draw(policy, how, eligible[rows], part), strict=True))

    def _policy_of(self, request: Request) -> Policy:
        canary, active = self._state.canary, self._state.active
        assert active is not None
        if canary is not None and in_canary(request.user, canary):
            return canary.policy
        return active

    def _exploration(
        self, policy: Policy, requests: Sequence[Request | Shown], codes: Sequence[int], width: int
    ) -> Exploration:
        people = self._state.people
        return policy.exploration(
            policy.user_codes([request.user for request in requests]),
            np.stack([request.context for request in requests]) if width else None,  # pyright: ignore[reportArgumentType, reportCallIssue]
            np.stack([people.history(code) for code in codes]),
            self._floor,
        )

    def _by_popularity(self, n: int) -> Exploration:
        """For people nobody knows: what earned most, with more exploration than usual."""
        rate = (self._state.likes + 1.0) / (self._state.shows + 2.0)
        popular = np.where(self._state.shows > 0, rate, self._state.likes + 0.5)
        return EpsilonGreedy(np.tile(popular, (n, 1)), floor=max(self._floor, 0.1))

    # What may be shown

    def _eligible(self, requests: Sequence[Request], codes: Sequence[int]) -> BoolArray:
        """(B, n_items) what each may be shown: open, asked for, not excluded, not seen."""
        catalogue = self._state.catalogue
        eligible = np.tile(catalogue.open, (len(requests), 1))
        for row, (request, code) in enumerate(zip(requests, codes, strict=True)):
            if request.candidates is not None:
                inside = np.zeros(len(catalogue), dtype=np.bool_)
                inside[request.candidates] = True
                eligible[row] &= inside
            if request.categories:
                eligible[row] &= catalogue.of_categories(request.categories)
            if request.exclude is not None:
                eligible[row, request.exclude] = False
            seen = self._seen(request, code)
            if seen:
                eligible[row, seen] = False
        return eligible

    def _seen(self, request: Request, code: int) -> list[int]:
        rule = request.seen or self._lists.seen
        if rule == "allowed" or code < 0:
            return []
        days = self._lists.seen_days
        since = -np.inf if rule == "never" else request.timestamp - days * DAY_S
        return self._state.people.seen(code, since)

    # Drawing

    def _draw(
        self,
        policy: Policy | None,
        how: Exploration,
        eligible: BoolArray,
        requests: Sequence[Request],
    ) -> list[Shown]:
        k = max(request.k for request in requests)
        limits = [self._limit(request) for request in requests]
        drawer = policy or _as_they_are
        if any(limits):
            items, odds, explored, scores = self._by_slot(drawer, how, eligible, k, limits)
        else:
            slates, scores = drawer.draw(how, eligible, k, self._rng)
            items, odds, explored = slates
        n_eligible = eligible.sum(axis=1)
        version = str(self._state.catalogue.version)
        made = []
        for row, (request, limit) in enumerate(zip(requests, limits, strict=True)):
            n = int(np.count_nonzero(items[row, : request.k] >= 0))
            asked = request.candidates is not None or bool(request.categories)
            excluded = None if asked else np.flatnonzero(~eligible[row])
            made.append(
                Shown(
                    id=request.id,
                    user=request.user,
                    timestamp=request.timestamp,
                    items=items[row, :n],
                    propensities=odds[row, :n],
                    scores=scores[row, :n],
                    explored=explored[row, :n],
                    policy=FALLBACK if policy is None else policy.name,
                    version="" if policy is None else policy.version,
                    catalogue=version,
                    n_eligible=int(n_eligible[row]),
                    context=request.context,
                    candidates=np.flatnonzero(eligible[row]) if asked else None,
                    excluded=excluded if excluded is not None and len(excluded) else None,
                    activated=request.activated,
                    fallback=policy is None,
                    limit=limit,
                )
            )
        return made

    def _limit(self, request: Request) -> int:
        own = request.most_per_category
        return self._lists.most_per_category if own is None else own

    def _by_slot(
        self,
        drawer: "Policy | _AsTheyAre",
        how: Exploration,
        eligible: BoolArray,
        k: int,
        limits: Sequence[int],
    ) -> tuple[IntArray, FloatArray, BoolArray, FloatArray]:
        """Slot by slot, closing a category once the list holds as many of it as allowed.

        Where nothing else is left, the limit gives way: a list is never shorter for it.
        """
        n = len(eligible)
        items, odds = np.full((n, k), -1, dtype=np.int64), np.zeros((n, k))
        explored, scores = np.zeros((n, k), dtype=np.bool_), np.zeros((n, k))
        left = Left(eligible, self._state.catalogue.categories, limits)
        for slot in range(k):
            slates, values = drawer.draw(how, left.now(), 1, self._rng)
            items[:, slot], odds[:, slot] = slates.items[:, 0], slates.propensities[:, 0]
            explored[:, slot], scores[:, slot] = slates.explored[:, 0], values[:, 0]
            left.take(items[:, slot])
        return items, odds, explored, scores


class _AsTheyAre:
    """Draws where the exploration speaks the log's codes already."""

    def draw(
        self, how: Exploration, eligible: BoolArray, k: int, rng: np.random.Generator
    ) -> tuple[Slates, FloatArray]:
        slates = how.slates(eligible, k, rng)
        return slates, np.take_along_axis(how.values, np.maximum(slates.items, 0), axis=1)


_as_they_are = _AsTheyAre()


def reason(source: str, *, rank: int) -> str:
    """Why an item stands there, in words for people."""
    if source == "explore":
        return "tried out, to learn whether you like it"
    if source == "fallback":
        return "liked by many; nothing is known of you yet"
    return "the best for you" if rank == 1 else "among the best for you"


def codes_of(state: ServiceState, name: str, ids: Iterable[str]) -> IntArray:
    """The codes of ids in a request; InvalidParameter names the first that is not there."""
    try:
        return np.array([state.catalogue.codes[one] for one in ids], dtype=np.int64)
    except KeyError as error:
        raise InvalidParameter(
            f"{name}: item {error} is not in the catalogue. Name items that are (GET /v1/items)."
        ) from None
