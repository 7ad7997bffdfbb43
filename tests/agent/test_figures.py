"""One reader of figures: as documents print them, in any script, with sign, unit and scale."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.figures import every, numbers, printed, scale_over
from documents import DocumentStore


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("收入为4,812万元，增长3%。", [("4812", "", ""), ("3", "%", "")]),
        ("£4.8bn, $5m and 5m", [("4.8", "£", "billion"), ("5", "$", "million"), ("5", "", "")]),
        ("US$ (3.4) million", [("-3.4", "$", "million")]),
        ("EUR 3 million; 12 per cent", [("3", "€", "million"), ("12", "%", "")]),
        ("$ 81,797", [("81797", "$", "")]),
        ("a loss of -5 and 10-20", [("-5", "", ""), ("10", "", ""), ("20", "", "")]),
    ],
)
def test_figures_of_many_forms(text: str, figures: list[tuple[str, str, str]]) -> None:
    assert [(str(f.value), f.unit, f.scale) for f in printed(text)] == figures


def test_odd_groupings_are_seen_but_say_no_value() -> None:
    text = "1,23 and 1.2.3 on 31.12.2023"
    assert list(printed(text)) == []
    assert numbers(text) == {"123", "1", "2", "3", "31", "12", "2023"}


@given(st.integers(0, 10**12), st.sampled_from(["", "$", "€ ", "收入", "("]))
def test_a_printed_number_is_read_whole(value: int, before: str) -> None:
    after = ")" if before == "(" else "。"
    text = f"{before}{value:,}{after}"
    (figure,) = every(text)
    assert abs(figure.value) == value
    assert figure.key == str(value)
    assert text[figure.start : figure.end] == f"{value:,}"
    assert (figure.value < 0) is (before == "(" and value > 0)


@pytest.mark.parametrize(
    ("head", "cell", "scale"),
    [
        ("Sales (in millions)", "2023", "million"),
        ("Sales", "£000", "thousand"),
        ("Sales", "2023 £m", "million"),
        ("Sales in US$ thousands", "2023", "thousand"),
        ("Sales (in millions, except per share)", "2023", "million, with exceptions"),
        ("Sales (in millions)", "£000", "thousand"),
        ("Sales of £000", "2023", "thousand"),
        ("Sales", "2023", ""),
    ],
)
def test_the_scale_is_the_column_s_or_the_table_s(
    tmp_path: Path, head: str, cell: str, scale: str
) -> None:
    (tmp_path / "t.md").write_text(
        f"# R\n\n## {head}\n\n| Item | {cell} |\n|---|---|\n| A | 512 |\n"
    )
    document = DocumentStore(tmp_path / "store").ingest(tmp_path / "t.md")
    at = document.text.index("512")
    assert scale_over(document, document.span(at, at + 3), at, [cell]) == scale
