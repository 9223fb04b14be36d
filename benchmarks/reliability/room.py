"""A folder whose disk can be filled and emptied again, without touching the disk of the machine.

With the right to mount, a small file system in memory: the error is the true one, no space left on
device. Without it, the limit of the server's file sizes: the kernel refuses writes beyond it.
"""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.reliability.servers import ServerProcess

SIZE_MB = 48
BALLAST = "ballast"


class MountedRoom:
    """A file system of `SIZE_MB` in memory."""

    kind = "a file system of its own"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: ServerProcess) -> None:
        """Leave no byte."""
        with suppress(OSError), (self.folder / BALLAST).open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self, server: ServerProcess) -> None:
        """Give the room back."""
        (self.folder / BALLAST).unlink()


class LimitedRoom:
    """A limit of the server's files: none may grow beyond the largest one there is."""

    kind = "a limit of file sizes"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: ServerProcess) -> None:
        """No file of the log may grow any more."""
        largest = max(file.stat().st_size for file in self.folder.glob("log.db*"))
        self._limit(server, largest)

    def free(self, server: ServerProcess) -> None:
        """As it was."""
        self._limit(server, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(server: ServerProcess, size: int) -> None:
        hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def small_room(folder: Path, *, may_mount: bool = True) -> Iterator[MountedRoom | LimitedRoom]:
    """A room below `folder`, mounted where that is permitted."""
    place = folder / "room"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(place)]
    if may_mount and os.geteuid() == 0:
        with suppress(OSError):
            if not subprocess.run(mount, capture_output=True, check=False).returncode:
                try:
                    yield MountedRoom(place)
                finally:
                    subprocess.run(["umount", "-l", str(place)], check=True)
                return
    yield LimitedRoom(place)
