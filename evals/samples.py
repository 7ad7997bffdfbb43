"""What a benchmark is made of: a `Task` yields `Sample`s and scores what a method made of one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from documents import Document, Span
from documents.readers.text import parse

Scores = dict[str, float]
"""A measure's name and its value, 0 to 1 unless the task says otherwise."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What is right. ``answers``: any of them (a task may ask for all). ``spans``: the evidence,
    in characters of the sample's documents. ``pages``: (document id, page from 0), where only
    pages are known; the answer's figures, dates and names must then stand on one of them.
    ``anywhere``: not even pages are known; those of the answer's telling figures that stand in
    the documents at all must then stand in the selected text."""

    answers: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    pages: tuple[tuple[str, int], ...] = ()
    extra: Any = None
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One question. ``id`` stays the same from run to run. ``tags`` (length, depth, source,
    level, …) are what tables are grouped by. ``prompt`` is the task's own chat message, with
    ``{context}`` where the context goes; empty: longdoc's usual one. ``looking_for`` tells the
    compressor what to keep beyond the question, at ``granularity``."""

    id: str
    task: str
    question: str
    documents: tuple[Document, ...]
    gold: Gold
    tags: Mapping[str, str | int | float] = field(default_factory=dict)
    prompt: str = ""
    looking_for: str = ""
    granularity: str = "sentence"
    max_answer_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method made of a sample: its evidence, the text sent, and the reasoner's answer
    (None where no reasoner was asked), verdict and cited spans."""

    evidence: tuple[Span, ...]
    text: str
    tokens: int
    answer: str | None = None
    verdict: str = ""
    cited: tuple[Span, ...] = ()
    verified: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """What a task may use: the ``data`` folder, ``read`` for files, ``count`` for tokens of the
    reasoner, and how much to yield: at most ``limit`` samples a group (a length, a source, a
    set), drawn by ``seed``; ``lengths`` in tokens (in words where a task says so)."""

    data: Path
    read: Callable[[Path], Document]
    count: Callable[[str], int]
    limit: int | None = None
    seed: int = 0
    lengths: tuple[int, ...] = ()


class Task(Protocol):
    """A benchmark."""

    name: str
    source: str
    """Where it is published, and under what licence."""

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """The samples, in a fixed order for a setup. Raises `DataError` where data is absent."""
        ...

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """The task's own measures; evidence kept is measured for every task by the runner."""
        ...


def text_document(name: str, text: str) -> Document:
    """A document of plain text that is in memory, read as the file would be."""
    identity = hashlib.sha256(f"{name}\0{text}".encode()).hexdigest()
    return Document(identity, name, text, (), tuple(parse(text)[0]))


def find_all(document: Document, text: str) -> tuple[Span, ...]:
    """Every place where the text stands in the document."""
    found = []
    at = document.text.find(text)
    while text and at >= 0:
        found.append(document.span(at, at + len(text)))
        at = document.text.find(text, at + 1)
    return tuple(found)
