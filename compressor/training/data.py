"""Windows with token labels, cut from whole documents around evidence and away from it.

`Corpus` reads the question and document files; `Sampler.examples` draws the windows of one
step. Every step draws from a generator seeded with its own number, so a resumed run sees
what it would have seen. The held-back part is chosen by document, never by question.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compressor.instruction import Granularity, Instruction
from compressor.sentences import sentences
from compressor.training.tables import TableQuestion, draw_table, made_up_questions, table_question
from documents.errors import DataError

Range = tuple[int, int]
WIDEN = frozenset({"squad", "quoref", "covidqa", "policyqa", "2wiki"})
DRAWS = 6
"""Tries at a window that does not begin inside the evidence."""
PARAGRAPHS = frozenset({"obliqa", "qmsum", "musique", "cuad"})
SYNTHETIC = "synthetic"
"""The source of questions that a model made (`compressor.training.synthesis`): their evidence is
whole sentences, or whole rows of tables, already."""
CELLS = " | "
"""Stands between the cells of a table's row in the data."""

_CLAUSE = re.compile(r'related to "([^"]+)"')
_WANTED = ("every {} clause", "the clauses on {}", "{}", "passages about {}")
STOPWORDS = frozenset(
    "a an and are as at be by did do does for from had has have how in is it its of on or than that"
    " the their they this to was were what when where which who whom whose why will with".split()
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its evidence as character ranges, not yet widened."""

    source: str
    doc: str
    text: str
    answers: tuple[str, ...]
    spans: tuple[Range, ...]
    answer_from: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A window as a critic is shown it: what is ``asked`` (instruction and question), what stands
    over it and its text, and the ranges of ``text`` to keep."""

    asked: tuple[Instruction, str]
    header: str
    text: str
    gold: tuple[Range, ...]

    @property
    def prompt(self) -> str:
        """What the small critic reads before it."""
        instruction, question = self.asked
        return instruction.prompt(question)


@dataclass
class Corpus:
    """All questions by source, and the documents."""

    texts: dict[str, str]
    questions: dict[str, list[Question]] = field(default_factory=dict)


def held_back(doc: str) -> bool:
    """Whether a document is kept from training: one in ten, and one in five of tatqa's."""
    return _part(doc) == 0


def put_aside(doc: str) -> bool:
    """Whether a document is for choosing what is not trained (`compressor.training.fusion`): as
    many as are held back, and none of those."""
    return _part(doc) == 1


def usable(doc: str) -> bool:
    """Whether a document may be trained on."""
    return not held_back(doc) and not put_aside(doc)


def _part(doc: str) -> int:
    number = int(hashlib.sha256(doc.encode()).hexdigest()[:8], 16)
    return number % (5 if doc.startswith("tatqa") else 10)


def load(folder: Path) -> Corpus:
    """Read every ``*docs.jsonl.gz`` and ``*questions.jsonl.gz`` in the folder."""
    texts = {r["doc"]: r["text"] for p in sorted(folder.glob("*docs.jsonl.gz")) for r in _rows(p)}
    corpus = Corpus(texts)
    for path in sorted(folder.glob("*questions.jsonl.gz")):
        for row in _rows(path):
            question = Question(
                row["source"],
                row["doc"],
                row["question"],
                tuple(str(answer) for answer in row["answers"]),
                tuple((int(a), int(b)) for a, b in row["spans"]),
                row.get("answer_from", ""),
            )
            corpus.questions.setdefault(question.source, []).append(question)
    return corpus


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def title_of(doc: str) -> str:
    """A document name as a person would have it: the readable part of the id, or nothing."""
    source, _, rest = doc.partition(":")
    if source == "squad":
        return rest.replace("_", " ")
    if source == "quoref":
        return rest.split("/")[1] if rest.count("/") > 1 else ""
    if source == "cuad":
        return rest.rsplit("_", 1)[-1]
    return rest.split("/")[1] if source == "policyqa" and rest.count("/") > 1 else ""


def widened(question: Question, text: str) -> list[Range]:
    """Evidence as it is to be kept: whole sentences where the label is an answer alone."""
    if question.source == "tatqa":
        return _answer_sentences(question, text)
    if question.source not in WIDEN:
        return merged_ranges(list(question.spans))
    kept = []
    for start, end in question.spans:
        left, right = max(0, start - 1000), min(len(text), end + 1000)
        kept += [s for s in sentences(text, left, right, lines_end=True) if touch(s, (start, end))]
    return merged_ranges(kept)


def _answer_sentences(question: Question, text: str) -> list[Range]:
    """The sentences of a labelled paragraph that hold an answer (which may begin in another
    case); all of it if none does."""
    whole = [s for a, b in question.spans for s in sentences(text, a, b, lines_end=True)]
    wanted = [answer.casefold() for answer in question.answers if answer]
    holding = [(a, b) for a, b in whole if any(x in text[a:b].casefold() for x in wanted)]
    return merged_ranges(holding or whole)


def merged_ranges(ranges: list[Range]) -> list[Range]:
    """The ranges in order, those that overlap or meet as one."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


def touch(a: Range, b: Range) -> bool:
    """Whether two ranges share a character."""
    return a[0] < b[1] and b[0] < a[1]


def cut_window(text: str, around: int, size: int, rng: random.Random) -> Range:
    """About ``size`` characters that hold ``around``, at sentence ends where there are any.

    A draw that begins inside the very sentence is made again: else evidence would open windows
    far more often than in use, and whatever opens one would be taken for evidence."""
    for _ in range(DRAWS):
        start = max(0, around - rng.randint(0, size))
        end = min(len(text), start + size)
        start = max(0, min(start, end - size))
        whole = [s for s in sentences(text, start, end, lines_end=True) if s[1] - s[0] < size]
        before = len(whole) > 2 and whole[1][0] <= around
        if start == 0 or before:
            break
    if start > 0 and before:
        start = whole[1][0]
    if end < len(text) and len(whole) > 2 and whole[-2][1] > around:
        end = whole[-2][1]
    return start, end


class Sampler:
    """Draws labelled windows. ``share`` maps sources to how often each is drawn; ``held``: from
    the documents held back, else from those that are neither held back nor put aside."""

    def __init__(
        self, corpus: Corpus, share: dict[str, float], positive_share: float, held: bool = False
    ) -> None:
        self.corpus = corpus
        self.positive_share = positive_share
        chosen = held_back if held else usable
        self.questions = {
            source: [q for q in rows if chosen(q.doc) and q.doc in corpus.texts]
            for source, rows in corpus.questions.items()
        }
        self.tables = [
            t
            for q in self.questions.get("tatqa", [])
            if (t := table_question(q, corpus.texts[q.doc]))
        ]
        self.questions["tatqa"] = [
            q for q in self.questions.get("tatqa", []) if q.answer_from == "text"
        ]
        self.made_up: list[TableQuestion] = made_up_questions(self.tables)
        have = {s for s, rows in self.questions.items() if rows}
        have |= {"table_rows"} if self.made_up else set()
        self.share = {s: w for s, w in share.items() if s in have}
        if not self.share:
            raise DataError(
                f"No questions over documents {'held back' if held else 'to train on'}.",
                "Give a folder with questions of the sources that the configuration names.",
            )

    def examples(self, rng: random.Random, size: int, count: int) -> list[Example]:
        """``count`` windows of about ``size`` characters."""
        sources = list(self.share)
        drawn = rng.choices(sources, [self.share[s] for s in sources], k=count)
        return [self._one(source, size, rng) for source in drawn]

    def _one(self, source: str, size: int, rng: random.Random) -> Example:
        if source == "table_rows" or (source == "tatqa" and self.tables and rng.random() < 0.75):
            asked = rng.choice(self.made_up if source == "table_rows" else self.tables)
            return Example(*draw_table(asked, self.tables, size, self.positive_share, rng))
        question = rng.choice(self.questions[source])
        text = self.corpus.texts[question.doc]
        gold = widened(question, text)
        granularity: Granularity = "paragraph" if source in PARAGRAPHS else "sentence"
        if source == SYNTHETIC and all(CELLS in text[a:b] for a, b in gold):
            granularity = "row"
        if source == "squad" and len(question.answers[0]) > 2 and rng.random() < 0.08:
            granularity, gold = "word", _answers_in(text, question, gold)
        positive = bool(gold) and rng.random() < self.positive_share
        window = (
            cut_window(text, rng.randrange(*rng.choice(gold)), size, rng)
            if positive
            else self._negative(question, text, gold, size, rng)
        )
        kept = tuple(
            (max(a, window[0]) - window[0], min(b, window[1]) - window[0])
            for a, b in gold
            if touch((a, b), window)
        )
        title = title_of(question.doc) if rng.random() < 0.7 else ""
        asked_for = instructed(question, granularity, rng)
        return Example(asked_for, title, text[window[0] : window[1]], kept)

    def _negative(
        self, question: Question, text: str, gold: list[Range], size: int, rng: random.Random
    ) -> Range:
        """Of a few windows of the same document without evidence, most often the one that
        shares most words with the question."""
        found = []
        short = [a for a in question.answers if 3 < len(a) < 40]
        for _ in range(rng.choice((1, 4, 8))):
            window = cut_window(text, rng.randrange(max(1, len(text))), size, rng)
            piece = text[window[0] : window[1]]
            if any(touch(window, g) for g in gold) or any(a in piece for a in short):
                continue
            found.append(window)
        if not found:
            around = rng.randrange(*rng.choice(gold)) if gold else 0
            return cut_window(text, around, size, rng)
        asked = set(re.findall(r"\w{4,}", question.text.lower()))
        words = [set(re.findall(r"\w{4,}", text[a:b].lower())) for a, b in found]
        best = max(range(len(found)), key=lambda i: len(asked & words[i]))
        return found[best]


def instructed(
    question: Question, granularity: Granularity, rng: random.Random
) -> tuple[Instruction, str]:
    """What is asked, now and then in the other words in which people ask: a clause by its name
    ("every Governing Law clause"), or keywords alone."""
    clause = _CLAUSE.search(question.text)
    if question.source == "cuad" and clause and rng.random() < 0.4:
        return Instruction(granularity, rng.choice(_WANTED).format(clause[1])), ""
    if question.source in {"squad", "covidqa"} and rng.random() < 0.08:
        words = [w for w in re.findall(r"[\w'-]+", question.text) if w.lower() not in STOPWORDS]
        return Instruction(granularity), " ".join(words) or question.text
    return Instruction(granularity), question.text


def _answers_in(text: str, question: Question, gold: list[Range]) -> list[Range]:
    places = []
    for start, end in gold:
        for answer in question.answers:
            if (at := text.find(answer, start, end)) >= 0 and answer:
                places.append((at, at + len(answer)))
                break
    return merged_ranges(places) or gold
