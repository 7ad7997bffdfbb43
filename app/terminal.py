"""What the commands write: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

SLOW_S = 1.0
"""Work is shown once it takes longer than this."""


def write(text: str) -> None:
    """A line of result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A line beside the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def write_json(value: Any) -> None:
    """A result for machines, on one line."""
    write(json.dumps(value, ensure_ascii=False))


class Bars:
    """Progress bars, one per stage, on a terminal; plain lines where stderr is not one.

    Calling it is a `documents.Progress`."""

    def __init__(self, *, bytes_: bool = False) -> None:
        count: ProgressColumn = DownloadColumn() if bytes_ else MofNCompleteColumn()
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            count,
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hide()

    def __call__(self, stage: str, done: int, total: int) -> None:
        began = self._began.setdefault(stage, time.monotonic())
        if time.monotonic() - began < SLOW_S:
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total or None)
            if self._console.is_terminal:
                self._progress.start()
            else:
                self._console.print(f"{stage} …", highlight=False)
        self._progress.update(self._tasks[stage], completed=done, total=total or None)
        if total and done >= total:
            self._progress.remove_task(self._tasks.pop(stage))
            self._began.pop(stage, None)

    def hide(self) -> None:
        """Clear the bars, so that text can stream."""
        if self._console.is_terminal:  # elsewhere rich would write an empty line
            self._progress.stop()
