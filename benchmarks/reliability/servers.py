"""Servers of the tests' own: `recloop serve`, or a build with a planted mistake, on loopback."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from recloop.models.bandits.linear import LinUCBRecommender
from recloop.utils.seeding import stream

ROOT = Path(__file__).resolve().parents[2]
ADMIN_KEY = "reliability-admin-key"
TICKS = os.sysconf("SC_CLK_TCK")
START_S = 60.0


class DidNotStart(RuntimeError):
    """The server ended before it listened; `code` and `words` say how."""

    def __init__(self, code: int | None, words: str) -> None:
        super().__init__(f"the server did not start (exit code {code}):\n{words}")
        self.code = code
        self.words = words


class ServerProcess:
    """A server process, started when made.

    arguments: those of `recloop serve`. planted: the name of a build in `planted.py`.
    """

    def __init__(self, *arguments: str, planted: str | None = None) -> None:
        program = ["recloop.cli", "serve"]
        if planted is not None:
            program = ["benchmarks.reliability.planted", planted]
        paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", *program, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "RECLOOP_ADMIN_KEY": ADMIN_KEY,
                "OPENBLAS_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.words: list[str] = []
        self.address = ""
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listens.wait(START_S) or not self.address:
            self.kill()
            raise DidNotStart(self._process.returncode, "".join(self.words))

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.words.append(line)
            _, found, address = line.partition("serves on ")
            if found:
                self.address = address.strip()
                self._listens.set()
        self._listens.set()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """Processor time of the process and of those it started."""
        return sum(_ticks(pid) for pid in _family(self.pid)) / TICKS

    def resident_bytes(self, *, peak: bool = False) -> int:
        """Memory it holds, or the most it ever held."""
        name = "VmHWM:" if peak else "VmRSS:"
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))

    def kill(self) -> None:
        """As by kill -9, or by a machine without memory."""
        self._process.kill()
        self._ended(30.0)

    def terminate(self) -> None:
        """Ask it to stop; see `ended`."""
        self._process.send_signal(signal.SIGTERM)

    def ended(self, seconds: float = 60.0) -> int:
        """Wait for its end; the exit code, -9 if it did not end in time and was killed."""
        try:
            return self._ended(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def stop(self, seconds: float = 60.0) -> int:
        """Ask it to stop and wait; the exit code."""
        self.terminate()
        return self.ended(seconds)

    def _ended(self, seconds: float) -> int:
        code = self._process.wait(seconds)
        self._reader.join(10.0)
        if self._process.stderr is not None:
            self._process.stderr.close()
        return code

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_alive:
            self.kill()


def _ticks(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))  # own and waited-for children's, user and system


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _family(int(child))
    return found


# What is served


def save_bandit(file: Path, *, n_items: int = 1000, width: int = 32, seed: int = 0) -> Path:
    """A LinUCB that has learned a little of every item."""
    model = bandit(n_items=n_items, width=width, seed=seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    model.save(file)
    return file


def bandit(*, n_items: int, width: int, seed: int = 0, rows: int = 2000) -> LinUCBRecommender:
    """See `save_bandit`."""
    from recloop.types import Transitions

    rng = stream(seed, "reliability model")
    model = LinUCBRecommender(n_users=1, n_items=n_items, context_dim=width)
    items = rng.integers(0, n_items, rows)
    contexts = rng.normal(size=(rows, width))
    directions = rng.normal(size=(n_items, width)) / np.sqrt(width)
    rewards = (contexts * directions[items]).sum(1) + 0.1 * rng.normal(size=rows)
    model.update_batch(
        Transitions(
            users=np.zeros(rows, dtype=np.int64), items=items, rewards=rewards, contexts=contexts
        )
    )
    return model


def serve_arguments(folder: Path, model: Path, *settings: str) -> list[str]:
    """Arguments of `recloop serve` for a log and data below `folder`; settings: "key=value"."""
    arguments = ["--run", str(model), "--log", str(folder / "log.db")]
    arguments += ["--data-dir", str(folder / "data"), "--port", "0"]
    for one in ("drain_s=0.5", *settings):
        arguments += ["--set", one]
    return arguments
