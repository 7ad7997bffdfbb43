"""MMLongBench-Doc (arXiv 2407.01523, Apache-2.0) in its published layout.

``samples.json`` beside ``documents/`` (here or in ``data/``). A row has doc_id, doc_type,
question, answer, evidence_pages (a list written as a string, pages from 1; a few rows name
pages that do not exist, which are left out), evidence_sources and answer_format. Evidence in
figures and charts is beyond a text reader: ``evidence_sources`` is a tag, to tell them apart.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from documents.errors import DataError
from evals.metrics import anls
from evals.metrics.answers import Kind
from evals.metrics.judge import Judge
from evals.samples import Gold, Outcome, Sample, Scores, Setup
from evals.tasks.qa import qa_scores
from evals.tasks.rows import Row, absent, drawn, field, first_there, read_rows
from policy import parse_answer

_KINDS: dict[str, Kind] = {"Int": "figure", "Float": "figure", "List": "list", "None": "abstain"}


@dataclass(frozen=True, slots=True)
class MMLongBenchDoc:
    """``limit`` questions of each document type."""

    name: str = "mmlongbench-doc"
    folder: str = "mmlongbench-doc"
    judge: Judge | None = None
    source: str = "MMLongBench-Doc, arXiv 2407.01523, Apache-2.0"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """The questions, each over its document."""
        root = setup.data / self.folder
        path = first_there([root / "samples.json", root / "data" / "samples.json"])
        for number, row in drawn(read_rows(path), lambda row: row.get("doc_type"), setup):
            yield self._sample(row, number, path, setup)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """longdoc's measures, and ``published``: the set's own rule on the final answer."""
        form = str(sample.tags["format"])
        scores = qa_scores(sample, outcome, self.judge, _KINDS.get(form))
        if outcome.answer is not None:
            parsed = parse_answer(outcome.answer)
            said = parsed.final or parsed.text
            scores["published"] = anls.score(said, sample.gold.answers[0], form)
        return scores

    def _sample(self, row: Row, number: int, path: Path, setup: Setup) -> Sample:
        name = str(field(row, "doc_id", path))
        pdf = path.parent / "documents" / name
        if not pdf.is_file():
            raise absent(pdf)
        document = setup.read(pdf)
        pages = [int(page) - 1 for page in _written(row.get("evidence_pages"), path)]
        return Sample(
            id=f"mmlongbench-doc-{number}",
            task=self.name,
            question=str(field(row, "question", path)),
            documents=(document,),
            gold=Gold(
                (str(field(row, "answer", path)),),
                pages=tuple((document.id, p) for p in pages if 0 <= p < len(document.pages)),
            ),
            tags={
                "source": str(row.get("doc_type", "")),
                "format": str(field(row, "answer_format", path)),
                "evidence_sources": ", ".join(
                    map(str, _written(row.get("evidence_sources"), path))
                ),
                "evidence_pages": len(pages),
            },
        )


def _written(value: object, path: Path) -> list[Any]:
    """A list that is written as a string in Python's notation."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError) as error:
            raise DataError(f"{path}: {value!r} is no list.", "Download it again.") from error
    return list(value) if isinstance(value, list) else []


TASKS = (MMLongBenchDoc(),)
