"""Long documents with known evidence, joined from documents held back from training."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from compressor.training.data import Corpus, Question, Range, held_back, title_of, widened
from compressor.training.tables import head_count, rows_asked
from documents.document import Block, Document


@dataclass(frozen=True, slots=True)
class Haystack:
    """A question over a long document, and the characters that answer it."""

    kind: str
    question: str
    document: Document
    gold: tuple[Range, ...]


def haystacks(
    corpus: Corpus,
    sources: Sequence[str],
    per_source: int,
    characters: int,
    seed: int,
    *,
    chosen: Callable[[str], bool] = held_back,
) -> Iterator[Haystack]:
    """``per_source`` questions of each source with evidence, each over its own document and
    others of the source, in random order, up to about ``characters``; of ``chosen`` documents."""
    for source in sources:
        rng = random.Random(f"{seed} {source}")
        mine = [q for q in corpus.questions.get(source, []) if q.spans and chosen(q.doc)]
        docs = sorted({q.doc for q in mine if q.doc in corpus.texts})
        for kind in ("text", "table") if source == "tatqa" else ("",):
            asked = [q for q in mine if _gold(q, corpus.texts[q.doc], kind)]
            for question in rng.sample(asked, min(per_source, len(asked))):
                yield _joined(corpus, question, docs, kind, size=characters, rng=rng)


def _gold(question: Question, text: str, kind: str) -> list[Range]:
    """The evidence; for a table question its rows. Empty if the question is of another kind."""
    if kind == "table":
        return rows_asked(question, text)
    if kind == "text" and question.answer_from != "text":
        return []
    return widened(question, text)


def _joined(
    corpus: Corpus, question: Question, docs: list[str], kind: str, *, size: int, rng: random.Random
) -> Haystack:
    own = corpus.texts[question.doc]
    gold = _gold(question, own, kind)
    left = max(0, min(gold[0][0] - size // 2, len(own) - size))
    line = own.rfind("\n", 0, left) + 1
    left = line if gold[0][1] <= line + size else own.rfind(" ", 0, left) + 1
    text, blocks, moved = "", list[Block](), 0
    for doc in _drawn(corpus, question.doc, docs, size, rng):
        if title := title_of(doc):
            blocks.append(Block("heading", len(text), len(text) + len(title), 0, level=1))
            text += title + "\n\n"
        mine = doc == question.doc
        moved = len(text) - left if mine else moved
        piece = own[left : left + size] if mine else corpus.texts[doc][:size]
        blocks += blocks_of(piece, len(text))
        text += piece + "\n\n"
    inside = tuple((a + moved, b + moved) for a, b in gold if b <= left + size)
    name = f"{question.source} {kind}".strip()
    document = Document(question.doc, "", text, (), tuple(blocks))
    return Haystack(name, question.text, document, inside or ((gold[0][0] + moved, len(text)),))


def _drawn(corpus: Corpus, own: str, docs: list[str], size: int, rng: random.Random) -> list[str]:
    """The question's document among as many others as there is room for."""
    chosen, length = [own], min(len(corpus.texts[own]), size)
    for doc in rng.sample(docs, len(docs)):
        if length < size and doc != own:
            chosen.append(doc)
            length += len(corpus.texts[doc])
    rng.shuffle(chosen)
    return chosen


def _lines(text: str, start: int) -> list[Range]:
    found = []
    for line in text.split("\n"):
        found.append((start, start + len(line)))
        start += len(line) + 1
    return found


def blocks_of(text: str, start: int = 0) -> Iterator[Block]:
    """Lines as blocks; runs of lines with `` | `` are tables, with their heads told apart."""
    lines = [(a, b) for a, b in _lines(text, start) if text[a - start : b - start].strip()]
    for is_row, run in groupby(lines, key=lambda r: " | " in text[r[0] - start : r[1] - start]):
        rows = list(run)
        if not is_row:
            yield from (Block("paragraph", a, b, 0) for a, b in rows)
            continue
        heads = head_count([text[a - start : b - start] for a, b in rows])
        header = tuple(cell for row in rows[:heads] for cell in _cells(text, row, start))
        for number, (a, b) in enumerate(rows):
            yield Block("table_row", a, b, 0, header=header if number >= heads else ())


def _cells(text: str, row: Range, start: int) -> Iterator[Range]:
    here = row[0]
    for cell in text[row[0] - start : row[1] - start].split("|"):
        left = here + len(cell) - len(cell.lstrip())
        if cell.strip():
            yield left, left + len(cell.strip())
        here += len(cell) + 1
