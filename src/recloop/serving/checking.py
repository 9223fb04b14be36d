"""Requests checked against the settings and the state, before any array is made of them."""

import math
import time
from collections.abc import Sequence

import numpy as np

from recloop.errors import InvalidParameter, MissingData
from recloop.serving.deciding import Request
from recloop.serving.messages import FeedbackEvent, FeedbackRequest, RecommendRequest
from recloop.serving.records import Reward
from recloop.serving.service import Service, key_of, new_decision_id
from recloop.types import FloatArray, IntArray


def checked_request(service: Service, asked: RecommendRequest) -> Request:
    """The request in codes of the log; InvalidParameter or MissingData otherwise."""
    limits = service.settings.limits
    _at_most("user", len(asked.user), limits.id_length, "characters")
    k = _whole("k", asked.k, 1, limits.k)
    most = None
    if asked.most_per_category is not None:
        most = _whole("most_per_category", asked.most_per_category, 0, limits.k)
    if asked.request_id is not None:
        _at_most("request_id", len(asked.request_id), limits.id_length, "characters")
    if asked.seen in ("never", "days") and not service.state.people.keeps_shown:
        raise InvalidParameter(
            f"seen: '{asked.seen}' needs a memory of what was shown, and the settings say "
            "lists.seen: allowed. Set lists.seen to 'never' or 'days', and ask with 'allowed' "
            "where you want everything."
        )
    return Request(
        id=asked.request_id or new_decision_id(),
        user=asked.user,
        k=k,
        context=_context(service, asked.context),
        candidates=_codes(service, "candidates", asked.candidates),
        exclude=_codes(service, "exclude", asked.exclude),
        categories=tuple(asked.categories or ()),
        most_per_category=most,
        seen=asked.seen,
        activated=not asked.defer_activation,
        timestamp=time.time(),
        is_named=asked.request_id is not None,
    )


def _whole(name: str, value: float, least: int, most: int) -> int:
    if not (least <= value <= most and int(value) == value):
        raise InvalidParameter(
            f"{name}: must be a whole number between {least} and {most}, got {value!r}."
        )
    return int(value)


def _at_most(name: str, got: int, allowed: int, what: str) -> None:
    if got > allowed:
        raise InvalidParameter(f"{name}: must have at most {allowed} {what}, got {got}.")


def _context(service: Service, given: list[float] | dict[str, float] | None) -> FloatArray | None:
    if given is None:
        return None
    state, names = service.state, service.settings.context_names
    assert state.active is not None
    width = state.active.context_dim
    if not width:
        raise InvalidParameter(
            f"context: the active policy '{state.active.name}' takes none; leave it out."
        )
    if isinstance(given, dict):
        if set(given) != set(names):
            raise InvalidParameter(
                "context: as an object it must have exactly the names of the settings "
                f"(context_names): {', '.join(names) or 'none are set'}."
            )
        given = [given[name] for name in names]
    if len(given) != width:
        raise InvalidParameter(f"context: must have {width} numbers, got {len(given)}.")
    bound = service.settings.limits.context_magnitude
    for place, number in enumerate(given):
        if not abs(number) <= bound:  # NaN too
            raise InvalidParameter(
                f"context: number {place} must be between {-bound:g} and {bound:g}, got {number!r}."
            )
    return np.array(given, dtype=np.float64)


def _codes(service: Service, name: str, ids: list[str] | None) -> IntArray | None:
    if ids is None:
        return None
    _at_most(name, len(ids), service.settings.limits.listed_items, "items")
    codes = service.state.catalogue.codes
    try:
        return np.unique(np.array([codes[one] for one in ids], dtype=np.int64))
    except KeyError as error:
        raise _no_item(name, str(error.args[0])) from None


def _no_item(name: str, item: str) -> MissingData:
    return MissingData(
        f"{name}: item '{item[:128]}' is not in the catalogue. Name items that are "
        "(GET /v1/items), or add it (POST /v1/items)."
    )


def events_of(asked: FeedbackRequest, most: int) -> tuple[list[FeedbackEvent], bool]:
    """The events of a body, and whether it held several."""
    single = (asked.decision_id, asked.item, asked.event, asked.reward, asked.key, asked.kind)
    if asked.events is not None:
        if any(part is not None for part in single):
            raise InvalidParameter(
                "feedback: send one event (decision_id, item, ...), or events and nothing else."
            )
        if not 1 <= len(asked.events) <= most:
            raise InvalidParameter(
                f"events: must hold 1 to {most} events, got {len(asked.events)}."
            )
        return asked.events, True
    if asked.decision_id is None or asked.item is None:
        raise InvalidParameter("feedback: decision_id and item must be given, or events.")
    return [
        FeedbackEvent(
            asked.decision_id, asked.item, asked.event, asked.reward, asked.key,
            asked.kind or "observed",
        )
    ], False  # fmt: skip


def checked_rewards(service: Service, events: Sequence[FeedbackEvent]) -> list[Reward]:
    """Events as records of the log; InvalidParameter or MissingData names the first bad one."""
    codes = service.state.catalogue.codes
    worth, bound = service.settings.rewards, service.settings.limits.reward_magnitude
    now = time.time()
    rewards = []
    for place, one in enumerate(events):
        where = "" if len(events) == 1 else f"events[{place}]."
        code = codes.get(one.item)
        if code is None:
            raise _no_item(f"{where}item", one.item)
        value, event = one.reward, one.event or "reward"
        if value is None:
            value = worth.get(event)
            if value is None:
                raise InvalidParameter(
                    f"{where}event: '{event}' has no reward in the settings, which know: "
                    f"{', '.join(worth) or 'none'}. Name one of them, or give reward, a number."
                )
        if not (math.isfinite(value) and abs(value) <= bound):
            raise InvalidParameter(
                f"{where}reward: must be between {-bound:g} and {bound:g}, got {value!r}."
            )
        key = one.key or _key(one, event, value)
        rewards.append(Reward(one.decision_id, code, value, now, key, event, one.kind))
    return rewards


def _key(one: FeedbackEvent, event: str, value: float) -> str:
    what = f"{event}/correction/{value!r}" if one.kind == "correction" else event
    return key_of(one.decision_id, one.item, what)
