"""A server of the tests' own: `recloop serve` in a process, or a build with a planted mistake."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[3]
API_KEY, ADMIN_KEY = "an-application-of-tests", "an-administrator-of-tests"
START_S = 60.0
ADDRESS = re.compile(r"serves on (http://[\d.]+:\d+)")


class ServerProcess:
    """A server on loopback, started in `folder` when made, and stopped at the end of `with`.

    arguments: those of `recloop serve`, after --example and --port 0. planted: see `planted.py`.
    """

    def __init__(
        self, folder: Path, *arguments: str, planted: str | None = None, keys: bool = True
    ) -> None:
        program = ["recloop.cli"] if planted is None else ["serving.http.planted", planted]
        paths = [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1",
        }  # fmt: skip
        if keys:
            environment |= {"RECLOOP_API_KEY": API_KEY, "RECLOOP_ADMIN_KEY": ADMIN_KEY}
        self._process = subprocess.Popen(
            [sys.executable, "-m", *program, "serve", "--example", "--port", "0", *arguments],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.lines: list[str] = []
        self.address = ""
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._listens.wait(START_S)
        if not self.address:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the server did not start:\n{''.join(self.lines)}")

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            found = ADDRESS.search(line)
            if found:
                self.address = found[1]
                self._listens.set()
        self._listens.set()

    @property
    def words(self) -> str:
        """All that it wrote so far."""
        return "".join(self.lines)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def resident_bytes(self) -> int:
        """Memory that it holds."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(60)
        finally:
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        if self._process.stderr is not None:
            self._process.stderr.close()
        return code

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
