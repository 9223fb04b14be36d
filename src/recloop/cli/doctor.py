"""`recloop doctor`: what this installation can do, and what is missing."""

import json
import os
import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop import __version__
from recloop.cli.options import Json
from recloop.errors import InvalidParameter, RecloopError

LEAST_FREE = 500_000_000

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


def doctor(
    as_json: Json = False,
    service: Annotated[
        str | None,
        typer.Option(
            "--service", help="Ask a running service alone, such as http://127.0.0.1:8000."
        ),
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", help="Look at the log of a service too.")
    ] = None,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Its snapshots.")] = Path("serving"),
) -> None:
    """Show versions, extras, threads, whether the compiler works, and how a service does.

    Exit code 1 where something is broken.
    """
    if service is not None:
        raise SystemExit(0 if _answers(service) else 1)
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
    if log is not None:
        found["service"] = state_of_service(log, data_dir)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    broken = list(found.get("service", {}).get("problems", []))
    broken += [name for name, seen in found["core"].items() if seen is None]
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
    for name, seen in found.get("service", {}).items():
        if name != "problems":
            shown = f"{seen:,.0f}" if isinstance(seen, int | float) else seen
            print(f"  {name:<18} {'-' if seen is None else shown}")
    for problem in found.get("service", {}).get("problems", []):
        print(f"  PROBLEM: {problem}")
    print(
        "  compiled kernels "
        + (
            "agree with plain Python"
            if found["compiled_kernels"]
            else "DISAGREE with plain Python: do not trust results here"
        )
    )


def _answers(address: str) -> bool:
    """Whether a service says that it is ready; what it says is printed."""
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    if not address.startswith(("http://", "https://")):
        raise InvalidParameter(f"--service: must begin with http:// or https://, got '{address}'.")
    try:
        with urlopen(f"{address.rstrip('/')}/health/ready", timeout=3) as answer:
            said = json.loads(answer.read(10_000))
    except HTTPError as error:
        said = json.loads(error.read(10_000) or b"{}")
    except (URLError, TimeoutError, OSError, ValueError) as error:
        print(f"{address}: no answer ({error}).")
        return False
    print(f"{address}: {said.get('status', 'unknown')} {said.get('reason', '')}".rstrip())
    return said.get("status") == "ready"


def state_of_service(place: str, data_dir: Path) -> dict[str, Any]:
    """What can be seen of a service from its files: log, room on the disk, keys, snapshots."""
    from recloop.decisions import open_log

    found: dict[str, Any] = {"log": place, "problems": []}
    try:
        with open_log(place, create=False) as log:
            found |= {"last_seq": log.last_seq, "log_bytes": log.database.n_bytes()}
    except (RecloopError, OSError) as error:
        found["problems"].append(str(error))
    if "://" not in place:
        folder = Path(place).resolve().parent
        free = shutil.disk_usage(folder if folder.is_dir() else Path.cwd()).free
        found["disk_free_bytes"] = free
        if free < LEAST_FREE:
            found["problems"].append(f"{folder}: {free / 1e6:,.0f} MB free.")
    for name in ("RECLOOP_API_KEY", "RECLOOP_ADMIN_KEY"):
        length = len(os.environ.get(name, ""))
        found[name] = "not set" if not length else "set" if length >= 16 else "too short"
        if found[name] == "too short":
            found["problems"].append(f"{name}: must have at least 16 characters.")
    folders = sorted(data_dir.glob("snapshots/[0-9]*"))
    found["newest_snapshot"] = int(folders[-1].name) if folders else None
    found["snapshot_age_s"] = time.time() - folders[-1].stat().st_mtime if folders else None
    return found


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
