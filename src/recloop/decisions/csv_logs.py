"""Plain CSV logs. A row is a slot, or a whole decision with its lists separated by blanks.

    user_id                 who was shown it; needed
    item_id, propensity     one slot a row; needed, unless
    items, propensities     the whole slate in one row, top slot first: "7 3 9", "0.5 0.2 0.1"
    reward, rewards         what it earned; empty where nothing is known ("-" in a list)
    score, scores           the policy's score
    decision_id             rows with the same one are one slate; without it each row is a decision
    timestamp               seconds since 1970 or ISO 8601; without it, the number of the row
    position, positions     place on the page; the smallest in the file is the top. Orders a slate
    candidates, excluded    item ids separated by blanks
    policy, version, catalogue_version, propensity_kind
    context_...             numbers known before choosing, a column each

Other columns are left out, and noted. Bad values are refused, all of them at once.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from recloop.decisions.checking import check_decisions
from recloop.decisions.names import id_order
from recloop.decisions.reading import ReadLog, in_order_of
from recloop.decisions.tables import (
    Problems,
    column_names,
    numbers_in,
    numbers_of_column,
    read_texts,
    seconds_of_column,
    texts_of_column,
)
from recloop.errors import InvalidData
from recloop.types import FloatArray, IntArray, Labels, LoggedDecisions, PropensityKind, Ragged
from recloop.utils.names import nearest

SINGLE = {"item_id": "items", "propensity": "propensities", "reward": "rewards"}
SINGLE |= {"score": "scores", "position": "positions"}
NEEDED_SINGLE = ("user_id", "item_id", "propensity")
NEEDED_LISTS = ("user_id", "items", "propensities")
CONTEXT = "context_"
OF_ROWS = ("user_id", "decision_id", "timestamp", "candidates", "excluded", "policy", "version")


@dataclass(frozen=True)
class _Slots:
    """The slots of a file in the order of their slates."""

    offsets: IntArray  # (n + 1,)
    first_rows: IntArray  # (n,) the row that speaks for each decision
    rows: IntArray  # (m,) the row of each slot
    items: np.ndarray  # (m,) ids
    numbers: dict[str, FloatArray]  # (m,) propensities, rewards, scores, positions


def is_csv_log(path: str | Path) -> bool:
    """Whether a file has the columns that a CSV log needs."""
    names = set(column_names(Path(path)))
    return any(set(needed) <= names for needed in (NEEDED_LISTS, NEEDED_SINGLE))


def columns_that_lack(path: str | Path) -> str:
    """A sentence about the columns of a file that is nearly a CSV log; nothing of any other."""
    names = column_names(Path(path))
    needed = NEEDED_LISTS if "items" in names else NEEDED_SINGLE
    lacking = [one for one in needed if one not in names]
    if len(lacking) == len(needed):
        return ""
    near = {one: nearest(one, names) for one in lacking}
    told = [f"{one} (is '{found}' it?)" if found else one for one, found in near.items()]
    return f" This file lacks {', '.join(told)}; it has {', '.join(names[:20])}."


def read_csv_log(
    path: str | Path, *, policy: str = "logged", propensity_kind: PropensityKind = "conditional"
) -> ReadLog:
    """A CSV file (plain or gzipped) as decisions with what they earned.

    policy and propensity_kind: for files that have no such columns.
    """
    file = Path(path)
    table = read_texts(file)
    notes = _check_columns(file, table)
    problems = Problems(file)
    texts = {name: texts_of_column(table, name) for name in OF_ROWS if name in table.column_names}
    problems.add(texts["user_id"] == "", "user_id", texts["user_id"].tolist(), "not empty")
    if "items" in table.column_names:
        slots = _of_lists(table, problems)
    else:
        slots = _of_rows(table, texts, problems)
    _check_places(slots, table, problems)
    n_rows = table.num_rows
    times = np.arange(n_rows, dtype=np.float64)
    if "timestamp" in texts:
        times = seconds_of_column(table, "timestamp", problems)
    names = [name for name in table.column_names if name.startswith(CONTEXT)]
    contexts = [numbers_of_column(table, name, problems) for name in names]
    problems.raise_if_any()
    first = slots.first_rows
    user_ids = id_order(texts["user_id"].tolist())
    lists = {name: _id_lists(texts[name][first]) for name in ("candidates", "excluded")
             if name in texts}  # fmt: skip
    shown = [one for found in lists.values() for ids in found for one in ids]
    item_ids = id_order([*slots.items.tolist(), *shown])
    numbers, n = slots.numbers, len(first)

    def words(name: str, otherwise: str) -> Labels:
        if name not in table.column_names:
            return Labels.same(otherwise, n)
        return Labels.of(texts_of_column(table, name)[first].astype(np.str_))

    def place(row: int, slot: int | None) -> str:
        where = int(first[row] if slot is None else slots.rows[slot])
        return f"{file}: row {where + 1} (line {where + 2})"

    rewards = numbers.get("rewards")
    decisions = LoggedDecisions(
        ids=_ids(file, texts.get("decision_id"), first),
        timestamps=times[first],
        users=in_order_of(texts["user_id"][first], user_ids),
        offsets=slots.offsets,
        items=in_order_of(slots.items, item_ids),
        propensities=numbers["propensities"],
        propensity_kinds=words("propensity_kind", propensity_kind),
        policies=words("policy", policy),
        versions=words("version", ""),
        catalogues=words("catalogue_version", ""),
        activated=np.ones(n, dtype=np.bool_),
        scores=numbers.get("scores"),
        positions=_from_top(numbers.get("positions")),
        contexts=np.stack(contexts, axis=1)[first] if contexts else None,
        context_names=tuple(names),
        candidates=_coded(lists.get("candidates"), item_ids),
        excluded=_coded(lists.get("excluded"), item_ids),
        rewards=rewards,
        reward_kinds=None
        if rewards is None
        else Labels(np.isnan(rewards).astype(np.int32), ("observed", "")),
    )
    return ReadLog(check_decisions(decisions, place=place), user_ids, item_ids, notes=notes)


def _check_columns(file: Path, table: pa.Table) -> list[str]:
    names = table.column_names
    lists = "items" in names
    for name in NEEDED_LISTS if lists else NEEDED_SINGLE:
        if name not in names:
            near = nearest(name, names)
            hint = f" Is it '{near}'?" if near else ""
            raise InvalidData(
                f"{file}: a log needs the column '{name}', which is missing.{hint} "
                f"Found: {', '.join(names)}."
            )
    if not table.num_rows:
        raise InvalidData(f"{file}: has no rows. It needs at least one below the header.")
    used = {*OF_ROWS, "catalogue_version", "propensity_kind"}
    used |= set(SINGLE.values() if lists else SINGLE)
    left = [name for name in names if name not in used and not name.startswith(CONTEXT)]
    return [f"{file}: columns left out: {', '.join(left)}."] if left else []


def _of_lists(table: pa.Table, problems: Problems) -> _Slots:
    """A decision a row."""
    texts = texts_of_column(table, "items").tolist()
    items = [text.split() for text in texts]
    sizes = np.array([len(one) for one in items])
    problems.add(sizes == 0, "items", texts, "item ids separated by blanks")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows = np.repeat(np.arange(len(items)), sizes)
    numbers = {}
    for name in SINGLE.values():
        if name == "items" or name not in table.column_names:
            continue
        cells = texts_of_column(table, name)
        may_miss = name in ("rewards", "scores")
        lists = [
            text.split() or ["-"] * int(size) * may_miss
            for text, size in zip(cells.tolist(), sizes, strict=True)
        ]
        uneven = np.array([len(one) for one in lists]) != sizes
        problems.add(uneven, name, cells.tolist(), "as many values as there are items")
        if uneven.any():
            numbers[name] = np.full(offsets[-1], 0.5)
            continue
        flat = np.array([text for one in lists for text in one], dtype=object)
        values, wrong = numbers_in(flat)
        if may_miss:
            wrong &= flat != "-"
        bad = np.bincount(rows[wrong], minlength=len(items)) > 0
        problems.add(bad, name, cells.tolist(), "numbers separated by blanks")
        numbers[name] = values
    ids = np.array([one for slate in items for one in slate], dtype=object)
    return _Slots(offsets, np.arange(len(items)), rows, ids, numbers)


def _of_rows(table: pa.Table, texts: dict[str, np.ndarray], problems: Problems) -> _Slots:
    """A slot a row."""
    n = table.num_rows
    items = texts_of_column(table, "item_id")
    problems.add(items == "", "item_id", items.tolist(), "not empty")
    numbers = {
        many: numbers_of_column(table, one, problems, empty_is_nan=many in ("rewards", "scores"))
        for one, many in SINGLE.items()
        if one != "item_id" and one in table.column_names
    }
    if "decision_id" not in texts:
        return _Slots(np.arange(n + 1), np.arange(n), np.arange(n), items, numbers)
    ids = texts["decision_id"]
    problems.add(ids == "", "decision_id", ids.tolist(), "not empty")
    numbered: dict[str, int] = {}
    owners = np.array([numbered.setdefault(one, len(numbered)) for one in ids.tolist()])
    places = numbers.get("positions", np.zeros(n))
    order = np.lexsort((np.arange(n), places, owners))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners))]).astype(np.int64)
    first = order[offsets[:-1]]
    for name in ("user_id", "timestamp"):
        if name in texts:
            other = texts[name] != texts[name][first][owners]
            problems.add(other, name, texts[name].tolist(), "the same in all rows of a decision")
    ordered = {name: values[order] for name, values in numbers.items()}
    return _Slots(offsets, first, order, items[order], ordered)


def _check_places(slots: _Slots, table: pa.Table, problems: Problems) -> None:
    if (places := slots.numbers.get("positions")) is None:
        return
    name = "positions" if "positions" in table.column_names else "position"
    bad = np.zeros(table.num_rows, dtype=np.bool_)
    bad[slots.rows[np.isfinite(places) & (places != np.floor(places))]] = True
    problems.add(bad, name, texts_of_column(table, name).tolist(), "whole numbers")


def _ids(file: Path, given: np.ndarray | None, first: IntArray) -> np.ndarray:
    if given is not None:
        return given[first].astype(np.str_)
    stem = file.name.split(".")[0]
    return np.array([f"{stem}/{row}" for row in first.tolist()], dtype=np.str_)


def _from_top(positions: FloatArray | None) -> IntArray | None:
    return None if positions is None else (positions - positions.min()).astype(np.int64)


def _id_lists(texts: np.ndarray) -> list[list[str]]:
    return [text.split() for text in texts.tolist()]


def _coded(lists: list[list[str]] | None, item_ids: list[str]) -> Ragged | None:
    if lists is None:
        return None
    flat = np.array([one for ids in lists for one in ids], dtype=object)
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in lists])]).astype(np.int64)
    return Ragged(offsets, in_order_of(flat, item_ids))
