"""The compressor: reads every window of every document, and ranks what it read."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compressor.around import Around
from compressor.config import CompressorConfig
from compressor.critics.base import Critic, Read
from compressor.identifiers import WEIGHT, Identifiers
from compressor.instruction import Instruction
from compressor.labels import helped
from compressor.sofar import SoFar
from compressor.spans import Merged, decode
from compressor.units import Unit, raised, ranges, scores, units, without_mere_headings
from compressor.vectors import VectorCache
from compressor.windows import Window
from documents.document import Document, Evidence
from documents.errors import QuestionError
from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress

WORD_THRESHOLD = 0.2
"""Words kept with less are not worth a span of their own; the caller ranks what remains."""
NAMED = 0.9
"""The least keep probability of words around a code or number that was asked for."""
_PAGE_NUMBER = re.compile(r"^\d{1,4} | \d{1,4}$")
UNREAD = 0.01
"""The keep probability of text that the critic did not read: about its median on held-back text."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What one call did. ``tokens`` are the documents' own, by the critic's tokenizer, each
    counted once; ``seconds`` is the whole call but for loading the critic. ``windows`` were read,
    ``unread`` were not (`CompressorConfig.cascade_tokens`)."""

    windows: int
    tokens: int
    seconds: float
    unread: int = 0

    @property
    def tokens_per_s(self) -> float:
        """Document tokens read per second."""
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Compression:
    """``units``: everything that may matter, best first, not overlapping; the caller keeps as
    much as its budget allows."""

    units: tuple[Evidence, ...]
    stats: Stats


class Compressor:
    """Compresses documents to what matters for a question. The critic is loaded on first use;
    ``critic`` gives another one. ``cache``: a folder for what no question changes."""

    def __init__(
        self, config: CompressorConfig, critic: Critic | None = None, cache: Path | None = None
    ) -> None:
        self._config = config
        self._critic = critic
        self._cache = VectorCache(cache, config.cache_mb << 20) if cache else None
        self._loading = threading.Lock()

    def forget(self, document: str) -> None:
        """Drop what is kept of a document."""
        if self._cache:
            self._cache.forget(document)

    def ready(
        self,
        document: Document,
        *,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> None:
        """Make and keep of a document what no question changes, so that the first is answered as
        fast as later ones. Without a cache nothing is kept, and so nothing made.

        Raises `ModelError` where critic or sentence encoder cannot be loaded, and `Cancelled`."""
        if self._cache:
            critic = self._loaded()
            critic.ready(critic.prepare(document, cancelled), (progress, cancelled))

    def compress(
        self,
        instruction: Instruction,
        question: str,
        documents: Sequence[Document],
        *,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
        best: Callable[[Sequence[Evidence]], None] | None = None,
    ) -> Compression:
        """Score every window of the documents and rank their units. Deterministic. ``best`` hears
        now and then of the best few sentences and rows read so far, by the critic alone.

        Raises `QuestionError` where neither question nor instruction says anything,
        `Cancelled` within one batch of a stop, `ModelError` where the critic cannot be loaded.
        """
        if not question.strip() and not instruction.looking_for.strip():
            raise QuestionError("The question is empty.", "Ask something.")
        check(cancelled)
        critic = self._loaded()
        started = time.monotonic()
        unique = {document.id: document for document in documents}
        asked, watch = (instruction, question), (progress, cancelled)
        merged = [Merged(critic.prepare(each, cancelled)) for each in unique.values()]
        windows = _windows(critic, asked, merged, cancelled)
        read = nearest(critic, asked, windows, self._config.cascade_tokens, watch)
        _score_all(critic, asked, merged, read, watch, so_far=SoFar(best) if best else None)
        if len(read) < len(windows):
            for each in merged:
                each.fill(UNREAD)
        ranked = _ranked(critic, asked, merged, self._config.floor, watch)
        ranked = said_once(sorted(ranked, key=lambda evidence: -evidence.score), unique)
        tokens = sum(len(each.keep) for each in merged)
        seconds = time.monotonic() - started
        return Compression(
            tuple(ranked), Stats(len(read), tokens, seconds, len(windows) - len(read))
        )

    def _loaded(self) -> Critic:
        with self._loading:
            if self._critic is None:
                from compressor.critics.load import load_critic

                self._critic = load_critic(self._config, self._cache)
            return self._critic


def _windows(
    critic: Critic,
    asked: tuple[Instruction, str],
    merged: Sequence[Merged],
    cancelled: IsCancelled,
) -> list[Window]:
    windows: list[Window] = []
    for each in merged:
        check(cancelled)
        windows += critic.windows(*asked, each.prepared)
    return windows


def nearest(
    critic: Critic,
    asked: tuple[Instruction, str],
    windows: Sequence[Window],
    most_tokens: int,
    watch: tuple[Progress, IsCancelled],
) -> Sequence[Window]:
    """The windows to read: all, or of more than ``most_tokens`` the nearest to the question."""
    sizes = np.array([window.last - window.first for window in windows], np.int64)
    if not most_tokens or sizes.sum() <= most_tokens:
        return windows
    near = critic.nearness(asked, windows, watch)
    if near is None:
        return windows
    order = np.argsort(-near, kind="stable")
    count = int(np.searchsorted(np.cumsum(sizes[order]), most_tokens, side="right"))
    return [windows[number] for number in sorted(order[: max(1, count)].tolist())]


def _score_all(
    critic: Critic,
    asked: tuple[Instruction, str],
    merged: Sequence[Merged],
    windows: Sequence[Window],
    watch: tuple[Progress, IsCancelled],
    *,
    so_far: SoFar | None = None,
) -> None:
    """Score the windows, whatever document they are of, into ``merged``."""
    progress, cancelled = watch
    owner = {id(each.prepared): each for each in merged}
    done = 0
    for batch in critic.batches(windows):
        check(cancelled)
        progress("compressing", done, len(windows))
        for window, found in zip(batch, critic.score(*asked, batch), strict=True):
            owner[id(window.prepared)].add(window, found)
            if so_far:
                so_far.add(window, found)
        done += len(batch)
    progress("compressing", done, len(windows))


def scored(
    critic: Critic, asked: tuple[Instruction, str], documents: Sequence[Document]
) -> list[Merged]:
    """What the critic says of every token of the documents."""
    merged = [Merged(critic.prepare(each, never_cancelled)) for each in documents]
    windows = _windows(critic, asked, merged, never_cancelled)
    _score_all(critic, asked, merged, windows, (no_progress, never_cancelled))
    return merged


def _ranked(
    critic: Critic,
    asked: tuple[Instruction, str],
    merged: Sequence[Merged],
    floor: float,
    watch: tuple[Progress, IsCancelled],
) -> list[Evidence]:
    """The documents' units that score more than ``floor``, in the order of the documents."""
    ranked: list[Evidence] = []
    wanted, documents = asked[0].wanted(asked[1]), [each.prepared.document for each in merged]
    named = Identifiers(wanted, documents, watch[1])
    if asked[0].granularity == "word":
        for each in merged:
            check(watch[1])
            ranked += _words(each, named, max(floor, WORD_THRESHOLD))
        return ranked
    around = Around(wanted, documents, watch[1])
    for each in merged:
        check(watch[1])
        document = each.prepared.document
        found = units(document, asked[0].granularity)
        score = critic.evidence(asked, each.prepared, read_units(each, found, around), watch)
        score = helped(wanted, document, found, score)
        score = raised(score, WEIGHT * named.held(document, found))
        score = without_mere_headings(found, score)
        ranked += [
            Evidence(document.span(unit.start, unit.end), float(value))
            for unit, value in zip(found, score, strict=True)
            if value > floor
        ]
    return ranked


def said_once(ranked: Sequence[Evidence], documents: Mapping[str, Document]) -> list[Evidence]:
    """Without page numbers, and without what says in the same words what one before it in the same
    document does, but for a page number at its ends: running heads would take the room of all
    else. Table rows stay: the same row of another table is about something else."""
    kept, seen = [], set()
    for evidence in ranked:
        document, span = documents[evidence.span.document], evidence.span
        words = _PAGE_NUMBER.sub("", " ".join(document.slice(span).casefold().split()))
        row = any(block.kind == "table_row" for block in document.blocks_in(span.start, span.end))
        if row or not (words.isdigit() or (document.id, words) in seen):
            kept.append(evidence)
        seen.add((document.id, words))
    return kept


def _words(merged: Merged, named: Identifiers, threshold: float) -> list[Evidence]:
    document = merged.prepared.document
    for start, end in named.stretches(document, units(document, "sentence")):
        merged.at_least(start, end, NAMED)
    found = decode(merged, threshold)
    return [Evidence(document.span(each.start, each.end), each.score) for each in found]


def read_units(merged: Merged, found: Sequence[Unit], around: Around) -> Read:
    """What was said of a document's units."""
    places = ranges(found, merged.prepared.starts)
    return Read(places, scores(places, merged.keep), around.shares(merged.prepared.document, found))
