"""From [n] to a quote on the page, and what holds it up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.checking import supports
from agent.citations import Cited, best_quote, cite, claims, marked, statements
from agent.figures import numbers
from documents import Document, DocumentStore, Evidence, Span

REPORT = """# Annual report of Halden Marine plc

## Results

| Segment | 2023 | 2022 |
|---|---|---|
| Harbour | 1,204 | 1,190 |
| Offshore | 98.5 | 87.0 |

Revenue of the group rose to 4,812 million on 31 March 2023. The board, led by Ingrid Dahl,
proposed a dividend of 12.5 pence. Margins in Harbour fell by 3%.

## People

Head count was 7,310 at the year end.
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder: Path = tmp_path_factory.mktemp("citations")
    (folder / "report.md").write_text(REPORT)
    return DocumentStore(folder / "home").ingest(folder / "report.md")


def _span(report: Document, text: str) -> Span:
    start = report.text.index(text)
    return report.span(start, start + len(text))


def _paragraph(report: Document) -> Span:
    block = next(b for b in report.blocks if report.text[b.start :].startswith("Revenue of"))
    return report.span(block.start, block.end)


def test_the_quote_is_the_sentence_with_the_figure(report: Document) -> None:
    quote = best_quote("The dividend was 12.5 pence", report, _paragraph(report))
    text = " ".join(report.slice(quote).split())
    assert text == "The board, led by Ingrid Dahl, proposed a dividend of 12.5 pence."


@pytest.mark.parametrize(
    ("claim", "quote", "holds"),
    [
        ("Revenue rose to 4,812 million.", "Revenue of the group rose to 4,812 million", True),
        ("Revenue rose to 4812 million.", "Revenue of the group rose to 4,812 million", True),
        ("Revenue rose to 4,182 million.", "Revenue of the group rose to 4,812 million", False),
        ("Revenue rose to 48.", "Revenue of the group rose to 4,812 million", False),
        ("Margins fell by 3%.", "Margins in Harbour fell by 3%.", True),
        ("Offshore made 98.5.", "Offshore | 98.5 | 87.0", True),
        ("Offshore made 98.50 in 2023.", "Offshore | 98.5 | 87.0", True),
        ("Offshore made 98.5 in 2019.", "Offshore | 98.5 | 87.0", False),
        ("On 31 March 2023 it was 4,812.", "4,812 million on 31 March 2023", True),
        ("On 31 March 2021 it was 4,812.", "4,812 million on 31 March 2023", False),
        ("The board of Ingrid Dahl paid 12.5.", "Ingrid Dahl,\nproposed a dividend of 12.5", True),
        ("The board of Olaf Berg paid 12.5.", "Ingrid Dahl,\nproposed a dividend of 12.5", False),
        ("For Halden Marine it was 7,310.", "Head count was 7,310", True),
        ("The head count was high.", "Head count was 7,310", True),
        ("Profits were low.", "Head count was 7,310", False),
    ],
)
def test_verified_needs_figures_dates_and_names(
    report: Document, claim: str, quote: str, holds: bool
) -> None:
    assert supports(claim, report, _span(report, quote)) is holds


def test_a_number_that_names_nothing_is_reported(report: Document) -> None:
    evidence = [Evidence(_paragraph(report), 1.0)]
    found = cite("Revenue was 4,812 [1]. It was good [4].", evidence, {report.id: report})
    assert [c.n for c in found.citations] == [1]
    assert found.citations[0].verified
    assert found.unknown == (4,)


def test_one_false_claim_spoils_a_shared_quote(report: Document) -> None:
    evidence = [Evidence(_span(report, "Head count was 7,310 at the year end."), 1.0)]
    found = cite("It was 7,310 [1]. It was 9,999 [1].", evidence, {report.id: report})
    assert [c.verified for c in found.citations] == [False]
    assert found.unsupported == ("It was 9,999.",)


def test_marks_belong_to_their_sentence() -> None:
    text = "Sales rose 4% [1, 3]. Costs fell. [2] The rest is unknown. Therefore, it is 4% [2-4]."
    assert list(claims(text)) == [
        ("Sales rose 4%.", (1, 3)),
        ("Costs fell.", (2,)),
        ("Therefore, it is 4%.", (2, 3, 4)),
    ]


def test_figures_are_compared_as_numbers() -> None:
    assert numbers("1,500.0 and 1500, (12.50) 7% €3 Q3 10-K") == {"1500", "12.5", "7", "3", "10"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_quote_is_a_slice_within_its_evidence(report: Document, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(report.text) - 2))
    end = data.draw(st.integers(start + 1, len(report.text)))
    claim = data.draw(st.text(max_size=60))
    answer = f"{claim} [1]"
    found = cite(answer, [Evidence(report.span(start, end), 0.5)], {report.id: report})
    assert set(found.unknown) <= set(range(10_000)) - {1}
    for citation in found.citations:
        assert start <= citation.span.start < citation.span.end <= end
        assert report.slice(citation.span) in report.text


def test_a_figure_cited_wrongly_or_not_at_all_is_found(report: Document) -> None:
    evidence = [
        Evidence(_span(report, "Head count was 7,310"), 0.2),
        Evidence(_paragraph(report), 0.9),
    ]
    documents = {report.id: report}
    found = cite("Revenue was 4,812 million [1].", evidence, documents)
    (right,) = found.citations
    assert (right.n, right.verified, right.by) == (2, True, "longdoc")
    assert marked("Revenue was 4,812 million [1].", found.marks) == "Revenue was 4,812 million [2]."
    assert "4,812 million" in report.slice(right.span)
    assert found.unknown == found.unsupported == ()
    (right,) = cite("Therefore, the answer is 7,310.", evidence, documents).citations
    assert (right.n, right.by) == (1, "longdoc")
    for claim in ("Therefore, the answer is 7,311.", "It rose by 3."):
        assert cite(claim, evidence, documents) == Cited(unsupported=(claim,))


@pytest.mark.parametrize(
    ("sentence", "claimed"),
    [
        ("Sales were 82 in 2022 [1], then 81 in 2023 [3].",
         [("Sales were 82 in 2022", (1,)), (", then 81 in 2023.", (3,))]),
        ("Sales were 82 in 2022 [1] [2].", [("Sales were 82 in 2022.", (1, 2))]),
        ("As [1] and [3] say, sales were 82.", [("As  and  say, sales were 82.", (1, 3))]),
        ("Apple Inc. sold 82 [1]. It paid 5 [2].",
         [("Apple Inc. sold 82.", (1,)), ("It paid 5.", (2,))]),
        ("It says “sales were 82.” [2] More follows.", [("It says “sales were 82.”", (2,))]),
    ],
)  # fmt: skip
def test_a_mark_is_for_what_stands_before_it(
    sentence: str, claimed: list[tuple[str, tuple[int, ...]]]
) -> None:
    assert list(claims(sentence)) == claimed


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Sales were 82 in 2022 [1], then 81 in 2023 [3].",
         "Sales were 82 in 2022 [9], then 81 in 2023 [9]."),
        ("Sales were 82. [1] It fell!\n[2]", "Sales were 82 [9]. It fell [9]!"),
        ("[1] In May 5 came.\n[2] In June 6 went.\n", "In May 5 came [9].\nIn June 6 went [9].\n"),
        ("- It fell.\n\nTherefore, the answer is (12.5%) [1] [2].",
         "- It fell [9].\n\nTherefore, the answer is (12.5%) [9]."),
    ],
)  # fmt: skip
def test_marks_that_do_not_hold_are_put_right(answer: str, right: str) -> None:
    assert marked(answer, {claim: (9,) for claim, _ in statements(answer)}) == right
    assert marked(answer, {}) == answer
    assert list(statements(right)) == [(claim, (9,)) for claim, _ in statements(answer)]


def test_a_quotation_stays_as_it_is() -> None:
    answer = "It is (9) [1].\n“Sales rose. Costs fell.” [2]"
    marks = dict.fromkeys(["It is (9).", "“Sales rose.", "Costs fell.”"], (9,))
    assert marked(answer, marks) == answer.replace("[1]", "[9]")


@pytest.mark.parametrize(
    ("claim", "by"),
    [
        ("The student is initialised by taking one layer out of two.", [(2, "longdoc")]),
        ("The student is initialised by taking one layer out of two [1].",
         [(2, "longdoc")]),
        ("The student is initialised by random weights from a normal distribution.", []),
        ("The student is small.", []),
    ],
)  # fmt: skip
def test_a_claim_without_a_figure_is_found_by_its_words(
    tmp_path: Path, claim: str, by: list[tuple[int, str]]
) -> None:
    text = "Training took long.\n\nWe initialise the student from the teacher by taking one layer "
    (tmp_path / "paper.md").write_text(f"# Distilling\n\n{text}out of two.\n")
    document = DocumentStore(tmp_path / "store").ingest(tmp_path / "paper.md")
    cut = document.text.index("We initialise")
    evidence = [
        Evidence(document.span(document.text.index("Training"), cut), 1.0),
        Evidence(document.span(cut, len(document.text)), 0.5),
    ]
    found = cite(claim, evidence, {document.id: document}, "How is the student made?")
    assert [(c.n, c.by) for c in found.citations] == by
