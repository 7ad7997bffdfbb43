"""What the PDF reader makes of a page: order, tables, headings, furniture, odd characters."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from pdf_pages import PROSE, Draw, blocks, make, read, write

from documents import Block, Document, Words
from documents.readers.furniture import mark_furniture
from documents.readers.layout import PageLayout


def _boxes_hold(document: Document, path: Path, text: str) -> bool:
    """Whether the boxes of ``text``, drawn white over the page as displayed, take it away."""
    start = document.text.index(text)
    with pymupdf.open(path) as pdf:
        for box in document.boxes(document.span(start, start + len(text))):
            area = pymupdf.Rect(box.x0, box.y0, box.x1, box.y1) * pdf[box.page].derotation_matrix
            if not pdf[box.page].get_text("text", clip=area).split():
                return False
    return True


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = [f"left line {n} of the first column here" for n in range(20)]
    right = [f"right line {n} of the other column" for n in range(20)]

    def draw(page: pymupdf.Page) -> None:
        write(page, 72, 60, ["A Title over both of the columns"], size=16)
        write(page, 72, 100, left)
        write(page, 310, 100, right)

    text = read(make(tmp_path / "a.pdf", draw)).text
    found = [text.index(line) for line in [*left, *right]]
    assert found == sorted(found)
    assert text.startswith("A Title")


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_a_turned_page_reads_the_same_and_its_boxes_are_as_displayed(
    tmp_path: Path, rotate: int
) -> None:
    path = make(tmp_path / "a.pdf", lambda page: write(page, 72, 100, PROSE), rotate=rotate)
    document = read(path)
    assert document.text == " ".join(PROSE)
    wide = (document.pages[0].width, document.pages[0].height)
    assert (wide == (842, 595)) == (rotate in (90, 270))
    assert _boxes_hold(document, path, PROSE[2])


def test_text_that_runs_up_the_page_is_read_upright(tmp_path: Path) -> None:
    def draw(page: pymupdf.Page) -> None:
        for n, line in enumerate(PROSE):
            page.insert_text((100 + 12 * n, 700), line, fontsize=10, rotate=90)

    assert read(make(tmp_path / "a.pdf", draw)).text == " ".join(PROSE)


def test_a_hyphenated_word_is_one_word_in_two_places(tmp_path: Path) -> None:
    lines = ["All of the infor-", "mation was sent to the long-", "term holders - as", "agreed."]
    document = read(make(tmp_path / "a.pdf", lambda page: write(page, 72, 100, lines)))
    assert document.text == "All of the infor-mation was sent to the long-term holders - as agreed."
    start = document.text.index("infor-")
    boxes = document.boxes(document.span(start, start + len("infor-mation")))
    assert [round(box.y0) for box in boxes] == sorted({round(box.y0) for box in boxes})
    assert len(boxes) == 2
    at = list(document.words.starts).index(start)
    assert document.words.ends[at] == document.words.starts[at + 1]


def test_table_rows_have_their_cells_and_headers(tmp_path: Path) -> None:
    rows = [("Net sales", "1,250", "1,100"), ("Cost of sales", "(700)", "(655)"),
            ("Gross profit", "550", "445")]  # fmt: skip

    def draw(page: pymupdf.Page) -> None:
        write(page, 72, 80, PROSE)
        for x, year in ((300, "2023"), (400, "2022")):
            write(page, x, 160, [year])
        for n, row in enumerate(rows):
            for x, cell in zip((72, 300, 400), row, strict=True):
                write(page, x, 175 + 14 * n, [cell])
        write(page, 72, 260, PROSE)

    document = read(make(tmp_path / "a.pdf", draw))
    assert blocks(document, "table_row") == ["2023\t2022", *("\t".join(row) for row in rows)]
    last = next(b for b in document.blocks if document.text[b.start :].startswith("Gross"))
    assert [document.text[s:e] for s, e in last.header] == ["2023", "2022"]
    assert len(blocks(document, "paragraph")) == 2


def test_currency_signs_stay_with_their_figures(tmp_path: Path) -> None:
    def draw(page: pymupdf.Page) -> None:
        for n, (label, one, two) in enumerate([("Sales", "22,291", "17,556"), ("Cost", "21", "7")]):
            y = 100 + 14 * n
            write(page, 72, y, [label])
            write(page, 295, y, ["$"])
            write(page, 330, y, [one + " $"])  # one run, as some producers print it
            write(page, 400, y, [two])

    assert blocks(read(make(tmp_path / "a.pdf", draw)), "table_row") == [
        "Sales\t$ 22,291\t$ 17,556",
        "Cost\t$ 21\t$ 7",
    ]


def test_a_table_over_two_pages_keeps_its_header(tmp_path: Path) -> None:
    def page_of(first: int, head: bool) -> Draw:
        def draw(page: pymupdf.Page) -> None:
            if head:
                for x, text in ((300, "2023"), (400, "2022")):
                    write(page, x, 60, [text])
            for n in range(20):
                y = 75 + 14 * n
                for x, text in (
                    (72, f"Item {first + n}"),
                    (300, f"{n + 100}"),
                    (400, f"{n + 200}"),
                ):
                    write(page, x, y, [text])

        return draw

    document = read(make(tmp_path / "a.pdf", page_of(0, True), page_of(20, False)))
    row = next(b for b in document.blocks if document.text[b.start :].startswith("Item 39\t"))
    assert row.page == 1
    assert [document.text[s:e] for s, e in row.header] == ["2023", "2022"]


def test_running_heads_and_page_numbers_are_furniture(tmp_path: Path) -> None:
    def page_of(number: int) -> Draw:
        def draw(page: pymupdf.Page) -> None:
            write(page, 72, 40, ["Acme Corporation Annual Report 2023"], size=8)
            write(page, 72, 100, [f"Section {number} says: {line}" for line in PROSE])
            write(page, 290, 810, [str(number + 6)])

        return draw

    document = read(make(tmp_path / "a.pdf", *map(page_of, range(5))))
    assert set(blocks(document, "furniture")) == {
        "Acme Corporation Annual Report 2023", "6", "7", "8", "9", "10",
    }  # fmt: skip
    assert len(blocks(document, "paragraph")) == 5


def test_a_usual_table_header_under_a_new_title_is_content(tmp_path: Path) -> None:
    titles = ["Income", "Balance", "Cash flow", "Equity", "Segments"]

    def page_of(title: str) -> Draw:
        def draw(page: pymupdf.Page) -> None:
            write(page, 72, 40, ["Acme Corporation"], size=8)
            write(page, 72, 60, [f"{title} statement"], bold=True)
            for n, row in enumerate(
                [("", "2023", "2022"), ("First", "1", "2"), ("Second", "3", "4")]
            ):
                for x, cell in zip((72, 300, 400), row, strict=True):
                    write(page, x, 80 + 14 * n, [cell])

        return draw

    document = read(make(tmp_path / "a.pdf", *map(page_of, titles)))
    assert set(blocks(document, "furniture")) == {"Acme Corporation"}
    assert blocks(document, "table_row").count("2023\t2022") == 5


def test_furniture_of_very_many_pages_is_found_at_once() -> None:
    """The head stands on all pages: each was compared with each."""
    own = (Block("paragraph", 0, 4, 0), Block("paragraph", 6, 11, 0))
    starts, ends = np.array([0, 6], np.int32), np.array([4, 11], np.int32)
    boxes = np.array([[72, 30, 99, 40], [72, 400, 120, 410]], np.float32)
    words = Words(starts, ends, np.zeros(2, np.int32), boxes, np.arange(2, dtype=np.int32))
    page = PageLayout(612.0, 792.0, "Head\n\nOther", own, words, (10.0, 10.0), (-1, -1))
    layouts = [replace(page, text=f"Head\n\n{n:05x}") for n in range(12_000)]
    found = [list(own) for _ in layouts]
    started = time.monotonic()
    mark_furniture(layouts, found)
    assert time.monotonic() - started < 6  # it took twenty
    assert all(first.kind == "furniture" for first, _ in found)


def test_pages_that_differ_in_their_figures_alone_are_read(tmp_path: Path) -> None:
    def invoice(total: str) -> Draw:
        return lambda page: write(page, 72, 200, [f"The invoice comes to {total} euros."])

    document = read(make(tmp_path / "a.pdf", invoice("4,812"), invoice("5,120")))
    assert len(blocks(document, "paragraph")) == 2
    assert not blocks(document, "furniture")


def test_headings_have_levels(tmp_path: Path) -> None:
    def draw(page: pymupdf.Page) -> None:
        y = write(page, 72, 60, ["Annual Report"], size=24)
        for chapter in ("1 Business", "2 Risks"):
            y = write(page, 72, y + 16, [chapter], size=15)
            for section in ("Markets", "Products"):
                y = write(page, 72, y + 10, [section], size=10, bold=True)
                y = write(page, 72, y + 6, PROSE)

    document = read(make(tmp_path / "a.pdf", draw))
    found = [(b.level, document.text[b.start : b.end]) for b in document.blocks
             if b.kind == "heading"]  # fmt: skip
    assert found == [
        (1, "Annual Report"),
        (2, "1 Business"), (3, "Markets"), (3, "Products"),
        (2, "2 Risks"), (3, "Markets"), (3, "Products"),
    ]  # fmt: skip
    above = document.headings_above(len(document.text) - 1)
    assert [document.slice(span) for span in above] == ["Annual Report", "2 Risks", "Products"]


def test_lists_are_items(tmp_path: Path) -> None:
    lines = ["We sell three things.", "\u2022 pumps for water", "\u2022 pipes", "\u2022 valves"]
    document = read(make(tmp_path / "a.pdf", lambda page: write(page, 72, 100, lines)))
    assert [item.split(maxsplit=1)[1] for item in blocks(document, "list_item")] == [
        "pumps for water", "pipes", "valves",
    ]  # fmt: skip


def test_a_page_without_text_is_known(tmp_path: Path) -> None:
    def drawing(page: pymupdf.Page) -> None:
        page.draw_rect(pymupdf.Rect(100, 100, 300, 300), fill=(0, 0, 1))

    def prose(page: pymupdf.Page) -> None:
        write(page, 72, 100, PROSE)

    document = read(make(tmp_path / "a.pdf", prose, drawing, prose))
    assert [page.has_text for page in document.pages] == [True, False, True]
    assert document.pages[1].start == document.pages[0].end


def test_ligatures_and_odd_characters(tmp_path: Path) -> None:
    def draw(page: pymupdf.Page) -> None:
        page.insert_htmlbox(
            pymupdf.Rect(72, 72, 500, 300),
            "<p>e\ufb03cient \ufb01rst o\ufb00er, Z\u00fcrich \u20ac5, na\u00efve"
            " co\u00adop\u200b x</p>",
        )

    text = read(make(tmp_path / "a.pdf", draw)).text
    assert text.startswith("efficient first offer, Zürich €5, naïve")
    assert not set(text) & set("\ufb00\ufb01\ufb03\u00ad\u200b")


@pytest.mark.parametrize("password", ["open sesame", "owner's"])
def test_an_encrypted_file_opens_with_either_password(tmp_path: Path, password: str) -> None:
    path = make(tmp_path / "a.pdf", lambda page: write(page, 72, 100, PROSE))
    with pymupdf.open(path) as pdf:
        pdf.save(tmp_path / "b.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256,
                 user_pw="open sesame", owner_pw="owner's")  # fmt: skip
    assert read(tmp_path / "b.pdf", password).text == " ".join(PROSE)
