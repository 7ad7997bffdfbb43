"""A figure's row and the heads over it, in files without pages."""

from __future__ import annotations

import pytest

from agent.cells import row_at, table_around
from documents import Document
from documents.readers.text import parse

SPACED = """\
                                 \xa0 \xa0  March 31, 2024\xa0\xa0 \xa0    December 31,\xa0

                                 \xa0 \xa0     (unaudited)\xa0\xa0 \xa0            2023\xa0

Current assets:                  \xa0 \xa0                \xa0\xa0 \xa0                \xa0

Cash                             \xa0 $        822,921\xa0\xa0 $        819,024\xa0

Accumulated deficit              \xa0 \xa0       (177,148 )\xa0 \xa0        (165,583 )

Note receivable                  \xa0 \xa0              —\xa0\xa0 \xa0         185,000\xa0
"""
PIPED = " |  | 2019 | 2018\n | Note | £m | £m\nUK |  | 24.5 | 24.9\nTotal |  | 25.4 | 26.4\n"


def document(text: str) -> Document:
    return Document("d", "filing.txt", text, (), tuple(parse(text)[0]))


@pytest.mark.parametrize(
    ("text", "label", "heads"),
    [
        (SPACED, "Cash", [("March 31, 2024", "(unaudited)"), ("December 31,", "2023")]),
        (SPACED, "Accumulated", [("March 31, 2024", "(unaudited)"), ("December 31,", "2023")]),
        (SPACED, "Note receivable", [("December 31,", "2023")]),
        (PIPED, "UK", [("2019", "£m"), ("2018", "£m")]),
    ],
)
def test_heads_of_a_rows_figures(text: str, label: str, heads: list[tuple[str, ...]]) -> None:
    row = row_at(document(text), text.index(label))
    assert row is not None and row.label.startswith(label)
    assert [cell.heads for cell in row.cells] == heads


def test_a_line_without_figures_names_the_group_of_those_under_it() -> None:
    made = document(SPACED)
    lines = table_around(made, made.blocks[-1])
    assert {line.label: line.group for line in lines if line.group} == dict.fromkeys(
        ("Cash", "Accumulated deficit", "Note receivable —"), "Current assets:"
    )
