"""Which items have something in common: a CSV file of item_id,group."""

from pathlib import Path

import numpy as np
import pyarrow.csv

from recloop.errors import InvalidData, MissingData
from recloop.types import IntArray

COLUMNS = ("item_id", "group")


def read_groups(file: str | Path, item_ids: list[str]) -> IntArray:
    """(n_items,) a code of the group of each item, groups in the order of their names."""
    if not Path(file).is_file():
        raise MissingData(f"{file}: there is no such file of item_id,group.")
    texts = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(COLUMNS, pyarrow.string()), include_columns=list(COLUMNS)
    )
    try:
        table = pyarrow.csv.read_csv(file, convert_options=texts)
    except (pyarrow.ArrowInvalid, KeyError) as error:
        raise InvalidData(f"{file}: must be a CSV with columns item_id,group: {error}.") from None
    groups: dict[str, str] = {}
    for row, (item, group) in enumerate(
        zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True)
    ):
        if groups.setdefault(item, group) != group:
            raise InvalidData(
                f"{file}: item '{item}' has a second group '{group}' at row {row}, the first is "
                f"'{groups[item]}'. Keep one."
            )
    missing = [one for one in item_ids if one not in groups]
    if missing:
        raise InvalidData(
            f"{file}: {len(missing):,} items have no group, the first is '{missing[0]}'."
        )
    return np.unique([groups[one] for one in item_ids], return_inverse=True)[1].astype(np.int64)
