"""Where a log is: a file, or an address of a database."""

import re
from pathlib import Path

from recloop.decisions.log import DecisionLog
from recloop.errors import InvalidParameter

ADDRESS = re.compile(r"^[a-z0-9+]+://", re.IGNORECASE)


def open_log(place: str | Path, *, create: bool = True) -> DecisionLog:
    """The log at a path (SQLite) or at `postgresql://user@host/database` (PostgreSQL).

    A log that is not there is made, unless `create` is False; an older version of one is brought
    to this version. A file of another application and a log of a newer version are refused.
    """
    text = str(place)
    if text.startswith("sqlite:///"):
        text = text.removeprefix("sqlite:///")
    elif ADDRESS.match(text):
        if not text.lower().startswith("postgresql"):
            raise InvalidParameter(
                "open_log: place must be a file or an address such as "
                f"postgresql://user@host/database, got one of '{text.split(':')[0]}'."
            )
        from recloop.decisions.postgres import PostgresDatabase

        return DecisionLog(PostgresDatabase(text, create=create))
    from recloop.decisions.sqlite import SQLiteDatabase

    return DecisionLog(SQLiteDatabase(text, create=create))
