"""How the report looks: styles, page templates, tables, footnotes at the foot of the page."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from evals.fictional.company import NAME, YEAR
from evals.fictional.prose import with_breaks

WIDTH, HEIGHT = A4
LEFT, TOP, FOOT, GAP = 62.0, 74.0, 104.0, 20.0
TEXT_WIDTH = WIDTH - 2 * LEFT
INK = colors.HexColor("#12364a")
RULE = colors.HexColor("#8aa0ab")
SHADE = colors.HexColor("#e9eff2")

BODY = ParagraphStyle(
    "body",
    fontName="Times-Roman",
    fontSize=10.2,
    leading=13.4,
    alignment=TA_JUSTIFY,
    spaceAfter=7,
    embeddedHyphenation=1,
)
CAPTION = ParagraphStyle(
    "caption", fontName="Helvetica-Bold", fontSize=8.6, leading=11, spaceBefore=8, spaceAfter=5
)
SMALL = ParagraphStyle("small", fontName="Times-Roman", fontSize=7.8, leading=9.4)
HEADINGS = tuple(
    ParagraphStyle(
        f"heading{level}",
        fontName="Helvetica-Bold",
        fontSize=size,
        leading=size * 1.25,
        textColor=INK,
        spaceBefore=before,
        spaceAfter=after,
        keepWithNext=1,
    )
    for level, size, before, after in ((1, 21, 0, 16), (2, 13.5, 12, 6), (3, 10.8, 8, 4))
)


class Section(Flowable):  # type: ignore[misc]
    """Takes no room; names the running head and the line of the contents from here on."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title

    def wrap(self, *_: float) -> tuple[float, float]:
        """No room at all."""
        return 0, 0

    def draw(self) -> None:
        """Nothing: the page template sees it go by."""


class Footnote(Section):
    """A note for the foot of the page that this stands on."""


class Report(BaseDocTemplate):  # type: ignore[misc]
    """A document that knows on which page every section and every marked fact came."""

    def __init__(self, target: BytesIO) -> None:
        super().__init__(
            target,
            pagesize=A4,
            title=f"{NAME}: annual report {YEAR}",
            author=NAME,
            invariant=1,
            initialFontName="Times-Roman",
        )
        self.sections: dict[str, int] = {}
        self.marks: dict[str, int] = {}
        self._running = ""
        self._notes: list[str] = []
        one = Frame(LEFT, FOOT, TEXT_WIDTH, HEIGHT - TOP - FOOT, 0, 0, 0, 0)
        half = (TEXT_WIDTH - GAP) / 2
        two = [
            Frame(LEFT + side * (half + GAP), FOOT, half, HEIGHT - TOP - FOOT, 0, 0, 0, 0)
            for side in (0, 1)
        ]
        self.addPageTemplates(
            [
                PageTemplate("cover", [one], onPage=_cover),
                PageTemplate("one", [one], onPage=self._start, onPageEnd=self._finish),
                PageTemplate("two", two, onPage=self._start, onPageEnd=self._finish),
            ]
        )

    def afterFlowable(self, flowable: object) -> None:  # noqa: N802 - reportlab's name
        """Note where sections start, and keep footnotes for the end of the page."""
        if isinstance(flowable, Footnote):
            self._notes.append(flowable.title)
        elif isinstance(flowable, Section):
            self._running = flowable.title
            self.sections[flowable.title] = self.page

    def _start(self, canvas: Any, _: object) -> None:
        def mark(_: object, __: str, label: str) -> None:
            self.marks[label] = canvas.getPageNumber()

        canvas.setNamedCB("fictional_mark", mark)

    def _finish(self, canvas: Any, _: object) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 7.6)
        canvas.setFillColor(INK)
        canvas.setStrokeColor(RULE)
        canvas.drawString(LEFT, HEIGHT - 44, f"{NAME}  Annual report and accounts {YEAR}")
        canvas.drawRightString(WIDTH - LEFT, HEIGHT - 44, self._running)
        canvas.line(LEFT, HEIGHT - 50, WIDTH - LEFT, HEIGHT - 50)
        side = canvas.drawRightString if self.page % 2 else canvas.drawString
        side(WIDTH - LEFT if self.page % 2 else LEFT, 30, str(self.page))
        if self._notes:
            canvas.line(LEFT, FOOT - 8, LEFT + 110, FOOT - 8)
        top = FOOT - 12
        for note in self._notes:
            paragraph = Paragraph(note, SMALL)
            _, height = paragraph.wrapOn(canvas, TEXT_WIDTH, 60)
            top -= height
            paragraph.drawOn(canvas, LEFT, top)
        self._notes.clear()
        canvas.restoreState()


def _cover(canvas: Any, _: object) -> None:
    canvas.saveState()
    canvas.setFillColor(INK)
    canvas.rect(0, HEIGHT * 0.42, WIDTH, HEIGHT * 0.58, stroke=0, fill=1)
    canvas.setFillColor(colors.white)
    canvas.setFont("Helvetica-Bold", 34)
    canvas.drawString(LEFT, HEIGHT * 0.62, NAME)
    canvas.setFont("Helvetica", 18)
    canvas.drawString(LEFT, HEIGHT * 0.62 - 34, f"Annual report and accounts {YEAR}")
    canvas.restoreState()


def marked(text: str, label: str) -> str:
    """Text whose page is noted under ``label``. The mark stands before it."""
    return f'<onDraw name="fictional_mark" label="{label}"/>{text}'


def body(text: str) -> Paragraph:
    """A paragraph of prose, which may break long words; one with marks in it may not."""
    return Paragraph(text if "<" in text else with_breaks(text), BODY)


def heading(text: str, level: int) -> Paragraph:
    """A heading of level 1 to 3."""
    return Paragraph(text, HEADINGS[level - 1])


def section(title: str, template: str = "one") -> list[Flowable]:
    """A section on a new page."""
    return [NextPageTemplate(template), PageBreak(), Section(title), heading(title, 1)]


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    text_columns: int = 1,
    widths: Sequence[float] | None = None,
    totals: bool = False,
) -> list[Flowable]:
    """A table under its caption; its header comes again on every page it runs over. The first
    ``text_columns`` columns are set left, figures right. ``widths`` are shares of the page."""
    shares = widths or [2.6, *[1.0] * (len(header) - 1)]
    unit = TEXT_WIDTH / sum(shares)
    style: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 7.6),
        ("FONT", (0, 1), (-1, -1), "Helvetica", 7.6),
        ("ALIGN", (text_columns, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
        ("BACKGROUND", (0, 0), (-1, 0), SHADE),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, INK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, RULE),
        ("TOPPADDING", (0, 0), (-1, -1), 2.6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.6),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
    if totals:
        style.append(("FONT", (0, -1), (-1, -1), "Helvetica-Bold", 7.6))
    grid = Table(
        [list(header), *map(list, rows)],
        colWidths=[share * unit for share in shares],
        repeatRows=1,
        style=style,
        hAlign="LEFT",
    )
    title = Paragraph(caption, CAPTION)
    title.keepWithNext = True
    return [title, grid, Spacer(0, 10)]


def cell(text: str, label: str) -> Paragraph:
    """A figure of a table whose page is noted."""
    style = ParagraphStyle("cell", fontName="Helvetica", fontSize=7.6, leading=8.6, alignment=2)
    return Paragraph(marked(text, label), style)
