"""`recloop doctor`: what this installation can do, and what is missing."""

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version

from recloop import __version__
from recloop.cli.options import Json

EXTRAS = {
    "demo": ["streamlit"],
    "tune": ["optuna"],
    "serve": ["fastapi", "uvicorn"],
    "torch": ["torch"],
    "postgres": ["sqlalchemy", "psycopg"],
}
CORE = [
    "numpy",
    "scipy",
    "numba",
    "pandas",
    "pyarrow",
    "pydantic",
    "implicit",
    "plotly",
    "rich",
    "apsw",
]


def doctor(as_json: Json = False) -> None:
    """Show versions, extras, threads, and whether the compiler works."""
    found = {
        "recloop": __version__,
        "python": sys.version.split()[0],
        "core": {name: _version(name) for name in CORE},
        "extras": {
            extra: {name: _version(name) for name in names} for extra, names in EXTRAS.items()
        },
        "cpu_count": os.cpu_count(),
        "compiled_kernels": _kernels_agree(),
    }
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    broken = [name for name, seen in found["core"].items() if seen is None]
    if broken or not found["compiled_kernels"]:
        raise SystemExit(1)


def _print(found: dict) -> None:
    print(f"recloop {found['recloop']}, Python {found['python']}, {found['cpu_count']} cores")
    for name, seen in found["core"].items():
        print(f"  {name:<12} {seen or 'MISSING: reinstall recloop'}")
    for extra, names in found["extras"].items():
        missing = [name for name, seen in names.items() if seen is None]
        state = f"no (pip install 'recloop[{extra}]')" if missing else "yes"
        print(f"  [{extra}]".ljust(15) + state)
    print(
        "  compiled kernels "
        + (
            "agree with plain Python"
            if found["compiled_kernels"]
            else "DISAGREE with plain Python: do not trust results here"
        )
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _kernels_agree() -> bool:
    import numpy as np

    from recloop.utils.topk import top_k

    scores = np.array([[3.0, 1.0, 3.0, 2.0]])
    return top_k(scores, 3).tolist() == [[0, 2, 3]]
