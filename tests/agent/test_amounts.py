"""A figure answers "how much" only where what was asked for stands beside or over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.amounts import Amounts
from agent.gates import gate_for
from documents import Document, DocumentStore, Evidence

REPORT = """# Halden Marine plc: quarterly report

## Statements of income

| In millions | 2023 | 2022 |
| --- | --- | --- |
| Net sales | 4,812 | 4,511 |
| Depreciation | 218 | 203 |
| Other income, net | 35 | 41 |
| Proceeds from sales of ships | 612 | 77 |

## Staff

At the end of 2023 the group had 1,204 people at sea. It paid 77 million for tugs.
"""


@pytest.fixture
def report(tmp_path: Path) -> Document:
    (tmp_path / "report.md").write_text(REPORT)
    return DocumentStore(tmp_path / "store").ingest(tmp_path / "report.md")


def _allows(report: Document, question: str, answer: str) -> bool:
    evidence = [Evidence(report.span(0, len(report.text)), 1.0)]
    return Amounts(question, evidence, {report.id: report}).allows(answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How much were net sales in 2023?", "They were 4,812 [1]."),
        ("How much revenue did Halden Marine make in 2023?", "It made $4,812 million."),
        ("What was the depreciation in 2022?", "It was 203."),
        ("How much other income was there?", "Other income was 35."),
        ("How many employees are there at sea?", "There are 1,204."),
        ("How much did it spend on new tugs?", "It spent 77 million."),
        ("How much did net sales grow in per cent?", "They grew by 6.7%."),
        ("Why did net sales grow?", "Other income was 35."),
        ("How many trawlers are there?", "The documents do not say."),
        ("How much were the 35 trawlers?", "The 35 trawlers are not mentioned."),
    ],
)
def test_right_figures_pass(report: Document, question: str, answer: str) -> None:
    assert _allows(report, question, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How much were the proceeds from sales of uranium?", "Therefore, the answer is 612 [1]."),
        ("How much was the charter income from its trawlers?", "It was $35 [3]."),
        ("What were the impairment charges?", "They were 218."),
        ("How many employees are there?", "It has 4,812 employees."),
        ("How much was the casino revenue?", "It was 35."),
    ],
)
def test_the_figure_of_something_else_does_not(
    report: Document, question: str, answer: str
) -> None:
    assert not _allows(report, question, answer)


def test_in_long_documents_half_of_the_matter_must_stand_somewhere(tmp_path: Path) -> None:
    days = "\n\n".join(f"On day {n} nothing of note was written down." for n in range(500))
    (tmp_path / "long.md").write_text(REPORT + days)
    long = DocumentStore(tmp_path / "store").ingest(tmp_path / "long.md")
    asked = "How much was the depreciation of its orchards?"
    assert not _allows(long, asked, "The depreciation was 218.")
    assert _allows(long, "How much was the depreciation of its tugs?", "The depreciation was 218.")


def test_a_withheld_figure_is_said_to_be_so(report: Document) -> None:
    evidence = [Evidence(report.span(0, len(report.text)), 1.0)]
    gate = gate_for("How much was its charter income from trawlers?", evidence, {report.id: report})
    shown = gate.feed("The charter income was $35 [3].") + gate.close()
    assert gate.nothing_left
    assert "35" not in shown
