"""A table's figures come out in its scale."""

from __future__ import annotations

import pytest

from agent.gates import gate_for
from agent.scales import Scales
from documents import Document, Evidence
from documents.readers.text import parse

REPORT = """# Halden Marine plc

## Cash flows ({frame})

| Item | 2023 | 2022 |
|---|---|---|
| Cash from operating activities | 19,970 | 18,100 |
| Tax rate | 21.5% | 21.0% |
| Cash used in investing activities | (30,758) | (12,000) |
| Dividends per share | 1.25 | 1.20 |
| Number of employees | 1,300 | 1,250 |

## Notes

The dock cost 18,100 crowns. Repairs came to $4.2 million.
"""


def report(frame: str = "in thousands") -> Document:
    text = REPORT.format(frame=frame)
    return Document("d", "report.md", text, (), tuple(parse(text)[0]))


def pieces(document: Document) -> list[Evidence]:
    """The table, then the note."""
    at = document.text.index("## Notes")
    return [
        Evidence(document.span(0, at), 1.0),
        Evidence(document.span(at, len(document.text)), 1.0),
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Operations brought $19,970 [1].", "Operations brought $19,970 thousand [1]."),
        ("Therefore, the answer is (30,758) [1].",
         "Therefore, the answer is (30,758) thousand [1]."),
        ("It went from 18,100 to 19,970 [1].",
         "It went from 18,100 thousand to 19,970 thousand [1]."),
        ("It was 19,970.", "It was 19,970 thousand."),
    ],
)  # fmt: skip
def test_a_figure_of_a_table_gets_its_scale(said: str, shown: str) -> None:
    document = report()
    assert Scales(pieces(document), {document.id: document}).completed(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "It was 19,970 thousand [1].",
        "It was $19.97 million [1].",
        "It cost 18,100 [2].",  # in the note's own words
        "It was 18,100.",  # the table's or the note's
        "The rate is 21.5% [1].",
        "The dividend was 1.25 [1].",
        "In 2023 it fell [1].",
        "There were 19,970 ships [1].",
        "It was 5,555 [1].",
        "It was 19,970 [2].",  # not there
        "Repairs came to 4.2 million [2].",
    ],
)
def test_other_figures_stay_as_they_are(said: str) -> None:
    document = report()
    assert Scales(pieces(document), {document.id: document}).completed(said) == said


def test_a_scale_with_exceptions_is_not_of_counts() -> None:
    document = report("in millions, except employees and per-share data")
    scales = Scales(pieces(document), {document.id: document})
    assert scales.completed("It was 19,970 [1].") == "It was 19,970 million [1]."
    assert scales.completed("It had 1,300 [1].") == "It had 1,300 [1]."


def test_an_answer_comes_out_with_its_scales() -> None:
    document = report()
    question = "How much cash did operating activities bring in 2023?"
    gate = gate_for(question, pieces(document), {document.id: document})
    shown = gate.feed("Operating activities brought $19,970 [1].\n") + gate.close()
    assert shown.strip() == "Operating activities brought $19,970 thousand [1]."
