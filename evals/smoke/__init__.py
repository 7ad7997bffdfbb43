"""The smoke test's data: every published layout that a task reads, tiny and made up.

``python -m evals run smoke`` runs every task over it, with the smallest reasoner, short answers
and one sample a group: whether all of it works, in a minute or two. Its figures mean nothing.
"""

from __future__ import annotations

from pathlib import Path

from evals.samples import Task
from evals.smoke import longbench, loong, pdfs, texts
from evals.tasks.needle import Needle

NAME = "smoke"
REASONER = "smollm2-135m"
BUDGETS = (80,)
ANSWER_TOKENS = 8
WORDS, TOKENS = 250, 420
LONGER = {"ruler-vt": 760, "ruler-cwe": 860}
"""The length of generated samples, and of those whose prompt holds a solved example: little more
than the shortest have."""


def make_data(folder: Path) -> None:
    """Write the data of all tasks into the folder."""
    for part in (texts, pdfs, loong, longbench):
        part.make(folder)


def lengths(task: Task) -> tuple[int, ...]:
    """How long a generated task's samples are, in the task's own unit: tokens, for needles
    words."""
    return (WORDS,) if isinstance(task, Needle) else (LONGER.get(task.name, TOKENS),)
