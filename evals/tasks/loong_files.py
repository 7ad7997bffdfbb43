"""Loong's files in their official layout: rows, documents, their order and packing.

``loong.jsonl`` (or ``loong_dev.jsonl``) beside ``doc/`` or ``doc.tar.gz`` with
``financial/*.txt``, ``paper/*.md`` and, where it can be had, ``legal/legal.json``.
"""

from __future__ import annotations

import atexit
import json
import random
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from documents.errors import DataError
from evals.tasks.rows import Row, absent, field, first_there, read_rows

SEED = 1_000_000_007
"""The seed of the published shuffles, drawn from in one stream over all rows."""

LINKS_TRIGGER = "阅读以上判决文书，我将给你若干份判决结果："
"""Stands in the question of a link-the-links row, whose verdicts must not be shown."""


@dataclass(frozen=True, slots=True)
class Text:
    """A document as it is put into the prompt: its header line, then its text."""

    name: str
    title: str
    text: str

    @property
    def packed(self) -> str:
        """The characters that the published code packs and counts."""
        return f"{self.text}\n\n"


class LoongFiles:
    """The rows and documents under one folder. ``as_published`` keeps the flaws of the released
    code: EN filings are headed by the end of their file name ("n", "j") and not by the company,
    and link-the-links shows the verdicts it asks for (the released code looks for the trigger in
    the instruction, where it never stands)."""

    def __init__(self, root: Path, *, as_published: bool = True) -> None:
        self.path = first_there([root / "loong.jsonl", root / "loong_dev.jsonl"])
        self.rows = read_rows(self.path)
        self._docs = _documents(root)
        self._names = {kind: _names(self._docs / kind) for kind in ("financial", "paper")}
        self._as_published = as_published

    def has(self, row: Row) -> bool:
        """Whether the row's documents are there: the legal ones are not published with the
        rest."""
        if row["type"] == "legal":
            return (self._docs / "legal" / "legal.json").is_file()
        return all(self._file(row, name) is not None for name in row["doc"])

    def texts(self, row: Row) -> list[Text]:
        """The row's documents in its own order. Raises `DataError` where one is absent."""
        return [self._text(row, name, at) for at, name in enumerate(row["doc"])]

    def _text(self, row: Row, name: str, at: int) -> Text:
        if row["type"] == "legal":
            return self._judgment(row, name, at)
        path = self._file(row, name)
        if path is None:
            raise absent(self._docs / str(row["type"]) / name)
        content = _read(path)
        if row["type"] == "paper":
            title = content.split("\n", 1)[0].strip("#").strip()
            return Text(name, title, f"{title}\n{content}")
        title = path.stem.rsplit("-", 1)[-1]
        if not self._as_published:
            title = path.stem if row["level"] == 4 else name
        return Text(name, title, f"《{title}》\n{content}")

    def _judgment(self, row: Row, name: str, at: int) -> Text:
        judgments = _judgments(self._docs / "legal" / "legal.json")
        if name not in judgments:
            raise DataError(f"legal.json: no judgment {name!r}.", "Download it again.")
        content = judgments[name]["content"]
        looked_in = row["instruction"] if self._as_published else row["question"]
        if not (row["level"] == 4 and LINKS_TRIGGER in looked_in):
            content += judgments[name]["result"]
        title = f"判决文书{at + 1}"
        return Text(name, title, f"《{title}》\n{content}")

    def _file(self, row: Row, name: str) -> Path | None:
        """The first file that matches, by name: the released code takes the file system's
        first, which differs from machine to machine."""
        if row["type"] == "paper":
            path = self._docs / "paper" / name
            return path if name in self._names["paper"] else None
        part = name if row["level"] == 4 else f"2024-{name}"
        found = (n for n in self._names["financial"] if part in n and n.endswith(".txt"))
        first = next(found, None)
        return self._docs / "financial" / first if first else None


def arranged(
    files: LoongFiles, max_tokens: int | None, count: Callable[[str], int]
) -> Iterator[tuple[int, ...]]:
    """For each row, in order, the places (in ``row["doc"]``) of the documents that are packed,
    shuffled as published: financial ones before packing, all but legal ones after it.

    A document is left out whole if template, documents packed and it pass ``max_tokens``; later
    shorter ones may still fit. None packs all, and reads no document. ``count`` is the
    reasoner's tokenizer, where the publication has gpt-3.5-turbo's.
    """
    rng = random.Random(SEED)
    counted: dict[str, int] = {}

    def tokens(text: Text) -> int:
        if text.text not in counted:
            counted[text.text] = count(text.packed)
        return counted[text.text]

    for row in files.rows:
        order = list(range(len(field(row, "doc", files.path))))
        shuffled = row.get("shuffle_doc", True)
        if shuffled and row["type"] == "financial":
            rng.shuffle(order)
        if max_tokens is not None and files.has(row):
            order = _packed(order, files.texts(row), max_tokens - _template(row, count), tokens)
        if shuffled:
            rng.shuffle(order)
        yield tuple(order)


def filled(row: Row, docs: str) -> str:
    """The row's template with ``docs`` in place of ``{docs}``."""
    text = str(row["prompt_template"]).replace("{question}", row["question"])
    return text.replace("{instruction}", row["instruction"]).replace("{docs}", docs)


def _packed(
    order: Sequence[int], texts: Sequence[Text], room: int, tokens: Callable[[Text], int]
) -> list[int]:
    kept: list[int] = []
    for at in order:
        if tokens(texts[at]) <= room:
            room -= tokens(texts[at])
            kept.append(at)
    return kept


def _template(row: Row, count: Callable[[str], int]) -> int:
    return count(filled(row, ""))


def _documents(root: Path) -> Path:
    """The documents' folder; a tar file is unpacked once a process, and removed at its end."""
    if (root / "doc").is_dir():
        return root / "doc"
    return _unpacked(first_there([root / "doc.tar.gz", root / "doc.tar"])) / "doc"


@cache
def _unpacked(path: Path) -> Path:
    target = Path(tempfile.mkdtemp(prefix="longdoc-loong-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    try:
        with tarfile.open(path) as tar:
            tar.extractall(target, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path}: cannot be unpacked: {error}.", "Download it again.") from error
    return target


def _names(folder: Path) -> dict[str, None]:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return dict.fromkeys(names)


@cache
def _judgments(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: is not JSON: {error}.", "Download it again.") from error
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}.", "Download it again.") from error
