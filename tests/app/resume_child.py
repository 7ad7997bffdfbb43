"""A process to be killed: asks a question, says so once it is inside a node, and stays there.

``python resume_child.py PLACE REPORT QUESTION``, where ``PLACE`` is an event that a node sends
before it is finished (context: select, answer: reason, checked: verify), or ``end``: after the
last node, before the run is recorded as done.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from app import service as room
from app.settings import load_settings


def main(place: str, report: str, text: str) -> None:
    """Ask, and stay at ``place``."""

    def stay(kind: str, data: dict[str, Any]) -> None:
        if kind == place:
            sys.stdout.write("there\n")
            sys.stdout.flush()
            time.sleep(600)

    def present(*given: Any) -> dict[str, Any]:
        stay("end", {})
        return {}

    if place == "end":
        room.run_json = present
    service = room.Service(load_settings())
    document = service.ingest([Path(report)])[0]
    question = room.Question(text, (document.id,), "full", looking_for="figures")
    service.run(question, watch=room.Watch(stay))


if __name__ == "__main__":
    main(*sys.argv[1:])
