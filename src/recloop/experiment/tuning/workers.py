"""Where trials run: in this process, or in several of their own.

The seam for another engine: whatever has `submit(job)` and gives a `concurrent.futures.Future`
takes the place of `workers`; trials are independent and a job is a small value. What all jobs need
is sent to each process once.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any, Protocol

Run = Callable[[Any], Any]
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_run: Run | None = None


class Workers(Protocol):
    """Takes jobs and gives what comes of them, in any order."""

    def submit(self, job: Any) -> Future[Any]: ...


@contextmanager
def workers(n: int, make: Callable[..., Run], *given: Any) -> Iterator[Workers]:
    """`n` of them; each calls make(*given) once, and the function that it gives for every job.

    n = 1 is this process. More are spawned, with one thread of linear algebra each, and end with
    this process however it ends.
    """
    if n == 1:
        yield _Here(make(*given))
        return
    with _one_thread():
        pool = ProcessPoolExecutor(n, get_context("spawn"), _begin, (make, given))
        try:
            yield _Pool(pool)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Here:
    def __init__(self, run: Run) -> None:
        self._run = run

    def submit(self, job: Any) -> Future[Any]:
        """Done when this returns; what it raises comes out here."""
        future: Future[Any] = Future()
        future.set_result(self._run(job))
        return future


class _Pool:
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, job: Any) -> Future[Any]:
        """Done when a process is."""
        return self._pool.submit(_act, job)


def _begin(make: Callable[..., Run], given: tuple[Any, ...]) -> None:
    """What a new process does first."""
    global _run  # noqa: PLW0603 (a process has one purpose)
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _run = make(*given)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _act(job: Any) -> Any:
    assert _run is not None
    return _run(job)


@contextmanager
def _one_thread() -> Iterator[None]:
    """New processes read these before their first import; this one has long read them."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
