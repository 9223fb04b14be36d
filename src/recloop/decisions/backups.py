"""A copy of a log while others write it, and a person's id taken out of one."""

import uuid
from pathlib import Path

from recloop.decisions.describing import verify_log
from recloop.decisions.opening import open_log
from recloop.decisions.sqlite import SQLiteDatabase
from recloop.errors import DamagedFile, InvalidParameter, MissingData, RunFolderInUse


def back_up(place: str, file: str | Path) -> int:
    """Copy a SQLite log as of one moment to `file`, and read the copy whole; its last seq.

    `file` appears when it is whole. Raises RunFolderInUse where it is there already.
    """
    target = Path(file)
    if target.exists():
        raise RunFolderInUse(f"{target}: is there already. Give the copy a file of its own.")
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with open_log(place, create=False) as log:
            if not isinstance(log.database, SQLiteDatabase):
                raise InvalidParameter(
                    f"{log.place}: back up PostgreSQL with pg_dump, which reads one moment of it."
                )
            temporary.unlink(missing_ok=True)
            log.database.back_up(temporary)
        with open_log(temporary, create=False) as copy:
            wrong, last = verify_log(copy), copy.last_seq
            copy.compact()
        if wrong:
            raise DamagedFile(f"{place}: its copy does not hold together: {wrong[0]}")
        temporary.rename(target)
    finally:
        for end in ("", "-wal", "-shm"):
            temporary.with_name(temporary.name + end).unlink(missing_ok=True)
    return last


def forget_user(place: str, user: str) -> str:
    """Give a person of a log a pseudonym for an id, and return it.

    MissingData where nobody has that id; InvalidParameter for the log of a service, whose memory
    and snapshots know the person too.
    """
    with open_log(place, create=False) as log:
        log.database.hold()
        first = next(iter(log.controls(1, 1)), None)
        if first is not None and '"what": "log"' in first.details:
            raise InvalidParameter(
                f"{log.place}: is the log of a service. Ask it while it runs (POST "
                "/v1/users/ID:forget), or name its --data-dir while it does not."
            )
        ids = log.ids("user")
        if user not in ids:
            raise MissingData(f"{log.place}: nobody of that id is in the log.")
        pseudonym = f"forgotten-{uuid.uuid4().hex}"
        log.rename("user", ids.index(user), pseudonym)
        log.compact()
    return pseudonym
