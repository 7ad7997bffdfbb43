"""The record of a benchmark sample, which `evals` writes and the web page reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from documents.errors import DataError


@dataclass(frozen=True, slots=True)
class Record:
    """One sample as one method did it.

    ``evidence`` and ``cited`` rows are document id, start, end. ``answer`` is None where no
    reasoner was asked. ``threshold`` is the least score kept where that and no ``budget`` (0)
    set the limit. ``scores`` are the task's measures and evidence kept. ``error`` says why
    there are none. Times are seconds, sizes tokens of the reasoner's tokenizer.
    """

    task: str
    sample: str
    method: str
    budget: int
    threshold: float
    question: str
    gold: tuple[str, ...]
    tags: Mapping[str, str | int | float]
    evidence: tuple[tuple[str, int, int], ...] = ()
    context_tokens: int = 0
    source_tokens: int = 0
    answer: str | None = None
    verdict: str = ""
    cited: tuple[tuple[str, int, int, bool], ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    select_s: float = 0.0
    first_token_s: float = 0.0
    total_s: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    seed: int = 0
    reasoner: str = ""
    settings_hash: str = ""
    commit: str = ""
    machine: str = ""

    @property
    def key(self) -> tuple[str, str, str, int, float, str, int]:
        """What is done once: task, sample, method, budget, threshold, reasoner, seed."""
        return (
            self.task, self.sample, self.method, self.budget, self.threshold, self.reasoner,
            self.seed,
        )  # fmt: skip

    def line(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read_records(path: Path) -> Iterator[Record]:
    """The records of a JSONL file, packed (``.gz``) or not; a last line that was cut off by a
    kill is left out."""
    try:
        with _opened(path) as stream:
            for number, line in enumerate(stream, 1):
                if line.endswith("\n"):
                    yield _record(line, path, number)
    except (OSError, EOFError) as error:  # the latter of a packed file that was cut off
        raise DataError(
            f"{path} cannot be read: {getattr(error, 'strerror', '') or error}.", "Run evals first."
        ) from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _record(line: str, path: Path, number: int) -> Record:
    try:
        row: dict[str, Any] = json.loads(line)
        for name in ("gold", "evidence", "cited"):
            row[name] = tuple(tuple(x) if isinstance(x, list) else x for x in row[name])
        return Record(**row)
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}, line {number}: not a record ({error}).", "Remove the file and run again."
        ) from error
