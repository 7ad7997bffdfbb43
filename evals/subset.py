"""A small part of the benchmarks that anyone can run again, to the same records.

``python -m evals run subset --select`` takes ten samples of every task that is generated or asks
about documents of a few thousand tokens; minutes on two cores. Loong, annual and quarterly
reports are left out: ten of their samples are most of a million tokens each. ``python -m evals
same ONE OTHER`` compares two runs.
"""

from __future__ import annotations

from evals.samples import Task
from evals.tasks import chosen
from evals.tasks.compression import Compression
from evals.tasks.needle import Needle

NAME = "subset"
NAMES = ("compression", "needle", "needle-near", "ruler", "infinite", "arithmetic", "pdfs-papers")
LIMIT = 10
WORDS, TOKENS = 1100, 1500
"""The length of generated samples."""


def tasks() -> list[Task]:
    """The tasks of the subset."""
    return chosen(NAMES)


def size(task: Task) -> tuple[int, tuple[int, ...]]:
    """Samples a group (one of ``compression`` is a source, and there are ten), and how long
    generated ones are, in the task's own unit."""
    limit = 1 if isinstance(task, Compression) else LIMIT
    return limit, (WORDS,) if isinstance(task, Needle) else (TOKENS,)
