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
from typing import TypeVar

import numba

Function = TypeVar("Function", bound=Callable)


def kernel(function: Function) -> Function:
    """`function` compiled without the interpreter lock; compiled once per version of the source."""
    before = numba.config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue]
    numba.config.CACHE_DIR = str(_cache_folder())  # pyright: ignore[reportAttributeAccessIssue]
    try:
        return numba.njit(cache=True, nogil=True)(function)
    finally:
        numba.config.CACHE_DIR = before  # pyright: ignore[reportAttributeAccessIssue]


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
