"""A process to be stopped: compresses a report for a question, and says when each batch begins.

``python stop_child.py REPORT``; each line is a time. At the end, ``stopped``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from app.service import Question, Service, Watch
from app.settings import load_settings
from documents.errors import Cancelled


def main(report: str) -> None:
    """Ask, and tell the time at each batch."""

    def tell(stage: str, done: int, total: int) -> None:
        if stage == "compressing":
            sys.stdout.write(f"{time.time()}\n")
            sys.stdout.flush()

    service = Service(load_settings())
    document = service.ingest([Path(report)])[0]
    try:
        service.run(Question("What was revenue?", (document.id,)), watch=Watch(progress=tell))
    except Cancelled:
        sys.stdout.write("stopped\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
