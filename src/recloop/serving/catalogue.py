"""What may be shown: the items' ids in the order of the log's codes, titles, categories, hidden."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import BoolArray, FloatArray, IntArray


@dataclass
class Item:
    """What is known of an item beside what is learned."""

    id: str
    title: str = ""
    category: str = ""
    features: list[float] = field(default_factory=list)


class Catalogue:
    """Items by code; it only grows, and what is hidden keeps its code."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items: list[Item] = []
        self.codes: dict[str, int] = {}
        self.hidden: BoolArray = np.zeros(0, dtype=np.bool_)
        self.version = 0
        self.sizes: dict[int, int] = {}  # how many items each version had
        self.add(items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ids(self) -> list[str]:
        """The id of each code."""
        return [item.id for item in self.items]

    @property
    def open(self) -> BoolArray:
        """(n_items,) what may be shown at all."""
        return ~self.hidden

    def add(self, items: Iterable[Item]) -> IntArray:
        """Add items, or change what is known of those there; their codes."""
        codes = []
        for item in items:
            code = self.codes.get(item.id)
            if code is None:
                code = self.codes[item.id] = len(self.items)
                self.items.append(item)
            else:
                self.items[code] = item
            codes.append(code)
        new = len(self.items) - len(self.hidden)
        self.hidden = np.concatenate([self.hidden, np.zeros(new, dtype=np.bool_)])
        self._sort_categories()
        return np.array(codes, dtype=np.int64)

    def hide(self, ids: Iterable[str], hidden: bool = True) -> None:
        """Show `ids` no more, or again."""
        for one in ids:
            self.hidden[self.code(one)] = hidden

    def code(self, item: str) -> int:
        """The code of an id; InvalidParameter where there is none."""
        try:
            return self.codes[item]
        except KeyError:
            raise InvalidParameter(
                f"item {json.dumps(item)}: not in the catalogue of {len(self)} items. Add it by "
                "POST /v1/items, or name one that is there (GET /v1/items)."
            ) from None

    def of_categories(self, names: Sequence[str]) -> BoolArray:
        """(n_items,) which items are of one of these categories."""
        wanted = [self._names.get(name, -1) for name in names]
        return np.isin(self.categories, [code for code in wanted if code >= 0])

    def _sort_categories(self) -> None:
        self._names = {name: code for code, name in enumerate(
            dict.fromkeys(item.category for item in self.items))}  # fmt: skip
        self.categories = np.array([self._names[i.category] for i in self.items], dtype=np.int64)

    def features(self, ids: Sequence[str]) -> FloatArray | None:
        """(n, g) features of `ids`; None unless all have as many."""
        rows = [self.items[self.code(one)].features for one in ids]
        widths = {len(row) for row in rows}
        if len(widths) != 1 or widths == {0}:
            return None
        return np.array(rows, dtype=np.float64)

    # How it is kept

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "items": [[i.id, i.title, i.category, i.features] for i in self.items],
            "hidden": np.flatnonzero(self.hidden).tolist(),
            "version": self.version,
            "sizes": list(self.sizes.items()),
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Catalogue":
        """What `to_json` gave."""
        catalogue = cls(Item(*row) for row in found["items"])
        catalogue.hidden[found["hidden"]] = True
        catalogue.version = int(found["version"])
        catalogue.sizes = {int(version): int(size) for version, size in found["sizes"]}
        return catalogue
