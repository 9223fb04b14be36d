"""Compiled loops: `kernel` is numba's compiler with a cache that cannot go stale.

Numba's cache notices a change in the function's own file only, not in a callee's. Ours therefore
lives in a folder named by a hash of the whole package's source. Folders of other states of the
source are removed when nobody used them for a month. The cache holds pickles, so that a folder that
somebody else could write to is never read.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config

Function = TypeVar("Function", bound=Callable)
UNUSED_SECONDS = 30 * 24 * 3600
_settings: Any = config  # numba sets its attributes while it runs


def kernel(function: Function) -> Function:
    """`function` compiled without the interpreter lock; compiled once per version of the source."""
    return _compiled(function)


def sum_kernel(function: Function) -> Function:
    """A kernel whose sums may be taken in another order, so that they fill vector registers.

    The order is that of the compiled code, the same in every call.
    """
    return _compiled(function, fastmath={"reassoc", "contract", "nsz", "arcp"})


def bare_kernel(function: Function) -> Function:
    """A kernel that makes no arrays: numba then counts no references to those it is given.

    Counting costs two atomic operations for every array and call, more than a small step itself.
    """
    return _compiled(function, _nrt=False)


def kernel_part(function: Function) -> Function:
    """A piece of a bare kernel, copied into its callers: for the few lines that every step runs."""
    options: dict[str, Any] = {"inline": "always", "nogil": True, "_nrt": False}
    return cast(Function, numba.njit(**options)(function))


def _compiled(function: Function, **options: Any) -> Function:
    folder = _cache_folder()
    if folder is None:
        return cast(Function, numba.njit(nogil=True, **options)(function))
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = str(folder)
    try:
        return cast(Function, numba.njit(cache=True, nogil=True, **options)(function))
    finally:
        _settings.CACHE_DIR = before


@cache
def _cache_folder() -> Path | None:
    """Where this state of the source keeps its kernels; None where no folder can be trusted."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent.parent
    for file in sorted(package.rglob("*.py")):
        digest.update(file.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if os.access(base if base.exists() else base.parent, os.W_OK):
        ours = base / "recloop"
    else:
        ours = Path(tempfile.gettempdir()) / f"recloop-{_user_id()}"
        if not _is_private(ours):
            warnings.warn(
                f"{ours}: is not a folder of this user alone, so no compiled code is read from it "
                "and every process compiles anew. Set XDG_CACHE_HOME to a folder of your own.",
                RuntimeWarning,
                stacklevel=2,
            )
            return None
    folder = ours / f"kernels-{digest.hexdigest()[:16]}"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # used now
        _remove_unused(ours, folder)
    return folder


def _user_id() -> int:
    return (
        os.getuid() if hasattr(os, "getuid") else 0
    )  # elsewhere everybody has a TEMP of their own


def _is_private(folder: Path) -> bool:
    """Whether `folder`, made if it is absent, belongs to this user and is closed to all others."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    return found.st_uid == _user_id() and stat.S_IMODE(found.st_mode) & 0o077 == 0


def _remove_unused(ours: Path, current: Path) -> None:
    """Remove the folders of other states of the source that no process used for a month."""
    oldest = time.time() - UNUSED_SECONDS
    for folder in ours.glob("kernels-*"):
        if folder != current and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
