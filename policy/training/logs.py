"""The log of a run: ``log.jsonl`` for machines and a TensorBoard file beside it.

A run that goes on from a checkpoint forgets what was logged after it, in both: those steps are
taken again, and a curve has each step once.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from documents.errors import SettingsError


class Log:
    """Appends to ``folder/log.jsonl`` and ``folder/tensorboard/`` from step ``first`` on."""

    def __init__(self, folder: Path, first: int = 0) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise SettingsError(
                "Training writes TensorBoard files, and tensorboard is not installed.",
                "Run: pip install 'longdoc[train]'",
            )
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "log.jsonl"
        kept = [row for row in read_log(path) if row["step"] <= first]
        fresh = path.with_name("log.new")
        fresh.write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")
        fresh.replace(path)
        self._lines = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line, on the disk when this returns to the system, and one point a curve."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish both files."""
        self._lines.close()
        self._board.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a ``log.jsonl``. A last line that a kill cut short counts for nothing."""
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n") and line.strip()]
