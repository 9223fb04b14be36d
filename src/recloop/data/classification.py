"""Labelled sets as bandit problems: contexts and classes from one table.

A table (CSV, TSV or Parquet, also compressed) with a column of labels and columns of numbers; other
columns of text, and columns that are the label in other words, are left out and named. Numbers are
standardised and follow a first column of ones.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recloop.data.ids import sorted_ids
from recloop.data.report import LoadReport
from recloop.data.tables import read_table
from recloop.errors import InvalidData
from recloop.types import FloatArray, IntArray


@dataclass(frozen=True)
class LabelledSet:
    """contexts (n, 1 + D), labels (n,) in codes of `classes`, and what was left out."""

    contexts: FloatArray
    labels: IntArray
    classes: list[str]
    columns: list[str]
    left_out: list[str]


def read_labelled(path: str | Path, label: str = "label", *, hint: str = "") -> LabelledSet:
    """The set of a table whose column `label` holds the classes.

    hint: what else the file could be, for the error where there is no such column.
    """
    frame = read_table(Path(path), LoadReport())
    if label not in frame.columns:
        raise InvalidData(
            f"{path}: has no column '{label}'; its columns are {', '.join(frame.columns)}. Name "
            f"the column of the classes 'label'. {hint}".rstrip()
        )
    missing = frame[label].isna() | (frame[label].astype(str).str.strip() == "")
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise InvalidData(f"{path}: row {row + 2}, column '{label}': needs a class, got nothing.")
    texts = frame[label].astype(str).to_numpy(dtype=object)
    classes = sorted_ids(pd.unique(texts).tolist())
    if len(classes) < 2:
        raise InvalidData(
            f"{path}: column '{label}' must hold at least 2 classes, got {', '.join(classes) or 0}."
        )
    number = {name: code for code, name in enumerate(classes)}
    columns, left_out, values = [], [], []
    for name in frame.columns.drop(label):
        numbers = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64)
        if np.isnan(numbers).all() or _names_the_class(frame[name], texts):
            left_out.append(str(name))
            continue
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise InvalidData(
                f"{path}: row {row + 2}, column '{name}': needs a finite number, got "
                f"{frame[name].iloc[row]!r}."
            )
        columns.append(str(name))
        values.append(numbers)
    if not columns:
        raise InvalidData(f"{path}: has no column of numbers beside '{label}'.")
    table = np.column_stack(values)
    spread = table.std(axis=0)
    table = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return LabelledSet(
        contexts=np.column_stack([np.ones(len(table)), table]),
        labels=np.array([number[text] for text in texts], dtype=np.int64),
        classes=classes,
        columns=columns,
        left_out=left_out,
    )


def _names_the_class(column: pd.Series, texts: np.ndarray) -> bool:
    """Whether a column is the label in other words: one value a class, one class a value."""
    pairs = pd.DataFrame({"value": column.astype(str).to_numpy(), "label": texts}).drop_duplicates()
    return (
        1 < len(pairs) < len(texts)
        and not (pairs["value"].duplicated() | pairs["label"].duplicated()).any()
    )
