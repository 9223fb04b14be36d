"""Every error recloop raises on purpose.

    RecloopError
    ├── InvalidParameter   (ValueError)         an argument outside what is allowed
    ├── UnknownName        (ValueError)         a name that is in no table; carries the nearest one
    ├── InvalidData        (ValueError)         a file or frame that cannot be read as it stands
    │   └── Leakage        (ValueError)         a split in which the test part reaches into training
    ├── MissingData        (FileNotFoundError)  a file or folder that is not there
    ├── InvalidConfig      (ValueError)         a configuration key or value, with file and line
    ├── DamagedFile        (ValueError)         checksum, type, version or shape differs
    ├── RunFolderInUse     (FileExistsError)    the folder holds a run of another configuration
    │   └── RunFolderBusy  (FileExistsError)    another process is writing its run into the folder
    ├── NotWritable        (OSError)            a file or folder that cannot be written
    ├── LogUnavailable     (OSError)            the decision log cannot be read or written now
    ├── WorkerLost         (RuntimeError)       a process that worked for this one was killed
    └── MissingExtra       (ImportError)        an optional dependency is not installed

Each class is also the builtin one would catch. Messages say who, what is allowed, what was got,
and what to do next.
"""


class RecloopError(Exception):
    """Base of all errors that recloop raises on purpose."""


class InvalidParameter(RecloopError, ValueError):
    """An argument is outside what is allowed."""


class UnknownName(RecloopError, ValueError):
    """A name that is in no table; the message carries the nearest known one."""


class InvalidData(RecloopError, ValueError):
    """A file or frame cannot be read as it stands; the message names row, column and value."""


class Leakage(InvalidData):
    """The test part of a split reaches into what the model may learn from."""


class MissingData(RecloopError, FileNotFoundError):
    """A file or folder that is needed is not there."""


class InvalidConfig(RecloopError, ValueError):
    """A configuration key or value is wrong; the message names file, line and key."""


class DamagedFile(RecloopError, ValueError):
    """A stored file is not what was written: checksum, type, version or shape differ."""


class RunFolderInUse(RecloopError, FileExistsError):
    """The folder holds a run of another configuration."""


class RunFolderBusy(RunFolderInUse):
    """Another process is writing its run into the folder."""


class NotWritable(RecloopError, OSError):
    """A file or folder cannot be written; the message names it and says why."""


class LogUnavailable(RecloopError, OSError):
    """The decision log cannot be read or written now: locked, disk full, or its server is away."""


class WorkerLost(RecloopError, RuntimeError):
    """A process that worked for this one is gone; the message says what is left and what to do."""


class MissingExtra(RecloopError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
