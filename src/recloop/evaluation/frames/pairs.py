"""Two tables of values of people, matched by id and seed, as arrays to compare."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recloop.errors import InvalidData
from recloop.evaluation.frames.columns import column_of, plainly
from recloop.types import FloatArray

COLUMNS = ("user_id", "value")


class PairedValues(NamedTuple):
    """(seeds, people) each, the same people in the same order; NaN is undefined."""

    values: FloatArray
    control: FloatArray


def paired_values(values: Any, control: Any, unit: str) -> PairedValues:
    """Tables with user_id, value and, with several seeds, seed: of the same people, else refused.

    Seeds may have people of their own where seeds are the unit. Rows of more than one metric or
    cut-off are refused: which of them should be compared?
    """
    sides = {"values": values, "control": control}
    for name, frame in sides.items():
        if not isinstance(frame, pd.DataFrame):
            raise InvalidData(
                f"compare: {name} must be a table like the other side, got "
                f"{type(frame).__name__}. Pass two tables or two arrays."
            )
        _check_one_metric(name, frame)
    tables = {name: _by_seed(name, frame) for name, frame in sides.items()}
    ours, theirs = tables["values"], tables["control"]
    _check_same_people(ours.columns, theirs.columns)
    if len(ours) > 1 and len(theirs) > 1:
        _check_same_seeds(ours.index, theirs.index)
    if unit == "people":
        for name, frame in sides.items():
            _check_everybody(name, frame, tables[name])
    theirs = theirs[ours.columns]
    return PairedValues(ours.to_numpy(np.float64), theirs.to_numpy(np.float64))


def _check_one_metric(name: str, frame: pd.DataFrame) -> None:
    for column in ("metric", "k", "model"):
        if column in frame.columns and frame[column].nunique() > 1:
            found = ", ".join(sorted(map(str, frame[column].unique()))[:5])
            raise InvalidData(
                f"compare: {name} has rows of more than one {column} ({found}). Select one."
            )


def _by_seed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    for column in COLUMNS:
        column_of(name, frame, column)
    seeds = frame["seed"] if "seed" in frame.columns else pd.Series(0, index=frame.index)
    rows = pd.DataFrame({"seed": seeds, "user_id": frame["user_id"], "value": frame["value"]})
    twice = rows.duplicated(["seed", "user_id"])
    if twice.any():
        who = plainly(rows["user_id"][twice].iloc[0])
        raise InvalidData(
            f"compare: {name} has user {who} twice for one seed; {int(twice.sum())} rows repeat. "
            "Give one value for each person and seed."
        )
    return rows.pivot(index="seed", columns="user_id", values="value")


def _check_same_people(ours: pd.Index, theirs: pd.Index) -> None:
    only_ours, only_theirs = ours.difference(theirs), theirs.difference(ours)
    for here, there, missing in (
        ("values", "control", only_ours),
        ("control", "values", only_theirs),
    ):
        if len(missing):
            raise InvalidData(
                f"compare: {len(missing):,} people are in {here} and not in {there}, the first is "
                f"{plainly(missing[0])}. Differences are taken person by person: give a row (NaN "
                "for undefined) for each."
            )


def _check_same_seeds(ours: pd.Index, theirs: pd.Index) -> None:
    if not ours.equals(theirs):
        raise InvalidData(
            f"compare: values and control must have the same seeds, got {list(ours)} and "
            f"{list(theirs)}."
        )


def _check_everybody(name: str, frame: pd.DataFrame, table: pd.DataFrame) -> None:
    if len(frame) < table.size:
        raise InvalidData(
            f"compare: in {name} not everybody has a row for every seed ({len(frame):,} rows for "
            f"{table.shape[1]:,} people and {table.shape[0]} seeds). Where every seed has people "
            "of its own, seeds are what is resampled: unit='seeds'."
        )
