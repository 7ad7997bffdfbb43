"""Checks that quotes and boxes agree with the page, read again without longdoc's map.

``python -m tests.documents.box_check DIR [--spans 200] [--seed 7]`` reads every PDF under DIR,
draws random sentences and table rows, and for each checks that it is the slice of its span, that
every box lies on its page, and that the boxes, cut out of the page and read by bare PyMuPDF,
hold the quote's words. Prints the share per file and in all; exits 1 below 100%.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pymupdf

from documents import Box, Document, DocumentError, Span
from documents.readers.assemble import assemble
from documents.readers.pdf import open_pdf

_SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s)|\Z)", re.DOTALL)
_WORD = re.compile(r"\w+")
_SLACK = 0.5  # points a box may pass the page's edge by, as float32 rounds
_OVERHANG = 1.0  # points by which a glyph (a drawn underscore, say) may pass its font's box
_FLAGS = pymupdf.TEXTFLAGS_TEXT & ~pymupdf.TEXT_PRESERVE_LIGATURES


def check(document: Document, path: Path, spans: Sequence[Span]) -> tuple[int, int, list[str]]:
    """How many of ``spans`` of the PDF at ``path`` are right, of how many, and what is wrong
    with the others, one line each."""
    failures: list[str] = []
    with pymupdf.open(path) as pdf:
        for span in spans:
            wrong = _wrong(document, pdf, span)
            if wrong:
                failures.append(f"{span.start}-{span.end}: {wrong}")
    return len(spans) - len(failures), len(spans), failures


def _wrong(document: Document, pdf: pymupdf.Document, span: Span) -> str:
    """What is wrong with one span, or nothing."""
    quote = document.text[span.start : span.end]
    boxes = document.boxes(span)
    if document.slice(span) != quote:
        return f"the slice is not the quote {quote[:60]!r}"
    if quote.strip() and not boxes:
        return f"no box for {quote[:60]!r}"
    if {box.page for box in boxes} - set(document.pages_of(span)):
        return "a box stands on a page that the span is not on"
    for box in boxes:
        page = pdf[box.page].rect
        on_page = pymupdf.Rect(-_SLACK, -_SLACK, page.width + _SLACK, page.height + _SLACK)
        if not on_page.contains(pymupdf.Rect(box.x0, box.y0, box.x1, box.y1)):
            return f"{box} is not on its page {page}"
    missing = _missing(_counted(quote), pdf, boxes)
    return f"not in its boxes: {missing} of {quote[:80]!r}" if missing else ""


def _missing(wanted: Counter[str], pdf: pymupdf.Document, boxes: Sequence[Box]) -> list[str]:
    """The words that the cuts do not hold as whole words, as often as they are wanted. What an
    exact cut lacks may be in one a point wider, which in turn may take in a neighbour's ink."""
    exact = _counted(" ".join(cut(pdf[box.page], box) for box in boxes))
    if not (missing := wanted - exact):
        return []
    wider = _counted(" ".join(cut(pdf[box.page], box, _OVERHANG) for box in boxes))
    return list((missing - (wider - exact)).elements())


def cut(page: pymupdf.Page, box: Box, wider: float = 0.0) -> str:
    """The text within a box of the page as displayed, as PyMuPDF reads it."""
    area = pymupdf.Rect(box.x0 - wider, box.y0 - wider, box.x1 + wider, box.y1 + wider)
    return str(page.get_text("text", clip=area * page.derotation_matrix, flags=_FLAGS))


def _counted(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text))


def sample(document: Document, count: int, seed: int) -> list[Span]:
    """Up to ``count`` random sentences and table rows."""
    found = list(_units(document))
    return random.Random(seed).sample(found, min(count, len(found)))


def _units(document: Document) -> Iterator[Span]:
    for block in document.blocks:
        if block.kind == "table_row":
            yield document.span(block.start, block.end)
            continue
        for match in _SENTENCE.finditer(document.text, block.start, block.end):
            yield document.span(*match.span())


def read(path: Path) -> Document:
    """The document, read in this process."""
    reader = open_pdf(str(path))
    try:
        return assemble("0" * 64, path.name, list(reader.pages()))
    finally:
        reader.close()


def main(folder: Path, count: int, seed: int) -> bool:
    """Check every PDF under a folder; whether all spans were right."""
    good = total = 0
    for path in sorted(folder.rglob("*.pdf")):
        try:
            document = read(path)
        except DocumentError as error:
            sys.stdout.write(f"{path.name[:48]:48} {error}\n")
            continue
        right, of, failures = check(document, path, sample(document, count, seed))
        good, total = good + right, total + of
        share = 100 * right / max(1, of)
        sys.stdout.write(f"{path.name[:48]:48} {right:5} of {of:5}  {share:6.2f}%\n")
        sys.stdout.writelines(f"    {failure}\n" for failure in failures[:5])
        sys.stdout.flush()
    sys.stdout.write(f"{'all':48} {good:5} of {total:5}  {100 * good / max(1, total):6.2f}%\n")
    return good == total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spans", type=int, default=200, help="spans a file")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    sys.exit(0 if main(asked.folder, asked.spans, asked.seed) else 1)
