"""Small PDFs with their questions, in the layouts of the PDF sets, FinanceBench and
MMLongBench-Doc. One report stands in several folders, and is read once."""

from __future__ import annotations

import json
from pathlib import Path

from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate

from evals.fictional.layout import BODY, heading, table
from evals.smoke.files import lines_of, write_text
from evals.smoke.prose import Place

_REPORT, _QUARTER, _PAPER = Place(40), Place(41), Place(42)
_SALES = "Net sales of the year were 406.1 million crowns, after 391.7 million the year before."


def make(folder: Path) -> None:
    """``pdfs/``, ``financebench/``, ``mmlongbench-doc/``."""
    _sets(folder / "pdfs")
    _financebench(folder / "financebench")
    _mmlongbench(folder / "mmlongbench-doc")


def _sets(folder: Path) -> None:
    names = {"10q": "10q/quarter.pdf", "annual-reports": "erc/report.pdf", "papers": "papers/p.pdf"}
    for name, place in zip(names.values(), (_QUARTER, _REPORT, _PAPER), strict=True):
        write_pdf(folder / name, place)
    captain, minutes = _QUARTER.questions()[0], _PAPER.questions()[1]
    asked = {
        "10q": (captain.question, captain.answer, "names", 0),
        "annual-reports": ("What were net sales of the year?", "406100000", "number", 1),
        "papers": (minutes.question, minutes.sentence, "text", None),
    }
    rows = [
        {
            "set": name,
            "pdfs": [names[name]],
            "question": question,
            "answers": [answer],
            "kind": kind,
            "evidence": None if page is None else [[{"pdf": names[name], "page": page}]],
        }
        for name, (question, answer, kind, page) in asked.items()
    ]
    rows.append(rows[0] | {"pdfs": [names["10q"], names["annual-reports"]]})
    write_text(folder / "questions.jsonl", lines_of(rows))


def _financebench(folder: Path) -> None:
    name = "HARBOURS_2020_10K"
    write_pdf(folder / "pdfs" / f"{name}.pdf", _REPORT)
    quoted = {"evidence_text": _SALES, "doc_name": name, "evidence_page_num": 1}
    row = {
        "financebench_id": "financebench_id_00001",
        "doc_name": name,
        "question_type": "metrics-generated",
        "question_reasoning": "Information extraction",
        "question": "What were net sales of the year in million crowns?",
        "answer": "406.1",
        "justification": "The report says so.",
        "evidence": [quoted],
    }
    write_text(folder / "data" / "financebench_open_source.jsonl", lines_of([row]))


def _mmlongbench(folder: Path) -> None:
    write_pdf(folder / "documents" / "report.pdf", _REPORT)
    row = {
        "doc_id": "report.pdf",
        "doc_type": "Financial report",
        "question": "How many boats came in March?",
        "answer": "57",
        "evidence_pages": "[2]",
        "evidence_sources": "['Table']",
        "answer_format": "Int",
    }
    write_text(folder / "samples.json", json.dumps([row]))


def write_pdf(path: Path, place: Place) -> None:
    """Two pages about a place, the second with a table; the same bytes every time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    boats = (("January", "31", "28"), ("February", "44", "40"), ("March", "57", "52"))
    story: list[Flowable] = [
        heading(f"The harbour of {place.town}", 1),
        *(Paragraph(text, BODY) for text in place.paragraphs()),
        PageBreak(),
        heading("Figures", 2),
        Paragraph(_SALES, BODY),
        *table("Boats that came", ("Month", "this year", "last year"), boats),
    ]
    SimpleDocTemplate(str(path), title=f"The harbour of {place.town}", invariant=1).build(story)
