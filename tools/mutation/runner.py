"""Runs tests in forked children of one process that has numpy, pandas and pytest loaded already.

A child imports recloop itself, so a changed line at the top of a module counts like any other. It
runs only the tests that reached the changed lines in an unchanged run, the quickest first, and
stops at the first failure.
"""

import gc
import importlib.util
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

MEMORY_LIMIT_BYTES = 8 << 30
GRACE_S = 5.0
SLOWER = 5.0
WAITING = 20.0
PYTEST = ["-q", "--tb=no", "--no-header", "-p", "no:cacheprovider", "-p", "no:faulthandler"]


@dataclass
class Baseline:
    """An unchanged run: who reaches which line, how long each test takes."""

    seconds: dict[str, float]  # test -> duration
    reached: dict[str, dict[int, list[str]]]  # file -> line -> tests
    loaded: list[str] = field(default_factory=list)  # other people's modules
    failed: list[str] = field(default_factory=list)  # without any change; they judge nothing
    problem: str = ""

    def tests(self, file: str, lines: tuple[int, int] | None) -> list[str]:
        """The tests that reach any of `lines`, or all, the quickest first."""
        if lines is None:
            names = set(self.seconds)
        else:
            at = self.reached.get(file, {})
            names = {test for line in range(lines[0], lines[1] + 1) for test in at.get(line, [])}
        sound = (names & self.seconds.keys()).difference(self.failed)
        return sorted(sound, key=lambda test: self.seconds[test])


class Watcher:
    """A pytest plugin: notes durations, and tells coverage which test is running."""

    def __init__(self, cover: Any) -> None:
        self.cover, self.seconds, self.failed = cover, {}, []

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self.cover.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """One of its three phases ended."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.append(report.nodeid)


def measure(root: Path, files: Sequence[str], tests: Sequence[str], scratch: Path) -> Baseline:
    """The baseline of some files under some tests, measured in a child."""
    answer = scratch / "baseline.json"
    answer.unlink(missing_ok=True)

    def child() -> int:
        import coverage
        import pytest

        cover = coverage.Coverage(data_file=None, include=[str(root / file) for file in files])
        cover.start()
        for file in files:
            importlib.import_module(module_name(file))
        watcher = Watcher(cover)
        code = pytest.main([*PYTEST, f"--basetemp={scratch / 'baseline'}", *tests], [watcher])
        cover.stop()
        data = cover.get_data()
        reached = {file: data.contexts_by_lineno(str(root / file)) for file in files}
        problem = f"pytest ended with exit code {int(code)}" if code > 1 else ""
        loaded = [name for name, module in list(sys.modules.items()) if _is_installed(module)]
        found = [watcher.seconds, reached, loaded, watcher.failed, problem]
        answer.write_text(json.dumps(found))
        return int(code)

    for _ in forked([("baseline", child, 1800.0)], 1, log=scratch / "baseline.log"):
        pass
    if not answer.exists():
        return Baseline({}, {}, problem=f"the run did not finish; see {scratch / 'baseline.log'}")
    seconds, reached, loaded, failed, problem = json.loads(answer.read_text())
    lines = {file: {int(line): at for line, at in by.items()} for file, by in reached.items()}
    return Baseline(seconds, lines, loaded, failed, problem)


def _is_installed(module: Any) -> bool:
    return "site-packages" in str(getattr(module, "__file__", "") or "")


def preload(names: Iterable[str]) -> None:
    """Import other people's modules once, for all children."""
    for name in names:
        if name.split(".")[0] not in ("coverage", "recloop"):
            with suppress(BaseException):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()


def module_name(file: str) -> str:
    """The import name of a file below src."""
    return file.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class _Changed(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _Finder:
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        self._name, self._loader = name, _Changed(name, path, code)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._loader.path, loader=self._loader)


def tests_with(root: Path, file: str, code: str, tests: Sequence[str], scratch: Path) -> int:
    """pytest's exit code with `code` in the place of `file`; called in a child."""
    import pytest

    changed = compile(code, str(root / file), "exec")
    sys.meta_path.insert(0, _Finder(module_name(file), str(root / file), changed))
    return int(pytest.main([*PYTEST, "-x", f"--basetemp={scratch / str(os.getpid())}", *tests]))


Job = tuple[str, Callable[[], int], float]


def forked(jobs: Iterable[Job], n_at_once: int, log: Path | None = None) -> Iterator[Any]:
    """(name, exit code or "timeout", seconds) of each job (name, act, limit in seconds).

    The limit is one of processor time, so that a busy machine kills no mutant; a child that waits
    for ever is ended after twenty times as long.
    """
    waiting, running = iter(jobs), {}
    while True:
        while len(running) < n_at_once and (job := next(waiting, None)):
            name, act, limit_s = job
            running[_fork(act, limit_s, log)] = (name, time.monotonic(), WAITING * limit_s)
        if not running:
            return
        for pid, (name, began, limit_s) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            late = time.monotonic() - began > limit_s
            if not done and late:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            if done or late:
                del running[pid]
                code = os.waitstatus_to_exitcode(status) if done else "timeout"
                code = "timeout" if code == -signal.SIGXCPU else code
                yield name, code, time.monotonic() - began
        time.sleep(0.002)


def _fork(act: Callable[[], int], limit_s: float, log: Path | None) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        with suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    code = 70
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1, int(limit_s) + 2))
        target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(target, stream)
        code = act()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
    finally:
        os._exit(code)
