"""The log in a PostgreSQL database, in a schema of its own; the server forces commits to disk."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from recloop.decisions import schema
from recloop.decisions.database import Columns, migration
from recloop.errors import DamagedFile, InvalidParameter, LogUnavailable, MissingData, MissingExtra

try:
    import sqlalchemy as sa
    from sqlalchemy import event
    from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
except ImportError as error:
    raise MissingExtra(
        "A log in PostgreSQL needs SQLAlchemy and psycopg: pip install 'recloop[postgres]'."
    ) from error

SCHEMA = "recloop"
_HELD = schema.APPLICATION_ID + 1  # the advisory lock of a process that serves the log


class PostgresDatabase:
    """One connection to one database; for one thread at a time."""

    def __init__(self, address: str, *, create: bool = True) -> None:
        try:
            url = sa.make_url(address)
        except ArgumentError as error:
            raise InvalidParameter(f"open_log: not an address of a database ({error}).") from None
        self.place = url.render_as_string(hide_password=True)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        try:
            self._engine = sa.create_engine(url, poolclass=sa.NullPool)
        except ImportError as error:
            raise MissingExtra(
                f"{self.place}: its driver is not installed ({error}): pip install "
                "'recloop[postgres]'."
            ) from error
        event.listen(self._engine, "connect", self._begin_session)
        self._writes = self._holds = False
        with self._translated():
            self._connection = self._engine.connect()
        try:
            with self._translated():
                self._set_up(create)
        except BaseException:
            self._connection.close()
            raise

    def _begin_session(self, connection: Any, _: Any) -> None:
        """What holds for a session; also for one that takes the place of one that broke."""
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET search_path = {SCHEMA}")
            if self._holds:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", (_HELD,))
                if not cursor.fetchone()[0]:
                    connection.rollback()
                    raise self._is_held()
        connection.commit()

    def _set_up(self, create: bool) -> None:
        if self._version() == schema.VERSION:
            return
        self._run("SELECT pg_advisory_xact_lock(%s)", (schema.APPLICATION_ID,))
        version = self._version(keep=True)
        if version is None and not create:
            raise MissingData(f"{self.place}: holds no decision log.")
        if version is None:
            steps = [f"CREATE SCHEMA {SCHEMA}", *schema.creation(in_sqlite=False)]
            steps += ["CREATE TABLE about (application text, version integer)"]
            steps += [f"INSERT INTO about VALUES ('{schema.APPLICATION}', 0)"]
        else:
            steps = migration(self.place, version)
        for step in steps:
            self._run(step)
        self._run("UPDATE about SET version = %s", (schema.VERSION,))
        self._connection.commit()

    def _version(self, *, keep: bool = False) -> int | None:
        """The version of the log; None where there is none yet."""
        spaces = self._run("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).all()
        if not spaces:
            found = None
        elif not self._run("SELECT to_regclass(%s)", (f"{SCHEMA}.about",)).scalar():
            raise self._foreign()
        else:
            owner, found = tuple(self._run("SELECT application, version FROM about").all()[0])
            if owner != schema.APPLICATION:
                raise self._foreign()
        if not keep:
            self._connection.rollback()
        return found

    def _foreign(self) -> DamagedFile:
        return DamagedFile(
            f"{self.place}: its schema '{SCHEMA}' belongs to another application, not to a "
            "decision log. It was not touched; give the log a database of its own."
        )

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> "sa.CursorResult[Any]":
        return self._connection.exec_driver_sql(statement, tuple(parameters))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._writes = True
        try:
            with self._translated():
                self._run("SELECT n FROM tally WHERE what = %s FOR UPDATE", (schema.NEXT_SEQ,))
            yield
            with self._translated():
                self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        finally:
            self._writes = False

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with self._translated():
                yield
        finally:
            if not self._writes:
                with self._translated():
                    self._connection.rollback()

    def select(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._reading():
            return [tuple(row) for row in self._run(statement.replace("?", "%s"), parameters)]

    def look_up(
        self, table: str, columns: Sequence[str], key: str, keys: Iterable[str]
    ) -> list[tuple[Any, ...]]:
        statement = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ANY(%s)"
        with self._reading():
            return [tuple(row) for row in self._run(statement, (list(keys),))]

    def insert(self, table: str, columns: Columns) -> None:
        marks = ", ".join(f"%s::{column.type}[]" for column in schema.TABLES[table])
        with self._translated():
            self._run(
                f"INSERT INTO {table} SELECT * FROM unnest({marks})",
                [list(column) for column in columns],
            )

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        with self._translated():
            self._run(statement.replace("?", "%s"), parameters)

    def check(self) -> list[str]:
        return []

    def n_bytes(self) -> int:
        total = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = "
        return int(self.select(f"{total}'{SCHEMA}'::regnamespace AND relkind = 'r'")[0][0] or 0)

    def compact(self) -> None:
        pass  # VACUUM is the administrator's

    def hold(self) -> None:
        if self._holds:
            return
        if not self.select("SELECT pg_try_advisory_lock(?)", (_HELD,))[0][0]:
            raise self._is_held()
        self._holds = True

    def _is_held(self) -> LogUnavailable:
        return LogUnavailable(
            f"{self.place}: another process serves this log already. Stop that one, or give this "
            "one a database of its own."
        )

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the server and of the way to it as ours; mistakes of ours stay as they are."""
        try:
            yield
        except DBAPIError as error:
            if not (isinstance(error, OperationalError) or error.connection_invalidated):
                raise
            raise LogUnavailable(
                f"{self.place}: the server did not answer as it should ({error.orig}). Nothing of "
                "this batch is known to be written; try again, duplicates are noticed."
            ) from error
