"""A figure holds a claim up only in its row, under its period, with its unit and scale."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path

import pytest

from agent.cells import row_at
from agent.checking import mistakes
from agent.citations import cite
from documents import Document, DocumentStore, Evidence, Span
from evals.fictional.company import Figures, draw_facts
from evals.fictional.layout import Report, section
from evals.fictional.tables import leases

REPORT = """# Halden Marine plc

## Statement of operations (in millions)

| Item | 2023 | 2022 |
|---|---|---|
| North: |  |  |
| Net sales | 71,797 | 72,959 |
| South: |  |  |
| Net sales | 10,000 | 10,111 |
| Total net sales | 81,797 | 83,070 |
| Research and development | 7,442 | 6,797 |
| Operating expenses | 13,415 | 12,809 |
| Gross margin | 44.5% | 43.3% |

In 2023 the port took 512 ships, and in 2022 498 ships.

Fees (2022: €77 million) were €81 million.

## Per share and below zero (in millions, except per share)

| Item | 2023 | 2022 |
|---|---|---|
| Operating income (loss) | (1,204) | 1,100 |
| Net cash used in investing activities | (3,705) | (2,086) |
| Diluted earnings per share | 6.13 | 6.11 |

## Agreement

The agreement may be terminated on 30 days' notice.

Payment is due within 45 days of invoice.

The Supplier shall not be liable for indirect damages.

The Tenant shall not assign the lease without consent.

The cap on liability is €5,000,000.

Volumes fell 12% in 2023.

Rent was $512 million and $498 million for the years ended December 31, 2023 and 2022, respectively.

Between 2022 and 2023 headcount rose from 4,100 to 4,500.

The annual loss was $1,317 million.
"""
SALES = "What were total net sales in 2023?"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder: Path = tmp_path_factory.mktemp("checking")
    (folder / "report.md").write_text(REPORT)
    return DocumentStore(folder / "home").ingest(folder / "report.md")


def _kinds(document: Document, quote: str, claim: str, question: str) -> set[str]:
    start = document.text.index(quote)
    block = document.blocks_in(start, start + 1)[0]
    span = Span(document.id, block.start, block.end)
    return {mistake.kind for mistake in mistakes(claim, document, span, question)}


@pytest.mark.parametrize(
    ("quote", "claim", "question", "kinds"),
    [
        ("| Total", "The answer is 81,797.", SALES, ""),
        ("| Total", "The answer is $81,797 million.", SALES, ""),
        ("| Total", "The answer is $81.8 billion.", SALES, ""),
        ("| Total", "The answer is 83,070.", SALES, "period"),
        ("| Total", "Total net sales were 83,070 in 2022.", SALES, ""),
        ("| Total", "Total net sales were 83,070 in 2023.", SALES, "period"),
        ("| Total", "They fell from 83,070 to 81,797.", SALES, ""),
        ("| Total", "In 2022 it was 83,070 and in 2023 81,797.", SALES, ""),
        ("| Total", "In 2022 it was 81,797 and in 2023 83,070.", SALES, "period"),
        ("| Total", "It was 83,070.", "How did net sales change from the year before 2023?", ""),
        ("| Total", "The answer is 81,797 thousand.", SALES, "scale"),
        ("| Total", "The answer is 81,797%.", SALES, "unit"),
        ("| Total", "The answer is 99,999.", SALES, "figure"),
        ("| Operating", "The answer is 13,415.", SALES, "row"),
        ("| Operating", "Operating expenses were 13,415.", SALES, ""),
        ("| Operating", "Research and development was 13,415.", SALES, "row"),
        ("| Research", "The answer is 7,442.", "What were the expenses for R&D in 2023?", ""),
        ("| Research", "The answer is 7,442.", "What were operating expenses in 2023?", "row"),
        ("| Gross", "The gross margin was 44.5%.", SALES, ""),
        ("71,797", "The answer is 71,797.", "What were net sales in the North?", ""),
        ("10,000", "The answer is 10,000.", "What were net sales in the North?", "row"),
        ("In 2023 the", "The answer is 512.", "How many ships came in 2023?", ""),
        ("In 2023 the", "The answer is 498.", "How many ships came in 2023?", "period"),
        ("Fees (", "Fees were €81 million.", "What were fees?", ""),
        ("Fees (", "Fees were $81 million.", "What were fees?", "unit"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_claim(
    report: Document, quote: str, claim: str, question: str, kinds: str
) -> None:
    assert _kinds(report, quote, claim, question) == set(kinds.split())


def test_the_quote_that_fits_is_taken_before_one_that_only_has_the_figure(tmp_path: Path) -> None:
    table = "| Site | 2025 |\n|---|---|\n| Oslo store 1 | 2,155 |\n| Bergen store 2 | 2,155 |\n"
    (tmp_path / "t.md").write_text(f"# R\n\n{table}")
    document = DocumentStore(tmp_path / "home").ingest(tmp_path / "t.md")
    evidence = [Evidence(document.span(0, len(document.text)), 1.0)]
    question = "What was the rent of Bergen store 2?"
    found = cite("The answer is 2,155 [1].", evidence, {document.id: document}, question)
    (citation,) = found.citations
    assert citation.verified
    assert "Bergen" in document.slice(citation.span)


def test_sentences_that_nothing_holds_up_are_named(report: Document) -> None:
    evidence = [Evidence(report.span(0, len(report.text)), 1.0)]
    answer = (
        "Total net sales were 81,797 in 2023 [1]. The port is owned by Olaf Berg. It went well. "
        "Therefore, the answer is 81,797."
    )
    found = cite(answer, evidence, {report.id: report}, SALES)
    assert found.unsupported == ("The port is owned by Olaf Berg.",)
    assert found.contradicted == ()
    found = cite("The answer is 83,070 [1].", evidence, {report.id: report}, SALES)
    assert [m.kind for m in found.contradicted[0].mistakes] == ["period"]
    assert "81,797 stands under “2023”" in found.contradicted[0].mistakes[0].text


def test_the_made_leases_near_misses_are_not_verified(tmp_path: Path) -> None:
    rng = random.Random(7)
    facts = draw_facts(rng)
    target = BytesIO()
    story = [*section("Schedules"), *leases(facts, Figures(rng, facts.reserved()))]
    Report(target).build(story)
    (tmp_path / "leases.pdf").write_bytes(target.getvalue())
    document = DocumentStore(tmp_path / "home").ingest(tmp_path / "leases.pdf")
    question = (
        "What was the annual rent in 2025 of the leased site Gothenburg cold store 2, in "
        "thousands of pounds?"
    )
    row = row_at(document, document.text.index("Gothenburg cold store 2"))
    assert row is not None
    heads = {cell.figure.key: cell.heads for cell in row.cells}
    assert heads[facts.rent.replace(",", "")] == ("Annual rent 2025 £000",)
    first, depot = facts.rents_nearby
    for place, figure, kinds in (
        ("cold store 2", facts.rent, set()),
        ("cold store 2", facts.rent_before, {"period"}),
        ("cold store 1", first, {"row"}),
        ("depot", depot, {"row"}),
    ):
        claim = f"Therefore, the answer is {figure}."
        assert _kinds(document, f"Gothenburg {place}", claim, question) == kinds, place


@pytest.mark.data
def test_the_heads_of_a_quarterly_report(data_dir: Path, tmp_path: Path) -> None:
    store = DocumentStore(tmp_path)
    document = store.ingest(data_dir / "pdfs" / "10q" / "2023_Q3_AAPL.pdf")
    row = row_at(document, document.text.index("Total net sales\t81,797"))
    assert row is not None
    assert [cell.heads for cell in row.cells] == [
        ("Three Months Ended", "July 1,", "2023"),
        ("Three Months Ended", "June 25,", "2022"),
        ("Nine Months Ended", "July 1,", "2023"),
        ("Nine Months Ended", "June 25,", "2022"),
    ]
    question = "What were total net sales for the quarter ended July 1, 2023?"
    for figure, kind in (("81,797", ""), ("82,959", "period"), ("293,787", "period")):
        claim = f"Therefore, the answer is ${figure}."
        found = _kinds(document, "Total net sales\t81,797", claim, question)
        assert found == set(kind.split())


@pytest.mark.parametrize(
    ("quote", "claim", "question", "kinds"),
    [
        ("The agreement", "The notice period is 30 days.", "", ""),
        ("Payment is", "The notice period is 45 days.", "", "words"),
        ("Payment is", "The answer is 45 days.", "What is the notice period?", "words"),
        ("Payment is", "The answer is 45 days.", "When is payment due?", ""),
        ("In 2023 the port", "The company was acquired by a rival in 2023.", "", "words"),
        ("In 2023 the port", "Yes, Halden Marine bought back shares in 2023.", "", "words"),
        ("The Supplier", "The Supplier shall be liable for indirect damages.", "", "sense"),
        ("The Supplier", "The Supplier is not liable for indirect damages.", "", ""),
        ("The agreement", "The agreement may not be terminated on notice.", "", "sense"),
        ("The Tenant", "The Tenant may assign the lease with consent.", "", ""),
        ("The cap", "The cap is €5 million.", "", ""),
        ("The cap", "The cap is €6 million.", "", "figure"),
        ("Volumes", "Volumes rose 12% in 2023.", "", "sense"),
        ("Volumes", "Volumes fell 12% in 2023.", "", ""),
        ("Rent was", "Rent was $498 million in 2023.", "", "period"),
        ("Rent was", "The answer is $512 million.", "What was rent in 2022?", "period"),
        ("Rent was", "Rent was $512 million in 2023.", "", ""),
        (
            "Rent was",
            "Rent was $512 million and $498 million in 2023 and 2022, respectively.",
            "",
            "",
        ),
        ("Between 2022", "Headcount was 4,100 in 2023.", "", "period"),
        ("Between 2022", "Headcount was 4,500 in 2023.", "", ""),
        ("The annual loss", "The annual income was $1,317 million.", "", "sense"),
        ("| Operating income", "Operating income was 1,204 million in 2023.", "", "sense"),
        ("| Operating income", "The operating loss was 1,204 million in 2023.", "", ""),
        ("| Operating income", "Operating income was (1,204) million in 2023.", "", ""),
        ("| Net cash", "Net cash used in investing activities was 3,705 in 2023.", "", ""),
        ("| Diluted", "Diluted earnings per share were $6.13 million.", "", "scale"),
        ("| Diluted", "Diluted earnings per share were $6.13 in 2023.", "", ""),
        ("| Gross margin", "The gross margin was $44.5 million in 2023.", "", "unit"),
        *(
            ("| Research", f"{claim} in 2023.", "What of product launches and R&D?", kinds)
            for claim, kinds in (
                ("Product launches came to 7,442", "words"),
                ("They came to 7,442", ""),
                ("Product launches and R&D came to 7,442", ""),
                ("The R&D spending on product launches was 7,442", ""),
            )
        ),
    ],
)
def test_the_opposite_and_what_is_of_something_else_do_not_hold(
    report: Document, quote: str, claim: str, question: str, kinds: str
) -> None:
    assert _kinds(report, quote, claim, question) == set(kinds.split())
