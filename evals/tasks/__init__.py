"""The benchmarks: one small file each, with its loader, its metric and its source.

A module's ``TASKS`` are its tasks; name the module here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from documents.errors import SettingsError
from evals.samples import Task

MODULES = (
    "compression",
    "needle",
    "ruler",
    "infinite",
    "pdfs",
    "abstention",
    "arithmetic",
    "financebench",
    "mmlongbench",
    "loong",
    "l1_sets",
    "longbench",
    "longbench2",
)


def all_tasks() -> dict[str, Task]:
    """Every task by name."""
    found: dict[str, Task] = {}
    for module in MODULES:
        for task in import_module(f"evals.tasks.{module}").TASKS:
            found[task.name] = task
    return found


def chosen(names: Sequence[str]) -> list[Task]:
    """The tasks named; a name that begins others (``ruler``) stands for all of them."""
    tasks = all_tasks()
    picked: dict[str, Task] = {}
    for name in names:
        matching = {name: tasks[name]} if name in tasks else _begun_by(name, tasks)
        if not matching:
            raise SettingsError(f"There is no task {name!r}.", f"Choose of: {', '.join(tasks)}.")
        picked |= matching
    return list(picked.values())


def _begun_by(name: str, tasks: dict[str, Task]) -> dict[str, Task]:
    return {key: task for key, task in tasks.items() if key.startswith(f"{name}-")}
