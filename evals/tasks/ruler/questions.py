"""RULER's two question tasks: a question's paragraphs hidden among other paragraphs.

RULER asks SQuAD and HotpotQA. Here ``qa_1`` asks squad and ``qa_2`` the two-and-more-fact
questions of 2wiki and musique, of the data folder's held-back documents only, so that no
critic trained here has read them. Paragraphs of the same document are the first to be mixed
in, as published; then those of all held-back documents, over again where they run out, but
never a second time the paragraph that holds the evidence.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from compressor.training.data import Question, held_back, widened
from documents.errors import DataError
from evals.samples import Setup
from evals.tasks.generated import Ask, Draft, Make, Range

SINGLE = ("squad",)
SEVERAL = ("2wiki", "musique")
FILLERS = ("squad", "quoref", "2wiki", "musique")

PROMPT = (
    "Answer the question based on the given documents. Only give me the answer and do not output "
    "any other words.\n\nThe following are given documents.\n\n{{context}}\n\nAnswer the question "
    "based on the given documents. Only give me the answer and do not output any other words.\n\n"
    "Question: {question} Answer:"
)
_GAP = {"squad": re.compile(r"\n+")}
_BLANK = re.compile(r"\s*\n\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its paragraphs with evidence as ``(text, ranges in it)``, the other paragraphs
    of its document."""

    text: str
    answers: tuple[str, ...]
    gold: tuple[tuple[str, tuple[Range, ...]], ...]
    others: tuple[str, ...]


def prepare(setup: Setup, *, sources: tuple[str, ...]) -> Make:
    """The held-back questions of the sources in an order drawn by the seed. Raises `DataError`
    where the data folder lacks them."""
    folder = setup.data / "train"
    texts = {
        row["doc"]: row["text"]
        for row in _rows(folder / "docs.jsonl.gz")
        if held_back(row["doc"]) and row["doc"].partition(":")[0] in FILLERS
    }
    asked = [
        _asked(question, texts[question.doc])
        for row in _rows(folder / "questions.jsonl.gz")
        if row["source"] in sources and row["doc"] in texts and row["spans"]
        for question in [_question(row)]
    ]
    if not asked:
        raise DataError(f"{folder.name} has no held-back questions of {sources}.", "Copy it anew.")
    pool = [text[a:b] for doc, text in sorted(texts.items()) for a, b in _paragraphs(doc, text)]
    random.Random(f"{setup.seed}|{sources}").shuffle(asked)
    return partial(_draft, asked, pool)


def _draft(asked: list[Asked], pool: list[str], ask: Ask, units: int) -> Draft:
    rng = ask.rng()
    question = asked[ask.index % len(asked)]
    others = rng.sample(question.others, len(question.others))
    taken = {*others, *(text for text, _ in question.gold)}
    fillers = [text for text in rng.sample(pool, len(pool)) if text not in taken]
    room = max(0, units - len(question.gold))
    mixed = [*others, *islice(cycle(fillers), max(0, room - len(others)))] if fillers else others
    pieces: list[tuple[str, tuple[Range, ...]]] = [*question.gold]
    pieces += [(text, ()) for text in mixed[:room]]
    rng.shuffle(pieces)
    parts, gold, length = [], [], 0
    for number, (text, ranges) in enumerate(pieces, 1):
        head = f"Document {number}:\n"
        gold += [(length + len(head) + a, length + len(head) + b) for a, b in ranges]
        parts.append(head + text)
        length += len(head) + len(text) + 2
    prompt = PROMPT.format(question=question.text)
    return Draft("\n\n".join(parts), question.text, prompt, question.answers, tuple(gold))


def _asked(question: Question, text: str) -> Asked:
    evidence = widened(question, text)
    gold, others = [], []
    for start, end in _paragraphs(question.doc, text):
        inside = tuple(
            (max(a, start) - start, min(b, end) - start)
            for a, b in evidence
            if a < end and start < b
        )
        if inside:
            gold.append((text[start:end], inside))
        else:
            others.append(text[start:end])
    return Asked(question.text, question.answers, tuple(gold), tuple(others))


def _paragraphs(doc: str, text: str) -> Iterator[Range]:
    """squad's paragraphs are its lines; the others' stand between blank lines, title first."""
    start = 0
    for match in _GAP.get(doc.partition(":")[0], _BLANK).finditer(text):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if text[start:].strip():
        yield start, start + len(text[start:].rstrip())


def _question(row: dict[str, Any]) -> Question:
    answers = tuple(str(answer) for answer in row["answers"])
    spans = tuple((int(a), int(b)) for a, b in row["spans"])
    return Question(row["source"], row["doc"], row["question"], answers, spans)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())
    except FileNotFoundError as error:
        hint = "Set LONGDOC_TEST_DATA to the data folder."
        raise DataError(f"{path} is not there.", hint) from error
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read: {error}", "Copy it anew.") from error
