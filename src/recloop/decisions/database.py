"""What the log asks of a database; SQLite and PostgreSQL answer in modules of their own."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from recloop.decisions import schema
from recloop.errors import DamagedFile

Columns = Sequence[Sequence[Any]]


class Database(Protocol):
    """Five tables and their rows. Statements are written with `?` for each parameter."""

    place: str  # for messages; never a password

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written inside is on disk when it ends, or none of it is.

        From its beginning no other writer can begin one.
        """
        ...

    def select(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        ...

    def look_up(
        self, table: str, columns: Sequence[str], key: str, keys: Iterable[str]
    ) -> list[tuple[Any, ...]]:
        """The rows whose `key` is one of `keys`, in any order."""
        ...

    def insert(self, table: str, columns: Columns) -> None:
        """Write rows, given column by column in the order of the schema."""
        ...

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement that has no rows."""
        ...

    def check(self) -> list[str]:
        """What the database itself finds wrong with its files; empty where nothing is."""
        ...

    def n_bytes(self) -> int:
        """How much room the log takes."""
        ...

    def compact(self) -> None:
        """Move what is committed to where it stays, so that no older page is left beside it."""
        ...

    def hold(self) -> None:
        """Keep the log for this process alone until `close`; LogUnavailable if another holds it.

        It keeps other holders out, not readers. It ends with the process, however that ends.
        """
        ...

    def close(self) -> None: ...


def migration(place: str, version: int) -> list[str]:
    """The statements from `version` to this one; DamagedFile for a version nobody here knows."""
    if version > schema.VERSION:
        raise DamagedFile(
            f"{place}: is a decision log of version {version}; this recloop reads up to "
            f"{schema.VERSION}. Nothing was changed. Install a newer recloop."
        )
    try:
        return schema.steps_from(version)
    except KeyError:
        raise DamagedFile(
            f"{place}: is a decision log of version {version}, and there is no way from it to "
            f"version {schema.VERSION}. Nothing was changed. Export it with the recloop that wrote "
            "it, and import the files."
        ) from None
