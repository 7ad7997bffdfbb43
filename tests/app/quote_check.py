"""Checks the quotes and boxes in what ``longdoc ask --questions`` printed, against the PDFs.

``python -m tests.app.quote_check RESULTS.jsonl PDF...`` takes every citation and every piece of
evidence of every row and checks that it is the slice that its offsets say, that each box lies on
its page, and that the boxes, cut out of the page and read by bare PyMuPDF, hold its words.
Prints the shares; exits 1 below 100%.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from documents import Document
from tests.documents import box_check


def check(row: dict[str, Any], documents: dict[str, tuple[Document, Path]]) -> Counter[str]:
    """What became of the places of one row: counts of "right" and of each kind of failure."""
    found: Counter[str] = Counter()
    places = [("citation", c, c["quote"]) for c in row["citations"]]
    places += [("evidence", e, e["text"]) for e in row["context"]["evidence"]]
    for kind, place, quote in places:
        document, path = documents[place["document"]]
        span = document.span(place["start"], place["end"])
        boxes = [
            {"page": box.page + 1} | {key: getattr(box, key) for key in ("x0", "y0", "x1", "y1")}
            for box in document.boxes(span)
        ]
        if quote != document.text[span.start : span.end]:
            found[f"{kind}: not its slice"] += 1
        elif not _alike(place["boxes"], boxes):
            found[f"{kind}: other boxes than the document's"] += 1
        elif box_check.check(document, path, [span])[0] != 1:
            found[f"{kind}: not in its boxes"] += 1
        else:
            found[f"{kind}: right"] += 1
    return found


def _alike(given: list[dict[str, float]], wanted: list[dict[str, float]]) -> bool:
    """The same boxes, to a tenth of a point."""
    return len(given) == len(wanted) and all(
        abs(a[key] - b[key]) < 0.1 for a, b in zip(given, wanted, strict=True) for key in b
    )


def main(results: Path, pdfs: list[Path]) -> bool:
    """Check all rows; whether everything was right."""
    rows = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    by_id = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in pdfs}
    documents: dict[str, tuple[Document, Path]] = {}
    total: Counter[str] = Counter()
    for row in rows:
        if "error" in row:
            total["row: error"] += 1
            sys.stdout.write(f"{row['question'][:60]}: {row['error']}\n")
            continue
        for each in row["documents"]:
            name = each["document"]
            if name not in documents:
                documents[name] = (box_check.read(by_id[name]), by_id[name])
        total += check(row, documents)
    sys.stdout.write(f"{len(rows)} rows over {len(documents)} files\n")
    sys.stdout.writelines(f"{count:5} {what}\n" for what, count in sorted(total.items()))
    return all(what.endswith("right") for what in total)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("pdfs", type=Path, nargs="+")
    asked = parser.parse_args()
    sys.exit(0 if main(asked.results, asked.pdfs) else 1)
