"""What a test required and what it found, as lines that a person can read."""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


class Report:
    """The figures of one test, and whether what is required was kept."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.lines: list[str] = []
        self.broken: list[str] = []
        self._began = time.monotonic()

    def figure(self, name: str, value: object) -> None:
        """Something worth knowing that is not required."""
        self.lines.append(f"        {name}: {_text(value)}")

    def require(self, name: str, got: object, kept: bool, allowed: str) -> None:
        """Something that must be so."""
        self.lines.append(f"  {'pass' if kept else 'FAIL'}  {name}: {_text(got)} ({allowed})")
        if not kept:
            self.broken.append(name)

    def equal(self, name: str, got: object, expected: object) -> None:
        """Something that must be exactly so."""
        self.require(name, got, got == expected, f"must be {_text(expected)}")

    def at_most(self, name: str, got: float, limit: float) -> None:
        """Something with a limit."""
        self.require(name, got, got <= limit, f"at most {_text(limit)}")

    def at_least(self, name: str, got: float, limit: float) -> None:
        """Something of which there must be enough."""
        self.require(name, got, got >= limit, f"at least {_text(limit)}")

    @property
    def kept(self) -> bool:
        """Whether everything required was so."""
        return not self.broken

    def text(self) -> str:
        """All lines, the verdict last."""
        verdict = "pass" if self.kept else f"FAIL: {', '.join(self.broken)}"
        took = time.monotonic() - self._began
        return "\n".join([self.title, *self.lines, f"{verdict} ({took:.0f} s)"])


def _text(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


@contextmanager
def scratch(folder: str | None = None) -> Iterator[Path]:
    """A folder that is removed at the end, on a disk and not in memory where there is a choice."""
    with tempfile.TemporaryDirectory(prefix="reliability-", dir=folder) as name:
        yield Path(name)


def parser(text: str | None) -> argparse.ArgumentParser:
    """Options that every script has."""
    made = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--folder", help="where to put temporary files (a real disk)")
    made.add_argument("--planted", action="store_true", help="run the builds with a mistake")
    return made


def conclude(
    options: argparse.Namespace, clean: Callable[[], Report], *planted: Callable[[], Report]
) -> int:
    """Run and print; 0 if the clean build keeps what is required and each planted one does not."""
    print(machine(), flush=True)
    failed = False
    for measure in planted if options.planted else (clean,):
        report = measure()
        print(report.text(), flush=True)
        if options.planted:
            print("found, as it must be" if report.broken else "NOT FOUND: the test has no teeth")
        failed |= report.kept if options.planted else not report.kept
    return int(failed)


def machine() -> str:
    """Where the figures come from."""
    return (
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, "
        f"{os.cpu_count()} cores, {sys.platform}, load {os.getloadavg()[0]:.1f}"
    )
