"""Makes small PDFs for tests, and reads them in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pymupdf

from documents import Document
from documents.readers.assemble import assemble
from documents.readers.pdf import open_pdf

Draw = Callable[[pymupdf.Page], object]

PROSE = (
    "The company opened nine stores during the year and closed two of them.",
    "Management expects that demand will stay strong in every region it serves.",
    "Costs of transport fell while wages rose in line with those of the industry.",
    "A new warehouse near the harbour began work in March and runs day and night.",
)


def make(path: Path, *draw: Draw, rotate: int = 0) -> Path:
    """A PDF with one A4 page for each of ``draw``."""
    with pymupdf.open() as pdf:
        for one in draw:
            page = pdf.new_page()
            one(page)
            page.set_rotation(rotate)
        pdf.save(path)
    return path


def write(
    page: pymupdf.Page,
    x: float,
    y: float,
    lines: Sequence[str],
    *,
    size: float = 10,
    bold: bool = False,
    leading: float = 1.2,
) -> float:
    """Print lines from baseline ``y`` down; returns the next line's baseline."""
    for line in lines:
        page.insert_text((x, y), line, fontsize=size, fontname="hebo" if bold else "helv")
        y += leading * size
    return y


def read(path: Path, password: str | None = None) -> Document:
    """The document, without a worker process."""
    reader = open_pdf(str(path), password)
    try:
        return assemble("d" * 64, path.name, list(reader.pages()))
    finally:
        reader.close()


def blocks(document: Document, kind: str) -> list[str]:
    """The texts of the blocks of one kind."""
    return [document.text[b.start : b.end] for b in document.blocks if b.kind == kind]
