"""Figures that have to be worked out: questions over financial tables and their text whose
answer stands nowhere in them.

TAT-QA (Zhu et al., 2021): a table with the paragraphs around it; answers carry a scale apart.
The rows here have no derivations, so a figure that is not printed is taken as a derived one.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.figures import numbers
from compressor.training.haystacks import blocks_of
from documents import Document
from documents.errors import DataError
from evals.samples import Gold, Outcome, Sample, Scores, Setup
from evals.tasks.qa import qa_scores
from evals.tasks.rows import Row, absent, drawn, field

_FIGURE = re.compile(r"[\s$€£(-]*\d[\d,]*(?:\.\d+)?[)%\s]*")


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``limit`` questions. ``correct`` is exact: unit, scale and sign count (see
    `evals.metrics.figures`)."""

    name: str = "arithmetic"
    source: str = "TAT-QA dev, github.com/NExTplusplus/TAT-QA, CC BY 4.0"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """Questions with one figure for an answer that their document does not print."""
        folder = setup.data / "train"
        texts = {row["doc"]: row["text"] for row in _read(folder / "tatqa_dev_docs.jsonl.gz")}
        path = folder / "tatqa_dev_questions.jsonl.gz"
        printed = {doc: numbers(text) for doc, text in texts.items()}
        rows = [row for row in _read(path) if _derived(row, printed[field(row, "doc", path)])]
        for number, row in drawn(rows, lambda _: "", setup):
            text = texts[row["doc"]]
            document = Document(row["doc"], "report", text, (), tuple(blocks_of(text)))
            spans = tuple(document.span(start, end) for start, end in field(row, "spans", path))
            yield Sample(
                f"tatqa-{number}",
                self.name,
                str(field(row, "question", path)),
                (document,),
                Gold((_gold(row),), spans),
                {"scale": row.get("scale") or "none"},
            )

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """Answer, citations, abstention."""
        return qa_scores(sample, outcome, kind="figure")


def _derived(row: Row, printed: frozenset[str]) -> bool:
    answers = [str(answer) for answer in row["answers"]]
    one = len(answers) == 1 and _FIGURE.fullmatch(answers[0]) is not None
    return one and not numbers(answers[0]) & printed


def _gold(row: Row) -> str:
    """The answer with its scale, as people write it."""
    answer, scale = str(row["answers"][0]), str(row.get("scale") or "")
    if scale == "percent":
        return f"{answer.rstrip('%')}%"
    return f"{answer} {scale}".strip()


def _read(path: Path) -> Iterator[Row]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())
    except FileNotFoundError as error:
        raise absent(path) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Download it again.") from error


TASKS = (Arithmetic(),)
