"""Reads every file of a folder as the library would, and prints what became of it.

``python -m tests.documents.hostile_table DIR`` gives each file a fresh process and library, and
reports the outcome, the wall time, and the peak memory of that process and its worker together.
Exits 1 if a file ended in anything but a document or a `DocumentError`, or cost too much.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from documents import DocumentError, DocumentStore

MAX_S = 20.0
MAX_MIB = 1536.0
_KIB = 1024 if sys.platform == "darwin" else 1


@dataclass(frozen=True)
class Row:
    """What became of one file. ``outcome`` is "document" or the error's class."""

    file: str
    outcome: str
    detail: str
    seconds: float
    peak_mib: float

    @property
    def fine(self) -> bool:
        known = self.outcome == "document" or self.outcome.endswith("Error")
        return known and self.seconds < MAX_S and self.peak_mib < MAX_MIB


def measure(path: Path) -> Row:
    """Read one file in a process of its own."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), str(path), "--one"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        return Row(path.name, "crash", done.stderr.strip()[-200:], seconds, 0.0)
    outcome, detail, peak = json.loads(done.stdout)
    return Row(path.name, outcome, detail, seconds, peak)


def one(path: Path) -> None:
    """In the process of its own: read it and print the outcome as JSON."""
    with tempfile.TemporaryDirectory() as home:
        try:
            document = DocumentStore(Path(home)).ingest(path)
            outcome, detail = "document", f"{len(document.pages)} p, {len(document.text)} chars"
        except DocumentError as error:
            outcome, detail = type(error).__name__, str(error)
    peaks = (resource.getrusage(who).ru_maxrss for who in
             (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    sys.stdout.write(json.dumps([outcome, detail, sum(peaks) / 1024 / _KIB]))


def table(folder: Path) -> bool:
    """Print the table; whether every file ended well."""
    files = sorted(path for path in folder.rglob("*") if path.suffix == ".pdf")
    rows = []
    for path in files:
        row = measure(path)
        rows.append(row)
        name = os.fspath(path.relative_to(folder))
        sys.stdout.write(
            f"{name[:72]:72} | {row.outcome:18} | {row.seconds:5.1f} s | {row.peak_mib:5.0f} MiB"
            f" | {row.detail[:90]}{'' if row.fine else '  <-- NOT FINE'}\n"
        )
        sys.stdout.flush()
    fine = sum(row.fine for row in rows)
    sys.stdout.write(
        f"{fine} of {len(rows)} fine; slowest {max(row.seconds for row in rows):.1f} s,"
        f" largest {max(row.peak_mib for row in rows):.0f} MiB\n"
    )
    return fine == len(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--one", action="store_true", help="read this one file, print JSON")
    asked = parser.parse_args()
    if asked.one:
        one(asked.folder)
    else:
        sys.exit(0 if table(asked.folder) else 1)
