"""The log in one SQLite file: write-ahead log, every commit forced to the disk."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import apsw

from recloop.decisions import schema
from recloop.decisions.database import Columns, migration
from recloop.errors import DamagedFile, LogUnavailable, MissingData
from recloop.utils.files import alone_with

BUSY_TIMEOUT_MS = 5000
PAGES_AT_ONCE = 4096


class SQLiteDatabase:
    """One connection to one file; for one thread at a time. Other processes may read meanwhile."""

    def __init__(self, file: str | Path, *, create: bool = True, vfs: str | None = None) -> None:
        self.place = str(file)
        self._hold: ExitStack | None = None
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
        if not create and not Path(file).is_file():
            raise MissingData(f"{file}: no such decision log.")
        if create:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        with self._translated():
            self._connection = apsw.Connection(self.place, flags=flags, vfs=vfs)
        try:
            with self._translated():
                self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
                self._recognise()
                self._connection.pragma("journal_mode", "wal")
                self._connection.pragma("synchronous", "full")
                self._connection.pragma("fullfsync", 1)
                self._connection.pragma("temp_store", "memory")
                self._connection.pragma("secure_delete", 1)  # what is overwritten is gone
                self._bring_up_to_date()
        except BaseException:
            self._connection.close()
            raise

    def _recognise(self) -> None:
        n_tables = self.select("SELECT count(*) FROM sqlite_schema")[0][0]
        owner = self._connection.pragma("application_id")
        if owner != schema.APPLICATION_ID and (n_tables or owner):
            raise DamagedFile(
                f"{self.place}: is a database of another application (id {owner}), not a decision "
                "log. It was not touched; give the log a file of its own."
            )

    def _bring_up_to_date(self) -> None:
        if self._version() == schema.VERSION:
            return
        with self.transaction():
            version = self._version()  # another process may have been quicker
            if version == schema.VERSION:
                return
            is_new = not self.select("SELECT 1 FROM sqlite_schema LIMIT 1")
            steps = schema.creation(in_sqlite=True) if is_new else migration(self.place, version)
            for step in steps:
                self._connection.execute(step)
            self._connection.pragma("application_id", schema.APPLICATION_ID)
            self._connection.pragma("user_version", schema.VERSION)

    def _version(self) -> int:
        return int(self._connection.pragma("user_version"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._translated():
                self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def select(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._connection.execute(statement, tuple(parameters)).fetchall()

    def look_up(
        self, table: str, columns: Sequence[str], key: str, keys: Iterable[str]
    ) -> list[tuple[Any, ...]]:
        statement = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ?"
        with self._translated():
            return self._connection.executemany(statement, ((one,) for one in keys)).fetchall()

    def insert(self, table: str, columns: Columns) -> None:
        marks = ", ".join("?" * len(columns))
        with self._translated():
            self._connection.executemany(
                f"INSERT INTO {table} VALUES ({marks})", zip(*columns, strict=True)
            )

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        with self._translated():
            self._connection.execute(statement, tuple(parameters))

    def check(self) -> list[str]:
        found = [str(row[0]) for row in self.select("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def n_bytes(self) -> int:
        return sum(
            file.stat().st_size
            for end in ("", "-wal")
            if (file := Path(self.place + end)).is_file()
        )

    def back_up(self, file: Path) -> None:
        """Copy the whole file as of one moment; others may write meanwhile."""
        with self._translated():
            copy = apsw.Connection(str(file))
            try:
                with copy.backup("main", self._connection, "main") as backup:
                    while not backup.done:
                        backup.step(PAGES_AT_ONCE)
                copy.pragma("journal_mode", "delete")  # one file, which may be moved
            finally:
                copy.close()

    def compact(self) -> None:
        free, pages = (int(self._connection.pragma(p)) for p in ("freelist_count", "page_count"))
        if free > pages // 10:
            self.execute("VACUUM")
        self.select("PRAGMA wal_checkpoint(TRUNCATE)")

    def hold(self) -> None:
        if self._hold is None:
            hold = ExitStack()
            if not hold.enter_context(alone_with(self.place + ".lock")):
                hold.close()
                raise LogUnavailable(
                    f"{self.place}: another process serves this log already. Stop that one, or "
                    "give this one a log of its own."
                )
            self._hold = hold

    def close(self) -> None:
        with self._translated():
            self._connection.close()
        if self._hold is not None:
            self._hold.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of SQLite as ours."""
        try:
            yield
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise DamagedFile(
                f"{self.place}: not a readable decision log ({error}). Nothing was changed; "
                "restore a copy, or give the log another file."
            ) from error
        except apsw.BusyError as error:
            raise LogUnavailable(
                f"{self.place}: another process has been writing for {BUSY_TIMEOUT_MS / 1000:g} "
                "seconds. Nothing was written; try again."
            ) from error
        except (
            apsw.FullError,
            apsw.IOError,
            apsw.CantOpenError,
            apsw.ReadOnlyError,
            apsw.PermissionsError,
        ) as error:
            raise LogUnavailable(
                f"{self.place}: cannot be read or written ({error}). Nothing of this batch was "
                "written; see to disk space and permissions, and try again."
            ) from error
