"""A process to be killed: asks a question, says so once it is inside a node, and stays there.

``python resume_child.py KIND REPORT QUESTION``, where ``KIND`` is an event that a node sends
before it is finished (plan, gathered: gather, context: assemble, answer: reason, round: judge,
computed: compute, repair: repair, checked: verify).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from app.service import Question, Service, Watch
from app.settings import load_settings


def main(kind: str, report: str, text: str) -> None:
    """Ask, and stay at the first event of ``kind``."""

    def stay(heard: str, data: dict[str, Any]) -> None:
        if heard == kind:
            sys.stdout.write("there\n")
            sys.stdout.flush()
            time.sleep(600)

    service = Service(load_settings())
    document = service.ingest([Path(report)])[0]
    service.run(Question(text, (document.id,), "full"), watch=Watch(stay))


if __name__ == "__main__":
    main(*sys.argv[1:])
