"""per_user.parquet: the value of every person, model, metric and cut-off, kept small.

Words are dictionaries of codes and each model is written as soon as it was measured, so that a
million people cost the values themselves and little more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recloop.experiment.measure import Measured
from recloop.utils.files import atomic_write

_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("user_id", _WORD),
        ("model", _WORD),
        ("metric", _WORD),
        ("k", pa.int32()),
        ("value", pa.float64()),
    ]
)
ROWS_AT_ONCE = 1 << 20


@contextmanager
def per_user_file(path: str | Path) -> Iterator[Callable[[Measured], None]]:
    """A function that appends what was measured of a model; the file is whole or absent."""
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        yield lambda one: writer.write_table(table_of(one), row_group_size=ROWS_AT_ONCE)


def table_of(one: Measured) -> pa.Table:
    """user_id, model, metric, k, value; a row for each person, metric and cut-off."""
    names, n = list(one.values), len(one.users)
    metrics = list(dict.fromkeys(name.partition("@")[0] for name in names))
    users = _words(np.arange(n), one.users)
    model = _words(np.zeros(n), [one.row["name"]])
    columns = [
        [users] * len(names),
        [model] * len(names),
        [_words(np.full(n, metrics.index(name.partition("@")[0])), metrics) for name in names],
        [pa.array(np.full(n, int(name.partition("@")[2]), dtype=np.int32)) for name in names],
        [pa.array(values, from_pandas=True) for values in one.values.values()],  # NaN is null
    ]
    return pa.table(
        [pa.chunked_array(column, type=f.type) for column, f in zip(columns, SCHEMA, strict=True)],
        schema=SCHEMA,
    )


def _words(codes: np.ndarray, words: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), pa.array(words, type=pa.string())
    )
