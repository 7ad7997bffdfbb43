"""The layout map is exact: words, blocks, boxes and pages agree with the text and the page."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import box_check
import numpy as np
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_pages import PROSE, make, read, write

from documents import Block, Box, Document, Words
from documents.codec import decode_document, encode_document


def _busy(page: pymupdf.Page) -> None:
    """A page with a head, two columns, a table, hyphens and turned text."""
    write(page, 72, 40, ["Head of a page"], size=8)
    left = [f"{line[:30]}-" if n % 3 == 0 else line[:36] for n, line in enumerate(PROSE * 5)]
    write(page, 60, 80, left)
    write(page, 320, 80, left[::-1])
    for n in range(6):
        for x, text in ((72, f"Row {n}"), (250, f"{n * 37}.5%"), (400, f"$ {n * 91}")):
            write(page, x, 400 + 14 * n, [text])
    page.insert_text((580, 700), "Printed up the side", fontsize=9, rotate=90)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map")
    for turn in (0, 90, 180, 270):
        make(folder / f"{turn}.pdf", _busy, _busy, _busy, rotate=turn)
    return folder


@cache
def _read(path: Path) -> Document:
    return read(path)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_every_word_is_its_text_and_stands_on_its_page(folder: Path, turn: int) -> None:
    document = _read(folder / f"{turn}.pdf")
    words, at = document.words, 0
    for start, end, page, box in zip(
        words.starts, words.ends, words.pages, words.boxes, strict=True
    ):
        assert not document.text[at:start].strip()
        assert document.text[start:end].split() == [document.text[start:end]]
        assert document.pages[page].start <= start < end <= document.pages[page].end
        x0, y0, x1, y1 = box
        assert 0 <= x0 < x1 <= document.pages[page].width
        assert 0 <= y0 < y1 <= document.pages[page].height
        at = end
    assert not document.text[at:].strip()


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_blocks_are_in_order_and_hold_all_text(folder: Path, turn: int) -> None:
    document = _read(folder / f"{turn}.pdf")
    at = 0
    for block in document.blocks:
        assert at <= block.start < block.end
        assert not document.text[at : block.start].strip()
        assert document.pages[block.page].start <= block.start < document.pages[block.page].end
        assert all(document.text[s:e].strip() for s, e in block.header)
        at = block.end
    assert not document.text[at:].strip()


@given(st.data())
def test_boxes_and_pages_of_any_span_agree(folder: Path, data: st.DataObject) -> None:
    document = _read(folder / f"{data.draw(st.sampled_from([0, 90, 180, 270]))}.pdf")
    ends = st.integers(0, len(document.text))
    start, end = sorted((data.draw(ends), data.draw(ends)))
    span = document.span(start, end)
    boxes, pages = document.boxes(span), document.pages_of(span)
    assert {box.page for box in boxes} <= set(pages)
    assert bool(boxes) == bool(document.slice(span).strip())
    assert list(pages) == sorted(set(pages))
    wider = document.boxes(document.span(max(0, start - 1), min(len(document.text), end + 1)))
    assert all(any(_within(box, other) for other in wider) for box in boxes)


def _within(box: Box, other: Box) -> bool:
    return (
        box.page == other.page
        and other.x0 <= box.x0 and box.x1 <= other.x1
        and other.y0 <= box.y0 and box.y1 <= other.y1
    )  # fmt: skip


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_boxes_read_again_hold_the_words(folder: Path, turn: int) -> None:
    path = folder / f"{turn}.pdf"
    document = _read(path)
    spans = box_check.sample(document, 60, seed=turn)
    assert box_check.check(document, path, spans) == (len(spans), len(spans), [])


def test_the_check_notices_a_box_that_is_elsewhere(folder: Path) -> None:
    document = _read(folder / "0.pdf")
    moved = replace(document, words=replace(document.words, boxes=document.words.boxes + 15))
    spans = box_check.sample(moved, 20, seed=1)
    good, total, failures = box_check.check(moved, folder / "0.pdf", spans)
    assert good < total == good + len(failures)


def test_a_document_survives_being_stored(folder: Path) -> None:
    document = _read(folder / "90.pdf")
    again = decode_document(encode_document(document))
    assert (again.id, again.name, again.text) == (document.id, document.name, document.text)
    assert (again.pages, again.blocks) == (document.pages, document.blocks)
    span = document.span(0, len(document.text))
    assert again.boxes(span) == document.boxes(span)


@pytest.mark.data
def test_real_files_are_exact(data_dir: Path) -> None:
    """Two files of each set; the whole table is printed by ``box_check``."""
    for kind in ("10q", "erc", "papers"):
        paths = sorted((data_dir / "pdfs" / kind).glob("*.pdf"))
        for path in random.Random(kind).sample(paths, 2):
            document = _read(path)
            spans = box_check.sample(document, 100, seed=3)
            assert box_check.check(document, path, spans)[2] == []


def test_headings_above_are_found_at_once_in_a_very_long_text() -> None:
    blocks = [Block("heading", 0, 1, 0, 2), Block("heading", 2, 3, 0, 1)]
    blocks += [Block("paragraph", 2 * n, 2 * n + 1, 0) for n in range(2, 200_000)]
    document = Document("long", "long.txt", "x " * 200_000, (), tuple(blocks))
    started = time.monotonic()
    for offset in range(4, 400_000, 200):
        assert document.headings_above(offset) == (document.span(2, 3),)
    assert time.monotonic() - started < 5  # looking at every block took a minute


def test_boxes_are_found_at_once_in_a_very_long_text() -> None:
    starts = np.arange(0, 4_000_000, 2, dtype=np.int32)
    flat = np.zeros(len(starts), np.int32)
    words = Words(starts, starts + np.int32(1), flat, np.ones((len(starts), 4), np.float32), flat)
    document = Document("long", "long.pdf", "", (), (), words)
    started = time.monotonic()
    for start in range(0, 4_000_000, 4_000):
        assert document.boxes(document.span(start, start + 1)) == (Box(0, 1, 1, 1, 1),)
    assert time.monotonic() - started < 1  # copying the map each time took several seconds
