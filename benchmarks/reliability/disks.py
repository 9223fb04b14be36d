"""Disks with a fault, as VFSs of SQLite.

`Disk`: its power can be cut: what was not forced to it is lost, or half of it is. It remembers each
file as it was at its last sync, and the writes since then. `SlowDisk`: takes its time to sync.
"""

import time
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np


class Disk(apsw.VFS):
    """Files under one folder; `cut` writes what would be left of them into another one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.safe: dict[str, bytes] = {}
        self.pending: dict[str, list[tuple[int, bytes | int]]] = {}
        self.watch: Callable[[], None] = lambda: None  # called after every write and sync
        super().__init__(name, "")

    def xOpen(self, name, flags):
        return File(self, name, flags)

    def xDelete(self, filename, syncdir):
        super().xDelete(filename, syncdir)
        self.safe.pop(filename, None)
        self.pending.pop(filename, None)

    def cut(self, folder: Path, rng: np.random.Generator) -> None:
        """What a machine would find: all that was synced, and any part of the rest."""
        for name in {*self.safe, *self.pending}:
            data = bytearray(self.safe.get(name, b""))
            keep = rng.random() < 0.5
            for offset, change in self.pending.get(name, []):
                if not keep or rng.random() < 0.5:
                    continue
                if isinstance(change, int):
                    del data[change:]
                    continue
                kept = change[: len(change) // 2] if rng.random() < 0.3 else change  # torn
                data.extend(bytes(max(0, offset + len(kept) - len(data))))
                data[offset : offset + len(kept)] = kept
            (folder / Path(name).name).write_bytes(bytes(data))


class File(apsw.VFSFile):
    """A file that tells its disk what is done to it."""

    def __init__(self, disk: Disk, name, flags) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__("", name, flags)

    def xWrite(self, data, offset):
        super().xWrite(data, offset)
        self._disk.pending.setdefault(self._name, []).append((offset, bytes(data)))
        self._disk.watch()

    def xTruncate(self, newsize):
        super().xTruncate(newsize)
        self._disk.pending.setdefault(self._name, []).append((0, newsize))

    def xSync(self, flags):
        super().xSync(flags)
        self._disk.safe[self._name] = Path(self._name).read_bytes()
        self._disk.pending[self._name] = []
        self._disk.watch()


class SlowDisk(apsw.VFS):
    """The disk that all logs of the process are on from now on; each sync takes `seconds`."""

    def __init__(self, name: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(name, "unix", makedefault=True)

    def xOpen(self, name, flags):
        return SlowFile(self.seconds, name, flags)


class SlowFile(apsw.VFSFile):
    """A file on a slow disk."""

    def __init__(self, seconds: float, name, flags) -> None:
        self._seconds = seconds
        super().__init__("unix", name, flags)

    def xSync(self, flags):
        time.sleep(self._seconds)
        super().xSync(flags)
