"""``doctor``: what works on this machine, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

import weights
from app.settings import Settings, load_settings
from app.terminal import write, write_json
from documents.errors import LongdocError

GIBI = 2**30
MEMORY_NEEDED = 4 * GIBI
DISK_NEEDED = 2 * GIBI
PACKAGES = ("torch", "transformers", "pymupdf", "chromadb", "langgraph", "streamlit", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``remedy`` is a command or a setting; an optional thing that is
    missing does not make the doctor fail."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False


def main(as_json: bool) -> int:
    """Print the findings; 0 if everything that is needed is there, 1 otherwise."""
    findings = list(examine())
    for finding in findings:
        if as_json:
            write_json(asdict(finding))
            continue
        mark = "ok     " if finding.ok else "note   " if finding.optional else "MISSING"
        write(f"{mark} {finding.name}: {finding.found}")
        if finding.remedy and not finding.ok:
            write(f"        → {finding.remedy}")
    return 0 if all(finding.ok or finding.optional for finding in findings) else 1


def examine() -> Iterator[Finding]:
    """Every finding, in the order a person would set things up."""
    version = sys.version.split()[0]
    yield Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    for name in PACKAGES:
        yield _package(name)
    yield _memory()
    try:
        settings = load_settings()
    except LongdocError as error:
        yield Finding("settings", False, error.message, error.hint)
        return
    yield _home(settings.home)
    yield _disk("data folder", settings.home)
    yield _disk("models folder", weights.models_dir())
    yield from _models(settings)
    yield _reasoner(settings)
    yield _cuda()


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", "pip install longdoc")


def _memory() -> Finding:
    total = psutil.virtual_memory().total
    found = f"{total / GIBI:.1f} GiB, {psutil.cpu_count(logical=False) or os.cpu_count()} cores"
    return Finding(
        "memory",
        total >= MEMORY_NEEDED,
        found,
        "the default reasoner needs 4 GiB; set LONGDOC_REASONER__MODEL=smollm2-135m",
    )


def _home(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
        with sqlite3.connect(":memory:") as db:
            db.execute("SELECT 1")
    except OSError as error:
        remedy = "set LONGDOC_HOME to a folder you may write to"
        return Finding("data folder", False, f"{home}: {error.strerror}", remedy)
    return Finding("data folder", True, str(home))


def _disk(what: str, folder: Path) -> Finding:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    name = f"free disk, {what}"
    return Finding(name, free >= DISK_NEEDED, f"{free / GIBI:.1f} GiB", "free some space")


def _models(settings: Settings) -> Iterator[Finding]:
    wanted = [settings.retrieval.embedder]
    if not settings.reasoner.url:
        wanted.append(settings.reasoner.model)
    for name in wanted:
        remedy = f"longdoc models pull {name}"
        yield _checked(f"model {name}", lambda name=name: _model(name), remedy)  # type: ignore[misc]


def _model(name: str) -> str | None:
    folder = weights.installed(name)
    return None if folder is None else str(folder)


def _reasoner(settings: Settings) -> Finding:
    if not settings.reasoner.url:
        return Finding("reasoner", True, f"embedded engine, {settings.reasoner.model}")
    from policy import Reasoner

    remedy = "start the server, or unset LONGDOC_REASONER__URL to use the embedded engine"
    return _checked("reasoner", lambda: Reasoner(settings.reasoner).model, remedy)


def _checked(name: str, look: Callable[[], str | None], remedy: str) -> Finding:
    try:
        found = look()
    except LongdocError as error:
        return Finding(name, False, error.message, error.hint or remedy)
    return Finding(name, found is not None, found or "not here", remedy)


def _cuda() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", True, torch.cuda.get_device_name(0))
    remedy = "nothing needs one; with one: pip install 'longdoc[gpu]'"
    return Finding("GPU", False, "none; everything runs on the CPU", remedy, optional=True)
