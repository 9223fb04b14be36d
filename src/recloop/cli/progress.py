"""Progress on stderr: a bar with rate and remaining time for each model, quiet in CI."""

import sys
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from recloop.experiment.training import Silent


class Bars(Silent):
    """Draws a bar for each model; use as a context manager."""

    def __init__(self, doing: str = "training") -> None:
        self._doing = doing
        self._console = Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[seen]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def begin(self, name: str, n_rounds: int) -> None:
        """Add a bar; without a terminal, print one line."""
        self._tasks[name] = self._progress.add_task(name, total=n_rounds, seen="", rate="")
        if not self._console.is_terminal:
            print(f"{self._doing} {name}", file=sys.stderr)

    def advance(self, name: str, n_done: int, values: dict[str, Any]) -> None:
        """Move a bar, with its rate and the last values seen."""
        task = self._progress.tasks[self._progress.task_ids.index(self._tasks[name])]
        rate = f"{task.speed:.1f}/s" if task.speed else ""
        shown = [k for k in values if k.startswith("validation_")] or ["mean_reward"]
        seen = " ".join(f"{k}={values[k]:.4f}" for k in shown[:1] if k in values)
        self._progress.update(task.id, completed=n_done, seen=seen, rate=rate)

    def note(self, text: str) -> None:
        """Print a remark above the bars."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)
