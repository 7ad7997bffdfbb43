"""The long tables: leases, subsidiaries, quarters, five years, pay."""

from __future__ import annotations

from reportlab.platypus import Flowable

from evals.fictional.company import (
    COUNTRIES,
    DIRECTORS,
    SEGMENTS,
    SITE_KINDS,
    YEAR,
    Facts,
    Figures,
)
from evals.fictional.layout import cell, table

_TARGET = ("Gothenburg", "cold store 2")
_SHORT = {"United Kingdom": "UK"}


def leases(facts: Facts, figures: Figures) -> list[Flowable]:
    """Every site, by country: 280 rows, among them the one asked for and its neighbours."""
    nearby = {
        ("Gothenburg", "cold store 1"): facts.rents_nearby[0],
        ("Gothenburg", "depot"): facts.rents_nearby[1],
    }
    rows: list[list[object]] = []
    for country, cities in COUNTRIES.items():
        for city in cities:
            for kind in SITE_KINDS:
                site = (city, kind)
                rent: object = nearby.get(site) or figures.whole(180, 4900)
                before = figures.whole(180, 4900)
                if site == _TARGET:
                    rent, before = cell(facts.rent, "rent"), facts.rent_before
                rows.append(
                    [
                        f"L-{len(rows) + 101}",
                        f"{city} {kind}",
                        country,
                        f"{figures.rng.randint(1, 12):02}/{figures.rng.randint(2027, 2044)}",
                        figures.whole(5000, 39000),
                        rent,
                        before,
                    ]
                )
    header = ["Ref.", "Site", "Country", "Expiry", "Area (sq m)"]
    header += [f"Annual rent {YEAR} £000", f"Annual rent {YEAR - 1} £000"]
    return table(
        "Schedule A. Leased properties at 31 December 2025",
        header,
        rows,
        text_columns=4,
        widths=[0.7, 2.0, 1.3, 0.8, 1.0, 1.75, 1.75],
    )


def subsidiaries(figures: Figures) -> list[Flowable]:
    """Every company of the group: 210 rows."""
    kinds = ("Holdings", "Trading", "Services")
    forms = ("AB", "BV", "GmbH", "SA", "Ltd", "SpA", "Lda", "Oy", "AS")
    rows: list[list[object]] = []
    for country in COUNTRIES:
        for segment in SEGMENTS:
            for kind in kinds:
                words = segment.split()[0]
                name = f"Norvane {words} {kind} {_SHORT.get(country, country)}"
                share = figures.rng.choice(("100", "100", "100", "100", "75", "51"))
                rows.append(
                    [
                        f"{name} {figures.rng.choice(forms)}",
                        country,
                        segment,
                        share,
                        figures.whole(200, 99000),
                        figures.whole(200, 99000),
                    ]
                )
    header = ["Company", "Country", "Segment", "Share %", "Net assets £000", "Revenue £000"]
    return table(
        "Schedule B. Subsidiary undertakings",
        header,
        rows,
        text_columns=3,
        widths=[3.1, 1.3, 1.7, 0.7, 1.3, 1.2],
    )


def quarters(segment: str, figures: Figures) -> list[Flowable]:
    """A segment's five years by quarter."""
    rows = [
        [f"Q{quarter} {year}", *(figures.tenths(12, 260) for _ in range(6))]
        for year in range(YEAR - 4, YEAR + 1)
        for quarter in range(1, 5)
    ]
    header = ["Quarter", "Orders £m", "Revenue £m", "Gross profit £m", "Operating profit £m"]
    header += ["Capital spend £m", "Cash flow £m"]
    return table(f"{segment}: figures by quarter", header, rows)


def statement(title: str, lines: list[str], figures: Figures, years: int = 2) -> list[Flowable]:
    """A statement or the table of a note: one line an item, one column a year."""
    header = ["£ million", *(str(YEAR - back) for back in range(years))]
    rows = [[line, *(figures.tenths(3, 1900) for _ in range(years))] for line in lines]
    return table(title, header, rows, totals=True)


def headcount(figures: Figures) -> list[Flowable]:
    """Employees by country; the footnote under it is elsewhere."""
    rows = [[country, *(figures.whole(210, 3900) for _ in range(4))] for country in COUNTRIES]
    header = ["Average number of employees", *(str(YEAR - back) for back in range(4))]
    return table("Employees by country¹", header, rows)


def pay(figures: Figures) -> list[Flowable]:
    """What the directors were paid."""
    header = ["£000", "Salary or fee", "Benefits", "Bonus", "Share plan", "Pension", "Total"]
    rows = [
        [name, *(figures.whole(18, 940) for _ in range(5)), figures.whole(990, 2900)]
        for name in DIRECTORS
    ]
    return table(f"Single total figure of remuneration, {YEAR} (audited)", header, rows)
