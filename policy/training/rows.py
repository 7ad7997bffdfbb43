"""A training prompt, in the fields of DocQA-RL-1.6K, and files of them.

QwenLong-L1's data set (arXiv 2505.17667, section 4.1) has the columns ``prompt`` (a chat),
``data_source``, ``reward_model`` with ``ground_truth``, and ``extra_info``. longdoc's own prompts
are written in the same columns, so that one reader serves both. The column names come from the
released code; the published file itself was not at hand.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from documents.errors import DataError
from documents.storage import drop_cut_line
from policy.parsing import parse_answer
from policy.rewards import Kind
from policy.values import Message

FIELDS = "prompt, data_source, reward_model.ground_truth, extra_info"
_LETTER = re.compile(r"[Tt]he correct answer is\s*\(?([A-D])\b")


@dataclass(frozen=True)
class Row:
    """A prompt with what its answer is scored against. ``extra`` is the column ``extra_info``."""

    messages: tuple[Message, ...]
    source: str
    golds: tuple[str, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Which rule scores it: by a part of the source's name, as the released code does."""
        if "long_toc_choices" in self.source:
            return "choice"
        return "number" if "docmath" in self.source.lower() else "qa"

    @property
    def key(self) -> str:
        """What names the question; twins share it."""
        return str(self.extra.get("index", ""))

    def columns(self) -> dict[str, Any]:
        """The row as it is written. More than one gold answer stands in ``extra_info``."""
        return {
            "prompt": [dict(message) for message in self.messages],
            "data_source": self.source,
            "reward_model": {"style": "rule", "ground_truth": f"the answer is {self.golds[0]}"},
            "extra_info": {**self.extra, "golds": list(self.golds)},
        }


def read_rows(path: Path) -> list[Row]:
    """The rows of a ``.jsonl`` file, or of a ``.parquet`` file where pyarrow is installed."""
    columns = _parquet(path) if path.suffix == ".parquet" else _jsonl(path)
    rows = [_row(found, f"{path}, row {number}") for number, found in enumerate(columns, 1)]
    if not rows:
        raise DataError(f"{path} has no rows.", "Make the data again.")
    return rows


def kept_rows(path: Path) -> list[Row]:
    """The rows of a file that is appended to, if it has any; a last line cut short by a kill is
    dropped, to be made again."""
    drop_cut_line(path)
    return read_rows(path) if path.exists() and path.stat().st_size else []


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write a ``.jsonl`` file, put in place whole; returns how many rows it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    written = 0
    with fresh.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row.columns(), ensure_ascii=False) + "\n")
            written += 1
    fresh.replace(path)
    return written


def _jsonl(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except ValueError as error:
                        raise DataError(
                            f"{path}, line {number}: not JSON: {error}", "One object a line."
                        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}",
            "Make it: longdoc train policy-data --config policy/training/data.toml",
        ) from error


def _parquet(path: Path) -> Iterator[Any]:
    if importlib.util.find_spec("pyarrow") is None:
        raise DataError(
            f"{path} is parquet, which needs pyarrow.",
            "Run: pip install pyarrow. Or write the same columns as JSONL.",
        )
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}", "Fetch the file again.") from error
    yield from table.to_pylist()


def _row(found: Any, where: str) -> Row:
    try:
        messages = tuple(
            {"role": str(turn["role"]), "content": str(turn["content"])} for turn in found["prompt"]
        )
        source = str(found["data_source"])
        truth = found["reward_model"]["ground_truth"]
        extra = dict(found.get("extra_info") or {})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where}: lacks a column or has a wrong one: {type(error).__name__} {error}",
            f"Columns: {FIELDS}.",
        ) from error
    golds = tuple(str(gold) for gold in extra.pop("golds", None) or _golds(truth))
    if not messages or not any(gold.strip() for gold in golds):
        raise DataError(f"{where}: no prompt or no answer.", f"Columns: {FIELDS}.")
    return Row(messages, source, golds, extra)


def _golds(truth: Any) -> Sequence[str]:
    """The published truth holds the answer's phrase, and is read as an answer is."""
    told = truth if isinstance(truth, list | tuple) else [truth]
    return [_gold(str(one)) for one in told if one is not None]


def _gold(text: str) -> str:
    if letters := _LETTER.findall(text.replace("*", "")):
        return str(letters[-1])
    return parse_answer(text).final or text.strip()
