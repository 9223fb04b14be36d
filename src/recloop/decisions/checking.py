"""What a batch may hold; everything that is wrong with it is said at once, up to a limit."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from recloop.decisions.records import PROPENSITY_KINDS, REWARD_KINDS
from recloop.errors import InvalidData
from recloop.types import BoolArray, Labels, LoggedDecisions, LoggedRewards, Ragged

MAX_ID_LENGTH = 128
MAX_ITEM = 2**31 - 1
MAX_SECONDS = 1e11  # the year 5138; what is above it is counted in milliseconds
PROPENSITY = "a probability above 0 and at most 1"
SECONDS = "seconds since 1970, from 0 to 1e11"

Place = Callable[[int, int | None], str]


class Problem(NamedTuple):
    """A value that cannot be right; `slot` is its place among all slots, None for a whole row."""

    row: int
    slot: int | None
    column: str
    allowed: str
    got: str


def check_decisions(
    decisions: LoggedDecisions, *, place: Place | None = None, limit: int = 20
) -> LoggedDecisions:
    """`decisions` as they are, or InvalidData that names row, slot, column and value of each error.

    place: says where a row (and slot) stood in the file it came from. limit: how many are shown.
    """
    _check_shapes(decisions)
    problems = [*_of_rows(decisions), *_of_slots(decisions)]
    if problems:

        def usual(row: int, slot: int | None) -> str:
            within = "" if slot is None else f", slot {slot - int(decisions.offsets[row])}"
            return f"decision {row} ('{decisions.ids[row]}'){within}"

        raise _refusal("decisions", problems, place or usual, limit)
    return decisions


def check_rewards(
    rewards: LoggedRewards, *, place: Place | None = None, limit: int = 20
) -> LoggedRewards:
    """`rewards` as they are, or InvalidData that names row, column and value of each error."""
    names = ("decisions", "items", "values", "timestamps", "keys")
    _check_lengths("rewards", len(rewards), {name: getattr(rewards, name) for name in names})
    _check_labels("rewards", len(rewards), {"events": rewards.events, "kinds": rewards.kinds})
    problems = [
        *_texts("decisions", rewards.decisions),
        *_texts("keys", rewards.keys),
        *_marked("items", rewards.items, _outside(rewards.items), f"a code, 0 to {MAX_ITEM}"),
        *_marked("values", rewards.values, ~np.isfinite(rewards.values), "a finite number"),
        *_marked("timestamps", rewards.timestamps, _not_seconds(rewards.timestamps), SECONDS),
        *_words("kinds", rewards.kinds, REWARD_KINDS),
    ]
    if problems:

        def usual(row: int, slot: int | None) -> str:
            return f"reward {row} ('{rewards.keys[row]}')"

        raise _refusal("rewards", problems, place or usual, limit)
    return rewards


def _check_shapes(d: LoggedDecisions) -> None:
    n, m = len(d), len(d.items)
    who = "decisions"
    _check_lengths(who, n, {k: getattr(d, k) for k in ("timestamps", "users", "activated")})
    offsets = d.offsets
    steps = offsets.shape == (n + 1,) and offsets[0] == 0 and offsets[-1] == m
    if not steps or (np.diff(offsets) < 0).any():
        raise InvalidData(
            f"{who}: offsets must be {n + 1} numbers that rise from 0 to the number of slots, {m}; "
            f"got {len(offsets)} from {offsets[:1].tolist()} to {offsets[-1:].tolist()}."
        )
    slots = {k: getattr(d, k) for k in ("propensities", "scores", "positions", "rewards")}
    _check_lengths(who, m, slots, "one for each slot")
    of_rows = {k: getattr(d, k) for k in ("propensity_kinds", "policies", "versions", "catalogues")}
    _check_labels(who, n, of_rows)
    _check_labels(who, m, {"sources": d.sources, "reward_kinds": d.reward_kinds})
    wide = len(d.context_names)
    if d.contexts is not None and d.contexts.shape != (n, wide):
        raise InvalidData(
            f"{who}: contexts must be of shape ({n}, {wide}), a row for each decision and a column "
            f"for each of context_names, got {d.contexts.shape}."
        )
    for name in ("candidates", "excluded"):
        lists: Ragged | None = getattr(d, name)
        if lists is not None and lists.offsets.shape != (n + 1,):
            raise InvalidData(f"{who}: {name} must hold {n} lists, one for each decision.")


def _check_lengths(
    who: str, n: int, arrays: dict[str, Any], each: str = "one for each row"
) -> None:
    for name, array in arrays.items():
        if array is not None and np.shape(array) != (n,):
            raise InvalidData(
                f"{who}: unequal lengths: {name} must be {n} values, {each}, got an array of shape "
                f"{np.shape(array)}."
            )


def _check_labels(who: str, n: int, columns: dict[str, Labels | None]) -> None:
    for name, labels in columns.items():
        if labels is None:
            continue
        _check_lengths(who, n, {name: labels.codes})
        if n and not 0 <= labels.codes.min() <= labels.codes.max() < len(labels.names):
            raise InvalidData(f"{who}: {name} must have codes of its {len(labels.names)} names.")


def _of_rows(d: LoggedDecisions) -> Iterator[Problem]:
    yield from _texts("ids", d.ids)
    yield from _marked("timestamps", d.timestamps, _not_seconds(d.timestamps), SECONDS)
    yield from _marked("users", d.users, d.users < 0, "a code, 0 or more")
    yield from _words("propensity_kinds", d.propensity_kinds, PROPENSITY_KINDS)
    yield from _marked("items", d.sizes, d.sizes == 0, "a slate of at least one item", "0 items")
    if d.contexts is not None:
        for row, column in np.argwhere(~np.isfinite(d.contexts)).tolist():
            value = d.contexts[row, column]
            yield Problem(row, None, d.context_names[column], "a finite number", repr(float(value)))


def _of_slots(d: LoggedDecisions) -> Iterator[Problem]:
    with np.errstate(invalid="ignore"):
        wrong = ~((d.propensities > 0.0) & (d.propensities <= 1.0))
    yield from _marked("propensities", d.propensities, wrong, PROPENSITY, owners=d)
    code = f"a code, 0 to {MAX_ITEM}"
    yield from _marked("items", d.items, _outside(d.items), code, owners=d)
    yield from _marked("items", d.items, _repeated(d), "an item that stands once", owners=d)
    if d.scores is not None:
        yield from _marked("scores", d.scores, np.isinf(d.scores), "a finite number", owners=d)
    if d.positions is not None:
        yield from _marked("positions", d.positions, _outside(d.positions), code, owners=d)
    if d.rewards is not None:
        yield from _marked("rewards", d.rewards, np.isinf(d.rewards), "a finite number", owners=d)
    for name in ("candidates", "excluded"):
        lists: Ragged | None = getattr(d, name)
        if lists is not None and (wrong := _outside(lists.values)).any():
            first = int(np.argmax(wrong))
            row = int(np.searchsorted(lists.offsets, first, "right")) - 1
            yield Problem(row, None, name, f"codes, 0 to {MAX_ITEM}", str(lists.values[first]))


def _marked(
    column: str,
    values: np.ndarray,
    wrong: BoolArray,
    allowed: str,
    got: str | None = None,
    *,
    owners: LoggedDecisions | None = None,
) -> Iterator[Problem]:
    """A problem for every value that is marked."""
    if not wrong.any():
        return
    for place in np.flatnonzero(wrong).tolist():
        shown = repr(values[place].item()) if got is None else got
        if owners is None:
            yield Problem(place, None, column, allowed, shown)
        else:
            row = int(np.searchsorted(owners.offsets, place, "right")) - 1
            yield Problem(row, place, column, allowed, shown)


def _outside(codes: np.ndarray) -> BoolArray:
    return (codes < 0) | (codes > MAX_ITEM)


def _not_seconds(times: np.ndarray) -> BoolArray:
    with np.errstate(invalid="ignore"):
        return ~((times >= 0.0) & (times <= MAX_SECONDS))


def _texts(column: str, texts: np.ndarray) -> Iterator[Problem]:
    allowed = f"text of 1 to {MAX_ID_LENGTH} characters without a zero character"
    wide = texts.dtype.itemsize // 4
    filled = np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), wide) != 0
    lengths = np.count_nonzero(filled, axis=1)
    wrong = (lengths == 0) | (lengths > MAX_ID_LENGTH)
    if wide > 1:  # numpy fills up with zeros, so only one before another character is text
        wrong |= (~filled[:, :-1] & filled[:, 1:]).any(axis=1)
    yield from _marked(column, texts, wrong, allowed)


def _words(column: str, labels: Labels, allowed: tuple[str, ...]) -> Iterator[Problem]:
    for code, name in enumerate(labels.names):
        if name not in allowed:
            for row in np.flatnonzero(labels.codes == code).tolist():
                yield Problem(row, None, column, f"one of {', '.join(allowed)}", repr(name))


def _repeated(d: LoggedDecisions) -> BoolArray:
    """(m,): whether the item stands in the slate already, further up."""
    n, m = len(d), len(d.items)
    sizes = d.sizes
    k = int(sizes.max(initial=0))
    if m == n * k:
        ordered = np.sort(d.items.reshape(n, k), axis=1)
        if not (ordered[:, 1:] == ordered[:, :-1]).any():
            return np.zeros(m, dtype=np.bool_)
    order = np.lexsort((np.arange(m), d.items, d.owners))
    same = (d.items[order][1:] == d.items[order][:-1]) & (
        d.owners[order][1:] == d.owners[order][:-1]
    )
    wrong = np.zeros(m, dtype=np.bool_)
    wrong[order[1:]] = same
    return wrong


def _refusal(who: str, problems: list[Problem], place: Place, limit: int) -> InvalidData:
    lines = [
        f"{place(p.row, p.slot)}, column '{p.column}': must be {p.allowed}, got {p.got}."
        for p in problems[:limit]
    ]
    more = len(problems) - limit
    if more > 0:
        lines.append(f"... and {more} more.")
    return InvalidData(
        f"{len(problems)} bad values in {who}; nothing was written.\n" + "\n".join(lines)
    )
