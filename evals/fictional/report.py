"""The report from cover to schedules, and the questions whose answers it holds once."""

from __future__ import annotations

import random
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from reportlab.platypus import Flowable, PageBreak, Paragraph, Spacer

from evals.fictional.company import (
    DIRECTORS,
    NAME,
    REGIONS,
    SEGMENTS,
    YEAR,
    Facts,
    Figures,
    draw_facts,
)
from evals.fictional.layout import BODY, Footnote, Report, Section, body, heading, marked, section
from evals.fictional.prose import Writer
from evals.fictional.tables import headcount, leases, pay, quarters, statement, subsidiaries

_RISKS = (
    "Economic conditions|Project execution|Supply chain|Cyber security|People and skills|"
    "Health and safety|Climate change|Regulation|Product liability|Financing and liquidity|"
    "Currency and commodity prices|Acquisitions|Competition|Technology change|Tax|Reputation"
)
_STATEMENTS = {
    "Consolidated income statement": (
        "Revenue|Cost of sales|Gross profit|Distribution costs|Administrative expenses|"
        "Other operating income|Operating profit|Finance income|Finance costs|"
        "Share of associates|Profit before tax|Income tax|Profit for the year"
    ),
    "Consolidated balance sheet": (
        "Goodwill|Other intangible assets|Property, plant and equipment|Right-of-use assets|"
        "Deferred tax assets|Inventories|Trade receivables|Contract assets|Cash and equivalents|"
        "Borrowings|Lease liabilities|Trade payables|Provisions|Retirement benefits|Net assets"
    ),
    "Consolidated cash flow statement": (
        "Operating profit|Depreciation|Amortisation|Working capital|Tax paid|Interest paid|"
        "Operating cash flow|Capital expenditure|Acquisitions|Disposals|Dividends paid|"
        "Repayment of borrowings|Change in cash"
    ),
}
_NOTES = (
    "Basis of preparation|Revenue|Segment information|Restatement|Operating costs|Employees|"
    "Share-based payments|Retirement benefits|Finance income and costs|Income tax|"
    "Earnings per share|Dividends|Goodwill|Other intangible assets|Property and equipment|Leases|"
    "Associates|Inventories|Trade receivables|Contract balances|Cash|Borrowings and covenants|"
    "Trade payables|Provisions|Financial instruments|Capital management|Share capital|Reserves|"
    "Acquisitions|Disposals|Contingent liabilities|Commitments|Related parties|Later events"
)
_SUSTAINABILITY = "Climate|Energy|Water|Waste|Safety|Our people|Communities|Supply chain"


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question, its answer as the report prints it, the page (from 1) where it stands, and
    figures in the report that a careless reader would take for it."""

    question: str
    answer: str
    page_hint: int
    near_misses: tuple[str, ...]


def write_report(path: Path, seed: int = 7) -> list[KnownQuestion]:
    """Write the report as a PDF, the same bytes for the same seed; say what may be asked."""
    pages: dict[str, int] = {}
    for _ in range(2):  # the second time the contents know their pages
        target = BytesIO()
        report = Report(target)
        rng = random.Random(seed)
        facts = draw_facts(rng)
        report.build(_story(facts, Figures(rng, facts.reserved()), pages))
        pages = report.sections
    path.write_bytes(target.getvalue())
    return _questions(facts, report.marks)


def _questions(facts: Facts, pages: dict[str, int]) -> list[KnownQuestion]:
    last = YEAR - 1
    asked = {
        "rent": (
            f"What was the annual rent in {YEAR} of the leased site Gothenburg cold store 2, "
            "in thousands of pounds?",
            facts.rent,
            (facts.rent_before, *facts.rents_nearby),
        ),
        "leverage": (
            "What is the highest ratio of net debt to EBITDA that the covenant of the "
            "Group's revolving credit facility now allows?",
            f"{facts.leverage} to 1",
            tuple(f"{ratio} to 1" for ratio in facts.leverages),
        ),
        "seasonal": (
            f"How many seasonal workers at the Porto plant are left out of the {YEAR} "
            "figures for employees by country?",
            facts.seasonal,
            facts.seasonal_others,
        ),
        "restored": (
            f"In {YEAR}, how many minutes on average did Grid Services take to restore supply "
            "in its northern region?",
            facts.restored,
            facts.restored_others,
        ),
        "restated": (
            f"What was the operating profit of Water Treatment for {last} after restatement?",
            f"£{facts.restated} million",
            (f"£{facts.as_reported} million", f"£{facts.profit_now} million"),
        ),
    }
    return [
        KnownQuestion(question, answer, pages[label], near)
        for label, (question, answer, near) in asked.items()
    ]


def _story(facts: Facts, figures: Figures, pages: dict[str, int]) -> list[Flowable]:
    writer = Writer(figures)
    story: list[Flowable] = [Section(NAME), Spacer(0, 1), *section("Contents")]
    story += [_contents_line(title, page) for title, page in pages.items() if page > 2]
    story += _strategic(figures, writer)
    story += _sustainability(facts, writer)
    story += _governance(figures, writer)
    story += _accounts(facts, figures, writer)
    story += section("Schedules")
    story += [body(writer.paragraph("accounting", 4)), *leases(facts, figures)]
    story += [PageBreak(), *subsidiaries(figures)]
    return story


def _contents_line(title: str, page: int) -> Paragraph:
    dots = "." * max(4, 96 - 2 * len(title))
    return Paragraph(f"{title} {dots} {page}", BODY)


def _prose(writer: Writer, topic: str, count: int, segment: str | None = None) -> list[Flowable]:
    return [body(writer.paragraph(topic, 4 + number % 3, segment)) for number in range(count)]


def _strategic(figures: Figures, writer: Writer) -> list[Flowable]:
    story = section("Chair's statement") + _prose(writer, "strategy", 9)
    story += section("Chief executive's review")
    for title in ("The year in brief", "Strategy", "Outlook"):
        story += [heading(title, 2), *_prose(writer, "strategy", 5)]
    for segment in SEGMENTS:
        story += section(f"Business review: {segment}")
        for title in ("Performance", "Markets", "Operations", "Priorities"):
            story += [heading(title, 2), *_prose(writer, "trading", 6, segment)]
        story += quarters(segment, figures)
    story += section("Financial review")
    for title in ("Revenue and profit", "Cash flow", "Funding", "Tax", "Pensions"):
        story += [heading(title, 2), *_prose(writer, "trading", 4)]
    story += section("Principal risks and uncertainties")
    for number, risk in enumerate(_RISKS.split("|"), 1):
        story += [heading(f"{number}. {risk}", 2), *_prose(writer, "risk", 7)]
    return story


def _sustainability(facts: Facts, writer: Writer) -> list[Flowable]:
    """In two columns, with one of the facts."""
    story = section("Sustainability", "two")
    for title in _SUSTAINABILITY.split("|"):
        story += [heading(title, 2), *_prose(writer, "environment", 6)]
        if title == "Communities":
            story.append(body(_restored(facts)))
    return story


def _restored(facts: Facts) -> str:
    one, two, before = facts.restored_others
    fact = marked(
        f"In {YEAR} Grid Services took {facts.restored} minutes on average to restore supply "
        f"after a fault in its {REGIONS[0]} region ({YEAR - 1}: {before} minutes).",
        "restored",
    )
    return (
        "Communities judge a network by how soon the lights come back. "
        f"{fact} In the {REGIONS[1]} region the average was {one} minutes, and in the "
        f"{REGIONS[2]} region {two} minutes, after two winter storms."
    )


def _governance(figures: Figures, writer: Writer) -> list[Flowable]:
    story = section("Board of directors")
    for name in DIRECTORS:
        story += [heading(name, 3), *_prose(writer, "governance", 2)]
    for committee in ("Audit and Risk", "Nomination", "Sustainability"):
        story += section(f"{committee} Committee report")
        for title in ("Role", "Work in the year", "Significant matters", "Next year"):
            story += [heading(title, 2), *_prose(writer, "governance", 5)]
    story += section("Directors' remuneration report")
    story += [*_prose(writer, "governance", 5), *pay(figures)]
    for title in ("Salary", "Annual bonus", "Performance share plan", "Shareholdings"):
        story += [heading(title, 2), *_prose(writer, "governance", 5)]
    return story


def _accounts(facts: Facts, figures: Figures, writer: Writer) -> list[Flowable]:
    story = section("Financial statements")
    for title, lines in _STATEMENTS.items():
        story += statement(title, lines.split("|"), figures)
        story += _prose(writer, "accounting", 2)
    story += section("Notes to the financial statements")
    for number, title in enumerate(_NOTES.split("|"), 1):
        story += [heading(f"{number}. {title}", 2), *_prose(writer, "accounting", 9)]
        story += _note_table(title, facts, figures)
        story += _prose(writer, "accounting", 4)
    story += section("Five-year record")
    for title, lines in _STATEMENTS.items():
        story += statement(f"{title}: five years", lines.split("|"), figures, years=5)
    return story


def _note_table(title: str, facts: Facts, figures: Figures) -> list[Flowable]:
    if title == "Employees":
        return [*headcount(figures), body(_above_footnote()), Footnote(_seasonal(facts))]
    found: list[Flowable] = []
    if title == "Borrowings and covenants":
        found = [body(text) for text in _covenants(facts)]
    if title == "Restatement":
        found = [body(_restated(facts))]
    lines = [*SEGMENTS, "Central costs", "Total"]
    return [*found, *statement(f"{title}: analysis by segment", lines, figures, years=3)]


def _above_footnote() -> str:
    return (
        "The average is of the twelve month ends, and counts part-time staff by their hours. "
        "Agency staff are not employees and are left out."
    )


def _seasonal(facts: Facts) -> str:
    porto, vigo, cork = facts.seasonal_others
    fact = marked(
        f"Figures for {YEAR} leave out {facts.seasonal} seasonal workers at the Porto plant",
        "seasonal",
    )
    return (
        f"<super>1</super> {fact} ({YEAR - 1}: {porto}), {vigo} at the Vigo plant and {cork} at "
        "the Cork plant, whose contracts run for less than six months."
    )


def _covenants(facts: Facts) -> list[str]:
    former, notes, sweden, actual = (f"{ratio} to 1" for ratio in facts.leverages)
    return [
        "The Group's borrowings are subject to financial covenants, tested on 30 June and "
        f"31 December. Until the amendment of March {YEAR} the revolving credit facility required "
        f"a ratio of net debt to EBITDA of {former} or less.",
        marked(
            "As amended, the revolving credit facility requires that the ratio of consolidated "
            f"net debt to EBITDA must not exceed {facts.leverage} to 1 on any test date.",
            "leverage",
        )
        + f" The private placement notes allow {notes}, and the facility of the Swedish "
        f"subsidiaries, which is not guaranteed by the parent, {sweden}. The ratio at "
        f"31 December {YEAR} was {actual}.",
    ]


def _restated(facts: Facts) -> str:
    last = YEAR - 1
    fact = marked(
        f"The operating profit of Water Treatment for {last}, first reported as "
        f"£{facts.as_reported} million, is restated to £{facts.restated} million",
        "restated",
    )
    return (
        f"During {YEAR} the Group found that some contract costs had been carried forward in "
        f"error. {fact}. For {YEAR} the segment earned £{facts.profit_now} million."
    )
