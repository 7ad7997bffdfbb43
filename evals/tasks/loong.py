"""Loong (arXiv 2406.17419, Apache-2.0): questions whose every document is needed.

Four levels (spotlight locating, comparison, clustering, chain of reasoning), sets 1 to 4 by
length, English and Chinese. Rows carry their own prompt. Answers are marked by rules where they
are a figure, a name, a list or JSON, and rated by a judge where one is given. All-documents
recall needs no reasoner: the evidence must touch every document that the answer rests on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evals.metrics.answers import f_measure, mark
from evals.metrics.judge import Judge
from evals.metrics.structured import mapping_marks, sequence_marks
from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document
from evals.tasks.loong_files import LoongFiles, Text, arranged, filled
from evals.tasks.qa import judged
from evals.tasks.rows import Row, absent, drawn
from policy import parse_answer

LEVELS = {1: "spotlight", 2: "comparison", 3: "clustering", 4: "chain"}
_CHAIN = "Which of these papers cite one another? Find the longest chain of citations among them."
_RELATIONS = "Which of the other papers does “{}” cite, and which of them cite it?"
_PAPERS = "the titles of the papers, and where one names another or lists it as a reference"


@dataclass(frozen=True, slots=True)
class Loong:
    """``as_published`` keeps the released code's flaws (see `LoongFiles`; and the judge is shown
    a literal ``{docs}`` in paper rows), so that figures compare with the leaderboard's; False
    repairs them. ``max_tokens`` packs whole documents as published (128,000 there); None gives
    them all, and leaves what does not fit to the method. ``asked``: the question alone is asked, as
    a person would, under longdoc's own prompt; the whole agent can be measured on nothing else.
    ``only``: the rows' type and language; ``longest``: their most tokens, as the rows say."""

    name: str = "loong"
    folder: str = "loong"
    as_published: bool = True
    max_tokens: int | None = None
    judge: Judge | None = None
    asked: bool = False
    only: tuple[str, str] | None = None
    longest: int | None = None
    source: str = "Loong, arXiv 2406.17419, Apache-2.0 (documents: their own licences)"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` rows a level; rows whose documents are not there are left out."""
        files = LoongFiles(setup.data / self.folder, as_published=self.as_published)
        orders = list(arranged(files, self.max_tokens, setup.count))
        rows = [(row, order) for row, order in zip(files.rows, orders, strict=True)]
        there = [(row, order) for row, order in rows if self._wants(row) and files.has(row)]
        if not there:
            raise absent(setup.data / self.folder / "doc")
        for _, (row, order) in drawn(there, lambda item: item[0]["level"], setup):
            yield self._sample(row, order, files.texts(row))

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """``all_documents`` and ``documents`` of the evidence; ``correct`` (F-measure) by rules,
        ``in_order`` for citation chains; the judge's rating."""
        scores = _documents_touched(sample, outcome)
        if outcome.answer is None:
            return scores
        extra = sample.gold.extra
        scores |= _answer_marks(sample, outcome.answer)
        text = parse_answer(outcome.answer).text
        return scores | judged(self.judge, extra["judged"], sample.gold.answers[0], text)

    def _wants(self, row: Row) -> bool:
        of_kind = self.only is None or self.only == (row["type"], row["language"])
        return of_kind and (self.longest is None or int(row["length"]) <= self.longest)

    def _question(self, row: Row) -> str:
        """As a person would put it: of papers the row has a title alone, or nothing."""
        question = str(row["question"])
        of_paper = self.asked and row["type"] == "paper" and question
        return _RELATIONS.format(question.strip()) if of_paper else question or _CHAIN

    def _sample(self, row: Row, order: tuple[int, ...], texts: list[Text]) -> Sample:
        documents = {at: text_document(texts[at].title, texts[at].text) for at in order}
        needed = _needed(row, texts)
        keeps_docs = self.as_published and row["type"] == "paper"
        return Sample(
            id=str(row["id"]),
            task=self.name,
            question=self._question(row),
            documents=tuple(documents[at] for at in order),
            gold=Gold(
                (_written(row["answer"]),),
                extra={
                    "answer": row["answer"],
                    "documents": [documents[at].id if at in documents else "" for at in needed],
                    "names": _names(row, texts),
                    "judged": filled(row, "{docs}" if keeps_docs else ""),
                },
            ),
            tags={
                "level": f"{row['level']} {LEVELS[int(row['level'])]}",
                "set": int(row["set"]),
                "source": str(row["type"]),
                "language": str(row["language"]),
                "length": int(row["length"]),
                "documents": len(texts),
                "left_out": len(texts) - len(order),
            },
            prompt="" if self.asked else filled(row, "{context}"),
            looking_for=_PAPERS if row["type"] == "paper" else "",
        )


def _needed(row: Row, texts: list[Text]) -> list[int]:
    """The places of the documents the answer rests on: all, but in spotlight locating the one
    that the question names."""
    everything = list(range(len(texts)))
    if row["level"] != 1:
        return everything
    return [at for at in everything if texts[at].name in row["question"]] or everything


def _names(row: Row, texts: list[Text]) -> list[str]:
    if row["type"] == "financial":
        return [text.name for text in texts]
    return [text.title for text in texts]


def _written(answer: Any) -> str:
    return answer if isinstance(answer, str) else str(answer)


def _documents_touched(sample: Sample, outcome: Outcome) -> Scores:
    needed = sample.gold.extra["documents"]
    touched = {span.document for span in outcome.evidence if len(span)}
    found = sum(identity in touched for identity in needed)
    return {"all_documents": float(found == len(needed)), "documents": found / len(needed)}


def _answer_marks(sample: Sample, answer: str) -> Scores:
    gold = sample.gold.extra["answer"]
    text = parse_answer(answer).text
    if isinstance(gold, dict):
        precision, recall = mapping_marks(text, gold, sample.gold.extra["names"])
        return _with_f(precision, recall)
    if isinstance(gold, list):
        precision, recall, order = sequence_marks(text, [str(item) for item in gold])
        return _with_f(precision, recall) | {"in_order": order}
    marked = mark(answer, [_written(gold)], sample.question)
    if marked.correct is None:
        return {"overlap": marked.f_measure}
    scores = _with_f(marked.precision, marked.recall)
    return scores | {"abstained": float(marked.abstained)}


def _with_f(precision: float, recall: float) -> Scores:
    correct = f_measure(precision, recall)
    return {"correct": correct, "answer_precision": precision, "answer_recall": recall}


TASKS = (
    Loong(),
    Loong("loong-repaired", as_published=False),
    Loong("loong-packed", max_tokens=128_000),
    Loong(
        "loong-filings",
        as_published=False,
        asked=True,
        only=("financial", "en"),
        longest=100_000,
    ),
    Loong("loong-papers", as_published=False, asked=True, only=("paper", "en")),
)
