"""FinanceBench (arXiv 2311.11944, CC BY-NC 4.0) in its published layout.

``financebench_open_source.jsonl`` (here or in ``data/``) beside ``pdfs/``. A row has question,
answer, justification, doc_name and evidence: ``{evidence_text, doc_name, evidence_page_num}``,
pages from 0. The quoted text is looked for on that page and its neighbours; where all of it is
found, its spans are the gold, else the pages are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from documents import Document, Span
from evals.metrics.judge import Judge
from evals.samples import Gold, Outcome, Sample, Scores, Setup
from evals.tasks.locate import locate
from evals.tasks.qa import qa_scores
from evals.tasks.rows import Row, absent, drawn, field, first_there, read_rows

FILE = "financebench_open_source.jsonl"


@dataclass(frozen=True, slots=True)
class FinanceBench:
    """``limit`` questions of each question type."""

    name: str = "financebench"
    folder: str = "financebench"
    judge: Judge | None = None
    source: str = "FinanceBench, arXiv 2311.11944, CC BY-NC 4.0"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """The questions, each over its filing."""
        root = setup.data / self.folder
        path = first_there([root / FILE, root / "data" / FILE])
        for number, row in drawn(read_rows(path), lambda row: row.get("question_type"), setup):
            yield self._sample(row, number, path, root / "pdfs", setup)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """Answer, citations, abstention."""
        return qa_scores(sample, outcome, self.judge)

    def _sample(self, row: Row, number: int, path: Path, pdfs: Path, setup: Setup) -> Sample:
        name = str(field(row, "doc_name", path))
        evidence = row.get("evidence") or []
        names = [name, *(_document_of(item, name) for item in evidence)]
        documents = {each: _read(pdfs / f"{each}.pdf", setup) for each in dict.fromkeys(names)}
        spans: list[Span] = []
        pages: list[tuple[str, int]] = []
        whole = bool(evidence)
        for item in evidence:
            document = documents[_document_of(item, name)]
            page = int(field(item, "evidence_page_num", path))
            found = locate(document, str(item.get("evidence_text", "")), page)
            spans += found
            pages += [(document.id, on) for span in found for on in document.pages_of(span)]
            if not found:
                whole = False
                pages += [(document.id, page)] if 0 <= page < len(document.pages) else []
        return Sample(
            id=str(row.get("financebench_id", number)),
            task=self.name,
            question=str(field(row, "question", path)),
            documents=tuple(documents.values()),
            gold=Gold(
                (str(field(row, "answer", path)),),
                tuple(spans) if whole else (),
                tuple(dict.fromkeys(pages)),
                extra={"justification": row.get("justification") or ""},
            ),
            tags={
                "source": str(row.get("question_type", "")),
                "reasoning": str(row.get("question_reasoning") or ""),
                "evidence": "spans" if whole else "pages",
            },
        )


def _document_of(item: Row, name: str) -> str:
    return str(item.get("doc_name") or item.get("evidence_doc_name") or name)


def _read(path: Path, setup: Setup) -> Document:
    if not path.is_file():
        raise absent(path)
    return setup.read(path)


TASKS = (FinanceBench(),)
