"""Rows that are called what is asked for are helped; nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.labels import called, helped
from compressor.units import units
from documents import Document, DocumentStore
from documents.rows import initials, tokens

TABLE = """# Report

Inventories rose because demand fell.

| In millions | 2023 | 2022 |
| --- | --- | --- |
| Inventories | 4,268 | 3,742 |
| Research and development (R&D) | 4,109 | 4,362 |
| Accounts receivable | 901 | 845 |
| Purchases of property, plant and equipment | 6,607 | 5,814 |
| Net cash provided by operating activities | 9,114 | 8,702 |
| Assets held for sale | | |
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("report")
    (folder / "report.md").write_text(TABLE)
    return DocumentStore(folder / "store").ingest(folder / "report.md")


def shares(report: Document, question: str) -> dict[str, float]:
    found = units(report, "sentence")
    texts = [report.text[unit.start : unit.end].strip("| ").split(" |")[0] for unit in found]
    return dict(zip(texts, called(question, report, found).tolist(), strict=True))


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What do the inventory levels suggest?", "Inventories"),
        ("What was the R&D expenditure?", "Research and development (R&D)"),
        ("How much was spent on research and development?", "Research and development (R&D)"),
        ("What are the accounts receivable?", "Accounts receivable"),
        ("What was the cash flow from operations?", "Net cash provided by operating activities"),
        ("What was the capex?", "Purchases of property, plant and equipment"),
        ("How large were capital expenditures?", "Purchases of property, plant and equipment"),
    ],
)
def test_a_row_is_helped_by_its_name(report: Document, question: str, row: str) -> None:
    found = shares(report, question)
    assert max(found, key=lambda text: found[text]) == row
    assert found[row] > 0.4
    assert found["Inventories rose because demand fell."] == 0
    assert found["Assets held for sale"] == 0  # it has no figure


def test_part_of_a_name_helps_less(report: Document) -> None:
    found = shares(report, "Which accounts did it keep?")
    assert 0 < found["Accounts receivable"] < 0.5
    assert found["Inventories"] == 0


def test_only_rows_that_are_asked_for_change(report: Document) -> None:
    found = units(report, "sentence")
    score = np.linspace(0.01, 0.9, len(found), dtype=np.float32)
    after = helped("What are inventories?", report, found, score)
    (changed,) = np.flatnonzero(after != score)
    assert "4,268" in report.text[found[changed].start : found[changed].end]
    assert (after >= score).all()
    assert (after < 1).all()
    assert (helped("Who sings?", report, found, score) == score).all()


@given(st.text(max_size=200))
def test_any_question_gives_shares(report: Document, question: str) -> None:
    found = called(question, report, units(report, "sentence"))
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()


def test_words_are_singular_and_abbreviations_known() -> None:
    assert tokens("Inventories and Liabilities of the years") == {"inventory", "liability", "year"}
    assert tokens("R&D") == {"rd"}
    assert "rd" in initials("Research and development (R&D)")
    assert "sga" in initials("Selling, general and administrative")
