"""Question sets over PDFs: each layout as published, on small files made here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pymupdf
import pytest

from documents import DocumentStore
from documents.errors import DataError
from evals.metrics import anls
from evals.metrics.evidence import evidence_kept
from evals.samples import Outcome, Sample, Setup
from evals.tasks.financebench import FinanceBench
from evals.tasks.locate import locate
from evals.tasks.mmlongbench import MMLongBenchDoc
from evals.tasks.pdfs import PdfQuestions

PAGES = (
    "Annual report of Harbour Mills for the year.",
    "Net sales were 406.1 million dollars in the year.\n\nThe chief baker is Ann Reed.",
    "Capital expen-\nditure came to 1,577 in millions.\n\nNothing else is said here at all.",
)


@cache
def _bytes(pages: Sequence[str]) -> bytes:
    """Made once, so that the library finds it again."""
    with pymupdf.open() as pdf:
        for text in pages:
            pdf.new_page().insert_text((72, 72), text, fontsize=11)
        return bytes(pdf.tobytes())


def _pdf(path: Path, pages: Sequence[str] = PAGES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_bytes(pages))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DocumentStore:
    return DocumentStore(tmp_path_factory.mktemp("home"))


@pytest.fixture
def setup(tmp_path: Path, store: DocumentStore) -> Setup:
    return Setup(tmp_path / "data", store.ingest, lambda text: len(text.split()))


def _write(path: Path, rows: Sequence[object], *, lines: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    path.write_text(text, encoding="utf-8")


def _answered(sample: Sample, answer: str) -> Outcome:
    return Outcome((), "", 0, answer, "answered")


def _row(question: str, answer: str, kind: str, page: int | None = None) -> dict[str, object]:
    evidence = None if page is None else [[{"pdf": "a/one.pdf", "page": page}]]
    return {
        "set": "a", "pdfs": ["a/one.pdf"], "question": question, "answers": [answer],
        "kind": kind, "evidence": evidence,
    }  # fmt: skip


def test_questions_over_pdfs(setup: Setup) -> None:
    _pdf(setup.data / "pdfs" / "a" / "one.pdf")
    rows = [
        _row("What are net sales in USD?", "406100000.0", "number", 1),
        _row("Did it sell a mill? If there is no mention, return False.", "False", "boolean", 0),
        _row("Who is the chief baker?", "Ann Reed", "names", 1),
        _row("What is it about?", " ".join(["Baking and milling of flour by the sea"] * 3), "text"),
    ]
    _write(setup.data / "pdfs" / "questions.jsonl", rows)
    task = PdfQuestions("pdfs")
    sales, sold, baker, about = task.samples(setup)

    document = sales.documents[0]
    everything = [document.span(0, len(document.text))]
    kept = evidence_kept(sales.gold, everything, {document.id: document})
    assert kept == {"kept": 1.0, "found": 1.0}
    assert evidence_kept(sold.gold, everything, {document.id: document}) == {}

    assert sales.gold.pages == ((document.id, 1),)
    assert task.score(sales, _answered(sales, "$406.1 million"))["correct"] == 1.0
    assert task.score(sales, _answered(sales, "406.1"))["correct"] == 0.0
    assert task.score(sold, _answered(sold, "No."))["correct"] == 1.0
    assert task.score(baker, _answered(baker, "The baker is Ann Reed."))["correct"] == 1.0
    prose = task.score(about, _answered(about, "Baking, milling."))
    assert "correct" not in prose
    assert prose["key_terms"] == 1.0
    assert task.score(about, Outcome((), "", 0)) == {}
    assert [s.id for s in PdfQuestions("b", only="b").samples(setup)] == []


def test_a_judge_adds_its_rating(setup: Setup) -> None:
    _pdf(setup.data / "pdfs" / "a" / "one.pdf")
    _write(setup.data / "pdfs" / "questions.jsonl", [_row("Who bakes?", "Ann Reed", "names")])
    task = PdfQuestions("pdfs", judge=lambda _: "Rating: [[100]]")
    (sample,) = task.samples(setup)
    scores = task.score(sample, _answered(sample, "Ann Reed"))
    assert (scores["judged"], scores["perfect"], scores["judge_read"]) == (1.0, 1.0, 1.0)
    unread = PdfQuestions("pdfs", judge=lambda _: "Fine.")
    assert unread.score(sample, _answered(sample, "Ann Reed"))["judge_read"] == 0.0


def test_a_limit_is_drawn_by_the_seed_and_keeps_its_order(setup: Setup) -> None:
    _pdf(setup.data / "pdfs" / "a" / "one.pdf")
    rows = [_row(f"Question {n}?", "5", "number") for n in range(9)]
    _write(setup.data / "pdfs" / "questions.jsonl", rows)

    def ids(seed: int) -> list[str]:
        limited = Setup(setup.data, setup.read, setup.count, limit=4, seed=seed)
        return [sample.id for sample in PdfQuestions("pdfs").samples(limited)]

    assert ids(1) == ids(1) == sorted(ids(1))
    assert len(ids(1)) == 4
    assert len({tuple(ids(seed)) for seed in range(5)}) > 1


def _finance_row(text: str, page: int) -> dict[str, object]:
    return {
        "financebench_id": f"id_{page}", "doc_name": "MILLS_2020_10K", "question_type": "metrics",
        "question": "What is the capital expenditure (in USD millions)?", "answer": "$1577.00",
        "justification": "As the text has it.",
        "evidence": [{"evidence_text": text, "doc_name": "MILLS_2020_10K",
                      "evidence_page_num": page}],
    }  # fmt: skip


@pytest.mark.parametrize("page", [1, 2])
def test_financebench_evidence_is_located(setup: Setup, page: int) -> None:
    """On its page or, where the data set counts from elsewhere, on the next."""
    root = setup.data / "financebench"
    _pdf(root / "pdfs" / "MILLS_2020_10K.pdf")
    row = _finance_row("Capital expenditure came  to 1,577 in millions.", page)
    _write(root / "data" / "financebench_open_source.jsonl", [row])
    (sample,) = FinanceBench().samples(setup)
    (span,) = sample.gold.spans
    text = sample.documents[0].slice(span)
    assert text.startswith("Capital expen")
    assert text.rstrip(".").endswith("in millions")
    assert sample.gold.pages == ((sample.documents[0].id, 2),)
    scores = FinanceBench().score(sample, _answered(sample, "It was $1,577 million."))
    assert scores["correct"] == 1.0


def test_financebench_evidence_that_is_not_found_leaves_its_page(setup: Setup) -> None:
    root = setup.data / "financebench"
    _pdf(root / "pdfs" / "MILLS_2020_10K.pdf")
    row = _finance_row("Words that stand on no page of this report, none of them.", 2)
    _write(root / "financebench_open_source.jsonl", [row])
    (sample,) = FinanceBench().samples(setup)
    assert sample.gold.spans == ()
    assert sample.gold.pages == ((sample.documents[0].id, 2),)


def test_a_table_is_located_by_its_lines(setup: Setup) -> None:
    path = setup.data / "table.pdf"
    _pdf(path, ("Net sales 9,120 8,400 7,105\nCost of sales 5,010 4,400 4,105\nOther text",))
    document = setup.read(path)
    quote = "Cost of sales $5,010 $4,400 $4,105\nNet sales $9,120 $8,400 $7,105\n(unaudited)"
    found = [document.slice(span) for span in locate(document, quote, 0)]
    assert found == ["Net sales 9,120 8,400 7,105", "Cost of sales 5,010 4,400 4,105"]
    assert locate(document, "Something else altogether, not in here", 0) == ()


def test_mmlongbench_doc(setup: Setup) -> None:
    root = setup.data / "mmlongbench-doc"
    _pdf(root / "documents" / "mills.pdf")

    def row(answer: str, form: str, pages: str) -> dict[str, str]:
        return {
            "doc_id": "mills.pdf", "doc_type": "Report", "question": "What?", "answer": answer,
            "evidence_pages": pages, "evidence_sources": "['Table', 'Chart']",
            "answer_format": form,
        }  # fmt: skip

    rows = [
        row("406", "Int", "[2]"),
        row("Not answerable", "None", "[]"),
        row("['flour', 'bread']", "List", "[1, 3, 99]"),
    ]
    _write(root / "samples.json", rows, lines=False)
    task = MMLongBenchDoc()
    number, nothing, both = task.samples(setup)
    document = number.documents[0].id
    assert number.gold.pages == ((document, 1),)  # published pages count from 1
    assert both.gold.pages == ((document, 0), (document, 2))  # and page 99 is not there
    assert number.tags["evidence_sources"] == "Table, Chart"
    assert task.score(number, _answered(number, "The answer is 406."))["published"] == 1.0
    refused = Outcome((), "", 0, "It is not mentioned in the document.", "not_in_documents")
    scores = task.score(nothing, refused)
    assert (scores["correct"], scores["published"], scores["abstained_rightly"]) == (1.0,) * 3
    assert task.score(both, _answered(both, "the answer is bread, flour"))["correct"] == 1.0


def test_anls_by_hand() -> None:
    assert anls.distance("kitten", "sitting") == 3
    assert anls.anls("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert anls.anls("abcd", "wxyz") == 0.0
    assert anls.score("12.05%", "12", "Float") == 1.0
    assert anls.score("12 [1]", "12", "Int") == anls.score("[8, 9]", "['8', '9']", "List") == 1.0
    assert anls.score("0.12", "12%", "Float") == 1.0
    assert anls.score("13", "12", "Float") == 0.0
    assert anls.score("['a.py']", "['a.py', 'b.py']", "List") == 0.0


@pytest.mark.parametrize("task", [PdfQuestions("pdfs"), FinanceBench(), MMLongBenchDoc()])
def test_data_that_is_not_there_is_named(setup: Setup, task: PdfQuestions) -> None:
    with pytest.raises(DataError) as caught:
        list(task.samples(setup))
    assert "not there" in caught.value.message
    assert caught.value.hint


def test_a_row_without_its_fields_is_named(setup: Setup) -> None:
    _write(setup.data / "pdfs" / "questions.jsonl", [{"question": "What?"}])
    with pytest.raises(DataError, match="'pdfs'"):
        list(PdfQuestions("pdfs").samples(setup))


def test_the_real_rows_load(data_dir: Path) -> None:
    read: list[Path] = []

    def note(path: Path) -> object:
        read.append(path)
        return _Named(path.name)

    setup = Setup(data_dir, note, len, limit=5)  # type: ignore[arg-type]
    samples = list(PdfQuestions("pdfs").samples(setup))
    assert len(samples) == 15
    assert {str(s.tags["source"]) for s in samples} == {"10q", "annual-reports", "papers"}
    assert all(path.is_file() for path in read)


class _Named:
    """Stands for a document where only its id is looked at: reading 30 reports takes minutes."""

    def __init__(self, identity: str) -> None:
        self.id = identity
