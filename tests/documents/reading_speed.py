"""Measures how fast PDFs are read, beside bare PyMuPDF.

``python -m tests.documents.reading_speed DIR`` reads every PDF under DIR twice in one process,
page text alone with ``page.get_text()`` and whole documents with words, boxes, blocks and tables,
in turn, and prints pages a second and how many times longer the whole reading took.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pymupdf

from documents.readers.assemble import assemble
from documents.readers.pdf import open_pdf


def bare(path: Path) -> float:
    """Seconds for the text of every page, and nothing else."""
    started = time.perf_counter()
    with pymupdf.open(path) as pdf:
        for page in pdf:
            page.get_text()
    return time.perf_counter() - started


def whole(path: Path) -> tuple[int, float]:
    """Pages, and seconds for the document with its layout map."""
    started = time.perf_counter()
    reader = open_pdf(str(path))
    document = assemble("0" * 64, path.name, list(reader.pages()))
    reader.close()
    return len(document.pages), time.perf_counter() - started


def main(folder: Path) -> None:
    """Print one line a file and one for all."""
    pages, seconds, seconds_bare = 0, 0.0, 0.0
    for path in sorted(folder.rglob("*.pdf")):
        alone = bare(path)
        count, took = whole(path)
        _line(path.name, count, took, alone)
        pages, seconds, seconds_bare = pages + count, seconds + took, seconds_bare + alone
    _line("all", pages, seconds, seconds_bare)


def _line(name: str, pages: int, seconds: float, alone: float) -> None:
    sys.stdout.write(
        f"{name[:48]:48} {pages:5} pages  {pages / seconds:6.1f} pages/s"
        f"  get_text {pages / alone:6.1f}  x{seconds / alone:.2f}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
