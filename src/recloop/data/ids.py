"""Ids to codes and back. Digit-only ids sort as numbers, others by code point."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from recloop.errors import UnknownName
from recloop.types import IntArray
from recloop.utils.names import nearest


def sorted_ids(ids: Iterable[object]) -> list[str]:
    """The distinct ids as strings: numbers in numeric order when all are digits, else by text."""
    distinct = {str(one) for one in ids}
    if all(one.isascii() and one.isdigit() for one in distinct):
        return sorted(distinct, key=lambda one: (int(one), one))
    return sorted(distinct)


@dataclass(frozen=True)
class IdMap:
    """A vocabulary: the id at position c has code c."""

    kind: str  # "user" or "item", for messages
    ids: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.ids, dtype="str")

    def codes_of(self, ids: Iterable[object]) -> IntArray:
        """The codes of `ids`; an unknown one raises UnknownName with the nearest known id."""
        texts = [str(one) for one in ids]
        codes = self.known_codes_of(texts)
        if (codes < 0).any():
            unknown = texts[int(np.argmax(codes < 0))]
            near = nearest(unknown, self.ids[:5000])
            hint = f" Did you mean '{near}'?" if near else ""
            raise UnknownName(f"No {self.kind} with the id '{unknown}' among {len(self)}.{hint}")
        return codes

    def known_codes_of(self, ids: pd.Series | list[str]) -> IntArray:
        """The codes of `ids`, -1 for the unknown."""
        places, asked = pd.factorize(pd.Series(ids).astype("str"), use_na_sentinel=False)
        return self._index.get_indexer(asked).astype(np.int64)[places]

    def ids_of(self, codes: IntArray) -> list[str]:
        """The ids of `codes`."""
        return [self.ids[code] for code in np.asarray(codes).tolist()]
