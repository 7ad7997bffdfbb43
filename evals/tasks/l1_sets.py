"""The seven sets that QwenLong-L1 reports (arXiv 2505.17667), from their published files.

- ``l1/docmath.jsonl`` (or .json): DocMath-Eval: question_id, question, paragraphs, ground_truth,
  and paragraph_evidence and table_evidence, numbers of gold paragraphs.
- ``l1/frames.jsonl``: FRAMES with its Wikipedia texts: Prompt, Answer, and ``wiki_items`` (or
  ``documents``) of ``{title, text}``.
- 2wikimqa, hotpotqa, musique, narrativeqa, qasper: LongBench's own files, in ``l1/`` or
  ``longbench/``.

Score as published: the better of a rule and a judge; the rule is cover exact match with the first
answer, for DocMath its number rule. The prompt has the published layout, in longdoc's words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from documents import Document, Span
from evals.metrics.judge import Judge, same_answer
from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document
from evals.tasks.rows import Row, drawn, field, first_there, read_rows
from policy import docmath, parse_answer
from policy.rewards import f1, sub_em

LONGBENCH = ("2wikimqa", "hotpotqa", "musique", "narrativeqa", "qasper")
SETS = ("docmath", "frames", *LONGBENCH)

_PROMPT = """Read the text and answer the question that follows it.

<text>
{context}
</text>

{question}

End your reply with a sentence of this form: "Therefore, the answer is (insert answer here)"."""


@dataclass(frozen=True, slots=True)
class L1Set:
    """One of the sets. Without a ``judge`` the rule alone scores, and scores lower."""

    set: str
    folder: str = "l1"
    judge: Judge | None = None
    source: str = "as QwenLong-L1 evaluates, arXiv 2505.17667"

    @property
    def name(self) -> str:
        """l1-docmath, l1-frames, …"""
        return f"l1-{self.set}"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` rows of the set."""
        path = self._path(setup.data)
        for number, row in drawn(read_rows(path), lambda _: self.set, setup):
            yield self._sample(row, number, path)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """``correct``: the better of ``rule`` and ``judged``; and F1 of the words. An answer
        that does not say "the answer is" has no final answer, and is wrong."""
        if outcome.answer is None:
            return {}
        final = parse_answer(outcome.answer).final or ""
        gold = sample.gold.answers[0]
        if self.set == "docmath":
            rule = docmath.correct(parse_answer(outcome.answer).text, gold)
        else:
            rule = sub_em(final, [gold])
        scores = {"rule": rule, "correct": rule, "final": float(bool(final))}
        if self.set != "docmath":
            scores["f1"] = f1(final, sample.gold.answers)
        if self.judge is not None and rule < 1 and final:
            judged = float(same_answer(self.judge, sample.question, final, gold))
            scores |= {"judged": judged, "correct": max(rule, judged)}
        return scores

    def _path(self, data: Path) -> Path:
        places = [data / self.folder / f"{self.set}{ending}" for ending in (".jsonl", ".json")]
        if self.set in LONGBENCH:
            shared = data / "longbench"
            places += [shared / f"{self.set}.jsonl", shared / "data" / f"{self.set}.jsonl"]
        return first_there(places)

    def _sample(self, row: Row, number: int, path: Path) -> Sample:
        question, answers, documents, spans = _READERS[self.set](row, path)
        return Sample(
            id=str(row.get("question_id") or row.get("_id") or number),
            task=self.name,
            question=question.strip(),
            documents=documents,
            gold=Gold(answers, spans),
            tags={"source": self.set, "documents": len(documents)},
            prompt=_PROMPT.replace("{question}", question.strip()),
        )


_Read = tuple[str, tuple[str, ...], tuple[Document, ...], tuple[Span, ...]]


def _docmath(row: Row, path: Path) -> _Read:
    """Paragraphs joined by newlines; the evidence's are the gold spans."""
    paragraphs = [str(paragraph) for paragraph in field(row, "paragraphs", path)]
    starts = [0]
    for paragraph in paragraphs:
        starts.append(starts[-1] + len(paragraph) + 1)
    document = text_document("document", "\n".join(paragraphs))
    numbers = {
        int(number)
        for name in ("paragraph_evidence", "table_evidence")
        for number in row.get(name) or ()
    }
    spans = tuple(
        document.span(starts[number], starts[number] + len(paragraphs[number]))
        for number in sorted(numbers)
        if 0 <= number < len(paragraphs) and paragraphs[number]
    )
    answer = str(field(row, "ground_truth", path))
    return str(field(row, "question", path)), (answer,), (document,), spans


def _frames(row: Row, path: Path) -> _Read:
    """One document for each article: its title, then its text."""
    items = row.get("wiki_items") or field(row, "documents", path)
    documents = tuple(
        text_document(str(item["title"]), f"{item['title']}\n{item['text']}") for item in items
    )
    return str(field(row, "Prompt", path)), (str(field(row, "Answer", path)),), documents, ()


def _longbench(row: Row, path: Path) -> _Read:
    document = text_document("text", str(field(row, "context", path)).strip())
    answers = tuple(map(str, field(row, "answers", path)))
    return str(field(row, "input", path)), answers, (document,), ()


_READERS = {"docmath": _docmath, "frames": _frames, **dict.fromkeys(LONGBENCH, _longbench)}

TASKS = tuple(L1Set(name) for name in SETS)
