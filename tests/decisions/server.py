"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, no port."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

UNPRIVILEGED = ("postgres", "nobody")
START_S = 60.0


def programs() -> Path | None:
    """The folder of initdb and postgres; Debian keeps it out of the path."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


def account() -> str | None:
    """Who is to run it: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in UNPRIVILEGED if name in known)


class PostgresServer:
    """Started when made; `stop` ends it and removes its folder."""

    def __init__(self, folder_of_programs: Path) -> None:
        self._programs = folder_of_programs
        self._owner = account()
        self._n_made = self._n_used = 0
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        if self._owner:
            shutil.chown(self.folder, self._owner)
        self._run("initdb", "-D", "data", "-A", "trust", "-U", "tests", "-E", "UTF8", "--no-sync")
        self._log = (self.folder / "server.log").open("wb")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",  # processes are killed here, not machines
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", "data", *options],
            cwd=self.folder,
            user=self._owner,
            stdout=self._log,
            stderr=self._log,
        )
        self._admin = sa.create_engine(
            self.address("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        self._wait()

    def address(self, database: str) -> str:
        return f"postgresql+psycopg://tests@/{database}?host={self.folder}"

    def begin_test(self) -> None:
        """From now on, databases may be used again."""
        self._n_used = 0

    def empty_database(self) -> str:
        """The address of a database in which there is nothing; a used one is much the quicker."""
        name = f"log{self._n_used}"
        self._n_used += 1
        if self._n_used > self._n_made:
            self._n_made = self._n_used
            with self._admin.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            return self.address(name)
        with sa.create_engine(self.address(name), poolclass=sa.NullPool).begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS recloop CASCADE")
        return self.address(name)

    def break_connections(self, address: str) -> None:
        """End every session of a database, as a server does that is started again."""
        name = sa.make_url(address).database
        with self._admin.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    def stop(self) -> None:
        self._admin.dispose()
        self._process.send_signal(signal.SIGINT)  # ends sessions, then the server
        self._process.wait(30)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder,
            user=self._owner,
            check=True,
            capture_output=True,
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                self._admin.connect().close()
                return
            except sa.exc.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    text = (self.folder / "server.log").read_text()
                    raise RuntimeError(f"PostgreSQL did not start:\n{text}") from None
                time.sleep(0.05)
