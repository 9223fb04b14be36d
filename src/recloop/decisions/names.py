"""The words of a log and their codes: ids of people and items, policies, versions, events.

A code, once given, stays: vocabularies only grow.
"""

from collections.abc import Iterable

import numpy as np

from recloop.decisions.database import Database
from recloop.errors import InvalidData
from recloop.types import IntArray, Labels, TextArray

ID_KINDS = ("user", "item")


class Names:
    """Words to codes and back, kept in memory once they were read; for one writer at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codes: dict[str, dict[str, int]] = {}
        self._texts: dict[str, list[str]] = {}

    def known(self, kind: str) -> list[str]:
        """Every word of a kind; its place is its code."""
        if kind not in self._texts:
            self._read(kind)
        return self._texts[kind]

    def reread(self, kind: str) -> list[str]:
        """As `known`, with what other processes have written since."""
        self._read(kind)
        return self._texts[kind]

    def codes(self, kind: str, texts: Iterable[str]) -> list[int]:
        """The codes of words; new ones get the next codes. Only within a transaction."""
        wanted = texts if isinstance(texts, list) else list(texts)
        self.known(kind)
        codes = self._codes[kind]
        if any(text not in codes for text in wanted):
            self._add(kind, wanted)
            codes = self._codes[kind]
        return [codes[text] for text in wanted]

    def missing(self, kind: str, texts: Iterable[str]) -> list[str]:
        """Those of the words that have no code yet, as far as this process knows."""
        self.known(kind)
        codes = self._codes[kind]
        return [text for text in texts if text not in codes]

    def labels_to(self, kind: str, labels: Labels) -> np.ndarray:
        """(n,) codes of this log for a column of words."""
        if not labels.names:
            return labels.codes
        return np.array(self.codes(kind, list(labels.names)), dtype=np.int64)[labels.codes]

    def labels_from(self, kind: str, codes: IntArray) -> Labels:
        """A column of words with the names of this log."""
        names = self.known(kind)
        if len(codes) and int(codes.max()) >= len(names):
            names = self.reread(kind)
        return Labels(codes.astype(np.int32), tuple(names))

    def forget(self) -> None:
        """Read everything anew when it is asked for: after a transaction that was rolled back."""
        self._codes.clear()
        self._texts.clear()

    def _read(self, kind: str) -> None:
        rows = self._database.select("SELECT text FROM name WHERE kind = ? ORDER BY code", (kind,))
        self._texts[kind] = [str(row[0]) for row in rows]
        self._codes[kind] = {text: code for code, text in enumerate(self._texts[kind])}

    def _add(self, kind: str, wanted: Iterable[str]) -> None:
        self._read(kind)  # another writer may have added some
        codes, texts = self._codes[kind], self._texts[kind]
        new = [text for text in dict.fromkeys(wanted) if text not in codes]
        if not new:
            return
        for text in new:
            if "\0" in text:
                raise InvalidData(f"decision log: a {kind} must be text without a zero character.")
        numbers = list(range(len(texts), len(texts) + len(new)))
        self._database.insert("name", ([kind] * len(new), numbers, new))
        codes.update(zip(new, numbers, strict=True))
        texts.extend(new)


def id_order(ids: Iterable[str]) -> list[str]:
    """The distinct ids: numbers in numeric order where all are digits, else by code point."""
    distinct = set(ids)
    if all(one.isascii() and one.isdigit() for one in distinct):
        return sorted(distinct, key=lambda one: (int(one), one))
    return sorted(distinct)


def texts_of(column: Iterable[object]) -> TextArray:
    """Words as an array of text; also where there are none."""
    return np.array(list(column), dtype=np.str_)
