"""Compiled loops: `kernel` is numba's compiler with a cache that cannot go stale.

Numba's cache notices a change in the function's own file only, not in a callee's. Ours therefore
lives in a folder named by a hash of the whole package's source.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config

Function = TypeVar("Function", bound=Callable)
_settings: Any = config  # numba sets its attributes while it runs


def kernel(function: Function) -> Function:
    """`function` compiled without the interpreter lock; compiled once per version of the source."""
    return _compiled(function)


def bare_kernel(function: Function) -> Function:
    """A kernel that makes no arrays: numba then counts no references to those it is given.

    Counting costs two atomic operations for every array and call, more than a small step itself.
    """
    return _compiled(function, _nrt=False)


def kernel_part(function: Function) -> Function:
    """A piece of a bare kernel, copied into its callers: for the few lines that every step runs."""
    return cast(Function, numba.njit(inline="always", nogil=True, _nrt=False)(function))


def _compiled(function: Function, **options: Any) -> Function:
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = str(_cache_folder())
    try:
        return cast(Function, numba.njit(cache=True, nogil=True, **options)(function))
    finally:
        _settings.CACHE_DIR = before


@cache
def _cache_folder() -> Path:
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent.parent
    for file in sorted(package.rglob("*.py")):
        digest.update(file.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not os.access(base if base.exists() else base.parent, os.W_OK):
        base = Path(tempfile.gettempdir())
    return base / "recloop" / f"kernels-{digest.hexdigest()[:16]}"
