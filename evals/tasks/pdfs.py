"""Real PDFs with questions as analysts have them: any folder with a ``questions.jsonl``.

A row is ``{set, pdfs, question, answers, kind, evidence}``; ``evidence`` is null or lists of
``{pdf, page}``, pages from 0. The given folder holds three sets: quarterly reports (10q), annual
reports and research papers. Where a row labels no page, the answer's telling figures may stand
anywhere in its PDFs (the tag ``gold`` says so): weaker than a page, as a figure can stand in
another column's or period's place too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from documents import Document
from evals.metrics.answers import Kind
from evals.metrics.judge import Judge
from evals.samples import Gold, Outcome, Sample, Scores, Setup
from evals.tasks.qa import qa_scores
from evals.tasks.rows import Row, absent, drawn, field, read_rows

_KINDS: dict[str, Kind] = {"number": "figure", "boolean": "yes_no", "names": "name"}


@dataclass(frozen=True, slots=True)
class PdfQuestions:
    """``folder`` under the data folder; ``only``: one set of it; ``several``: only questions over
    more than one PDF; ``judge`` rates the answers."""

    name: str
    folder: str = "pdfs"
    only: str = ""
    several: bool = False
    judge: Judge | None = None
    source: str = "public filings and papers; licences in the data folder's README"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` questions a set. Every PDF that a row names is a document."""
        path = setup.data / self.folder / "questions.jsonl"
        rows = [row for row in read_rows(path) if self._wants(row)]
        for number, row in drawn(rows, lambda row: row.get("set"), setup):
            yield self._sample(row, number, path, setup)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """Answer, citations, abstention."""
        return qa_scores(sample, outcome, self.judge, _KINDS.get(str(sample.tags["kind"])))

    def _wants(self, row: Row) -> bool:
        of_set = not self.only or row.get("set") == self.only
        return of_set and (not self.several or len(row.get("pdfs") or ()) > 1)

    def _sample(self, row: Row, number: int, path: Path, setup: Setup) -> Sample:
        documents = {name: _read(path.parent / name, setup) for name in field(row, "pdfs", path)}
        pages = [
            (documents[place["pdf"]].id, int(place["page"]))
            for group in row.get("evidence") or ()
            for place in group
            if place["pdf"] in documents
        ]
        return Sample(
            id=f"{row.get('set', 'set')}-{number}",
            task=self.name,
            question=str(field(row, "question", path)),
            documents=tuple(documents.values()),
            gold=Gold(
                tuple(map(str, field(row, "answers", path))),
                pages=tuple(pages),
                anywhere=not pages,
            ),
            tags={
                "source": str(row.get("set", "")),
                "kind": str(row.get("kind", "")),
                "documents": len(documents),
                "gold": "pages" if pages else "anywhere",
            },
        )


def _read(path: Path, setup: Setup) -> Document:
    if not path.is_file():
        raise absent(path)
    return setup.read(path)


TASKS = (
    PdfQuestions("pdfs"),
    PdfQuestions("pdfs-10q", only="10q"),
    PdfQuestions("pdfs-10q-several", only="10q", several=True),
    PdfQuestions("pdfs-annual-reports", only="annual-reports"),
    PdfQuestions("pdfs-papers", only="papers"),
)
